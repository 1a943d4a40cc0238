//! The demo's stage: accounts, posts, rules and faults.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Context;
use autorepost_core::{
    Platform,
    connection::AuthMethod,
    credential::Credential,
    id::TenantId,
    operator::Operator,
    port::Ports,
    rule::{DestinationSpec, Filters, HashtagRule, Options as To, Privacy, ReplySettings, RuleSpec},
};
use autorepost_platforms::CookieJar;
use autorepost_sandbox::{
    Clip, Effect, Fault, InstagramAccount, Login, RegisteredApp, Sandbox, SandboxConfig, Step, TikTokAccount,
    TikTokPost, World, XAccount, YouTubeChannel, clips::CLIPS,
};
use chrono::{DateTime, TimeDelta, Utc};

use crate::setup::SandboxApps;

/// Destinations of each post.
pub const DESTINATIONS: usize = 3;

const SESSION: &str = "demo-session";
/// Id and token of the Instagram account.
pub const INSTAGRAM: (&str, &str) = ("17841400000000001", "demo-instagram-token");
const YOUTUBE: (&str, &str, &str) = ("UCdemo0000000000000000001", "ya29.demo", "1//demo-refresh");
const X_USER: (&str, &str, &str) = ("7000001", "7000001-demo-token", "demo-token-secret");
/// Where the program takes answers of consent pages when nothing else is set: `connect`, and the interface.
const REDIRECTS: [&str; 2] = ["http://127.0.0.1:8788/callback", "http://127.0.0.1:8787/connect/callback"];
/// The handle of the TikTok account.
pub const HANDLE: &str = "demo";
/// So many clips, from the first, are small and short enough for every destination.
const SHORT_CLIPS: usize = 7;
const CAPTIONS: [&str; 10] = [
    "First light over the meadow #nature #morning",
    "Good morning! ☀️🐰 with @demo_friend and @a_stranger #bunny #fun #nature #film #short #blender #open",
    "Mirror, mirror… <who> is it? & why not #mirror",
    "Dusk in the woods\n\nA second line, and a link: https://example.com/woods?x=1 #dusk",
    "In grey 🖤 #mono #noX",
    "日本語のキャプションも大丈夫 👨‍👩‍👧‍👦 #日本",
    "The world upside down 🙃",
    "Every detail counts: watch it on a large screen. #detail",
    "A whole minute and a bit more #minute",
    "Two and a half minutes: too long for X #long",
];

/// What is put on the stage.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Seed of what goes wrong.
    pub seed: u64,
    /// Where the sandbox listens; 0 takes a free port.
    pub port: u16,
    /// The user's own clips, instead of those that the program carries.
    pub videos: Vec<PathBuf>,
}

/// Starts the sandbox with a TikTok account, its posts, and an account on each destination.
pub async fn sandbox(options: &Options, folder: &Path) -> anyhow::Result<Sandbox> {
    let sandbox = empty(options).await?;
    posts(&sandbox, options, folder)?;
    Ok(sandbox)
}

/// The same without a post.
pub async fn empty(options: &Options) -> anyhow::Result<Sandbox> {
    let sandbox = Sandbox::start(SandboxConfig {
        seed: options.seed,
        addr: ([127, 0, 0, 1], options.port).into(),
        ..SandboxConfig::default()
    })
    .await
    .with_context(|| format!("the sandbox cannot listen on port {}", options.port))?;
    accounts(sandbox.world());
    Ok(sandbox)
}

/// A post that was made now, with a short clip whose bytes no other post has: it is found again by them in the ledger.
/// The clip is in `folder` until somebody takes it away.
pub fn fresh_post(folder: &Path, index: usize) -> anyhow::Result<TikTokPost> {
    let (_, seconds, bytes) = CLIPS[index % SHORT_CLIPS];
    let at = now();
    let id = (7_400_000_000_000_000_000 + at.timestamp_micros()).to_string();
    let path = folder.join(format!("{id}.mp4"));
    // A box that players skip, with the post's own id.
    let size = u32::try_from(8 + id.len())?.to_be_bytes();
    std::fs::write(&path, [bytes, &size, b"free", id.as_bytes()].concat())?;
    let caption = format!("Post {} of a trial #trial", index + 1);
    Ok(TikTokPost { id, ..post(0, caption, at, Some(Clip { path, seconds })) })
}

/// Adds a TikTok account, and an account on each destination.
pub fn accounts(world: &World) {
    world.set_tiktok(TikTokAccount {
        id: "6800000000000000001".into(),
        handle: HANDLE.into(),
        sec_uid: "MS4wLjABAAAAdemo".into(),
        session: SESSION.into(),
    });
    world.add_instagram(InstagramAccount {
        id: INSTAGRAM.0.into(),
        username: "demo.reels".into(),
        token: INSTAGRAM.1.into(),
        may_publish: true,
    });
    world.add_youtube(YouTubeChannel {
        id: YOUTUBE.0.into(),
        title: "demo channel".into(),
        access: YOUTUBE.1.into(),
        refresh: YOUTUBE.2.into(),
        client_id: SandboxApps::YOUTUBE.0.into(),
        client_secret: SandboxApps::YOUTUBE.1.into(),
    });
    world.add_x(XAccount {
        id: X_USER.0.into(),
        username: "demo_x".into(),
        consumer_key: SandboxApps::X.0.into(),
        consumer_secret: SandboxApps::X.1.into(),
        token: X_USER.1.into(),
        token_secret: X_USER.2.into(),
    });
    apps(world, &REDIRECTS);
}

/// Registers the apps, with these addresses for the answers.
pub fn apps(world: &World, redirects: &[&str]) {
    let apps = [
        (Login::TikTok, SandboxApps::TIKTOK),
        (Login::Instagram, SandboxApps::INSTAGRAM),
        (Login::Facebook, SandboxApps::FACEBOOK),
        (Login::Google, SandboxApps::YOUTUBE),
        (Login::X1, SandboxApps::X),
        (Login::X2, SandboxApps::X_CLIENT),
    ];
    for (login, (id, secret)) in apps {
        let redirects = redirects.iter().map(|redirect| (*redirect).to_owned()).collect();
        world.register(RegisteredApp { login, id: id.into(), secret: secret.into(), redirects });
    }
}

/// Adds the posts: the videos, one that shows photos, and one that is private.
fn posts(sandbox: &Sandbox, options: &Options, folder: &Path) -> anyhow::Result<()> {
    let world = sandbox.world();
    let videos = videos(options, folder)?;
    let now = now();
    let count = videos.len();
    for (index, clip) in videos.into_iter().enumerate() {
        let caption = match options.videos.get(index) {
            Some(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            None => CAPTIONS[index % CAPTIONS.len()].to_owned(),
        };
        let created_at = now - TimeDelta::minutes(10 * (count - index) as i64);
        world.add_post(post(index, caption, created_at, Some(clip)));
    }
    let photo = post(count, "Three photos of the day #photo".into(), now - TimeDelta::minutes(5), None);
    world.add_post(photo);
    let hidden = Clip { path: folder.join("none.mp4"), seconds: 5 };
    let private = post(count + 1, "Not for everybody".into(), now - TimeDelta::minutes(4), Some(hidden));
    world.add_post(TikTokPost { private: true, ..private });
    Ok(())
}

fn post(index: usize, caption: String, created_at: DateTime<Utc>, clip: Option<Clip>) -> TikTokPost {
    let id = (7_300_000_000_000_000_001 + index as u64).to_string();
    TikTokPost { id, caption, created_at, clip, private: false, deleted: false, pinned: false }
}

fn now() -> DateTime<Utc> {
    DateTime::from(std::time::SystemTime::now())
}

/// The user's clips, or the program's own, as files.
fn videos(options: &Options, folder: &Path) -> anyhow::Result<Vec<Clip>> {
    if options.videos.is_empty() {
        let clips = folder.join("clips");
        std::fs::create_dir_all(&clips)?;
        return CLIPS
            .iter()
            .map(|(name, seconds, bytes)| {
                let path = clips.join(format!("{name}.mp4"));
                std::fs::write(&path, bytes)?;
                Ok(Clip { path, seconds: *seconds })
            })
            .collect();
    }
    let clip = |path: &PathBuf| {
        std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Clip { path: path.clone(), seconds: 0 })
    };
    options.videos.iter().map(clip).collect()
}

/// The credentials of the accounts, as files that `autorepost connect` reads.
pub fn credentials() -> [(&'static str, String); 4] {
    let cookie = |name: &str, value: &str| serde_json::json!({ "name": name, "value": value, "domain": ".tiktok.com", "path": "/", "secure": true });
    let token = |value: serde_json::Value| format!("{value:#}\n");
    [
        ("tiktok-cookies.json", token(serde_json::json!([cookie("sessionid", SESSION), cookie("msToken", "demo")]))),
        ("instagram-token.json", token(serde_json::json!({ "access_token": INSTAGRAM.1 }))),
        ("youtube-token.json", token(serde_json::json!({ "access_token": YOUTUBE.1, "refresh_token": YOUTUBE.2 }))),
        ("x-token.json", token(serde_json::json!({ "oauth_token": X_USER.1, "oauth_token_secret": X_USER.2 }))),
    ]
}

/// A new post appears; the answer is its id.
pub fn post_now(sandbox: &Sandbox, folder: &Path, index: usize) -> anyhow::Result<String> {
    let clips = videos(&Options::default(), folder)?;
    let clip = clips[index % clips.len()].clone();
    let at = now();
    let id = (7_400_000_000_000_000_000 + at.timestamp_millis()).to_string();
    let caption = format!("{} ({})", CAPTIONS[index % CAPTIONS.len()], index + 1);
    let post = TikTokPost { id: id.clone(), ..post(0, caption, at, Some(clip)) };
    sandbox.world().add_post(post);
    Ok(id)
}

/// Connects the four accounts and adds two rules, which take the posts that were made since then; all of them without it.
pub async fn accounts_and_rules(ports: &Ports, since: Option<DateTime<Utc>>) -> anyhow::Result<()> {
    let operator = Operator::new(ports, TenantId::OWNER, "demo");
    let jar = CookieJar::parse(&format!("sessionid={SESSION}; msToken=demo"), ports.clock.now())?;
    let cookies = Credential::Cookies { jar: jar.to_text() };
    let source = operator.connect(AuthMethod::TiktokSession, "", HANDLE, cookies).await?;
    let token = Credential::Bearer { access: INSTAGRAM.1.into(), refresh: None };
    let instagram = operator.connect(AuthMethod::FacebookLogin, INSTAGRAM.0, "", token).await?;
    let token = Credential::Bearer { access: YOUTUBE.1.into(), refresh: Some(YOUTUBE.2.into()) };
    let youtube = operator.connect(AuthMethod::Google, "", "", token).await?;
    let token = Credential::OAuth1 { token: X_USER.1.into(), secret: X_USER.2.into() };
    let x = operator.connect(AuthMethod::XOauth1, "", "", token).await?;

    let to =
        |connection, hashtags, options| DestinationSpec { connection, paused: false, hashtags, trim: false, options };
    let caption = || "{caption}".to_owned();
    let videos = vec![
        to(
            instagram.id,
            HashtagRule::Move,
            To::Instagram { caption: caption(), share_to_feed: true, cover_offset_ms: Some(500) },
        ),
        to(
            youtube.id,
            HashtagRule::Keep,
            To::YouTube {
                title: "{title}".into(),
                description: "{caption}\n\nFirst on TikTok: {url}".into(),
                tags: vec!["demo".into()],
                privacy: Privacy::Public,
                made_for_kids: false,
                category_id: "22".into(),
                notify_subscribers: true,
                thumbnail_offset_ms: None,
            },
        ),
    ];
    let posts = vec![to(x.id, HashtagRule::Keep, To::X { text: caption(), reply_settings: ReplySettings::Everyone })];
    let friend = BTreeMap::from([(Platform::Instagram, "friend.ig".to_owned()), (Platform::X, "friend_x".to_owned())]);
    let mentions = BTreeMap::from([("demo_friend".to_owned(), friend)]);
    let no_x = Filters { exclude_hashtags: vec!["noX".into()], since, ..Filters::default() };
    for (name, destinations, filters) in
        [("videos", videos, Filters { since, ..Filters::default() }), ("posts on X", posts, no_x)]
    {
        let spec = RuleSpec {
            filters,
            destinations,
            delay_secs: 0,
            hourly_cap: None,
            shadow: false,
            mentions: mentions.clone(),
        };
        operator.add_rule(name, source.id, spec).await?;
    }
    Ok(())
}

/// Everything that goes wrong when it may.
pub fn chaos() -> Vec<Fault> {
    let mut faults = Vec::new();
    for platform in [Platform::Instagram, Platform::YouTube, Platform::X] {
        faults.extend([
            Fault::first(platform, Step::Commit, Effect::ErrorAfter, 1),
            Fault::first(platform, Step::Commit, Effect::CutAfter, 1),
            Fault::first(platform, Step::Bytes, Effect::CutMiddle, 2),
            Fault::first(platform, Step::Begin, Effect::RateLimit(1), 1),
        ]);
        for (step, effect) in [
            (Step::Commit, Effect::ErrorBefore),
            (Step::Commit, Effect::CutAfter),
            (Step::Commit, Effect::Slow(1_000)),
            (Step::Bytes, Effect::CutMiddle),
            (Step::Bytes, Effect::ErrorBefore),
            (Step::Status, Effect::ErrorBefore),
            (Step::Begin, Effect::CutAfter),
            (Step::List, Effect::ErrorBefore),
        ] {
            faults.push(Fault { platform, step, effect, times: 5, per_mille: 120 });
        }
    }
    faults.push(Fault { per_mille: 200, ..Fault::first(Platform::YouTube, Step::Bytes, Effect::ExpireToken, 1) });
    faults.push(Fault { per_mille: 150, ..Fault::first(Platform::TikTok, Step::Page, Effect::ErrorBefore, 4) });
    faults.push(Fault { per_mille: 300, ..Fault::first(Platform::TikTok, Step::Media, Effect::CutBefore, 3) });
    faults
}
