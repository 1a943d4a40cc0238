//! The `autorepost` command.

use std::{path::PathBuf, process::ExitCode};

use autorepost::demo;
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Publishes each new video of your TikTok account to Instagram Reels, YouTube and X: once each.
#[derive(Parser)]
#[command(version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the whole pipeline against built-in stand-ins of the platforms, and compares the two books at the end.
    Demo(Demo),
    /// Works with the keys that seal credentials.
    #[command(subcommand)]
    Keys(Keys),
}

#[derive(clap::Args)]
struct Demo {
    /// Keep the database and the media in this folder.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Let things go wrong: lost answers, cut connections, rate limits, ended tokens.
    #[arg(long)]
    chaos: bool,
    /// Seed of what goes wrong.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Use these clips instead of the built-in ones.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    video: Vec<PathBuf>,
    /// Go on serving the page of what the public sees, until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// Show each step.
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Subcommand)]
enum Keys {
    /// Prints a new key for TOKEN_ENCRYPTION_KEY.
    Generate,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")))
        .with_writer(std::io::stderr)
        .init();
    let result = match Cli::parse().command {
        Command::Demo(options) => run_demo(options).await,
        Command::Keys(Keys::Generate) => generate_key(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("autorepost: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run_demo(options: Demo) -> anyhow::Result<ExitCode> {
    let keep = options.keep;
    let options = demo::Options {
        folder: options.folder,
        chaos: options.chaos,
        videos: options.video,
        seed: options.seed,
        verbose: options.verbose,
    };
    let (report, sandbox) = demo::run(&options).await?;
    print!("{report}");
    if keep {
        println!("What the public sees: {} (Ctrl-C ends)", sandbox.base_url());
        tokio::signal::ctrl_c().await?;
    }
    Ok(if report.disagreements.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn generate_key() -> anyhow::Result<ExitCode> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    println!("{}", autorepost_core::seal::generate(key).expose());
    Ok(ExitCode::SUCCESS)
}
