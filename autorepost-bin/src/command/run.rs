//! `run`, `api` and `worker`: the parts of the service, in one process or each in its own, until they are stopped.

use std::{process::ExitCode, sync::Arc, time::Duration};

use autorepost_core::{
    port::{EntropyExt, Ports},
    rule::RuleState,
    worker::Worker,
};
use autorepost_platforms::instagram::versions;
use tokio::{sync::watch, task::JoinSet, time::timeout};

use super::{Context, operator};
use crate::{
    ambient::Fan,
    config::Config,
    crew,
    health::{self, Health, checks},
    inbox,
    listener::{self, Served},
    setup,
    telemetry::{
        Meters,
        gauges::Gauges,
        heartbeat::{self, Pulse},
        push,
    },
};

/// The exit code of a program that was told twice to stop (128 + SIGINT).
const IMPATIENT: u8 = 130;
/// How long everything may take to stop: longer than what running jobs are given.
const STOP_MAX: Duration = Duration::from_secs(25);

/// How long the last words to sinks may take.
const TELL_MAX: Duration = Duration::from_secs(3);
const SECOND: Duration = Duration::from_secs(1);
/// The time between two readings of the gauges, and between two pushes.
const GAUGES_EVERY: Duration = Duration::from_secs(15);
/// The time between two heartbeats.
const BEAT_EVERY: Duration = Duration::from_secs(60);

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
    let socket = listener::bind(config.listen).await?;
    let address = socket.local_addr()?;
    // A sandbox is on this machine, and so reaches the listener as it is. A worker's serves no media: whose does, is to be
    // configured.
    let serves = config.sandbox.is_some() && parts != Parts::Worker;
    let local = serves.then(|| format!("http://{address}"));
    let public_url = config.public_url.clone().or(local);
    let mut wiring = setup::installation(config, public_url.as_deref()).await?;
    wiring.check_media().await?;
    let redis = wiring.redis.clone();
    let links = wiring.links.clone();
    let rotated = wiring.rotated.clone();
    let (database, media) = (wiring.database.clone(), wiring.media.clone());
    let meters = Arc::new(Meters::default());
    let counting = Arc::clone(&meters);
    wiring.observer = Some(Arc::new(move |told| counting.told(told)));
    let ports = wiring.ports(Arc::new(Fan(vec![context.events(), meters.clone()])))?;
    let mut checked = vec![
        checks::database(database.clone()),
        checks::clock(database, ports.clock.clone(), config.policy().clock_off_max),
        checks::media(media),
        checks::keys(ports.connections.clone(), ports.keys.clone()),
    ];
    checked.extend(redis.clone().map(checks::redis));
    let probes = health::router(Arc::new(Health::new(checked)), Arc::clone(&meters));

    let (stop, stopped) = watch::channel(false);
    let mut running = JoinSet::new();
    tracing::info!("listening on http://{address}");
    if parts == Parts::Worker {
        running.spawn(listener::serve_routes(socket, probes, stopped.clone()));
    } else {
        // Without a public address a browser of this machine still reaches it.
        let base = public_url.or_else(|| address.ip().is_loopback().then(|| format!("http://{address}")));
        let served = Served {
            ports: ports.clone(),
            links,
            limits: config.limits(),
            base,
            incoming: config.incoming.clone(),
            bundles: config.bundles.clone(),
            probes,
            meters: Arc::clone(&meters),
        };
        running.spawn(listener::serve(socket, served, stopped.clone()));
    }
    if let Some(keys) = rotated {
        // Who can work can seal anew.
        let resealing = (parts != Parts::Api).then(|| ports.clone());
        let stopped = stopped.clone();
        running.spawn(async {
            keys.watch(resealing, stopped).await;
            anyhow::Ok(())
        });
    }
    let pulse = (parts != Parts::Api).then(Arc::<Pulse>::default);
    let (last, lasting) = watch::channel(false);
    let told = tell(config, parts, &ports, meters, pulse.clone(), &lasting);
    if let Some(pulse) = pulse {
        greet(&ports, &config.instagram_version).await?;
        let name = format!("{}-{:08x}", parts.name(), ports.entropy.number() as u32);
        if let Some(place) = &config.drop {
            let inbox = setup::services::inbox(config, place)?;
            let brisk = config.sandbox.is_some();
            let (every, bytes_max) = (if brisk { SECOND / 2 } else { inbox::EVERY }, config.policy().media_bytes_max);
            let watching = inbox::watch(inbox, ports.clone(), every, bytes_max, stopped.clone());
            running.spawn(async {
                watching.await;
                Ok(())
            });
        }
        let worker = Arc::new(Worker::new(ports, config.policy(), name));
        running.spawn(async { Ok(crew::work(worker, pulse, stopped).await?) });
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
    // The last numbers are told after the last work.
    last.send_replace(true);
    // What could not be told by then is lost with the process.
    let _ = timeout(TELL_MAX, told.join_all()).await;
    if let Some(redis) = redis {
        redis.close().await;
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Tells the world how it goes, until `stop` says so.
fn tell(
    config: &Config,
    parts: Parts,
    ports: &Ports,
    meters: Arc<Meters>,
    pulse: Option<Arc<Pulse>>,
    stop: &watch::Receiver<bool>,
) -> JoinSet<()> {
    // Against the sandbox everything is quick.
    let brisk = config.sandbox.is_some();
    let every = if brisk { SECOND } else { GAUGES_EVERY };
    let mut told = JoinSet::new();
    if let Some(to) = config.push_url.clone() {
        told.spawn(push::push(to, parts.name(), Arc::clone(&meters), every, stop.clone()));
    }
    if let (Some(to), Some(pulse)) = (config.heartbeat_url.clone(), &pulse) {
        let every = if brisk { 2 * SECOND } else { BEAT_EVERY };
        told.spawn(heartbeat::beat(to, Arc::clone(pulse), every, stop.clone()));
    }
    let started_at = ports.clock.now();
    let gauges = Gauges { ports: ports.clone(), meters, pulse, policy: config.policy(), started_at, every };
    told.spawn(gauges.run(stop.clone()));
    told
}

async fn greet(ports: &Ports, version: &str) -> anyhow::Result<()> {
    let operator = operator(ports);
    let (accounts, rules) = (operator.connections().await?, operator.rules().await?);
    let active = rules.iter().filter(|rule| rule.state == RuleState::Active).count();
    tracing::info!("working for {} accounts by {active} active rules", accounts.len());
    if let Some(text) = versions::warning(version, ports.clock.now()) {
        tracing::warn!("{text}");
    }
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
