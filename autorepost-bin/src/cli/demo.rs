//! The demo, and the stand-ins of the platforms.

use std::path::PathBuf;

use clap::Args;

/// Options of `demo`.
#[derive(Args)]
pub struct Demo {
    /// Keep the database and the media in this folder.
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// Let things go wrong: lost answers, cut connections, rate limits, ended tokens.
    #[arg(long)]
    pub chaos: bool,
    /// Seed of what goes wrong.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Use these clips instead of the built-in ones.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub video: Vec<PathBuf>,
    /// Go on serving the page of what the public sees, until Ctrl-C.
    #[arg(long)]
    pub keep: bool,
    /// The same, and open the page in the browser.
    #[arg(long)]
    pub open: bool,
    /// Show each step.
    #[arg(long, short)]
    pub verbose: bool,
}

/// Options of `sandbox`.
#[derive(Args)]
pub struct Sandbox {
    /// Where it listens, on loopback; 0 takes a free port.
    #[arg(long, default_value_t = 8790)]
    pub port: u16,
    /// Where the credentials of its accounts are written.
    #[arg(long, value_name = "FOLDER", default_value = "autorepost-sandbox")]
    pub folder: PathBuf,
    /// Let things go wrong.
    #[arg(long)]
    pub chaos: bool,
    /// Seed of what goes wrong.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// A new post appears every so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub post_every: Option<u64>,
}
