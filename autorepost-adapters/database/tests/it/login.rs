//! A password that is rotated while the program runs.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use autorepost_core::{ErrorKind, Result, port::SecretSource, seal::Secret};
use autorepost_database::{Database, DatabaseConfig};
use sea_orm::ConnectionTrait;

use crate::{block_on, load::Load, server::Server};

/// A source whose value is set by hand, and which gives a new one only when it is refreshed, as a cache does.
#[derive(Default)]
struct Vault {
    stored: Mutex<Option<String>>,
    known: Mutex<Option<String>>,
    asked: AtomicU32,
}

impl Vault {
    fn of(password: &str) -> Arc<Self> {
        let vault = Self::default();
        vault.set(password);
        vault.know();
        Arc::new(vault)
    }

    fn set(&self, password: &str) {
        *self.stored.lock().unwrap() = Some(password.into());
    }

    fn know(&self) {
        *self.known.lock().unwrap() = self.stored.lock().unwrap().clone();
    }
}

#[async_trait]
impl SecretSource for Vault {
    async fn secret(&self, name: &str) -> Result<Option<Secret>> {
        assert_eq!(name, "DATABASE_PASSWORD");
        self.asked.fetch_add(1, Ordering::Relaxed);
        Ok(self.known.lock().unwrap().clone().map(Secret::new))
    }

    async fn refresh(&self) -> Result<()> {
        self.know();
        Ok(())
    }
}

struct Stage {
    server: Server,
    admin: sea_orm::DatabaseConnection,
}

impl Stage {
    async fn new() -> Self {
        let server = Server::start_with("host all app 127.0.0.1/32 scram-sha-256", None);
        let admin = sea_orm::Database::connect(server.url("postgres")).await.unwrap();
        let stage = Self { server, admin };
        stage.run("CREATE ROLE app LOGIN PASSWORD 'first'").await;
        stage.run("CREATE DATABASE app OWNER app").await;
        stage
    }

    async fn run(&self, sql: &str) {
        self.admin.execute_unprepared(sql).await.unwrap();
    }

    async fn cut(&self) {
        self.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'").await;
    }

    fn config(&self, source: Option<&Arc<Vault>>) -> DatabaseConfig {
        let source = source.map(|vault| Arc::clone(vault) as Arc<dyn SecretSource>);
        DatabaseConfig {
            connections_max: 5,
            acquire_timeout: Duration::from_secs(3),
            password: source.map(|source| (source, "DATABASE_PASSWORD".into())),
            ..DatabaseConfig::new(self.server.url("app").replace("autorepost@", "app@"))
        }
    }
}

#[test]
fn a_rotated_password_is_used_without_a_restart() {
    block_on(async {
        let stage = Stage::new().await;
        let vault = Vault::of("first");
        let config = stage.config(Some(&vault));
        let database = Database::connect(&config).await.unwrap();
        database.migrate().await.unwrap();
        let load = Load::start(&database);
        load.more(50).await;

        // The source knows the new password when the server does: what is refused is asked for again.
        vault.set("second");
        stage.run("ALTER ROLE app PASSWORD 'second'").await;
        stage.cut().await;
        load.more(50).await;

        // The server knows it first: there are failures until the source has it too.
        stage.run("ALTER ROLE app PASSWORD 'third'").await;
        stage.cut().await;
        load.failure().await;
        vault.set("third");
        load.more(50).await;
        load.settle(&stage.server.url("app")).await;
    });
}

/// A token of 15 minutes is renewed before it ends, though none is refused.
#[test]
fn a_password_is_asked_for_again_when_it_is_old() {
    block_on(async {
        let stage = Stage::new().await;
        let vault = Vault::of("first");
        let config = DatabaseConfig { password_every: Duration::from_millis(50), ..stage.config(Some(&vault)) };
        let database = Database::connect(&config).await.unwrap();
        let before = vault.asked.load(Ordering::Relaxed);
        let asked = async {
            while vault.asked.load(Ordering::Relaxed) < before + 3 {
                database.schema().await.unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), asked).await.expect("it is asked for again");
        // A source that has none any more changes nothing for what works.
        *vault.known.lock().unwrap() = None;
        tokio::time::sleep(Duration::from_millis(100)).await;
        database.schema().await.unwrap();
        stage.cut().await;
        database.schema().await.unwrap();
    });
}

#[test]
fn a_password_that_is_wrong_or_missing_is_said() {
    block_on(async {
        let stage = Stage::new().await;
        let missing = Arc::new(Vault::default());
        let wrong = Vault::of("canary");
        for (source, part) in [
            (Some(&missing), "DATABASE_PASSWORD, the database's password, is not set"),
            (Some(&wrong), "refuses the user or the password"),
            (None, "refuses the user or the password"),
        ] {
            let error = Database::connect(&stage.config(source)).await.err().expect("it is refused");
            assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
            assert!(error.detail().contains(part), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
        assert!(wrong.asked.load(Ordering::Relaxed) <= 3, "it asks again and again");
    });
}
