//! A folder keeps the contract of a media store.

use std::{fs, sync::Arc};

use autorepost_core::{conformance::Case, memory::chunks, port::MediaStore};
use autorepost_storage::LocalMediaStore;
use futures_util::{StreamExt, stream};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

fn run(case: fn(Arc<dyn MediaStore>) -> Case) {
    let folder = tempfile::tempdir().unwrap();
    block_on(case(Arc::new(LocalMediaStore::open(folder.path(), None).unwrap())));
    let left = fs::read_dir(folder.path().join("incoming")).into_iter().flatten().count();
    assert_eq!(left, 0, "files were left behind");
}

autorepost_core::media_conformance!(run);

#[test]
fn a_put_that_is_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalMediaStore::open(folder.path(), None).unwrap();
    block_on(async {
        let body = chunks(vec![1_u8; 3 << 20].into()).chain(stream::pending());
        let put = store.put(Box::pin(body), 1 << 30);
        let waited = tokio::time::timeout(std::time::Duration::from_millis(300), put).await;
        assert!(waited.is_err(), "a stream without end was stored");
    });
    let files = |name: &str| fs::read_dir(folder.path().join(name)).into_iter().flatten().count();
    assert_eq!(files("incoming"), 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the incoming folder is there");
}

#[test]
fn a_folder_that_cannot_be_made_is_said() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let error = LocalMediaStore::open(&folder.path().join("file/below"), None).err().expect("no folder");
    assert!(error.detail().contains("cannot be used"), "{error}");
}

/// A large video costs no more memory than a small one.
#[test]
fn three_hundred_megabytes_pass_in_constant_memory() {
    const PIECE: usize = 1 << 20;
    const PIECES: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let store = LocalMediaStore::open(folder.path(), None).unwrap();
    let before = resident_kib();
    let peak = block_on(async {
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
