//! `tiktok_sync`: reads a source account and admits what is new.
//!
//! A walk goes from the newest page to the first one that lies wholly before the point up to which everything was
//! seen, less an overlap for posts that appear late. Only a walk that reached its end moves that point, so a crash, a cut
//! or a burst over many pages loses nothing.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};

use crate::{
    Error, ErrorKind, Result,
    connection::{Connection, ConnectionStatus},
    credential::{Access, Credential, binding},
    id::{ConnectionId, RuleId, TenantId},
    job::{Finish, Job, refresh_key},
    pipeline::{
        admit::Seen,
        kin::{Stand, UNTOLD},
        stepping::unusable,
    },
    policy::{after, before},
    port::{EntropyExt, Signal},
    post::{Cursor, FoundPost},
    rule::{Rule, RuleState},
    worker::{End, Worker},
};

/// What a walk over an account's pages gave.
struct Walk {
    found: Vec<FoundPost>,
    /// Where it goes on, when it was too long for one job.
    resume: Option<String>,
    handle: Option<String>,
    rotated: Option<Credential>,
    unreadable: usize,
    /// What cut it short.
    failed: Option<Error>,
}

/// What a look gave.
struct Looked {
    newest: Option<DateTime<Utc>>,
    /// Whether the walk goes on.
    more: bool,
    unreadable: usize,
    /// Why nothing was taken from it.
    untold: bool,
}

/// How long a source is silent before the accounts that its next post goes to are asked whether they still work.
const PAUSE: Duration = Duration::from_secs(6 * 3600);

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
            Ok(Looked { newest, more, unreadable, untold }) => {
                let random = self.ports.entropy.number();
                let run_at = if more { self.now() } else { self.policy.next_sync(self.now(), newest, random) };
                let note = match untold {
                    true => Some(UNTOLD.to_owned()),
                    false => (unreadable > 0).then(|| format!("{unreadable} entries could not be read")),
                };
                Ok(End::Finish(Finish::Again { run_at, attempts: 0, note }))
            }
            Err(error) if matches!(error.kind(), ErrorKind::LeaseLost | ErrorKind::Conflict) => Err(error),
            Err(error) => {
                if error.kind() == ErrorKind::Unauthorized {
                    // Whether the session is dead is for the job to find out that verifies it.
                    self.ports.jobs.hasten(&[refresh_key(connection.id)]).await?;
                    self.ports.wake.wake();
                }
                self.mark(job, &connection, ConnectionStatus::Error, &error).await?;
                Ok(End::Finish(self.again_after(job, &error)))
            }
        }
    }

    /// Walks, and takes in what it sees.
    async fn look(&self, job: &Job, connection: &Connection) -> Result<Looked> {
        let (tenant, id) = (connection.tenant, connection.id);
        let stand = self.stand(connection).await?;
        // The connection in whose name posts are admitted.
        let mut origin = match &stand {
            Stand::For(session) => session.as_ref().clone(),
            Stand::Own | Stand::Untold => connection.clone(),
        };
        let rules: Vec<Rule> = self.rules_of(&origin).await?;
        let access = Access::open(connection, &self.ports.keys)?;
        let mut cursor = self.ports.posts.cursor(tenant, id).await?;
        if cursor.resume.is_none() {
            cursor.walking = rules.iter().map(|rule| rule.id).collect();
        }
        let owed = |rule: &RuleId| cursor.walking.contains(rule) && cursor.owes(*rule);
        let owed: BTreeSet<RuleId> = rules.iter().map(|rule| rule.id).filter(owed).collect();

        let horizon = self.horizon(connection, &cursor, &rules, &owed);
        let walk = self.walk(connection, &access, cursor.resume.clone(), horizon).await;
        let newest = walk.found.iter().map(|post| post.posted_at).max().max(cursor.newest);
        let elsewhere = self.admitted_elsewhere(&origin, &walk.found).await?;
        let session = self.join(job, &origin, &elsewhere).await?;
        let takes = match (&stand, session) {
            // It is written down: the next look lists in the session's name.
            (Stand::Own | Stand::Untold, Some(session)) => {
                origin = session;
                self.takes_for(&origin, &walk.found).await?
            }
            (Stand::Own, None) => true,
            (Stand::For(session), _) => self.takes_for(session, &walk.found).await?,
            (Stand::Untold, None) if self.is_apart(connection, &walk.found).await? => true,
            (Stand::Untold, None) => {
                if let Some(error) = walk.failed {
                    return Err(error);
                }
                let seen = Cursor { resume: None, last_ok_at: Some(self.now()), ..cursor };
                self.write_cursor(job, connection, seen).await?;
                self.greet(job, connection, walk.handle, walk.rotated).await?;
                return Ok(Looked { newest, more: false, unreadable: walk.unreadable, untold: true });
            }
        };
        if takes {
            // A rule that was added while we looked takes what we saw.
            let rules = self.rules_of(&origin).await?;
            let seen = Seen { found: walk.found, elsewhere, owed: &owed, cursor: &cursor, lister: id };
            let new = self.take_in(job, &origin, &rules, seen).await?;
            if !new.is_empty() && cursor.newest.is_some_and(|newest| newest < before(self.now(), PAUSE)) {
                self.try_out(&rules).await?;
            }
        }
        if let Some(error) = walk.failed {
            // What was seen is kept; the next walk begins at the top, as the page to go on with may be the trouble.
            if cursor.resume.is_some() {
                self.write_cursor(job, connection, Cursor { resume: None, ..cursor }).await?;
            }
            // A session that was rotated by a page before has ended in its old form.
            if walk.rotated.is_some() {
                self.greet(job, connection, walk.handle, walk.rotated).await?;
            }
            return Err(error);
        }
        let more = walk.resume.is_some();
        let last_ok_at = Some(self.now());
        let moved = match walk.resume {
            Some(page) => Cursor { resume: Some(page), newest, last_ok_at, ..cursor },
            None => Cursor {
                complete_through: newest.max(cursor.complete_through),
                resume: None,
                newest,
                last_ok_at,
                walked: Some(cursor.walking),
                walking: BTreeSet::new(),
            },
        };
        self.write_cursor(job, connection, moved).await?;
        self.greet(job, connection, walk.handle, walk.rotated).await?;
        Ok(Looked { newest, more, unreadable: walk.unreadable, untold: false })
    }

    /// Has the credentials tried out to which the next posts go: after a pause a dead one is found while a video is fetched,
    /// and not by an upload that was paid for.
    async fn try_out(&self, rules: &[Rule]) -> Result<()> {
        let destinations = rules.iter().filter(|rule| rule.state == RuleState::Active);
        let destinations = destinations.flat_map(|rule| &rule.spec.destinations).filter(|one| !one.paused);
        let keys: BTreeSet<String> = destinations.map(|one| refresh_key(one.connection)).collect();
        self.ports.jobs.hasten(&keys.into_iter().collect::<Vec<_>>()).await?;
        self.ports.wake.wake();
        Ok(())
    }

    /// How far back a walk goes.
    fn horizon(
        &self,
        connection: &Connection,
        cursor: &Cursor,
        rules: &[Rule],
        owed: &BTreeSet<RuleId>,
    ) -> DateTime<Utc> {
        let beginning = |rule: &Rule| rule.spec.filters.since.unwrap_or(DateTime::<Utc>::MIN_UTC);
        let recent = match cursor.complete_through {
            Some(complete) => before(complete, self.policy.sync_overlap),
            None => self.beginning(connection, rules),
        };
        rules.iter().filter(|rule| owed.contains(&rule.id)).map(beginning).chain([recent]).min().unwrap_or(recent)
    }

    /// How far back the first look goes: as far as some rule asks for.
    pub(super) fn beginning(&self, connection: &Connection, rules: &[Rule]) -> DateTime<Utc> {
        let since = rules.iter().map(|rule| rule.spec.filters.since.unwrap_or(DateTime::<Utc>::MIN_UTC));
        since.min().unwrap_or(connection.created_at)
    }

    async fn walk(
        &self,
        connection: &Connection,
        access: &Access,
        from: Option<String>,
        horizon: DateTime<Utc>,
    ) -> Walk {
        let mut walk =
            Walk { found: Vec::new(), resume: from, handle: None, rotated: None, unreadable: 0, failed: None };
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
            walk.unreadable += listing.unreadable;
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

    /// The rules that take the posts of a connection: its own, and those of log-ins that list in its name.
    pub(super) async fn rules_of(&self, connection: &Connection) -> Result<Vec<Rule>> {
        self.rules_taking(connection.tenant, connection.id).await
    }

    /// The rules that take the posts of a connection, by its id: its own, and those of log-ins that list in its name.
    pub(super) async fn rules_taking(&self, tenant: TenantId, source: ConnectionId) -> Result<Vec<Rule>> {
        let mut rules = self.ports.rules.list(tenant).await?;
        let all = self.ports.connections.list(Some(tenant)).await?;
        let listers = all.iter().filter(|one| one.lists_for == Some(source)).map(|one| one.id);
        let sources: BTreeSet<ConnectionId> = listers.chain([source]).collect();
        rules.retain(|rule| sources.contains(&rule.source) && rule.state != RuleState::Removed);
        Ok(rules)
    }

    /// The source answered well: keeps what it told about the account.
    pub(super) async fn greet(
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
            // A credential that works today may still end soon.
            let is_expiring = current.status == ConnectionStatus::Expiring;
            next.status = if is_expiring { current.status } else { ConnectionStatus::Active };
            next.status_detail = current.status_detail.clone().filter(|_| current.paused || is_expiring);
            if next == current {
                return Ok(());
            }
            match self.store_connection(job, &current, &next).await {
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
    pub(super) async fn mark(
        &self,
        job: &Job,
        tried: &Connection,
        status: ConnectionStatus,
        error: &Error,
    ) -> Result<()> {
        let Some(connection) = self.ports.connections.get(job.new.tenant, tried.id).await? else { return Ok(()) };
        if !self.same_credential(&connection, tried) {
            return Ok(());
        }
        let next = Connection { status, status_detail: Some(error.to_string()), ..connection.clone() };
        if next == connection {
            return Ok(());
        }
        match self.store_connection(job, &connection, &next).await {
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
