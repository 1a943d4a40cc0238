//! An upload in parts, that leaves nothing behind.

use std::sync::Arc;

use autorepost_core::{
    Error, ErrorKind, Result,
    media::MediaKey,
    port::{ByteStream, Stored},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use object_store::{
    MultipartUpload, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutPayload, aws::AmazonS3,
    path::Path as Location,
};
use sha2::{Digest, Sha256};
use tokio::{runtime::Handle, task::JoinSet};

use super::{Bucket, OP_STORE};

/// Parts that are on their way at once, beside the one that is being filled.
const PARTS_IN_FLIGHT: usize = 2;

/// A body, cut into parts of one size, and counted and hashed on its way.
pub(super) struct Parts {
    body: ByteStream,
    part_bytes: usize,
    limit: u64,
    over: String,
    hash: Sha256,
    bytes: u64,
    rest: BytesMut,
    /// A chunk that did not fit into the part before.
    chunk: Bytes,
    ended: bool,
}

impl Parts {
    /// Cuts `body`; when it is longer than `limit` it is refused with the text `over`.
    pub fn new(body: ByteStream, part_bytes: usize, limit: u64, over: String) -> Self {
        let (hash, bytes, rest, chunk) = (Sha256::new(), 0, BytesMut::new(), Bytes::new());
        Self { body, part_bytes, limit, over, hash, bytes, rest, chunk, ended: false }
    }

    /// The next part: shorter than the others, or empty, when it is the last.
    pub async fn next(&mut self) -> Result<Bytes> {
        // What was allocated for the part before has gone with it.
        while !self.ended && self.rest.len() < self.part_bytes {
            if self.chunk.is_empty() {
                match self.body.next().await.transpose()? {
                    Some(chunk) => self.take(chunk)?,
                    None => self.ended = true,
                }
                continue;
            }
            if self.rest.capacity() == 0 {
                self.rest.reserve(self.part_bytes);
            }
            let fits = self.chunk.len().min(self.part_bytes - self.rest.len());
            self.rest.extend_from_slice(&self.chunk.split_to(fits));
        }
        Ok(std::mem::take(&mut self.rest).freeze())
    }

    fn take(&mut self, chunk: Bytes) -> Result<()> {
        self.bytes += chunk.len() as u64;
        if self.bytes > self.limit {
            return Err(Error::new(ErrorKind::Rejected, OP_STORE, self.over.clone()));
        }
        self.hash.update(&chunk);
        self.chunk = chunk;
        Ok(())
    }

    /// Whether the part that was given last was the last.
    pub const fn ended(&self) -> bool {
        self.ended
    }

    /// What the whole body is.
    pub fn stored(self) -> Stored {
        Stored { key: MediaKey::from_digest(self.hash.finalize().into()), bytes: self.bytes }
    }
}

/// An upload to a temporary name. Dropped before it is settled, it is aborted in the background, and what it may have
/// made already is deleted.
pub(super) struct Upload {
    client: AmazonS3,
    bucket: Arc<Bucket>,
    name: Location,
    open: Option<Box<dyn MultipartUpload>>,
    sending: JoinSet<object_store::Result<()>>,
    settled: bool,
}

impl Upload {
    pub async fn begin(bucket: &Arc<Bucket>, name: Location) -> Result<Self> {
        let options = || match bucket.retry_policy() {
            Some(policy) => PutMultipartOptions::default().with_retry_policy(policy),
            None => PutMultipartOptions::default(),
        };
        let open = bucket.call(OP_STORE, || bucket.client.put_multipart_opts(&name, options())).await?;
        let (client, bucket) = (bucket.client.clone(), Arc::clone(bucket));
        Ok(Self { client, bucket, name, open: Some(open), sending: JoinSet::new(), settled: false })
    }

    /// Begins to send a part, once there is room for it.
    pub async fn send(&mut self, part: Bytes) -> Result<()> {
        while self.sending.len() >= PARTS_IN_FLIGHT {
            self.sent().await?;
        }
        let open = self.open.as_mut().expect("parts come before the end");
        self.sending.spawn(open.put_part(PutPayload::from(part)));
        Ok(())
    }

    async fn sent(&mut self) -> Result<()> {
        match self.sending.join_next().await {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(cause))) => Err(self.bucket.failed(OP_STORE, cause)),
            Some(Err(cause)) => Err(Error::internal(OP_STORE, "the sending of a part was stopped").source(cause)),
        }
    }

    /// Waits for all parts, and makes the object of them.
    pub async fn complete(&mut self, bytes: u64) -> Result<()> {
        while !self.sending.is_empty() {
            self.sent().await?;
        }
        let open = self.open.as_mut().expect("an upload is completed once");
        if let Err(cause) = open.complete().await {
            // The answer to an earlier try can be lost, and then there is no upload any more: the object tells.
            let made = self.client.head(&self.name).await.is_ok_and(|object| object.size == bytes);
            if !made {
                return Err(self.bucket.failed(OP_STORE, cause));
            }
        }
        self.open = None;
        Ok(())
    }

    /// Ends it: the object is not needed under its temporary name any more.
    pub async fn settle(mut self) {
        // The media is stored, whatever becomes of this: the bucket's lifecycle rule finds what stays.
        let _ = self.bucket.call(OP_STORE, || self.client.delete(&self.name)).await;
        self.settled = true;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        // Without a runtime there is nobody to do it: the bucket's lifecycle rule will.
        let Ok(runtime) = Handle::try_current() else { return };
        let (client, name, open) = (self.client.clone(), self.name.clone(), self.open.take());
        let mut sending = std::mem::take(&mut self.sending);
        runtime.spawn(async move {
            // A part that arrives after the end of its upload could stay.
            sending.shutdown().await;
            if let Some(mut open) = open {
                let _ = open.abort().await;
            }
            // The upload may have been completed without our knowing.
            let _ = client.delete(&name).await;
        });
    }
}
