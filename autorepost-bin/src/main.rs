//! The `autorepost` command.

use std::process::ExitCode;

use autorepost::{cli::Cli, command, config::Problems, screen::Screen, telemetry::Sinks};
use clap::{Parser, error::ErrorKind};

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
    let config = command::configuration(&cli).await;
    let service = config.as_ref().and_then(|config| config.as_ref().ok()).filter(|_| command::is_service(&cli.command));
    let sinks = Sinks::begin(screen.clone(), command::log_level(&cli.command), service);
    let ended = command::run(cli, screen, config).await;
    sinks.flush().await;
    match ended {
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
