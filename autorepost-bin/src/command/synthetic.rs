//! `synthetic`: one post, all the way.

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use autorepost_core::{
    Platform,
    id::TenantId,
    port::{Ports, PostQuery, RepostQuery},
    repost::Repost,
    state::RepostState,
};
use autorepost_sandbox::{Sandbox, Shown, TikTokPost};
use reqwest::Client;
use url::Url;

use super::checklist::{Checklist, Look};
use crate::{
    ambient::Log,
    cli,
    demo::{
        rehearsal::{self, Crew},
        stage,
    },
    screen::{Bars, Screen},
};

/// How long one step may take.
const STEP_MAX: Duration = Duration::from_secs(60);
/// How long one answer of the sandbox's own may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// The time between two looks at the database.
const LOOK: Duration = Duration::from_millis(50);
const DESTINATIONS: [Platform; stage::DESTINATIONS] = [Platform::Instagram, Platform::YouTube, Platform::X];

pub async fn command(options: cli::Synthetic, screen: Screen, as_json: bool) -> anyhow::Result<ExitCode> {
    run(options.against, screen).await?.show(as_json)
}

/// A whole run, with the time of each step. It uses a temporary database: on the configured one, the workers that share it
/// would take this run's jobs to the real platforms.
pub(super) async fn run(against: Option<Url>, screen: Screen) -> anyhow::Result<Checklist> {
    let folder = tempfile::tempdir()?;
    let own = match against {
        Some(_) => None,
        None => Some(stage::empty(&stage::Options::default()).await?),
    };
    let base = against.as_ref().map(Url::as_str).or(own.as_ref().map(Sandbox::base_url)).unwrap_or_default();
    let base = base.trim_end_matches('/');
    let database = rehearsal::temporary_database(folder.path()).await?;
    let ports = rehearsal::ports(base, folder.path(), database, Arc::new(Bars::new(screen, Log)))?;
    let run = Run { client: Client::builder().timeout(ANSWER_MAX).build()?, base, folder: folder.path(), ports };
    let mut list = Checklist::default();
    // What comes after a step that failed cannot go well.
    let Some(post) = run.post(&mut list).await else { return Ok(list) };
    let crew = Crew::start(&run.ports, "synthetic");
    if list.look("found", STEP_MAX, run.found(&post)).await {
        for platform in DESTINATIONS {
            list.look(&format!("published on {}", platform.title()), STEP_MAX, run.published(&post, platform)).await;
        }
        list.look("seen once everywhere", STEP_MAX, run.once(&post)).await;
    }
    crew.stop().await?;
    Ok(list)
}

struct Run<'a> {
    client: Client,
    base: &'a str,
    folder: &'a Path,
    ports: Ports,
}

impl Run<'_> {
    /// Connects the accounts, and lets a post appear.
    async fn post(&self, list: &mut Checklist) -> Option<TikTokPost> {
        let connected = async {
            stage::accounts_and_rules(&self.ports, Some(self.ports.clock.now())).await?;
            Ok(Ok("four accounts, two rules".into()))
        };
        if !list.look("accounts connected", STEP_MAX, connected).await {
            return None;
        }
        let mut made = None;
        let posted = async {
            let post = stage::fresh_post(self.folder, 0)?;
            let asked = self.client.post(format!("{}/sandbox/posts", self.base)).json(&post).send().await?;
            asked.error_for_status().context("the sandbox does not take the post")?;
            let id = post.id.clone();
            made = Some(post);
            Ok(Ok(id))
        };
        list.look("posted", STEP_MAX, posted).await.then_some(made).flatten()
    }

    async fn reposts(&self, post: &TikTokPost) -> anyhow::Result<Vec<Repost>> {
        let query = RepostQuery { newest_first: true, limit: 100, ..RepostQuery::default() };
        let mut reposts = self.ports.reposts.list(TenantId::OWNER, &query).await?;
        reposts.retain(|repost| repost.key.post == post.id);
        Ok(reposts)
    }

    async fn found(&self, post: &TikTokPost) -> Look {
        while self.reposts(post).await?.len() < DESTINATIONS.len() {
            tokio::time::sleep(LOOK).await;
        }
        Ok(Ok(format!("{} reposts", DESTINATIONS.len())))
    }

    async fn published(&self, post: &TikTokPost, platform: Platform) -> Look {
        loop {
            let reposts = self.reposts(post).await?;
            let repost = reposts.iter().find(|one| one.key.platform == platform).context("it is not known any more")?;
            if let RepostState::Published { receipt, .. } = &repost.state {
                let place = receipt.url.as_ref().or(receipt.id.as_ref()).cloned().unwrap_or_default();
                let secs = (receipt.at - repost.posted_at).num_milliseconds() as f64 / 1e3;
                return Ok(Ok(format!("{secs:.1} s after the post: {place}")));
            }
            let why = repost.state.reason().map(|reason| reason.text.as_str()).unwrap_or_default();
            ensure!(!repost.state.is_terminal(), "it is {}: {why}", repost.state.name());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Holds what the public sees against the bytes of the post.
    async fn once(&self, post: &TikTokPost) -> Look {
        let query = PostQuery { limit: 100, ..PostQuery::default() };
        let posts = self.ports.posts.list(TenantId::OWNER, &query).await?;
        let ours = posts.iter().find(|one| one.found.key == post.id);
        let media = ours.and_then(|post| post.media.as_ref()).context("its media is not known")?.key.to_string();
        let answer = self.client.get(format!("{}/sandbox/ledger", self.base)).send().await?.error_for_status()?;
        let ledger: Vec<Shown> = answer.json().await?;
        for platform in DESTINATIONS {
            let seen = ledger.iter().filter(|one| one.platform == platform && one.sha256 == media).count();
            ensure!(seen == 1, "the public sees it {seen} times on {}", platform.title());
        }
        Ok(Ok("once on each of three".into()))
    }
}
