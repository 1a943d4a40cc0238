//! Opening a database.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use autorepost_core::{Error, ErrorKind, Result};
use sea_orm::{
    ConnectOptions, DbErr, RuntimeErr, SqlxPostgresConnector,
    sqlx::{
        self, ConnectOptions as _, Connection as _,
        postgres::{PgConnectOptions, PgPoolOptions, PgSslMode},
    },
};
use tokio::time::timeout;

use crate::{
    CaBundle, DatabaseConfig,
    link::Link,
    login::{self, Login},
    sql,
};

const OP: &str = "connect database";
/// What an answer may take beyond the server's own limit.
const ANSWER_GRACE: Duration = Duration::from_secs(5);

pub(crate) async fn open(config: &DatabaseConfig) -> Result<Link> {
    if config.url.starts_with("sqlite:") {
        return sqlite(config).await;
    }
    if config.url.starts_with("postgres://") || config.url.starts_with("postgresql://") {
        return postgres(config).await;
    }
    Err(Error::new(ErrorKind::Configuration, OP, "DATABASE_URL must begin with sqlite:// or postgres://"))
}

async fn sqlite(config: &DatabaseConfig) -> Result<Link> {
    let mut options = ConnectOptions::new(config.url.clone());
    options
        .sqlx_logging(false)
        .acquire_timeout(config.acquire_timeout)
        .connect_timeout(config.acquire_timeout)
        // SQLite has one writer; more connections would only wait for one another.
        .max_connections(1);
    options.map_sqlx_sqlite_opts(|options| {
        options
            .create_if_missing(true)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(15))
            .pragma("journal_mode", "WAL")
            .pragma("synchronous", "FULL")
    });
    let db = sea_orm::Database::connect(options).await.map_err(failed)?;
    Ok(Link::new(db, None, None))
}

async fn postgres(config: &DatabaseConfig) -> Result<Link> {
    let mut options = options(config)?;
    if let Some((source, name)) = &config.password {
        options = options.password(login::password(source, name).await?.expose());
    }
    let pool = PgPoolOptions::new()
        .max_connections(config.connections_max)
        .min_connections(config.connections_min)
        .acquire_timeout(config.acquire_timeout)
        .max_lifetime(config.connection_life_max)
        // The pool itself waits without end for the answer of a connection that comes back, and lends its place to nobody.
        .after_release(|connection, _| {
            Box::pin(async move {
                let silent = |_| sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"));
                timeout(ANSWER_GRACE, connection.ping()).await.map_err(silent)??;
                Ok(true)
            })
        })
        .connect_lazy_with(options);
    let login = config
        .password
        .clone()
        .map(|(source, name)| Arc::new(Login::new(source, name, config.password_every, pool.clone())));
    let db = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    let answer_max = config.acquire_timeout + config.statement_timeout + ANSWER_GRACE;
    let link = Link::new(db, login, Some(answer_max));
    link.ping().await.map_err(failed)?;
    Ok(link)
}

fn failed(cause: DbErr) -> Error {
    match sql::error(OP, cause) {
        error if error.kind() == ErrorKind::Unavailable => {
            let text = "the database does not answer: check that it runs, and the address in DATABASE_URL";
            Error::unavailable(OP, text).source(error)
        }
        error => error,
    }
}

/// How a connection is opened, but for the password of a source.
fn options(config: &DatabaseConfig) -> Result<PgConnectOptions> {
    let wrong = |cause| sql::error(OP, DbErr::Conn(RuntimeErr::SqlxError(Arc::new(cause))));
    let mut options: PgConnectOptions = config.url.parse().map_err(wrong)?;
    options = options.disable_statement_logging().options([
        ("statement_timeout", config.statement_timeout.as_millis().to_string()),
        ("idle_in_transaction_session_timeout", config.idle_transaction_max.as_millis().to_string()),
    ]);
    if options.get_application_name().is_none() {
        options = options.application_name(&config.application_name);
    }
    let said = |keys: &[&str]| parameters(&config.url).any(|key| keys.contains(&key));
    let mut mode = options.get_ssl_mode();
    if !said(&["sslmode", "ssl-mode"]) && !is_local(&options) {
        mode = PgSslMode::VerifyFull;
    }
    // Whoever names authorities wants them to be asked. They come beside the public ones here, so that the name of the
    // server must be right, too: anybody has a public certificate for some name.
    let authorities = config.ca.is_some() || said(&["sslrootcert", "ssl-root-cert", "ssl-ca"]);
    if matches!(mode, PgSslMode::VerifyCa) || matches!(mode, PgSslMode::Require) && authorities {
        mode = PgSslMode::VerifyFull;
    }
    options = options.ssl_mode(mode);
    Ok(match &config.ca {
        Some(CaBundle::Path(path)) if !path.is_file() => {
            let text = format!("the file of certificate authorities {} is not there", path.display());
            return Err(Error::new(ErrorKind::Configuration, OP, text));
        }
        Some(CaBundle::Path(path)) => options.ssl_root_cert(path),
        Some(CaBundle::Pem(pem)) => options.ssl_root_cert_from_pem(pem.clone().into_bytes()),
        None => options,
    })
}

/// The names of the address's parameters.
fn parameters(url: &str) -> impl Iterator<Item = &str> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query.split('&').map(|pair| pair.split('=').next().unwrap_or_default())
}

/// Whether the server is on this machine.
fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str, ca: bool) -> String {
        let ca = ca.then(|| CaBundle::Pem(String::new()));
        let config = DatabaseConfig { ca, ..DatabaseConfig::new(url) };
        format!("{:?}", options(&config).expect("the address is right").get_ssl_mode())
    }

    /// Over a network TLS is checked unless the address says otherwise.
    #[test]
    fn what_is_not_said_of_tls_is_verify_full() {
        for (url, ca, wanted) in [
            ("postgres://u@db.example.com/x", false, "VerifyFull"),
            ("postgres://u@db.example.com/x?application_name=a", false, "VerifyFull"),
            ("postgres://u@10.0.0.7/x", true, "VerifyFull"),
            ("postgres://u@localhost.example.com/x", false, "VerifyFull"),
            ("postgres://u@db.example.com/x?sslmode=disable", false, "Disable"),
            ("postgres://u@db.example.com/x?sslmode=prefer", false, "Prefer"),
            ("postgres://u@db.example.com/x?sslmode=require", false, "Require"),
            ("postgres://u@db.example.com/x?sslmode=require", true, "VerifyFull"),
            ("postgres://u@db.example.com/x?sslrootcert=/ca.pem&sslmode=require", false, "VerifyFull"),
            ("postgres://u@127.0.0.1/x", false, "Prefer"),
            ("postgres://u@LOCALHOST/x", false, "Prefer"),
            ("postgres://u@[::1]/x", false, "Prefer"),
            ("postgres://u@%2Fvar%2Frun%2Fpostgresql/x", false, "Prefer"),
            ("postgres://u@localhost/x?sslmode=verify-full", false, "VerifyFull"),
        ] {
            assert_eq!(mode(url, ca), wanted, "{url} {ca}");
        }
    }
}
