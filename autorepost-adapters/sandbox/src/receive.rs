//! Receiving bytes: into a file, never into memory. Zeros become holes, so that a huge video of a test costs no disk.

use std::path::Path;

use axum::body::Body;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::{
    fs::{File, OpenOptions},
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, SeekFrom},
};

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// Writes a body into a file at an offset, at most `bytes_max` of it, and answers with the number of bytes that were
/// written, whether or not the body ended well.
pub(crate) async fn into_file(path: &Path, offset: u64, body: Body, bytes_max: u64) -> std::io::Result<u64> {
    let mut file = Sparse::open(path, offset).await?;
    let (mut stream, mut written) = (body.into_data_stream(), 0_u64);
    while let Some(Ok(chunk)) = stream.next().await {
        let room = usize::try_from(bytes_max - written).unwrap_or(usize::MAX).min(chunk.len());
        file.write(&chunk[..room]).await?;
        written += room as u64;
        if room < chunk.len() {
            break;
        }
    }
    file.close().await?;
    Ok(written)
}

/// Keeps a segment in a file of its own.
pub(crate) async fn segment(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // A segment that comes again replaces what was kept of it.
    File::create(path).await?;
    let mut file = Sparse::open(path, 0).await?;
    file.write(bytes).await?;
    file.close().await
}

/// Appends a file to another.
pub(crate) async fn append(whole: &Path, part: &Path) -> std::io::Result<()> {
    let end = tokio::fs::metadata(whole).await.map(|metadata| metadata.len()).unwrap_or_default();
    let mut file = Sparse::open(whole, end).await?;
    let (mut part, mut buffer) = (File::open(part).await?, vec![0; BUFFER_BYTES]);
    loop {
        match part.read(&mut buffer).await? {
            0 => return file.close().await,
            read => file.write(&buffer[..read]).await?,
        }
    }
}

/// A file in which runs of zeros are holes.
struct Sparse {
    file: File,
    at: u64,
}

impl Sparse {
    async fn open(path: &Path, at: u64) -> std::io::Result<Self> {
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path).await?;
        // Whatever stood here from a request that was cut is not taken for zeros.
        file.set_len(at).await?;
        file.seek(SeekFrom::Start(at)).await?;
        Ok(Self { file, at })
    }

    async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.at += bytes.len() as u64;
        match is_zero(bytes) {
            true => self.file.seek(SeekFrom::Start(self.at)).await.map(drop),
            false => self.file.write_all(bytes).await,
        }
    }

    async fn close(mut self) -> std::io::Result<()> {
        self.file.flush().await?;
        self.file.set_len(self.at).await
    }
}

/// Whether all bytes are zero: compared with itself one byte further, which is as fast as memory is.
fn is_zero(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|first| *first == 0 && bytes[1..] == bytes[..bytes.len() - 1])
}

/// The SHA-256 of a file, in hexadecimal.
pub(crate) async fn sha256(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path).await?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; BUFFER_BYTES]);
    loop {
        let read = file.read(&mut buffer).await?;
        if read == 0 {
            return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hash.update(&buffer[..read]);
    }
}

/// The duration in seconds that an MP4's movie header tells, wherever it stands.
pub(crate) async fn mp4_seconds(path: &Path) -> std::io::Result<Option<f64>> {
    const HEAD_BYTES: u64 = 1 << 20;
    let size = tokio::fs::metadata(path).await?.len();
    for start in [0, size.saturating_sub(HEAD_BYTES)] {
        let mut file = File::open(path).await?;
        file.seek(SeekFrom::Start(start)).await?;
        let mut bytes = Vec::new();
        file.take(HEAD_BYTES).read_to_end(&mut bytes).await?;
        let found = bytes.windows(4).position(|window| window == b"mvhd");
        if let Some(at) = found
            && let Some(&[a, b, c, d, e, f, g, h]) = bytes.get(at + 16..at + 24).and_then(|b| b.first_chunk::<8>())
        {
            let (scale, duration) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
            return Ok(Some(f64::from(duration) / f64::from(scale.max(1))));
        }
    }
    Ok(None)
}
