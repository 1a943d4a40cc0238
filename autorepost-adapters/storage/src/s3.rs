//! Media in an S3 bucket.

mod config;
mod credentials;
mod encryption;
mod errors;
mod reading;
mod upload;

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Result,
    media::MediaKey,
    port::{ByteStream, MediaStore, Stored},
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream;
use http::Method;
use object_store::{
    ObjectStoreExt, PutPayload, aws::AmazonS3, path::Path as Location, retry::RetryPolicy, signer::Signer,
};

pub use config::{AMBIENT_NAMES, S3Config, S3Credentials};
pub use encryption::S3Encryption;

use credentials::{SecretCredentials, WithNewKeys};
use encryption::Encrypted;
use upload::{Parts, Upload};

/// The largest object that S3 copies in one request: "the maximum allowable size for a copy source" of its API is
/// 5,368,709,120 bytes.
pub const S3_MEDIA_BYTES_MAX: u64 = 5 << 30;
/// The longest life of a signed address: `X-Amz-Expires` ends at 604,800 seconds.
pub const S3_URL_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

const OP_STORE: &str = "store media";
const OP_OPEN: &str = "open media";
const OP_CHECK: &str = "check S3 bucket";

/// Keeps media in a bucket, named by their SHA-256.
///
/// What is shorter than one part is one request. What is longer goes in parts to a temporary name below `incoming/`, as
/// its own name is known only at the end; then S3 copies it there, so nothing larger than [`S3_MEDIA_BYTES_MAX`] is taken.
/// A stream that breaks off, or whose future is dropped, is aborted. A process that is killed cannot do that: the bucket
/// needs a lifecycle rule that aborts incomplete uploads (`AbortIncompleteMultipartUpload`) and deletes what lies below
/// `incoming/` after a day or more.
///
/// An address that is signed with a role's temporary credentials ends with them, however long it was asked for.
pub struct S3MediaStore {
    bucket: Arc<Bucket>,
}

/// What [`S3MediaStore::check`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Report {
    /// How S3 says that it encrypted the probe, such as `AES256` or `aws:kms`; nothing when it does not say.
    pub encryption: Option<String>,
}

/// The client, and what every request needs.
struct Bucket {
    client: AmazonS3,
    name: String,
    prefix: String,
    part_bytes: usize,
    encryption: S3Encryption,
    credentials: Option<Arc<SecretCredentials>>,
}

impl S3MediaStore {
    /// Sets up the store. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) when a setting cannot be right.
    pub fn new(config: &S3Config) -> Result<Self> {
        let (client, credentials) = config.build()?;
        let bucket = Bucket {
            client,
            name: config.bucket.clone(),
            prefix: config.prefix.trim_matches('/').to_owned(),
            part_bytes: config.part_bytes,
            encryption: config.encryption.clone(),
            credentials,
        };
        Ok(Self { bucket: Arc::new(bucket) })
    }

    /// Writes, reads and deletes a small object, and tells how S3 encrypted it.
    ///
    /// # Errors
    ///
    /// What is wrong and how to mend it: [`Configuration`](ErrorKind::Configuration) for the bucket, its region, keys,
    /// rights and encryption, [`Unavailable`](ErrorKind::Unavailable) when S3 cannot be reached.
    pub async fn check(&self) -> Result<S3Report> {
        const PROBE: &[u8] = b"autorepost looks whether this bucket can be used";
        let bucket = &self.bucket;
        let name = bucket.temporary(OP_CHECK)?;
        bucket.call(OP_CHECK, || bucket.client.put(&name, PutPayload::from_static(PROBE))).await?;
        let read = bucket.call(OP_CHECK, || bucket.client.get(&name)).await;
        let read = match read {
            Ok(found) => {
                let told = found.extensions.get::<Encrypted>().cloned();
                found.bytes().await.map(|bytes| (bytes, told)).map_err(|cause| bucket.failed(OP_CHECK, cause))
            }
            Err(error) => Err(error),
        };
        // The probe goes in any case.
        let deleted = bucket.call(OP_CHECK, || bucket.client.delete(&name)).await;
        let (bytes, told) = read?;
        deleted?;
        if bytes != PROBE {
            let text = format!("bucket {} gives back something else than was stored there", bucket.name);
            return Err(Error::malformed(OP_CHECK, text));
        }
        if !bucket.encryption.is_met_by(told.as_ref()) {
            let told = told.map_or("none".to_owned(), |told| told.0);
            let text = format!(
                "bucket {} was asked for the encryption {}, and answers with {told}: correct the setting or the bucket",
                bucket.name, bucket.encryption
            );
            return Err(Error::new(ErrorKind::Configuration, OP_CHECK, text));
        }
        Ok(S3Report { encryption: told.map(|told| told.0) })
    }

    async fn put_small(&self, stored: Stored, body: Bytes) -> Result<Stored> {
        let (bucket, name) = (&self.bucket, self.bucket.location(&stored.key));
        if bucket.size(&name).await? != Some(stored.bytes) {
            bucket.call(OP_STORE, || bucket.client.put(&name, PutPayload::from(body.clone()))).await?;
        }
        Ok(stored)
    }

    async fn put_large(&self, first: Bytes, mut parts: Parts) -> Result<Stored> {
        let (bucket, incoming) = (&self.bucket, self.bucket.temporary(OP_STORE)?);
        let mut upload = Upload::begin(bucket, incoming.clone()).await?;
        upload.send(first).await?;
        while !parts.ended() {
            let part = parts.next().await?;
            if !part.is_empty() {
                upload.send(part).await?;
            }
        }
        let stored = parts.stored();
        upload.complete(stored.bytes).await?;
        let name = bucket.location(&stored.key);
        if bucket.size(&name).await? != Some(stored.bytes) {
            bucket.call(OP_STORE, || bucket.client.copy(&incoming, &name)).await?;
            // A copy that fails on its way can begin with 200.
            if bucket.size(&name).await? != Some(stored.bytes) {
                return Err(Error::unavailable(OP_STORE, "S3 did not finish copying a media to its own name"));
            }
        }
        upload.settle().await;
        Ok(stored)
    }
}

#[async_trait]
impl MediaStore for S3MediaStore {
    async fn put(&self, body: ByteStream, bytes_max: u64) -> Result<Stored> {
        let limit = bytes_max.min(S3_MEDIA_BYTES_MAX);
        let over = match limit == bytes_max {
            true => format!("the media is larger than the limit of {limit} bytes"),
            false => format!("the media is larger than {limit} bytes, which is the most that S3 copies at once"),
        };
        let mut parts = Parts::new(body, self.bucket.part_bytes, limit, over);
        let first = parts.next().await?;
        match parts.ended() {
            true => self.put_small(parts.stored(), first).await,
            false => self.put_large(first, parts).await,
        }
    }

    async fn open(&self, key: &MediaKey, range: Range<u64>) -> Result<ByteStream> {
        let name = self.bucket.location(key);
        if range.start >= range.end {
            return match self.bucket.size(&name).await? {
                Some(_) => Ok(Box::pin(stream::empty())),
                None => Err(Error::not_found(OP_OPEN, format!("no media {key} is stored"))),
            };
        }
        reading::open(Arc::clone(&self.bucket), *key, name, range).await
    }

    async fn size(&self, key: &MediaKey) -> Result<Option<u64>> {
        self.bucket.size(&self.bucket.location(key)).await
    }

    async fn remove(&self, key: &MediaKey) -> Result<()> {
        let (bucket, name) = (&self.bucket, self.bucket.location(key));
        match bucket.attempt(|| bucket.client.delete(&name)).await {
            Err(cause) if !errors::absent(&cause) => Err(bucket.failed("remove media", cause)),
            _ => Ok(()),
        }
    }

    async fn url(&self, key: &MediaKey, expires_at: DateTime<Utc>) -> Result<Option<String>> {
        let op = "sign media address";
        // The signature carries the machine's own time, so its life is counted from there.
        let life = SystemTime::from(expires_at).duration_since(SystemTime::now()).unwrap_or_default();
        if life.as_secs() == 0 {
            return Err(Error::invalid(op, "the address would end before it is signed"));
        }
        if life > S3_URL_MAX {
            return Err(Error::invalid(op, "S3 signs no address for longer than seven days"));
        }
        let (bucket, name) = (&self.bucket, self.bucket.location(key));
        let url = bucket.client.signed_url(Method::GET, &name, life).await;
        Ok(Some(url.map_err(|cause| bucket.failed(op, cause))?.into()))
    }
}

impl Bucket {
    /// Where a media lies.
    fn location(&self, key: &MediaKey) -> Location {
        Location::from(format!("{}/{key}", self.prefix))
    }

    /// A name that nothing has.
    fn temporary(&self, op: &'static str) -> Result<Location> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| Error::internal(op, "the system has no randomness"))?;
        Ok(Location::from(format!("{}/incoming/{:032x}", self.prefix, u128::from_be_bytes(random))))
    }

    async fn size(&self, name: &Location) -> Result<Option<u64>> {
        match self.attempt(|| self.client.head(name)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(cause) if errors::absent(&cause) => Ok(None),
            Err(cause) => Err(self.failed("read media size", cause)),
        }
    }

    /// Does something, and once more when it was denied and the keys were replaced meanwhile.
    async fn attempt<T, F>(&self, mut one: impl FnMut() -> F) -> object_store::Result<T>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        match one().await {
            Err(cause) if errors::denied(&cause) && self.renew().await => one().await,
            result => result,
        }
    }

    /// An [`attempt`](Self::attempt) whose error is ours.
    async fn call<T, F>(&self, op: &'static str, one: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        self.attempt(one).await.map_err(|cause| self.failed(op, cause))
    }

    async fn renew(&self) -> bool {
        match &self.credentials {
            Some(credentials) => credentials.renew().await,
            None => false,
        }
    }

    fn retry_policy(&self) -> Option<Arc<dyn RetryPolicy>> {
        self.credentials.as_ref().map(|credentials| Arc::new(WithNewKeys(Arc::clone(credentials))) as _)
    }

    fn failed(&self, op: &'static str, cause: object_store::Error) -> Error {
        errors::failed(op, &self.name, cause)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn names_begin_with_the_prefix_if_there_is_one() {
        let key = MediaKey::of(b"x");
        for (prefix, begins) in [("", ""), ("/", ""), ("media", "media/"), ("/a/b/", "a/b/")] {
            let config = S3Config::new("bucket", "us-east-1", S3Credentials::Ambient(BTreeMap::new()));
            let store = S3MediaStore::new(&S3Config { prefix: prefix.into(), ..config }).unwrap();
            assert_eq!(store.bucket.location(&key).as_ref(), format!("{begins}{key}"));
            let temporary = store.bucket.temporary(OP_CHECK).unwrap();
            assert!(temporary.as_ref().starts_with(&format!("{begins}incoming/")), "{temporary}");
        }
    }
}
