//! The platforms: sources, destinations, and what keeps their credentials alive.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::{
    Error, Platform, Result,
    connection::AccountId,
    credential::{Access, Credential},
    port::{Body, Budget, ByteStream},
    post::{FoundPost, Unusable},
    standing::Standing,
    state::{Receipt, Ticket},
    submission::Submission,
};

/// Lists and fetches the posts of the account that it is given.
#[async_trait]
pub trait Source: Send + Sync {
    /// The platform.
    fn platform(&self) -> Platform;

    /// Lists one page of the account's posts, the newest first, pinned ones anywhere. `page` is what the page before gave
    /// as [`next`](Listing::next). A post of somebody else is never listed. A login wall, a challenge or an empty answer is
    /// an error, never an empty page.
    async fn list(&self, access: &Access, page: Option<&str>) -> Result<Listing>;

    /// Opens the bytes of a post, at an address that is resolved anew at every call.
    async fn fetch(&self, access: &Access, post: &FoundPost) -> Result<Fetched>;
}

/// One page of an account's posts.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// The posts.
    pub posts: Vec<FoundPost>,
    /// What to ask the next page with; nothing on the last.
    pub next: Option<String>,
    /// The account's present handle.
    pub handle: Option<String>,
    /// The credential to keep from now on, when the platform rotated it.
    pub rotated: Option<Credential>,
    /// Entries of the page that could not be read, and are left out.
    pub unreadable: usize,
}

/// What fetching a post gave.
pub enum Fetched {
    /// Its bytes.
    Video {
        /// Their number, if the platform told it.
        bytes: Option<u64>,
        /// They themselves.
        body: ByteStream,
    },
    /// It cannot be reposted, as is known now.
    Unusable(Unusable),
}

/// What is to be published, and how to act for the account.
pub struct Publication<'a> {
    /// The account.
    pub access: &'a Access,
    /// What is sent.
    pub submission: &'a Submission,
    /// The bytes of it.
    pub body: &'a dyn Body,
    /// The present time.
    pub now: DateTime<Utc>,
}

/// Publishes in steps of which only [`commit`](Destination::commit) is visible to the public.
#[async_trait]
pub trait Destination: Send + Sync {
    /// The platform.
    fn platform(&self) -> Platform;

    /// The times on which reconciling rests.
    fn timing(&self) -> Timing;

    /// The allowances of which beginning an upload takes a unit each, where the platform publishes numbers.
    fn budgets(&self, _: &Access) -> Vec<Budget> {
        Vec::new()
    }

    /// Opens an upload. Not visible; calling it again opens another.
    async fn begin(&self, publication: &Publication<'_>) -> Result<Ticket>;

    /// Sends the bytes that the platform does not have yet, starting where the platform says, or at `sent` (what it
    /// acknowledged so far as it was written down) where it cannot say. Reports each acknowledged piece to `progress` and stops when that
    /// fails. Not visible; calling it again is harmless. [`NotFound`](crate::ErrorKind::NotFound) when the ticket is gone.
    async fn upload(
        &self,
        publication: &Publication<'_>,
        ticket: &Ticket,
        sent: u64,
        progress: &dyn Progress,
    ) -> Result<()>;

    /// Asks whether the upload can be committed.
    async fn poll(&self, publication: &Publication<'_>, ticket: &Ticket) -> Result<Poll>;

    /// Makes it public: one request, sent once, without retry or redirect, with a deadline of its own.
    async fn commit(&self, publication: &Publication<'_>, ticket: &Ticket) -> Commit;

    /// Asks what became of commits that were sent since `since`. Published items whose ids are in `taken` belong to
    /// other reposts. [`Absent`](Finding::Absent) means: not to be seen *now*; the caller waits for the
    /// [settle window](Timing::settle) before it believes it. More than one candidate is [`Unknown`](Finding::Unknown).
    async fn find(
        &self,
        publication: &Publication<'_>,
        ticket: &Ticket,
        since: DateTime<Utc>,
        taken: &[String],
    ) -> Result<Finding>;

    /// The public address of what was published as `id`, where [`commit`](Destination::commit) cannot tell it; `Ok(None)`
    /// where there is no such address.
    async fn locate(&self, _: &Publication<'_>, _id: &str) -> Result<Option<String>> {
        Ok(None)
    }

    /// Makes a JPEG of at most [`THUMBNAIL_BYTES_MAX`] the thumbnail of what was published as `id`, where
    /// [`commit`](Destination::commit) cannot bring it along. Calling it again is harmless.
    async fn set_thumbnail(&self, _: &Publication<'_>, _id: &str, _jpeg: Bytes) -> Result<()> {
        Err(Error::internal("set thumbnail", format!("{} takes none after the publication", self.platform().title())))
    }

    /// How that stands which was published as `id`, held against what was asked for. Reads only.
    ///
    /// [`Gone`](Standing::Gone) only when the platform itself says that it is not there, or no more.
    async fn inspect(&self, _: &Publication<'_>, _id: &str) -> Result<Standing> {
        Ok(Standing::Unknown { why: "this destination cannot be asked".into() })
    }
}

/// Bytes of a thumbnail at most: 2 MB, which `thumbnails.set` of the YouTube Data API v3 has always taken. Its revision of
/// 2026-11-04 says 50 MB.
pub const THUMBNAIL_BYTES_MAX: u64 = 2_000_000;

/// The times on which reconciling rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// After this much time since a commit was begun, what is still not to be seen is not there: longer than the commit's
    /// deadline, the time that the platform may take to act on it, its read lag, and twice what clocks may be off
    /// ([`Policy::clock_off_max`](crate::policy::Policy::clock_off_max)) together.
    pub settle: Duration,
}

/// Hears how an upload goes.
#[async_trait]
pub trait Progress: Send + Sync {
    /// The platform has acknowledged this many bytes in all. An error stops the upload: the lease is lost.
    async fn sent(&self, bytes: u64) -> Result<()>;
}

/// What polling an upload gave.
#[derive(Debug)]
pub enum Poll {
    /// It can be committed.
    Ready,
    /// The platform works on it: ask again after this much time.
    Pending {
        /// How long to wait.
        after: Duration,
        /// What the platform says of it.
        note: String,
    },
    /// The platform does not have all bytes: upload the rest.
    Incomplete,
    /// It is public already, although no commit was sent; which item it is, [`find`](Destination::find) tells.
    Published(Receipt),
    /// The platform let go of it: begin anew.
    Gone,
    /// The platform refuses it.
    Failed(Error),
}

/// What sending a commit gave.
#[derive(Debug)]
pub enum Commit {
    /// It is public.
    Published(Receipt),
    /// The platform certainly did not and will not act on it: an answer from a short, documented list.
    Refused(Error),
    /// Anything else: nobody knows yet.
    Doubt(Error),
}

/// What the search for a commit's effect gave.
#[derive(Debug)]
pub enum Finding {
    /// It is public.
    Published(Receipt),
    /// It is not to be seen now.
    Absent,
    /// The platform cannot tell.
    Unknown(String),
}

/// Renews and verifies credentials.
#[async_trait]
pub trait Authorizer: Send + Sync {
    /// The platform.
    fn platform(&self) -> Platform;

    /// Asks the platform whose credential this is. [`Unauthorized`](crate::ErrorKind::Unauthorized) when it is dead.
    async fn verify(&self, access: &Access) -> Result<Identity>;

    /// Renews the credential. `Ok(None)` when this kind needs no renewal, or not yet.
    /// [`Unauthorized`](crate::ErrorKind::Unauthorized) only when the grant itself is dead; everything else is transient.
    async fn refresh(&self, access: &Access) -> Result<Option<Grant>>;
}

/// Whose credential it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The platform's own id of the account.
    pub account: AccountId,
    /// The account's handle, without `@`.
    pub handle: String,
    /// When the credential ends, if it can be told.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A renewed credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The credential: complete, an unchanged refresh token included.
    pub credential: Credential,
    /// When it ends, if the platform says so.
    pub expires_at: Option<DateTime<Utc>>,
}
