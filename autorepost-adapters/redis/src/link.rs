//! The connections: each call to Redis, with its limits.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use autorepost_core::{Error, ErrorKind, Result};
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
    sync::{Semaphore, broadcast::error::RecvError},
    time::{Instant, timeout},
};

use crate::{
    RedisConfig,
    error::{error, is_unconnected},
    tasks::Routers,
};

/// Calls that are in flight at most; more of them wait for their turn.
const COMMANDS_MAX: usize = 256;

/// A connection on which an answer is missing for so long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// The first and the longest wait before the next attempt to connect, and what is added to it by chance, in ms.
const RECONNECT_MIN_MS: u32 = 100;
pub(crate) const RECONNECT_MAX_MS: u32 = 3_000;
const RECONNECT_JITTER_MS: u32 = 500;

/// What a publication begins with by which a process tries whether it hears.
pub(crate) const TRIAL: char = '?';

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
    pub(crate) client: Client,
    /// Hears the signals, on a connection of its own: the driver takes no answer for SUBSCRIBE, so where that is refused it
    /// takes every later answer for that of another call.
    pub(crate) ears: Client,
    pub(crate) namespace: String,
    pub(crate) channel: String,
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

    pub(crate) async fn attempt<T, F>(
        &self,
        client: &Client,
        call: impl FnOnce(Commands) -> F,
    ) -> Result<T, DriverError>
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

    /// Subscribes to the signals, and makes sure of it: the driver may not hear a refusal, but what is published here must be
    /// heard.
    pub(crate) async fn subscribe(&self) -> Result<()> {
        let op = "subscribe to wake-ups";
        let mut messages = self.ears.message_rx();
        let channel = self.channel.clone();
        let subscribe = |commands: Commands| async move {
            commands.subscribe(channel).await?;
            // The driver says so when it is sent. The answer to what is sent after it means that it has arrived, or is the
            // refusal itself.
            commands.ping::<()>(None).await
        };
        self.attempt(&self.ears, subscribe).await.map_err(|cause| error(op, &cause))?;
        let (channel, trial) = (self.channel.clone(), format!("{TRIAL}{}", self.ears.id()));
        let mark = trial.clone();
        self.run(op, |commands| async move { commands.publish::<i64, _, _>(channel, mark).await }).await?;
        let heard = async {
            loop {
                match messages.recv().await {
                    Ok(message) if message.value.as_str().is_some_and(|value| value == trial.as_str()) => return true,
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return false,
                }
            }
        };
        if timeout(self.command_timeout, heard).await == Ok(true) {
            return Ok(());
        }
        let text = format!("what is published is not heard: let the user in REDIS_URL subscribe to {}", self.channel);
        Err(Error::new(ErrorKind::Configuration, op, text))
    }

    /// Says goodbye.
    pub(crate) async fn quit(&self) {
        // Whether Redis hears it or not, the connections are cut.
        let _ = tokio::join!(self.client.quit(), self.ears.quit());
    }

    /// There is no connection. Why, is told where it is kept.
    fn unconnected(&self, op: &'static str) -> Error {
        let none = format!("there is no connection to Redis at {}", self.place);
        Error::unavailable(op, self.state().why.as_ref().map_or(none.clone(), |why| format!("{none}: {why}")))
    }

    /// Whether an answer was missing last.
    pub(crate) fn is_silent(&self) -> bool {
        self.state().silent
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
    pub(crate) fn broken(&self, cause: &DriverError) {
        self.missed(error("connect Redis", cause).detail());
    }

    fn answered(&self) {
        let state = std::mem::take(&mut *self.state());
        if state.down {
            tracing::info!("Redis at {} is back", self.place);
        }
    }
}
