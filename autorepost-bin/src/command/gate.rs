//! `gate`: what must hold before production.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::{
    Context,
    checklist::{Checklist, Look, Skip},
    synthetic,
};
use crate::{cli, setup::services, slo};

/// How long one gate may take.
const GATE_MAX: Duration = Duration::from_secs(600);
/// The largest report of tests that is read, in bytes.
const REPORT_BYTES_MAX: u64 = 64 << 10;

pub async fn gate(context: &Context, options: cli::Gate) -> anyhow::Result<ExitCode> {
    let mut list = Checklist::default();
    list.look("tests", GATE_MAX, async { tests(&options.tests) }).await;
    list.look("migrations", GATE_MAX, migrations(context)).await;
    list.look("synthetic", GATE_MAX, whole_way(context)).await;
    list.look("error budgets", GATE_MAX, budgets(context, &options)).await;
    list.show(context.json)
}

/// What the tests of a commit said, as `scripts/test-status` writes it.
#[derive(Deserialize)]
struct Tests {
    commit: String,
    passed: bool,
    detail: String,
}

fn tests(report: &str) -> Look {
    let text = if report.trim_start().starts_with('{') {
        report.to_owned()
    } else {
        let size = std::fs::metadata(report).with_context(|| format!("{report} cannot be read"))?.len();
        ensure!(size <= REPORT_BYTES_MAX, "{report} is larger than {REPORT_BYTES_MAX} bytes: it is no report of tests");
        std::fs::read_to_string(report).with_context(|| format!("{report} cannot be read"))?
    };
    let Tests { commit, passed, detail } = serde_json::from_str(&text)
        .context("it is no report of tests: JSON with \"commit\", \"passed\" and \"detail\"")?;
    ensure!(passed, "commit {commit}: {detail}");
    Ok(Ok(format!("commit {commit}: {detail}")))
}

async fn migrations(context: &Context) -> Look {
    let schema = services::any_database(&context.config).await?.schema().await?;
    ensure!(schema.pending.is_empty(), "to be applied: {}", schema.pending.join(", "));
    Ok(Ok(format!("{} are applied", schema.applied.len())))
}

async fn whole_way(context: &Context) -> Look {
    let list = synthetic::run(None, context.screen.clone()).await?;
    ensure!(list.failed().is_empty(), "failed: {}", list.failed().join(", "));
    Ok(Ok("a post went all the way, once".into()))
}

async fn budgets(context: &Context, options: &cli::Gate) -> Look {
    let ports = context.ports().await?;
    let all = slo::measure(&ports, options.metrics.as_ref()).await?;
    let spent: Vec<_> =
        all.iter().filter(|one| one.is_spent()).map(|one| format!("{} ({})", one.name, one.detail)).collect();
    ensure!(spent.is_empty(), "spent: {}", spent.join(", "));
    if all.iter().all(|one| one.measured.is_none()) {
        return Ok(Err(Skip("nothing happened in the last 24 hours".into())));
    }
    let told = |one: &slo::Measured| match one.budget_left {
        Some(left) => format!("{}: {:.0} % left", one.name, left * 100.),
        None => format!("{}: not measured", one.name),
    };
    Ok(Ok(all.iter().map(told).collect::<Vec<_>>().join("; ")))
}
