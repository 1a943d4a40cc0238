//! Objectives, and how much of their error budgets the last day has left.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context as _, ensure};
use autorepost_core::{
    id::{RuleId, TenantId},
    port::{Ports, RepostQuery},
    repost::Repost,
    state::RepostState,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::telemetry::metric;

/// The time that an objective looks back on.
pub const WINDOW: TimeDelta = TimeDelta::hours(24);
/// How soon after its post, and the rule's own delay, a publication is in time.
pub const PUBLISH_MAX: TimeDelta = TimeDelta::minutes(15);

/// Of the reposts that ended and were not skipped, so many are published.
pub const PUBLISH_SUCCESS: Objective = Objective { name: "publish success", good_per_mille: 990 };
/// Of the publications, so many are in time ([`PUBLISH_MAX`]): the 95th percentile.
pub const TIME_TO_PUBLISH: Objective = Objective { name: "time to publish", good_per_mille: 950 };
/// Of the answers of the HTTP interface, so many are no 5xx.
pub const API_AVAILABILITY: Objective = Objective { name: "API availability", good_per_mille: 999 };

/// Reposts that one query reads.
const PAGE: u32 = 1_000;
/// Reposts of a tenant that are looked at, the newest posts first. They are not sorted by when they ended.
const REPOSTS_MAX: usize = 200_000;
/// Tenants that one query reads.
const TENANTS_PAGE: u32 = 500;
/// How long a page of metrics may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// The largest page of metrics that is read, in bytes.
const METRICS_BYTES_MAX: usize = 16 << 20;

/// What is to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Objective {
    /// Its name.
    pub name: &'static str,
    /// Of a thousand, so many are good.
    pub good_per_mille: u32,
}

/// What was counted for an objective.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// What was good.
    pub good: u64,
    /// What was not.
    pub bad: u64,
}

impl Count {
    fn add(&mut self, good: bool) {
        if good { self.good += 1 } else { self.bad += 1 }
    }
}

/// An objective beside what was measured.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// The objective.
    pub name: &'static str,
    /// The share that is to be good, from 0 to 1.
    pub objective: f64,
    /// What was counted; nothing when it could not be.
    pub count: Option<Count>,
    /// The share that was good, when there was anything.
    pub measured: Option<f64>,
    /// The share of the error budget that is left: 1 is all of it, below 0 it is overdrawn.
    pub budget_left: Option<f64>,
    /// Where the numbers come from, and what they leave out.
    pub source: String,
    /// More of it, for people.
    pub detail: String,
}

impl Measured {
    fn new(objective: Objective, count: Option<Count>, source: &str, detail: String) -> Self {
        let bad_max = f64::from(1_000 - objective.good_per_mille) / 1e3;
        let counted = count.filter(|count| count.good + count.bad > 0);
        let bad = counted.map(|count| count.bad as f64 / (count.good + count.bad) as f64);
        Self {
            name: objective.name,
            objective: f64::from(objective.good_per_mille) / 1e3,
            count,
            measured: bad.map(|bad| 1. - bad),
            budget_left: count.map(|_| 1. - bad.unwrap_or(0.) / bad_max),
            source: source.into(),
            detail,
        }
    }

    /// Whether nothing of the budget is left. Rounding spends none.
    pub fn is_spent(&self) -> bool {
        self.budget_left.is_some_and(|left| left < 1e-9)
    }
}

/// Measures every objective. Without the page of an api's metrics its availability is not measured.
///
/// # Errors
///
/// When the database or the page does not answer.
pub async fn measure(ports: &Ports, metrics: Option<&url::Url>) -> anyhow::Result<Vec<Measured>> {
    let since = ports.clock.now() - WINDOW;
    let mut ended = Ended::default();
    for tenant in tenants(ports).await? {
        ended.read(ports, tenant, since).await?;
    }
    let mut all = ended.measured();
    all.push(match metrics {
        Some(page) => availability(&fetch(page).await?)?,
        None => Measured::new(
            API_AVAILABILITY,
            None,
            "not measured: the database has nothing of it",
            "--metrics names the page /metrics of an api".into(),
        ),
    });
    Ok(all)
}

/// Every tenant, the oldest first.
///
/// # Errors
///
/// When the database does not answer.
pub async fn tenants(ports: &Ports) -> autorepost_core::Result<Vec<TenantId>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = ports.access.tenants(after, TENANTS_PAGE).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.id);
        all.extend(page.iter().map(|tenant| tenant.id));
    }
}

#[derive(Default)]
struct Ended {
    success: Count,
    in_time: Count,
    times: Vec<TimeDelta>,
    cut: bool,
}

impl Ended {
    async fn read(&mut self, ports: &Ports, tenant: TenantId, since: DateTime<Utc>) -> anyhow::Result<()> {
        let mut query = RepostQuery {
            states: vec!["published", "failed", "unconfirmed"],
            newest_first: true,
            limit: PAGE,
            ..RepostQuery::default()
        };
        // When each rule was made, and its delay.
        let mut rules: HashMap<RuleId, Option<(DateTime<Utc>, TimeDelta)>> = HashMap::new();
        let mut read = 0;
        loop {
            let page = ports.reposts.list(tenant, &query).await?;
            let Some(last) = page.last() else { return Ok(()) };
            query.after = Some((last.posted_at, last.id));
            for repost in &page {
                let RepostState::Published { receipt, .. } = &repost.state else {
                    if repost.updated_at >= since {
                        self.success.add(false);
                    }
                    continue;
                };
                if receipt.at < since {
                    continue;
                }
                self.success.add(true);
                if !rules.contains_key(&repost.rule) {
                    let rule = ports.rules.get(tenant, repost.rule).await?;
                    let known = rule.map(|rule| (rule.created_at, TimeDelta::seconds(i64::from(rule.spec.delay_secs))));
                    rules.insert(repost.rule, known);
                }
                self.time(repost, receipt.at, rules[&repost.rule]);
            }
            read += page.len();
            if read >= REPOSTS_MAX {
                self.cut = true;
                return Ok(());
            }
        }
    }

    /// Posts that are older than their rule came late through no fault of ours.
    fn time(&mut self, repost: &Repost, at: DateTime<Utc>, rule: Option<(DateTime<Utc>, TimeDelta)>) {
        let Some((made_at, delay)) = rule else { return };
        if repost.posted_at < made_at {
            return;
        }
        let took = at - repost.posted_at - delay;
        self.in_time.add(took <= PUBLISH_MAX);
        self.times.push(took);
    }

    fn measured(mut self) -> Vec<Measured> {
        let cut = if self.cut { "; only the newest posts of a tenant were looked at" } else { "" };
        let source = format!("database: reposts that ended in the last 24 hours{cut}");
        let source_of_times = format!("{source}, less posts that are older than their rule");
        let ended = format!("{} published, {} failed or in doubt", self.success.good, self.success.bad);
        self.times.sort_unstable();
        let p95 = percentile(&self.times, 95).map(|time| format!("p95 {:.0} s", time.num_milliseconds() as f64 / 1e3));
        let late = format!(
            "{}, {} later than {} s",
            p95.unwrap_or_else(|| "nothing was published".into()),
            self.in_time.bad,
            PUBLISH_MAX.num_seconds()
        );
        vec![
            Measured::new(PUBLISH_SUCCESS, Some(self.success), &source, ended),
            Measured::new(TIME_TO_PUBLISH, Some(self.in_time), &source_of_times, late),
        ]
    }
}

/// The value that so many of a hundred do not exceed, of a sorted list.
pub fn percentile<T: Copy>(sorted: &[T], of_hundred: usize) -> Option<T> {
    let rank = (sorted.len() * of_hundred).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied()
}

async fn fetch(page: &url::Url) -> anyhow::Result<String> {
    let client = reqwest::Client::builder().timeout(ANSWER_MAX).redirect(reqwest::redirect::Policy::none()).build()?;
    let asking = async {
        let mut answer = client.get(page.clone()).send().await?.error_for_status()?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            bytes.extend_from_slice(&chunk);
            ensure!(bytes.len() <= METRICS_BYTES_MAX, "it is larger than {METRICS_BYTES_MAX} bytes");
        }
        anyhow::Ok(String::from_utf8(bytes)?)
    };
    asking.await.context("the page of metrics cannot be read")
}

/// Counts the answers on a page of metrics.
fn availability(page: &str) -> anyhow::Result<Measured> {
    let mut count = Count::default();
    let mut seen = false;
    for line in page.lines() {
        let Some(rest) = line.strip_prefix(metric::ANSWERS.name).and_then(|rest| rest.strip_prefix('{')) else {
            continue;
        };
        let (labels, value) = rest.split_once('}').context("a line of the page is no metric")?;
        let value = value.trim().parse::<f64>().context("a line of the page has no number")? as u64;
        seen = true;
        if labels.contains("class=\"5xx\"") { count.bad += value } else { count.good += value }
    }
    ensure!(seen, "the page has no {}: it is not the one of an api", metric::ANSWERS.name);
    let source = "one api's /metrics: its answers since it started, which may be less or more than 24 hours";
    Ok(Measured::new(
        API_AVAILABILITY,
        Some(count),
        source,
        format!("{} answers, {} of them 5xx", count.good + count.bad, count.bad),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent_when_as_much_is_bad_as_may_be() {
        let left = |good, bad| Measured::new(PUBLISH_SUCCESS, Some(Count { good, bad }), "", String::new());
        assert_eq!(left(0, 0).budget_left, Some(1.));
        assert!(!left(995, 5).is_spent() && (left(995, 5).budget_left.unwrap() - 0.5).abs() < 1e-9);
        assert!(left(990, 10).is_spent() && left(0, 1).is_spent());
        assert!(!Measured::new(API_AVAILABILITY, None, "", String::new()).is_spent());
    }

    #[test]
    fn answers_are_counted_from_a_page_of_metrics() {
        let page = "# TYPE autorepost_http_answers_total counter\nautorepost_http_answers_total{class=\"2xx\"} 998\n\
                    autorepost_http_answers_total{class=\"5xx\"} 2\nother{class=\"5xx\"} 7\n";
        let measured = availability(page).unwrap();
        assert_eq!(measured.count, Some(Count { good: 998, bad: 2 }));
        assert!(measured.is_spent());
        assert!(availability("up 1\n").is_err());
    }

    #[test]
    fn percentiles_are_of_the_list() {
        assert_eq!(percentile::<u32>(&[], 95), None);
        assert_eq!(percentile(&[7], 95), Some(7));
        assert_eq!(percentile(&(1..=100).collect::<Vec<u32>>(), 95), Some(95));
    }
}
