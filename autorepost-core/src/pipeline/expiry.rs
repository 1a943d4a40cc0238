//! Telling ahead that a credential ends: 14, 7 and 1 days before, once each.
//!
//! What was told last is written on the connection, in the transaction that tells of it, so a crash repeats nothing. It holds
//! for credentials that only their owner can replace or that are renewed for weeks; an access token that a refresh token
//! renews every hour ends all the time, and is nobody's concern.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    Error,
    connection::{Connection, ConnectionStatus},
    job::Job,
    port::Signal,
    worker::Worker,
};

/// Days before its end at which a credential is told of, the last first.
const WARNINGS_DAYS: [u8; 3] = [1, 7, 14];

/// The end that is to be told of, if there is one.
fn end(connection: &Connection) -> Option<DateTime<Utc>> {
    connection.expires_at.filter(|_| !connection.method.has_refresh_token())
}

fn warning_at(end: DateTime<Utc>, days: u8) -> DateTime<Utc> {
    end.checked_sub_signed(TimeDelta::days(days.into())).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// When the next warning is due.
pub(super) fn next_warning(connection: &Connection, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let end = end(connection)?;
    WARNINGS_DAYS.into_iter().map(|days| warning_at(end, days)).filter(|at| *at > now).min()
}

/// A connection that works, with the warning that is due on it; `why` it could not be renewed, if that was tried.
pub(super) fn with_warning(connection: Connection, now: DateTime<Utc>, why: Option<&Error>) -> Connection {
    let due = end(&connection).and_then(|end| {
        let days = WARNINGS_DAYS.into_iter().find(|days| warning_at(end, *days) <= now)?;
        Some((end, days))
    });
    let Some((end, days)) = due else { return Connection { warned_days: None, ..connection } };
    let why = why.map(|error| format!(" and could not be renewed ({error})")).unwrap_or_default();
    let text = format!("its credential ends at {}{why}: connect it again before", end.format("%Y-%m-%d %H:%M UTC"));
    Connection { status: ConnectionStatus::Expiring, status_detail: Some(text), warned_days: Some(days), ..connection }
}

/// Whether a change of a connection brings a warning that was not told yet.
pub(crate) fn warns(before: &Connection, after: &Connection) -> bool {
    after.warned_days.is_some_and(|days| before.warned_days.is_none_or(|told| days < told))
}

impl Worker {
    /// Tells the log and the metrics of a connection that was stored.
    pub(super) fn tell_change(&self, job: &Job, before: &Connection, stored: &Connection) {
        let warns = warns(before, stored);
        if stored.status != before.status || warns {
            self.tell(stored);
        }
        if warns {
            let (platform, detail) = (stored.platform.title(), stored.status_detail.as_deref().unwrap_or_default());
            let text = format!("{platform} @{}: {detail}", stored.handle);
            self.ports.events.emit(&Signal::Alarm { kind: job.new.kind, text: &text });
        }
    }
}
