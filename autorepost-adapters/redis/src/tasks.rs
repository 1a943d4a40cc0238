//! What runs beside the calls: the connections are kept, and signals are heard and passed on.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use autorepost_core::{ErrorKind, memory::MemoryWake, port::Wake};
use fred::{
    clients::Client,
    error::Error as DriverError,
    interfaces::{ClientLike, EventInterface, PubsubInterface},
    types::ConnectHandle,
};
use tokio::{
    sync::{Notify, broadcast::error::RecvError},
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};

use crate::{
    link::{Commands, Link, RECONNECT_MAX_MS, TRIAL},
    wake::RedisWake,
};

/// How often Redis is asked whether it is there.
const BEAT: Duration = Duration::from_secs(2);

/// How often when it was silent last.
const SILENT_BEAT: Duration = Duration::from_millis(250);

/// Publications are so far apart at least.
const WAKE_GAP: Duration = Duration::from_millis(5);

/// The driver's own tasks, one for a connection.
pub(crate) struct Routers {
    pub(crate) client: ConnectHandle,
    pub(crate) ears: ConnectHandle,
}

/// What runs beside the calls. It ends when it is dropped.
pub(crate) struct Tasks {
    running: Mutex<JoinSet<()>>,
    /// What ends the driver's own tasks, which are begun anew when they end by themselves.
    routers: [Arc<Mutex<AbortHandle>>; 2],
}

impl Tasks {
    pub(crate) fn start(link: &Arc<Link>, routers: Routers, wake: &RedisWake, subscribed: bool) -> Self {
        let handle = |router: &ConnectHandle| Arc::new(Mutex::new(router.abort_handle()));
        let handles = [handle(&routers.client), handle(&routers.ears)];
        let client = Router { task: routers.client, handle: Arc::clone(&handles[0]) };
        let ears = Router { task: routers.ears, handle: Arc::clone(&handles[1]) };
        let mut running = JoinSet::new();
        running.spawn(keep(Arc::clone(link), client));
        running.spawn(keep_subscribed(Arc::clone(link), ears, Arc::clone(&wake.own), subscribed));
        running.spawn(hear(Arc::clone(link), Arc::clone(&wake.own)));
        running.spawn(publish(Arc::clone(link), Arc::clone(&wake.publish)));
        Self { running: Mutex::new(running), routers: handles }
    }

    /// Ends all but the connections.
    pub(crate) fn stop(&self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    /// Ends the connections.
    pub(crate) fn cut(&self) {
        for router in &self.routers {
            router.lock().unwrap_or_else(PoisonError::into_inner).abort();
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.cut();
    }
}

struct Router {
    task: ConnectHandle,
    handle: Arc<Mutex<AbortHandle>>,
}

impl Router {
    /// Waits until the driver gives up, where it thinks that nothing can help. An operator still may.
    async fn ended(&mut self) -> Option<DriverError> {
        (&mut self.task).await.ok().and_then(Result::err)
    }

    async fn begin_again(&mut self, client: &Client) {
        sleep(Duration::from_millis(RECONNECT_MAX_MS.into())).await;
        self.task = client.connect();
        *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = self.task.abort_handle();
    }
}

/// Keeps the connection of the calls.
async fn keep(link: Arc<Link>, mut router: Router) {
    let mut failures = link.client.error_rx();
    loop {
        let beat = if link.is_silent() { SILENT_BEAT } else { BEAT };
        tokio::select! {
            cause = router.ended() => {
                if let Some(cause) = cause {
                    link.broken(&cause);
                }
                router.begin_again(&link.client).await;
                failures = link.client.error_rx();
            }
            failed = failures.recv() => match failed {
                Ok((cause, _)) => link.broken(&cause),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => {
                    sleep(BEAT).await;
                    failures = link.client.error_rx();
                }
            },
            // What it tells of is told.
            () = sleep(beat) => drop(link.ping().await),
        }
    }
}

/// Keeps the subscription and its connection. After each new subscription it wakes once: something may have been missed.
async fn keep_subscribed(link: Arc<Link>, mut router: Router, own: Arc<MemoryWake>, mut subscribed: bool) {
    let mut connections = link.ears.reconnect_rx();
    let mut refused = false;
    loop {
        tokio::select! {
            _ = router.ended() => {
                subscribed = false;
                router.begin_again(&link.ears).await;
                connections = link.ears.reconnect_rx();
            }
            connected = connections.recv() => match connected {
                Ok(_) | Err(RecvError::Lagged(_)) => subscribed = false,
                Err(RecvError::Closed) => {
                    sleep(BEAT).await;
                    connections = link.ears.reconnect_rx();
                }
            },
            () = sleep(BEAT) => {
                // The driver drops a connection that is silent, but only one that was asked something.
                let ping = |commands: Commands| async move { commands.ping::<()>(None).await };
                drop(link.attempt(&link.ears, ping).await);
            }
        }
        if subscribed || !link.ears.is_connected() {
            continue;
        }
        match link.subscribe().await {
            Ok(()) => {
                (subscribed, refused) = (true, false);
                own.wake();
            }
            Err(failed) if failed.kind() == ErrorKind::Unavailable => {}
            Err(failed) => {
                if !std::mem::replace(&mut refused, true) {
                    tracing::warn!("{failed}; other processes' jobs are found by polling");
                }
                // What comes on this connection may answer something else.
                sleep(BEAT).await;
                drop(timeout(BEAT, link.ears.force_reconnection()).await);
            }
        }
    }
}

/// Hears the signals of other processes.
async fn hear(link: Arc<Link>, own: Arc<MemoryWake>) {
    loop {
        let mut messages = link.ears.message_rx();
        loop {
            match messages.recv().await {
                Ok(message) => {
                    let ours = message.channel == link.channel.as_str();
                    let sender = message.value.as_str().unwrap_or_default();
                    if ours && sender != link.client.id() && !sender.starts_with(TRIAL) {
                        own.wake();
                    }
                }
                Err(RecvError::Lagged(_)) => own.wake(),
                Err(RecvError::Closed) => break,
            }
        }
        sleep(BEAT).await;
    }
}

/// Tells the other processes. What cannot be told needs no repetition: with a new connection everybody is woken.
async fn publish(link: Arc<Link>, signals: Arc<Notify>) {
    loop {
        signals.notified().await;
        let (channel, id) = (link.channel.clone(), link.client.id().to_owned());
        drop(
            link.run("publish wake-up", |commands| async move { commands.publish::<i64, _, _>(channel, id).await })
                .await,
        );
        sleep(WAKE_GAP).await;
    }
}
