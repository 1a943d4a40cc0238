//! `gate`: what must hold before a deployment to production.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use autorepost_core::port::{AuditQuery, Ports};
use chrono::TimeDelta;

use super::{Context, checklist::Checklist, slo, synthetic};
use crate::{cli, setup::services};

/// How old a synthetic run may be.
const SYNTHETIC_MAX: TimeDelta = TimeDelta::hours(24);
/// Lines of the audit log that one query reads, and lines that are read in all.
const PAGE: u32 = 1_000;
const LINES_MAX: usize = 100_000;

pub async fn gate(context: &Context, options: cli::Gate) -> anyhow::Result<ExitCode> {
    let mut list = Checklist::default();
    list.run("tests", async {
        let run = options.tests.context("nobody says that they passed: give the run that did with --tests")?;
        Ok(format!("passed, by {run}"))
    })
    .await;
    list.run("migrations", async {
        let schema = services::any_database(&context.config).await?.schema().await?;
        if !schema.pending.is_empty() {
            bail!("to be applied first: {}", schema.pending.join(", "));
        }
        Ok(format!("all {} are applied", schema.applied.len()))
    })
    .await;
    list.run("synthetic run", async { last_synthetic(&context.ports().await?).await }).await;
    list.run("error budgets", async {
        let budgets = slo::budgets(&context.ports().await?).await?;
        let spent: Vec<_> = budgets.iter().filter(|one| !one.holds()).map(|one| one.name).collect();
        if !spent.is_empty() {
            bail!("spent within 24 hours: {} (\"autorepost slo\" tells more)", spent.join(", "));
        }
        Ok("none is spent within 24 hours".into())
    })
    .await;
    list.show(context)
}

/// The last synthetic run that went well, by the audit log.
async fn last_synthetic(ports: &Ports) -> anyhow::Result<String> {
    let since = ports.clock.now() - SYNTHETIC_MAX;
    let (mut after, mut lines) = (None, 0);
    loop {
        let page = ports.audit.list(&AuditQuery { tenant: None, after, limit: PAGE }).await?;
        if let Some(run) = page.iter().find(|entry| entry.action == synthetic::ACTION && entry.at >= since) {
            return Ok(format!("went well at {} ({})", run.at.format("%Y-%m-%d %H:%M UTC"), run.subject));
        }
        lines += page.len();
        after = page.last().map(|last| (last.at, last.id));
        let older = page.last().is_some_and(|last| last.at < since);
        if page.len() < PAGE as usize || older || lines >= LINES_MAX {
            bail!("none went well within 24 hours: run \"autorepost synthetic --record\"");
        }
    }
}
