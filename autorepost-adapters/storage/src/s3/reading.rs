//! Reading that goes on where a connection broke.

use std::{ops::Range, sync::Arc, time::Duration};

use autorepost_core::{Error, Result, media::MediaKey, port::ByteStream};
use bytes::Bytes;
use futures_util::{StreamExt, stream, stream::BoxStream};
use object_store::{GetOptions, GetRange, GetResult, ObjectStore, path::Path as Location};
use sha2::{Digest, Sha256};

use super::{Bucket, OP_OPEN, errors};

/// How often in a row a body that breaks is asked for again from where it stopped. The count begins anew when
/// [`PROGRESS_BYTES`] came through.
const RESUMES_MAX: u32 = 10;
/// See [`RESUMES_MAX`].
const PROGRESS_BYTES: u64 = 1 << 20;
/// The wait before a body is asked for again, times the number of the try.
const RESUME_WAIT: Duration = Duration::from_millis(100);

/// Opens a range that is not empty. A whole media is held against its name while it is read.
pub(super) async fn open(bucket: Arc<Bucket>, key: MediaKey, name: Location, range: Range<u64>) -> Result<ByteStream> {
    let absent = || Error::not_found(OP_OPEN, format!("no media {key} is stored"));
    let found = match get(&bucket, &name, range.clone()).await {
        Ok(found) => found,
        // Nothing lies there; but only when there is a media is that no error.
        Err(cause) if errors::beyond_the_end(&cause) => {
            return match bucket.size(&name).await? {
                Some(_) => Ok(Box::pin(stream::empty())),
                None => Err(absent()),
            };
        }
        Err(cause) if errors::absent(&cause) => return Err(absent()),
        Err(cause) => return Err(bucket.failed(OP_OPEN, cause)),
    };
    let size = found.meta.size;
    let Range { start, end } = found.range;
    let hash = (start == 0 && end == size).then(Sha256::new);
    let body = found.into_stream();
    let reading = Reading { bucket, key, name, at: start, end, body, resumes: 0, progress: 0, hash, over: false };
    Ok(Box::pin(stream::unfold(reading, |mut reading| async move {
        let next = reading.next().await.transpose()?;
        reading.over = next.is_err();
        Some((next, reading))
    })))
}

async fn get(bucket: &Bucket, name: &Location, range: Range<u64>) -> object_store::Result<GetResult> {
    // Servers read the end of a range as a signed number.
    let range = match i64::try_from(range.end) {
        Ok(_) => GetRange::Bounded(range),
        Err(_) => GetRange::Offset(range.start),
    };
    let options = || GetOptions { range: Some(range.clone()), ..GetOptions::default() };
    bucket.attempt(|| bucket.client.get_opts(name, options())).await
}

struct Reading {
    bucket: Arc<Bucket>,
    key: MediaKey,
    name: Location,
    at: u64,
    end: u64,
    body: BoxStream<'static, object_store::Result<Bytes>>,
    resumes: u32,
    progress: u64,
    /// Set while a whole media is read.
    hash: Option<Sha256>,
    over: bool,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        while !self.over && self.at < self.end {
            match self.body.next().await {
                Some(Ok(chunk)) if chunk.is_empty() => {}
                Some(Ok(mut chunk)) => {
                    chunk.truncate(usize::try_from(self.end - self.at).unwrap_or(usize::MAX));
                    self.count(&chunk);
                    return Ok(Some(chunk));
                }
                Some(Err(cause)) => self.resume(Some(cause)).await?,
                None => self.resume(None).await?,
            }
        }
        let read = self.hash.take().filter(|_| !self.over).map(|hash| MediaKey::from_digest(hash.finalize().into()));
        if read.is_some_and(|read| read != self.key) {
            let text = format!("what S3 gives for media {} is not what was stored there: delete it", self.key);
            return Err(Error::malformed(OP_OPEN, text));
        }
        Ok(None)
    }

    fn count(&mut self, chunk: &Bytes) {
        let bytes = chunk.len() as u64;
        self.at += bytes;
        self.progress += bytes;
        if self.progress >= PROGRESS_BYTES {
            (self.progress, self.resumes) = (0, 0);
        }
        if let Some(hash) = &mut self.hash {
            hash.update(chunk);
        }
    }

    /// Asks for the rest anew.
    async fn resume(&mut self, cause: Option<object_store::Error>) -> Result<()> {
        if self.resumes >= RESUMES_MAX {
            let text = format!("the reading of media {} broke off {RESUMES_MAX} times in a row", self.key);
            let error = Error::unavailable(OP_OPEN, text);
            return Err(match cause {
                Some(cause) => error.source(cause),
                None => error,
            });
        }
        self.resumes += 1;
        self.progress = 0;
        tokio::time::sleep(RESUME_WAIT * self.resumes).await;
        let found = get(&self.bucket, &self.name, self.at..self.end).await;
        match found {
            Ok(found) => self.body = found.into_stream(),
            Err(cause) => return Err(self.bucket.failed(OP_OPEN, cause)),
        }
        Ok(())
    }
}
