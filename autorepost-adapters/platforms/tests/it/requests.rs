//! Requests that only some publications send.

use std::ops::Range;

use async_trait::async_trait;
use autorepost_core::{
    Platform, Result,
    connection::AuthMethod,
    port::{Authorizer, Body, ByteStream, Clock, Commit, Destination, Finding, Publication},
    state::Ticket,
};
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::{Quiet, SystemClock, UNIT, access, stage, to_commit, until_ready, work};

/// A body that has a public address.
struct Addressed<'a> {
    body: &'a dyn Body,
    url: String,
}

#[async_trait]
impl Body for Addressed<'_> {
    fn size(&self) -> u64 {
        self.body.size()
    }

    async fn open(&self, range: Range<u64>) -> Result<ByteStream> {
        self.body.open(range).await
    }

    async fn url(&self, _: DateTime<Utc>) -> Result<Option<String>> {
        Ok(Some(self.url.clone()))
    }
}

/// Answers one request with these bytes.
async fn served_once(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/video.mp4", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", bytes.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
    });
    url
}

#[tokio::test]
async fn by_instagram_login_meta_fetches_the_video_from_its_address() {
    let stage = stage().await;
    let mut work = work(Platform::Instagram, "fetched", UNIT + 3).await;
    work.access.method = AuthMethod::InstagramLogin;
    let chunks: Vec<_> = work.body.open(0..UNIT as u64 + 3).await.unwrap().try_collect().await.unwrap();
    let body = Addressed { url: served_once(chunks.concat()).await, body: &work.body };
    let publication = Publication { body: &body, ..work.publication() };
    let ticket = stage.instagram.begin(&publication).await.unwrap();
    stage.instagram.upload(&publication, &ticket, 0, &Quiet).await.unwrap();
    until_ready(&*stage.instagram, &work, &ticket).await;
    let Commit::Published(receipt) = stage.instagram.commit(&publication, &ticket).await else { panic!("refused") };
    assert_eq!(stage.shown(Platform::Instagram)[0].sha256, work.submission.media.key.to_string());
    let standing = stage.instagram.inspect(&publication, &receipt.id.unwrap()).await.unwrap();
    assert_eq!(standing.name(), "live");
}

#[tokio::test]
async fn a_token_of_instagram_login_is_renewed_and_a_pages_is_not() {
    let stage = stage().await;
    let mut access = access(Platform::Instagram);
    assert!(stage.instagram.refresh(&access).await.unwrap().is_none());
    access.method = AuthMethod::InstagramLogin;
    let grant = stage.instagram.refresh(&access).await.unwrap().unwrap();
    assert!(grant.expires_at.unwrap() > SystemClock.now() + chrono::TimeDelta::days(50));
}

#[tokio::test]
async fn a_thumbnail_is_set_for_a_video_that_is_there() {
    let stage = stage().await;
    let work = work(Platform::YouTube, "with a thumbnail", UNIT).await;
    let ticket = to_commit(&*stage.youtube, &work).await;
    let Commit::Published(receipt) = stage.youtube.commit(&work.publication(), &ticket).await else {
        panic!("refused")
    };
    let (id, jpeg) = (receipt.id.unwrap(), bytes::Bytes::from_static(b"\xff\xd8\xff\xe0 a picture"));
    stage.youtube.set_thumbnail(&work.publication(), &id, jpeg.clone()).await.unwrap();
    assert_eq!(stage.sandbox.world().thumbnail(&id), Some(jpeg.clone()));
    assert!(stage.youtube.set_thumbnail(&work.publication(), "none", jpeg).await.is_err());
}

/// A title proves nothing: what has it is named, and a person decides.
#[tokio::test]
async fn of_a_session_that_youtube_forgot_nothing_is_known() {
    let stage = stage().await;
    let since = SystemClock.now();
    let work = work(Platform::YouTube, "forgotten", UNIT).await;
    let ticket = to_commit(&*stage.youtube, &work).await;
    let Commit::Published(receipt) = stage.youtube.commit(&work.publication(), &ticket).await else {
        panic!("refused")
    };
    let forgotten = Ticket { handle: format!("{}0", ticket.handle), ..ticket };
    let finding = stage.youtube.find(&work.publication(), &forgotten, since, &[]).await.unwrap();
    let Finding::Unknown(why) = finding else { panic!("{finding:?}") };
    assert!(why.contains(&receipt.id.unwrap()), "{why}");
}
