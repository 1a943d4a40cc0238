//! What may have changed between the preparation of a repost and its publication: its rule, and its post.

use crate::{
    Result,
    credential::Access,
    job::Job,
    pipeline::stepping::{Passage, unusable},
    policy::after,
    port::Fetched,
    post::{FoundPost, Post, PostKind, Unusable},
    repost::Repost,
    state::{Owner, Reason},
    worker::Worker,
};

impl Worker {
    /// Whether the rule asks for something else than what was prepared: other words, another privacy, another cut.
    pub(super) fn is_outdated(&self, repost: &Repost, passage: &Passage) -> Result<bool> {
        let prepared = repost.state.submission().and_then(|submission| submission.terms.as_ref());
        Ok(match prepared {
            Some(terms) => *terms != passage.rule.spec.terms(&passage.destination)?,
            None => false,
        })
    }

    /// Why a post that was found long ago must not go out any more, if so: its source is asked whether it still shows it.
    ///
    /// A source that cannot be asked withdraws nothing: what was taken from it shall not be lost because it is gone.
    pub(super) async fn is_withdrawn(&self, job: &Job, repost: &Repost) -> Result<Option<Reason>> {
        let Some(post) = self.ports.posts.get(repost.tenant, repost.post).await? else { return Ok(None) };
        // What is a post by a file alone is shown by no source.
        if post.found.is_file() || self.now() < after(post.found_at, self.policy.recheck_after) {
            return Ok(None);
        }
        let connection = self.ports.connections.get(post.tenant, post.connection).await?;
        let Some(connection) = connection.filter(|connection| unusable(connection).is_none()) else { return Ok(None) };
        let Ok(access) = Access::open(&connection, &self.ports.keys) else { return Ok(None) };
        match self.ports.source(connection.platform)?.fetch(&access, &post.found).await {
            Ok(Fetched::Unusable(why)) => Ok(Some(self.withdrawn(job, &post, why).await?)),
            // Its bytes are stored: none of them is read.
            Ok(Fetched::Video { .. }) | Err(_) => Ok(None),
        }
    }

    /// The source does not give the post: written down, so that it is looked at anew when a list shows it again.
    pub(super) async fn withdrawn(&self, job: &Job, post: &Post, why: Unusable) -> Result<Reason> {
        let found = FoundPost { kind: PostKind::Unusable { why }, ..post.found.clone() };
        if found != post.found {
            self.ports.posts.reveal(job.lease(), post.tenant, post.id, &found).await?;
        }
        Ok(Reason::new(Owner::Nobody, why.text()))
    }
}
