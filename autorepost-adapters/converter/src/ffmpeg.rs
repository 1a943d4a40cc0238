//! The converter.

use std::{
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Result,
    media::Media,
    port::{ByteStream, Converter, MediaStore, Stored},
    preflight::Profile,
};
use bytes::{Bytes, BytesMut};
use futures_util::{TryStreamExt, stream};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
};

use crate::{
    arguments::{self, INPUT, OUTPUT, PICTURE},
    process,
    room::Room,
};

/// How ffmpeg is got.
pub const INSTALL: &str =
    "install ffmpeg (Debian and Ubuntu: apt-get install ffmpeg), or name it with AUTOREPOST_FFMPEG, and start again";
/// Conversions that run at once in a process: each takes a processor or two.
const CONVERSIONS_MAX: usize = 1;
/// The shortest and the longest time that a conversion may take, and how many times the video's own length in between.
const TIME_MIN: Duration = Duration::from_secs(5 * 60);
const TIME_MAX: Duration = Duration::from_secs(60 * 60);
const TIME_FACTOR: u32 = 30;
/// The longest time that a picture or a question may take.
const QUICK_MAX: Duration = Duration::from_secs(120);
/// Bytes that are read at once.
const READ_BYTES: usize = 256 << 10;

/// How ffmpeg is run.
#[derive(Debug, Clone)]
pub struct FfmpegConfig {
    /// The program; nothing where it is not installed.
    pub program: Option<PathBuf>,
    /// Where its files are kept while it runs: room for a video and for what is made of it.
    pub folder: PathBuf,
}

/// Converts media with ffmpeg.
pub struct Ffmpeg {
    program: Option<PathBuf>,
    store: Arc<dyn MediaStore>,
    room: Room,
    places: Semaphore,
}

impl Ffmpeg {
    /// A converter of what `store` keeps. What a killed process left in the folder is deleted.
    pub fn new(config: FfmpegConfig, store: Arc<dyn MediaStore>) -> Self {
        let FfmpegConfig { program, folder } = config;
        Self { program, store, room: Room::new(folder), places: Semaphore::new(CONVERSIONS_MAX) }
    }

    /// Asks a program for its version.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) when it cannot be run, or has no H.264 encoder.
    pub async fn version(program: &Path) -> Result<String> {
        let op = "ask ffmpeg";
        let here = Path::new("/");
        let mut printed = String::new();
        let mut ask = async |argument: &str| {
            printed.clear();
            let arguments = ["-hide_banner".to_owned(), argument.to_owned()];
            let line = |line: &str| {
                // Writing to a text cannot fail.
                let _ = writeln!(printed, "{line}");
            };
            process::run(op, program, &arguments, here, QUICK_MAX, line).await?;
            Ok::<_, Error>(printed.clone())
        };
        if !ask("-encoders").await?.contains("libx264") {
            let text = format!("this ffmpeg has no H.264 encoder (libx264): {INSTALL}");
            return Err(Error::new(ErrorKind::Configuration, op, text));
        }
        let version = ask("-version").await?;
        Ok(version.split_whitespace().nth(2).unwrap_or("unknown").to_owned())
    }

    fn program(&self, op: &'static str) -> Result<&Path> {
        let missing = || Error::new(ErrorKind::Configuration, op, format!("ffmpeg is not installed: {INSTALL}"));
        self.program.as_deref().ok_or_else(missing)
    }

    /// Copies a media to where ffmpeg may seek in it.
    async fn fetch(&self, op: &'static str, source: &Media, path: &Path) -> Result<()> {
        let mut bytes = self.store.open(&source.key, 0..source.bytes).await?;
        let mut file = File::create(path).await.map_err(|cause| unwritten(op, cause))?;
        while let Some(piece) = bytes.try_next().await? {
            file.write_all(&piece).await.map_err(|cause| unwritten(op, cause))?;
        }
        file.flush().await.map_err(|cause| unwritten(op, cause))
    }
}

#[async_trait]
impl Converter for Ffmpeg {
    async fn convert(
        &self,
        source: &Media,
        profile: &Profile,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Stored> {
        let op = "convert media";
        let program = self.program(op)?;
        let _place = self.places.acquire().await.map_err(|_| Error::internal(op, "nothing is converted any more"))?;
        let room = self.room.enter(op)?;
        self.fetch(op, source, &room.path().join(INPUT)).await?;
        let length = Duration::from_millis(source.facts.duration_ms);
        let limit = length.saturating_mul(TIME_FACTOR).clamp(TIME_MIN, TIME_MAX);
        let arguments = arguments::convert(&source.facts, profile, limit);
        let line = |line: &str| {
            if let Some(us) = line.strip_prefix("out_time_us=").and_then(|text| text.parse::<u64>().ok()) {
                progress(us / 1_000);
            }
        };
        process::run(op, program, &arguments, room.path(), limit, line).await?;
        let made = room.path().join(OUTPUT);
        let size = tokio::fs::metadata(&made).await.map_err(|cause| unread(op, cause))?.len();
        if size > profile.bytes_max {
            let text = format!("what was made of it has more than {:.0} MB", profile.bytes_max as f64 / 1e6);
            return Err(Error::new(ErrorKind::Rejected, op, text));
        }
        self.store.put(contents(op, &made).await?, profile.bytes_max).await
    }

    async fn still(&self, source: &Media, offset_ms: u32, bytes_max: u64) -> Result<Bytes> {
        let op = "take picture";
        let program = self.program(op)?;
        let _place = self.places.acquire().await.map_err(|_| Error::internal(op, "nothing is converted any more"))?;
        let room = self.room.enter(op)?;
        self.fetch(op, source, &room.path().join(INPUT)).await?;
        // The last picture begins before the end, by as long as it is shown.
        let shown_ms = 2_000_000 / u64::from(source.facts.video.frame_rate_milli.max(1));
        let offset_ms = u64::from(offset_ms).min(source.facts.duration_ms.saturating_sub(shown_ms));
        process::run(op, program, &arguments::picture(offset_ms, QUICK_MAX), room.path(), QUICK_MAX, |_| {}).await?;
        let made = room.path().join(PICTURE);
        let size = tokio::fs::metadata(&made).await.map_err(|cause| unread(op, cause))?.len();
        if size > bytes_max {
            let text = format!("the picture has {size} bytes, at most {bytes_max} are taken");
            return Err(Error::new(ErrorKind::Rejected, op, text));
        }
        tokio::fs::read(&made).await.map(Bytes::from).map_err(|cause| unread(op, cause))
    }
}

/// The bytes of a file, piece by piece.
async fn contents(op: &'static str, path: &Path) -> Result<ByteStream> {
    let file = File::open(path).await.map_err(|cause| unread(op, cause))?;
    Ok(Box::pin(stream::try_unfold(file, move |mut file| async move {
        let mut piece = BytesMut::with_capacity(READ_BYTES);
        let read = file.read_buf(&mut piece).await.map_err(|cause| unread(op, cause))?;
        Ok((read > 0).then(|| (piece.freeze(), file)))
    })))
}

fn unwritten(op: &'static str, cause: io::Error) -> Error {
    let text = match cause.kind() {
        io::ErrorKind::StorageFull => "there is no room on the disk for the conversion: free some",
        _ => "the folder of the conversions cannot be written",
    };
    Error::unavailable(op, text).source(cause)
}

fn unread(op: &'static str, cause: io::Error) -> Error {
    if cause.kind() == io::ErrorKind::NotFound {
        return Error::new(ErrorKind::Rejected, op, "ffmpeg made nothing of it");
    }
    Error::unavailable(op, "what ffmpeg made cannot be read").source(cause)
}
