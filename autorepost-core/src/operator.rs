//! What a person may do and ask: connect accounts, keep rules, ask for a repost, settle a doubt, have things explained.
//!
//! The command line and the HTTP interface are thin shells around this.

mod access;
mod account;
mod backfill;
mod brake;
mod consent;
mod explain;
mod jobs;
mod master;
mod plan;
mod repost;
mod webhooks;

use std::collections::BTreeSet;

pub use access::Summary;
pub use backfill::{BackfillAsk, BackfillPlan, BackfillStatus, PlannedTurn};
pub use brake::Resealed;
pub use consent::{Asked as AskedConsent, Comeback, LOGIN_MAX};
pub use explain::{Explanation, Next, Story, Untouched};
pub use master::{NewMaster, Taken};
pub use plan::{Forecast, Planned, PlannedRepost};
pub use repost::{Asked, Destinations, Settled};
pub use webhooks::SECRET_OVERLAP;

use crate::{
    Error, ErrorKind, Platform, Result, caption,
    connection::{AccountId, AuthMethod, Connection, ConnectionStatus, NAME_CHARS_MAX},
    credential::{Access, Credential},
    id::{ConnectionId, JobId, RuleId, TenantId},
    job::{NewJob, sync_key},
    port::{EntropyExt, Identity, Ports, PostQuery, RepostQuery},
    post::Post,
    repost::{Entry, publish_lane},
    rule::{Rule, RuleSpec, RuleState},
    seal::{Binding, Purpose},
};

/// Longest name of a rule, in characters.
pub const RULE_NAME_MAX: usize = 80;
/// Destinations of one rule at most.
pub const RULE_DESTINATIONS_MAX: usize = 20;
/// Rules of one tenant at most: each look at a source reads them all.
pub const RULES_MAX: usize = 200;
/// Rows that one answer looks at.
const ROWS_MAX: u32 = 1_000;

/// A person who acts for a tenant.
pub struct Operator<'a> {
    ports: &'a Ports,
    tenant: TenantId,
    name: String,
}

impl<'a> Operator<'a> {
    /// A person who acts for a tenant; the name is shown in journals.
    pub fn new(ports: &'a Ports, tenant: TenantId, name: impl Into<String>) -> Self {
        Self { ports, tenant, name: name.into() }
    }

    /// The ports that are acted through.
    pub fn ports(&self) -> &Ports {
        self.ports
    }

    /// The tenant.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Who acts.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Connects an account: asks the platform whose credential it is, seals it, and stores it with its perpetual jobs.
    /// Connecting an account again renews it, and what waited for it goes on at once.
    ///
    /// `account` and `handle` are what the owner says, where the platform needs to be told; its own answer replaces them.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) when a name is longer than [`NAME_CHARS_MAX`]; and when the platform refuses the
    /// credential or does not answer. Nothing is stored then.
    pub async fn connect(
        &self,
        method: AuthMethod,
        account: &str,
        handle: &str,
        credential: Credential,
    ) -> Result<Connection> {
        for (what, text) in [("account", account), ("handle", handle)] {
            if text.chars().count() > NAME_CHARS_MAX || text.chars().any(char::is_control) {
                let text = format!("\"{what}\" is too long, or no line: it has {NAME_CHARS_MAX} characters at most");
                return Err(Error::invalid("connect account", text));
            }
        }
        let access = Access {
            account: AccountId::new(account),
            handle: handle.to_owned(),
            method,
            credential: credential.clone(),
        };
        let identity = self.ports.authorizer(method.platform())?.verify(&access).await?;
        self.keep(method, identity, credential, Vec::new()).await
    }

    /// Stores an account whose credential the platform knows, and makes what waited for it due.
    async fn keep(
        &self,
        method: AuthMethod,
        identity: Identity,
        credential: Credential,
        scopes: Vec<String>,
    ) -> Result<Connection> {
        let (tenant, platform, ports, now) = (self.tenant, method.platform(), self.ports, self.ports.clock.now());
        let Identity { account, handle, expires_at } = identity;
        let known = ports.connections.find(tenant, platform, &account).await?;
        let id = known.map_or_else(|| ConnectionId::new(now, ports.entropy.bytes()), |known| known.id);
        let binding = Binding { tenant, connection: id, purpose: Purpose::Credential };
        let connection = Connection {
            id,
            tenant,
            platform,
            account,
            handle,
            method,
            credential: credential.seal(&ports.keys, &binding, ports.entropy.bytes())?,
            scopes,
            expires_at,
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
        let jobs = NewJob::perpetual(&connection, now, || self.job_id());
        let connection = ports.connections.connect(&connection, &jobs).await?;
        let waiting = jobs.iter().map(|job| job.key.clone());
        let lane = publish_lane(tenant, platform, &connection.account);
        ports.jobs.hasten(&waiting.chain([lane]).collect::<Vec<_>>()).await?;
        ports.wake.wake();
        Ok(connection)
    }

    /// The tenant's connections, the oldest first.
    pub async fn connections(&self) -> Result<Vec<Connection>> {
        self.ports.connections.list(Some(self.tenant)).await
    }

    /// The connection that a person names: `platform:@handle`, `platform:account id`, the platform alone when it has only
    /// one connection, or the connection's own id.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) or [`Invalid`](ErrorKind::Invalid), listing what there is.
    pub async fn connection(&self, name: &str) -> Result<Connection> {
        let connections = self.connections().await?;
        let (platform, handle) = name.split_once(':').unwrap_or((name, ""));
        let platform = platform.parse::<Platform>().ok();
        let handle = handle.trim_start_matches('@');
        let named = |connection: &&Connection| {
            connection.id.to_string() == name
                || (Some(connection.platform) == platform
                    && (handle.is_empty()
                        || connection.handle.eq_ignore_ascii_case(handle)
                        || connection.account.as_str() == handle))
        };
        let mut found = connections.iter().filter(named);
        match (found.next(), found.next()) {
            (Some(connection), None) => Ok(connection.clone()),
            (Some(_), Some(_)) => {
                let text = format!("\"{name}\" names several accounts; say which: {}", names(&connections));
                Err(Error::invalid("find connection", text))
            }
            (None, _) => {
                let text = format!("no account is connected as \"{name}\"; there is {}", names(&connections));
                Err(Error::not_found("find connection", text))
            }
        }
    }

    /// The tenant's rules that are not removed, the oldest first.
    pub async fn rules(&self) -> Result<Vec<Rule>> {
        self.ports.rules.list(self.tenant).await
    }

    /// The rules that take the posts of a connection: its own, and those of log-ins that list in its name.
    async fn rules_taking(&self, source: ConnectionId) -> Result<Vec<Rule>> {
        let mut sources = self.connections().await?;
        sources.retain(|one| one.id == source || one.lists_for == Some(source));
        let mut rules = self.rules().await?;
        rules.retain(|rule| sources.iter().any(|one| one.id == rule.source));
        Ok(rules)
    }

    /// Adds a rule, and looks at its source at once.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) when it could not work as it is written, saying why;
    /// [`Conflict`](ErrorKind::Conflict) when its name is taken.
    pub async fn add_rule(&self, name: &str, source: ConnectionId, spec: RuleSpec) -> Result<Rule> {
        let now = self.ports.clock.now();
        self.check_rule("add rule", name, source, &spec).await?;
        if self.rules().await?.len() >= RULES_MAX {
            let text = format!("there are {RULES_MAX} rules: remove one first");
            return Err(Error::new(ErrorKind::Quota, "add rule", text));
        }
        let rule = Rule {
            id: RuleId::new(now, self.ports.entropy.bytes()),
            tenant: self.tenant,
            name: name.to_owned(),
            source,
            state: RuleState::Active,
            spec,
            created_at: now,
            version: 0,
        };
        self.ports.rules.insert(&rule).await?;
        self.ports.jobs.hasten(&[sync_key(source)]).await?;
        self.ports.wake.wake();
        Ok(rule)
    }

    /// Changes a rule's name and what it does; with `version` only while that is its version. Its source stays. What waits
    /// for it looks again at once.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) when it could not work as it is written, saying why; [`Conflict`](ErrorKind::Conflict)
    /// when the name is taken, or the rule has another version.
    pub async fn change_rule(&self, id: RuleId, name: &str, spec: RuleSpec, version: Option<u64>) -> Result<Rule> {
        let op = "change rule";
        let rule = self.rule_by_id(id).await?;
        if version.is_some_and(|version| version != rule.version) {
            return Err(Error::conflict(op, format!("the rule has version {} by now: read it again", rule.version)));
        }
        self.check_rule(op, name, rule.source, &spec).await?;
        let rule = self.ports.rules.update(&Rule { name: name.to_owned(), spec, ..rule }).await?;
        self.hasten_waiting(&rule).await?;
        Ok(rule)
    }

    async fn check_rule(&self, op: &'static str, name: &str, source: ConnectionId, spec: &RuleSpec) -> Result<()> {
        let bad = |text: String| Err(Error::invalid(op, text));
        if name.trim().is_empty() || name.chars().count() > RULE_NAME_MAX || name.chars().any(char::is_control) {
            return bad(format!("the name must have 1 to {RULE_NAME_MAX} characters, on one line"));
        }
        spec.check_sizes()?;
        let connections = self.connections().await?;
        let find = |id| connections.iter().find(|connection| connection.id == id);
        match find(source) {
            Some(connection) if self.ports.sources.contains_key(&connection.platform) => {}
            Some(connection) => {
                return bad(format!("{} is no source: posts come from TikTok", connection.platform.title()));
            }
            None => return bad("the source account is not connected".into()),
        }
        if spec.destinations.is_empty() || spec.destinations.len() > RULE_DESTINATIONS_MAX {
            return bad(format!("a rule has 1 to {RULE_DESTINATIONS_MAX} destinations"));
        }
        let mut seen = BTreeSet::new();
        for destination in &spec.destinations {
            let Some(connection) = find(destination.connection) else {
                return bad(format!("its destination {} is not connected", destination.connection));
            };
            let (platform, handle) = (connection.platform, &connection.handle);
            if destination.options.platform() != platform {
                let options = destination.options.platform().title();
                return bad(format!("the options for {platform}:@{handle} are those of {options}"));
            }
            if !seen.insert(connection.id) {
                return bad(format!("it names {platform}:@{handle} twice"));
            }
            caption::check_template(&destination.options)?;
        }
        Ok(())
    }

    /// The rule of a name, removed ones left out.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), listing what there is.
    pub async fn rule(&self, name: &str) -> Result<Rule> {
        let rules = self.rules().await?;
        let by_id = rules.iter().find(|rule| rule.id.to_string() == name);
        let found = by_id.or_else(|| rules.iter().find(|rule| rule.name == name));
        found.cloned().ok_or_else(|| {
            let names: Vec<_> = rules.iter().map(|rule| format!("\"{}\"", rule.name)).collect();
            let there = if names.is_empty() { "no rule".to_owned() } else { names.join(", ") };
            Error::not_found("find rule", format!("no rule is called \"{name}\"; there is {there}"))
        })
    }

    /// The rule of an id, removed ones left out.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) when there is none.
    pub async fn rule_by_id(&self, id: RuleId) -> Result<Rule> {
        let rule = self.ports.rules.get(self.tenant, id).await?;
        rule.filter(|rule| rule.state != RuleState::Removed)
            .ok_or_else(|| Error::not_found("find rule", format!("there is no rule {id}")))
    }

    /// Pauses, resumes or removes a rule. What waited for a resumed rule goes on at once.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) when there is no such rule.
    pub async fn set_rule_state(&self, name: &str, state: RuleState) -> Result<Rule> {
        loop {
            let rule = self.rule(name).await?;
            match self.ports.rules.update(&Rule { state, ..rule }).await {
                Ok(rule) => {
                    self.hasten_waiting(&rule).await?;
                    return Ok(rule);
                }
                // Somebody else changed it meanwhile; the word still stands.
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn hasten_waiting(&self, rule: &Rule) -> Result<()> {
        let states = vec!["planned", "ready", "waiting"];
        let query = RepostQuery { states, limit: ROWS_MAX, ..RepostQuery::default() };
        let reposts = self.ports.reposts.list(self.tenant, &query).await?;
        let keys: Vec<_> = reposts.iter().filter(|one| one.rule == rule.id).map(|one| one.job_key()).collect();
        self.ports.jobs.hasten(&keys).await?;
        self.ports.wake.wake();
        Ok(())
    }

    /// Makes every look at the source due now, or at all sources of the tenant, and answers with them.
    pub async fn hasten_sync(&self, source: Option<ConnectionId>) -> Result<Vec<Connection>> {
        let mut sources = self.connections().await?;
        sources.retain(|one| self.ports.sources.contains_key(&one.platform));
        sources.retain(|one| source.is_none_or(|id| id == one.id));
        let keys: Vec<_> = sources.iter().map(|one| sync_key(one.id)).collect();
        self.ports.jobs.hasten(&keys).await?;
        self.ports.wake.wake();
        Ok(sources)
    }

    /// Posts, the newest first, at most a thousand.
    pub async fn posts(&self, limit: u32) -> Result<Vec<Post>> {
        let query = PostQuery { limit: limit.min(ROWS_MAX), ..PostQuery::default() };
        self.ports.posts.list(self.tenant, &query).await
    }

    /// The post that a person names: by its address, by the platform's own id, or by ours.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) when it was never admitted.
    pub async fn post(&self, name: &str) -> Result<Post> {
        let path = name.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        let key = path.rsplit('/').next().unwrap_or_default();
        if let Ok(id) = key.parse()
            && let Some(post) = self.ports.posts.get(self.tenant, id).await?
        {
            return Ok(post);
        }
        let mut found = self.ports.posts.find(self.tenant, key).await?;
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => {
                let text = format!("no post \"{key}\" was found so far: look at the source with \"autorepost sync\"");
                Err(Error::not_found("find post", text))
            }
            _ => {
                let ids: Vec<_> = found.iter().map(|post| post.id.to_string()).collect();
                let text = format!("\"{key}\" is a post on several accounts; say which by id: {}", ids.join(", "));
                Err(Error::invalid("find post", text))
            }
        }
    }

    fn entry(&self, event: &str, state: &str, detail: impl Into<String>) -> Entry {
        Entry {
            at: self.ports.clock.now(),
            event: event.into(),
            state: state.into(),
            detail: detail.into(),
            attempt: None,
            by: self.name.clone(),
        }
    }

    fn job_id(&self) -> JobId {
        JobId::new(self.ports.clock.now(), self.ports.entropy.bytes())
    }
}

/// Refuses a text with control characters: it is shown to people, in logs too.
fn one_line(op: &'static str, what: &str, text: &str) -> Result<()> {
    match text.chars().any(char::is_control) {
        true => Err(Error::invalid(op, format!("{what} must be one line, without control characters"))),
        false => Ok(()),
    }
}

fn names(connections: &[Connection]) -> String {
    let names: Vec<_> = connections.iter().map(|one| format!("{}:@{}", one.platform, one.handle)).collect();
    if names.is_empty() { "none: use \"autorepost connect\"".into() } else { names.join(", ") }
}
