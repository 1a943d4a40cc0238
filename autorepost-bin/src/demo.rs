//! The demo: the whole pipeline against the sandbox, with real videos, and a comparison of what we know with what the
//! public sees.

pub mod plot;
pub mod rehearsal;
mod report;
pub mod soak;
pub mod stage;

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use autorepost_core::{
    id::TenantId,
    job::locate_key,
    port::{EventSink, Ports, RepostQuery, Signal},
    repost::Repost,
    state::RepostState,
};
use autorepost_sandbox::Sandbox;
use tokio::time::Instant;

use crate::{
    cli,
    screen::{Bars, Screen},
    signal,
};

pub use report::Report;

/// How long the demo may take before it gives up.
const TIME_MAX: Duration = Duration::from_secs(180);
/// Rows that one query reads: those of the longest soak.
const ROWS_MAX: u32 = 2_000_000;

/// What the demo does.
#[derive(Clone, Default)]
pub struct Options {
    /// Where the database and the media go; a temporary folder without it.
    pub folder: Option<PathBuf>,
    /// Let things go wrong.
    pub chaos: bool,
    /// The user's own clips, instead of those that the program carries.
    pub videos: Vec<PathBuf>,
    /// Seed of what goes wrong.
    pub seed: u64,
    /// Show each step on standard error.
    pub verbose: bool,
    /// Where it shows what happens.
    pub screen: Screen,
}

/// The command: runs the demo, shows its report, and goes on serving if that is wanted.
///
/// # Errors
///
/// As [`run`].
pub async fn command(options: cli::Demo, screen: Screen, as_json: bool) -> anyhow::Result<ExitCode> {
    let cli::Demo { folder, chaos, seed, video: videos, keep, open, verbose } = options;
    let (report, sandbox) = run(&Options { folder, chaos, videos, seed, verbose, screen }).await?;
    match as_json {
        true => println!("{:#}", report.summary()),
        false => print!("{report}"),
    }
    if open && let Err(error) = open::that_detached(sandbox.base_url()) {
        eprintln!("no browser could be opened: {error}");
    }
    if keep || open {
        eprintln!("What the public sees: {} (Ctrl-C ends)", sandbox.base_url());
        signal::stop().await?;
    }
    Ok(if report.disagreements.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the demo to its end.
///
/// # Errors
///
/// When it cannot be set up, or does not come to its end in time. What it found is in the report, agreement or not.
pub async fn run(options: &Options) -> anyhow::Result<(Report, Sandbox)> {
    let temporary = tempfile::tempdir()?;
    let folder = options.folder.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let scene = stage::Options { seed: options.seed, port: 0, videos: options.videos.clone() };
    let sandbox = stage::sandbox(&scene, folder).await?;
    let lines = Lines { verbose: options.verbose, screen: options.screen.clone() };
    let events: Arc<dyn EventSink> = Arc::new(Bars::new(options.screen.clone(), lines));
    let database = rehearsal::temporary_database(folder).await?;
    let ports = rehearsal::ports(sandbox.base_url(), folder, database, events)?;
    stage::accounts_and_rules(&ports, None).await?;
    if options.chaos {
        sandbox.world().set_faults(stage::chaos());
    }

    let began = Instant::now();
    let crew = rehearsal::Crew::start(&ports, "demo");
    let posts = sandbox.world().posts().len();
    let reposts = match tokio::time::timeout(TIME_MAX, settled(&ports, posts)).await {
        Ok(reposts) => reposts?,
        Err(_) => bail!("the demo did not come to its end within {} s", TIME_MAX.as_secs()),
    };
    let took = began.elapsed();
    crew.stop().await?;
    let report = report::compare(&ports, &sandbox, reposts, took).await?;
    Ok((report, sandbox))
}

/// Waits until every repost of every post has come to its end, and its address is known.
async fn settled(ports: &Ports, posts: usize) -> anyhow::Result<Vec<Repost>> {
    loop {
        let reposts = reposts(ports).await?;
        let all = reposts.len() >= posts * stage::DESTINATIONS;
        if all && reposts.iter().all(|repost| repost.state.is_terminal()) && located(ports, &reposts).await? {
            return Ok(reposts);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn reposts(ports: &Ports) -> anyhow::Result<Vec<Repost>> {
    let query = RepostQuery { limit: ROWS_MAX, ..RepostQuery::default() };
    Ok(ports.reposts.list(TenantId::OWNER, &query).await?)
}

/// Whether nobody is asking for an address any more.
async fn located(ports: &Ports, reposts: &[Repost]) -> anyhow::Result<bool> {
    for repost in reposts {
        if matches!(&repost.state, RepostState::Published { receipt, .. } if receipt.url.is_none())
            && ports.jobs.find(&locate_key(repost.id)).await?.is_some()
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Tells on standard error what happens.
struct Lines {
    verbose: bool,
    screen: Screen,
}

impl EventSink for Lines {
    fn emit(&self, signal: &Signal<'_>) {
        match signal {
            Signal::PostAdmitted { key, .. } => self.screen.line(&format!("found      {key}")),
            Signal::RepostMoved { platform, to: to @ ("published" | "skipped" | "failed"), detail, .. } => {
                self.screen.line(&format!("{to:<10} {:<9} {detail}", platform.title()));
            }
            Signal::RepostMoved { platform, from, to, detail, .. } if self.verbose => {
                self.screen.line(&format!("           {:<9} {from} → {to}: {detail}", platform.title()));
            }
            Signal::JobFinished { job, note: Some(note), .. } if self.verbose => {
                self.screen.line(&format!("           {}: {note}", job.new.kind));
            }
            Signal::ConnectionChanged { status, detail, .. } => {
                self.screen.line(&format!("account    {status} {}", detail.unwrap_or_default()));
            }
            Signal::Alarm { text, .. } => self.screen.line(&format!("alarm      {text}")),
            _ => {}
        }
    }
}
