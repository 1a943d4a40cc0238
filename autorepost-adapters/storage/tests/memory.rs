//! Memory, measured in a process of its own. `AUTOREPOST_MEDIA_MIB=2500` makes the media as large as that.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on has failed"))]

#[path = "it/server.rs"]
#[expect(dead_code, reason = "the other tests need more of it")]
mod server;

use std::{
    fs,
    sync::{Mutex, MutexGuard, PoisonError},
};

use autorepost_core::port::MediaStore;
use autorepost_storage::{LocalMediaStore, S3MediaStore};
use futures_util::{StreamExt, stream};

/// One measurement at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

/// A large video costs no more memory than a small one.
#[test]
fn a_large_media_passes_a_folder_in_constant_memory() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let store = LocalMediaStore::open(folder.path(), None).unwrap();
    run(pass(&store, 300, 32));
}

#[test]
fn a_large_media_passes_a_bucket_in_constant_memory() {
    let _alone = alone();
    let server = server::Weed::start();
    let mib = std::env::var("AUTOREPOST_MEDIA_MIB").map_or(600, |mib| mib.parse().unwrap());
    run(async {
        let bucket = server::Raw::create(server.endpoint()).await;
        let config = autorepost_storage::S3Config { part_bytes: 8 << 20, ..bucket.config() };
        pass(&S3MediaStore::new(&config).unwrap(), mib, 64).await;
    });
}

/// Stores and reads so many MiB, with so many more in memory at most.
async fn pass(store: &dyn MediaStore, pieces: usize, growth_max_mib: u64) {
    const PIECE: usize = 1 << 20;
    let before = resident_kib();
    let mut peak = before;
    let body = stream::iter(0..pieces).map(|n| Ok(vec![n as u8; PIECE].into()));
    let put = store.put(Box::pin(body), u64::MAX);
    tokio::pin!(put);
    let stored = loop {
        tokio::select! {
            stored = &mut put => break stored.unwrap(),
            () = tokio::time::sleep(std::time::Duration::from_millis(20)) => peak = peak.max(resident_kib()),
        }
    };
    assert_eq!(stored.bytes, (PIECE * pieces) as u64);
    let (mut read, mut looked, mut stream) = (0, 0, store.open(&stored.key, 0..u64::MAX).await.unwrap());
    while let Some(chunk) = stream.next().await {
        read += chunk.unwrap().len();
        if read >= looked + 10 * PIECE {
            (looked, peak) = (read, peak.max(resident_kib()));
        }
    }
    assert_eq!(read, PIECE * pieces);
    assert!(peak < before + growth_max_mib * 1024, "resident memory grew from {before} to {peak} KiB");
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
