//! `sync`, `repost`, `settle`, `posts`, `explain`, `plan`.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use anyhow::bail;
use autorepost_core::{
    Platform,
    connection::Connection,
    job::{JobKind, JobState, sync_key},
    operator::{Destinations, Operator, Settled},
    port::{Ports, RepostQuery},
    post::{Post, PostKind},
    repost::Repost,
    state::RepostState,
    worker::Worker,
};
use serde_json::json;

use super::{Context, brief, operator, record, table};
use crate::cli;

/// How long `sync` waits for a source.
const SYNC_MAX: Duration = Duration::from_secs(120);
/// Reposts that one table looks at.
const REPOSTS_MAX: u32 = 10_000;

pub async fn sync(context: &Context, options: cli::Sync) -> anyhow::Result<ExitCode> {
    let ports = context.ports().await?;
    let operator = operator(&ports);
    let source = match &options.from {
        Some(name) => Some(operator.connection(name).await?.id),
        None => None,
    };
    let sources = operator.hasten_sync(source).await?;
    if sources.is_empty() {
        bail!("no TikTok account is connected: use \"autorepost connect tiktok\"");
    }
    let began = ports.clock.now();
    let worker = Worker::new(ports.clone(), context.config.policy(), format!("sync-{}", std::process::id()));
    let looked = async {
        for source in &sources {
            look(&ports, &worker, source).await?;
        }
        anyhow::Ok(())
    };
    match tokio::time::timeout(SYNC_MAX, looked).await {
        Ok(looked) => looked?,
        Err(_) => bail!("the sources did not answer within {} s", SYNC_MAX.as_secs()),
    }
    let mut broken = Vec::new();
    for source in operator.connections().await?.into_iter().filter(|one| sources.iter().any(|s| s.id == one.id)) {
        if let Some(detail) = source.status_detail {
            broken.push(format!("{}:@{} {}: {detail}", source.platform, source.handle, source.status.as_str()));
        }
    }
    let mut new = operator.posts(1_000).await?;
    new.retain(|post| post.found_at >= began);
    let shown = context.show(&json!({ "new": new, "broken": broken }), || {
        let mut text = String::new();
        for post in new.iter().rev() {
            let at = post.found.posted_at.format("%Y-%m-%d %H:%M");
            text.push_str(&format!("new {} {at} {}\n", post.found.key, brief(&post.found.caption, 60)));
        }
        text.push_str(&format!("{} new post{}\n", new.len(), if new.len() == 1 { "" } else { "s" }));
        text
    })?;
    for source in &broken {
        eprintln!("autorepost: {source}");
    }
    Ok(if broken.is_empty() { shown } else { ExitCode::FAILURE })
}

/// Runs a source's look here, or waits while another process does.
async fn look(ports: &Ports, worker: &Worker, source: &Connection) -> anyhow::Result<()> {
    let key = sync_key(source.id);
    let began = ports.clock.now();
    loop {
        match ports.jobs.find(&key).await? {
            None => return Ok(()),
            Some(job) if job.state == JobState::Queued && job.new.run_at > began => return Ok(()),
            Some(_) => {}
        }
        let jobs = worker.claim(&[JobKind::TiktokSync], 1).await?;
        if jobs.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for job in jobs {
            worker.run(job).await;
        }
    }
}

pub async fn repost(context: &Context, options: cli::Repost) -> anyhow::Result<ExitCode> {
    let ports = context.ports().await?;
    let operator = operator(&ports);
    let post = operator.post(&options.post).await?;
    let to = match &options.to {
        Some(name) => Destinations::One(operator.connection(name).await?.id),
        None => Destinations::All,
    };
    let answers = operator.repost(&post, to).await?;
    record(&operator, Some(post.tenant), "reposts.ask", format!("posts/{}", post.id)).await?;
    context.show(&answers, || {
        let mut text: String =
            answers.iter().map(|one| format!("{:<9} {}\n", one.platform.title(), one.answer)).collect();
        if answers.iter().any(|one| one.queued) {
            text.push_str("\"autorepost run\" does it.\n");
        }
        text
    })
}

pub async fn settle(context: &Context, options: cli::Settle) -> anyhow::Result<ExitCode> {
    let ports = context.ports().await?;
    let operator = operator(&ports);
    let post = operator.post(&options.post).await?;
    let to = operator.connection(&options.to).await?.id;
    let (action, seen) = match options.absent {
        true => ("reposts.deny", Settled::Absent),
        false => ("reposts.confirm", Settled::Published { id: options.id, url: options.url }),
    };
    let repost = operator.settle(&post, to, seen).await?;
    record(&operator, Some(repost.tenant), action, format!("reposts/{}", repost.id)).await?;
    context.show(&repost, || format!("{} is {}\n", repost.key.platform.title(), repost.state.name()))
}

pub async fn explain(context: &Context, options: cli::Explain) -> anyhow::Result<ExitCode> {
    let ports = context.ports().await?;
    let operator = operator(&ports);
    let post = operator.post(&options.post).await?;
    let explanation = operator.explain(&post).await?;
    context.show(&explanation, || explanation.to_string())
}

pub async fn plan(context: &Context, options: cli::Plan) -> anyhow::Result<ExitCode> {
    let ports = context.ports().await?;
    let operator = operator(&ports);
    let mut sources = operator.connections().await?;
    sources.retain(|one| one.platform == Platform::TikTok);
    if let Some(name) = &options.from {
        sources = vec![operator.connection(name).await?];
    }
    if sources.is_empty() {
        bail!("no TikTok account is connected: use \"autorepost connect tiktok\"");
    }
    let mut planned = Vec::new();
    for source in &sources {
        planned.extend(operator.plan(source, options.pages).await?);
    }
    context.show(&planned, || {
        let mut text: String = planned.iter().map(ToString::to_string).collect();
        if planned.is_empty() {
            text.push_str("the sources show no posts\n");
        } else if options.pages == 1 {
            text.push_str("\nThis is the newest page; --pages N looks at more.\n");
        }
        text
    })
}

pub async fn posts(context: &Context, options: cli::Posts) -> anyhow::Result<ExitCode> {
    let ports = context.ports().await?;
    let operator = operator(&ports);
    let posts = operator.posts(options.limit).await?;
    let reposts = reposts(&ports, &operator, &posts).await?;
    let columns: Vec<_> =
        operator.connections().await?.into_iter().filter(|c| c.platform != Platform::TikTok).collect();
    let value: Vec<_> = posts
        .iter()
        .map(|post| json!({ "post": post, "reposts": reposts.get(&post.id).map_or(&[][..], Vec::as_slice) }))
        .collect();
    context.show(&value, || {
        if posts.is_empty() {
            return "no posts were found so far: \"autorepost sync\" looks now\n".into();
        }
        let mut head = vec!["posted".to_owned(), "post".to_owned()];
        head.extend(columns.iter().map(|one| format!("{}:@{}", one.platform, one.handle)));
        let mut table = table(&head.iter().map(String::as_str).collect::<Vec<_>>());
        for post in &posts {
            let what = match post.found.kind {
                PostKind::Video { .. } => brief(&post.found.caption, 32),
                PostKind::Unusable { why } => format!("({})", why.text()),
            };
            let at = post.found.posted_at.format("%Y-%m-%d %H:%M").to_string();
            let mut row = vec![at, format!("{}\n{what}", post.found.key)];
            for column in &columns {
                let same = |one: &&Repost| one.key.platform == column.platform && one.key.account == column.account;
                let repost = reposts.get(&post.id).and_then(|reposts| reposts.iter().find(same));
                row.push(repost.map_or_else(|| "-".into(), cell));
            }
            table.add_row(row);
        }
        format!("{table}\n")
    })
}

fn cell(repost: &Repost) -> String {
    match &repost.state {
        RepostState::Published { receipt, inspection, .. } => {
            let standing = inspection.as_ref().map(|seen| &seen.standing).filter(|seen| seen.needs_attention());
            let but = standing.map(|seen| format!(", but {}", brief(&seen.to_string(), 48))).unwrap_or_default();
            format!("published{but}\n{}", receipt.url.as_deref().or(receipt.id.as_deref()).unwrap_or_default())
        }
        state => match state.reason() {
            Some(reason) => format!("{}\n{}", state.name(), brief(&reason.text, 48)),
            None => state.name().to_owned(),
        },
    }
}

async fn reposts(
    ports: &Ports,
    operator: &Operator<'_>,
    posts: &[Post],
) -> anyhow::Result<BTreeMap<autorepost_core::id::PostId, Vec<Repost>>> {
    let mut reposts: BTreeMap<_, Vec<Repost>> = BTreeMap::new();
    for post in posts {
        let query = RepostQuery { post: Some(post.id), limit: REPOSTS_MAX, ..RepostQuery::default() };
        reposts.insert(post.id, ports.reposts.list(operator.tenant(), &query).await?);
    }
    Ok(reposts)
}
