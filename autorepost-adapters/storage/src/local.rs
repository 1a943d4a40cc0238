//! Media in a local folder.

use std::{fs, ops::Range, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Result,
    media::MediaKey,
    port::{ByteStream, MediaStore, Stored},
};
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use object_store::{ObjectStoreExt, PutPayload, local::LocalFileSystem, path::Path as Location};
use sha2::{Digest, Sha256};

use crate::MediaLinks;

/// Bytes that are gathered before they are written.
const PART_BYTES: usize = 1 << 20;
/// Bytes that are read at once.
const READ_BYTES: u64 = 256 << 10;
/// A file that is still incoming after this time was left behind by a process that died.
const STALE_AFTER: Duration = Duration::from_secs(24 * 3600);
const INCOMING: &str = "incoming";

/// Keeps media in a folder, named by their SHA-256. Bytes arrive under another name and are renamed when they are whole,
/// so that whatever can be read is complete.
pub struct LocalMediaStore {
    files: Arc<LocalFileSystem>,
    links: Option<MediaLinks>,
}

impl LocalMediaStore {
    /// Opens a folder, and makes it when it is missing. With `links` its media have public addresses.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) when the folder cannot be made or read.
    pub fn open(folder: &Path, links: Option<MediaLinks>) -> Result<Self> {
        let bad = |cause: Box<dyn std::error::Error + Send + Sync>| {
            let text = format!("the media folder {} cannot be used: {cause}", folder.display());
            Error::new(ErrorKind::Configuration, "open media folder", text)
        };
        fs::create_dir_all(folder).map_err(|cause| bad(cause.into()))?;
        let files = LocalFileSystem::new_with_prefix(folder).map_err(|cause| bad(cause.into()))?.with_fsync(true);
        for entry in fs::read_dir(folder.join(INCOMING)).into_iter().flatten().flatten() {
            let age = entry.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|at| at.elapsed().ok());
            if age.is_some_and(|age| age > STALE_AFTER) {
                // Another process may be doing the same.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(Self { files: Arc::new(files), links })
    }

    async fn receive(&self, mut body: ByteStream, bytes_max: u64, name: &Location) -> Result<Stored> {
        let op = "store media";
        let mut upload = self.files.put_multipart(name).await.map_err(|cause| failed(op, cause))?;
        let (mut hash, mut bytes, mut part) = (Sha256::new(), 0_u64, Vec::with_capacity(PART_BYTES));
        let result: Result<()> = async {
            while let Some(chunk) = body.next().await.transpose()? {
                bytes += chunk.len() as u64;
                if bytes > bytes_max {
                    let text = format!("the media is larger than the limit of {bytes_max} bytes");
                    return Err(Error::new(ErrorKind::Rejected, op, text));
                }
                hash.update(&chunk);
                part.extend_from_slice(&chunk);
                if part.len() >= PART_BYTES {
                    let full = std::mem::replace(&mut part, Vec::with_capacity(PART_BYTES));
                    upload.put_part(PutPayload::from(full)).await.map_err(|cause| failed(op, cause))?;
                }
            }
            upload.put_part(PutPayload::from(part)).await.map_err(|cause| failed(op, cause))
        }
        .await;
        if let Err(error) = result {
            // The first error is the one to tell.
            let _ = upload.abort().await;
            return Err(error);
        }
        upload.complete().await.map_err(|cause| failed(op, cause))?;
        Ok(Stored { key: MediaKey::from_digest(hash.finalize().into()), bytes })
    }
}

#[async_trait]
impl MediaStore for LocalMediaStore {
    async fn put(&self, body: ByteStream, bytes_max: u64) -> Result<Stored> {
        let op = "store media";
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| Error::internal(op, "the system has no randomness"))?;
        let name = Location::from(format!("{INCOMING}/{:032x}", u128::from_be_bytes(random)));
        let stored = self.receive(body, bytes_max, &name).await?;
        self.files.rename(&name, &location(&stored.key)).await.map_err(|cause| failed(op, cause))?;
        Ok(stored)
    }

    async fn open(&self, key: &MediaKey, range: Range<u64>) -> Result<ByteStream> {
        let op = "open media";
        let size = self.size(key).await?;
        let size = size.ok_or_else(|| Error::not_found(op, format!("no media {key} is stored")))?;
        let (start, end) = (range.start, range.end.min(size));
        if start >= end {
            return Ok(Box::pin(stream::empty()));
        }
        // Piece by piece: the store's own stream reads eight kilobytes at a time, each on another thread.
        let (files, location) = (Arc::clone(&self.files), location(key));
        Ok(Box::pin(stream::try_unfold(start, move |at| {
            let (files, location) = (Arc::clone(&files), location.clone());
            async move {
                if at >= end {
                    return Ok(None);
                }
                let next = end.min(at + READ_BYTES);
                let piece = files.get_range(&location, at..next).await.map_err(|cause| failed(op, cause))?;
                Ok((!piece.is_empty()).then_some((piece, next)))
            }
        })))
    }

    async fn size(&self, key: &MediaKey) -> Result<Option<u64>> {
        match self.files.head(&location(key)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(failed("read media size", cause)),
        }
    }

    async fn remove(&self, key: &MediaKey) -> Result<()> {
        match self.files.delete(&location(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(cause) => Err(failed("remove media", cause)),
        }
    }

    async fn url(&self, key: &MediaKey, expires_at: DateTime<Utc>) -> Result<Option<String>> {
        Ok(self.links.as_ref().map(|links| links.sign(key, expires_at)))
    }
}

/// Two levels of folders, so that none of them grows too large to list.
fn location(key: &MediaKey) -> Location {
    let key = key.to_string();
    Location::from(format!("{}/{}/{key}", &key[..2], &key[2..4]))
}

fn failed(op: &'static str, cause: object_store::Error) -> Error {
    let text = cause.to_string();
    let error = if text.contains("No space left") {
        Error::unavailable(op, "the disk is full: free some space")
    } else if text.contains("Permission denied") || text.contains("Read-only") {
        Error::new(ErrorKind::Configuration, op, "the media folder cannot be written: check its permissions")
    } else {
        Error::unavailable(op, "the media folder cannot be read or written")
    };
    error.source(cause)
}
