//! A sandbox with an account on each platform, and clients that reach it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use autorepost_core::{
    Platform, Result,
    connection::{AccountId, AuthMethod},
    credential::{Access, Credential},
    media::Media,
    memory::{MemoryMedia, SeededEntropy, chunks},
    port::{Clock, Destination, MediaStore, Poll, Progress, Publication, StoredBody},
    rule::{Privacy, ReplySettings},
    state::Ticket,
    submission::{Content, Submission},
};
use autorepost_platforms::{
    App, CookieJar, Instagram, InstagramConfig, TikTok, TikTokConfig, X, XConfig, YouTube, YouTubeConfig,
};
use autorepost_sandbox::{
    InstagramAccount, Sandbox, SandboxConfig, Shown, TikTokAccount, Timing, XAccount, YouTubeChannel,
};
use chrono::{DateTime, Utc};

pub const UNIT: usize = 256 << 10;

pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from(std::time::SystemTime::now())
    }

    fn uptime(&self) -> Duration {
        self.now().signed_duration_since(DateTime::<Utc>::UNIX_EPOCH).to_std().unwrap_or_default()
    }
}

pub struct Stage {
    pub sandbox: Sandbox,
    pub tiktok: Arc<TikTok>,
    pub instagram: Arc<Instagram>,
    pub youtube: Arc<YouTube>,
    pub x: Arc<X>,
}

fn app(id: &str, secret: &str) -> Option<App> {
    Some(App::fixed(id, secret))
}

pub async fn stage() -> Stage {
    let timing = Timing { processing: Duration::from_millis(50), read_lag: Duration::ZERO };
    // Set by scripts/conformance, which holds what the clients sent against the vendors' documents.
    let record = std::env::var_os("RECORD_REQUESTS").map(Into::into);
    let sandbox = Sandbox::start(SandboxConfig { timing, record, ..SandboxConfig::default() }).await.unwrap();
    let world = sandbox.world();
    world.set_tiktok(TikTokAccount {
        id: "68".into(),
        handle: "alice".into(),
        sec_uid: "MS4w".into(),
        session: "session-1".into(),
    });
    world.add_instagram(InstagramAccount {
        id: "17".into(),
        username: "alice".into(),
        token: "ig-token".into(),
        may_publish: true,
    });
    world.add_youtube(YouTubeChannel {
        id: "UC1".into(),
        title: "alice".into(),
        access: "yt-token".into(),
        refresh: "yt-refresh".into(),
        client_id: "client".into(),
        client_secret: "secret".into(),
    });
    world.add_x(XAccount {
        id: "7".into(),
        username: "alice".into(),
        consumer_key: "key".into(),
        consumer_secret: "secret".into(),
        token: "x-token".into(),
        token_secret: "x-secret".into(),
    });

    let urls = sandbox.urls();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy = Arc::new(SeededEntropy::new(DateTime::<Utc>::timestamp_micros(&clock.now()).cast_unsigned()));
    let commit_timeout = Duration::from_secs(2);
    let instagram = InstagramConfig {
        instagram_page_url: urls.instagram_page,
        instagram_token_url: urls.instagram_api,
        instagram_url: urls.instagram,
        facebook_page_url: urls.facebook_page,
        facebook_url: urls.facebook,
        instagram_app: app("client-instagram", "secret-instagram"),
        facebook_app: app("client-facebook", "secret-facebook"),
        commit_timeout,
        ..InstagramConfig::default()
    };
    let youtube = YouTubeConfig {
        api_url: urls.google,
        accounts_url: urls.google_accounts,
        oauth_url: urls.google_oauth,
        chunk_bytes: UNIT as u64,
        commit_timeout,
        ..YouTubeConfig::new(App::fixed("client", "secret"))
    };
    let x = XConfig {
        api_url: urls.x,
        segment_bytes: UNIT as u64,
        commit_timeout,
        page_url: urls.x_page,
        ..XConfig::new(app("key", "secret"), app("client-x2", "secret-x2"))
    };
    let tiktok = TikTokConfig {
        web_url: urls.tiktok.clone(),
        page_url: urls.tiktok,
        api_url: urls.tiktok_api,
        app: app("client-tiktok", "secret-tiktok"),
        page_posts: 3,
    };
    Stage {
        tiktok: Arc::new(TikTok::new(tiktok, Arc::clone(&clock), entropy.clone()).unwrap()),
        instagram: Arc::new(Instagram::new(instagram, Arc::clone(&clock)).unwrap()),
        youtube: Arc::new(YouTube::new(youtube, Arc::clone(&clock)).unwrap()),
        x: Arc::new(X::new(x, clock, entropy).unwrap()),
        sandbox,
    }
}

impl Stage {
    pub fn destinations(&self) -> [&dyn Destination; 3] {
        [self.instagram.as_ref(), self.youtube.as_ref(), self.x.as_ref()]
    }

    /// The TikTok account, as it is connected by Login Kit.
    pub fn login(&self) -> Access {
        let token = self.sandbox.world().grant_tiktok("68");
        let credential = Credential::Bearer { access: token, refresh: None };
        let method = AuthMethod::TiktokLogin;
        Access { account: AccountId::new("-00068"), handle: "alice".into(), method, credential }
    }

    /// What the public sees at a destination.
    pub fn shown(&self, platform: Platform) -> Vec<Shown> {
        self.sandbox.world().ledger().into_iter().filter(|shown| shown.platform == platform).collect()
    }
}

pub fn access(platform: Platform) -> Access {
    let bearer = |token: &str| Credential::Bearer { access: token.into(), refresh: Some("yt-refresh".into()) };
    let (account, method, credential) = match platform {
        Platform::TikTok => {
            let jar = CookieJar::parse("sessionid=session-1; msToken=m", SystemClock.now()).unwrap();
            ("68", AuthMethod::TiktokSession, Credential::Cookies { jar: jar.to_text() })
        }
        Platform::Instagram => ("17", AuthMethod::FacebookLogin, bearer("ig-token")),
        Platform::YouTube => ("UC1", AuthMethod::Google, bearer("yt-token")),
        Platform::X => {
            ("7", AuthMethod::XOauth1, Credential::OAuth1 { token: "x-token".into(), secret: "x-secret".into() })
        }
    };
    Access { account: AccountId::new(account), handle: "alice".into(), method, credential }
}

/// A submission and its bytes.
pub struct Work {
    pub access: Access,
    pub submission: Submission,
    pub body: StoredBody,
}

pub async fn work(platform: Platform, text: &str, bytes: usize) -> Work {
    let store = Arc::new(MemoryMedia::default());
    let content: Vec<u8> = (0..bytes).map(|n| (n as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let stored = store.put(chunks(content.into()), u64::MAX).await.unwrap();
    let text = text.to_owned();
    let content = match platform {
        Platform::Instagram => Content::Instagram { caption: text, share_to_feed: true, cover_offset_ms: None },
        Platform::YouTube => Content::YouTube {
            title: text,
            description: "words".into(),
            tags: vec!["tag".into()],
            privacy: Privacy::Public,
            made_for_kids: false,
            category_id: "22".into(),
            notify_subscribers: false,
            thumbnail_offset_ms: None,
        },
        _ => Content::X { text, reply_settings: ReplySettings::Everyone },
    };
    let media = Media { key: stored.key, bytes: stored.bytes, facts: MemoryMedia::upright(9_000) };
    Work {
        access: access(platform),
        submission: Submission { media, content, terms: None },
        body: StoredBody::new(store, stored),
    }
}

impl Work {
    pub fn publication(&self) -> Publication<'_> {
        let (access, submission, body) = (&self.access, &self.submission, &self.body);
        Publication { access, submission, body, now: SystemClock.now() }
    }
}

/// Takes an upload to where its commit comes next; a step that fails is done again, as the pipeline does.
pub async fn to_commit(destination: &dyn Destination, work: &Work) -> Ticket {
    let ticket = destination.begin(&work.publication()).await.unwrap();
    destination.upload(&work.publication(), &ticket, 0, &Quiet).await.unwrap();
    until_ready(destination, work, &ticket).await;
    ticket
}

pub async fn until_ready(destination: &dyn Destination, work: &Work, ticket: &Ticket) {
    loop {
        match destination.poll(&work.publication(), ticket).await.unwrap() {
            Poll::Ready => return,
            Poll::Pending { .. } => tokio::time::sleep(Duration::from_millis(20)).await,
            other => panic!("{other:?}"),
        }
    }
}

pub struct Quiet;

#[async_trait]
impl Progress for Quiet {
    async fn sent(&self, _: u64) -> Result<()> {
        Ok(())
    }
}
