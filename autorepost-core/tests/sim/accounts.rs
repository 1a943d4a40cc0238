//! The source account, and what keeps the accounts' credentials alive.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Platform, Result, Retry,
    credential::{Access, Credential},
    memory::chunks,
    policy::after,
    port::{Authorizer, Fetched, Grant, Identity, Listing, Source},
    post::{FoundPost, PostKind, Unusable},
};
use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::hub::{Hub, secs, tick};

/// Posts on a page.
const PAGE: usize = 3;

/// How reading the source goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceFlaw {
    /// A challenge instead of a page.
    Blocked,
    /// The connection is cut.
    Cut,
}

#[derive(Debug, Clone)]
pub struct SourcePost {
    pub found: FoundPost,
    pub bytes: Bytes,
    /// When lists begin to show it, which may be long after its own time.
    pub visible_from: DateTime<Utc>,
    pub deleted: bool,
    /// Private so far: lists show it to its owner, and say so.
    pub hidden: bool,
}

impl SourcePost {
    fn listed(&self) -> FoundPost {
        let kind = match self.hidden {
            true => PostKind::Unusable { why: Unusable::Private },
            false => self.found.kind.clone(),
        };
        FoundPost { kind, ..self.found.clone() }
    }
}

/// A TikTok account: lists its posts newest first, pinned ones on top, a few to a page.
pub struct Feed {
    hub: Arc<Hub>,
    state: Mutex<FeedState>,
}

struct FeedState {
    posts: Vec<SourcePost>,
    handle: String,
    flaws: VecDeque<SourceFlaw>,
}

impl Feed {
    pub fn new(hub: Arc<Hub>) -> Arc<Self> {
        let state = FeedState { posts: Vec::new(), handle: "alice".into(), flaws: VecDeque::new() };
        Arc::new(Self { hub, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, FeedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn add(&self, post: SourcePost) {
        self.state().posts.push(post);
    }

    pub fn posts(&self) -> Vec<SourcePost> {
        self.state().posts.clone()
    }

    pub fn delete(&self, index: usize) {
        if let Some(post) = self.state().posts.get_mut(index) {
            post.deleted = true;
        }
    }

    pub fn show(&self, index: usize) {
        if let Some(post) = self.state().posts.get_mut(index) {
            post.hidden = false;
        }
    }

    pub fn rename(&self, handle: String) {
        self.state().handle = handle;
    }

    pub fn flaw(&self, flaw: SourceFlaw) {
        self.state().flaws.push_back(flaw);
    }

    fn stopped(&self, op: &'static str) -> Result<()> {
        match self.state().flaws.pop_front() {
            Some(SourceFlaw::Blocked) => Err(Error::new(ErrorKind::Blocked, op, "a challenge").retry(Retry::Soon)),
            Some(SourceFlaw::Cut) => Err(Error::unavailable(op, "the connection was cut")),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Source for Feed {
    fn platform(&self) -> Platform {
        Platform::TikTok
    }

    async fn list(&self, _: &Access, page: Option<&str>) -> Result<Listing> {
        tick().await;
        self.stopped("list posts")?;
        let now = self.hub.now();
        let state = self.state();
        let before: i64 = page.and_then(|page| page.parse().ok()).unwrap_or(i64::MAX);
        let listed = state.posts.iter().filter(|post| !post.deleted && post.visible_from <= now);
        let mut posts: Vec<FoundPost> = listed.map(SourcePost::listed).collect();
        posts.sort_by_key(|post| std::cmp::Reverse(post.posted_at));
        let older = |post: &&FoundPost| post.posted_at.timestamp_millis() < before;
        let mut shown: Vec<FoundPost> = posts.iter().filter(older).take(PAGE).cloned().collect();
        let more = posts.iter().filter(older).count() > PAGE;
        let next = shown.last().filter(|_| more).map(|post| post.posted_at.timestamp_millis().to_string());
        if page.is_none() {
            // Pinned posts stand on top of the first page, out of order.
            let pinned: Vec<_> = posts.iter().filter(|post| post.pinned && !shown.contains(post)).cloned().collect();
            shown.splice(0..0, pinned);
        }
        Ok(Listing { posts: shown, next, handle: Some(state.handle.clone()), rotated: None, unreadable: 0 })
    }

    async fn fetch(&self, _: &Access, post: &FoundPost) -> Result<Fetched> {
        tick().await;
        self.stopped("fetch media")?;
        let state = self.state();
        Ok(match state.posts.iter().find(|one| one.found.key == post.key) {
            Some(one) if one.hidden => Fetched::Unusable(Unusable::Private),
            Some(one) if !one.deleted => {
                Fetched::Video { bytes: Some(one.bytes.len() as u64), body: chunks(one.bytes.clone()) }
            }
            _ => Fetched::Unusable(Unusable::Deleted),
        })
    }
}

/// The tokens that work now. A refresh token works once, as the strictest platforms have it.
#[derive(Default)]
pub struct Grants(Mutex<BTreeMap<Platform, Current>>);

#[derive(Default)]
struct Current {
    generation: u64,
    access_ended: bool,
}

impl Grants {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Platform, Current>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The credential of a generation: its number stands in both tokens.
    pub fn credential(generation: u64) -> Credential {
        Credential::Bearer { access: format!("access-{generation}"), refresh: Some(format!("refresh-{generation}")) }
    }

    pub fn generation(credential: &Credential) -> u64 {
        match credential {
            Credential::Bearer { access, .. } => access.rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or(0),
            _ => 0,
        }
    }

    pub fn is_alive(&self, platform: Platform, credential: &Credential) -> bool {
        let mut grants = self.lock();
        let current = grants.entry(platform).or_default();
        !current.access_ended && Self::generation(credential) == current.generation
    }

    /// Whether its refresh token works.
    pub fn can_renew(&self, platform: Platform, credential: &Credential) -> bool {
        let mut grants = self.lock();
        Self::generation(credential) == grants.entry(platform).or_default().generation
    }

    pub fn end_access(&self, platform: Platform) {
        self.lock().entry(platform).or_default().access_ended = true;
    }

    /// A person logs in: everything before is void.
    pub fn login(&self, platform: Platform) -> Credential {
        let mut grants = self.lock();
        let current = grants.entry(platform).or_default();
        *current = Current { generation: current.generation + 1, access_ended: false };
        Self::credential(current.generation)
    }
}

pub struct Renewal {
    pub platform: Platform,
    pub hub: Arc<Hub>,
    pub grants: Arc<Grants>,
}

#[async_trait]
impl Authorizer for Renewal {
    fn platform(&self) -> Platform {
        self.platform
    }

    async fn verify(&self, access: &Access) -> Result<Identity> {
        tick().await;
        Ok(Identity { account: access.account.clone(), handle: access.handle.clone(), expires_at: None })
    }

    async fn refresh(&self, access: &Access) -> Result<Option<Grant>> {
        tick().await;
        if self.platform == Platform::TikTok {
            return Ok(None);
        }
        let credential = {
            let mut grants = self.grants.lock();
            let current = grants.entry(self.platform).or_default();
            if Grants::generation(&access.credential) != current.generation {
                return Err(Error::new(ErrorKind::Unauthorized, "refresh token", "the refresh token was used before"));
            }
            *current = Current { generation: current.generation + 1, access_ended: false };
            Grants::credential(current.generation)
        };
        self.hub.say(|| format!("{} renews to {}", self.platform, Grants::generation(&credential)));
        tick().await;
        Ok(Some(Grant { credential, expires_at: Some(after(self.hub.now(), secs(6 * 3600))) }))
    }
}
