//! Cases of a media store.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;

use crate::{
    Error, ErrorKind, Result,
    media::MediaKey,
    memory::chunks,
    port::{ByteStream, MediaStore},
};

async fn collect(mut stream: ByteStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(chunk) = poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    bytes
}

fn sample() -> Bytes {
    (0..1_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>().into()
}

/// Bytes, and then an error.
struct Broken(Option<Bytes>);

impl Stream for Broken {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(Some(self.0.take().ok_or_else(|| Error::unavailable("read", "the connection was cut"))))
    }
}

/// What was put is there under its SHA-256, whole and in parts.
pub async fn what_is_put_is_read_back_by_range(store: Arc<dyn MediaStore>) {
    let bytes = sample();
    let stored = store.put(chunks(bytes.clone()), 1 << 30).await.unwrap();
    assert_eq!((stored.key, stored.bytes), (MediaKey::of(&bytes), bytes.len() as u64));
    assert_eq!(store.size(&stored.key).await.unwrap(), Some(stored.bytes));
    for range in
        [0..stored.bytes, 0..1, 999_999..1_000_000, 65_535..131_073, 5..5, 999_990..u64::MAX, 2_000_000..u64::MAX]
    {
        let end = range.end.min(stored.bytes);
        let wanted = &bytes[range.start.min(end) as usize..end as usize];
        assert!(collect(store.open(&stored.key, range.clone()).await.unwrap()).await == wanted, "{range:?}");
    }
    store.remove(&stored.key).await.unwrap();
    assert_eq!(store.size(&stored.key).await.unwrap(), None);
    store.remove(&stored.key).await.unwrap();
}

/// A stream that ends with an error leaves nothing behind.
pub async fn a_broken_stream_leaves_nothing(store: Arc<dyn MediaStore>) {
    let bytes = sample();
    let error = store.put(Box::pin(Broken(Some(bytes.clone()))), 1 << 30).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(store.size(&MediaKey::of(&bytes)).await.unwrap(), None);
}

/// A stream over the limit is refused and leaves nothing behind.
pub async fn a_stream_that_is_too_long_leaves_nothing(store: Arc<dyn MediaStore>) {
    let bytes = sample();
    let error = store.put(chunks(bytes.clone()), 999_999).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(store.size(&MediaKey::of(&bytes)).await.unwrap(), None);
    store.put(chunks(bytes), 1_000_000).await.unwrap();
}

/// The same bytes have one name, and putting them again changes nothing.
pub async fn the_same_bytes_are_one_media(store: Arc<dyn MediaStore>) {
    let first = store.put(chunks(sample()), 1 << 30).await.unwrap();
    let second = store.put(chunks(sample()), 1 << 30).await.unwrap();
    assert_eq!(first, second);
    assert!(collect(store.open(&first.key, 0..u64::MAX).await.unwrap()).await == sample());
}

/// What is not stored has no size, and opening it says so.
pub async fn what_is_not_there_is_not_found(store: Arc<dyn MediaStore>) {
    let key = MediaKey::of(b"never stored");
    assert_eq!(store.size(&key).await.unwrap(), None);
    let error = store.open(&key, 0..1).await.err().expect("nothing to open");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
