//! Files that mean harm are refused, and make ffmpeg read nothing else.

use autorepost_core::{ErrorKind, Platform, media::VideoCodec};
use tokio::net::TcpListener;

use crate::{
    House,
    made::{make, sources},
    wanted,
};

#[tokio::test]
async fn a_playlist_is_no_video_whatever_it_names() {
    let house = House::new();
    // Nobody may come here.
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = door.local_addr().unwrap();
    let secret = house.folder.path().join("secret.mp4");
    make(&format!("{} -c:v libx264 -c:a aac", sources("160x120", 25, 1.0)), &secret);
    let named = secret.display();
    for text in [
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{named}\n#EXT-X-ENDLIST\n"),
        "#EXTM3U\n#EXTINF:1,\nconcat:/etc/passwd|/etc/hostname\n#EXT-X-ENDLIST\n".into(),
        format!("#EXTM3U\n#EXTINF:1,\nhttp://{address}/video.mp4\n#EXT-X-ENDLIST\n"),
        format!("ffconcat version 1.0\nfile '{named}'\n"),
        format!("<?xml version='1.0'?><MPD><Period><BaseURL>http://{address}/</BaseURL></Period></MPD>"),
    ] {
        let source = house.keep(text.clone().into_bytes()).await;
        let mut facts = source.facts.clone();
        facts.video.codec = VideoCodec::Vp9;
        let source = autorepost_core::media::Media { facts, ..source };
        let (profile, _) = wanted(&source, Platform::X);
        let error = house.convert(&source, &profile).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected, "{text}: {error}");
        assert!(!error.detail().contains(&house.folder.path().display().to_string()), "{error}");
    }
    let nobody = tokio::time::timeout(std::time::Duration::from_millis(50), door.accept()).await;
    assert!(nobody.is_err(), "somebody came");
    assert_eq!(house.left(), Vec::<String>::new());
}

/// A sample of the file is said to be in another file (`dref`, ISO 14496-12, 8.7.2).
#[tokio::test]
async fn a_video_that_names_another_file_does_not_get_it() {
    let house = House::new();
    let file = house.folder.path().join("clip.mp4");
    make(&format!("{} -c:v libx264 -pix_fmt yuv444p -c:a aac", sources("160x120", 25, 1.0)), &file);
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(4).position(|window| window == b"url ").unwrap();
    // No longer "in this same file".
    bytes[at + 7] = 0;
    let source = house.keep(bytes).await;
    let (profile, _) = wanted(&source, Platform::X);
    // It may be read as if the sample were here, or refused: nothing else is opened either way.
    drop(house.convert(&source, &profile).await);
    assert_eq!(house.left(), Vec::<String>::new());
}

#[tokio::test]
async fn what_was_cut_off_is_refused_or_short_and_never_hangs() {
    let house = House::new();
    let file = house.folder.path().join("clip.mp4");
    make(&format!("{} -c:v libx264 -pix_fmt yuv444p -c:a aac -movflags faststart", sources("160x120", 25, 4.0)), &file);
    let whole = house.keep_file(&file).await;
    let (profile, _) = wanted(&whole, Platform::X);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.truncate(bytes.len() / 2);
    // As if the probe had let it pass: the length of what is made tells.
    let cut = autorepost_core::media::Media { facts: whole.facts.clone(), ..house.keep(bytes).await };
    match house.convert(&cut, &profile).await {
        Ok(made) => assert!(made.facts.duration_ms + 1_000 < whole.facts.duration_ms, "{:?}", made.facts),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Rejected, "{error}"),
    }
}
