//! The destinations, each with the protocol of its platform: Instagram's containers, YouTube's sessions, X's media ids.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Platform, Result, Retry,
    media::MediaKey,
    memory::Repeat,
    policy::{after, before},
    port::{Commit, Destination, Finding, Poll, Progress, Publication, Timing},
    standing::Standing,
    state::{Receipt, Ticket},
};
use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    accounts::Grants,
    hub::{Hub, secs, tick},
    sabotage::Sabotage,
};

/// An HTTP client gives a commit up after this, and sends nothing later than that.
const DEADLINE: Duration = secs(20);
/// A platform acts on a request within this much time of its arrival.
pub const LATE_MS_MAX: u64 = 10_000;
/// What is published is to be seen within this much time.
pub const LAG_SECS_MAX: u64 = 20;
/// More than: start of a commit (5), deadline (20), late effect (10), read lag (20), and two clocks that are off (10).
pub const SETTLE: Duration = secs(70);

/// A step that can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    Begin,
    Upload,
    Poll,
    Commit,
    Find,
    Inspect,
}

pub const OPS: [Op; 6] = [Op::Begin, Op::Upload, Op::Poll, Op::Commit, Op::Find, Op::Inspect];

/// How it goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// The request is lost.
    Before,
    /// It has its effect, and the answer is lost.
    After,
    /// It has its effect so many milliseconds later, whether or not anybody waits.
    Late(u64),
    /// Too many requests: come again after so many seconds. Nothing is done.
    RateLimit(u64),
    /// The platform lets go of an upload that is not committed; of a search it can tell nothing; what it showed it removes.
    Gone,
    /// The platform looked at the video and refuses it.
    Unfit,
}

/// What the platform says then.
pub const UNFIT: &str = "the video has no picture";

/// What differs from world to world.
#[derive(Debug, Clone, Copy)]
pub struct Traits {
    pub repeat: Repeat,
    pub read_lag: Duration,
    pub polls: u32,
}

#[derive(Debug, Clone)]
pub struct Shown {
    pub id: String,
    pub account: String,
    pub text: String,
    pub media: MediaKey,
    pub ticket: String,
    pub at: DateTime<Utc>,
}

struct Upload {
    account: String,
    text: String,
    bytes: Vec<u8>,
    size: u64,
    polls_left: u32,
}

struct Flying {
    due: DateTime<Utc>,
    ticket: String,
    call: u64,
}

#[derive(Default)]
struct State {
    uploads: BTreeMap<String, Upload>,
    shown: Vec<Shown>,
    flying: Vec<Flying>,
    landed: BTreeMap<u64, std::result::Result<String, ()>>,
    flaws: BTreeMap<Op, VecDeque<Flaw>>,
    unfit: BTreeSet<MediaKey>,
    counter: u64,
}

pub struct Site {
    platform: Platform,
    hub: Arc<Hub>,
    traits: Traits,
    grants: Arc<Grants>,
    state: Mutex<State>,
}

impl Site {
    pub fn new(platform: Platform, hub: Arc<Hub>, traits: Traits, grants: Arc<Grants>) -> Arc<Self> {
        Arc::new(Self { platform, hub, traits, grants, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn flaw(&self, op: Op, flaw: Flaw) {
        self.state().flaws.entry(op).or_default().push_back(flaw);
    }

    /// What the public sees.
    pub fn shown(&self) -> Vec<Shown> {
        self.land();
        self.state().shown.clone()
    }

    /// Whether the platform ever refused a video.
    pub fn found_unfit(&self, media: &MediaKey) -> bool {
        self.state().unfit.contains(media)
    }

    /// Whether something may still take effect.
    pub fn is_quiet(&self) -> bool {
        self.land();
        self.state().flying.is_empty()
    }

    fn take(&self, op: Op) -> Option<Flaw> {
        let flaw = self.state().flaws.get_mut(&op).and_then(VecDeque::pop_front);
        if let Some(flaw) = flaw {
            self.hub.say(|| format!("{} {op:?}: {flaw:?}", self.platform));
        }
        flaw
    }

    fn lost(&self, op: &'static str) -> Error {
        Error::unavailable(op, "the answer is lost")
    }

    /// What stops a call before it has an effect.
    fn stopped(&self, op: &'static str, flaw: Option<Flaw>, publication: &Publication<'_>) -> Result<()> {
        if let Some(Flaw::RateLimit(wait)) = flaw {
            let error = Error::new(ErrorKind::RateLimited, op, "too many requests");
            return Err(error.retry(Retry::After(secs(wait))));
        }
        if !self.grants.is_alive(self.platform, &publication.access.credential) {
            return Err(Error::new(ErrorKind::Unauthorized, op, "the access token has ended"));
        }
        match flaw {
            Some(Flaw::Before) => Err(self.lost(op)),
            _ => Ok(()),
        }
    }

    /// Lets what is in flight take effect when its time has come.
    fn land(&self) {
        let now = self.hub.now();
        let mut state = self.state();
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut state.flying).into_iter().partition(|f| f.due <= now);
        state.flying = later;
        for Flying { due, ticket, call } in due {
            let landed = self.publish(&mut state, &ticket, due);
            state.landed.insert(call, landed);
        }
    }

    fn publish(&self, state: &mut State, ticket: &str, at: DateTime<Utc>) -> std::result::Result<String, ()> {
        if let Some(shown) = state.shown.iter().find(|shown| shown.ticket == ticket) {
            match (self.platform, self.traits.repeat) {
                // A session answers for ever as it answered first.
                (Platform::YouTube, _) | (_, Repeat::Same) => return Ok(shown.id.clone()),
                (_, Repeat::Error) => return Err(()),
                (_, Repeat::Second) => {}
            }
        }
        let upload = state.uploads.get_mut(ticket).ok_or(())?;
        let (account, text, media) = (upload.account.clone(), upload.text.clone(), MediaKey::of(&upload.bytes));
        state.counter += 1;
        let id = format!("{}-{}", self.platform, state.counter);
        self.hub.say(|| format!("{} shows {id}, made of {ticket}", self.platform));
        let twice = state.shown.iter().any(|shown| shown.account == account && shown.media == media);
        state.shown.push(Shown { id: id.clone(), account, text, media, ticket: ticket.into(), at });
        if twice {
            self.hub.broken(format!("{} shows a post twice: {id}", self.platform));
        }
        Ok(id)
    }

    /// What listings show of an account since a time, less what is known to belong to others.
    fn candidates(
        &self,
        publication: &Publication<'_>,
        since: DateTime<Utc>,
        mine: impl Fn(&Shown) -> bool,
        taken: &[String],
    ) -> Vec<String> {
        let visible = before(self.hub.now(), self.traits.read_lag);
        let account = publication.access.account.as_str();
        // As the clients do: the platform's clock and ours may differ.
        let since = since - TimeDelta::minutes(2);
        let state = self.state();
        let listed =
            state.shown.iter().filter(|shown| shown.account == account && shown.at <= visible && shown.at >= since);
        listed.filter(|shown| mine(shown) && !taken.contains(&shown.id)).map(|shown| shown.id.clone()).collect()
    }

    /// Whether the platform says of an upload that it was published.
    fn told_published(&self, ticket: &str) -> Option<String> {
        let visible = before(self.hub.now(), self.traits.read_lag);
        let at_once = self.platform == Platform::YouTube;
        let state = self.state();
        let told = |shown: &&Shown| shown.ticket == ticket && (at_once || shown.at <= visible);
        state.shown.iter().find(told).map(|shown| shown.id.clone())
    }

    fn receipt(&self, id: Option<String>) -> Receipt {
        let url = id.as_ref().map(|id| format!("https://{}.example/{id}", self.platform));
        Receipt { id, url, at: self.hub.now() }
    }
}

#[async_trait]
impl Destination for Site {
    fn platform(&self) -> Platform {
        self.platform
    }

    fn timing(&self) -> Timing {
        Timing { settle: if self.hub.is(Sabotage::NoSettleWindow) { Duration::ZERO } else { SETTLE } }
    }

    async fn begin(&self, publication: &Publication<'_>) -> Result<Ticket> {
        tick().await;
        let flaw = self.take(Op::Begin);
        self.stopped("begin", flaw, publication)?;
        let handle = {
            let mut state = self.state();
            state.counter += 1;
            let handle = format!("upload-{}", state.counter);
            let upload = Upload {
                account: publication.access.account.as_str().to_owned(),
                text: publication.submission.content.headline().to_owned(),
                bytes: Vec::new(),
                size: publication.body.size(),
                polls_left: self.traits.polls,
            };
            state.uploads.insert(handle.clone(), upload);
            handle
        };
        tick().await;
        match flaw {
            Some(Flaw::After | Flaw::Late(_)) => Err(self.lost("begin")),
            _ => Ok(Ticket { handle, extra: None, begun_at: self.hub.now(), expires_at: None }),
        }
    }

    async fn upload(
        &self,
        publication: &Publication<'_>,
        ticket: &Ticket,
        _: u64,
        progress: &dyn Progress,
    ) -> Result<()> {
        let gone = || Error::not_found("upload", "no such upload");
        let flaw = self.take(Op::Upload);
        self.stopped("upload", flaw, publication)?;
        if flaw == Some(Flaw::Gone) && self.told_published(&ticket.handle).is_none() {
            self.state().uploads.remove(&ticket.handle);
        }
        let have = self.state().uploads.get(&ticket.handle).ok_or_else(gone)?.bytes.len() as u64;
        let mut body = publication.body.open(have..u64::MAX).await?;
        let mut offset = have;
        while let Some(chunk) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
            let chunk = chunk?;
            // Two pieces, so that an upload can be cut in its middle.
            for piece in [&chunk[..chunk.len() / 2], &chunk[chunk.len() / 2..]] {
                tick().await;
                let sent = {
                    let mut state = self.state();
                    let upload = state.uploads.get_mut(&ticket.handle).ok_or_else(gone)?;
                    // As every real one: bytes are taken only where the upload stands.
                    if upload.bytes.len() as u64 != offset {
                        return Err(Error::unavailable("upload", "somebody else is uploading to this ticket"));
                    }
                    upload.bytes.extend_from_slice(piece);
                    offset = upload.bytes.len() as u64;
                    offset
                };
                if matches!(flaw, Some(Flaw::After | Flaw::Late(_))) {
                    return Err(self.lost("upload"));
                }
                progress.sent(sent).await?;
            }
        }
        Ok(())
    }

    async fn poll(&self, publication: &Publication<'_>, ticket: &Ticket) -> Result<Poll> {
        tick().await;
        self.land();
        let flaw = self.take(Op::Poll);
        self.stopped("poll", flaw, publication)?;
        // An upload to X does not tell what became of it.
        if self.platform != Platform::X
            && let Some(id) = self.told_published(&ticket.handle)
        {
            return Ok(Poll::Published(self.receipt(Some(id))));
        }
        let mut state = self.state();
        let is_shown = state.shown.iter().any(|shown| shown.ticket == ticket.handle);
        if flaw == Some(Flaw::Gone) && !is_shown {
            state.uploads.remove(&ticket.handle);
        }
        let Some(upload) = state.uploads.get_mut(&ticket.handle) else { return Ok(Poll::Gone) };
        if (upload.bytes.len() as u64) < upload.size {
            return Ok(Poll::Incomplete);
        }
        if flaw == Some(Flaw::Unfit) && !is_shown {
            let media = MediaKey::of(&upload.bytes);
            state.unfit.insert(media);
            return Ok(Poll::Failed(Error::new(ErrorKind::Rejected, "poll", UNFIT)));
        }
        if upload.polls_left > 0 {
            upload.polls_left -= 1;
            return Ok(Poll::Pending { after: secs(1), note: "processing".into() });
        }
        Ok(Poll::Ready)
    }

    async fn commit(&self, publication: &Publication<'_>, ticket: &Ticket) -> Commit {
        let began = self.hub.now();
        let answer = self.send(publication, ticket, began).await;
        match answer {
            Commit::Doubt(_) if self.hub.is(Sabotage::CommitIsSentAgain) => {
                self.send(publication, ticket, self.hub.now()).await
            }
            Commit::Doubt(error) if self.hub.is(Sabotage::DoubtIsRetried) => Commit::Refused(error),
            Commit::Doubt(error) if self.hub.is(Sabotage::DoubtIsFailure) => {
                Commit::Refused(Error::new(ErrorKind::Rejected, "commit", error.detail()))
            }
            answer => answer,
        }
    }

    async fn find(
        &self,
        publication: &Publication<'_>,
        ticket: &Ticket,
        since: DateTime<Utc>,
        taken: &[String],
    ) -> Result<Finding> {
        tick().await;
        self.land();
        let flaw = self.take(Op::Find);
        self.stopped("find", flaw, publication)?;
        match flaw {
            Some(Flaw::Gone) => return Ok(Finding::Unknown("the platform cannot tell".into())),
            Some(Flaw::After | Flaw::Late(_)) => return Err(self.lost("find")),
            _ => {}
        }
        if self.hub.is(Sabotage::FindIsBlind) {
            return Ok(Finding::Absent);
        }
        let text = publication.submission.content.headline();
        Ok(match self.platform {
            Platform::X => {
                let mut found = self.candidates(publication, since, |shown| shown.ticket == ticket.handle, &[]);
                found.pop().map_or(Finding::Absent, |id| Finding::Published(self.receipt(Some(id))))
            }
            Platform::YouTube => {
                let told = self.told_published(&ticket.handle);
                told.map_or(Finding::Absent, |id| Finding::Published(self.receipt(Some(id))))
            }
            _ => {
                let found = self.candidates(publication, since, |shown| shown.text == text, taken);
                let told = self.told_published(&ticket.handle).is_some() || self.hub.is(Sabotage::CaptionIsProof);
                match (told, &found[..]) {
                    (true, [id]) => Finding::Published(self.receipt(Some(id.clone()))),
                    (true, []) if self.hub.is(Sabotage::CaptionIsProof) => Finding::Absent,
                    (true, _) => Finding::Published(self.receipt(None)),
                    (false, []) => Finding::Absent,
                    (false, _) => {
                        Finding::Unknown("a Reel has this caption, and the container is not published".into())
                    }
                }
            }
        })
    }

    async fn inspect(&self, publication: &Publication<'_>, id: &str) -> Result<Standing> {
        tick().await;
        self.land();
        let flaw = self.take(Op::Inspect);
        self.stopped("inspect", flaw, publication)?;
        let gone = || Standing::Gone { why: "the platform removed it".into() };
        match flaw {
            Some(Flaw::After | Flaw::Late(_)) => return Err(self.lost("inspect")),
            Some(Flaw::Gone) => return Ok(gone()),
            _ => {}
        }
        let there = self.state().shown.iter().any(|shown| shown.id == id);
        Ok(if there { Standing::Live } else { gone() })
    }
}

impl Site {
    /// One request. It is sent within its deadline or never, and may take effect after its sender has given up.
    async fn send(&self, publication: &Publication<'_>, ticket: &Ticket, began: DateTime<Utc>) -> Commit {
        let lost = || Commit::Doubt(self.lost("commit"));
        // A name is looked up, a connection made, its encryption agreed on.
        let patient = self.hub.is(Sabotage::NoDeadline);
        for _ in 0..if patient { 60 } else { 4 } {
            tick().await;
        }
        self.land();
        if self.hub.now() > after(began, DEADLINE) && !patient {
            return lost();
        }
        let flaw = self.take(Op::Commit);
        self.hub.arrival(self.platform, &ticket.handle);
        match self.stopped("commit", flaw, publication) {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                return Commit::Doubt(error);
            }
            Err(error) => {
                self.hub.refused(self.platform, &ticket.handle);
                return Commit::Refused(error);
            }
            Ok(()) => {}
        }
        let call = {
            let mut state = self.state();
            if !state.uploads.contains_key(&ticket.handle) {
                self.hub.refused(self.platform, &ticket.handle);
                return Commit::Refused(Error::not_found("commit", "no such upload"));
            }
            state.counter += 1;
            let call = state.counter;
            let late = if let Some(Flaw::Late(millis)) = flaw { millis } else { 0 };
            let due = after(self.hub.now(), Duration::from_millis(late));
            state.flying.push(Flying { due, ticket: ticket.handle.clone(), call });
            call
        };
        loop {
            self.land();
            tick().await;
            let landed = self.state().landed.get(&call).cloned();
            match landed {
                Some(Ok(id)) if flaw.is_none() => return Commit::Published(self.receipt(Some(id))),
                Some(_) => return lost(),
                None if flaw.is_some() || self.hub.now() > after(began, DEADLINE) => return lost(),
                None => {}
            }
        }
    }

    /// The posts of accounts that are shown, each with how often.
    pub fn counts(&self) -> BTreeMap<MediaKey, usize> {
        let mut counts = BTreeMap::new();
        for shown in self.shown() {
            *counts.entry(shown.media).or_default() += 1;
        }
        counts
    }
}
