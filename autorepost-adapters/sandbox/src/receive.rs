//! Receiving bytes: into a file, never into memory.

use std::path::Path;

use axum::body::Body;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::{
    fs::{File, OpenOptions},
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, SeekFrom},
};

/// Writes a body into a file at an offset, at most `bytes_max` of it, and answers with the number of bytes that were
/// written, whether or not the body ended well.
pub(crate) async fn into_file(path: &Path, offset: u64, body: Body, bytes_max: u64) -> std::io::Result<u64> {
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path).await?;
    file.seek(SeekFrom::Start(offset)).await?;
    let (mut stream, mut written) = (body.into_data_stream(), 0_u64);
    while let Some(Ok(chunk)) = stream.next().await {
        let room = usize::try_from(bytes_max - written).unwrap_or(usize::MAX).min(chunk.len());
        file.write_all(&chunk[..room]).await?;
        written += room as u64;
        if room < chunk.len() {
            break;
        }
    }
    file.flush().await?;
    Ok(written)
}

/// The SHA-256 of a file, in hexadecimal.
pub(crate) async fn sha256(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path).await?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 64 << 10]);
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
