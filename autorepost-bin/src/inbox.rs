//! Takes in what a creator drops: looks again and again, and tells of what is bad.

use std::{path::PathBuf, sync::Arc, time::Duration};

use autorepost_core::{
    ErrorKind, Result,
    id::TenantId,
    job::JobKind,
    operator::{NewMaster, Operator, Taken},
    port::{EventSink, Ports, Signal},
};
use autorepost_storage::{Dropped, Inbox};
use tokio::{sync::watch, time::sleep};

use crate::config::Bucket;

/// Where files are dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder of this machine.
    Folder(PathBuf),
    /// What lies below a prefix in a bucket.
    Bucket(Bucket, String),
}

/// The time between two looks.
pub const EVERY: Duration = Duration::from_secs(10);
/// How long a file stays as it is before it is taken for complete.
pub const QUIET: Duration = Duration::from_secs(20);

/// Looks until it is stopped. Several processes may look at one place: what one of them took in is known to the others.
pub async fn watch(inbox: Inbox, ports: Ports, every: Duration, bytes_max: u64, mut stopped: watch::Receiver<bool>) {
    loop {
        match inbox.look().await {
            Ok(files) => {
                for file in files {
                    if *stopped.borrow() {
                        return;
                    }
                    take(&inbox, &ports, &file, bytes_max).await;
                }
            }
            Err(error) => tracing::warn!("{error}"),
        }
        tokio::select! {
            () = sleep(every) => {}
            _ = stopped.changed() => return,
        }
    }
}

async fn take(inbox: &Inbox, ports: &Ports, file: &Dropped, bytes_max: u64) {
    let name = &file.name;
    match take_in(inbox, ports, file, bytes_max).await {
        Ok(Taken::Kept(_)) => tracing::info!("took in \"{name}\": it waits for its post"),
        Ok(Taken::Known(_)) => tracing::info!("\"{name}\" was taken in before"),
        Ok(Taken::Post(_, source)) => tracing::info!("took in \"{name}\": a post of @{}", source.handle),
        // It is bad, and stays so until it is changed.
        Err(error) if matches!(error.kind(), ErrorKind::Rejected | ErrorKind::Invalid | ErrorKind::Malformed) => {
            inbox.refuse(file);
            let text = format!("the dropped file \"{name}\" is left where it is: {}", error.detail());
            alarm(&ports.events, &text);
        }
        Err(error) => tracing::warn!("the dropped file \"{name}\" is tried again: {error}"),
    }
}

async fn take_in(inbox: &Inbox, ports: &Ports, file: &Dropped, bytes_max: u64) -> Result<Taken> {
    let sidecar = match &file.sidecar {
        Ok(sidecar) => sidecar.clone(),
        Err(error) => return Err(autorepost_core::Error::new(error.kind(), error.op(), error.detail())),
    };
    let operator = Operator::new(ports, TenantId::OWNER, "drop");
    let new = NewMaster { name: &file.name, made_at: file.made_at, sidecar };
    let taken = operator.take_master(new, inbox.open(file).await?, bytes_max).await?;
    inbox.put_aside(file).await?;
    Ok(taken)
}

fn alarm(events: &Arc<dyn EventSink>, text: &str) {
    events.emit(&Signal::Alarm { kind: JobKind::FilePost, text });
}
