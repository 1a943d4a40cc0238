//! Platforms in memory: a source whose posts are set by hand, and destinations that keep the publish protocol.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::{Yield, media::chunks};
use crate::{
    Error, ErrorKind, Platform, Result,
    connection::AccountId,
    credential::{Access, Credential},
    media::MediaKey,
    policy::{after, before},
    port::{
        Authorizer, Clock, Commit, Destination, Fetched, Finding, Grant, Identity, Listing, Poll, Progress,
        Publication, Source, Timing,
    },
    post::{FoundPost, Unusable},
    standing::Standing,
    state::{Receipt, Ticket},
};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A source whose posts are set by hand.
pub struct MemorySource {
    platform: Platform,
    account: Mutex<Account>,
}

#[derive(Default)]
struct Account {
    posts: Vec<(FoundPost, Bytes)>,
    unusable: BTreeMap<String, Unusable>,
    page: usize,
    failures: VecDeque<Error>,
}

impl MemorySource {
    /// A source without posts, which lists five to a page.
    pub fn new(platform: Platform) -> Self {
        Self { platform, account: Mutex::new(Account { page: 5, ..Account::default() }) }
    }

    /// Adds a post and its bytes.
    pub fn add(&self, post: FoundPost, bytes: impl Into<Bytes>) {
        lock(&self.account).posts.push((post, bytes.into()));
    }

    /// Changes what lists tell of a post.
    pub fn change(&self, key: &str, change: impl FnOnce(&mut FoundPost)) {
        if let Some((post, _)) = lock(&self.account).posts.iter_mut().find(|(post, _)| post.key == key) {
            change(post);
        }
    }

    /// Makes fetching a post fail for this reason, or work again.
    pub fn set_unusable(&self, key: &str, why: Option<Unusable>) {
        let unusable = &mut lock(&self.account).unusable;
        match why {
            Some(why) => drop(unusable.insert(key.into(), why)),
            None => drop(unusable.remove(key)),
        }
    }

    /// Makes the next call fail.
    pub fn fail_next(&self, error: Error) {
        lock(&self.account).failures.push_back(error);
    }
}

#[async_trait]
impl Source for MemorySource {
    fn platform(&self) -> Platform {
        self.platform
    }

    async fn list(&self, access: &Access, page: Option<&str>) -> Result<Listing> {
        Yield(false).await;
        let mut account = lock(&self.account);
        if let Some(error) = account.failures.pop_front() {
            return Err(error);
        }
        let mut posts: Vec<FoundPost> = account.posts.iter().map(|(post, _)| post.clone()).collect();
        posts.sort_by_key(|post| std::cmp::Reverse((post.pinned, post.posted_at)));
        let start: usize = page.and_then(|page| page.parse().ok()).unwrap_or(0);
        let end = (start + account.page).min(posts.len());
        let next = (end < posts.len()).then(|| end.to_string());
        let posts = posts.get(start..end).unwrap_or_default().to_vec();
        Ok(Listing { posts, next, handle: Some(access.handle.clone()), rotated: None, unreadable: 0 })
    }

    async fn fetch(&self, _: &Access, post: &FoundPost) -> Result<Fetched> {
        Yield(false).await;
        let mut account = lock(&self.account);
        if let Some(error) = account.failures.pop_front() {
            return Err(error);
        }
        if let Some(why) = account.unusable.get(&post.key) {
            return Ok(Fetched::Unusable(*why));
        }
        match account.posts.iter().find(|(found, _)| found.key == post.key) {
            Some((_, bytes)) => Ok(Fetched::Video { bytes: Some(bytes.len() as u64), body: chunks(bytes.clone()) }),
            None => Ok(Fetched::Unusable(Unusable::Deleted)),
        }
    }
}

/// A commit that was not acted on by then is given up, as an HTTP client's deadline does.
pub const COMMIT_DEADLINE: Duration = Duration::from_secs(20);

/// What goes wrong at a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call fails before it has an effect.
    Before,
    /// The call has its effect, and its answer is lost.
    After,
    /// The answer is lost now, and the effect comes this many milliseconds later.
    Late(u64),
}

/// What a destination does when it is asked to commit the same ticket again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It answers with an error.
    Error,
    /// It answers with the post that it made the first time.
    Same,
    /// It makes a second post.
    Second,
}

/// A post that the public sees at a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The destination's id of it.
    pub id: String,
    /// The account.
    pub account: AccountId,
    /// The upload that it was made of.
    pub ticket: String,
    /// The bytes that were uploaded.
    pub media: MediaKey,
    /// When it was made.
    pub at: DateTime<Utc>,
}

/// A destination that keeps the publish protocol in memory.
pub struct MemoryDestination {
    platform: Platform,
    clock: Arc<dyn Clock>,
    repeat: Mutex<Repeat>,
    read_lag: Mutex<Duration>,
    settle: Mutex<Duration>,
    state: Mutex<World>,
}

#[derive(Default)]
struct World {
    uploads: BTreeMap<String, Upload>,
    shown: Vec<Shown>,
    thumbnails: BTreeMap<String, Bytes>,
    late: Vec<(DateTime<Utc>, String)>,
    polls: u32,
    faults: BTreeMap<&'static str, VecDeque<Fault>>,
    /// Errors that the next calls of `begin` end with.
    refusals: VecDeque<Error>,
    doubts: VecDeque<Error>,
    standing: Option<Standing>,
    counter: u64,
}

struct Upload {
    account: AccountId,
    bytes: Vec<u8>,
    size: u64,
    polls_left: u32,
}

impl MemoryDestination {
    /// A destination without posts whose uploads are ready after one poll.
    pub fn new(platform: Platform, clock: Arc<dyn Clock>) -> Self {
        let state = World { polls: 1, ..World::default() };
        Self {
            platform,
            clock,
            repeat: Mutex::new(Repeat::Error),
            read_lag: Mutex::new(Duration::ZERO),
            settle: Mutex::new(Duration::from_secs(60)),
            state: Mutex::new(state),
        }
    }

    /// Adds a fault to the next call of a step: `begin`, `upload`, `poll`, `commit`, `find`, `inspect` or `thumbnail`.
    pub fn fault(&self, step: &'static str, fault: Fault) {
        lock(&self.state).faults.entry(step).or_default().push_back(fault);
    }

    /// Makes the next call of `begin` end with this error.
    pub fn refuse_next(&self, error: Error) {
        lock(&self.state).refusals.push_back(error);
    }

    /// Makes the next commit have no effect, and end with this error as its unclear answer.
    pub fn doubt_next(&self, error: Error) {
        lock(&self.state).doubts.push_back(error);
    }

    /// Sets how everything stands that is shown.
    pub fn set_standing(&self, standing: Standing) {
        lock(&self.state).standing = Some(standing);
    }

    /// Sets what repeating a commit does.
    pub fn set_repeat(&self, repeat: Repeat) {
        *lock(&self.repeat) = repeat;
    }

    /// Sets how long a new post is not to be found.
    pub fn set_read_lag(&self, lag: Duration) {
        *lock(&self.read_lag) = lag;
    }

    /// Sets the settle window that it claims.
    pub fn set_settle(&self, settle: Duration) {
        *lock(&self.settle) = settle;
    }

    /// The thumbnail that was set for what was published as `id`.
    pub fn thumbnail(&self, id: &str) -> Option<Bytes> {
        lock(&self.state).thumbnails.get(id).cloned()
    }

    /// What the public sees.
    pub fn shown(&self) -> Vec<Shown> {
        self.settle_late();
        lock(&self.state).shown.clone()
    }

    fn lost(&self, step: &'static str) -> Error {
        Error::unavailable(step, format!("{} did not answer", self.platform.title()))
    }

    fn take_fault(&self, step: &'static str) -> Option<Fault> {
        lock(&self.state).faults.get_mut(step).and_then(VecDeque::pop_front)
    }

    /// Lets effects happen whose time has come.
    fn settle_late(&self) {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        let (due, later) = std::mem::take(&mut state.late).into_iter().partition(|(at, _)| *at <= now);
        state.late = later;
        drop(state);
        let due: Vec<(DateTime<Utc>, String)> = due;
        for (at, ticket) in due {
            let _ = self.publish(&ticket, at);
        }
    }

    fn publish(&self, ticket: &str, at: DateTime<Utc>) -> Result<String> {
        let repeat = *lock(&self.repeat);
        let mut state = lock(&self.state);
        if let Some(shown) = state.shown.iter().find(|shown| shown.ticket == ticket) {
            match repeat {
                Repeat::Same => return Ok(shown.id.clone()),
                Repeat::Error => return Err(Error::unavailable("commit", "this upload was published already")),
                Repeat::Second => {}
            }
        }
        let upload = state.uploads.get(ticket).ok_or_else(|| Error::not_found("commit", "no such upload"))?;
        let (account, media) = (upload.account.clone(), MediaKey::of(&upload.bytes));
        state.counter += 1;
        let id = format!("{}-{}", self.platform, state.counter);
        state.shown.push(Shown { id: id.clone(), account, ticket: ticket.into(), media, at });
        Ok(id)
    }

    fn receipt(&self, id: String) -> Receipt {
        let url = Some(format!("https://{}.example/{id}", self.platform));
        Receipt { id: Some(id), url, at: self.clock.now() }
    }
}

#[async_trait]
impl Destination for MemoryDestination {
    fn platform(&self) -> Platform {
        self.platform
    }

    fn timing(&self) -> Timing {
        Timing { settle: *lock(&self.settle) }
    }

    async fn set_thumbnail(&self, _: &Publication<'_>, id: &str, jpeg: Bytes) -> Result<()> {
        Yield(false).await;
        match self.take_fault("thumbnail") {
            Some(Fault::Before) => return Err(self.lost("set thumbnail")),
            fault => {
                lock(&self.state).thumbnails.insert(id.to_owned(), jpeg);
                fault.map_or(Ok(()), |_| Err(self.lost("set thumbnail")))
            }
        }
    }

    async fn begin(&self, publication: &Publication<'_>) -> Result<Ticket> {
        Yield(false).await;
        if let Some(error) = lock(&self.state).refusals.pop_front() {
            return Err(error);
        }
        let fault = self.take_fault("begin");
        if fault == Some(Fault::Before) {
            return Err(self.lost("begin upload"));
        }
        let handle = {
            let mut state = lock(&self.state);
            state.counter += 1;
            let handle = format!("upload-{}", state.counter);
            let upload = Upload {
                account: publication.access.account.clone(),
                bytes: Vec::new(),
                size: publication.body.size(),
                polls_left: state.polls,
            };
            state.uploads.insert(handle.clone(), upload);
            handle
        };
        Yield(false).await;
        match fault {
            Some(_) => Err(self.lost("begin upload")),
            None => Ok(Ticket { handle, extra: None, begun_at: self.clock.now(), expires_at: None }),
        }
    }

    async fn upload(
        &self,
        publication: &Publication<'_>,
        ticket: &Ticket,
        _: u64,
        progress: &dyn Progress,
    ) -> Result<()> {
        let op = "upload";
        let gone = || Error::not_found(op, "no such upload");
        let fault = self.take_fault(op);
        let have = lock(&self.state).uploads.get(&ticket.handle).ok_or_else(gone)?.bytes.len() as u64;
        let mut offset = have;
        let mut body = publication.body.open(have..u64::MAX).await?;
        while let Some(chunk) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
            Yield(false).await;
            if fault == Some(Fault::Before) {
                return Err(self.lost(op));
            }
            let sent = {
                let mut state = lock(&self.state);
                let upload = state.uploads.get_mut(&ticket.handle).ok_or_else(gone)?;
                // As every real one: bytes are taken only where the upload stands.
                if upload.bytes.len() as u64 != offset {
                    return Err(Error::unavailable(op, "somebody else is uploading to this ticket"));
                }
                upload.bytes.extend_from_slice(&chunk?);
                offset = upload.bytes.len() as u64;
                offset
            };
            if fault.is_some() {
                return Err(self.lost(op));
            }
            progress.sent(sent).await?;
        }
        Ok(())
    }

    async fn poll(&self, _: &Publication<'_>, ticket: &Ticket) -> Result<Poll> {
        Yield(false).await;
        self.settle_late();
        if self.take_fault("poll").is_some() {
            return Err(self.lost("poll upload"));
        }
        let visible = before(self.clock.now(), *lock(&self.read_lag));
        let mut state = lock(&self.state);
        // An upload to X does not tell what became of it.
        let told = |shown: &&Shown| shown.ticket == ticket.handle && shown.at <= visible;
        if let Some(shown) = state.shown.iter().find(told).filter(|_| self.platform != Platform::X) {
            return Ok(Poll::Published(self.receipt(shown.id.clone())));
        }
        let Some(upload) = state.uploads.get_mut(&ticket.handle) else { return Ok(Poll::Gone) };
        if (upload.bytes.len() as u64) < upload.size {
            return Ok(Poll::Incomplete);
        }
        if upload.polls_left > 0 {
            upload.polls_left -= 1;
            return Ok(Poll::Pending { after: Duration::from_secs(1), note: "processing".into() });
        }
        Ok(Poll::Ready)
    }

    async fn commit(&self, publication: &Publication<'_>, ticket: &Ticket) -> Commit {
        Yield(false).await;
        self.settle_late();
        if self.clock.now() > after(publication.now, COMMIT_DEADLINE) {
            return Commit::Doubt(self.lost("commit"));
        }
        if let Some(error) = lock(&self.state).doubts.pop_front() {
            return Commit::Doubt(error);
        }
        let fault = self.take_fault("commit");
        match fault {
            Some(Fault::Before) => return Commit::Doubt(self.lost("commit")),
            Some(Fault::Late(millis)) => {
                let at = after(self.clock.now(), Duration::from_millis(millis));
                lock(&self.state).late.push((at, ticket.handle.clone()));
                return Commit::Doubt(self.lost("commit"));
            }
            Some(Fault::After) | None => {}
        }
        let result = self.publish(&ticket.handle, self.clock.now());
        Yield(false).await;
        match (result, fault) {
            (Ok(id), None) => Commit::Published(self.receipt(id)),
            (Ok(_), Some(_)) => Commit::Doubt(self.lost("commit")),
            (Err(error), _) if error.kind() == ErrorKind::NotFound => Commit::Refused(error),
            (Err(error), _) => Commit::Doubt(error),
        }
    }

    async fn find(
        &self,
        _: &Publication<'_>,
        ticket: &Ticket,
        since: DateTime<Utc>,
        taken: &[String],
    ) -> Result<Finding> {
        Yield(false).await;
        self.settle_late();
        if self.take_fault("find").is_some() {
            return Err(self.lost("find commit"));
        }
        let visible = before(self.clock.now(), *lock(&self.read_lag));
        let state = lock(&self.state);
        let mine = |shown: &&Shown| {
            shown.ticket == ticket.handle && shown.at >= since && shown.at <= visible && !taken.contains(&shown.id)
        };
        Ok(match state.shown.iter().find(mine) {
            Some(shown) => Finding::Published(self.receipt(shown.id.clone())),
            None => Finding::Absent,
        })
    }

    async fn inspect(&self, _: &Publication<'_>, id: &str) -> Result<Standing> {
        Yield(false).await;
        if self.take_fault("inspect").is_some() {
            return Err(self.lost("inspect"));
        }
        let state = lock(&self.state);
        let gone = || Standing::Gone { why: "there is no such post".into() };
        Ok(match state.shown.iter().any(|shown| shown.id == id) {
            true => state.standing.clone().unwrap_or(Standing::Live),
            false => gone(),
        })
    }
}

/// Renews bearer credentials whose refresh token works once, as the strictest platforms do.
pub struct MemoryAuthorizer {
    platform: Platform,
    clock: Arc<dyn Clock>,
    grants: Mutex<Grants>,
}

#[derive(Default)]
struct Grants {
    /// The refresh token that works now, by account; an account without one is verified only.
    current: BTreeMap<AccountId, String>,
    renewals: u64,
    reused: u64,
    failures: VecDeque<Error>,
}

impl MemoryAuthorizer {
    /// An authorizer that knows no account: all credentials are alive and none is renewed.
    pub fn new(platform: Platform, clock: Arc<dyn Clock>) -> Self {
        Self { platform, clock, grants: Mutex::default() }
    }

    /// Sets the refresh token that an account has now.
    pub fn set_refresh(&self, account: AccountId, token: impl Into<String>) {
        lock(&self.grants).current.insert(account, token.into());
    }

    /// Makes the next call fail.
    pub fn fail_next(&self, error: Error) {
        lock(&self.grants).failures.push_back(error);
    }

    /// How often a refresh token was used that did not work any more.
    pub fn reused(&self) -> u64 {
        lock(&self.grants).reused
    }
}

#[async_trait]
impl Authorizer for MemoryAuthorizer {
    fn platform(&self) -> Platform {
        self.platform
    }

    async fn verify(&self, access: &Access) -> Result<Identity> {
        Yield(false).await;
        if let Some(error) = lock(&self.grants).failures.pop_front() {
            return Err(error);
        }
        Ok(Identity { account: access.account.clone(), handle: access.handle.clone(), expires_at: None })
    }

    async fn refresh(&self, access: &Access) -> Result<Option<Grant>> {
        Yield(false).await;
        let mut grants = lock(&self.grants);
        if let Some(error) = grants.failures.pop_front() {
            return Err(error);
        }
        let Credential::Bearer { refresh: Some(used), .. } = &access.credential else { return Ok(None) };
        let Some(current) = grants.current.get(&access.account).cloned() else { return Ok(None) };
        if current != *used {
            grants.reused += 1;
            return Err(Error::new(ErrorKind::Unauthorized, "refresh token", "the refresh token was used before"));
        }
        grants.renewals += 1;
        let next = format!("refresh-{}", grants.renewals);
        grants.current.insert(access.account.clone(), next.clone());
        let credential = Credential::Bearer { access: format!("access-{}", grants.renewals), refresh: Some(next) };
        Ok(Some(Grant { credential, expires_at: Some(after(self.clock.now(), Duration::from_secs(3600))) }))
    }
}
