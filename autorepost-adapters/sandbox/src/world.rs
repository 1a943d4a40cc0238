//! The state of the four platforms, and the operations on it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use autorepost_core::Platform;
use axum::body::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    consent::{Allowed, Asked, Login, RegisteredApp},
    fate::Fate,
    fault::{Effect, Fault, Step},
};

/// Posts that an account of Instagram may publish within 24 hours, unless a test sets another number.
const POSTS_MAX: u64 = 10_000;

/// How quick the platforms are.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// From the last byte of an upload until it can be committed.
    pub processing: Duration,
    /// From a publication until listings show it.
    pub read_lag: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { processing: Duration::from_millis(300), read_lag: Duration::from_millis(300) }
    }
}

/// A TikTok account, and the session cookies of its owner.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TikTokAccount {
    /// Its numeric id.
    pub id: String,
    /// Its handle, without `@`.
    pub handle: String,
    /// Its secUid.
    pub sec_uid: String,
    /// The value of the owner's `sessionid` cookie.
    pub session: String,
}

/// A video file of a post.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Clip {
    /// Where it is.
    pub path: PathBuf,
    /// Its duration in seconds, as the page tells it.
    pub seconds: u32,
}

/// A post on TikTok.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TikTokPost {
    /// Its id.
    pub id: String,
    /// Its caption.
    pub caption: String,
    /// When it was made public.
    pub created_at: DateTime<Utc>,
    /// Its video; a photo post has none.
    pub clip: Option<Clip>,
    /// Only its owner sees it.
    pub private: bool,
    /// It is gone, though lists may still show it.
    pub deleted: bool,
    /// It is shown at the top.
    pub pinned: bool,
}

/// An Instagram account with its token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstagramAccount {
    /// Its Instagram user id.
    pub id: String,
    /// Its name.
    pub username: String,
    /// Its access token.
    pub token: String,
    /// Whether the token may publish.
    pub may_publish: bool,
}

/// A YouTube channel with its grant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct YouTubeChannel {
    /// Its id, `UC…`.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The access token that works now.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
    /// The OAuth client's id.
    pub client_id: String,
    /// The OAuth client's secret.
    pub client_secret: String,
}

/// An X account with its keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct XAccount {
    /// Its user id.
    pub id: String,
    /// Its name.
    pub username: String,
    /// The app's consumer key.
    pub consumer_key: String,
    /// The app's consumer secret.
    pub consumer_secret: String,
    /// The user's token.
    pub token: String,
    /// The user's token secret.
    pub token_secret: String,
}

/// A grant of X's OAuth 2.0.
#[derive(Debug, Clone)]
pub(crate) struct XGrant {
    pub account: String,
    pub client: String,
    pub access: String,
    /// It works once.
    pub refresh: String,
}

/// A grant of TikTok's Login Kit.
#[derive(Debug, Clone)]
pub(crate) struct TikTokGrant {
    pub account: String,
    pub access: String,
    pub refresh: String,
}

/// A post that the public sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Where.
    pub platform: Platform,
    /// On which account.
    pub account: String,
    /// The platform's id of it.
    pub id: String,
    /// Its address.
    pub url: String,
    /// The caption, the title or the text.
    pub text: String,
    /// The SHA-256 of its video, in hexadecimal.
    pub sha256: String,
    /// The size of its video.
    pub bytes: u64,
    /// When it was published.
    pub at: DateTime<Utc>,
    /// The upload that it was made of.
    pub upload: String,
}

/// An upload in progress at a destination.
#[derive(Debug)]
pub(crate) struct Upload {
    pub platform: Platform,
    pub account: String,
    pub text: String,
    pub size: u64,
    pub received: u64,
    pub file: PathBuf,
    /// When its processing ends; nothing while bytes are missing.
    pub ready_at: Option<DateTime<Utc>>,
    pub sha256: Option<String>,
    pub failed: Option<String>,
    pub published: Option<String>,
    /// Segments that X has received, by index, with their sizes.
    pub segments: BTreeMap<u64, u64>,
}

/// The four platforms.
pub struct World {
    state: Mutex<State>,
    pub(crate) timing: Timing,
    pub(crate) scratch: tempfile::TempDir,
    pub(crate) base: String,
}

#[derive(Default)]
pub(crate) struct State {
    pub tiktok: Vec<TikTokAccount>,
    /// Posts, each with the id of its account.
    pub posts: Vec<(String, TikTokPost)>,
    /// Ids of TikTok accounts whose pages have a shape that nobody knows.
    pub changed: BTreeSet<String>,
    /// Bytes of uploads that were taken, the repeated ones counted again.
    pub taken: BTreeMap<Platform, u64>,
    pub instagram: Vec<InstagramAccount>,
    pub youtube: Vec<YouTubeChannel>,
    pub x: Vec<XAccount>,
    pub x_grants: Vec<XGrant>,
    pub tiktok_grants: Vec<TikTokGrant>,
    /// When each endpoint of TikTok's API was called lately.
    pub calls: BTreeMap<&'static str, VecDeque<DateTime<Utc>>>,
    /// Tokens of Meta that are exchanged for longer ones: the accounts, and what was allowed.
    pub meta_tokens: BTreeMap<String, Allowed>,
    pub apps: Vec<RegisteredApp>,
    pub asked: BTreeMap<String, Asked>,
    pub codes: BTreeMap<String, Allowed>,
    /// Google gives no refresh token, as with a consent that is not the first.
    pub no_refresh_token: bool,
    /// How often a refresh token was exchanged, and how often one that did not work any more.
    pub refreshes: (u32, u32),
    pub uploads: BTreeMap<String, Upload>,
    pub ledger: Vec<Shown>,
    /// Thumbnails of YouTube videos.
    pub thumbnails: BTreeMap<String, Bytes>,
    /// What became of published items, by their ids.
    pub fates: BTreeMap<(Platform, String), Fate>,
    /// The privacy that was asked for, by upload.
    pub privacies: BTreeMap<String, String>,
    /// Posts within 24 hours, by account of Instagram.
    pub posts_max: BTreeMap<String, u64>,
    pub faults: Vec<Fault>,
    pub fired: BTreeMap<String, u32>,
    pub expired: BTreeSet<String>,
    pub nonces: BTreeSet<String>,
    counter: u64,
    random: u64,
}

impl State {
    /// A number that was not given before.
    pub fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn dice(&mut self) -> u32 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as u32 % 1000
    }
}

impl World {
    pub(crate) fn new(timing: Timing, seed: u64, base: String) -> std::io::Result<Self> {
        let state = Mutex::new(State { random: seed, ..State::default() });
        Ok(Self { state, timing, scratch: tempfile::tempdir()?, base })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The platforms' clock.
    pub(crate) fn now() -> DateTime<Utc> {
        DateTime::from(std::time::SystemTime::now())
    }

    /// Sets the TikTok account, in place of whatever accounts there were.
    pub fn set_tiktok(&self, account: TikTokAccount) {
        self.lock().tiktok = vec![account];
    }

    /// Adds another TikTok account.
    pub fn add_tiktok(&self, account: TikTokAccount) {
        self.lock().tiktok.push(account);
    }

    /// Adds a post to the first TikTok account.
    pub fn add_post(&self, post: TikTokPost) {
        let mut state = self.lock();
        let account = state.tiktok.first().map(|account| account.id.clone()).unwrap_or_default();
        state.posts.push((account, post));
    }

    /// Adds a post to the TikTok account of this id.
    pub fn add_post_of(&self, account: &str, post: TikTokPost) {
        self.lock().posts.push((account.to_owned(), post));
    }

    /// The posts of all TikTok accounts.
    pub fn posts(&self) -> Vec<TikTokPost> {
        self.lock().posts.iter().map(|(_, post)| post.clone()).collect()
    }

    /// The posts of a TikTok account.
    pub(crate) fn posts_of(&self, account: &str) -> Vec<TikTokPost> {
        let state = self.lock();
        state.posts.iter().filter(|(owner, _)| owner == account).map(|(_, post)| post.clone()).collect()
    }

    /// Grants an app access to the TikTok account of this id, and answers with the access token.
    pub fn grant_tiktok(&self, account: &str) -> String {
        let mut state = self.lock();
        let number = state.next();
        let grant = TikTokGrant {
            account: account.to_owned(),
            access: format!("act.sandbox{number}"),
            refresh: format!("rft.sandbox{number}"),
        };
        let access = grant.access.clone();
        state.tiktok_grants.push(grant);
        access
    }

    /// Counts a call of an endpoint; `false` when there were as many within the window as it allows.
    pub(crate) fn called(&self, endpoint: &'static str, most: usize, window: TimeDelta) -> bool {
        let (mut state, now) = (self.lock(), Self::now());
        let calls = state.calls.entry(endpoint).or_default();
        while calls.front().is_some_and(|at| *at + window <= now) {
            calls.pop_front();
        }
        let allowed = calls.len() < most;
        if allowed {
            calls.push_back(now);
        }
        allowed
    }

    /// Gives the pages of a TikTok account a shape that nobody knows, as after a redesign; or their own again.
    pub fn change_pages(&self, account: &str, changed: bool) {
        let mut state = self.lock();
        match changed {
            true => state.changed.insert(account.to_owned()),
            false => state.changed.remove(account),
        };
    }

    /// How many bytes of uploads a platform has taken; what was sent twice counts twice.
    pub fn bytes_taken(&self, platform: Platform) -> u64 {
        self.lock().taken.get(&platform).copied().unwrap_or_default()
    }

    pub(crate) fn take(&self, platform: Platform, bytes: u64) {
        *self.lock().taken.entry(platform).or_default() += bytes;
    }

    /// Adds an Instagram account.
    pub fn add_instagram(&self, account: InstagramAccount) {
        self.lock().instagram.push(account);
    }

    /// Adds a YouTube channel.
    pub fn add_youtube(&self, channel: YouTubeChannel) {
        self.lock().youtube.push(channel);
    }

    /// Adds an X account.
    pub fn add_x(&self, account: XAccount) {
        self.lock().x.push(account);
    }

    /// Registers an app, or registers it anew.
    pub fn register(&self, app: RegisteredApp) {
        let mut state = self.lock();
        state.apps.retain(|known| known.login != app.login || known.id != app.id);
        state.apps.push(app);
    }

    /// Gives an app another secret: the one before is not taken any more.
    pub fn rotate_app(&self, login: Login, id: &str, secret: &str) {
        let mut state = self.lock();
        for app in state.apps.iter_mut().filter(|app| app.login == login && app.id == id) {
            secret.clone_into(&mut app.secret);
        }
        for channel in state.youtube.iter_mut().filter(|one| login == Login::Google && one.client_id == id) {
            secret.clone_into(&mut channel.client_secret);
        }
        for account in state.x.iter_mut().filter(|one| login == Login::X1 && one.consumer_key == id) {
            secret.clone_into(&mut account.consumer_secret);
        }
    }

    /// Lets Google give no refresh token, as with a consent that is not the first; or one again.
    pub fn set_refresh_token(&self, given: bool) {
        self.lock().no_refresh_token = !given;
    }

    /// How often a refresh token was exchanged, and how often one was sent that did not work any more.
    pub fn refreshes(&self) -> (u32, u32) {
        self.lock().refreshes
    }

    /// Sets what becomes of a published item; nothing when it is as it was published.
    pub fn set_fate(&self, platform: Platform, id: &str, fate: Option<Fate>) {
        let (mut state, key) = (self.lock(), (platform, id.to_owned()));
        match fate {
            Some(fate) => drop(state.fates.insert(key, fate)),
            None => drop(state.fates.remove(&key)),
        }
    }

    /// A published item as its owner finds it, and what became of it; nothing when it is not there, or no more.
    pub(crate) fn found(&self, platform: Platform, account: &str, id: &str) -> Option<(Shown, Option<Fate>)> {
        let state = self.lock();
        let mine = |shown: &&Shown| shown.platform == platform && shown.account == account && shown.id == id;
        let shown = state.ledger.iter().find(mine)?.clone();
        let fate = state.fates.get(&(platform, id.to_owned())).copied();
        (fate != Some(Fate::Removed)).then_some((shown, fate))
    }

    /// Sets how many posts an account of Instagram may publish within 24 hours; 10,000 without this.
    pub fn set_posts_max(&self, account: &str, posts: u64) {
        self.lock().posts_max.insert(account.to_owned(), posts);
    }

    /// How many posts an account of Instagram has published within 24 hours, and how many it may.
    pub(crate) fn posts_of_day(&self, account: &str) -> (u64, u64) {
        let (state, since) = (self.lock(), Self::now() - TimeDelta::days(1));
        let mine =
            |shown: &&Shown| shown.platform == Platform::Instagram && shown.account == account && shown.at > since;
        let used = state.ledger.iter().filter(mine).count() as u64;
        (used, state.posts_max.get(account).copied().unwrap_or(POSTS_MAX))
    }

    /// Replaces the fault plan.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.lock().faults = faults;
    }

    /// How often each fault happened, by its description.
    pub fn fired(&self) -> BTreeMap<String, u32> {
        self.lock().fired.clone()
    }

    /// The thumbnail that was set for a YouTube video.
    pub fn thumbnail(&self, video: &str) -> Option<Bytes> {
        self.lock().thumbnails.get(video).cloned()
    }

    /// What the public sees, in the order of publication.
    pub fn ledger(&self) -> Vec<Shown> {
        self.lock().ledger.clone()
    }

    /// Ends an access token now.
    pub fn expire(&self, token: &str) {
        self.lock().expired.insert(token.to_owned());
    }

    /// The fault that happens now, if any.
    pub(crate) fn fault(&self, platform: Platform, step: Step) -> Option<Effect> {
        let mut state = self.lock();
        for index in 0..state.faults.len() {
            let fault = &state.faults[index];
            if fault.platform != platform || fault.step != step || fault.times == 0 {
                continue;
            }
            let likely = fault.per_mille;
            if state.dice() < likely {
                let fault = &mut state.faults[index];
                fault.times -= 1;
                let effect = fault.effect.clone();
                *state.fired.entry(format!("{platform} {step:?} {effect:?}")).or_default() += 1;
                return Some(effect);
            }
        }
        None
    }

    /// Makes an upload public, and answers with what the public sees.
    pub(crate) fn publish(&self, upload: &str, id: String, url: String) -> Option<Shown> {
        let mut state = self.lock();
        let record = state.uploads.get_mut(upload)?;
        record.published = Some(id.clone());
        let shown = Shown {
            platform: record.platform,
            account: record.account.clone(),
            id,
            url,
            text: record.text.clone(),
            sha256: record.sha256.clone().unwrap_or_default(),
            bytes: record.received,
            at: Self::now(),
            upload: upload.to_owned(),
        };
        state.ledger.push(shown.clone());
        Some(shown)
    }

    /// What listings of an account show now, the newest first.
    pub(crate) fn listed(&self, platform: Platform, account: &str) -> Vec<Shown> {
        let lag = TimeDelta::from_std(self.timing.read_lag).unwrap_or_default();
        let now = Self::now();
        let state = self.lock();
        let removed = |shown: &Shown| state.fates.get(&(platform, shown.id.clone())) == Some(&Fate::Removed);
        let visible = |shown: &&Shown| {
            shown.platform == platform && shown.account == account && shown.at + lag <= now && !removed(shown)
        };
        state.ledger.iter().rev().filter(visible).cloned().collect()
    }

    pub(crate) fn ready_at(&self) -> DateTime<Utc> {
        Self::now() + TimeDelta::from_std(self.timing.processing).unwrap_or_default()
    }
}
