//! The `autorepost` command.

use std::{io::IsTerminal as _, process::ExitCode};

use autorepost::{cli::Cli, command, config::Problems, screen::Screen};
use clap::{Parser, error::ErrorKind};
use tracing_subscriber::EnvFilter;

/// A wrong command line (sysexits.h: EX_USAGE).
const USAGE: u8 = 64;
/// A wrong configuration (sysexits.h: EX_CONFIG).
const CONFIGURATION: u8 = 78;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing to do when the terminal is gone.
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    let screen = Screen::default();
    log(screen.clone(), command::log_level(&cli.command));
    match command::run(cli, screen).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("autorepost: {error:#}");
            if error.is::<Problems>() || command::is_configuration(&error) {
                return ExitCode::from(CONFIGURATION);
            }
            if error.is::<command::Usage>() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
        }
    }
}

fn log(screen: Screen, level: &str) {
    // The migration crate tells at each start that there is nothing to do, and the driver of Redis what we tell ourselves.
    let level = format!("{level},sea_orm_migration=warn,fred=error");
    let filter = EnvFilter::try_from_env("AUTOREPOST_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let ansi = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(screen).with_target(false).with_ansi(ansi);
    match std::env::var("AUTOREPOST_LOG_FORMAT").as_deref() {
        Ok("json") => log.json().init(),
        _ => log.init(),
    }
}
