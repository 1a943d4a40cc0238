//! What was reposted, or is about to be, of a post that its author deleted or made private at the source.
//!
//! A post that a list does not show is no proof: the post itself is asked for. What waits is left out then, and what is public
//! stays: only its owner is told, once.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::{
    Result,
    connection::Connection,
    credential::Access,
    job::Job,
    notice,
    pipeline::stepping::With,
    port::{Fetched, PostQuery, RepostQuery, Source},
    post::{FoundPost, Post, PostKind, Unusable},
    repost::Repost,
    rule::{OnSourceDeleted, Rule},
    state::{Event, Owner, Reason, RepostState, Resume},
    webhook::EventType,
    worker::Worker,
};

/// Posts that one look compares at most, the newest first.
const POSTS_MAX: u32 = 1_000;
/// Posts that one look asks for at most; the others are for the next.
const ASKED_MAX: usize = 20;
/// Reposts of one post that are looked at.
const REPOSTS_MAX: u32 = 1_000;
/// The name under which a repost's journal has it.
const SOURCE_DELETED: &str = "source_deleted";

/// What a look at a source saw, from the newest post back to a time.
pub(super) struct Listed {
    pub shown: BTreeMap<String, PostKind>,
    pub since: DateTime<Utc>,
}

impl Worker {
    /// Looks for posts that are gone, where a rule asks for it.
    pub(super) async fn look_for_gone(
        &self,
        job: &Job,
        connection: &Connection,
        (source, access): (&dyn Source, &Access),
        rules: &[Rule],
        listed: &Listed,
    ) -> Result<()> {
        let asks = |repost: &Repost| {
            rules.iter().any(|rule| rule.id == repost.rule && rule.spec.on_source_deleted == OnSourceDeleted::Notify)
        };
        if !connection.method.can_fetch()
            || rules.iter().all(|rule| rule.spec.on_source_deleted != OnSourceDeleted::Notify)
        {
            return Ok(());
        }
        let query = PostQuery { connection: Some(connection.id), limit: POSTS_MAX, ..PostQuery::default() };
        let mut asked = 0;
        for post in self.ports.posts.list(connection.tenant, &query).await? {
            let found = &post.found;
            let kind = listed.shown.get(&found.key);
            // What is a post by a file alone stands in no list.
            if found.is_file() || found.posted_at < listed.since || matches!(kind, Some(PostKind::Video { .. })) {
                continue;
            }
            let mut reposts = self.told_of(&post).await?;
            reposts.retain(asks);
            if reposts.is_empty() {
                continue;
            }
            let why = match kind {
                Some(PostKind::Unusable { why: Unusable::Private }) => Unusable::Private,
                _ if asked == ASKED_MAX => continue,
                _ => {
                    asked += 1;
                    // What cannot be told now is told by a later look.
                    match source.fetch(access, found).await {
                        Ok(Fetched::Unusable(why @ (Unusable::Deleted | Unusable::Private))) => why,
                        _ => continue,
                    }
                }
            };
            for repost in reposts {
                self.source_gone(job, &repost, why).await?;
            }
        }
        Ok(())
    }

    /// The reposts of a post that it matters for, and that were not told of so far.
    async fn told_of(&self, post: &Post) -> Result<Vec<Repost>> {
        let query = RepostQuery { post: Some(post.id), limit: REPOSTS_MAX, ..RepostQuery::default() };
        let mut untold = Vec::new();
        for repost in self.ports.reposts.list(post.tenant, &query).await? {
            if !matters(&repost.state) {
                continue;
            }
            let journal = self.ports.reposts.journal(repost.tenant, repost.id).await?;
            // A person who wants it all the same, after that, has the last word. What was told of and not left out was
            // interrupted in between.
            let mut since = journal.iter().skip_while(|entry| entry.event != SOURCE_DELETED);
            let is_public = matches!(repost.state, RepostState::Published { .. });
            let told = since.next().is_some() && (is_public || since.any(|entry| entry.event == "skipped"));
            if !told {
                untold.push(repost);
            }
        }
        Ok(untold)
    }

    async fn source_gone(&self, job: &Job, repost: &Repost, why: Unusable) -> Result<()> {
        let jobs = notice::of_event(&self.ports, self.now(), EventType::RepostSourceDeleted, repost).await?;
        let noted = self.note(job, repost, SOURCE_DELETED, why.text(), With { jobs, ..With::keep() }).await?;
        if !noted.state.is_terminal() {
            let reason = Reason::new(Owner::Nobody, why.text());
            self.step(job, &noted, Event::Skipped(reason), why.text(), With::keep()).await?;
        }
        Ok(())
    }
}

/// Whether it matters that the post is gone: the repost is public, or nothing of it was sent yet. What is being sent is its own
/// job's.
fn matters(state: &RepostState) -> bool {
    use RepostState::{Planned, Preparing, Published, Ready, Waiting};
    matches!(
        state,
        Published { .. }
            | Planned
            | Preparing
            | Ready { .. }
            | Waiting { resume: Resume::Prepare | Resume::Begin { .. }, .. }
    )
}

impl Listed {
    /// Takes in a page.
    pub fn add(&mut self, posts: &[FoundPost]) {
        self.shown.extend(posts.iter().map(|post| (post.key.clone(), post.kind.clone())));
    }
}
