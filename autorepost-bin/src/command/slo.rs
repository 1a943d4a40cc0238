//! `slo`: how much of each error budget the last 24 hours have used.

use std::{collections::BTreeMap, process::ExitCode};

use autorepost_core::{
    id::{AuditId, RuleId, TenantId},
    port::{AuditQuery, Ports, RepostQuery},
    repost::Repost,
    rule::Rule,
    state::RepostState,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::{Context, table};

/// The window of every objective.
pub const WINDOW: TimeDelta = TimeDelta::hours(24);
/// Of the reposts that came to an end other than "skipped", so many are published.
const SUCCESS: f64 = 0.99;
/// Of the publications, so many are public within [`SOON`] of the time at which they were due.
const TIMELY: f64 = 0.95;
/// Due is a post when it was found, or when its rule's delay is over.
const SOON: TimeDelta = TimeDelta::minutes(10);
/// Of the requests that change something through the HTTP interface, so many are answered by no fault of ours.
const ANSWERED: f64 = 0.999;
/// How old the posts are at most whose reposts are looked at: older ones that end within the window do not count.
const POSTED_WITHIN: TimeDelta = TimeDelta::days(7);
/// Rows that one query reads, and rows that are read in all.
const PAGE: u32 = 1_000;
const ROWS_MAX: usize = 100_000;

/// An objective, and how the window did.
#[derive(Debug, Serialize)]
pub struct Budget {
    /// What it is about.
    pub name: &'static str,
    /// The share of good ones that is promised.
    pub objective: f64,
    /// How many there were.
    pub total: u64,
    /// How many of them were bad.
    pub bad: u64,
}

impl Budget {
    /// The share of good ones; all of nothing are good.
    fn measured(&self) -> f64 {
        if self.total == 0 { 1.0 } else { 1.0 - self.bad as f64 / self.total as f64 }
    }

    /// How much of what may go wrong has not gone wrong yet; below zero it is overspent.
    fn left(&self) -> f64 {
        1.0 - (1.0 - self.measured()) / (1.0 - self.objective)
    }

    /// Whether the objective is met. A single failure among few is no trend, and spends nothing.
    pub fn holds(&self) -> bool {
        self.bad <= 1 && (self.total as f64) < 1.0 / (1.0 - self.objective) || self.left() >= 0.0
    }
}

pub async fn slo(context: &Context) -> anyhow::Result<ExitCode> {
    let ports = context.ports().await?;
    let budgets = budgets(&ports).await?;
    context.show(&budgets, || {
        let mut table = table(&["over 24 hours", "objective", "measured", "of", "bad", "budget left", ""]);
        for budget in &budgets {
            table.add_row([
                budget.name.to_owned(),
                percent(budget.objective),
                percent(budget.measured()),
                budget.total.to_string(),
                budget.bad.to_string(),
                percent(budget.left().max(0.0)),
                if budget.holds() { "ok" } else { "SPENT" }.to_owned(),
            ]);
        }
        format!("{table}\n")
    })?;
    Ok(if budgets.iter().all(Budget::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// Every objective, over the whole installation.
pub async fn budgets(ports: &Ports) -> anyhow::Result<[Budget; 3]> {
    let now = ports.clock.now();
    let since = now - WINDOW;
    let mut success = Budget { name: "publications that succeed", objective: SUCCESS, total: 0, bad: 0 };
    let mut timely = Budget { name: "publications within 10 minutes", objective: TIMELY, total: 0, bad: 0 };
    let mut answered = Budget { name: "answers of the interface", objective: ANSWERED, total: 0, bad: 0 };
    let tenants = tenants(ports).await?;
    for tenant in &tenants {
        let rules: BTreeMap<RuleId, Rule> =
            ports.rules.list(*tenant).await?.into_iter().map(|rule| (rule.id, rule)).collect();
        for repost in recent(ports, *tenant, now - POSTED_WITHIN).await? {
            count_repost(&repost, &rules, since, (&mut success, &mut timely));
        }
        count_requests(ports, Some(*tenant), (since, now), &mut answered).await?;
    }
    count_requests(ports, None, (since, now), &mut answered).await?;
    Ok([success, timely, answered])
}

/// Every tenant.
pub async fn tenants(ports: &Ports) -> anyhow::Result<Vec<TenantId>> {
    let mut tenants = Vec::new();
    loop {
        let page = ports.access.tenants(tenants.last().copied(), PAGE).await?;
        tenants.extend(page.iter().map(|tenant| tenant.id));
        if page.len() < PAGE as usize {
            return Ok(tenants);
        }
    }
}

/// The reposts of posts that were made since.
async fn recent(ports: &Ports, tenant: TenantId, since: DateTime<Utc>) -> anyhow::Result<Vec<Repost>> {
    let mut query = RepostQuery { newest_first: true, limit: PAGE, ..RepostQuery::default() };
    let mut rows: Vec<Repost> = Vec::new();
    loop {
        let page = ports.reposts.list(tenant, &query).await?;
        let full = page.len() >= PAGE as usize;
        query.after = page.last().map(|last| (last.posted_at, last.id));
        let before = rows.len();
        rows.extend(page.into_iter().filter(|repost| repost.posted_at >= since));
        if !full || rows.len() < before + PAGE as usize || rows.len() >= ROWS_MAX {
            return Ok(rows);
        }
    }
}

fn count_repost(
    repost: &Repost,
    rules: &BTreeMap<RuleId, Rule>,
    since: DateTime<Utc>,
    (success, timely): (&mut Budget, &mut Budget),
) {
    match &repost.state {
        RepostState::Published { receipt, .. } if receipt.at >= since => {
            success.total += 1;
            let delayed = rules.get(&repost.rule).map(|rule| rule.spec.due_at(repost.posted_at));
            let due = delayed.map_or(repost.created_at, |due| due.max(repost.created_at));
            timely.total += 1;
            timely.bad += u64::from(receipt.at - due > SOON);
        }
        RepostState::Failed { .. } | RepostState::Unconfirmed { .. } if repost.updated_at >= since => {
            success.total += 1;
            success.bad += 1;
        }
        _ => {}
    }
}

/// Counts by the audit log, which has a line for each request that changes something before it is done, and one for its
/// outcome.
async fn count_requests(
    ports: &Ports,
    tenant: Option<TenantId>,
    (since, now): (DateTime<Utc>, DateTime<Utc>),
    answered: &mut Budget,
) -> anyhow::Result<()> {
    // Requests without an outcome yet; the log is read from its end.
    let mut outcomes: BTreeMap<String, bool> = BTreeMap::new();
    let (mut after, mut rows) = (None::<(DateTime<Utc>, AuditId)>, 0);
    loop {
        let page = ports.audit.list(&AuditQuery { tenant, after, limit: PAGE }).await?;
        let full = page.len() >= PAGE as usize;
        after = page.last().map(|last| (last.at, last.id));
        rows += page.len();
        let mut older = false;
        for entry in page {
            older = entry.at < since;
            if older {
                break;
            }
            match entry.detail.as_str() {
                "asked" => {
                    // What was asked for a moment ago may still be done.
                    let lost = now - entry.at > TimeDelta::minutes(5);
                    let well = outcomes.remove(&entry.request).unwrap_or(!lost);
                    answered.total += 1;
                    answered.bad += u64::from(!well);
                }
                detail => drop(outcomes.insert(entry.request, !detail.starts_with("refused with 5"))),
            }
        }
        if !full || older || rows >= ROWS_MAX {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(objective: f64, total: u64, bad: u64) -> Budget {
        Budget { name: "", objective, total, bad }
    }

    #[test]
    fn a_budget_is_spent_by_more_than_its_share() {
        assert!(budget(0.99, 0, 0).holds(), "nothing is no failure");
        assert!(budget(0.99, 1_000, 10).holds());
        assert!(!budget(0.99, 1_000, 11).holds());
        assert_eq!(budget(0.99, 1_000, 5).left().mul_add(100.0, 0.5).floor(), 50.0);
        assert!(budget(0.99, 20, 1).holds(), "one among few is no trend");
        assert!(!budget(0.99, 20, 2).holds());
    }
}
