//! An installation in memory with two tenants that have rows of every kind, and its HTTP interface.

use std::collections::BTreeMap;

use autorepost::api::{Api, Limits};
use autorepost_core::{
    Platform,
    access::{Role, Tenant},
    brake::Scope,
    connection::{AuthMethod, Connection},
    credential::Credential,
    decide::Decision,
    id::{PostId, RepostId, TenantId},
    job::{Finish, JobKind, NewJob},
    media::{Media, MediaKey},
    memory::{Bench, MemoryMedia, chunks},
    operator::{NewMaster, Operator, Taken},
    port::{Admission, EntropyExt, NewPost},
    post::{Cursor, FoundPost, Post, PostKind},
    repost::Repost,
    rule::{DestinationSpec, Filters, HashtagRule, Options, ReplySettings, Rule, RuleSpec},
    state::{Event, Owner, Reason, RepostState, Ticket, apply},
    submission::{Content, Submission},
    webhook::{SigningSecret, Webhook},
};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// What must never be shown: it stands in credentials, and in a platform's ticket.
pub const SECRET: &str = "hunter2";

/// Where browsers reach the interface.
pub const BASE: &str = "https://house.example";

pub fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_763_600_000, 0).unwrap()
}

/// One tenant's rows, each marked with its name.
pub struct Family {
    pub tenant: TenantId,
    pub source: Connection,
    pub destination: Connection,
    pub rule: Rule,
    pub post: PostId,
    pub reposts: BTreeMap<&'static str, RepostId>,
    pub dead: NewJob,
    pub webhook: Webhook,
    pub keys: BTreeMap<Role, String>,
}

pub struct House {
    pub bench: Bench,
    pub router: Router,
    /// A key to the whole installation.
    pub root: String,
    pub ours: Family,
    pub theirs: Family,
}

/// An answer, read.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub json: Value,
}

impl House {
    pub async fn new() -> Self {
        Self::with(Limits { requests_per_minute_max: 10_000, ..Limits::default() }).await
    }

    pub async fn with(limits: Limits) -> Self {
        let bench = Bench::new(7, start());
        let id = TenantId::new(start(), bench.ports.entropy.bytes());
        let tenant = Tenant { id, name: "theirs".into(), created_at: start() };
        bench.ports.access.add_tenant(&tenant).await.unwrap();
        let ours = family(&bench, TenantId::OWNER, "OURS").await;
        let theirs = family(&bench, id, "THEIRS").await;
        let operator = Operator::new(&bench.ports, TenantId::OWNER, "test");
        let (_, root) = operator.add_api_key("root", Role::Admin, true).await.unwrap();
        let incoming = SigningSecret::parse(&SigningSecret::generate([7; 32])).unwrap();
        let router = Api::new(bench.ports.clone(), limits, Some(incoming), Some(BASE)).router(Router::new());
        Self { root: root.expose().to_owned(), bench, router, ours, theirs }
    }

    pub fn key(&self, role: Role) -> &str {
        &self.ours.keys[&role]
    }

    pub async fn get(&self, key: &str, path: &str) -> Answer {
        self.ask(key, "GET", path, &[], None).await
    }

    pub async fn post(&self, key: &str, path: &str, body: Value) -> Answer {
        self.ask(key, "POST", path, &[], Some(body)).await
    }

    pub async fn ask(
        &self,
        key: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
        if !key.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(request.body(body).unwrap()).await
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        send(self.router.clone(), request).await
    }
}

pub async fn send(router: Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer { status, headers, text, json }
}

/// The text of a rule from one account to an account on X.
pub fn rule_body(name: &str, source: &Connection, destination: &Connection) -> Value {
    let destination = json!({ "connection": destination.id, "options": { "platform": "x" } });
    json!({ "name": name, "source": source.id, "spec": { "destinations": [destination] } })
}

pub fn post(source: &Connection, bench: &Bench, key: &str, secs: i64) -> Post {
    Post {
        id: PostId::new(start(), bench.ports.entropy.bytes()),
        tenant: source.tenant,
        connection: source.id,
        account: source.account.clone(),
        found: FoundPost {
            key: key.into(),
            url: format!("https://example.com/{key}"),
            author: source.handle.clone(),
            caption: format!("caption {key}"),
            posted_at: start() + TimeDelta::seconds(secs),
            kind: PostKind::Video { duration_secs: Some(9) },
            pinned: false,
        },
        found_at: start(),
        media: None,
    }
}

pub fn repost(post: &Post, rule: &Rule, destination: &Connection, bench: &Bench, state: RepostState) -> Repost {
    let id = RepostId::new(start(), bench.ports.entropy.bytes());
    Repost { state, ..Repost::of(id, post, Decision::take(rule.id, destination), start()) }
}

/// A repost's state after a commit that nobody knows the end of.
fn committing() -> RepostState {
    let facts = MemoryMedia::upright(9_000);
    let media = Media { key: MediaKey::of(b"bytes"), bytes: 5, facts };
    let content = Content::X { text: "words".into(), reply_settings: ReplySettings::Everyone };
    let ticket = Ticket { handle: SECRET.into(), extra: Some(SECRET.into()), begun_at: start(), expires_at: None };
    let events = [
        Event::PrepStarted,
        Event::Prepared(Submission { media, content, terms: None }),
        Event::Began(ticket),
        Event::Uploaded,
        Event::Intended(start()),
    ];
    events.into_iter().fold(RepostState::Planned, |state, event| apply(state, event).unwrap())
}

/// Writes posts, each with its reposts, as a look at the source does.
pub async fn admit(bench: &Bench, source: &Connection, posts: Vec<(Post, Vec<Repost>)>) {
    let job = NewJob::sync(autorepost_core::id::JobId::new(start(), bench.ports.entropy.bytes()), source, start());
    let job = NewJob { key: format!("test {}", job.id), lane: format!("test {}", job.id), ..job };
    bench.ports.jobs.enqueue(std::slice::from_ref(&job)).await.unwrap();
    let minute = std::time::Duration::from_secs(60);
    let claimed = bench.ports.jobs.claim(&[JobKind::TiktokSync], 100, minute).await.unwrap();
    let mine = claimed.iter().find(|one| one.new.key == job.key).unwrap();
    let reposts = |rows: Vec<Repost>| rows.into_iter().map(|row| (row, None)).collect();
    let posts = posts.into_iter().map(|(post, rows)| NewPost { post, reposts: reposts(rows) }).collect();
    let admission = Admission { posts, cursor: Cursor::default() };
    bench.ports.posts.admit(mine.lease(), source.tenant, source.id, &admission).await.unwrap();
    for job in claimed {
        let again = Finish::Again { run_at: start(), attempts: 0, note: None };
        let finish = if job.new.key.starts_with("test") { Finish::Done } else { again };
        bench.ports.jobs.finish(job.lease(), &finish).await.unwrap();
    }
}

async fn family(bench: &Bench, tenant: TenantId, mark: &str) -> Family {
    let operator = Operator::new(&bench.ports, tenant, format!("{mark} operator"));
    let connect = async |method, name: &str| {
        let (account, handle) = (format!("{mark}-{name}"), format!("{mark}.{name}"));
        let credential = Credential::Bearer { access: SECRET.into(), refresh: None };
        operator.connect(method, &account, &handle, credential).await.unwrap()
    };
    let source = connect(AuthMethod::TiktokSession, "source").await;
    let destination = connect(AuthMethod::XOauth1, "destination").await;
    let options = Options::X { text: "{caption}".into(), reply_settings: ReplySettings::Everyone };
    let to = DestinationSpec {
        connection: destination.id,
        paused: false,
        hashtags: HashtagRule::Keep,
        trim: false,
        options,
    };
    let since = Some(start() - TimeDelta::days(1));
    let spec = RuleSpec {
        filters: Filters { since, ..Filters::default() },
        destinations: vec![to],
        delay_secs: 0,
        hourly_cap: None,
        shadow: false,
        on_source_deleted: Default::default(),
        mentions: Default::default(),
    };
    let rule = operator.add_rule(&format!("{mark} rule"), source.id, spec).await.unwrap();
    // The one source shows it to both.
    bench.source.add(FoundPost { author: "somebody".into(), ..post(&source, bench, "found", 0).found }, "bytes");

    let failed = RepostState::Failed { reason: Reason::new(Owner::Content, format!("{mark} reason")) };
    let doubted = apply(committing(), Event::Doubted(Reason::new(Owner::Operator, "nobody knows"))).unwrap();
    let states =
        [("planned", RepostState::Planned), ("failed", failed), ("committing", committing()), ("unconfirmed", doubted)];
    let (mut posts, mut reposts) = (Vec::new(), BTreeMap::new());
    for (n, (name, state)) in states.into_iter().enumerate() {
        let post = post(&source, bench, &format!("{mark}-{name}"), n as i64);
        let repost = repost(&post, &rule, &destination, bench, state);
        reposts.insert(name, repost.id);
        posts.push((post, vec![repost]));
    }
    let id = posts[0].0.id;
    admit(bench, &source, posts).await;

    let dead = NewJob::upkeep(autorepost_core::id::JobId::new(start(), bench.ports.entropy.bytes()), start());
    let dead = NewJob { tenant, key: format!("{mark} dead"), lane: format!("{mark} dead"), ..dead };
    bench.ports.jobs.enqueue(std::slice::from_ref(&dead)).await.unwrap();
    let minute = std::time::Duration::from_secs(60);
    let claimed = bench.ports.jobs.claim(&[JobKind::Upkeep], 1, minute).await.unwrap();
    bench.ports.jobs.finish(claimed[0].lease(), &Finish::Dead { note: format!("{mark} note") }).await.unwrap();
    operator.stop(Scope::Tenant(tenant), &format!("{mark} brake")).await.unwrap();
    operator.record(Some(tenant), "test", &format!("{mark} subject"), "asked", "request").await.unwrap();
    let url = format!("https://example.com/{mark}");
    let (webhook, _) = operator.add_webhook(&url, &[]).await.unwrap();
    let file = NewMaster { name: &format!("{mark}.mp4"), made_at: start(), sidecar: Default::default() };
    let bytes = chunks(format!("{mark} bytes").into());
    assert!(matches!(operator.take_master(file, bytes, 100).await.unwrap(), Taken::Kept(_)));
    let mut keys = BTreeMap::new();
    for role in Role::ALL {
        let (_, text) = operator.add_api_key(&format!("{mark} {role}"), role, false).await.unwrap();
        keys.insert(role, text.expose().to_owned());
    }
    assert_eq!(source.platform, Platform::TikTok);
    Family { tenant, source, destination, rule, post: id, reposts, dead, webhook, keys }
}
