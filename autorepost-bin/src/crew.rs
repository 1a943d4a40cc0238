//! The loop around the worker: claims jobs, runs them at once, keeps their leases, and stops cleanly.

use std::{collections::HashMap, sync::Arc, time::Duration};

use autorepost_core::{
    id::JobId,
    job::{JobKind, Lease, NewJob},
    port::EntropyExt,
    worker::Worker,
};
use tokio::{
    sync::watch,
    task::{AbortHandle, Id, JoinSet},
};

/// Jobs that run at once at most.
pub const JOBS_MAX: usize = 16;
/// The longest time between two looks at the queue when nobody wakes us.
const POLL_MAX: Duration = Duration::from_secs(1);
/// How long running jobs may go on after the word to stop; what is not done by then is taken up by the next process.
const GRACE: Duration = Duration::from_secs(20);

/// Runs jobs until `stop` says so, then lets the running ones end.
///
/// # Errors
///
/// When the queue cannot take the upkeep job at the start. Later trouble with the database is logged and waited out.
pub async fn work(worker: Arc<Worker>, mut stop: watch::Receiver<bool>) -> autorepost_core::Result<()> {
    let ports = worker.ports().clone();
    let now = ports.clock.now();
    ports.jobs.enqueue(&[NewJob::upkeep(JobId::new(now, ports.entropy.bytes()), now)]).await?;

    let mut running: Running = HashMap::new();
    let mut jobs = JoinSet::new();
    let mut beat = tokio::time::interval(worker.policy().lease / 3);
    while !*stop.borrow() {
        let room = JOBS_MAX - running.len();
        let claimed = match room {
            0 => Vec::new(),
            room => worker.claim(&JobKind::ALL, room as u32).await.unwrap_or_else(|error| {
                tracing::error!("{error}");
                Vec::new()
            }),
        };
        for job in claimed {
            let (worker, lease) = (Arc::clone(&worker), job.lease());
            let handle = jobs.spawn(async move { worker.run(job).await });
            running.insert(handle.id(), (lease, handle));
        }
        tokio::select! {
            _ = stop.changed() => {}
            () = ports.wake.wait() => {}
            Some(ended) = jobs.join_next_with_id(), if !jobs.is_empty() => forget(&mut running, ended),
            _ = beat.tick() => keep(&worker, &running).await,
            () = tokio::time::sleep(until_next(&worker).await) => {}
        }
    }
    let ending = async {
        while let Some(ended) = jobs.join_next_with_id().await {
            forget(&mut running, ended);
        }
    };
    if tokio::time::timeout(GRACE, ending).await.is_err() {
        tracing::warn!("some jobs did not end in time: they go on when autorepost runs again");
    }
    Ok(())
}

/// What runs: by task, under which lease, and how to drop it.
type Running = HashMap<Id, (Lease, AbortHandle)>;

fn forget(running: &mut Running, ended: Result<(Id, ()), tokio::task::JoinError>) {
    match ended {
        Ok((id, ())) => running.remove(&id),
        Err(error) => {
            if error.is_panic() {
                tracing::error!("a job panicked: {error}");
            }
            running.remove(&error.id())
        }
    };
}

/// Extends the leases of what runs; a job whose lease is lost is dropped at once.
async fn keep(worker: &Worker, running: &Running) {
    let leases: Vec<Lease> = running.values().map(|(lease, _)| *lease).collect();
    match worker.heartbeat(&leases).await {
        Ok(lost) => {
            for (lease, task) in running.values().filter(|(lease, _)| lost.contains(lease)) {
                tracing::warn!(job = %lease.job, "the lease is lost: another process has the job");
                task.abort();
            }
        }
        Err(error) => tracing::error!("{error}"),
    }
}

async fn until_next(worker: &Worker) -> Duration {
    let now = worker.ports().clock.now();
    match worker.ports().jobs.next_due().await {
        Ok(Some(due)) => (due - now).to_std().unwrap_or_default().clamp(Duration::from_millis(20), POLL_MAX),
        _ => POLL_MAX,
    }
}
