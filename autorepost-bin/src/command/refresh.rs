//! `refresh`: credentials are renewed or checked now, and how each account does is told.

use std::{process::ExitCode, time::Duration};

use anyhow::bail;
use autorepost_core::{
    connection::{Connection, ConnectionStatus},
    job::{Job, JobKind, JobState, refresh_key},
    port::Ports,
    worker::Worker,
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};

use super::{Context, operator, table};
use crate::cli;

/// How long the command waits for all accounts together.
const WAIT_MAX: Duration = Duration::from_secs(120);
/// The time between two looks at a renewal that another process does.
const LOOK: Duration = Duration::from_millis(50);

/// How an account does after its renewal.
pub(super) struct Health {
    connection: Connection,
    /// Why it is not well.
    trouble: Option<String>,
}

pub async fn refresh(context: &Context, options: cli::Refresh) -> anyhow::Result<ExitCode> {
    let ports = context.ports().await?;
    let connections = match &options.account {
        Some(name) => vec![operator(&ports).connection(name).await?],
        None => ports.connections.list(None).await?,
    };
    if connections.is_empty() {
        bail!("no account is connected: use \"autorepost connect\"");
    }
    let healths = renew(context, &ports, connections).await?;
    context.show(&value(&healths), || text(&healths))?;
    Ok(code(&healths))
}

/// Makes the renewals due, and waits for each. The jobs do them, here or in a process that works already: only they may.
pub(super) async fn renew(
    context: &Context,
    ports: &Ports,
    connections: Vec<Connection>,
) -> anyhow::Result<Vec<Health>> {
    let worker = Worker::new(ports.clone(), context.config.policy(), format!("refresh-{}", std::process::id()));
    let deadline = Instant::now() + WAIT_MAX;
    let mut before = Vec::new();
    for connection in &connections {
        before.push(ports.jobs.find(&refresh_key(connection.id)).await?);
    }
    operator(ports).hasten_refresh(&connections).await?;
    let mut healths = Vec::new();
    for (connection, before) in connections.into_iter().zip(before) {
        let trouble = match timeout_at(deadline, done(ports, &worker, &connection, before.as_ref())).await {
            Ok(done) => done?,
            Err(_) => Some(format!("no answer within {} s", WAIT_MAX.as_secs())),
        };
        let now = ports.connections.get(connection.tenant, connection.id).await?;
        healths.push(Health { connection: now.unwrap_or(connection), trouble });
    }
    Ok(healths)
}

/// Runs a renewal here, or waits while another process does; answers with why the account is not well.
async fn done(
    ports: &Ports,
    worker: &Worker,
    connection: &Connection,
    before: Option<&Job>,
) -> anyhow::Result<Option<String>> {
    let running = before.is_some_and(|job| job.state == JobState::Running);
    let epoch = before.map_or(0, |job| job.epoch);
    loop {
        let Some(job) = ports.jobs.find(&refresh_key(connection.id)).await? else {
            return Ok(Some("nothing renews it: connect the account again".into()));
        };
        // Each claim counts, so this does not ask two clocks which is right.
        if job.state == JobState::Queued && (running || job.epoch > epoch) {
            let now = ports.connections.get(connection.tenant, connection.id).await?;
            // One that ends soon works today.
            let works = |now: &Connection| matches!(now.status, ConnectionStatus::Active | ConnectionStatus::Expiring);
            let well = now.as_ref().is_some_and(works) && job.attempts == 0;
            let detail = now.and_then(|now| now.status_detail).or(job.note);
            return Ok((!well).then(|| detail.unwrap_or_else(|| "the platform did not renew it".into())));
        }
        let jobs = worker.claim(&[JobKind::TokenRefresh], 1).await?;
        if jobs.is_empty() {
            sleep(LOOK).await;
        }
        for job in jobs {
            worker.run(job).await;
        }
    }
}

pub(super) fn value(healths: &[Health]) -> Value {
    let one = |health: &Health| {
        let Health { connection, trouble } = health;
        json!({
            "id": connection.id, "tenant": connection.tenant, "platform": connection.platform, "handle": connection.handle,
            "status": connection.status, "expires_at": connection.expires_at, "well": trouble.is_none(), "trouble": trouble,
        })
    };
    healths.iter().map(one).collect()
}

pub(super) fn text(healths: &[Health]) -> String {
    let mut table = table(&["account", "status", "until", ""]);
    for Health { connection, trouble } in healths {
        table.add_row([
            format!("{}:@{}", connection.platform, connection.handle),
            connection.status.as_str().to_owned(),
            connection.expires_at.map(|at| at.format("%Y-%m-%d").to_string()).unwrap_or_default(),
            trouble.clone().unwrap_or_else(|| "well".into()),
        ]);
    }
    format!("{table}\n")
}

pub(super) fn code(healths: &[Health]) -> ExitCode {
    let well = healths.iter().all(|health| health.trouble.is_none());
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
