//! Jobs and brakes.

use autorepost_core::{
    brake::{Brake, Scope},
    job::{Job, JobKind, JobState},
    port::JobStats,
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::schema::{JobKindSchema, JobStateSchema};

/// How many jobs there are.
#[derive(Serialize, ToSchema)]
#[schema(as = JobStats)]
pub struct JobStatsView {
    /// The kind.
    #[schema(value_type = JobKindSchema)]
    kind: JobKind,
    /// The state.
    #[schema(value_type = JobStateSchema)]
    state: JobState,
    /// Their number.
    count: u64,
    /// The earliest time at which one of them is due.
    oldest: Option<DateTime<Utc>>,
}

impl From<JobStats> for JobStatsView {
    fn from(row: JobStats) -> Self {
        Self { kind: row.kind, state: row.state, count: row.count, oldest: row.oldest }
    }
}

/// A job.
#[derive(Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobView {
    /// Its own id.
    id: Uuid,
    /// What it does.
    #[schema(value_type = JobKindSchema)]
    kind: JobKind,
    /// Where it stands.
    #[schema(value_type = JobStateSchema)]
    state: JobState,
    /// What it works on: the id of a connection, a repost or a webhook.
    subject: Uuid,
    /// When it is or was due.
    run_at: DateTime<Utc>,
    /// Failures of its present work one after the other.
    attempts: u32,
    /// What went wrong last.
    note: Option<String>,
}

impl From<Job> for JobView {
    fn from(row: Job) -> Self {
        Self {
            id: row.new.id.uuid(),
            kind: row.new.kind,
            state: row.state,
            subject: row.new.subject,
            run_at: row.new.run_at,
            attempts: row.attempts,
            note: row.note,
        }
    }
}

/// A brake that is on.
#[derive(Serialize, ToSchema)]
#[schema(as = Brake)]
pub struct BrakeView {
    /// What it holds: `everything`, or the publishing of this `tenant`.
    scope: &'static str,
    /// Why, for people.
    reason: String,
    /// Who put it on; not told of a brake on everything.
    by: Option<String>,
    /// Since when.
    since: DateTime<Utc>,
}

impl From<Brake> for BrakeView {
    fn from(row: Brake) -> Self {
        let (scope, by) = match row.scope {
            Scope::Everything => ("everything", None),
            Scope::Tenant(_) => ("tenant", Some(row.by)),
        };
        Self { scope, reason: row.reason, by, since: row.since }
    }
}
