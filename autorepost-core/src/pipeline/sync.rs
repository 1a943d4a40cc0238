//! `tiktok_sync`: reads a source account and admits what is new.
//!
//! A walk goes from the newest page to the first one that lies wholly before the point up to which everything was
//! seen, less an overlap for posts that appear late. Only a walk that reached its end moves that point, so a crash, a cut
//! or a burst over many pages loses nothing.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::{
    Error, ErrorKind, Result,
    connection::{Connection, ConnectionStatus},
    credential::{Access, Credential, binding},
    decide::{Decision, decide},
    id::{ConnectionId, PostId, RepostId},
    job::{Finish, Job, NewJob},
    pipeline::stepping::{With, unusable},
    policy::{after, before},
    port::{Admission, EntropyExt, NewPost, RepostQuery, Signal},
    post::{Cursor, FoundPost, Post, PostKind},
    repost::{Repost, RepostKey},
    rule::{Rule, RuleState},
    state::{Event, RepostState},
    worker::{End, Worker},
};

/// Posts that one transaction admits at most.
const ADMISSION_POSTS_MAX: usize = 50;

/// The hidden posts to remember: those of before and those that were admitted now, less what is shown.
pub(super) fn hidden(cursor: &Cursor, admitted: &[FoundPost], shown: &BTreeSet<String>) -> BTreeSet<String> {
    let new = admitted.iter().filter(|post| matches!(post.kind, PostKind::Unusable { why } if why.may_pass()));
    let keys = cursor.hidden.iter().chain(new.map(|post| &post.key)).filter(|key| !shown.contains(*key));
    let mut hidden: BTreeSet<String> = keys.cloned().collect();
    while hidden.len() > Cursor::HIDDEN_MAX {
        hidden.pop_first();
    }
    hidden
}

/// What a walk over an account's pages gave.
struct Walk {
    found: Vec<FoundPost>,
    /// Where it goes on, when it was too long for one job.
    resume: Option<String>,
    handle: Option<String>,
    rotated: Option<Credential>,
    /// What cut it short.
    failed: Option<Error>,
}

impl Worker {
    pub(crate) async fn sync(&self, job: &Job) -> Result<End> {
        let id = ConnectionId::from_uuid(job.new.subject);
        let Some(connection) = self.ports.connections.get(job.new.tenant, id).await? else {
            return Ok(End::Finish(Finish::Done));
        };
        if let Some(reason) = unusable(&connection) {
            let run_at = after(self.now(), self.policy.hold);
            return Ok(End::Finish(Finish::Again { run_at, attempts: 0, note: Some(reason.text) }));
        }
        match self.look(job, &connection).await {
            Ok(newest_and_more) => {
                let (newest, more) = newest_and_more;
                let random = self.ports.entropy.number();
                let run_at = if more { self.now() } else { self.policy.next_sync(self.now(), newest, random) };
                Ok(End::Finish(Finish::Again { run_at, attempts: 0, note: None }))
            }
            Err(error) if matches!(error.kind(), ErrorKind::LeaseLost | ErrorKind::Conflict) => Err(error),
            Err(error) => {
                self.mark(job, &connection, &error).await?;
                Ok(End::Finish(self.again_after(job, &error)))
            }
        }
    }

    /// Walks, admits, and answers with the newest post's time and whether the walk goes on.
    async fn look(&self, job: &Job, connection: &Connection) -> Result<(Option<DateTime<Utc>>, bool)> {
        let (tenant, id) = (connection.tenant, connection.id);
        let rules: Vec<Rule> = self.rules_of(connection).await?;
        let access = Access::open(connection, &self.ports.keys)?;
        let cursor = self.ports.posts.cursor(tenant, id).await?;

        let walk = self.walk(connection, &access, &cursor, &rules).await;
        // A rule that was added while we looked takes what we saw.
        let rules = self.rules_of(connection).await?;
        let mut found = walk.found;
        let keys: Vec<String> = found.iter().map(|post| post.key.clone()).collect();
        let known = self.ports.posts.known(tenant, &connection.account, &keys).await?;
        let newest = found.iter().map(|post| post.posted_at).max().max(cursor.newest);
        let shown = self.reveal_all(job, connection, &found, &rules, &cursor).await?;
        found.retain(|post| !known.contains(&post.key));
        let cursor = Cursor { hidden: hidden(&cursor, &found, &shown), ..cursor };
        self.admit_all(job, connection, &mut found, &rules, &cursor).await?;
        if let Some(error) = walk.failed {
            // What was seen is kept; the next walk begins at the top, as the page to go on with may be the trouble.
            if cursor.resume.is_some() {
                let cursor = Cursor { resume: None, ..cursor };
                self.write_admission(job, connection, Admission { posts: Vec::new(), cursor }).await?;
            }
            return Err(error);
        }
        let more = walk.resume.is_some();
        let complete_through = if more { cursor.complete_through } else { newest.max(cursor.complete_through) };
        let moved = Cursor {
            complete_through,
            resume: walk.resume,
            newest,
            last_ok_at: Some(self.now()),
            hidden: cursor.hidden,
        };
        self.write_admission(job, connection, Admission { posts: Vec::new(), cursor: moved }).await?;
        self.greet(job, connection, walk.handle, walk.rotated).await?;
        Ok((newest, more))
    }

    /// Admits posts with what they cause, and leaves the cursor where it is.
    pub(super) async fn admit_all(
        &self,
        job: &Job,
        connection: &Connection,
        found: &mut [FoundPost],
        rules: &[Rule],
        cursor: &Cursor,
    ) -> Result<()> {
        let destinations = self.ports.connections.list(Some(connection.tenant)).await?;
        let destinations: BTreeMap<_, _> = destinations.into_iter().map(|c| (c.id, c)).collect();
        // The oldest first, so that a burst is reposted in its own order.
        found.sort_by(|a, b| (a.posted_at, &a.key).cmp(&(b.posted_at, &b.key)));
        for chunk in found.chunks(ADMISSION_POSTS_MAX) {
            let posts = chunk.iter().map(|post| self.admit(connection, post, rules, &destinations)).collect();
            self.write_admission(job, connection, Admission { posts, cursor: cursor.clone() }).await?;
        }
        Ok(())
    }

    /// Looks anew at posts that were hidden when they were admitted and are shown now, and answers with their keys.
    pub(super) async fn reveal_all(
        &self,
        job: &Job,
        connection: &Connection,
        found: &[FoundPost],
        rules: &[Rule],
        cursor: &Cursor,
    ) -> Result<BTreeSet<String>> {
        let shown =
            |post: &&FoundPost| matches!(post.kind, PostKind::Video { .. }) && cursor.hidden.contains(&post.key);
        let mut keys = BTreeSet::new();
        for post in found.iter().filter(shown) {
            self.reveal(job, connection, post, rules).await?;
            keys.insert(post.key.clone());
        }
        Ok(keys)
    }

    async fn reveal(&self, job: &Job, connection: &Connection, found: &FoundPost, rules: &[Rule]) -> Result<()> {
        let tenant = connection.tenant;
        let destinations = self.ports.connections.list(Some(tenant)).await?;
        let destinations: BTreeMap<_, _> = destinations.into_iter().map(|c| (c.id, c)).collect();
        let taken = decide(found, rules, &destinations);
        for post in self.ports.posts.find(tenant, &found.key).await? {
            if post.account != connection.account {
                continue;
            }
            self.ports.posts.reveal(job.lease(), tenant, post.id, found).await?;
            let query =
                RepostQuery { post: Some(post.id), states: vec!["skipped"], limit: 1_000, ..Default::default() };
            for repost in self.ports.reposts.list(tenant, &query).await? {
                let same = |decision: &&Decision| {
                    decision.platform == repost.key.platform && decision.account == repost.key.account
                };
                if let Some(decision) = taken.iter().find(same).filter(|decision| decision.skip.is_none()) {
                    let repost = Repost { rule: decision.rule, connection: decision.connection, ..repost };
                    let prep = NewJob::prep(self.job_id(), &repost, self.now());
                    let with = With { jobs: vec![prep], ..With::keep() };
                    self.step(job, &repost, Event::Retried, "its author made it public", with).await?;
                }
            }
        }
        Ok(())
    }

    /// How far back the first look goes: as far as some rule asks for.
    pub(super) fn beginning(&self, connection: &Connection, rules: &[Rule]) -> DateTime<Utc> {
        let since = rules.iter().map(|rule| rule.spec.filters.since.unwrap_or(DateTime::<Utc>::MIN_UTC));
        since.min().unwrap_or(connection.created_at)
    }

    async fn walk(&self, connection: &Connection, access: &Access, cursor: &Cursor, rules: &[Rule]) -> Walk {
        let horizon = match cursor.complete_through {
            Some(complete) => before(complete, self.policy.sync_overlap),
            None => self.beginning(connection, rules),
        };
        let mut walk =
            Walk { found: Vec::new(), resume: cursor.resume.clone(), handle: None, rotated: None, failed: None };
        let source = match self.ports.source(connection.platform) {
            Ok(source) => source,
            Err(error) => return Walk { failed: Some(error), ..walk },
        };
        let mut seen = BTreeSet::new();
        for _ in 0..self.policy.sync_pages_max {
            let listing = match source.list(access, walk.resume.as_deref()).await {
                Ok(listing) => listing,
                Err(error) => return Walk { failed: Some(error), ..walk },
            };
            walk.handle = listing.handle.or(walk.handle);
            walk.rotated = listing.rotated.or(walk.rotated);
            let oldest = listing.posts.iter().filter(|post| !post.pinned).map(|post| post.posted_at).min();
            walk.found.extend(listing.posts.into_iter().filter(|post| seen.insert(post.key.clone())));
            walk.resume = listing.next;
            if walk.resume.is_none() || oldest.is_some_and(|oldest| oldest < horizon) {
                walk.resume = None;
                break;
            }
        }
        walk
    }

    pub(super) async fn rules_of(&self, connection: &Connection) -> Result<Vec<Rule>> {
        let mut rules = self.ports.rules.list(connection.tenant).await?;
        rules.retain(|rule| rule.source == connection.id && rule.state != RuleState::Removed);
        Ok(rules)
    }

    fn admit(
        &self,
        connection: &Connection,
        found: &FoundPost,
        rules: &[Rule],
        destinations: &BTreeMap<ConnectionId, Connection>,
    ) -> NewPost {
        let now = self.now();
        let post = Post {
            id: PostId::new(now, self.ports.entropy.bytes()),
            tenant: connection.tenant,
            connection: connection.id,
            account: connection.account.clone(),
            found: found.clone(),
            found_at: now,
            media: None,
        };
        let reposts = decide(found, rules, destinations).into_iter().map(|decision| {
            let state = match decision.skip {
                Some(reason) => RepostState::Skipped { reason },
                None => RepostState::Planned,
            };
            let repost = Repost {
                id: RepostId::new(now, self.ports.entropy.bytes()),
                tenant: post.tenant,
                key: RepostKey {
                    source: post.account.clone(),
                    post: found.key.clone(),
                    platform: decision.platform,
                    account: decision.account,
                },
                post: post.id,
                posted_at: found.posted_at,
                rule: decision.rule,
                connection: decision.connection,
                state,
                last_commit_at: None,
                created_at: now,
                updated_at: now,
                version: 0,
            };
            let job = (!repost.state.is_terminal()).then(|| NewJob::prep(self.job_id(), &repost, now));
            (repost, job)
        });
        NewPost { reposts: reposts.collect(), post }
    }

    pub(super) async fn write_admission(&self, job: &Job, connection: &Connection, admission: Admission) -> Result<()> {
        let tenant = connection.tenant;
        let new = self.ports.posts.admit(job.lease(), tenant, connection.id, &admission).await?;
        for NewPost { post, reposts } in admission.posts.iter().filter(|entry| new.contains(&entry.post.id)) {
            let (id, key) = (post.id, post.found.key.as_str());
            self.ports.events.emit(&Signal::PostAdmitted { tenant, post: id, key, reposts: reposts.len() });
        }
        if !new.is_empty() {
            self.ports.wake.wake();
        }
        Ok(())
    }

    /// The source answered well: keeps what it told about the account.
    async fn greet(
        &self,
        job: &Job,
        connection: &Connection,
        handle: Option<String>,
        rotated: Option<Credential>,
    ) -> Result<()> {
        const TRIES_MAX: usize = 5;
        let mut current = connection.clone();
        for _ in 0..TRIES_MAX {
            let mut next = current.clone();
            if let Some(handle) = &handle {
                next.handle.clone_from(handle);
            }
            if let Some(credential) = &rotated {
                next.credential = credential.seal(&self.ports.keys, &binding(&current), self.ports.entropy.bytes())?;
            }
            next.status = ConnectionStatus::Active;
            next.status_detail = current.status_detail.clone().filter(|_| current.paused);
            if next == current {
                return Ok(());
            }
            match self.ports.connections.update(&next, Some(job.lease())).await {
                Ok(_) => {
                    if next.status != current.status {
                        self.tell(&next);
                    }
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
            // Somebody changed the row meanwhile; when they connected the account anew, theirs is the living session.
            match self.ports.connections.get(current.tenant, current.id).await? {
                Some(stored) if self.same_credential(&stored, connection) => current = stored,
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Writes down on a connection what is wrong with it; not when its credential is another by now than the one that was
    /// `tried`, because its owner connected it anew meanwhile.
    pub(super) async fn mark(&self, job: &Job, tried: &Connection, error: &Error) -> Result<()> {
        let Some(connection) = self.ports.connections.get(job.new.tenant, tried.id).await? else { return Ok(()) };
        if !self.same_credential(&connection, tried) {
            return Ok(());
        }
        let status = match error.kind() {
            ErrorKind::Unauthorized => ConnectionStatus::NeedsReconnect,
            // A key that is missing may be put back: what is marked so is tried again.
            _ => ConnectionStatus::Error,
        };
        let next = Connection { status, status_detail: Some(error.to_string()), ..connection.clone() };
        if next == connection {
            return Ok(());
        }
        match self.ports.connections.update(&next, Some(job.lease())).await {
            Ok(_) => self.tell(&next),
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether two rows hold the same credential: a key rotation writes the same in another form.
    pub(super) fn same_credential(&self, one: &Connection, other: &Connection) -> bool {
        let open = |connection| Access::open(connection, &self.ports.keys).map(|access| access.credential).ok();
        one.credential == other.credential || open(one).is_some_and(|credential| open(other) == Some(credential))
    }

    pub(super) fn tell(&self, connection: &Connection) {
        self.ports.events.emit(&Signal::ConnectionChanged {
            connection: connection.id,
            status: connection.status.as_str(),
            detail: connection.status_detail.as_deref(),
        });
    }
}
