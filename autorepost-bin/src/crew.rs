//! The loop around the worker: claims jobs, runs them at once, keeps their leases, and stops cleanly.
//!
//! A job runs only while its lease certainly holds. How long that is, is kept on the machine's monotonic clock, counted
//! from before the request that asked for the lease, and looked at before every step of the job. So a job stops in time
//! when the database is gone, when a heartbeat hangs, and when the whole process was stopped and wakes up later.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use autorepost_core::{
    id::JobId,
    job::{Finish, Job, JobKind, Lease, NewJob},
    port::EntropyExt,
    worker::Worker,
};
use tokio::{
    sync::{Semaphore, watch},
    task::{JoinError, JoinSet},
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};
use tracing::{
    Instrument as _, Span, error_span,
    field::{Empty, display},
};

use crate::telemetry::heartbeat::Pulse;

/// Jobs of a kind that run at once at most, in places of their own: however large the videos and however slow the platforms
/// or the endpoints are, nothing else waits for them.
const PLACES: &[(JobKind, usize)] =
    &[(JobKind::RepostPublish, 12), (JobKind::RepostPrep, 6), (JobKind::WebhookDelivery, 16)];
/// Jobs of all other kinds together that run at once at most: looks at sources, renewals of credentials, upkeep.
const OTHERS_MAX: usize = 12;
/// The longest time between two looks at the queue when nobody wakes us.
const POLL_MAX: Duration = Duration::from_secs(1);
/// The shortest.
const POLL_MIN: Duration = Duration::from_millis(20);
/// The time between two looks while a job is due that nobody may claim, because another of its lane runs. The end of ours
/// wakes us; this is for those of other processes.
const BLOCKED_POLL: Duration = Duration::from_millis(250);
/// Heartbeats within the time of one lease: three may fail before the job is dropped.
const BEATS: u32 = 4;
/// How long running jobs may go on after the word to stop; what is not done by then is put back.
const GRACE: Duration = Duration::from_secs(20);
/// How long a claim that is under way may take after the word to stop.
const CLAIM_GRACE: Duration = Duration::from_secs(1);
/// How long putting back may take. What is not put back is due when its lease ends.
const PUT_BACK_MAX: Duration = Duration::from_secs(2);

/// Runs jobs until `stop` says so, then lets the running ones end.
///
/// # Errors
///
/// When the queue cannot take the upkeep job at the start. Later trouble with the database is logged and waited out.
pub async fn work(worker: Arc<Worker>, pulse: Arc<Pulse>, stop: watch::Receiver<bool>) -> autorepost_core::Result<()> {
    work_within(worker, pulse, stop, GRACE).await
}

async fn work_within(
    worker: Arc<Worker>,
    pulse: Arc<Pulse>,
    mut stop: watch::Receiver<bool>,
    grace: Duration,
) -> autorepost_core::Result<()> {
    let ports = worker.ports().clone();
    let now = ports.clock.now();
    let upkeep = NewJob::upkeep(JobId::new(now, ports.entropy.bytes()), now);
    // At once even when it is there: a clock that ran ahead may have put it far into the future.
    let key = upkeep.key.clone();
    ports.jobs.enqueue(&[upkeep]).await?;
    ports.jobs.hasten(&[key]).await?;

    let held = Arc::new(Held::default());
    let mut keeper = JoinSet::new();
    keeper.spawn(keep(Arc::clone(&worker), Arc::clone(&pulse), Arc::clone(&held)));
    let (mut jobs, places) = (JoinSet::new(), places());
    let mut seen = 0;
    while !*stop.borrow() {
        for (kinds, places) in &places {
            let room = places.available_permits() as u32;
            if room == 0 {
                continue;
            }
            let until = Instant::now() + certain(&worker);
            let claimed = tokio::select! {
                claimed = worker.claim(kinds, room) => claimed,
                () = late(stop.clone()) => break,
            };
            match claimed {
                Ok(claimed) => {
                    pulse.reached();
                    for job in claimed {
                        let (holding, span) = (held.add(&job, until), span(&job));
                        let work = run(Arc::clone(&worker), job, holding).instrument(span);
                        // Nobody else takes places, so there are as many as were asked for.
                        let place = Arc::clone(places).try_acquire_owned();
                        jobs.spawn(async move {
                            work.await;
                            drop(place);
                        });
                    }
                }
                Err(error) => tracing::error!("{error}"),
            }
        }
        tokio::select! {
            _ = stop.changed() => {}
            now = ports.wake.wait(seen) => seen = now,
            Some(ended) = jobs.join_next(), if !jobs.is_empty() => tell(ended),
            () = rest(&worker) => {}
        }
        while let Some(ended) = jobs.try_join_next() {
            tell(ended);
        }
    }
    let ending = async {
        while let Some(ended) = jobs.join_next().await {
            tell(ended);
        }
    };
    if timeout(grace, ending).await.is_err() {
        let left = held.all();
        tracing::warn!("{} jobs did not end in time: they go on elsewhere", left.len());
        jobs.shutdown().await;
        // Whoever cannot be told finds out when the leases end.
        let _ = timeout(PUT_BACK_MAX, put_back(&worker, &left)).await;
    }
    Ok(())
}

/// The kinds of jobs, and the places for them.
fn places() -> Vec<(Vec<JobKind>, Arc<Semaphore>)> {
    let others = JobKind::ALL.into_iter().filter(|kind| PLACES.iter().all(|(one, _)| one != kind)).collect();
    let own = PLACES.iter().map(|(kind, max)| (vec![*kind], *max));
    own.chain([(others, OTHERS_MAX)]).map(|(kinds, max)| (kinds, Arc::new(Semaphore::new(max)))).collect()
}

/// For how long after it was asked for a lease certainly holds. The rest is for clocks that differ.
fn certain(worker: &Worker) -> Duration {
    worker.policy().lease * 9 / 10
}

/// Waits for the word to stop, and a little more.
async fn late(mut stop: watch::Receiver<bool>) {
    // The sender is gone only when the program ends.
    let _ = stop.wait_for(|stop| *stop).await;
    sleep(CLAIM_GRACE).await;
}

/// Waits until the next job is due.
async fn rest(worker: &Worker) {
    let now = worker.ports().clock.now();
    let due = timeout(POLL_MAX, worker.ports().jobs.next_due()).await;
    let wait = match due {
        Ok(Ok(Some(due))) if due > now => (due - now).to_std().unwrap_or_default().clamp(POLL_MIN, POLL_MAX),
        Ok(Ok(Some(_))) => BLOCKED_POLL,
        _ => POLL_MAX,
    };
    sleep(wait).await;
}

fn tell(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a job panicked: {error}");
    }
}

/// What every line of a job carries. At the level of errors, so that it is there however little is logged.
fn span(job: &Job) -> Span {
    let new = &job.new;
    let span = error_span!(
        "job",
        tenant = %new.tenant,
        job = new.key,
        job_id = %new.id,
        kind = new.kind.as_str(),
        subject = %new.subject,
        repost = Empty,
        connection = Empty,
        attempt = job.attempts.saturating_add(1),
        epoch = job.epoch,
    );
    match new.kind {
        JobKind::RepostPrep
        | JobKind::RepostPublish
        | JobKind::RepostLocate
        | JobKind::RepostVerify
        | JobKind::RepostThumbnail => {
            span.record("repost", display(new.subject));
        }
        JobKind::TiktokSync | JobKind::SourceAudit | JobKind::FilePost | JobKind::TokenRefresh => {
            span.record("connection", display(new.subject));
        }
        JobKind::Backfill | JobKind::WebhookDelivery | JobKind::Upkeep => {}
    }
    span
}

/// Runs a job for as long as its lease certainly holds.
async fn run(worker: Arc<Worker>, job: Job, holding: Holding) {
    let key = job.new.key.clone();
    let until = &holding.until;
    let mut work = pin!(worker.run(job));
    let mut over = pin!(over(until.clone()));
    let done = poll_fn(|cx| {
        // A process that was stopped looks at the clock before it goes on, not only when its timers have fired.
        if over.as_mut().poll(cx).is_ready() || *until.borrow() <= Instant::now() {
            return Poll::Ready(false);
        }
        work.as_mut().poll(cx).map(|()| true)
    });
    if !done.await {
        tracing::warn!(job = key, "dropped: its lease is lost, or could not be kept");
    }
}

/// Waits until a lease is over, however often that time is moved.
async fn over(mut until: watch::Receiver<Instant>) {
    loop {
        let end = *until.borrow_and_update();
        tokio::select! {
            () = sleep_until(end) => return,
            moved = until.changed() => {
                if moved.is_err() {
                    return;
                }
            }
        }
    }
}

/// Extends the leases of what runs; a job whose lease is lost is over at once.
async fn keep(worker: Arc<Worker>, pulse: Arc<Pulse>, held: Arc<Held>) {
    let beat = worker.policy().lease / BEATS;
    let mut beats = interval(beat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        let leases: Vec<Lease> = held.all().into_iter().map(|(lease, _)| lease).collect();
        if leases.is_empty() {
            continue;
        }
        let until = Instant::now() + certain(&worker);
        match timeout(beat, worker.heartbeat(&leases)).await {
            Ok(Ok(lost)) => {
                pulse.reached();
                held.extend(&leases, &lost, until);
            }
            Ok(Err(error)) => tracing::error!("{error}"),
            Err(_) => tracing::error!("the database did not answer a heartbeat within {} ms", beat.as_millis()),
        }
    }
}

/// Makes jobs that were dropped due at once, for whoever claims them.
async fn put_back(worker: &Worker, left: &[(Lease, u32)]) {
    for (lease, attempts) in left {
        let now = worker.ports().clock.now();
        let note = Some("its process was stopped".to_owned());
        let again = Finish::Again { run_at: now, attempts: *attempts, note };
        // A lease that is lost meanwhile is somebody else's.
        if let Err(error) = worker.ports().jobs.finish(*lease, &again).await {
            tracing::debug!("{error}");
        }
    }
}

/// The leases of what runs.
#[derive(Default)]
struct Held(Mutex<HashMap<Lease, Kept>>);

struct Kept {
    until: watch::Sender<Instant>,
    /// The job's failures, as they were when it was claimed.
    attempts: u32,
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, HashMap<Lease, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(self: &Arc<Self>, job: &Job, until: Instant) -> Holding {
        let (sender, until) = watch::channel(until);
        self.lock().insert(job.lease(), Kept { until: sender, attempts: job.attempts });
        Holding { held: Arc::clone(self), lease: job.lease(), until }
    }

    fn all(&self) -> Vec<(Lease, u32)> {
        self.lock().iter().map(|(lease, kept)| (*lease, kept.attempts)).collect()
    }

    /// These leases hold until then, but the lost ones, which are over.
    fn extend(&self, leases: &[Lease], lost: &[Lease], until: Instant) {
        let held = self.lock();
        for lease in leases {
            if let Some(kept) = held.get(lease) {
                kept.until.send_replace(if lost.contains(lease) { Instant::now() } else { until });
            }
        }
    }
}

/// A lease that is kept for as long as this lives.
struct Holding {
    held: Arc<Held>,
    lease: Lease,
    until: watch::Receiver<Instant>,
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.held.lock().remove(&self.lease);
    }
}
