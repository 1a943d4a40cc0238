//! `repost_publish`: takes one repost through the publish protocol, once.
//!
//! Only the commit is visible to the public. Its intent is stored before it is sent; it is sent once; and whatever is
//! not a clear answer is settled by asking the platform, never by sending it again.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    Error, ErrorKind, Result,
    credential::Access,
    id::RepostId,
    job::{Finish, Job, NewJob},
    pipeline::{
        commit::CAP_WINDOW,
        stepping::{Gate, Passage, With},
    },
    policy::after,
    port::{Budget, Destination, Finding, Poll, Progress, Publication, RepostQuery, Signal, Stored, StoredBody},
    repost::Repost,
    state::{Attempt, Event, RepostState, Resume},
    submission::Submission,
    worker::{End, Worker},
};

/// Between two checkpoints of an upload at least so many bytes are acknowledged.
const CHECKPOINT_BYTES: u64 = 8 << 20;
/// How often one run starts again because somebody else changed the repost.
const RELOADS_MAX: u32 = 8;

/// What one turn of the publish loop gave.
pub(super) enum Turn {
    /// The repost moved, and there may be more to do at once.
    Go(Box<Repost>),
    /// The job was let go of.
    Over,
}

impl Worker {
    pub(crate) async fn publish(&self, job: &Job) -> Result<End> {
        let id = RepostId::from_uuid(job.new.subject);
        let mut reloads = 0;
        'reload: loop {
            let Some(mut repost) = self.ports.reposts.get(job.new.tenant, id).await? else {
                return Ok(End::Finish(Finish::Done));
            };
            loop {
                if repost.state.is_terminal() {
                    return Ok(End::Finish(Finish::Done));
                }
                match self.turn(job, &repost).await {
                    Ok(Turn::Go(next)) => repost = *next,
                    Ok(Turn::Over) => return Ok(End::Stepped),
                    // Somebody else moved the repost or changed its rule: look again.
                    Err(error) if error.kind() == ErrorKind::Conflict && reloads < RELOADS_MAX => {
                        reloads += 1;
                        continue 'reload;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }

    async fn turn(&self, job: &Job, repost: &Repost) -> Result<Turn> {
        // What became of a commit is asked in any case: a pause must not keep us from knowing.
        if let RepostState::Committing(attempt) = &repost.state {
            return self.reconcile(job, repost, attempt).await;
        }
        if repost.state.needs_prep() {
            let prep = NewJob::prep(self.job_id(), repost, self.now());
            self.note(job, repost, "returned", "it has to be prepared again", With::then(prep)).await?;
            return Ok(Turn::Over);
        }
        let passage = match self.gate(repost).await? {
            Gate::Open(passage) => passage,
            Gate::Hold { until, reason } => {
                self.hold(job, repost, until, reason).await?;
                return Ok(Turn::Over);
            }
            Gate::Adopt { rule, connection, detail } => {
                self.adopt(job, repost, (rule, connection), detail).await?;
                return Ok(Turn::Over);
            }
            Gate::Skip(reason) => {
                self.skip(job, repost, reason).await?;
                return Ok(Turn::Over);
            }
        };
        if self.is_outdated(repost, &passage)? {
            let detail = format!("rule \"{}\" was changed: prepared anew", passage.rule.name);
            self.adopt(job, repost, (repost.rule, repost.connection), detail).await?;
            return Ok(Turn::Over);
        }
        let now = self.now();
        if let Some((until, reason)) = self.closed(repost, now).await? {
            self.hold(job, repost, until, reason).await?;
            return Ok(Turn::Over);
        }
        // The guard of the commit keeps the cap; looking here already spares the upload, and the journal.
        let (max, platform, account) = (self.hourly_cap(&passage), repost.key.platform, &repost.key.account);
        let out = self.ports.reposts.published_ids(repost.tenant, platform, account, now - CAP_WINDOW).await?;
        if out.len() >= max as usize {
            return self.hold_for_cap(job, repost, max).await;
        }
        match &repost.state {
            RepostState::Ready { submission } => self.begin(job, repost, &passage, submission).await,
            RepostState::Uploading(attempt) => self.upload(job, repost, &passage, attempt).await,
            RepostState::Processing(attempt) => self.process(job, repost, &passage, attempt).await,
            RepostState::Waiting { resume, .. } => {
                if let Resume::Begin { .. } | Resume::Upload(_) | Resume::Process(_) = resume {
                    let moved = self.step(job, repost, Event::Resumed, "the wait is over", With::keep()).await?;
                    return Ok(Turn::Go(Box::new(moved)));
                }
                Err(Error::internal("publish", "a repost that waits for its preparation came to be published"))
            }
            state => Err(Error::internal("publish", format!("a repost that is {} came to be published", state.name()))),
        }
    }

    async fn begin(&self, job: &Job, repost: &Repost, passage: &Passage, submission: &Submission) -> Result<Turn> {
        let now = self.now();
        // Its job may have been made due by somebody who knows nothing of the rule's delay.
        let due = passage.rule.spec.due_at(repost.posted_at);
        if now < due {
            let again = Finish::Again { run_at: due, attempts: job.attempts, note: Some("its rule delays it".into()) };
            self.ports.jobs.finish(job.lease(), &again).await?;
            return Ok(Turn::Over);
        }
        if self.must_wait_for_older(repost).await? {
            // Whoever lets go of the older one makes this one due; this is for when that is forgotten.
            let run_at = after(now, self.policy.order_wait_max / 10);
            let note = Some("an older post of the account goes first".to_owned());
            let again = Finish::Again { run_at, attempts: job.attempts, note };
            self.ports.jobs.finish(job.lease(), &again).await?;
            return Ok(Turn::Over);
        }
        if let Some(reason) = self.is_withdrawn(job, repost).await? {
            self.skip(job, repost, reason).await?;
            return Ok(Turn::Over);
        }
        let media = &submission.media;
        if self.ports.media.size(&media.key).await? != Some(media.bytes) {
            let prep = NewJob::prep(self.job_id(), repost, now);
            let detail = "its media is not stored any more: it is fetched again";
            self.step(job, repost, Event::MediaLost, detail, With::then(prep)).await?;
            return Ok(Turn::Over);
        }
        let acting = match self.acting(passage, submission) {
            Ok(acting) => acting,
            Err(error) => return self.failed_turn(job, repost, &error).await,
        };
        if let Some((until, reason)) = self.allowance(repost, &acting).await? {
            self.hold(job, repost, until, reason).await?;
            return Ok(Turn::Over);
        }
        let answer = acting.destination(self)?.begin(&acting.publication(now)).await;
        self.heed(job, repost, answer.as_ref().err()).await?;
        match answer {
            Ok(ticket) => {
                let detail = format!("ticket {}", short(&ticket.handle));
                Ok(Turn::Go(Box::new(self.step(job, repost, Event::Began(ticket), detail, With::keep()).await?)))
            }
            Err(error) => self.failed_turn(job, repost, &error).await,
        }
    }

    async fn upload(&self, job: &Job, repost: &Repost, passage: &Passage, attempt: &Attempt) -> Result<Turn> {
        let acting = match self.acting(passage, &attempt.submission) {
            Ok(acting) => acting,
            Err(error) => return self.failed_turn(job, repost, &error).await,
        };
        let destination = acting.destination(self)?;
        let checkpoints =
            Checkpoints { worker: self, job, repost: Mutex::new(repost.clone()), saved: attempt.sent.into() };
        let publication = acting.publication(self.now());
        let result = destination.upload(&publication, &attempt.ticket, attempt.sent, &checkpoints).await;
        let progressed = checkpoints.saved_more_than(attempt.sent);
        let repost = &checkpoints.into_repost();
        // Progress is what the failures of a long upload are counted from.
        let job = &Job { attempts: if progressed { 0 } else { job.attempts }, ..job.clone() };
        match result {
            Ok(()) => {
                let detail = format!("{} bytes", attempt.submission.media.bytes);
                Ok(Turn::Go(Box::new(self.step(job, repost, Event::Uploaded, detail, With::keep()).await?)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => self.begin_anew(job, repost, &error).await,
            Err(error) => self.failed_turn(job, repost, &error).await,
        }
    }

    async fn process(&self, job: &Job, repost: &Repost, passage: &Passage, attempt: &Attempt) -> Result<Turn> {
        let acting = match self.acting(passage, &attempt.submission) {
            Ok(acting) => acting,
            Err(error) => return self.failed_turn(job, repost, &error).await,
        };
        let destination = acting.destination(self)?;
        if let Some((until, reason)) = self.probe(repost).await? {
            self.hold(job, repost, until, reason).await?;
            return Ok(Turn::Over);
        }
        let answer = destination.poll(&acting.publication(self.now()), &attempt.ticket).await;
        self.heed(job, repost, answer.as_ref().err()).await?;
        match answer {
            Ok(Poll::Ready) => self.commit(job, repost, passage, attempt, &acting).await,
            Ok(Poll::Pending { after: wait, note }) => {
                let run_at = after(self.now(), wait);
                // A wait is no failure, and no success either: what failed before it still counts.
                let again = Finish::Again { run_at, attempts: job.attempts, note: Some(note) };
                self.ports.jobs.finish(job.lease(), &again).await?;
                Ok(Turn::Over)
            }
            Ok(Poll::Incomplete) => {
                // It may only not have counted yet what it acknowledged: a wait, and a failure, so that this has an end.
                let error = Error::unavailable("poll upload", "the platform lacks bytes: the rest is sent again");
                if job.attempts + 1 >= self.policy.attempts_max {
                    return self.failed_turn(job, repost, &error).await;
                }
                let again = With::finish(self.again_after(job, &error));
                self.step(job, repost, Event::Incomplete, error.detail(), again).await?;
                Ok(Turn::Over)
            }
            Ok(Poll::Published(told)) => {
                let receipt = match self.ask(repost, attempt, attempt.ticket.begun_at).await {
                    Ok((Finding::Published(found), _)) => found,
                    Err(error) if error.kind() == ErrorKind::LeaseLost => return Err(error),
                    // That it is public is known for certain; which item it is may stay unknown.
                    Ok(_) | Err(_) => told,
                };
                self.confirmed(job, repost, receipt, "the platform shows it already".into()).await?;
                Ok(Turn::Over)
            }
            Ok(Poll::Gone) => {
                let error = Error::unavailable("poll upload", "the platform let go of the upload");
                self.begin_anew(job, repost, &error).await
            }
            Ok(Poll::Failed(error)) if self.policy.retries(&error, job.attempts + 1) => {
                self.begin_anew(job, repost, &error).await
            }
            Err(error) if error.kind() == ErrorKind::NotFound => self.begin_anew(job, repost, &error).await,
            Ok(Poll::Failed(error)) | Err(error) => self.failed_turn(job, repost, &error).await,
        }
    }

    /// The ticket is gone, and nothing was published with it.
    async fn begin_anew(&self, job: &Job, repost: &Repost, error: &Error) -> Result<Turn> {
        if job.attempts + 1 >= self.policy.attempts_max {
            return self.failed_turn(job, repost, error).await;
        }
        let again = With::finish(self.again_after(job, error));
        let detail = format!("beginning anew: {error}");
        self.step(job, repost, Event::TicketLost, detail, again).await?;
        Ok(Turn::Over)
    }

    pub(super) async fn failed_turn(&self, job: &Job, repost: &Repost, error: &Error) -> Result<Turn> {
        self.after_error(job, repost, error).await?;
        Ok(Turn::Over)
    }

    /// Whether an older post of the account is still on its way: posts go out in the order of their source, unless one of
    /// them takes too long.
    async fn must_wait_for_older(&self, repost: &Repost) -> Result<bool> {
        if self.now() > after(repost.updated_at, self.policy.order_wait_max) {
            return Ok(false);
        }
        let query = RepostQuery {
            account: Some((repost.key.platform, repost.key.account.clone())),
            states: RepostState::ON_ITS_WAY.to_vec(),
            posted_before: Some(repost.posted_at),
            limit: 1,
            ..RepostQuery::default()
        };
        Ok(!self.ports.reposts.list(repost.tenant, &query).await?.is_empty())
    }

    fn acting(&self, passage: &Passage, submission: &Submission) -> Result<Acting> {
        let access = Access::open(&passage.connection, &self.ports.keys)?;
        Ok(Acting::new(self, access, submission))
    }
}

/// Everything that one call to a destination needs, owned.
pub(super) struct Acting {
    access: Access,
    submission: Submission,
    body: StoredBody,
}

impl Acting {
    pub fn new(worker: &Worker, access: Access, submission: &Submission) -> Self {
        let stored = Stored { key: submission.media.key, bytes: submission.media.bytes };
        let body = StoredBody::new(Arc::clone(&worker.ports.media), stored);
        Self { access, submission: submission.clone(), body }
    }

    pub fn publication(&self, now: DateTime<Utc>) -> Publication<'_> {
        Publication { access: &self.access, submission: &self.submission, body: &self.body, now }
    }

    pub fn budgets(&self, worker: &Worker) -> Result<Vec<Budget>> {
        Ok(self.destination(worker)?.budgets(&self.access))
    }

    pub fn destination<'a>(&self, worker: &'a Worker) -> Result<&'a dyn Destination> {
        worker.ports.destination(self.access.method.platform())
    }
}

/// Writes down how far an upload is, now and then.
struct Checkpoints<'a> {
    worker: &'a Worker,
    job: &'a Job,
    repost: Mutex<Repost>,
    saved: std::sync::atomic::AtomicU64,
}

impl Checkpoints<'_> {
    fn saved_more_than(&self, bytes: u64) -> bool {
        self.saved.load(std::sync::atomic::Ordering::Relaxed) > bytes
    }

    fn into_repost(self) -> Repost {
        self.repost.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn repost(&self) -> Repost {
        self.repost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Progress for Checkpoints<'_> {
    async fn sent(&self, bytes: u64) -> Result<()> {
        let repost = self.repost();
        let total = repost.state.submission().map(|submission| submission.media.bytes);
        let to = Some(repost.key.platform);
        self.worker.ports.events.emit(&Signal::Transfer { repost: repost.id, to, bytes, total });
        let saved = self.saved.load(std::sync::atomic::Ordering::Relaxed);
        if bytes < saved.saturating_add(CHECKPOINT_BYTES) {
            return Ok(());
        }
        let stored = self.worker.step(self.job, &repost, Event::Sent(bytes), "", With::keep()).await?;
        *self.repost.lock().unwrap_or_else(PoisonError::into_inner) = stored;
        self.saved.store(bytes, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }
}

/// The beginning of a handle: enough to recognise it, too little to use it.
fn short(handle: &str) -> String {
    let tail: String = handle.chars().rev().take(12).collect::<Vec<_>>().into_iter().rev().collect();
    if tail.len() < handle.len() { format!("…{tail}") } else { tail }
}
