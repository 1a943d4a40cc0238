//! The folder, or the part of a bucket, where a creator drops files.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use autorepost_core::{
    Error, ErrorKind, Result,
    master::{SIDECAR_BYTES_MAX, Sidecar},
    port::ByteStream,
};
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use object_store::{
    ObjectMeta, ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path as Location, prefix::PrefixStore,
};

use crate::S3Config;

/// What a video's name ends with.
const VIDEOS: [&str; 3] = ["mp4", "mov", "m4v"];
/// Where files go that were taken in.
const TAKEN: &str = "taken";

/// Where a creator drops files: each is complete once it has stayed as it is for a while, and goes to `taken/` once it was
/// taken in. A sidecar is the file of the same name that ends with `.json`, and is there before its video is complete.
pub struct Inbox {
    files: Arc<dyn ObjectStore>,
    quiet: Duration,
    looked: Mutex<BTreeMap<Location, Look>>,
}

/// What a file was like when it was first seen as it is.
struct Look {
    bytes: u64,
    at: DateTime<Utc>,
    since: Instant,
    /// It was told to be bad, and is left alone until it changes.
    refused: bool,
}

/// A file that is complete.
#[derive(Debug)]
pub struct Dropped {
    /// What it is called.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// When it was last written.
    pub made_at: DateTime<Utc>,
    /// What stands beside it, or what is wrong with that.
    pub sidecar: Result<Sidecar>,
    video: Location,
    beside: Option<Location>,
}

impl Inbox {
    /// A folder, which is made when it is missing. A file is complete when it has stayed as it is for `quiet`.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) when the folder cannot be made or read.
    pub fn folder(folder: &Path, quiet: Duration) -> Result<Self> {
        let bad = |cause: String| {
            let text = format!("the drop folder {} cannot be used: {cause}", folder.display());
            Error::new(ErrorKind::Configuration, "open drop folder", text)
        };
        fs::create_dir_all(folder).map_err(|cause| bad(cause.to_string()))?;
        let files = LocalFileSystem::new_with_prefix(folder).map_err(|cause| bad(cause.to_string()))?;
        Ok(Self::of(Arc::new(files), quiet))
    }

    /// What lies in a bucket below the prefix of `config`.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) when a setting cannot be right.
    pub fn bucket(config: &S3Config, quiet: Duration) -> Result<Self> {
        let client = config.client()?;
        Ok(Self::of(Arc::new(PrefixStore::new(client, config.prefix.trim_matches('/'))), quiet))
    }

    fn of(files: Arc<dyn ObjectStore>, quiet: Duration) -> Self {
        Self { files, quiet, looked: Mutex::default() }
    }

    /// The files that are complete and were not refused, by name.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) when it cannot be listed.
    pub async fn look(&self) -> Result<Vec<Dropped>> {
        let listed =
            self.files.list_with_delimiter(None).await.map_err(|cause| failed("look for files", cause))?.objects;
        let videos: Vec<_> = listed.iter().filter(|one| is_video(&one.location)).collect();
        let mut found = Vec::new();
        for video in self.complete(&videos) {
            let beside = listed.iter().find(|other| is_beside(&other.location, &video.location));
            found.push(Dropped {
                name: video.location.filename().unwrap_or_default().to_owned(),
                bytes: video.size,
                made_at: video.last_modified,
                sidecar: match beside {
                    Some(beside) => self.sidecar(beside).await,
                    None => Ok(Sidecar::default()),
                },
                video: video.location.clone(),
                beside: beside.map(|beside| beside.location.clone()),
            });
        }
        Ok(found)
    }

    /// Those that have stayed as they are for long enough.
    fn complete<'a>(&self, videos: &[&'a ObjectMeta]) -> Vec<&'a ObjectMeta> {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.retain(|location, _| videos.iter().any(|video| video.location == *location));
        let now = Instant::now();
        let is_complete = |video: &&&'a ObjectMeta| {
            let new = || Look { bytes: video.size, at: video.last_modified, since: now, refused: false };
            let look = looked.entry(video.location.clone()).or_insert_with(new);
            if (look.bytes, look.at) != (video.size, video.last_modified) {
                *look = new();
            }
            !look.refused && now.duration_since(look.since) >= self.quiet
        };
        videos.iter().filter(is_complete).copied().collect()
    }

    async fn sidecar(&self, beside: &ObjectMeta) -> Result<Sidecar> {
        if beside.size > SIDECAR_BYTES_MAX {
            return Err(Error::invalid(
                "read sidecar",
                format!("the sidecar is larger than {SIDECAR_BYTES_MAX} bytes"),
            ));
        }
        let read = async { self.files.get(&beside.location).await?.bytes().await };
        Sidecar::read(&read.await.map_err(|cause| failed("read sidecar", cause))?)
    }

    /// Opens a file.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) when it cannot be read.
    pub async fn open(&self, file: &Dropped) -> Result<ByteStream> {
        let op = "read file";
        let opened = self.files.get(&file.video).await.map_err(|cause| failed(op, cause))?;
        if (opened.meta.size, opened.meta.last_modified) != (file.bytes, file.made_at) {
            return Err(Error::unavailable(op, "the file was changed in this moment"));
        }
        Ok(Box::pin(opened.into_stream().map(move |piece| piece.map_err(|cause| failed(op, cause)))))
    }

    /// Puts a file that was taken in aside, with its sidecar. One that somebody else put aside is fine.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable) when it cannot be moved.
    pub async fn put_aside(&self, file: &Dropped) -> Result<()> {
        for from in [Some(&file.video), file.beside.as_ref()].into_iter().flatten() {
            let to = Location::from_iter([TAKEN, from.filename().unwrap_or_default()]);
            match self.files.rename(from, &to).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(cause) => return Err(failed("put file aside", cause)),
            }
        }
        Ok(())
    }

    /// Leaves a bad file alone until it changes.
    pub fn refuse(&self, file: &Dropped) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(look) = looked.get_mut(&file.video) {
            look.refused = true;
        }
    }
}

fn stem_and_ending(location: &Location) -> Option<(&str, &str)> {
    location.filename()?.rsplit_once('.')
}

fn is_video(location: &Location) -> bool {
    stem_and_ending(location)
        .is_some_and(|(stem, ending)| !stem.is_empty() && VIDEOS.iter().any(|video| video.eq_ignore_ascii_case(ending)))
}

fn is_beside(location: &Location, video: &Location) -> bool {
    let (mine, theirs) = (stem_and_ending(location), stem_and_ending(video));
    matches!((mine, theirs), (Some((mine, "json")), Some((theirs, _))) if mine == theirs)
}

fn failed(op: &'static str, cause: object_store::Error) -> Error {
    let text = match &cause {
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            "the place where files are dropped may not be used: check its rights"
        }
        _ => "the place where files are dropped cannot be read or written",
    };
    Error::unavailable(op, text).source(cause)
}
