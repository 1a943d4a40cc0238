//! `synthetic`: one post, from the look at its source to its publication everywhere, with the time of each step.

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use autorepost_core::{
    id::TenantId,
    job::sync_key,
    operator::{Destinations, Operator},
    policy::Policy,
    port::{Ports, PostQuery, RepostQuery},
    post::{Post, PostKind},
    repost::Repost,
    state::RepostState,
};
use tokio::time::{sleep, timeout};

use super::{Context, checklist::Checklist, operator, record};
use crate::{
    ambient::Log,
    cli,
    demo::{Play, stage},
    screen::Bars,
};

/// As the audit log calls a run that went well. `gate` looks for it.
pub const ACTION: &str = "synthetic.run";
/// The time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Posts of a test account among which one that was never reposted is looked for.
const POSTS_MAX: u32 = 1_000;
const REPOSTS_MAX: u32 = 1_000;
/// What ends a step of a repost, and what the step is called.
const STEPS: [(&str, &str); 5] = [
    ("prepared", "fetched and prepared"),
    ("began", "upload begun"),
    ("uploaded", "uploaded"),
    ("intended", "processed by the platform"),
    ("confirmed", "committed and confirmed"),
];

pub async fn synthetic(context: &Context, options: cli::Synthetic) -> anyhow::Result<ExitCode> {
    let wait = Duration::from_secs(options.wait);
    let mut list = Checklist::default();
    let subject = match &options.rule {
        Some(name) => {
            let ports = context.ports().await?;
            on_test_accounts(&operator(&ports), name, wait, &mut list).await?;
            format!("rules/{name}")
        }
        None => {
            against_the_sandbox(context, wait, &mut list).await?;
            "sandbox".to_owned()
        }
    };
    if options.record && list.wrong().is_empty() {
        let ports = context.ports().await?;
        record(&operator(&ports), None, ACTION, subject).await?;
    }
    list.show(context)
}

/// An installation of its own in this process, and a post of its own.
async fn against_the_sandbox(context: &Context, wait: Duration, list: &mut Checklist) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let scene = stage::Options { bare: true, ..stage::Options::default() };
    let events = Arc::new(Bars::new(context.screen.clone(), Log));
    let play = Play::begin(folder.path(), &scene, events, Policy::brisk()).await?;
    let operator = Operator::new(&play.ports, TenantId::OWNER, super::OPERATOR);
    let key = stage::post_now(&play.sandbox, folder.path(), 0)?;
    let began = Instant::now();
    let found = timeout(wait, async {
        loop {
            match operator.post(&key).await {
                Ok(post) => return Ok::<_, anyhow::Error>(post),
                Err(_) => sleep(LOOK_EVERY).await,
            }
        }
    });
    let Ok(post) = found.await else {
        list.note("sync", Err(format!("the post was not found within {} s", wait.as_secs())), began.elapsed());
        return Ok(());
    };
    list.note("sync", Ok::<_, String>(format!("found post {key}")), began.elapsed());
    follow(&play.ports, &post?, stage::DESTINATIONS, wait.saturating_sub(began.elapsed()), list).await?;
    let (_, sandbox) = play.end().await?;
    let shown = sandbox.world().ledger().len();
    let once = match shown == stage::DESTINATIONS {
        true => Ok(format!("{shown} posts, one at each destination")),
        false => Err(format!("{shown} posts instead of {}", stage::DESTINATIONS)),
    };
    list.note("the public sees", once, Duration::ZERO);
    Ok(())
}

/// The workers of the installation do it: with a post of a test account that was never reposted.
async fn on_test_accounts(
    operator: &Operator<'_>,
    rule: &str,
    wait: Duration,
    list: &mut Checklist,
) -> anyhow::Result<()> {
    let rule = operator.rule(rule).await?;
    let ports = operator.ports();
    list.run("sync", synced(operator, &sync_key(rule.source), wait)).await;
    if !list.wrong().is_empty() {
        return Ok(());
    }
    let query = PostQuery { connection: Some(rule.source), limit: POSTS_MAX, ..PostQuery::default() };
    let mut unposted = None;
    for post in ports.posts.list(operator.tenant(), &query).await? {
        if matches!(post.found.kind, PostKind::Unusable { .. }) {
            continue;
        }
        let query = RepostQuery { post: Some(post.id), limit: REPOSTS_MAX, ..RepostQuery::default() };
        let known = ports.reposts.list(operator.tenant(), &query).await?;
        let done = |repost: &Repost| !matches!(repost.state, RepostState::Skipped { .. });
        if !known.iter().any(done) {
            unposted = Some(post);
            break;
        }
    }
    let Some(post) = unposted else {
        bail!(
            "every post of the source of rule \"{}\" was reposted already: make another on the test account, or let the rule \
             leave some out",
            rule.name
        );
    };
    let asked = operator.repost(&post, Destinations::All).await?;
    follow(ports, &post, asked.len(), wait, list).await
}

/// Lets a worker of the installation look at the source.
async fn synced(operator: &Operator<'_>, key: &str, wait: Duration) -> anyhow::Result<String> {
    ran(operator.ports(), key, wait).await.context("no worker looked at the source: is one running?")?;
    Ok("a worker looked at the source".into())
}

/// Makes a job due, and waits until a worker has run it.
pub async fn ran(ports: &Ports, key: &str, wait: Duration) -> anyhow::Result<()> {
    let before = ports.jobs.find(key).await?.with_context(|| format!("there is no job {key}"))?;
    ports.jobs.hasten(&[key.to_owned()]).await?;
    ports.wake.wake();
    let done = timeout(wait, async {
        loop {
            let now = ports.jobs.find(key).await?;
            // It is put back, or ended, by whoever claimed it.
            if now.is_none_or(|now| now.epoch > before.epoch && now.leased_until.is_none()) {
                return anyhow::Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
    });
    done.await.map_err(|_| anyhow::anyhow!("the job {key} was not run within {} s", wait.as_secs()))?
}

/// Waits for the ends of a post's reposts, and notes the steps of each.
async fn follow(ports: &Ports, post: &Post, count: usize, wait: Duration, list: &mut Checklist) -> anyhow::Result<()> {
    let query = RepostQuery { post: Some(post.id), limit: REPOSTS_MAX, ..RepostQuery::default() };
    let late = Instant::now() + wait;
    let reposts = loop {
        let reposts = ports.reposts.list(post.tenant, &query).await?;
        let done = reposts.len() >= count && reposts.iter().all(|repost| repost.state.is_terminal());
        if done || Instant::now() > late {
            break reposts;
        }
        sleep(LOOK_EVERY).await;
    };
    if reposts.len() < count {
        let told = format!("{} reposts of {count} are there", reposts.len());
        list.note("reposts", Err(told), Duration::ZERO);
    }
    for repost in &reposts {
        let title = repost.key.platform.title();
        let journal = ports.reposts.journal(repost.tenant, repost.id).await?;
        let mut last = repost.created_at;
        for (event, step) in STEPS {
            // The last of its name: a step that was repeated counts with its repetitions.
            if let Some(entry) = journal.iter().rev().find(|entry| entry.event == event) {
                let took = (entry.at - last).to_std().unwrap_or_default();
                list.note(
                    &format!("{title}: {step}"),
                    Ok::<_, String>(entry.at.format("%H:%M:%S UTC").to_string()),
                    took,
                );
                last = entry.at;
            }
        }
        let took = (last - repost.created_at).to_std().unwrap_or_default();
        let end = match &repost.state {
            RepostState::Published { receipt, .. } => {
                Ok(receipt.url.as_deref().or(receipt.id.as_deref()).unwrap_or("its account").to_owned())
            }
            state => Err(match state.reason() {
                Some(reason) => format!("it is {}: {}", state.name(), reason.text),
                None => format!("it is {} after {} s", state.name(), wait.as_secs()),
            }),
        };
        list.note(&format!("{title}: published"), end, took);
    }
    Ok(())
}
