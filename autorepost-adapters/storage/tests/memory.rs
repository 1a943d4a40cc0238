//! Memory, measured in a process of its own.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on has failed"))]

use std::fs;

use autorepost_core::port::MediaStore;
use autorepost_storage::LocalMediaStore;
use futures_util::{StreamExt, stream};

/// A large video costs no more memory than a small one.
#[test]
fn three_hundred_megabytes_pass_in_constant_memory() {
    const PIECE: usize = 1 << 20;
    const PIECES: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let store = LocalMediaStore::open(folder.path(), None).unwrap();
    let before = resident_kib();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let peak = runtime.block_on(async {
        let body = stream::iter(0..PIECES).map(|n| Ok(vec![n as u8; PIECE].into()));
        let stored = store.put(Box::pin(body), u64::MAX).await.unwrap();
        assert_eq!(stored.bytes, (PIECE * PIECES) as u64);
        let mut peak = resident_kib();
        let (mut read, mut stream) = (0, store.open(&stored.key, 0..u64::MAX).await.unwrap());
        while let Some(chunk) = stream.next().await {
            read += chunk.unwrap().len();
            if read % (50 * PIECE) < PIECE {
                peak = peak.max(resident_kib());
            }
        }
        assert_eq!(read, PIECE * PIECES);
        peak
    });
    assert!(peak < before + 32 * 1024, "resident memory grew from {before} to {peak} KiB");
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
