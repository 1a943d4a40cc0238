//! `backfill`.

use std::process::ExitCode;

use autorepost_core::{backfill::PAGES_MAX, operator::BackfillAsk};
use chrono::{DateTime, Utc};

use super::{Context, operator, record, usage};
use crate::cli::{Backfill, Since};

pub async fn backfill(context: &Context, options: Backfill) -> anyhow::Result<ExitCode> {
    let ports = context.ports().await?;
    let operator = operator(&ports);
    let rule = operator.rule(&options.rule).await?;
    let subject = format!("rules/{}", rule.id);
    if options.stop {
        let ended = operator.end_backfill(rule.id).await?;
        record(&operator, Some(rule.tenant), "rules.end_backfill", subject).await?;
        return context.show(&ended, || {
            format!("called off the backfill of rule \"{}\" after {} turns\n", rule.name, ended.released())
        });
    }
    let Some(since) = options.since else {
        let status = operator.backfill(rule.id).await?;
        return context.show(&status, || status.to_string());
    };
    let since = time(since).ok_or_else(|| usage("--since takes a day, a time or \"all\""))?;
    let until = options.until.map(|until| {
        let bad = || usage("--until takes a day or a time");
        time(until).filter(|at| *at > DateTime::<Utc>::UNIX_EPOCH).ok_or_else(bad)
    });
    let ask = BackfillAsk { since, until: until.transpose()?, per_day: Some(options.per_day) };
    if options.dry_run {
        let plan = operator.plan_backfill(&rule, &ask, PAGES_MAX).await?;
        return context.show(&plan, || plan.to_string());
    }
    operator.begin_backfill(&rule, &ask).await?;
    record(&operator, Some(rule.tenant), "rules.backfill", subject).await?;
    let status = operator.backfill(rule.id).await?;
    context.show(&status, || format!("{status}\"autorepost run\" does it.\n"))
}

/// The time that is meant; "all" is the beginning of all posts, and "now" is none.
fn time(since: Since) -> Option<DateTime<Utc>> {
    match since {
        Since::Now => None,
        Since::All => Some(DateTime::<Utc>::UNIX_EPOCH),
        Since::Time(time) => Some(time),
    }
}
