//! `repost_prep`: fetches the media once for a post, checks it, renders the caption, and freezes what will be sent.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;

use crate::{
    Error, Result, caption,
    credential::Access,
    id::RepostId,
    job::{Finish, Job, NewJob},
    media::Media,
    pipeline::{
        fit::Fit,
        master::Mastered,
        stepping::{Gate, With, unusable},
    },
    policy::after,
    port::{ByteStream, Clock, EventSink, Fetched, Signal},
    post::{Post, PostKind},
    repost::Repost,
    state::{Event, Owner, Reason, RepostState},
    submission::Submission,
    worker::{End, Worker},
};

/// What fetching a post's media gave.
enum Got {
    /// It, and what is worth telling of it.
    Media(Media, Option<String>),
    Never(Reason),
    Later(Reason),
}

impl Worker {
    pub(crate) async fn prep(&self, job: &Job) -> Result<End> {
        let id = RepostId::from_uuid(job.new.subject);
        let Some(mut repost) = self.ports.reposts.get(job.new.tenant, id).await? else {
            return Ok(End::Finish(Finish::Done));
        };
        if !repost.state.needs_prep() {
            return Ok(End::Finish(Finish::Done));
        }
        let passage = match self.gate(&repost).await? {
            Gate::Open(passage) => passage,
            Gate::Hold { until, reason } => {
                self.hold(job, &repost, until, reason).await?;
                return Ok(End::Stepped);
            }
            Gate::Adopt { rule, connection, detail } => {
                self.adopt(job, &repost, (rule, connection), detail).await?;
                return Ok(End::Stepped);
            }
            Gate::Skip(reason) => return self.skip(job, &repost, reason).await,
        };
        if let RepostState::Waiting { .. } = repost.state {
            repost = self.step(job, &repost, Event::Resumed, "the wait is over", With::keep()).await?;
        }
        repost = self.step(job, &repost, Event::PrepStarted, "preparing", With::keep()).await?;

        let Some(post) = self.ports.posts.get(repost.tenant, repost.post).await? else {
            return self.skip(job, &repost, Reason::new(Owner::Nobody, "its post does not exist any more")).await;
        };
        let (media, told) = match self.media_of(job, &repost, &post).await {
            Ok(Got::Media(media, told)) => (media, told),
            Ok(Got::Never(reason)) => return self.skip(job, &repost, reason).await,
            Ok(Got::Later(reason)) => {
                self.hold(job, &repost, after(self.now(), self.policy.hold), reason).await?;
                return Ok(End::Stepped);
            }
            Err(error) => {
                self.after_error(job, &repost, &error).await?;
                return Ok(End::Stepped);
            }
        };

        let (media, notes) = match self.fit(job, &repost, media, passage.destination.trim).await {
            Ok(Fit::Fits(media, notes)) => (media, notes),
            Ok(Fit::Never(reason)) => return self.skip(job, &repost, reason).await,
            Ok(Fit::Failed(reason)) => {
                let (text, with) = (reason.text.clone(), With::finish(Finish::Done));
                self.step(job, &repost, Event::Failed(reason), text, with).await?;
                return Ok(End::Stepped);
            }
            Err(error) => {
                self.after_error(job, &repost, &error).await?;
                return Ok(End::Stepped);
            }
        };
        let words = caption::Source {
            caption: &post.found.caption,
            author: &post.found.author,
            url: &post.found.url,
            posted_at: post.found.posted_at,
        };
        let rendered = match caption::render(&words, &passage.destination, &passage.rule.spec.mentions) {
            Ok(rendered) => rendered,
            Err(error) => {
                let reason = Reason { owner: Owner::Operator, ..Reason::from_error(&error) };
                let with = With::finish(Finish::Done);
                self.step(job, &repost, Event::Failed(reason), error.to_string(), with).await?;
                return Ok(End::Stepped);
            }
        };

        let detail = told.into_iter().chain(notes).chain(rendered.notes).collect::<Vec<_>>().join("; ");
        let terms = Some(passage.rule.spec.terms(&passage.destination)?);
        let submission = Submission { media, content: rendered.content, terms };
        let run_at = passage.rule.spec.due_at(repost.posted_at).max(self.now());
        let publish = NewJob::publish(self.job_id(), &repost, run_at);
        self.step(job, &repost, Event::Prepared(submission), detail, With::then(publish)).await?;
        Ok(End::Stepped)
    }

    pub(super) async fn skip(&self, job: &Job, repost: &Repost, reason: Reason) -> Result<End> {
        let detail = reason.text.clone();
        self.step(job, repost, Event::Skipped(reason), detail, With::finish(Finish::Done)).await?;
        Ok(End::Stepped)
    }

    /// The post's media: as stored, or fetched now.
    async fn media_of(&self, job: &Job, repost: &Repost, post: &Post) -> Result<Got> {
        if let Some(media) = &post.media {
            // The store may have been emptied since: then it is fetched again.
            if self.ports.media.size(&media.key).await? == Some(media.bytes) {
                return Ok(Got::Media(media.clone(), None));
            }
        }
        // What may pass is asked anew: a person wants it tried, or it was shown meanwhile.
        if let PostKind::Unusable { why } = post.found.kind
            && !why.may_pass()
        {
            return Ok(Got::Never(Reason::new(Owner::Nobody, why.text())));
        }
        if post.found.is_file() {
            return Ok(Got::Never(Reason::new(Owner::Operator, "its file is not stored any more: drop it again")));
        }
        match self.master_of(job, post, None).await? {
            Mastered::Media(media, told) => return Ok(Got::Media(media, Some(told))),
            Mastered::Wait(reason) => return Ok(Got::Later(reason)),
            Mastered::Download(_) => {}
        }
        let op = "fetch media";
        let connection = self
            .ports
            .connections
            .get(post.tenant, post.connection)
            .await?
            .ok_or_else(|| Error::not_found(op, "the source connection does not exist any more"))?;
        if let Some(reason) = unusable(&connection) {
            return Ok(Got::Later(reason));
        }
        let access = Access::open(&connection, &self.ports.keys)?;
        let source = self.ports.source(connection.platform)?;
        let (bytes, body) = match source.fetch(&access, &post.found).await? {
            Fetched::Video { bytes, body } => (bytes, body),
            Fetched::Unusable(why) => return Ok(Got::Never(self.withdrawn(job, post, why).await?)),
        };
        let told = Told {
            body,
            events: self.ports.events.clone(),
            repost: repost.id,
            bytes: 0,
            total: bytes,
            clock: self.ports.clock.clone(),
            until: self.ports.clock.uptime() + self.policy.fetch_max,
        };
        let stored = self.ports.media.put(Box::pin(told), self.policy.media_bytes_max).await?;
        if bytes.is_some_and(|bytes| bytes != stored.bytes) {
            let text = format!("got {} bytes instead of {}", stored.bytes, bytes.unwrap_or_default());
            self.ports.media.remove(&stored.key).await?;
            return Err(Error::unavailable(op, text));
        }
        let facts = self.ports.probe.probe(&stored.key).await?;
        let media = Media { key: stored.key, bytes: stored.bytes, facts };
        let told = match self.master_of(job, post, Some(&media.facts)).await? {
            Mastered::Media(master, told) => {
                if master.key != media.key {
                    self.ports.media.remove(&media.key).await?;
                }
                return Ok(Got::Media(master, Some(told)));
            }
            Mastered::Wait(_) => None,
            Mastered::Download(told) => told,
        };
        self.ports.posts.set_media(job.lease(), post.tenant, post.id, &media).await?;
        Ok(Got::Media(media, told))
    }
}

/// A download that tells how far it is, and has an end however slowly its bytes come.
struct Told {
    body: ByteStream,
    events: Arc<dyn EventSink>,
    repost: RepostId,
    bytes: u64,
    total: Option<u64>,
    clock: Arc<dyn Clock>,
    /// By the clock's uptime.
    until: Duration,
}

impl Stream for Told {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.clock.uptime() > self.until {
            let text = format!("the download took too long: {} bytes came", self.bytes);
            return Poll::Ready(Some(Err(Error::unavailable("fetch media", text))));
        }
        let next = self.body.as_mut().poll_next(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &next {
            self.bytes += bytes.len() as u64;
            let signal = Signal::Transfer { repost: self.repost, to: None, bytes: self.bytes, total: self.total };
            self.events.emit(&signal);
        }
        next
    }
}
