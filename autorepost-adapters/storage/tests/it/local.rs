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
        // The file is removed in the background.
        let files = || fs::read_dir(folder.path().join("incoming")).into_iter().flatten().count();
        let gone = async {
            while files() > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), gone).await.expect("the file is removed");
    });
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the incoming folder is there");
}

#[test]
fn a_folder_that_cannot_be_made_is_said() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let error = LocalMediaStore::open(&folder.path().join("file/below"), None).err().expect("no folder");
    assert!(error.detail().contains("cannot be used"), "{error}");
}
