//! A bucket behind a network and a server that fail.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use async_trait::async_trait;
use autorepost_core::{
    ErrorKind, Result, Retry,
    memory::chunks,
    port::{ByteStream, MediaStore, SecretSource},
    seal::Secret,
};
use autorepost_storage::{S3Config, S3Credentials, S3MediaStore};
use bytes::Bytes;
use futures_util::StreamExt;

use crate::{
    proxy::{Mode, Proxy},
    s3::{behind, block_on, collect, noise},
    server::{Raw, SECOND, WRITER, Weed},
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

/// Gives other keys once the first ones are denied, and with them the denials end.
struct Replaced {
    proxy: Arc<Proxy>,
    denied: Arc<AtomicBool>,
}

#[async_trait]
impl SecretSource for Replaced {
    async fn secret(&self, name: &str) -> Result<Option<Secret>> {
        let (id, key) = match self.denied.load(Ordering::SeqCst) {
            true => SECOND,
            false => WRITER,
        };
        if id == SECOND.0 {
            self.proxy.set(Mode::Pass);
        }
        Ok(Some(Secret::new(if name == "S3_ACCESS_KEY_ID" { id } else { key })))
    }
}

#[test]
fn keys_that_are_replaced_in_the_middle_of_an_upload_do_not_break_it() {
    let server = Weed::shared();
    block_on(async {
        let bucket = Raw::create(server.endpoint()).await;
        let proxy = Arc::new(Proxy::before(server.port()).await);
        let denied = Arc::new(AtomicBool::new(false));
        let source = Arc::new(Replaced { proxy: Arc::clone(&proxy), denied: Arc::clone(&denied) });
        let credentials = S3Credentials::Secrets { source, reread: Duration::from_secs(3600) };
        let store = S3MediaStore::new(&S3Config { credentials, ..behind(&proxy, &bucket) }).unwrap();
        store.check().await.unwrap();
        // A key is not read again in the second in which it was read.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let deny = {
            let (proxy, denied) = (Arc::clone(&proxy), Arc::clone(&denied));
            move || {
                proxy.set(Mode::Answer(403));
                denied.store(true, Ordering::SeqCst);
            }
        };
        store.put(halfway(&noise(SIZE), deny), 1 << 30).await.unwrap();
        assert_eq!(bucket.settled().await.len(), 1);
        let heads = proxy.heads();
        let by = |who: &str| heads.iter().filter(|head| head.contains(&format!("credential={who}/"))).count();
        assert!(by(WRITER.0) > 0 && by(SECOND.0) > 0, "{heads:?}");
    });
}
