//! Real ffmpeg on real videos of many kinds, and on files that mean harm.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on has failed"))]

mod hostile;
mod kinds;
mod made;
mod stopped;

use std::{fs, path::Path, sync::Arc};

use autorepost_converter::{Ffmpeg, FfmpegConfig};
use autorepost_core::{
    Platform, Result,
    media::Media,
    port::{Converter, MediaStore, Probe},
    preflight::{Profile, Verdict, check},
};
use autorepost_storage::{LocalMediaStore, Mp4Probe};
use futures_util::stream;
use tempfile::TempDir;

/// A media store in a folder, a probe and a converter.
struct House {
    folder: TempDir,
    store: Arc<LocalMediaStore>,
    probe: Mp4Probe,
    ffmpeg: Ffmpeg,
}

impl House {
    fn new() -> Self {
        Self::with(Some(made::ffmpeg()))
    }

    fn with(program: Option<std::path::PathBuf>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(LocalMediaStore::open(&folder.path().join("media"), None).unwrap());
        let config = FfmpegConfig { program, folder: folder.path().join("conversions") };
        Self { probe: Mp4Probe::new(store.clone()), ffmpeg: Ffmpeg::new(config, store.clone()), store, folder }
    }

    async fn keep(&self, bytes: Vec<u8>) -> Media {
        let stored = self.store.put(Box::pin(stream::iter([Ok(bytes.into())])), u64::MAX).await.unwrap();
        let facts = self.probe.probe(&stored.key).await;
        let facts = facts.unwrap_or_else(|_| autorepost_core::memory::MemoryMedia::upright(9_000));
        Media { key: stored.key, bytes: stored.bytes, facts }
    }

    async fn keep_file(&self, path: &Path) -> Media {
        let media = self.keep(fs::read(path).unwrap()).await;
        self.probe.probe(&media.key).await.unwrap();
        media
    }

    async fn convert(&self, source: &Media, profile: &Profile) -> Result<Media> {
        let stored = self.ffmpeg.convert(source, profile, &|_| {}).await?;
        let facts = self.probe.probe(&stored.key).await?;
        Ok(Media { key: stored.key, bytes: stored.bytes, facts })
    }

    /// Files that conversions left behind, except locks.
    fn left(&self) -> Vec<String> {
        fn files(folder: &Path, all: &mut Vec<String>) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.path() {
                    path if path.is_dir() => files(&path, all),
                    path if path.ends_with("lock") => {}
                    path => all.push(path.display().to_string()),
                }
            }
        }
        let mut all = Vec::new();
        files(&self.folder.path().join("conversions"), &mut all);
        all
    }
}

/// The profile that a destination asks for, and why.
fn wanted(media: &Media, platform: Platform) -> (Profile, String) {
    match check(&media.facts, media.bytes, platform, true) {
        Verdict::Convert { profile, reasons, .. } => (profile, reasons.join("; ")),
        other => panic!("{other:?} of {:?}", media.facts),
    }
}
