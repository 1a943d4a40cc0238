//! Queries, transactions, and the one place where a driver's error becomes ours.

use std::time::Duration;

use autorepost_core::{Error, ErrorKind, Result, Retry, job::Lease};
use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, QueryResult, RuntimeErr, SqliteTransactionMode, Statement, TransactionOptions,
    Value, sqlx,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Database, link::Transaction};

impl Database {
    /// Begins a transaction that will write: on SQLite it takes the write lock at once, so that it cannot fail for having
    /// read before it wrote.
    pub(crate) async fn begin(&self, op: &'static str) -> Result<Transaction> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        self.db.begin(options).await.map_err(|cause| error(op, cause))
    }
}

pub(crate) async fn commit(tx: Transaction, op: &'static str) -> Result<()> {
    tx.commit().await.map_err(|cause| error(op, cause))
}

fn statement(
    conn: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Statement {
    Statement::from_sql_and_values(conn.get_database_backend(), sql, values)
}

pub(crate) async fn all(
    conn: &impl ConnectionTrait,
    op: &'static str,
    sql: impl Into<String> + Send,
    values: impl IntoIterator<Item = Value> + Send,
) -> Result<Vec<QueryResult>> {
    conn.query_all_raw(statement(conn, sql, values)).await.map_err(|cause| error(op, cause))
}

pub(crate) async fn one(
    conn: &impl ConnectionTrait,
    op: &'static str,
    sql: impl Into<String> + Send,
    values: impl IntoIterator<Item = Value> + Send,
) -> Result<Option<QueryResult>> {
    conn.query_one_raw(statement(conn, sql, values)).await.map_err(|cause| error(op, cause))
}

/// Runs a statement, and answers with the number of rows that it changed.
pub(crate) async fn run(
    conn: &impl ConnectionTrait,
    op: &'static str,
    sql: impl Into<String> + Send,
    values: impl IntoIterator<Item = Value> + Send,
) -> Result<u64> {
    let result = conn.execute_raw(statement(conn, sql, values)).await.map_err(|cause| error(op, cause))?;
    Ok(result.rows_affected())
}

pub(crate) fn is_postgres(conn: &impl ConnectionTrait) -> bool {
    conn.get_database_backend() == DbBackend::Postgres
}

/// The database's own time in microseconds since 1970: on Postgres that of the transaction's start, on SQLite in whole
/// milliseconds.
pub(crate) fn now(conn: &impl ConnectionTrait) -> &'static str {
    match is_postgres(conn) {
        true => "CAST(EXTRACT(EPOCH FROM now()) * 1000000 AS BIGINT)",
        false => "CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER)",
    }
}

/// The database's own time in this very moment.
pub(crate) fn clock(conn: &impl ConnectionTrait) -> &'static str {
    match is_postgres(conn) {
        true => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
        false => now(conn),
    }
}

/// The key of the media that a post names, as the index `posts_media` has it; NULL when it names none.
pub(crate) fn media_key(conn: &impl ConnectionTrait, row: &str) -> String {
    match is_postgres(conn) {
        true => format!("({row}.doc::jsonb -> 'media' ->> 'key')"),
        false => format!("json_extract({row}.doc, '$.media.key')"),
    }
}

/// A time of a row's document in whole milliseconds since 1970, which is what SQLite reads of it.
pub(crate) fn doc_time_ms(conn: &impl ConnectionTrait, row: &str, field: &str) -> String {
    match is_postgres(conn) {
        true => {
            format!("CAST(EXTRACT(EPOCH FROM CAST({row}.doc::jsonb ->> '{field}' AS timestamptz)) * 1000 AS BIGINT)")
        }
        false => format!("CAST(ROUND(unixepoch(json_extract({row}.doc, '$.{field}'), 'subsec') * 1000) AS INTEGER)"),
    }
}

/// What locks the rows of a SELECT against a concurrent change; SQLite's writer has them all.
pub(crate) fn for_share(conn: &impl ConnectionTrait) -> &'static str {
    if is_postgres(conn) { " FOR SHARE" } else { "" }
}

/// Holds a lease for the rest of the transaction, or fails with `LeaseLost`.
pub(crate) async fn hold(tx: &Transaction, op: &'static str, lease: Lease) -> Result<()> {
    let sql = "UPDATE jobs SET epoch = epoch WHERE id = $1 AND epoch = $2 AND state = 'running'";
    match run(tx, op, sql, [id(lease.job), number(lease.epoch)]).await? {
        0 => Err(Error::lease_lost(op)),
        _ => Ok(()),
    }
}

/// Placeholders for `count` values, the first of them `$first`.
pub(crate) fn places(first: usize, count: usize) -> String {
    (first..first + count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}

pub(crate) fn id(id: impl ToString) -> Value {
    id.to_string().into()
}

pub(crate) fn number(value: impl TryInto<i64>) -> Value {
    value.try_into().unwrap_or(i64::MAX).into()
}

/// A time in whole microseconds since 1970: exact on both databases, and in order.
pub(crate) fn time(at: DateTime<Utc>) -> Value {
    at.timestamp_micros().into()
}

/// A span of time in microseconds.
pub(crate) fn span(span: Duration) -> Value {
    number(span.as_micros())
}

pub(crate) fn time_or_null(at: Option<DateTime<Utc>>) -> Value {
    at.map(|at| at.timestamp_micros()).into()
}

pub(crate) fn doc<T: Serialize>(op: &'static str, value: &T) -> Result<Value> {
    let text =
        serde_json::to_string(value).map_err(|cause| Error::internal(op, "a value has no JSON form").source(cause))?;
    Ok(text.into())
}

pub(crate) fn text(row: &QueryResult, op: &'static str, column: &str) -> Result<String> {
    row.try_get("", column).map_err(|cause| error(op, cause))
}

pub(crate) fn integer(row: &QueryResult, op: &'static str, column: &str) -> Result<i64> {
    row.try_get("", column).map_err(|cause| error(op, cause))
}

pub(crate) fn at(row: &QueryResult, op: &'static str, column: &str) -> Result<Option<DateTime<Utc>>> {
    let micros: Option<i64> = row.try_get("", column).map_err(|cause| error(op, cause))?;
    Ok(micros.and_then(DateTime::from_timestamp_micros))
}

/// Reads the document column of a row.
pub(crate) fn read<T: DeserializeOwned>(row: &QueryResult, op: &'static str) -> Result<T> {
    serde_json::from_str(&text(row, op, "doc")?).map_err(|cause| {
        Error::malformed(op, "a stored row has a form that this version of the program does not know").source(cause)
    })
}

/// Maps a driver's error. There is no arm that says "try again" for what is not known.
pub(crate) fn error(op: &'static str, cause: DbErr) -> Error {
    let (kind, retry, detail) = classify(&cause);
    Error::new(kind, op, detail).retry(retry).source(cause)
}

fn classify(cause: &DbErr) -> (ErrorKind, Retry, String) {
    let unavailable = |detail: &str| (ErrorKind::Unavailable, Retry::Soon, detail.to_owned());
    let wrong = |detail: &str| (ErrorKind::Configuration, Retry::Never, detail.to_owned());
    let runtime = match cause {
        DbErr::ConnectionAcquire(_) => return unavailable("no database connection became free in time"),
        DbErr::Conn(runtime) | DbErr::Exec(runtime) | DbErr::Query(runtime) => runtime,
        other => return (ErrorKind::Internal, Retry::Never, format!("the database answered: {other}")),
    };
    let RuntimeErr::SqlxError(driver) = runtime else {
        return (ErrorKind::Internal, Retry::Never, "the database layer failed".to_owned());
    };
    match driver.as_ref() {
        sqlx::Error::PoolTimedOut => unavailable("no database connection became free in time"),
        sqlx::Error::Io(cause) if cause.kind() == std::io::ErrorKind::InvalidData => {
            // So the driver tells what its TLS did not like.
            let text =
                format!("the database's certificate is not accepted ({cause}): check sslmode, the host and the CA");
            (ErrorKind::Configuration, Retry::Never, text)
        }
        sqlx::Error::Io(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
            unavailable("the database does not answer")
        }
        sqlx::Error::Tls(cause) if cause.to_string().contains("does not support TLS") => wrong(
            "the database does not offer TLS, which is asked for unless it is on this machine: switch it on, or add \
             ?sslmode=disable to DATABASE_URL when the network between is private",
        ),
        sqlx::Error::Tls(cause) => {
            let text = format!("TLS with the database is not possible ({cause}): check sslmode, the host and the CA");
            (ErrorKind::Configuration, Retry::Never, text)
        }
        sqlx::Error::Configuration(_) => wrong("DATABASE_URL cannot be read: check its form"),
        sqlx::Error::Database(answer) => {
            if answer.is_unique_violation() {
                return (ErrorKind::Conflict, Retry::Never, "a row with this key exists already".to_owned());
            }
            let code = answer.code().unwrap_or_default().into_owned();
            match code.as_str() {
                // Postgres: serialization failure, deadlock, shutdown, too many connections, starting up.
                "40001" | "40P01" | "57P01" | "57P02" | "57P03" | "53300" => unavailable("the database is busy"),
                // Postgres: a statement or a silent transaction took too long, or a lock could not be had.
                "57014" | "25P03" | "55P03" => unavailable("the database took too long and gave up"),
                "28P01" | "28000" => wrong(
                    "the database refuses the user or the password: check DATABASE_URL, and the password's source",
                ),
                "3D000" => wrong("the database named in DATABASE_URL does not exist: create it"),
                "42P01" => wrong("the database has no tables yet: run \"autorepost migrate\""),
                "53100" => unavailable("the database's disk is full: free some space"),
                // SQLite: busy, locked, full, cannot open, read only, not a database.
                "5" | "6" | "261" | "517" => unavailable("another process holds the database for too long"),
                "13" => unavailable("the disk is full: free some space"),
                "14" => wrong("the database file cannot be opened: check that its folder exists and may be written"),
                "8" | "1544" => wrong("the database file cannot be written: check its permissions"),
                "26" => wrong("the file is not a SQLite database: name another file"),
                "1" if answer.message().starts_with("no such table") => {
                    wrong("the database has no tables yet: run \"autorepost migrate\"")
                }
                _ => {
                    let text = format!("the database answered: {} (code {code})", answer.message());
                    (ErrorKind::Internal, Retry::Never, text)
                }
            }
        }
        _ => (ErrorKind::Internal, Retry::Never, "the database driver failed".to_owned()),
    }
}
