//! `demo`, `sandbox`, `soak`: what needs no installation.

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
    /// Append each request that a platform is sent to this file, as a line of JSON without its secrets.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

/// Options of `soak`.
#[derive(Args)]
pub struct Soak {
    /// How many hours posts are made; what is on its way then comes to its end.
    #[arg(long, value_name = "HOURS", default_value_t = 1.0, value_parser = soak_hours)]
    pub hours: f64,
    /// A new post appears every so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = soak_pace)]
    pub post_every: f64,
    /// Write the report with its plots into this HTML file.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Let nothing go wrong.
    #[arg(long)]
    pub calm: bool,
    /// Seed of what goes wrong.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

fn soak_hours(text: &str) -> Result<f64, String> {
    within(text, 0.001, 168.0)
}

fn soak_pace(text: &str) -> Result<f64, String> {
    within(text, 0.1, 3_600.0)
}

fn within(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "this is not a number".to_owned())?;
    if (least..=most).contains(&number) { Ok(number) } else { Err(format!("it must be from {least} to {most}")) }
}
