//! A bucket keeps the contract of a media store.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Result, Retry,
    conformance::Case,
    media::MediaKey,
    memory::chunks,
    port::{ByteStream, MediaStore, Probe, SecretSource},
    seal::Secret,
};
use autorepost_storage::{Mp4Probe, S3Config, S3Credentials, S3Encryption, S3MediaStore};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    probe::clip,
    proxy::Proxy,
    server::{Moto, READER, Raw, WRITER, Weed},
};

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

/// Bytes that do not repeat.
pub fn noise(bytes: usize) -> Bytes {
    let mut random = 1_u64;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.extend_from_slice(&(random ^ random >> 31).to_le_bytes());
    }
    noise.truncate(bytes);
    noise.into()
}

pub async fn collect(stream: ByteStream) -> Result<Vec<u8>> {
    let add = |mut all: Vec<u8>, chunk: Bytes| async move {
        all.extend_from_slice(&chunk);
        Ok(all)
    };
    stream.try_fold(Vec::new(), add).await
}

/// The settings of a bucket, reached through a proxy.
pub fn behind(proxy: &Proxy, bucket: &Raw) -> S3Config {
    S3Config { endpoint: Some(proxy.endpoint()), ..bucket.config() }
}

fn run(case: fn(Arc<dyn MediaStore>) -> Case) {
    let server = Weed::shared();
    block_on(async {
        let bucket = Raw::create(server.endpoint()).await;
        case(Arc::new(S3MediaStore::new(&bucket.config()).unwrap())).await;
        bucket.settled().await;
    });
}

autorepost_core::media_conformance!(run);

#[test]
fn what_goes_in_parts_is_read_back_and_leaves_nothing_else() {
    let server = Weed::shared();
    block_on(async {
        let bucket = Raw::create(server.endpoint()).await;
        let store = S3MediaStore::new(&bucket.config()).unwrap();
        // Exactly two parts, and two and a bit.
        for size in [10 << 20, (11 << 20) + 7] {
            let bytes = noise(size);
            for _ in 0..2 {
                let stored = store.put(chunks(bytes.clone()), 1 << 30).await.unwrap();
                assert_eq!((stored.key, stored.bytes), (MediaKey::of(&bytes), size as u64));
                assert_eq!(bucket.settled().await, [format!("media/{}", stored.key)]);
            }
            let key = MediaKey::of(&bytes);
            assert!(collect(store.open(&key, 0..u64::MAX).await.unwrap()).await.unwrap() == bytes);
            let (start, end) = (size - 3_000_000, size - 10);
            let part = collect(store.open(&key, start as u64..end as u64).await.unwrap()).await.unwrap();
            assert!(part == bytes[start..end]);
            store.remove(&key).await.unwrap();
            assert_eq!(store.size(&key).await.unwrap(), None);
        }
    });
}

#[test]
fn an_upload_that_breaks_off_or_is_too_long_is_aborted() {
    let server = Weed::shared();
    block_on(async {
        let bucket = Raw::create(server.endpoint()).await;
        let store = S3MediaStore::new(&bucket.config()).unwrap();
        let broken = stream::once(async { Err(Error::unavailable("read", "cut")) });
        let body = chunks(noise(12 << 20)).chain(broken);
        let error = store.put(Box::pin(body), 1 << 30).await.unwrap_err();
        assert_eq!((error.kind(), error.op()), (ErrorKind::Unavailable, "read"));
        let error = store.put(chunks(noise(12 << 20)), (12 << 20) - 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(bucket.settled().await.is_empty());
    });
}

#[test]
fn an_upload_that_is_dropped_is_aborted() {
    let server = Weed::shared();
    block_on(async {
        let bucket = Raw::create(server.endpoint()).await;
        let store = S3MediaStore::new(&bucket.config()).unwrap();
        let body = chunks(noise(12 << 20)).chain(stream::pending());
        let mut put = store.put(Box::pin(body), 1 << 30);
        // It is dropped once the upload is there.
        let under_way = async {
            while bucket.contents().await.1.is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            _ = &mut put => panic!("a stream without end was stored"),
            () = under_way => {}
        }
        drop(put);
        assert!(bucket.settled().await.is_empty());
    });
}

#[test]
fn altered_bytes_are_not_taken_for_the_media() {
    let server = Weed::shared();
    block_on(async {
        let bucket = Raw::create(server.endpoint()).await;
        let store = S3MediaStore::new(&bucket.config()).unwrap();
        let bytes = noise(100_000);
        let key = store.put(chunks(bytes.clone()), 1 << 30).await.unwrap().key;
        let mut altered = bytes.to_vec();
        altered[50_000] ^= 1;
        assert!(bucket.write(&format!("media/{key}"), &altered).await);
        let error = collect(store.open(&key, 0..u64::MAX).await.unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(error.detail().contains(&key.to_string()), "{error}");
    });
}

#[test]
fn a_video_whose_index_comes_last_is_probed_by_ranges() {
    let server = Weed::shared();
    block_on(async {
        let bucket = Raw::create(server.endpoint()).await;
        let store = Arc::new(S3MediaStore::new(&bucket.config()).unwrap());
        let key = store.put(chunks(clip("moov-last.mp4").into()), 1 << 30).await.unwrap().key;
        let facts = Mp4Probe::new(store).probe(&key).await.unwrap();
        assert!(!facts.moov_first && facts.duration_ms > 0, "{facts:?}");
    });
}

#[test]
fn a_signed_address_works_until_it_ends() {
    let server = Weed::shared();
    block_on(async {
        let bucket = Raw::create(server.endpoint()).await;
        let store = S3MediaStore::new(&bucket.config()).unwrap();
        let bytes = noise(1_000);
        let key = store.put(chunks(bytes.clone()), 1 << 30).await.unwrap().key;
        let after = |secs| DateTime::<Utc>::from(SystemTime::now() + Duration::from_secs(secs));
        let url = store.url(&key, after(600)).await.unwrap().unwrap();
        assert!(reqwest::get(url).await.unwrap().bytes().await.unwrap() == bytes);

        let short = store.url(&key, after(2)).await.unwrap().unwrap();
        let ends = async {
            while reqwest::get(&short).await.unwrap().status() != 403 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), ends).await.expect("the address ends");
        for wrong in [after(8 * 24 * 3600), after(0)] {
            assert_eq!(store.url(&key, wrong).await.unwrap_err().kind(), ErrorKind::Invalid);
        }
    });
}

/// What is wrong with the bucket or the keys is said in one line, with what to do, and without a secret.
#[test]
fn what_an_operator_must_mend_is_said() {
    let server = Weed::shared();
    block_on(async {
        let bucket = Raw::create(server.endpoint()).await;
        let nobody = S3Credentials::Secrets {
            source: Arc::new(autorepost_core::memory::MapSecrets(BTreeMap::new())),
            reread: Duration::from_secs(60),
        };
        let closed = format!("http://127.0.0.1:{}", crate::server::free_port());
        let impatient = S3Config { retries_max: 1, ..bucket.config() };
        for (config, kind, part) in [
            (bucket.config_as(("stranger", WRITER.1)), ErrorKind::Configuration, "S3_ACCESS_KEY_ID"),
            (bucket.config_as((WRITER.0, "wrong-secret")), ErrorKind::Configuration, "S3_SECRET_ACCESS_KEY"),
            (bucket.config_as(READER), ErrorKind::Configuration, "s3:PutObject"),
            (S3Config { bucket: "no-such".into(), ..bucket.config() }, ErrorKind::Configuration, "no bucket no-such"),
            (S3Config { credentials: nobody, ..bucket.config() }, ErrorKind::Configuration, "is not set"),
            (S3Config { endpoint: Some(closed), ..impatient }, ErrorKind::Unavailable, "cannot be reached"),
        ] {
            let store = S3MediaStore::new(&config).unwrap();
            for error in [
                store.check().await.unwrap_err(),
                store.put(chunks(noise(1_000)), 1 << 30).await.unwrap_err(),
                store.put(chunks(noise(6 << 20)), 1 << 30).await.unwrap_err(),
            ] {
                // What lies there may be looked at by all, and the answer to that has no body that could tell more.
                let seen = error.detail().contains(part) || error.detail().contains("replace the keys");
                assert!(seen && error.kind() == kind, "{part}: {error} ({:?})", error.kind());
                let told = format!("{error} {error:?}");
                assert!(!told.contains("-secret") && !told.contains("X-Amz-Signature"), "{told}");
            }
        }
        let store = S3MediaStore::new(&bucket.config()).unwrap();
        assert_eq!(store.check().await.unwrap().encryption, None);
        assert!(bucket.settled().await.is_empty());
    });
}

#[test]
fn a_servers_certificate_is_checked_against_the_given_authority() {
    let (endpoint, pem) = Weed::shared().secure();
    block_on(async {
        let bucket = Raw::create(Weed::shared().endpoint()).await;
        let config = S3Config { endpoint: Some(endpoint), retries_max: 1, ..bucket.config() };
        let told = S3MediaStore::new(&config).unwrap().check().await.unwrap_err();
        assert_eq!(told.kind(), ErrorKind::Configuration);
        assert!(told.detail().contains("certificate"), "{told}");
        S3MediaStore::new(&S3Config { ca_pem: Some(pem), ..config }).unwrap().check().await.unwrap();
    });
}

/// Keys that can be exchanged.
struct Rotated(Mutex<(&'static str, &'static str)>);

#[async_trait]
impl SecretSource for Rotated {
    async fn secret(&self, name: &str) -> Result<Option<Secret>> {
        let (id, key) = *self.0.lock().unwrap();
        Ok(Some(Secret::new(if name == "S3_ACCESS_KEY_ID" { id } else { key })))
    }
}

#[test]
fn replaced_keys_are_used_without_a_restart() {
    let server = Weed::shared();
    block_on(async {
        let bucket = Raw::create(server.endpoint()).await;
        let secrets = Arc::new(Rotated(Mutex::new(READER)));
        let (source, reread) = (Arc::clone(&secrets) as Arc<dyn SecretSource>, Duration::from_secs(3600));
        let credentials = S3Credentials::Secrets { source, reread };
        let store = S3MediaStore::new(&S3Config { credentials, ..bucket.config() }).unwrap();
        let error = store.put(chunks(noise(1_000)), 1 << 30).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_hint()), (ErrorKind::Configuration, Retry::Soon));
        *secrets.0.lock().unwrap() = WRITER;
        let put = async {
            while store.put(chunks(noise(6 << 20)), 1 << 30).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), put).await.expect("the new keys are found");
        assert_eq!(bucket.settled().await.len(), 1);
    });
}

#[test]
fn the_encryption_is_asked_for_and_told() {
    const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let server = Moto::shared();
    block_on(async {
        for (encryption, algorithm) in
            [(S3Encryption::SseS3, "AES256"), (S3Encryption::SseKms { key_id: KEY.into() }, "aws:kms")]
        {
            let bucket = Raw::create(server.endpoint()).await;
            let proxy = Proxy::before(server.port()).await;
            let store = S3MediaStore::new(&S3Config { encryption, ..behind(&proxy, &bucket) }).unwrap();
            assert_eq!(store.check().await.unwrap().encryption.as_deref(), Some(algorithm));
            for size in [1_000, 6 << 20] {
                let bytes = noise(size);
                let stored = store.put(chunks(bytes.clone()), 1 << 30).await.unwrap();
                assert!(collect(store.open(&stored.key, 0..u64::MAX).await.unwrap()).await.unwrap() == bytes);
            }
            // Each request that makes an object says how; the parts of an upload go by the request that began it.
            let heads = proxy.heads();
            let makes = |head: &&String| {
                let line = head.lines().next().unwrap();
                line.starts_with("put ") && !line.contains("partnumber=") || line.contains("?uploads")
            };
            let making: Vec<_> = heads.iter().filter(makes).collect();
            assert!(making.len() >= 4, "{heads:?}");
            assert!(making.iter().any(|head| head.contains("x-amz-copy-source")), "{making:?}");
            let header = format!("x-amz-server-side-encryption: {}\r\n", algorithm.to_ascii_lowercase());
            for head in making {
                assert!(format!("{head}\r\n").contains(&header), "{head}");
                assert_eq!(head.contains(&KEY.to_ascii_lowercase()), algorithm == "aws:kms", "{head}");
            }
        }
    });
}

/// A task's role: its keys come from an address that the environment names.
#[test]
fn a_role_gives_the_keys() {
    let server = Moto::shared();
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, "the-tasks-token").unwrap();
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let read = client.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            assert!(request.to_ascii_lowercase().contains("authorization: the-tasks-token"), "{request}");
            let body =
                r#"{"AccessKeyId":"ROLE","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}"#;
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            client.write_all(answer.as_bytes()).await.unwrap();
        });
        let settings = BTreeMap::from([
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI".to_owned(), format!("http://127.0.0.1:{port}/role")),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE".to_owned(), token.display().to_string()),
        ]);
        let bucket = Raw::create(server.endpoint()).await;
        let proxy = Proxy::before(server.port()).await;
        let config = S3Config { credentials: S3Credentials::Ambient(settings), ..behind(&proxy, &bucket) };
        S3MediaStore::new(&config).unwrap().check().await.unwrap();
        let heads = proxy.heads();
        assert!(!heads.is_empty() && heads.iter().all(|head| head.contains("credential=role/")), "{heads:?}");
    });
}
