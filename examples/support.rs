//! What the examples share: in-memory accounts and a rule.

use autorepost_core::{
    Platform, Result,
    connection::{AccountId, AuthMethod, Connection, ConnectionStatus},
    credential::Credential,
    id::{ConnectionId, JobId, RuleId, TenantId},
    job::NewJob,
    port::{EntropyExt, Ports},
    post::{FoundPost, PostKind},
    rule::{DestinationSpec, HashtagRule, Options, ReplySettings, Rule, RuleSpec, RuleState},
    seal::{Binding, Purpose},
};
use chrono::{DateTime, Utc};

/// Connects an account with a made-up credential, sealed as a real one is.
///
/// # Errors
///
/// When the store refuses it.
pub async fn connect(ports: &Ports, platform: Platform, method: AuthMethod, account: &str) -> Result<Connection> {
    let now = ports.clock.now();
    let id = ConnectionId::new(now, ports.entropy.bytes());
    let binding = Binding { tenant: TenantId::OWNER, connection: id, purpose: Purpose::Credential };
    let credential = Credential::Bearer { access: "example".into(), refresh: None };
    let connection = Connection {
        id,
        tenant: TenantId::OWNER,
        platform,
        account: AccountId::new(account),
        handle: account.into(),
        method,
        credential: credential.seal(&ports.keys, &binding, ports.entropy.bytes())?,
        scopes: Vec::new(),
        expires_at: None,
        status: ConnectionStatus::Active,
        status_detail: None,
        paused: false,
        resumed_at: None,
        lists_for: None,
        warned_days: None,
        created_at: now,
        renewed_at: now,
        version: 0,
    };
    let jobs = NewJob::perpetual(&connection, now, || JobId::new(now, ports.entropy.bytes()));
    ports.connections.connect(&connection, &jobs).await
}

/// Adds a rule from a source to an account on X.
///
/// # Errors
///
/// When the store refuses it.
pub async fn rule_to_x(ports: &Ports, source: &Connection, x: &Connection) -> Result<()> {
    let now = ports.clock.now();
    let options = Options::X { text: "{caption}".into(), reply_settings: ReplySettings::Everyone };
    let destination =
        DestinationSpec { connection: x.id, paused: false, hashtags: HashtagRule::Keep, trim: false, options };
    let spec = RuleSpec {
        filters: Default::default(),
        destinations: vec![destination],
        delay_secs: 0,
        hourly_cap: None,
        shadow: false,
        on_source_deleted: Default::default(),
        mentions: Default::default(),
    };
    let rule = Rule {
        id: RuleId::new(now, ports.entropy.bytes()),
        tenant: TenantId::OWNER,
        name: "to X".into(),
        source: source.id,
        state: RuleState::Active,
        spec,
        created_at: now,
        version: 0,
    };
    ports.rules.insert(&rule).await
}

/// A post as a source lists it.
pub fn post(key: &str, caption: &str, posted_at: DateTime<Utc>) -> FoundPost {
    FoundPost {
        key: key.into(),
        url: format!("https://www.tiktok.com/@alice/video/{key}"),
        author: "alice".into(),
        caption: caption.into(),
        posted_at,
        kind: PostKind::Video { duration_secs: Some(9) },
        pinned: false,
    }
}
