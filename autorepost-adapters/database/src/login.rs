//! Passwords that change: new connections use the present one.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use autorepost_core::{Error, ErrorKind, Result, port::SecretSource, seal::Secret};
use sea_orm::sqlx::PgPool;
use tokio::time::Instant;

/// After a password could not be read, it is asked for again this soon at the latest.
const AFTER_FAILURE_MAX: Duration = Duration::from_secs(30);
/// Refused passwords are asked for again this often at most.
const AGAIN_MIN: Duration = Duration::from_secs(1);

/// The present password of a source.
pub(crate) async fn password(source: &Arc<dyn SecretSource>, name: &str) -> Result<Secret> {
    source.secret(name).await?.ok_or_else(|| {
        let text = format!("{name}, the database's password, is not set");
        Error::new(ErrorKind::Configuration, "connect database", text)
    })
}

/// Gives a pool's new connections the present password.
pub(crate) struct Login {
    source: Arc<dyn SecretSource>,
    name: String,
    every: Duration,
    pool: PgPool,
    due: Mutex<Instant>,
    /// When the password was last asked for because the server had refused it.
    asked: tokio::sync::Mutex<Option<Instant>>,
}

impl Login {
    pub(crate) fn new(source: Arc<dyn SecretSource>, name: String, every: Duration, pool: PgPool) -> Self {
        Self {
            source,
            name,
            every,
            pool,
            due: Mutex::new(Instant::now() + every),
            asked: tokio::sync::Mutex::default(),
        }
    }

    /// Asks for the password in the background when it is old. Nobody waits for that: the connections that are open stay.
    pub(crate) fn keep_fresh(self: &Arc<Self>) {
        let now = Instant::now();
        {
            let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
            if *due > now {
                return;
            }
            *due = now + self.every;
        }
        let login = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = login.take().await {
                tracing::warn!("{error}; the database's password before goes on being used");
                let again = Instant::now() + login.every.min(AFTER_FAILURE_MAX);
                *login.due.lock().unwrap_or_else(PoisonError::into_inner) = again;
            }
        });
    }

    /// The server refused the password that was in use at `seen`: asks for a newer one. Answers whether it is worth trying
    /// again.
    pub(crate) async fn refused(&self, seen: Instant) -> bool {
        let mut asked = self.asked.lock().await;
        if asked.is_some_and(|asked| asked >= seen) {
            // Somebody else has asked meanwhile.
            return true;
        }
        if asked.is_some_and(|asked| asked.elapsed() < AGAIN_MIN) {
            return false;
        }
        *asked = Some(Instant::now());
        if let Err(error) = self.source.refresh().await {
            // Of several places one may be away; another may have the password.
            tracing::debug!("{error}");
        }
        match self.take().await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!("the database refuses the password, and there is no other: {error}");
                false
            }
        }
    }

    async fn take(&self) -> Result<()> {
        let password = password(&self.source, &self.name).await?;
        let options = (*self.pool.connect_options()).clone();
        self.pool.set_connect_options(options.password(password.expose()));
        Ok(())
    }
}
