//! `source_audit`: compares what a source lists with what was admitted.
//!
//! The sync looks as far back as its overlap. What appears later than that with an old date (a private post that is made
//! public, a listing that was incomplete for days) it cannot see: the audit looks much farther back, admits what is missing,
//! and raises an alarm, because a gap is either such a post or a fault of ours. It also sees what is there no more
//! ([`gone`](super::gone)).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::{
    ErrorKind, Result,
    connection::Connection,
    credential::Access,
    id::ConnectionId,
    job::{Finish, Job},
    pipeline::{admit::Seen, gone::Listed, kin::Stand, stepping::unusable},
    policy::{after, before},
    port::{EntropyExt, Signal},
    post::FoundPost,
    worker::{End, Worker},
};

/// What an entry that cannot be read means.
const CHANGED: &str = "the platform changed its pages, look for a new version of this program";
/// Keys that an alarm names at most.
const NAMED_MAX: usize = 10;

impl Worker {
    pub(crate) async fn audit(&self, job: &Job) -> Result<End> {
        let id = ConnectionId::from_uuid(job.new.subject);
        let Some(connection) = self.ports.connections.get(job.new.tenant, id).await? else {
            return Ok(End::Finish(Finish::Done));
        };
        let jitter = (self.ports.entropy.number() >> 11) as f64 / (1_u64 << 53) as f64;
        let next = after(self.now(), self.policy.audit_every.mul_f64(0.9 + 0.2 * jitter));
        if let Some(reason) = unusable(&connection) {
            return Ok(End::Finish(Finish::Again { run_at: next, attempts: 0, note: Some(reason.text) }));
        }
        if !matches!(self.stand(&connection).await?, Stand::Own) {
            let note = Some("the session of the same creator is compared in its place".to_owned());
            return Ok(End::Finish(Finish::Again { run_at: next, attempts: 0, note }));
        }
        match self.compare(job, &connection).await {
            Ok(gaps) if gaps.is_empty() => Ok(End::Finish(Finish::Again { run_at: next, attempts: 0, note: None })),
            Ok(gaps) => {
                let named = gaps.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
                let text = format!(
                    "{} posts of @{} had been missed and are admitted now: {named}",
                    gaps.len(),
                    connection.handle
                );
                self.ports.events.emit(&Signal::Alarm { kind: job.new.kind, text: &text });
                Ok(End::Finish(Finish::Again { run_at: next, attempts: 0, note: Some(text) }))
            }
            Err(error) if matches!(error.kind(), ErrorKind::LeaseLost | ErrorKind::Conflict) => Err(error),
            // The sync marks the connection; here it is enough to come again.
            Err(error) => Ok(End::Finish(self.again_after(job, &error))),
        }
    }

    /// Walks back over the audit's span, and admits what no sync can see any more. Answers with the keys of these.
    async fn compare(&self, job: &Job, connection: &Connection) -> Result<Vec<String>> {
        let (tenant, id) = (connection.tenant, connection.id);
        let cursor = self.ports.posts.cursor(tenant, id).await?;
        let rules = self.rules_of(connection).await?;
        let Some(complete) = cursor.complete_through else { return Ok(Vec::new()) };
        // From here on the next sync looks by itself.
        let recent = before(complete, self.policy.sync_overlap);
        let start = self.beginning(connection, &rules).max(before(self.now(), self.policy.audit_span));
        let mut old: Vec<FoundPost> = Vec::new();
        let access = Access::open(connection, &self.ports.keys)?;
        let source = self.ports.source(connection.platform)?;
        let (mut page, mut seen, mut unreadable, mut rotated) = (None, BTreeSet::new(), 0, None);
        let mut listed = Listed { shown: BTreeMap::new(), since: DateTime::<Utc>::MAX_UTC };
        for _ in 0..self.policy.audit_pages_max {
            let listing = source.list(&access, page.as_deref()).await?;
            listed.add(&listing.posts);
            unreadable += listing.unreadable;
            rotated = listing.rotated.or(rotated);
            let oldest = listing.posts.iter().filter(|post| !post.pinned).map(|post| post.posted_at).min();
            let wanted = |post: &FoundPost| (start..recent).contains(&post.posted_at);
            old.extend(listing.posts.into_iter().filter(|post| wanted(post) && seen.insert(post.key.clone())));
            page = listing.next;
            if page.is_none() || oldest.is_some_and(|oldest| oldest < start) {
                listed.since = start;
                break;
            }
        }
        if rotated.is_some() {
            self.greet(job, connection, None, rotated).await?;
        }
        if unreadable > 0 {
            let text = format!("{unreadable} entries of @{}'s list could not be read: {CHANGED}", connection.handle);
            self.ports.events.emit(&Signal::Alarm { kind: job.new.kind, text: &text });
        }
        let owed = BTreeSet::new();
        let elsewhere = self.admitted_elsewhere(connection, &old).await?;
        // Only a list without gaps tells that a post is missing in it.
        if unreadable == 0 {
            self.look_for_gone(job, connection, (source, &access), &rules, &listed).await?;
        }
        let seen = Seen { found: old, elsewhere, owed: &owed, cursor: &cursor, lister: id };
        self.take_in(job, connection, &rules, seen).await
    }
}
