//! Where files are dropped: a folder, and a part of a bucket.

use std::{fs, io::Write, time::Duration};

use autorepost_core::{ErrorKind, port::ByteStream};
use autorepost_storage::{Dropped, Inbox, S3Config};
use futures_util::StreamExt;

use crate::server::{Raw, Weed};

const QUIET: Duration = Duration::from_millis(300);

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

async fn bytes(mut body: ByteStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await {
        bytes.extend_from_slice(&piece.unwrap());
    }
    bytes
}

fn names(files: &[Dropped]) -> Vec<&str> {
    let mut names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
    names.sort_unstable();
    names
}

/// Looks until these files are complete.
async fn until(inbox: &Inbox, wanted: &[&str]) -> Vec<Dropped> {
    let looking = async {
        loop {
            let files = inbox.look().await.unwrap();
            if names(&files) == wanted {
                return files;
            }
            tokio::time::sleep(QUIET / 10).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.expect("they become complete")
}

#[test]
fn a_file_is_complete_when_it_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join("drop").join(name);
    block_on(async {
        let inbox = Inbox::folder(&at(""), QUIET).unwrap();
        let mut growing = fs::File::create(at("growing.mp4")).unwrap();
        for name in ["still.mp4", "UPPER.MOV", "notes.txt", ".mp4", "alone.json"] {
            fs::write(at(name), name).unwrap();
        }
        fs::write(at("still.json"), r#"{"post": "7"}"#).unwrap();
        fs::write(at("UPPER.json"), "{").unwrap();
        fs::create_dir(at("below")).unwrap();
        fs::write(at("below/deep.mp4"), "deep").unwrap();
        assert!(inbox.look().await.unwrap().is_empty(), "nothing is complete at the first look");
        let began = std::time::Instant::now();
        let files = loop {
            growing.write_all(b"more").unwrap();
            growing.sync_all().unwrap();
            let files = inbox.look().await.unwrap();
            assert!(!names(&files).contains(&"growing.mp4"), "it is still being written");
            if files.len() == 2 && began.elapsed() > 2 * QUIET {
                break files;
            }
            tokio::time::sleep(QUIET / 10).await;
        };
        assert_eq!(names(&files), ["UPPER.MOV", "still.mp4"]);
        for file in &files {
            match file.name.as_str() {
                "still.mp4" => {
                    assert_eq!(file.sidecar.as_ref().unwrap().post_key(), Some("7"));
                    assert_eq!(bytes(inbox.open(file).await.unwrap()).await, b"still.mp4");
                    inbox.put_aside(file).await.unwrap();
                    // Another process was faster.
                    inbox.put_aside(file).await.unwrap();
                }
                _ => {
                    assert_eq!(file.sidecar.as_ref().unwrap_err().kind(), ErrorKind::Invalid);
                    inbox.refuse(file);
                }
            }
        }
        assert!(at("taken/still.mp4").is_file() && at("taken/still.json").is_file() && !at("still.mp4").exists());
        until(&inbox, &["growing.mp4"]).await;
        // What was refused is looked at again when it has changed.
        fs::write(at("UPPER.MOV"), "other").unwrap();
        until(&inbox, &["UPPER.MOV", "growing.mp4"]).await;
    });
}

#[test]
fn what_changes_after_it_was_seen_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let inbox = Inbox::folder(folder.path(), QUIET).unwrap();
        fs::write(folder.path().join("a.mp4"), "first").unwrap();
        let files = until(&inbox, &["a.mp4"]).await;
        fs::write(folder.path().join("a.mp4"), "second, and longer").unwrap();
        assert_eq!(inbox.open(&files[0]).await.err().unwrap().kind(), ErrorKind::Unavailable);
    });
}

#[test]
fn a_part_of_a_bucket_is_such_a_place() {
    let endpoint = Weed::shared().endpoint();
    block_on(async {
        let bucket = Raw::create(endpoint).await;
        let config = S3Config { prefix: "drop/here".into(), ..bucket.config() };
        let inbox = Inbox::bucket(&config, QUIET).unwrap();
        assert!(inbox.look().await.unwrap().is_empty());
        for (key, body) in [
            ("drop/here/a.mp4", "video"),
            ("drop/here/a.json", r#"{"key": "k", "caption": "c"}"#),
            ("drop/here/below/b.mp4", "deep"),
            ("drop/c.mp4", "elsewhere"),
        ] {
            assert!(bucket.write(key, body.as_bytes()).await);
        }
        let files = until(&inbox, &["a.mp4"]).await;
        assert_eq!(files[0].sidecar.as_ref().unwrap().key.as_deref(), Some("k"));
        assert_eq!(bytes(inbox.open(&files[0]).await.unwrap()).await, b"video");
        inbox.put_aside(&files[0]).await.unwrap();
        let (mut left, _) = bucket.contents().await;
        left.sort();
        let wanted = ["drop/c.mp4", "drop/here/below/b.mp4", "drop/here/taken/a.json", "drop/here/taken/a.mp4"];
        assert_eq!(left, wanted);
    });
}
