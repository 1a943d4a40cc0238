//! `run`, `api` and `worker`: the parts of the service, in one process or each in its own, until they are stopped.

use std::{process::ExitCode, sync::Arc, time::Duration};

use autorepost_core::{
    port::{EntropyExt, Ports},
    rule::RuleState,
    worker::Worker,
};
use tokio::{sync::watch, task::JoinSet, time::timeout};

use super::{Context, operator};
use crate::{
    crew,
    listener::{self, Served},
    setup,
};

/// The exit code of a program that was told twice to stop (128 + SIGINT).
const IMPATIENT: u8 = 130;
/// How long everything may take to stop: longer than what running jobs are given.
const STOP_MAX: Duration = Duration::from_secs(25);

/// Which parts of the service a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// Everything.
    All,
    /// The listener.
    Api,
    /// What claims jobs and runs them.
    Worker,
}

impl Parts {
    const fn name(self) -> &'static str {
        match self {
            Self::All => "run",
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }
}

pub async fn run(context: &Context, parts: Parts) -> anyhow::Result<ExitCode> {
    let config = &context.config;
    // Heard from here on: a word to stop that comes early is not lost.
    let mut signals = Signals::listen()?;
    let socket = match parts {
        Parts::Worker => None,
        _ => Some(listener::bind(config.listen).await?),
    };
    let address = socket.as_ref().map_or(Ok(config.listen), |socket| socket.local_addr())?;
    // A sandbox is on this machine, and so reaches the listener as it is.
    let local = config.sandbox.as_ref().map(|_| format!("http://{address}"));
    let public_url = config.public_url.clone().or(local);
    let wiring = setup::installation(config, public_url.as_deref()).await?;
    let links = wiring.links.clone();
    let ports = wiring.ports(context.events())?;

    let (stop, stopped) = watch::channel(false);
    let mut running = JoinSet::new();
    if let Some(socket) = socket {
        tracing::info!("listening on http://{address}");
        let served = Served { ports: ports.clone(), links, limits: config.limits(), incoming: config.incoming.clone() };
        running.spawn(listener::serve(socket, served, stopped.clone()));
    }
    if parts != Parts::Api {
        greet(&ports).await?;
        let name = format!("{}-{:08x}", parts.name(), ports.entropy.number() as u32);
        let worker = Arc::new(Worker::new(ports, config.policy(), name));
        running.spawn(async { Ok(crew::work(worker, stopped).await?) });
    }
    tokio::select! {
        // No part ends by itself unless it fails.
        Some(ended) = running.join_next() => return ended?.map(|()| ExitCode::FAILURE),
        () = signals.next() => {}
    }
    tracing::info!("stopping: what runs may end; the same signal again stops at once");
    stop.send_replace(true);
    let ending = async {
        while let Some(ended) = running.join_next().await {
            ended??;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        ended = timeout(STOP_MAX, ending) => match ended {
            Ok(ended) => ended?,
            // A reader of media may be slow; it comes again.
            Err(_) => tracing::warn!("not everything ended in time"),
        },
        () = signals.next() => return Ok(ExitCode::from(IMPATIENT)),
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

async fn greet(ports: &Ports) -> anyhow::Result<()> {
    let operator = operator(ports);
    let (accounts, rules) = (operator.connections().await?, operator.rules().await?);
    let active = rules.iter().filter(|rule| rule.state == RuleState::Active).count();
    tracing::info!("working for {} accounts by {active} active rules", accounts.len());
    if accounts.is_empty() {
        tracing::warn!("no account is connected so far: \"autorepost connect\" may be used while this runs");
    }
    Ok(())
}

/// The words to stop: SIGINT, and SIGTERM.
#[cfg(unix)]
struct Signals {
    int: tokio::signal::unix::Signal,
    term: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { int: signal(SignalKind::interrupt())?, term: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.int.recv() => {}
            _ = self.term.recv() => {}
        }
    }
}

/// The word to stop: Ctrl-C.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
