//! The job queue in memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Memory, World};
use crate::{
    Result,
    id::JobId,
    job::{Finish, Job, JobKind, JobState, Lease, NewJob},
    policy::{after, before},
    port::{JobQueue, JobStats},
};

#[async_trait]
impl JobQueue for Memory {
    async fn enqueue(&self, jobs: &[NewJob]) -> Result<()> {
        self.unit(|world| {
            jobs.iter().for_each(|job| world.enqueue(job));
            Ok(())
        })
    }

    async fn claim(&self, kinds: &[JobKind], max: u32, lease: Duration) -> Result<Vec<Job>> {
        self.unit(|world| {
            let now = world.now;
            let World { jobs, live, .. } = world;
            for id in live.values() {
                let ended =
                    |job: &&mut Job| job.state == JobState::Running && job.leased_until.is_none_or(|at| at <= now);
                if let Some(job) = jobs.get_mut(id).filter(ended) {
                    job.state = JobState::Queued;
                    job.attempts += 1;
                    job.leased_until = None;
                }
            }
            let here = || live.values().filter_map(|id| jobs.get(id));
            let mut busy: BTreeSet<&str> =
                here().filter(|job| job.state == JobState::Running).map(|job| job.new.lane.as_str()).collect();
            let due =
                |job: &&Job| job.state == JobState::Queued && job.new.run_at <= now && kinds.contains(&job.new.kind);
            let mut queue: Vec<&NewJob> = here().filter(due).map(|job| &job.new).collect();
            queue.sort_by_key(|job| (job.kind.priority(), job.order_at, job.id));
            queue.retain(|job| busy.insert(&job.lane));
            let chosen: Vec<JobId> = queue.into_iter().take(max as usize).map(|job| job.id).collect();
            let mut claimed = Vec::new();
            for id in chosen {
                if let Some(job) = jobs.get_mut(&id) {
                    job.state = JobState::Running;
                    job.epoch += 1;
                    job.leased_until = Some(after(now, lease));
                    claimed.push(job.clone());
                }
            }
            Ok(claimed)
        })
    }

    async fn heartbeat(&self, leases: &[Lease], lease: Duration) -> Result<Vec<Lease>> {
        self.unit(|world| {
            let until = after(world.now, lease);
            let mut lost = Vec::new();
            for lease in leases {
                match world.leased(*lease, "heartbeat") {
                    Ok(job) => job.leased_until = Some(until),
                    Err(_) => lost.push(*lease),
                }
            }
            Ok(lost)
        })
    }

    async fn finish(&self, lease: Lease, finish: &Finish) -> Result<()> {
        self.unit(|world| {
            world.leased(lease, "finish job")?;
            world.let_go(lease.job, finish);
            Ok(())
        })
    }

    async fn hasten(&self, keys_or_lanes: &[String]) -> Result<()> {
        self.unit(|world| {
            let now = world.now;
            let World { jobs, live, .. } = world;
            for id in live.values() {
                let Some(job) = jobs.get_mut(id).filter(|job| job.state == JobState::Queued) else { continue };
                if keys_or_lanes.contains(&job.new.key) || keys_or_lanes.contains(&job.new.lane) {
                    job.new.run_at = job.new.run_at.min(now);
                }
            }
            Ok(())
        })
    }

    async fn find(&self, key: &str) -> Result<Option<Job>> {
        self.unit(|world| Ok(world.live(key).cloned()))
    }

    async fn stats(&self) -> Result<Vec<JobStats>> {
        self.unit(|world| {
            let mut groups: BTreeMap<(JobKind, &str), JobStats> = BTreeMap::new();
            for job in world.jobs.values() {
                let (kind, state) = (job.new.kind, job.state);
                let group =
                    groups.entry((kind, state.as_str())).or_insert(JobStats { kind, state, count: 0, oldest: None });
                group.count += 1;
                group.oldest = Some(group.oldest.map_or(job.new.run_at, |oldest| oldest.min(job.new.run_at)));
            }
            Ok(groups.into_values().collect())
        })
    }

    async fn next_due(&self) -> Result<Option<DateTime<Utc>>> {
        self.unit(|world| {
            let live = world.live.values().filter_map(|id| world.jobs.get(id));
            Ok(live.filter(|job| job.state == JobState::Queued).map(|job| job.new.run_at).min())
        })
    }

    async fn dead(&self, limit: u32) -> Result<Vec<Job>> {
        self.unit(|world| {
            let mut dead: Vec<_> = world.jobs.values().filter(|job| job.state == JobState::Dead).cloned().collect();
            dead.sort_by_key(|job| std::cmp::Reverse((world.finished.get(&job.new.id).copied(), job.new.id)));
            dead.truncate(limit as usize);
            Ok(dead)
        })
    }

    async fn replay(&self, job: JobId) -> Result<bool> {
        self.unit(|world| {
            let Some(dead) = world.jobs.get(&job).filter(|job| job.state == JobState::Dead) else {
                return Ok(false);
            };
            if world.live(&dead.new.key).is_some() {
                return Ok(false);
            }
            world.finished.remove(&job);
            let now = world.now;
            if let Some(job) = world.jobs.get_mut(&job) {
                world.live.insert(job.new.key.clone(), job.new.id);
                job.state = JobState::Queued;
                job.attempts = 0;
                job.new.run_at = now;
            }
            Ok(true)
        })
    }

    async fn prune(&self, age: Duration, limit: u32) -> Result<u64> {
        self.unit(|world| {
            let before = before(world.now, age);
            let old = |job: &&Job| {
                let ended = world.finished.get(&job.new.id);
                let goes = match job.state {
                    JobState::Done => true,
                    JobState::Dead => job.new.kind == JobKind::WebhookDelivery,
                    JobState::Queued | JobState::Running => false,
                };
                goes && ended.is_some_and(|at| *at < before)
            };
            let ids: Vec<JobId> = world.jobs.values().filter(old).map(|job| job.new.id).take(limit as usize).collect();
            for id in &ids {
                world.jobs.remove(id);
                world.finished.remove(id);
            }
            Ok(ids.len() as u64)
        })
    }
}
