//! Where the database is, and how it is used.

use std::{path::PathBuf, sync::Arc, time::Duration};

use autorepost_core::port::SecretSource;

/// Where the database is, and how much of it is used. What is not said of SQLite is for Postgres only.
#[derive(Clone)]
pub struct DatabaseConfig {
    /// `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/NAME`.
    ///
    /// With `?sslmode=` it says how Postgres is reached: `disable`, `prefer`, `require`, `verify-ca` or `verify-full`.
    /// Without, it is `verify-full`, or `prefer` when the server is on this machine. `verify-ca`, and `require` with
    /// authorities, check the server's name as well.
    pub url: String,
    /// Connections at most; SQLite has one.
    pub connections_max: u32,
    /// Connections that are kept open when nothing is to be done.
    pub connections_min: u32,
    /// How long a query waits for a free connection, a new one included. SQLite too.
    pub acquire_timeout: Duration,
    /// A statement that takes longer is ended by the server.
    pub statement_timeout: Duration,
    /// A transaction that is silent for so long is ended by the server: its process was stopped, and must not keep its rows.
    pub idle_transaction_max: Duration,
    /// A connection is replaced at this age, so that it does not outlive a rotated password or a failover for long.
    pub connection_life_max: Duration,
    /// Whose certificates are believed besides those of the public authorities: for RDS the region's bundle.
    pub ca: Option<CaBundle>,
    /// How the server lists the connections.
    pub application_name: String,
    /// Where the password comes from, and its name there: in place of one in the address. It is asked again for new
    /// connections every [`password_every`](Self::password_every), and whenever the server refuses one.
    pub password: Option<(Arc<dyn SecretSource>, String)>,
    /// How long a password is used for new connections; an RDS token lives 15 minutes.
    pub password_every: Duration,
}

/// Certificates of authorities, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaBundle {
    /// A file, read for each new connection.
    Path(PathBuf),
    /// The text itself.
    Pem(String),
}

impl DatabaseConfig {
    /// The usual numbers for a database.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connections_max: 10,
            connections_min: 0,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            idle_transaction_max: Duration::from_secs(30),
            connection_life_max: Duration::from_secs(30 * 60),
            ca: None,
            application_name: "autorepost".into(),
            password: None,
            password_every: Duration::from_secs(5 * 60),
        }
    }
}
