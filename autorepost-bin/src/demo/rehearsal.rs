//! An installation of its own that works for the stage: for the demo, and for what is tried after a deployment.

use std::{path::Path, sync::Arc};

use autorepost_converter::FfmpegConfig;
use autorepost_core::{
    policy::Policy,
    port::{EventSink, Ports},
    seal::KeyRing,
    worker::Worker,
};
use autorepost_database::{Database, DatabaseConfig};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    crew,
    setup::{Media, Platforms, Wiring},
};

/// The database of an installation that is gone with its folder.
pub async fn temporary_database(folder: &Path) -> anyhow::Result<Database> {
    let url = format!("sqlite://{}", folder.join("autorepost.db").display());
    let database = Database::connect(&DatabaseConfig::new(url)).await?;
    database.migrate().await?;
    Ok(database)
}

/// Wires an installation to the sandbox at `base`, with a key of its own.
pub fn ports(base: &str, folder: &Path, database: Database, events: Arc<dyn EventSink>) -> anyhow::Result<Ports> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    let wiring = Wiring {
        database,
        redis: None,
        media: Media::Folder(folder.join("media")),
        // Its clips are sent as they are, so that it is the same on every machine.
        ffmpeg: FfmpegConfig { program: None, folder: folder.join("conversions") },
        keys: KeyRing::parse(autorepost_core::seal::generate(bytes).expose())?,
        links: None,
        platforms: Platforms::sandbox(base),
        observer: None,
        private_targets: false,
    };
    Ok(wiring.ports(events)?)
}

/// The worker, until it is stopped.
pub struct Crew {
    stop: watch::Sender<bool>,
    work: JoinHandle<autorepost_core::Result<()>>,
}

impl Crew {
    /// Begins to work, with the short waits that fit a sandbox.
    pub fn start(ports: &Ports, name: &str) -> Self {
        let worker = Arc::new(Worker::new(ports.clone(), Policy::brisk(), name));
        let (stop, stopped) = watch::channel(false);
        Self { stop, work: tokio::spawn(crew::work(worker, Arc::default(), stopped)) }
    }

    /// Lets what runs come to its end.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        Ok(self.work.await??)
    }
}
