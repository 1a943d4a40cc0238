//! The connection, and what keeps it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use autorepost_core::{Error, ErrorKind, Result, memory::MemoryWake, port::Wake};
use fred::{
    clients::{Client, WithOptions},
    error::{Error as DriverError, ErrorKind as DriverKind},
    interfaces::{ClientLike, EventInterface, PubsubInterface},
    types::{
        Builder, ClusterHash, ConnectHandle, CustomCommand, FromValue,
        config::{Options, ReconnectPolicy, UnresponsiveConfig},
    },
};
use tokio::{
    sync::{Notify, Semaphore, broadcast::error::RecvError},
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, timeout},
};

use crate::{
    RedisConfig,
    error::{error, is_unconnected},
    wake::RedisWake,
};

/// Calls that are in flight at most; more of them wait for their turn.
const COMMANDS_MAX: usize = 256;

/// A connection on which an answer is missing for so long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// How often Redis is asked whether it is there.
const BEAT: Duration = Duration::from_secs(2);

/// How often when it was silent last.
const SILENT_BEAT: Duration = Duration::from_millis(250);

/// The first and the longest wait before the next attempt to connect, and what is added to it by chance, in ms.
const RECONNECT_MIN_MS: u32 = 100;
const RECONNECT_MAX_MS: u32 = 3_000;
const RECONNECT_JITTER_MS: u32 = 500;

/// Publications are so far apart at least.
const WAKE_GAP: Duration = Duration::from_millis(5);

/// The driver with the limits of one call. The traits of commands that it lacks, that of scripts among them, it borrows from
/// the driver without its limits: use only those that it has.
pub(crate) type Commands = WithOptions<Client>;

/// Runs a script on keys of one slot.
pub(crate) async fn eval<T: FromValue>(
    commands: Commands,
    script: &'static str,
    keys: Vec<String>,
    arguments: Vec<String>,
) -> Result<T, DriverError> {
    let count = keys.len().to_string();
    let arguments = [script.to_owned(), count].into_iter().chain(keys).chain(arguments).collect();
    // The first key stands after the script and the count.
    commands.custom(CustomCommand::new_static("EVAL", ClusterHash::Offset(2), false), arguments).await
}

/// The connection: every call to Redis goes through [`run`](Self::run).
pub(crate) struct Link {
    client: Client,
    /// Hears the signals, on a connection of its own: the driver takes no answer for SUBSCRIBE, so where that is refused it
    /// takes every later answer for that of another call.
    ears: Client,
    pub(crate) namespace: String,
    channel: String,
    command_timeout: Duration,
    /// Where it is, to be shown.
    place: String,
    free: Semaphore,
    state: Mutex<State>,
}

/// What is known of the connection.
#[derive(Default)]
struct State {
    /// An outage was told.
    down: bool,
    /// An answer was missing: until there is one, calls do not wait for others.
    silent: bool,
    /// What went wrong last.
    why: Option<String>,
}

impl Link {
    /// A connection that is not begun. `once` gives up when the first attempt fails.
    pub(crate) fn new(config: &RedisConfig, once: bool) -> Result<Arc<Self>> {
        let mut driver = config.parse()?;
        driver.fail_fast = once;
        let server = &driver.server.hosts()[0];
        let place = format!("{}:{}", server.host, server.port);
        let mut policy = ReconnectPolicy::new_exponential(0, RECONNECT_MIN_MS, RECONNECT_MAX_MS, 2);
        policy.set_jitter(RECONNECT_JITTER_MS);
        let mut builder = Builder::from_config(driver);
        builder
            .with_connection_config(|connection| {
                connection.connection_timeout = config.connect_timeout;
                connection.internal_command_timeout = config.connect_timeout;
                connection.max_command_attempts = 1;
                connection.max_command_buffer_len = 2 * COMMANDS_MAX;
                connection.reconnect_on_auth_error = true;
                connection.disable_cluster_health_check = true;
                connection.tcp.nodelay = Some(true);
                connection.unresponsive =
                    UnresponsiveConfig { max_timeout: Some(SILENCE_MAX), interval: SILENCE_MAX / 6 };
            })
            .with_performance_config(|performance| performance.default_command_timeout = config.command_timeout)
            .set_policy(policy);
        let build = || builder.build().map_err(|cause| error("connect Redis", &cause));
        let (client, ears) = (build()?, build()?);
        Ok(Arc::new(Self {
            client,
            ears,
            channel: format!("{}:wake", config.namespace),
            namespace: config.namespace.clone(),
            command_timeout: config.command_timeout,
            place,
            free: Semaphore::new(COMMANDS_MAX),
            state: Mutex::default(),
        }))
    }

    /// Begins to connect.
    pub(crate) fn begin(&self) -> Routers {
        Routers { client: self.client.connect(), ears: self.ears.connect() }
    }

    /// Connects for the first time, in `limit` at most, and subscribes.
    pub(crate) async fn connect(&self, limit: Duration) -> Result<Routers> {
        let began = Instant::now();
        let client = self.first_connection(&self.client, limit).await?;
        let routers = match self.first_connection(&self.ears, limit.saturating_sub(began.elapsed())).await {
            Ok(ears) => Routers { client, ears },
            Err(failed) => {
                client.abort();
                return Err(failed);
            }
        };
        // From here on no signal is missed, so that the first worker need not be woken for it.
        match self.subscribe().await {
            Ok(()) => Ok(routers),
            Err(failed) => {
                routers.client.abort();
                routers.ears.abort();
                Err(failed)
            }
        }
    }

    async fn first_connection(&self, client: &Client, limit: Duration) -> Result<ConnectHandle> {
        let op = "connect Redis";
        let mut router = client.connect();
        let connected = async {
            tokio::select! {
                ended = &mut router => match ended {
                    Ok(ended) => ended,
                    Err(_) => Err(DriverError::new(DriverKind::Canceled, "")),
                },
                connected = client.wait_for_connect() => connected,
            }
        };
        let failed = match timeout(limit, connected).await {
            Ok(Ok(())) => return Ok(router),
            Ok(Err(cause)) => error(op, &cause),
            Err(_) => Error::unavailable(op, format!("no answer within {} ms", limit.as_millis())),
        };
        router.abort();
        let text = match failed.kind() {
            ErrorKind::Unavailable => format!(
                "{}: {}; check that Redis runs, the address in REDIS_URL, and {}",
                self.place,
                failed.detail(),
                if self.client.client_config().uses_tls() {
                    "that this port speaks TLS"
                } else {
                    "whether the server wants TLS: rediss://"
                }
            ),
            _ => format!("{}: {}", self.place, failed.detail()),
        };
        Err(Error::new(failed.kind(), op, text).retry(failed.retry_hint()))
    }

    /// Makes a call: one of [`COMMANDS_MAX`] at once, and with an end. While Redis is silent it fails at once.
    pub(crate) async fn run<T, F>(&self, op: &'static str, call: impl FnOnce(Commands) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, DriverError>>,
    {
        if self.state().silent {
            return Err(self.unconnected(op));
        }
        self.probe(op, call).await
    }

    /// Makes a call even when Redis was silent just now.
    async fn probe<T, F>(&self, op: &'static str, call: impl FnOnce(Commands) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, DriverError>>,
    {
        let cause = match self.attempt(&self.client, call).await {
            Ok(value) => {
                self.answered();
                return Ok(value);
            }
            Err(cause) => cause,
        };
        if is_unconnected(&cause) {
            return Err(self.unconnected(op));
        }
        let failed = error(op, &cause);
        match failed.kind() {
            ErrorKind::Unavailable => {
                if matches!(cause.kind(), DriverKind::Timeout | DriverKind::IO) {
                    self.state().silent = true;
                }
                self.missed(failed.detail());
            }
            _ => self.answered(),
        }
        Err(failed)
    }

    async fn attempt<T, F>(&self, client: &Client, call: impl FnOnce(Commands) -> F) -> Result<T, DriverError>
    where
        F: Future<Output = Result<T, DriverError>>,
    {
        let began = Instant::now();
        let place = timeout(self.command_timeout, self.free.acquire()).await;
        // The driver has to know the end: what has timed out it does not send any more when the connection is back.
        let left = self.command_timeout.saturating_sub(began.elapsed());
        if place.is_err() || left.is_zero() {
            return Err(DriverError::new(DriverKind::Backpressure, ""));
        }
        call(client.with_options(&Options {
            max_attempts: Some(1),
            timeout: Some(left),
            fail_fast: true,
            ..Options::default()
        }))
        .await
    }

    /// Asks whether Redis answers, also when it did not just now.
    pub(crate) async fn ping(&self) -> Result<()> {
        self.probe("ping Redis", |commands| async move { commands.ping::<()>(None).await }).await
    }

    /// Subscribes to the signals. A refusal comes as the answer to the PING that follows.
    async fn subscribe(&self) -> Result<()> {
        let channel = self.channel.clone();
        let subscribe = |commands: Commands| async move {
            commands.subscribe(channel).await?;
            commands.ping::<()>(None).await
        };
        self.attempt(&self.ears, subscribe).await.map_err(|cause| error("subscribe to wake-ups", &cause))
    }

    /// Says goodbye.
    pub(crate) async fn quit(&self) {
        // Whether Redis hears it or not, the connections are cut.
        let _ = tokio::join!(self.client.quit(), self.ears.quit());
    }

    /// There is no connection. Why, is told where it is kept.
    fn unconnected(&self, op: &'static str) -> Error {
        let why = self.state().why.clone().unwrap_or_else(|| "there is no connection to Redis".to_owned());
        Error::unavailable(op, why)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of an outage, once.
    fn missed(&self, why: &str) {
        let mut state = self.state();
        state.why = Some(why.to_owned());
        if !std::mem::replace(&mut state.down, true) {
            tracing::warn!(
                "Redis at {} is away: {why}. Jobs are found by polling, each process counts its allowances for itself, \
                 and log-ins fail until it is back",
                self.place
            );
        }
    }

    /// The connection could not be made, or is lost.
    fn broken(&self, cause: &DriverError) {
        self.missed(error("connect Redis", cause).detail());
    }

    fn answered(&self) {
        let state = std::mem::take(&mut *self.state());
        if state.down {
            tracing::info!("Redis at {} is back", self.place);
        }
    }
}

/// The driver's own tasks, one for a connection.
pub(crate) struct Routers {
    client: ConnectHandle,
    ears: ConnectHandle,
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
        let beat = if link.state().silent { SILENT_BEAT } else { BEAT };
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
                // What comes on this connection answers something else.
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
                    let from_here = message.value.as_str().is_some_and(|from| from == link.client.id());
                    if ours && !from_here {
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
