//! The demo: the whole pipeline against the sandbox, with real videos, and a comparison of what we know with what the
//! public sees.

mod report;
pub mod stage;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use autorepost_converter::FfmpegConfig;
use autorepost_core::{
    id::TenantId,
    job::locate_key,
    policy::Policy,
    port::{EventSink, Ports, RepostQuery, Signal},
    repost::Repost,
    seal::KeyRing,
    state::RepostState,
    worker::Worker,
};
use autorepost_database::{Database, DatabaseConfig};
use autorepost_sandbox::Sandbox;
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use crate::{
    cli, crew,
    screen::{Bars, Screen},
    setup::{Media, Platforms, Wiring},
    signal,
};

pub use report::Report;
pub(crate) use report::compare;

/// How long the demo may take before it gives up.
const TIME_MAX: Duration = Duration::from_secs(180);
/// Reposts that the demo looks at.
const REPOSTS_MAX: u32 = 1_000;

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
    let scene = stage::Options {
        seed: options.seed,
        chaos: options.chaos,
        videos: options.videos.clone(),
        ..stage::Options::default()
    };
    let lines = Lines { verbose: options.verbose, screen: options.screen.clone() };
    let events: Arc<dyn EventSink> = Arc::new(Bars::new(options.screen.clone(), lines));
    let play = Play::begin(folder, &scene, events, Policy::brisk()).await?;
    let began = Instant::now();
    let posts = play.sandbox.world().posts().len();
    let reposts = match tokio::time::timeout(TIME_MAX, settled(&play.ports, posts)).await {
        Ok(reposts) => reposts?,
        Err(_) => bail!("the demo did not come to its end within {} s", TIME_MAX.as_secs()),
    };
    let took = began.elapsed();
    let (ports, sandbox) = play.end().await?;
    let report = compare(&ports, &sandbox, reposts, took).await?;
    Ok((report, sandbox))
}

/// An installation at work in this process, on a SQLite database of its own, against a sandbox of its own.
pub(crate) struct Play {
    pub ports: Ports,
    pub sandbox: Sandbox,
    stop: watch::Sender<bool>,
    crew: JoinHandle<autorepost_core::Result<()>>,
}

impl Play {
    /// Sets the stage in a folder, connects the accounts, adds the rules, and begins to work.
    pub async fn begin(
        folder: &Path,
        scene: &stage::Options,
        events: Arc<dyn EventSink>,
        policy: Policy,
    ) -> anyhow::Result<Self> {
        let sandbox = stage::sandbox(scene, folder).await?;
        let key = autorepost_core::seal::generate(random()?);
        let url = format!("sqlite://{}", folder.join("autorepost.db").display());
        let database = Database::connect(&DatabaseConfig::new(url)).await?;
        database.migrate().await?;
        let ports = Wiring {
            database,
            redis: None,
            media: Media::Folder(folder.join("media")),
            // Its clips are sent as they are, so that it is the same on every machine.
            ffmpeg: FfmpegConfig { program: None, folder: folder.join("conversions") },
            keys: Arc::new(KeyRing::parse(key.expose())?),
            rotated: None,
            links: None,
            platforms: Platforms::sandbox(sandbox.base_url()),
            observer: None,
            private_targets: false,
        }
        .ports(events)?;
        stage::accounts_and_rules(&ports).await?;
        if scene.chaos {
            sandbox.world().set_faults(stage::chaos());
        }
        let worker = Arc::new(Worker::new(ports.clone(), policy, "demo"));
        let (stop, stopped) = watch::channel(false);
        let crew = tokio::spawn(crew::work(worker, Arc::default(), stopped));
        Ok(Self { ports, sandbox, stop, crew })
    }

    /// Lets what runs come to its end.
    pub async fn end(self) -> anyhow::Result<(Ports, Sandbox)> {
        self.stop.send_replace(true);
        self.crew.await??;
        Ok((self.ports, self.sandbox))
    }
}

/// Waits until every repost of every post has come to its end, and its address is known.
async fn settled(ports: &Ports, posts: usize) -> anyhow::Result<Vec<Repost>> {
    let query = RepostQuery { limit: REPOSTS_MAX, ..RepostQuery::default() };
    loop {
        let reposts = ports.reposts.list(TenantId::OWNER, &query).await?;
        let all = reposts.len() >= posts * stage::DESTINATIONS;
        if all && reposts.iter().all(|repost| repost.state.is_terminal()) && located(ports, &reposts).await? {
            return Ok(reposts);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
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

fn random() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
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
