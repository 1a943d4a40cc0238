//! Media: bytes in, bytes out, a look inside. Always streamed.

use std::{ops::Range, pin::Pin, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_core::Stream;

use crate::{
    Result,
    media::{Media, MediaFacts, MediaKey},
    preflight::Profile,
};

/// Bytes as they arrive.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// Bytes that a media store keeps now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Their name.
    pub key: MediaKey,
    /// Their number.
    pub bytes: u64,
}

/// Keeps media, named by their content.
#[async_trait]
pub trait MediaStore: Send + Sync {
    /// Stores a stream, and answers with its SHA-256 and length. All or nothing: when the stream ends with an error,
    /// or is longer than `bytes_max` ([`Rejected`](crate::ErrorKind::Rejected)), or the future is dropped, nothing can be
    /// read under any key. Storing the same bytes again changes nothing.
    async fn put(&self, body: ByteStream, bytes_max: u64) -> Result<Stored>;

    /// Reads a range of what is stored under `key`. The end may lie beyond the end of the media; a start beyond it gives
    /// an empty stream. [`NotFound`](crate::ErrorKind::NotFound) when nothing is stored. A store that keeps its media out
    /// of reach may hold a whole one against its name, and end it with [`Malformed`](crate::ErrorKind::Malformed).
    async fn open(&self, key: &MediaKey, range: Range<u64>) -> Result<ByteStream>;

    /// The size of what is stored under `key` in bytes; `Ok(None)` when nothing is.
    async fn size(&self, key: &MediaKey) -> Result<Option<u64>>;

    /// Forgets what is stored under `key`. Nothing there is fine.
    async fn remove(&self, key: &MediaKey) -> Result<()>;

    /// A public address from which anyone can read it until `expires_at`: for platforms that fetch by themselves.
    /// `Ok(None)` when this store has no such address; [`Invalid`](crate::ErrorKind::Invalid) when it can make none that
    /// ends then.
    async fn url(&self, key: &MediaKey, expires_at: DateTime<Utc>) -> Result<Option<String>>;
}

/// Looks into stored media.
#[async_trait]
pub trait Probe: Send + Sync {
    /// What the media is. [`Rejected`](crate::ErrorKind::Rejected) when it is no video, saying what it looks like.
    async fn probe(&self, key: &MediaKey) -> Result<MediaFacts>;
}

/// Makes other videos, and pictures, of stored media.
#[async_trait]
pub trait Converter: Send + Sync {
    /// Makes what `profile` says of a stored video, and stores it: all or nothing, as in [`MediaStore::put`]. Dropping the
    /// future ends the work. The same source and profile may give other bytes each time. `progress` hears how many
    /// milliseconds of the video are made.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) when the source is not stored;
    /// [`Configuration`](crate::ErrorKind::Configuration) when nothing here can convert, with the remedy;
    /// [`Rejected`](crate::ErrorKind::Rejected) when it cannot be made of this video;
    /// [`Unavailable`](crate::ErrorKind::Unavailable) when it failed for want of time, memory or room.
    async fn convert(
        &self,
        source: &Media,
        profile: &Profile,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Stored>;

    /// The picture of a stored video at `offset_ms`, or the last one of a shorter video, as a JPEG of at most `bytes_max`.
    ///
    /// # Errors
    ///
    /// Those of [`convert`](Self::convert).
    async fn still(&self, source: &Media, offset_ms: u32, bytes_max: u64) -> Result<Bytes>;
}

/// Keeps which media were made of which. What it forgets is made again.
#[async_trait]
pub trait RenditionStore: Send + Sync {
    /// What was last kept of this source and profile, if anything. Its bytes may be gone.
    async fn find(&self, source: &MediaKey, profile: &Profile) -> Result<Option<Media>>;

    /// Keeps that `made` was made of a source. Two makers at once may keep two.
    async fn keep(&self, source: &MediaKey, profile: &Profile, made: &Media) -> Result<()>;

    /// Everything that was made of a source, each once.
    async fn of(&self, source: &MediaKey) -> Result<Vec<MediaKey>>;

    /// Forgets everything that was made of a source. Nothing there is fine.
    async fn forget(&self, source: &MediaKey) -> Result<()>;
}

/// The bytes of one submission, as a destination reads them.
#[async_trait]
pub trait Body: Send + Sync {
    /// Their number.
    fn size(&self) -> u64;

    /// A range of them.
    async fn open(&self, range: Range<u64>) -> Result<ByteStream>;

    /// A public address that works until `expires_at`, if there is one.
    async fn url(&self, expires_at: DateTime<Utc>) -> Result<Option<String>>;
}

/// The [`Body`] that a media store holds.
pub struct StoredBody {
    store: Arc<dyn MediaStore>,
    stored: Stored,
}

impl StoredBody {
    /// The body of what `store` holds.
    pub fn new(store: Arc<dyn MediaStore>, stored: Stored) -> Self {
        Self { store, stored }
    }
}

#[async_trait]
impl Body for StoredBody {
    fn size(&self) -> u64 {
        self.stored.bytes
    }

    async fn open(&self, range: Range<u64>) -> Result<ByteStream> {
        self.store.open(&self.stored.key, range).await
    }

    async fn url(&self, expires_at: DateTime<Utc>) -> Result<Option<String>> {
        self.store.url(&self.stored.key, expires_at).await
    }
}
