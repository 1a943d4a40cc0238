//! `run`: everything in one process, until it is stopped.

use std::{process::ExitCode, sync::Arc};

use autorepost_core::{port::EntropyExt, rule::RuleState, worker::Worker};
use tokio::sync::watch;

use super::{Context, operator};
use crate::{
    crew,
    listener::{self, Served},
    setup,
};

/// The exit code of a program that was told twice to stop (128 + SIGINT).
const IMPATIENT: u8 = 130;

pub async fn run(context: &Context) -> anyhow::Result<ExitCode> {
    let config = &context.config;
    let socket = listener::bind(config.listen).await?;
    let address = socket.local_addr()?;
    // A sandbox is on this machine, and so reaches the listener as it is.
    let local = config.sandbox.as_ref().map(|_| format!("http://{address}"));
    let public_url = config.public_url.clone().or(local);
    let wiring = setup::installation(config, public_url.as_deref()).await?;
    let links = wiring.links.clone();
    let ports = wiring.ports(context.events())?;

    let operator = operator(&ports);
    let (accounts, rules) = (operator.connections().await?, operator.rules().await?);
    let active = rules.iter().filter(|rule| rule.state == RuleState::Active).count();
    tracing::info!("working for {} accounts by {active} active rules, listening on http://{address}", accounts.len());
    if accounts.is_empty() {
        tracing::warn!("no account is connected so far: \"autorepost connect\" may be used while this runs");
    }

    let (stop, stopped) = watch::channel(false);
    let name = format!("run-{:08x}", ports.entropy.number() as u32);
    let worker = Arc::new(Worker::new(ports.clone(), config.policy(), name));
    let mut working = tokio::spawn(crew::work(worker, stopped.clone()));
    let served = Served { media: ports.media.clone(), links, clock: ports.clock.clone() };
    let serving = tokio::spawn(listener::serve(socket, served, stopped));
    tokio::select! {
        // Neither ends by itself unless it fails.
        ended = &mut working => return ended?.map(|()| ExitCode::FAILURE).map_err(Into::into),
        signal = signalled() => signal?,
    }
    tracing::info!("stopping: what runs may end; the same signal again stops at once");
    stop.send_replace(true);
    tokio::select! {
        ended = working => ended??,
        _ = signalled() => return Ok(ExitCode::from(IMPATIENT)),
    }
    // A reader of media may be slow; it comes again.
    serving.abort();
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Waits for Ctrl-C, or for SIGTERM where there is such a thing.
async fn signalled() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed,
            _ = term.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
