//! Masters: choosing the creator's own file in place of a post's download, and taking in files that are posts themselves.

use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    id::ConnectionId,
    job::{Finish, Job},
    master::{MADE_AFTER_MAX, MADE_BEFORE_MAX, Master, Match, find},
    media::{Media, MediaFacts},
    policy::{after, before},
    port::{Admission, NewPost, PostQuery},
    post::{FoundPost, Post},
    state::{Owner, Reason},
    worker::{End, Worker},
};

/// Free masters that are held against one post at most.
const MASTERS_MAX: u32 = 100;
/// Posts around one that are looked at, because a master may be theirs.
const POSTS_MAX: u32 = 500;

/// A file that is itself a post: what its job brings along.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FilePost {
    pub found: FoundPost,
    pub media: Media,
}

/// What looking for a post's master gave.
pub(super) enum Mastered {
    /// This is its media.
    Media(Media, String),
    /// The download is its media; the text tells why no master is, if one might be.
    Download(Option<String>),
    /// A master may still come.
    Wait(Reason),
}

impl Worker {
    /// Looks for a post's master: by name only, until its `download` is known.
    pub(super) async fn master_of(&self, job: &Job, post: &Post, download: Option<&MediaFacts>) -> Result<Mastered> {
        let at = post.found.posted_at;
        let window = (before(at, MADE_BEFORE_MAX), after(at, MADE_AFTER_MAX));
        let free = self.ports.masters.free(post.tenant, window, &post.found.key, MASTERS_MAX).await?;
        let others = if free.is_empty() { Vec::new() } else { self.posts_around(post).await? };
        match find(&post.found, download, &free, &others) {
            Match::One(master) if self.give(job, master, post).await? => {
                Ok(Mastered::Media(master.media.clone(), format!("the creator's own file \"{}\"", master.name)))
            }
            Match::Ambiguous(why) => Ok(Mastered::Download(Some(format!("{why}: the download is used")))),
            _ if download.is_some() || free.iter().any(|one| one.may_fit(&post.found)) => Ok(Mastered::Download(None)),
            _ => Ok(match after(post.found_at, self.policy.master_wait) {
                until if self.now() < until => {
                    let text = format!("the creator's own file may come until {}", until.format("%H:%M:%S UTC"));
                    Mastered::Wait(Reason::new(Owner::Retry, text))
                }
                _ => Mastered::Download(None),
            }),
        }
    }

    async fn give(&self, job: &Job, master: &Master, post: &Post) -> Result<bool> {
        let is_stored = self.ports.media.size(&master.media.key).await? == Some(master.media.bytes);
        Ok(is_stored && self.ports.masters.give(job.lease(), master, post.id).await?)
    }

    /// The other posts that a master of this one may belong to.
    async fn posts_around(&self, post: &Post) -> Result<Vec<Post>> {
        let (at, span) = (post.found.posted_at, MADE_BEFORE_MAX + MADE_AFTER_MAX);
        let query = PostQuery {
            connection: Some(post.connection),
            since: Some(before(at, span)),
            before: Some(after(at, span)),
            limit: POSTS_MAX,
            ..PostQuery::default()
        };
        let mut posts = self.ports.posts.list(post.tenant, &query).await?;
        posts.retain(|other| other.id != post.id);
        Ok(posts)
    }

    /// Admits a file that is itself a post. In the lane of the source's sync, so the cursor stays as it is.
    pub(crate) async fn take_file(&self, job: &Job) -> Result<End> {
        let (tenant, id) = (job.new.tenant, ConnectionId::from_uuid(job.new.subject));
        let Some(source) = self.ports.connections.get(tenant, id).await? else {
            return Ok(End::Finish(Finish::Dead { note: "its source is not connected any more".into() }));
        };
        let payload = job.new.payload.as_deref().unwrap_or_default();
        let file: FilePost = serde_json::from_str(payload)
            .map_err(|cause| Error::malformed("take file", "its job cannot be read").source(cause))?;
        let known = self.ports.posts.known(tenant, &source.account, std::slice::from_ref(&file.found.key)).await?;
        if let Some(post) = known.first() {
            // Its bytes may have been deleted since: then they are back.
            if post.media.is_none() {
                self.ports.posts.set_media(job.lease(), tenant, post.id, &file.media).await?;
            }
            return Ok(End::Finish(Finish::Done));
        }
        let rules = self.rules_of(&source).await?;
        let connections = self.ports.connections.list(Some(tenant)).await?;
        let connections = connections.into_iter().map(|one| (one.id, one)).collect();
        let new = self.admit(&source, &file.found, &rules, &connections);
        let post = Post { media: Some(file.media), ..new.post };
        let cursor = self.ports.posts.cursor(tenant, id).await?;
        let admission = Admission { posts: vec![NewPost { post, ..new }], cursor };
        self.write_admission(job, tenant, source.id, admission).await?;
        Ok(End::Finish(Finish::Done))
    }
}
