//! A bucket behind a network and a server that fail.

use std::{sync::Arc, thread, time::Duration};

use autorepost_core::{
    ErrorKind, Retry,
    memory::chunks,
    port::{ByteStream, MediaStore},
};
use autorepost_storage::{S3Config, S3MediaStore};
use bytes::Bytes;
use futures_util::StreamExt;

use crate::{
    proxy::{Mode, Proxy},
    s3::{behind, block_on, collect, noise},
    server::{Raw, Weed},
};

const SIZE: usize = 24 << 20;

/// Bytes of which the half has just been taken when `hook` runs.
fn halfway(bytes: &Bytes, hook: impl FnOnce() + Send + 'static) -> ByteStream {
    let (mut hook, mut left) = (Some(hook), bytes.len());
    Box::pin(chunks(bytes.clone()).map(move |chunk| {
        left = left.saturating_sub(chunk.as_ref().map_or(0, Bytes::len));
        if left <= SIZE / 2
            && let Some(hook) = hook.take()
        {
            hook();
        }
        chunk
    }))
}

/// Reads to the half, runs `hook`, and reads the rest.
async fn read_with(mut stream: ByteStream, hook: impl FnOnce()) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < SIZE / 2 {
        all.extend_from_slice(&stream.next().await.unwrap().unwrap());
    }
    hook();
    all.extend_from_slice(&collect(stream).await.unwrap());
    all
}

#[test]
fn a_server_that_is_busy_for_a_while_is_asked_again() {
    let server = Weed::shared();
    block_on(async {
        let bucket = Raw::create(server.endpoint()).await;
        let proxy = Arc::new(Proxy::before(server.port()).await);
        let store = S3MediaStore::new(&behind(&proxy, &bucket)).unwrap();
        let bytes = noise(SIZE);
        let busy = |status| {
            let proxy = Arc::clone(&proxy);
            move || {
                proxy.set(Mode::Answer(status));
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    proxy.set(Mode::Pass);
                });
            }
        };
        let stored = store.put(halfway(&bytes, busy(503)), 1 << 30).await.unwrap();
        let stream = store.open(&stored.key, 0..u64::MAX).await.unwrap();
        assert!(read_with(stream, busy(500)).await == bytes);
        assert_eq!(bucket.settled().await.len(), 1);
    });
}

#[test]
fn a_body_that_breaks_goes_on_where_it_stopped() {
    const PIECE: usize = 3 << 20;
    let server = Weed::shared();
    block_on(async {
        let bucket = Raw::create(server.endpoint()).await;
        let bytes = noise(SIZE);
        let stored = S3MediaStore::new(&bucket.config()).unwrap().put(chunks(bytes.clone()), 1 << 30).await.unwrap();
        let proxy = Proxy::before(server.port()).await;
        proxy.set(Mode::CutAfter(PIECE));
        let store = S3MediaStore::new(&S3Config { retries_max: 2, ..behind(&proxy, &bucket) }).unwrap();
        let read = collect(store.open(&stored.key, 0..u64::MAX).await.unwrap()).await.unwrap();
        assert!(read == bytes);
        // Had it begun anew it would never have come to an end.
        assert!((SIZE / PIECE..=SIZE / PIECE + 2).contains(&proxy.connections()), "{}", proxy.connections());
    });
}

#[test]
fn what_never_gets_better_ends() {
    let server = Weed::shared();
    block_on(async {
        let bucket = Raw::create(server.endpoint()).await;
        let bytes = noise(1 << 20);
        let stored = S3MediaStore::new(&bucket.config()).unwrap().put(chunks(bytes.clone()), 1 << 30).await.unwrap();
        let proxy = Proxy::before(server.port()).await;
        let store = S3MediaStore::new(&S3Config { retries_max: 1, ..behind(&proxy, &bucket) }).unwrap();
        proxy.set(Mode::CutAfter(2_000));
        let error = collect(store.open(&stored.key, 0..u64::MAX).await.unwrap()).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_hint()), (ErrorKind::Unavailable, Retry::Soon));
        proxy.set(Mode::Answer(503));
        let error = store.put(chunks(bytes), 1 << 30).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_hint()), (ErrorKind::Unavailable, Retry::Soon));
        let error = store.put(chunks(noise(6 << 20)), 1 << 30).await.unwrap_err();
        assert_eq!((error.kind(), error.platform_code()), (ErrorKind::Unavailable, Some("SlowDown")));
    });
}

#[test]
fn a_server_that_dies_in_the_middle_is_waited_for() {
    let server = Arc::new(Weed::start());
    let restart = || {
        let server = Arc::clone(&server);
        move || {
            server.down();
            thread::spawn(move || server.up());
        }
    };
    block_on(async {
        let bucket = Raw::create(server.endpoint()).await;
        let store = S3MediaStore::new(&bucket.config()).unwrap();
        let bytes = noise(SIZE);
        let stored = store.put(halfway(&bytes, restart()), 1 << 30).await.unwrap();
        assert_eq!(bucket.settled().await, [format!("media/{}", stored.key)]);
        let stream = store.open(&stored.key, 0..u64::MAX).await.unwrap();
        assert!(read_with(stream, restart()).await == bytes);
    });
}
