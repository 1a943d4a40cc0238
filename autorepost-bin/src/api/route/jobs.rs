//! Jobs, and how much there is of everything.

use autorepost_core::id::JobId;
use axum::Json;
use chrono::DateTime;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{
    extract::{Answer, Desk, Path, Query},
    page::{Page, PageAsk},
    view::{JobStatsView, JobView, RepostCountView},
};

/// Counts the tenant's jobs by kind and state.
#[utoipa::path(get, path = "/v1/jobs/stats", tag = "Jobs",
    responses((status = 200, description = "The counts", body = Vec<JobStatsView>)))]
pub async fn stats(desk: Desk) -> Answer<Vec<JobStatsView>> {
    Ok(Json(desk.operator().job_stats().await?.into_iter().map(JobStatsView::from).collect()))
}

/// Counts everybody's jobs by kind and state.
#[utoipa::path(get, path = "/v1/installation/jobs/stats", tag = "Jobs",
    responses((status = 200, description = "The counts", body = Vec<JobStatsView>)))]
pub async fn installation_stats(desk: Desk) -> Answer<Vec<JobStatsView>> {
    Ok(Json(desk.ports().census.jobs(None).await?.into_iter().map(JobStatsView::from).collect()))
}

/// Lists the tenant's jobs that gave up, the one that was written last first.
#[utoipa::path(get, path = "/v1/jobs/dead", tag = "Jobs", params(PageAsk),
    responses((status = 200, description = "A page of dead jobs", body = Page<JobView>)))]
pub async fn dead(desk: Desk, Query(page): Query<PageAsk>) -> Answer<Page<JobView>> {
    let asked = page.checked()?;
    let after = asked.after(JobId::from_uuid).map(|(_, id)| id);
    let rows = desk.operator().dead_jobs(after, asked.rows()).await?;
    // Their order is by id alone.
    Ok(Json(asked.page(rows, |row| (DateTime::UNIX_EPOCH, row.new.id.uuid()), JobView::from)))
}

/// Queues a job that gave up again.
#[utoipa::path(post, path = "/v1/jobs/{id}/replay", tag = "Jobs", params(("id" = Uuid, Path, description = "The job")),
    responses((status = 200, description = "The job is queued", body = JobView)))]
pub async fn replay(desk: Desk, Path(id): Path<JobId>) -> Answer<JobView> {
    Ok(Json(desk.operator().replay(id).await?.into()))
}

/// How much there is of everything that the tenant has.
#[derive(Serialize, ToSchema)]
pub struct Stats {
    /// Reposts by platform and state.
    reposts: Vec<RepostCountView>,
    /// Jobs by kind and state.
    jobs: Vec<JobStatsView>,
}

/// Counts the tenant's reposts and jobs.
#[utoipa::path(get, path = "/v1/stats", tag = "Jobs",
    responses((status = 200, description = "The counts", body = Stats)))]
pub async fn summary(desk: Desk) -> Answer<Stats> {
    let summary = desk.operator().summary().await?;
    Ok(Json(Stats {
        reposts: summary.reposts.into_iter().map(RepostCountView::from).collect(),
        jobs: summary.jobs.into_iter().map(JobStatsView::from).collect(),
    }))
}
