//! One value of every form that is stored.

use std::collections::BTreeMap;

use autorepost_core::{
    Platform,
    connection::{AccountId, AuthMethod, Connection, ConnectionStatus},
    credential::{Credential, binding},
    id::{ConnectionId, JobId, PostId, RepostId, RuleId, TenantId},
    job::{JobKind, NewJob},
    media::{AudioCodec, AudioTrack, Container, Media, MediaFacts, MediaKey, VideoCodec, VideoTrack},
    post::{Cursor, FoundPost, Post, PostKind, Unusable},
    repost::{Entry, Repost, RepostKey},
    rule::{DestinationSpec, Filters, HashtagRule, Options, Privacy, ReplySettings, Rule, RuleSpec, RuleState},
    seal::KeyRing,
    state::{Attempt, Owner, Reason, Receipt, RepostState, Resume, Ticket},
    submission::{Content, Submission},
};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// Opens what the fixtures hold. It seals nothing else.
pub const KEY: &str = "fixtures:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub fn at(secs: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_763_600_000, 123_456_000).unwrap() + TimeDelta::seconds(secs)
}

fn uuid(table: u128, row: usize) -> Uuid {
    Uuid::from_u128(table << 64 | row as u128)
}

/// A credential of each kind.
pub fn credentials() -> Vec<(AuthMethod, Credential)> {
    let bearer =
        |refresh: Option<&str>| Credential::Bearer { access: "access".into(), refresh: refresh.map(Into::into) };
    vec![
        (AuthMethod::TiktokSession, Credential::Cookies { jar: "sessionid=1".into() }),
        (AuthMethod::InstagramLogin, bearer(None)),
        (AuthMethod::FacebookLogin, bearer(None)),
        (AuthMethod::Google, bearer(Some("refresh"))),
        (AuthMethod::XOauth1, Credential::OAuth1 { token: "token".into(), secret: "secret".into() }),
    ]
}

pub fn connections() -> Vec<Connection> {
    use ConnectionStatus::{Active, Error, Expiring, NeedsReconnect, Revoked};
    let keys = KeyRing::parse(KEY).unwrap();
    let rows = credentials().into_iter().zip([Active, Expiring, NeedsReconnect, Revoked, Error]).enumerate();
    rows.map(|(row, ((method, credential), status))| {
        let mut connection = Connection {
            id: ConnectionId::from_uuid(uuid(1, row)),
            tenant: TenantId::OWNER,
            platform: method.platform(),
            account: AccountId::new(format!("account-{row}")),
            handle: format!("handle{row}"),
            method,
            credential: "v1.key.later".parse().unwrap(),
            scopes: (row == 3).then(|| "youtube.upload".to_owned()).into_iter().collect(),
            expires_at: (row != 0).then(|| at(1_000)),
            status,
            status_detail: (status != Active).then(|| "why".to_owned()),
            paused: row == 4,
            resumed_at: None,
            lists_for: None,
            warned_days: None,
            created_at: at(row as i64),
            renewed_at: at(100),
            version: 0,
        };
        connection.credential = credential.seal(&keys, &binding(&connection), [row as u8; 12]).unwrap();
        connection
    })
    .collect()
}

pub fn rules() -> Vec<Rule> {
    let connections = connections();
    let options = [
        Options::Instagram { caption: "{text}".into(), share_to_feed: false, cover_offset_ms: Some(500) },
        Options::YouTube {
            title: "{title}".into(),
            description: "{caption}".into(),
            tags: vec!["tag".into()],
            privacy: Privacy::Unlisted,
            made_for_kids: true,
            category_id: "22".into(),
            notify_subscribers: false,
            thumbnail_offset_ms: None,
        },
        Options::X { text: "{caption}".into(), reply_settings: ReplySettings::MentionedUsers },
    ];
    let hashtags = [HashtagRule::Keep, HashtagRule::Drop, HashtagRule::Move];
    let destinations = options.into_iter().zip(hashtags).enumerate();
    let destinations: Vec<_> = destinations
        .map(|(row, (options, hashtags))| DestinationSpec {
            connection: connections[row + 2].id,
            paused: row == 1,
            hashtags,
            trim: false,
            options,
        })
        .collect();
    let filters = Filters {
        require_hashtags: vec!["yes".into()],
        exclude_hashtags: vec!["no".into()],
        require_words: vec!["some words".into()],
        exclude_words: vec!["other words".into()],
        min_duration_secs: Some(3),
        max_duration_secs: Some(180),
        since: Some(at(-1_000)),
    };
    let friend = BTreeMap::from([(Platform::Instagram, "friend.ig".to_owned()), (Platform::X, "friend_x".to_owned())]);
    let spec = RuleSpec {
        filters,
        destinations,
        delay_secs: 60,
        hourly_cap: Some(5),
        shadow: true,
        on_source_deleted: Default::default(),
        mentions: BTreeMap::from([("friend".to_owned(), friend)]),
    };
    let states = [RuleState::Active, RuleState::Paused, RuleState::Removed];
    let rule = |(row, state): (usize, RuleState)| Rule {
        id: RuleId::from_uuid(uuid(2, row)),
        tenant: TenantId::OWNER,
        name: format!("rule {row}"),
        source: connections[0].id,
        state,
        spec: spec.clone(),
        created_at: at(row as i64),
        version: 0,
    };
    states.into_iter().enumerate().map(rule).collect()
}

fn media() -> Media {
    let video =
        VideoTrack { codec: VideoCodec::H264, width: 1080, height: 1920, rotation: 90, frame_rate_milli: 29_970 };
    let audio = AudioTrack { codec: AudioCodec::Other("ac-3".into()), channels: 2, sample_rate: 48_000 };
    let facts = MediaFacts {
        container: Container::Mp4,
        moov_first: true,
        fragmented: false,
        duration_ms: 5_000,
        video,
        audio: Some(audio),
        details: Default::default(),
    };
    Media { key: MediaKey::of(b"video"), bytes: 5, facts }
}

pub fn posts() -> Vec<Post> {
    use Unusable::{Deleted, Photo, Private, RegionBlocked, Restricted};
    let source = &connections()[0];
    let unusable = [Photo, Private, Deleted, RegionBlocked, Restricted].map(|why| PostKind::Unusable { why });
    let kinds = [PostKind::Video { duration_secs: Some(5) }, PostKind::Video { duration_secs: None }];
    let post = |(row, kind): (usize, PostKind)| Post {
        id: PostId::from_uuid(uuid(3, row)),
        tenant: TenantId::OWNER,
        connection: source.id,
        account: source.account.clone(),
        found: FoundPost {
            key: format!("73{row}"),
            url: format!("https://www.tiktok.com/@creator/video/73{row}"),
            author: "creator".into(),
            caption: "Words 🐰 #tag".into(),
            posted_at: at(row as i64),
            kind,
            pinned: row == 1,
        },
        found_at: at(50),
        media: (row == 0).then(media),
    };
    kinds.into_iter().chain(unusable).enumerate().map(post).collect()
}

pub fn cursor() -> Cursor {
    let (complete_through, newest) = (Some(at(5)), Some(at(6)));
    Cursor {
        complete_through,
        resume: Some("page".into()),
        newest,
        last_ok_at: Some(at(51)),
        walked: None,
        walking: Default::default(),
    }
}

fn content(platform: Platform) -> Content {
    match platform {
        Platform::YouTube => Content::YouTube {
            title: "Title".into(),
            description: "Words".into(),
            tags: vec!["tag".into()],
            privacy: Privacy::Private,
            made_for_kids: false,
            category_id: "22".into(),
            notify_subscribers: true,
            thumbnail_offset_ms: None,
        },
        Platform::X => Content::X { text: "Words".into(), reply_settings: ReplySettings::Subscribers },
        _ => Content::Instagram { caption: "Words".into(), share_to_feed: true, cover_offset_ms: None },
    }
}

fn attempt(platform: Platform, commits: u32) -> Attempt {
    let sent = |commits| (commits > 0).then(|| at(70));
    Attempt {
        submission: Submission { media: media(), content: content(platform), terms: None },
        ticket: Ticket {
            handle: "ticket".into(),
            extra: Some("address".into()),
            begun_at: at(60),
            expires_at: Some(at(86_400)),
        },
        sent: 3,
        commits,
        first_commit_at: sent(commits),
        last_commit_at: sent(commits),
    }
}

fn reason(owner: Owner) -> Reason {
    Reason { code: Some("9007/2207027".into()), trace: Some("trace".into()), ..Reason::new(owner, "why") }
}

/// Every state, every point to go on at, every owner, every content.
fn states() -> Vec<(Platform, RepostState)> {
    use Platform::{Instagram, X, YouTube};
    let submission = |platform| Submission { media: media(), content: content(platform), terms: None };
    let receipt = Receipt { id: Some("id".into()), url: Some("https://example.com/id".into()), at: at(80) };
    let unnamed = Receipt { id: None, url: None, at: at(80) };
    let waits = |until, owner, resume| RepostState::Waiting { until, reason: reason(owner), resume };
    vec![
        (Instagram, RepostState::Planned),
        (Instagram, RepostState::Preparing),
        (Instagram, RepostState::Ready { submission: submission(Instagram) }),
        (YouTube, RepostState::Uploading(attempt(YouTube, 0))),
        (X, RepostState::Processing(attempt(X, 0))),
        (YouTube, RepostState::Processing(attempt(YouTube, 1))),
        (X, RepostState::Committing(attempt(X, 2))),
        (Instagram, RepostState::Published { receipt, submission: submission(Instagram), inspection: None }),
        (X, RepostState::Published { receipt: unnamed, submission: submission(X), inspection: None }),
        (Instagram, RepostState::Skipped { reason: reason(Owner::Nobody) }),
        (Instagram, waits(Some(at(90)), Owner::Quota, Resume::Prepare)),
        (YouTube, waits(None, Owner::Reconnect, Resume::Begin { submission: submission(YouTube) })),
        (X, waits(Some(at(90)), Owner::Retry, Resume::Upload(attempt(X, 0)))),
        (Instagram, waits(Some(at(90)), Owner::Operator, Resume::Process(attempt(Instagram, 1)))),
        (YouTube, RepostState::Failed { reason: reason(Owner::Content) }),
        (X, RepostState::Failed { reason: reason(Owner::AppReview) }),
        (X, RepostState::Unconfirmed { evidence: reason(Owner::Reconciling), attempt: attempt(X, 1) }),
    ]
}

pub fn reposts() -> Vec<Repost> {
    let (posts, rules, connections) = (posts(), rules(), connections());
    let repost = |(row, (platform, state)): (usize, (Platform, RepostState))| Repost {
        id: RepostId::from_uuid(uuid(4, row)),
        tenant: TenantId::OWNER,
        key: RepostKey {
            source: posts[0].account.clone(),
            post: posts[0].found.key.clone(),
            platform,
            account: AccountId::new(format!("account-{row}")),
        },
        post: posts[0].id,
        posted_at: posts[0].found.posted_at,
        rule: rules[0].id,
        connection: connections[2].id,
        last_commit_at: state.attempt().and_then(|attempt| attempt.last_commit_at),
        state,
        created_at: at(50),
        updated_at: at(60),
        // The first was moved once.
        version: u64::from(row == 0),
    };
    states().into_iter().enumerate().map(repost).collect()
}

pub fn entries() -> [Entry; 2] {
    let entry = |attempt, by: &str| Entry {
        at: at(50),
        event: "asked".into(),
        state: "planned".into(),
        detail: "by hand".into(),
        attempt,
        by: by.into(),
    };
    [entry(None, "operator"), entry(Some(2), "worker-01234567")]
}

/// A job of each kind that version 1 knew.
pub fn jobs() -> Vec<NewJob> {
    let (connections, reposts) = (connections(), reposts());
    let id = |row| JobId::from_uuid(uuid(5, row));
    let job = |(row, kind): (usize, JobKind)| match kind {
        JobKind::TiktokSync => NewJob::sync(id(row), &connections[0], at(0)),
        JobKind::RepostPrep => NewJob::prep(id(row), &reposts[0], at(0)),
        JobKind::RepostPublish => NewJob::publish(id(row), &reposts[2], at(0)),
        JobKind::RepostLocate => NewJob::locate(id(row), &reposts[7], at(0)),
        JobKind::TokenRefresh => NewJob::refresh(id(row), &connections[0], at(0)),
        JobKind::SourceAudit => NewJob::audit(id(row), &connections[0], at(0)),
        JobKind::Upkeep => NewJob::upkeep(id(row), at(0)),
        JobKind::Backfill
        | JobKind::FilePost
        | JobKind::RepostVerify
        | JobKind::WebhookDelivery
        | JobKind::RepostThumbnail => {
            unreachable!("version 1 has none")
        }
    };
    let later = [
        JobKind::SourceAudit,
        JobKind::Backfill,
        JobKind::FilePost,
        JobKind::RepostVerify,
        JobKind::WebhookDelivery,
        JobKind::RepostThumbnail,
    ];
    let known = JobKind::ALL.into_iter().filter(|kind| !later.contains(kind));
    known.enumerate().map(job).collect()
}
