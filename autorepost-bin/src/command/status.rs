//! `status`.

use std::{collections::BTreeMap, process::ExitCode};

use autorepost_core::{
    Platform,
    connection::Connection,
    job::sync_key,
    port::{Ports, RepostQuery},
    repost::Repost,
    state::Owner,
};
use autorepost_platforms::instagram::versions;
use chrono::{DateTime, Utc};
use serde_json::json;

use super::{Context, brief, operator, table};

/// Reposts that are counted at most.
const REPOSTS_MAX: u32 = 10_000;
/// Reposts that are named because somebody must act.
const NAMED_MAX: usize = 20;

pub async fn status(context: &Context) -> anyhow::Result<ExitCode> {
    let ports = context.ports().await?;
    let operator = operator(&ports);
    let now = ports.clock.now();
    let connections = operator.connections().await?;
    let mut accounts = Vec::new();
    for connection in &connections {
        accounts.push(account(&ports, connection).await?);
    }
    let query = RepostQuery { limit: REPOSTS_MAX, ..RepostQuery::default() };
    let reposts = ports.reposts.list(operator.tenant(), &query).await?;
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for repost in &reposts {
        *states.entry(repost.state.name()).or_default() += 1;
    }
    let looked = |repost: &Repost| repost.state.inspection().is_some_and(|seen| seen.standing.needs_attention());
    let needing =
        |repost: &&Repost| matches!(repost.state.name(), "failed" | "unconfirmed" | "waiting") || looked(repost);
    let need: Vec<_> = reposts.iter().filter(needing).collect();
    let jobs = ports.jobs.stats().await?;
    let jobs: Vec<_> = jobs
        .iter()
        .map(|one| json!({ "kind": one.kind, "state": one.state, "count": one.count, "oldest": one.oldest }))
        .collect();
    let brakes = operator.brakes().await?;
    let backfills = operator.backfills().await?;
    let warning = versions::warning(&context.config.instagram_version, now);
    let value = json!({ "warning": warning, "accounts": accounts, "reposts": states, "need": need, "jobs": jobs, "brakes": brakes, "backfills": backfills });
    context.show(&value, || {
        if connections.is_empty() {
            return "no account is connected: use \"autorepost connect\"\n".into();
        }
        let mut head = table(&["account", "status", "credential", "last look", "next look"]);
        for account in &accounts {
            let text = |key: &str| account[key].as_str().unwrap_or_default().to_owned();
            let since = |key: &str| account[key].as_str().and_then(|at| at.parse().ok()).map(|at| ago(at, now));
            let expires = since("expires_at").unwrap_or_else(|| "no end".into());
            head.add_row([
                format!("{}:@{}", text("platform"), text("handle")),
                text("status"),
                expires,
                since("last_ok_at").unwrap_or_default(),
                since("next_at").unwrap_or_default(),
            ]);
        }
        let mut out = format!("{head}\n");
        if let Some(warning) = &warning {
            out.push_str(&format!("{warning}\n"));
        }
        for brake in &brakes {
            out.push_str(&format!("publishing is stopped: {} (\"autorepost resume\" lets it go on)\n", brake.reason));
        }
        for account in accounts.iter().filter(|account| account["paused"] == true) {
            let text = |key: &str| account[key].as_str().unwrap_or_default();
            out.push_str(&format!("{}:@{} is paused\n", text("platform"), text("handle")));
        }
        for account in &accounts {
            let text = |key: &str| account[key].as_str().unwrap_or_default();
            if let Some(detail) = account["detail"].as_str() {
                out.push_str(&format!("{}:@{}: {detail}\n", text("platform"), text("handle")));
            }
        }
        for backfill in &backfills {
            out.push_str(&backfill.to_string());
        }
        out.push_str("\nreposts: ");
        let counts: Vec<_> = states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        out.push_str(&if counts.is_empty() { "none so far".to_owned() } else { counts.join(", ") });
        out.push('\n');
        for repost in need.iter().take(NAMED_MAX) {
            let reason = repost.state.reason();
            let standing = repost.state.inspection().map(|seen| seen.standing.to_string());
            let why = reason.map(|reason| reason.text.clone()).or(standing).unwrap_or_default();
            let why = brief(&why, 90);
            let owner = reason.map_or(Owner::Operator, |reason| reason.owner).text();
            let (platform, state) = (repost.key.platform.title(), repost.state.name());
            out.push_str(&format!("  {platform} {} {state}: {why} ({owner})\n", repost.key.post));
        }
        if need.len() > NAMED_MAX {
            out.push_str(&format!("  and {} more: \"autorepost posts\"\n", need.len() - NAMED_MAX));
        }
        out
    })
}

async fn account(ports: &Ports, connection: &Connection) -> anyhow::Result<serde_json::Value> {
    let (mut last, mut next) = (None, None);
    if connection.platform == Platform::TikTok {
        last = ports.posts.cursor(connection.tenant, connection.id).await?.last_ok_at;
        next = ports.jobs.find(&sync_key(connection.id)).await?.map(|job| job.new.run_at);
    }
    Ok(json!({
        "id": connection.id, "platform": connection.platform, "handle": connection.handle,
        "account": connection.account, "status": connection.status, "detail": connection.status_detail,
        "paused": connection.paused, "expires_at": connection.expires_at, "last_ok_at": last, "next_at": next,
    }))
}

/// A time as people say it.
fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let secs = (at - now).num_seconds();
    let span = match secs.unsigned_abs() {
        secs @ 0..120 => format!("{secs} s"),
        secs @ 120..7_200 => format!("{} min", secs / 60),
        secs @ 7_200..172_800 => format!("{} h", secs / 3_600),
        secs => format!("{} days", secs / 86_400),
    };
    match secs {
        0 => "now".into(),
        ..0 => format!("{span} ago"),
        _ => format!("in {span}"),
    }
}
