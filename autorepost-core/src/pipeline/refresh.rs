//! `token_refresh`: keeps one connection's credential alive.
//!
//! This job is the only one that renews credentials, and its lane lets one run at a time for a connection: so a refresh
//! token that works once is never used twice. Whoever meets a dead token makes this job due and waits.

use chrono::TimeDelta;

use crate::{
    Error, ErrorKind, Platform, Result,
    connection::{Connection, ConnectionStatus},
    credential::{Access, binding},
    id::ConnectionId,
    job::{Finish, Job, sync_key},
    pipeline::expiry::{next_warning, with_warning},
    policy::after,
    port::{EntropyExt, Grant},
    repost::publish_lane,
    worker::{End, Worker},
};

/// A credential is not renewed more often than this, whatever its expiry says.
const REFRESH_SECS_MIN: i64 = 30;

/// How the note of this job begins after a first refusal. A second one in a row proves a credential dead; what else went
/// wrong in between, or before, counts for nothing.
const REFUSED: &str = "refused, and asked once more: ";

/// Doublings of the wait between two looks at a credential that is called dead. Fewer than failures that are an alarm: it was
/// told already.
const DEAD_LOOKS_MAX: u32 = 9;

impl Worker {
    pub(crate) async fn refresh(&self, job: &Job) -> Result<End> {
        let id = ConnectionId::from_uuid(job.new.subject);
        let Some(connection) = self.ports.connections.get(job.new.tenant, id).await? else {
            return Ok(End::Finish(Finish::Done));
        };
        if connection.status == ConnectionStatus::Revoked {
            // Nothing to renew. Connecting the account again makes this job due at once.
            let run_at = after(self.now(), self.policy.verify_every);
            return Ok(End::Finish(Finish::Again { run_at, attempts: 0, note: connection.status_detail }));
        }
        match self.renew(&connection).await {
            Ok(next) => self.renewed(job, &connection, next).await,
            // Platforms have refused living tokens: one refusal is no proof. Of one that is called dead it says nothing new.
            Err(error)
                if error.kind() == ErrorKind::Unauthorized
                    && !was_refused(job)
                    && connection.status != ConnectionStatus::NeedsReconnect =>
            {
                let again = self.again_after(job, &error);
                Ok(End::Finish(match again {
                    Finish::Again { run_at, attempts, note } => {
                        Finish::Again { run_at, attempts, note: note.map(|why| format!("{REFUSED}{why}")) }
                    }
                    other => other,
                }))
            }
            Err(error) if matches!(error.kind(), ErrorKind::Unauthorized | ErrorKind::Unsealable) => {
                let status = match error.kind() {
                    ErrorKind::Unauthorized => ConnectionStatus::NeedsReconnect,
                    // A key that is missing may be put back: what is marked so is tried again.
                    _ => ConnectionStatus::Error,
                };
                self.mark(job, &connection, status, &error).await?;
                // What is called dead may live: an app's secret that was rotated at the platform before it was here, a key
                // that is put back. So it is asked about again, soon at first, and then once a day.
                let attempts = if connection.status == status { (job.attempts + 1).min(DEAD_LOOKS_MAX) } else { 0 };
                let wait = self.policy.hold.saturating_mul(1 << attempts).min(self.policy.verify_every);
                let run_at = after(self.now(), wait);
                Ok(End::Finish(Finish::Again { run_at, attempts, note: Some(error.to_string()) }))
            }
            // A network blip is no dead grant: the credential stays as it is.
            Err(error) => {
                self.warn_of_expiry(job, &connection, &error).await?;
                Ok(End::Finish(self.again_after(job, &error)))
            }
        }
    }

    /// The connection with a renewed or verified credential.
    async fn renew(&self, connection: &Connection) -> Result<Connection> {
        let access = Access::open(connection, &self.ports.keys)?;
        let authorizer = self.ports.authorizer(connection.platform)?;
        let mut next = Connection { status: ConnectionStatus::Active, status_detail: None, ..connection.clone() };
        match authorizer.refresh(&access).await? {
            Some(Grant { credential, expires_at }) => {
                let nonce = self.ports.entropy.bytes();
                next.credential = credential.seal(&self.ports.keys, &binding(connection), nonce)?;
                next.expires_at = expires_at;
                next.renewed_at = self.now();
                next.warned_days = None;
            }
            None => {
                let identity = authorizer.verify(&access).await?;
                if identity.account != connection.account {
                    let text = format!("the credential belongs to account {} now", identity.account);
                    return Err(Error::new(ErrorKind::Unauthorized, "verify credential", text));
                }
                next.handle = identity.handle;
                next.expires_at = identity.expires_at.or(connection.expires_at);
                next = with_warning(next, self.now(), None);
            }
        }
        Ok(next)
    }

    async fn renewed(&self, job: &Job, before: &Connection, next: Connection) -> Result<End> {
        let now = self.now();
        let stored = if next == *before {
            next
        } else {
            match self.store_connection(job, before, &next).await {
                Ok(stored) => stored,
                // Somebody changed the row meanwhile. A renewed credential must not be lost, so it goes in again over
                // the new row, unless the account was connected anew: then theirs is the living one.
                Err(error) if error.kind() == ErrorKind::Conflict => match self.store_over(job, before, &next).await? {
                    Some(stored) => stored,
                    None => return Ok(End::Finish(Finish::Again { run_at: now, attempts: 0, note: None })),
                },
                Err(error) => return Err(error),
            }
        };
        self.tell_change(job, before, &stored);
        if stored.credential != before.credential || stored.status != before.status {
            let mut waiting = vec![publish_lane(stored.tenant, stored.platform, &stored.account)];
            if stored.platform == Platform::TikTok {
                waiting.push(sync_key(stored.id));
            }
            self.ports.jobs.hasten(&waiting).await?;
        }
        // What was not renewed cannot be, or not yet: it is looked at again in its own time, however near its end is.
        let expires_at = stored.expires_at.filter(|_| stored.credential != before.credential);
        let next_run = self.policy.next_refresh(now, expires_at, self.ports.entropy.number());
        let next_run = next_warning(&stored, now).map_or(next_run, |warning| next_run.min(warning));
        let run_at = next_run.max(now + TimeDelta::seconds(REFRESH_SECS_MIN));
        Ok(End::Finish(Finish::Again { run_at, attempts: 0, note: None }))
    }

    /// Stores a renewed credential over a row that was changed meanwhile; nothing when its credential was, too.
    async fn store_over(&self, job: &Job, before: &Connection, next: &Connection) -> Result<Option<Connection>> {
        const TRIES_MAX: usize = 5;
        for _ in 0..TRIES_MAX {
            let Some(current) = self.ports.connections.get(before.tenant, before.id).await? else { return Ok(None) };
            if !self.same_credential(&current, before) {
                return Ok(None);
            }
            // What was not renewed stays as it is stored: perhaps another key sealed it meanwhile.
            let renewed = next.credential != before.credential;
            let merged = Connection {
                credential: if renewed { next.credential.clone() } else { current.credential.clone() },
                handle: next.handle.clone(),
                expires_at: next.expires_at,
                renewed_at: next.renewed_at,
                status: next.status,
                status_detail: next.status_detail.clone(),
                warned_days: next.warned_days,
                ..current
            };
            match self.store_connection(job, before, &merged).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                other => return other.map(Some),
            }
        }
        Err(Error::conflict("store credential", "the connection changes too often"))
    }

    async fn warn_of_expiry(&self, job: &Job, connection: &Connection, error: &Error) -> Result<()> {
        let next = match connection.method.has_refresh_token() {
            false => with_warning(connection.clone(), self.now(), Some(error)),
            true => {
                let soon = after(self.now(), self.policy.expiring_before);
                let Some(expires_at) = connection.expires_at.filter(|at| *at < soon) else { return Ok(()) };
                let end = expires_at.format("%Y-%m-%d %H:%M UTC");
                let text = format!("ends at {end} and could not be renewed: {error}");
                Connection { status: ConnectionStatus::Expiring, status_detail: Some(text), ..connection.clone() }
            }
        };
        // What is wrong is written down once, however often it is met.
        if (next.status, next.warned_days) == (connection.status, connection.warned_days) {
            return Ok(());
        }
        match self.store_connection(job, connection, &next).await {
            Ok(_) => self.tell_change(job, connection, &next),
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Whether the run before this one was refused.
fn was_refused(job: &Job) -> bool {
    job.note.as_ref().is_some_and(|note| note.starts_with(REFUSED))
}
