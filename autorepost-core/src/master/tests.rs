use crate::{connection::AccountId, id::ConnectionId, media::MediaKey, memory::MemoryMedia};

use super::*;

fn at(secs: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_763_600_000 + secs, 0).unwrap()
}

fn master(name: &str, made: i64, duration_ms: u64) -> Master {
    Master {
        id: MasterId::new(at(made), [1; 10]),
        tenant: TenantId::OWNER,
        name: name.into(),
        made_at: at(made),
        received_at: at(made),
        sidecar: Sidecar::default(),
        media: Media { key: MediaKey::of(name.as_bytes()), bytes: 9, facts: MemoryMedia::upright(duration_ms) },
        post: None,
    }
}

fn found(key: &str, posted: i64, secs: u32) -> FoundPost {
    FoundPost {
        key: key.into(),
        url: String::new(),
        author: "alice".into(),
        caption: format!("My dance number {key} #fun"),
        posted_at: at(posted),
        kind: PostKind::Video { duration_secs: Some(secs) },
        pinned: false,
    }
}

fn post(found: FoundPost) -> Post {
    Post {
        id: PostId::new(at(0), [2; 10]),
        tenant: TenantId::OWNER,
        connection: ConnectionId::new(at(0), [3; 10]),
        account: AccountId::new("alice"),
        found,
        found_at: at(0),
        media: None,
    }
}

#[test]
fn a_master_is_matched_by_duration_shape_and_time_or_by_name() {
    let wanted = found("7", 0, 12);
    let download = MemoryMedia::upright(12_300);
    let one = |master: Master| match find(&wanted, Some(&download), std::slice::from_ref(&master), &[]) {
        Match::One(_) => true,
        Match::None => false,
        Match::Ambiguous(why) => panic!("{why}"),
    };
    assert!(one(master("a.mp4", -600, 12_300)));
    assert!(one(master("a.mp4", -600, 12_800)) && one(master("a.mp4", -600, 11_800)));
    assert!(!one(master("a.mp4", -600, 12_801)) && !one(master("a.mp4", -600, 11_799)));
    let hour = 3_600;
    assert!(one(master("a.mp4", -48 * hour, 12_300)) && one(master("a.mp4", hour, 12_300)));
    assert!(!one(master("a.mp4", -48 * hour - 1, 12_300)) && !one(master("a.mp4", hour + 1, 12_300)));
    let mut wide = master("a.mp4", -600, 12_300);
    std::mem::swap(&mut wide.media.facts.video.width, &mut wide.media.facts.video.height);
    assert!(!one(wide.clone()));
    // Who is named needs no likeness; who names another is no candidate.
    wide.sidecar.post = Some("https://www.tiktok.com/@alice/video/7?lang=en".into());
    assert!(one(wide.clone()));
    assert_eq!(find(&wanted, None, &[wide.clone()], &[]), Match::One(&wide));
    let mut other = master("a.mp4", -600, 12_300);
    other.sidecar.post = Some("8".into());
    assert!(!one(other));
    let mut says = master("a.mp4", -600, 12_300);
    says.sidecar.caption = Some("something else".into());
    assert!(!one(says.clone()));
    says.sidecar.caption = Some("my DANCE, number 7: #fun!".into());
    assert!(one(says));
    let mut own = master("a.mp4", -600, 12_300);
    own.sidecar.key = Some("own".into());
    assert!(!one(own));
    assert_eq!(find(&wanted, None, &[master("a.mp4", -600, 12_300)], &[]), Match::None, "the download is not known");
}

#[test]
fn where_more_than_one_fits_only_words_decide() {
    let (wanted, download) = (found("7", 0, 12), MemoryMedia::upright(12_300));
    let (plain, twin) = (master("IMG_1.mp4", -600, 12_300), master("IMG_2.mp4", -300, 12_400));
    let both = [plain.clone(), twin.clone()];
    let Match::Ambiguous(why) = find(&wanted, Some(&download), &both, &[]) else { panic!("it guessed") };
    assert!(why.contains("IMG_1.mp4") && why.contains("IMG_2.mp4"), "{why}");
    let worded = master("dance number 7.mp4", -300, 12_400);
    assert_eq!(find(&wanted, Some(&download), &[plain.clone(), worded.clone()], &[]), Match::One(&worded));

    // Another post of that time may be its own as well.
    let rival = post(found("8", 1_000, 12));
    let alone = [plain.clone()];
    let Match::Ambiguous(why) = find(&wanted, Some(&download), &alone, std::slice::from_ref(&rival)) else {
        panic!("it guessed")
    };
    assert!(why.contains("other posts"), "{why}");
    let alone = [worded.clone()];
    assert_eq!(find(&wanted, Some(&download), &alone, std::slice::from_ref(&rival)), Match::One(&worded));
    // One that is known to be another video is no rival.
    let media = Media { key: MediaKey::of(b"8"), bytes: 1, facts: MemoryMedia::upright(11_000) };
    let known = Post { media: Some(media), ..rival };
    let alone = [plain.clone()];
    assert_eq!(find(&wanted, Some(&download), &alone, &[known]), Match::One(&plain));
}

#[test]
fn a_sidecar_says_one_thing() {
    let read = |text: &str| Sidecar::read(text.as_bytes());
    assert_eq!(read("{}").unwrap(), Sidecar::default());
    let own = read(r#"{"key": "clip-1", "caption": "Hello #x", "posted_at": "2026-11-01T10:00:00Z"}"#).unwrap();
    let post = own.own_post("alice", at(0), 9_001).unwrap();
    assert!(post.is_file() && post.key == "file:clip-1" && post.caption == "Hello #x");
    assert_eq!(post.kind, PostKind::Video { duration_secs: Some(10) });
    assert_eq!(post.posted_at.to_rfc3339(), "2026-11-01T10:00:00+00:00");
    assert!(read(r#"{"post": "7"}"#).unwrap().own_post("alice", at(0), 1).is_none());
    for (text, part) in [
        (r#"{"key": "a", "post": "7", "caption": "x"}"#, "only one of them"),
        (r#"{"key": "a"}"#, "needs a \"caption\""),
        (r#"{"key": " ", "caption": "x"}"#, "1 to 200"),
        (r#"{"key": "a/b", "caption": "x"}"#, "without /"),
        (r#"{"posted_at": "2026-11-01T10:00:00Z"}"#, "is for what has"),
        (r#"{"titel": "x"}"#, "titel"),
        ("no json", "not understood"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.detail().contains(part), "{text}: {error}");
    }
}
