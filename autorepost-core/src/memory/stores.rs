//! Connections, rules, posts and reposts in memory.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Memory, World};
use crate::{
    Error, Platform, Result,
    brake::{Brake, Scope},
    connection::{AccountId, Connection},
    id::{ConnectionId, PostId, RepostId, RuleId, TenantId},
    job::{Lease, NewJob},
    media::Media,
    policy::after,
    port::{
        Admission, After, BrakeStore, ConnectionStore, Guard, PostQuery, PostStore, RepostQuery, RepostStore,
        RuleStore, Step,
    },
    post::{Cursor, FoundPost, Post},
    repost::{Entry, Repost},
    rule::{Rule, RuleState},
    state::RepostState,
};

#[async_trait]
impl ConnectionStore for Memory {
    async fn connect(&self, connection: &Connection, jobs: &[NewJob]) -> Result<Connection> {
        self.unit(|world| {
            let known = world.account(connection.tenant, connection.platform, &connection.account);
            let stored = match known {
                Some(known) if known.id != connection.id => {
                    return Err(Error::conflict("connect", format!("the account is connected as {}", known.id)));
                }
                Some(known) => Connection {
                    paused: known.paused,
                    resumed_at: known.resumed_at,
                    lists_for: known.lists_for,
                    created_at: known.created_at,
                    version: known.version + 1,
                    ..connection.clone()
                },
                None => connection.clone(),
            };
            world.connections.insert(stored.id, stored.clone());
            jobs.iter().for_each(|job| world.enqueue(job));
            Ok(stored)
        })
    }

    async fn get(&self, tenant: TenantId, id: ConnectionId) -> Result<Option<Connection>> {
        self.unit(|world| Ok(world.connections.get(&id).filter(|row| row.tenant == tenant).cloned()))
    }

    async fn find(&self, tenant: TenantId, platform: Platform, account: &AccountId) -> Result<Option<Connection>> {
        self.unit(|world| Ok(world.account(tenant, platform, account).cloned()))
    }

    async fn list(&self, tenant: Option<TenantId>) -> Result<Vec<Connection>> {
        self.unit(|world| {
            let mine = world.connections.values().filter(|row| tenant.is_none_or(|tenant| row.tenant == tenant));
            let mut rows: Vec<_> = mine.cloned().collect();
            rows.sort_by_key(|row| (row.created_at, row.id));
            Ok(rows)
        })
    }

    async fn update(&self, connection: &Connection, lease: Option<Lease>, jobs: &[NewJob]) -> Result<Connection> {
        self.unit(|world| {
            if let Some(lease) = lease {
                world.leased(lease, "update connection")?;
            }
            let row = world
                .connections
                .get_mut(&connection.id)
                .filter(|row| row.tenant == connection.tenant && row.version == connection.version)
                .ok_or_else(|| Error::conflict("update connection", "the connection was changed meanwhile"))?;
            *row = Connection { version: connection.version + 1, ..connection.clone() };
            let stored = row.clone();
            jobs.iter().for_each(|job| world.enqueue(job));
            Ok(stored)
        })
    }
}

#[async_trait]
impl RuleStore for Memory {
    async fn insert(&self, rule: &Rule) -> Result<()> {
        self.unit(|world| {
            let twin =
                |row: &&Rule| row.tenant == rule.tenant && row.name == rule.name && row.state != RuleState::Removed;
            if world.rules.contains_key(&rule.id) || world.rules.values().any(|row| twin(&row)) {
                let text = format!("there is a rule \"{}\" already: choose another name or remove it", rule.name);
                return Err(Error::conflict("add rule", text));
            }
            world.rules.insert(rule.id, rule.clone());
            Ok(())
        })
    }

    async fn get(&self, tenant: TenantId, id: RuleId) -> Result<Option<Rule>> {
        self.unit(|world| Ok(world.rules.get(&id).filter(|row| row.tenant == tenant).cloned()))
    }

    async fn list(&self, tenant: TenantId) -> Result<Vec<Rule>> {
        self.unit(|world| {
            let mine = |row: &&Rule| row.tenant == tenant && row.state != RuleState::Removed;
            let mut rows: Vec<_> = world.rules.values().filter(mine).cloned().collect();
            rows.sort_by_key(|row| (row.created_at, row.id));
            Ok(rows)
        })
    }

    async fn update(&self, rule: &Rule) -> Result<Rule> {
        self.unit(|world| {
            let twin = |row: &Rule| {
                row.id != rule.id
                    && row.tenant == rule.tenant
                    && row.name == rule.name
                    && row.state != RuleState::Removed
            };
            if rule.state != RuleState::Removed && world.rules.values().any(twin) {
                return Err(Error::conflict("update rule", format!("there is a rule \"{}\" already", rule.name)));
            }
            let row = world
                .rules
                .get_mut(&rule.id)
                .filter(|row| row.tenant == rule.tenant && row.version == rule.version)
                .ok_or_else(|| Error::conflict("update rule", "the rule was changed meanwhile: read it again"))?;
            *row = Rule { version: rule.version + 1, ..rule.clone() };
            Ok(row.clone())
        })
    }
}

#[async_trait]
impl BrakeStore for Memory {
    async fn engage(&self, brake: &Brake) -> Result<()> {
        self.unit(|world| {
            world.brakes.insert(brake.scope, brake.clone());
            Ok(())
        })
    }

    async fn release(&self, scope: Scope) -> Result<bool> {
        self.unit(|world| Ok(world.brakes.remove(&scope).is_some()))
    }

    async fn holding(&self, tenant: TenantId) -> Result<Vec<Brake>> {
        self.unit(|world| Ok(world.brakes.values().filter(|brake| brake.scope.covers(tenant)).cloned().collect()))
    }
}

#[async_trait]
impl PostStore for Memory {
    async fn admit(
        &self,
        lease: Lease,
        tenant: TenantId,
        connection: ConnectionId,
        admission: &Admission,
    ) -> Result<Vec<PostId>> {
        self.unit(|world| {
            world.leased(lease, "admit posts")?;
            let mut admitted = Vec::new();
            for entry in &admission.posts {
                let (post, found) = (&entry.post, &entry.post.found);
                let known = |row: &&mut Post| row.tenant == tenant && row.found.key == found.key;
                if let Some(known) = world.posts.values_mut().find(known) {
                    known.connection = post.connection;
                    continue;
                }
                world.posts.insert(post.id, post.clone());
                for (repost, job) in &entry.reposts {
                    world.add(repost, job.as_ref(), None);
                }
                admitted.push(post.id);
            }
            world.cursors.insert((tenant, connection), admission.cursor.clone());
            Ok(admitted)
        })
    }

    async fn cursor(&self, tenant: TenantId, connection: ConnectionId) -> Result<Cursor> {
        self.unit(|world| Ok(world.cursors.get(&(tenant, connection)).cloned().unwrap_or_default()))
    }

    async fn known(&self, tenant: TenantId, account: &AccountId, keys: &[String]) -> Result<Vec<Post>> {
        self.unit(|world| {
            let mine = world.posts.values().filter(|row| row.tenant == tenant && row.account == *account);
            Ok(mine.filter(|row| keys.contains(&row.found.key)).cloned().collect())
        })
    }

    async fn get(&self, tenant: TenantId, id: PostId) -> Result<Option<Post>> {
        self.unit(|world| Ok(world.posts.get(&id).filter(|row| row.tenant == tenant).cloned()))
    }

    async fn find(&self, tenant: TenantId, key: &str) -> Result<Vec<Post>> {
        self.unit(|world| {
            let same = |row: &&Post| row.tenant == tenant && row.found.key == key;
            Ok(world.posts.values().filter(same).cloned().collect())
        })
    }

    async fn list(&self, tenant: TenantId, query: &PostQuery) -> Result<Vec<Post>> {
        self.unit(|world| {
            let wanted = |row: &&Post| {
                row.tenant == tenant
                    && query.connection.is_none_or(|id| row.connection == id)
                    && query.since.is_none_or(|since| row.found.posted_at >= since)
                    && query.before.is_none_or(|before| row.found.posted_at < before)
                    && query.after.is_none_or(|after| match query.oldest_first {
                        true => (row.found.posted_at, row.id) > after,
                        false => (row.found.posted_at, row.id) < after,
                    })
            };
            let mut rows: Vec<_> = world.posts.values().filter(wanted).collect();
            rows.sort_by_key(|row| (row.found.posted_at, row.id));
            if !query.oldest_first {
                rows.reverse();
            }
            Ok(rows.into_iter().take(query.limit as usize).cloned().collect())
        })
    }

    async fn reveal(&self, lease: Lease, tenant: TenantId, post: PostId, found: &FoundPost) -> Result<()> {
        self.unit(|world| {
            world.leased(lease, "reveal post")?;
            if let Some(row) = world.posts.get_mut(&post).filter(|row| row.tenant == tenant) {
                row.found = found.clone();
            }
            Ok(())
        })
    }

    async fn set_media(&self, lease: Lease, tenant: TenantId, post: PostId, media: &Media) -> Result<()> {
        self.unit(|world| {
            world.leased(lease, "set media")?;
            if let Some(row) = world.posts.get_mut(&post).filter(|row| row.tenant == tenant) {
                row.media = Some(media.clone());
            }
            Ok(())
        })
    }

    async fn stale_media(&self, before: DateTime<Utc>, limit: u32) -> Result<Vec<Post>> {
        self.unit(|world| {
            let stale = |row: &&Post| world.media_is_stale(row, before);
            let mut rows: Vec<_> = world.posts.values().filter(stale).collect();
            rows.sort_by_key(|row| (row.media.as_ref().map(|media| media.key), row.id));
            Ok(rows.into_iter().take(limit as usize).cloned().collect())
        })
    }

    async fn forget_media(&self, lease: Lease, tenant: TenantId, post: PostId, before: DateTime<Utc>) -> Result<bool> {
        self.unit(|world| {
            world.leased(lease, "forget media")?;
            let row = world.posts.get(&post).filter(|row| row.tenant == tenant);
            let stale = row.is_some_and(|row| world.media_is_stale(row, before));
            if let Some(row) = world.posts.get_mut(&post).filter(|_| stale) {
                row.media = None;
            }
            Ok(stale)
        })
    }
}

#[async_trait]
impl RepostStore for Memory {
    async fn get(&self, tenant: TenantId, id: RepostId) -> Result<Option<Repost>> {
        self.unit(|world| Ok(world.reposts.get(&id).filter(|row| row.tenant == tenant).cloned()))
    }

    async fn list(&self, tenant: TenantId, query: &RepostQuery) -> Result<Vec<Repost>> {
        self.unit(|world| {
            let wanted = |row: &&Repost| {
                row.tenant == tenant
                    && query.post.is_none_or(|post| row.post == post)
                    && query.account.as_ref().is_none_or(|(p, a)| row.key.platform == *p && row.key.account == *a)
                    && (query.states.is_empty() || query.states.contains(&row.state.name()))
                    && query.posted_before.is_none_or(|before| row.posted_at < before)
                    && query.after.is_none_or(|after| match query.newest_first {
                        true => (row.posted_at, row.id) < after,
                        false => (row.posted_at, row.id) > after,
                    })
            };
            let mut rows: Vec<_> = world.reposts.values().filter(wanted).collect();
            rows.sort_by_key(|row| (row.posted_at, row.id));
            if query.newest_first {
                rows.reverse();
            }
            Ok(rows.into_iter().take(query.limit as usize).cloned().collect())
        })
    }

    async fn step(&self, step: &Step) -> Result<Repost> {
        self.unit(|world| {
            // Everything is checked before anything is written.
            if let Some(lease) = step.lease {
                world.leased(lease, "move repost")?;
            }
            let next = &step.repost;
            world
                .reposts
                .get(&next.id)
                .filter(|row| row.tenant == next.tenant && row.version == next.version)
                .ok_or_else(|| Error::conflict("move repost", "the repost was moved meanwhile"))?;
            step.guards.iter().try_for_each(|guard| world.holds(guard, next))?;

            let stored = Repost { version: next.version + 1, ..next.clone() };
            world.reposts.insert(stored.id, stored.clone());
            if let Some(entry) = &step.entry {
                world.journals.entry(stored.id).or_default().push(entry.clone());
            }
            match (step.lease, &step.after) {
                (Some(lease), After::KeepFor(span)) => {
                    let until = after(world.now, *span);
                    world.leased(lease, "move repost")?.leased_until = Some(until);
                }
                (Some(lease), After::Finish(finish)) => world.let_go(lease.job, finish),
                _ => {}
            }
            step.jobs.iter().for_each(|job| world.enqueue(job));
            Ok(stored)
        })
    }

    async fn add(&self, repost: &Repost, job: &NewJob, entry: &Entry) -> Result<bool> {
        self.unit(|world| Ok(world.add(repost, Some(job), Some(entry))))
    }

    async fn journal(&self, tenant: TenantId, id: RepostId) -> Result<Vec<Entry>> {
        self.unit(|world| match world.reposts.get(&id) {
            Some(row) if row.tenant == tenant => Ok(world.journals.get(&id).cloned().unwrap_or_default()),
            _ => Ok(Vec::new()),
        })
    }

    async fn published_ids(
        &self,
        tenant: TenantId,
        platform: Platform,
        account: &AccountId,
        since: DateTime<Utc>,
    ) -> Result<Vec<String>> {
        self.unit(|world| {
            let mine = world
                .reposts
                .values()
                .filter(|row| row.tenant == tenant && row.key.platform == platform && row.key.account == *account);
            let ids = mine.filter_map(|row| match &row.state {
                RepostState::Published { receipt, .. } if receipt.at >= since => receipt.id.clone(),
                _ => None,
            });
            Ok(ids.collect())
        })
    }

    async fn orphans(&self, limit: u32) -> Result<Vec<Repost>> {
        self.unit(|world| {
            let lost = |row: &&Repost| !row.state.is_terminal() && world.live(&row.job_key()).is_none();
            Ok(world.reposts.values().filter(lost).take(limit as usize).cloned().collect())
        })
    }
}

impl World {
    fn account(&self, tenant: TenantId, platform: Platform, account: &AccountId) -> Option<&Connection> {
        self.connections
            .values()
            .find(|row| row.tenant == tenant && row.platform == platform && row.account == *account)
    }

    /// Whether a post has media that no post needs.
    fn media_is_stale(&self, post: &Post, before: DateTime<Utc>) -> bool {
        let Some(media) = &post.media else { return false };
        let names = |row: &&Post| row.media.as_ref().is_some_and(|other| other.key == media.key);
        let needs = |row: &Post| {
            let mut reposts = self.reposts.values().filter(|repost| repost.post == row.id);
            row.found_at >= before || reposts.any(|repost| repost.state.needs_media() || repost.updated_at >= before)
        };
        // Itself first: mostly that is enough.
        !needs(post) && !self.posts.values().filter(names).any(needs)
    }

    /// Adds a repost unless its key exists.
    pub(super) fn add(&mut self, repost: &Repost, job: Option<&NewJob>, entry: Option<&Entry>) -> bool {
        if self.reposts.values().any(|row| row.tenant == repost.tenant && row.key == repost.key) {
            return false;
        }
        self.reposts.insert(repost.id, repost.clone());
        if let Some(entry) = entry {
            self.journals.entry(repost.id).or_default().push(entry.clone());
        }
        if let Some(job) = job {
            self.enqueue(job);
        }
        true
    }

    fn holds(&self, guard: &Guard, repost: &Repost) -> Result<()> {
        let op = "check guard";
        match guard {
            Guard::Rule { id, version } => {
                let rule = self.rules.get(id).filter(|rule| rule.tenant == repost.tenant);
                match rule {
                    Some(rule) if rule.state == RuleState::Active && rule.version == *version => Ok(()),
                    _ => Err(Error::conflict(op, "the rule was changed meanwhile")),
                }
            }
            Guard::ConnectionUsable(id) => match self.connections.get(id) {
                Some(connection) if connection.tenant == repost.tenant && connection.is_usable() => Ok(()),
                _ => Err(Error::conflict(op, "the connection cannot be used any more")),
            },
            Guard::NoBrake => match self.brakes.values().find(|brake| brake.scope.covers(repost.tenant)) {
                Some(brake) => Err(Error::conflict(op, format!("publishing is stopped: {}", brake.reason))),
                None => Ok(()),
            },
            Guard::Clock { at, off_max } => match (self.now - *at).abs().to_std() {
                Ok(off) if off <= *off_max => Ok(()),
                _ => Err(Error::conflict(op, "this machine's clock differs from the database's")),
            },
            Guard::CommitsBelow { code, platform, account, since, max } => {
                let others = self.reposts.values().filter(|row| {
                    row.id != repost.id
                        && row.tenant == repost.tenant
                        && row.key.platform == *platform
                        && row.key.account == *account
                        && row.last_commit_at.is_some_and(|at| at >= *since)
                });
                if others.count() < *max as usize {
                    return Ok(());
                }
                let text = format!("{max} posts went to this account since {}", since.format("%H:%M:%S UTC"));
                Err(Error::conflict(op, text).code(*code))
            }
        }
    }
}
