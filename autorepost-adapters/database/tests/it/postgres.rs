//! Postgres: one real server for all tests, one fresh database for each.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use autorepost_core::{
    ErrorKind,
    conformance::{Case, Stores},
};
use autorepost_database::{Database, DatabaseConfig};
use sea_orm::ConnectionTrait;

use crate::{block_on, stores};

/// How long a server may take to answer after its start.
const START_MAX: Duration = Duration::from_secs(30);

struct Server {
    port: u16,
    /// Ends with the test process, whichever way that ends: the shell that holds it waits for this pipe to close.
    _guard: Child,
}

static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

impl Server {
    fn start() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("autorepost-postgres-").tempdir().unwrap().keep();
        let data = folder.join("data");
        let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
        // Postgres refuses to run as root.
        let prefix: &[&str] = match is_root {
            true => &["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"],
            false => &["env"],
        };
        if is_root {
            let owned = Command::new("chown").args(["-R", "nobody:nogroup"]).arg(&folder).status().unwrap();
            assert!(owned.success(), "chown failed");
        }
        let output = Command::new(prefix[0])
            .args(&prefix[1..])
            .arg(programs.join("initdb"))
            .args(["--auth=trust", "--username=autorepost", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // The shell stops the server and removes its folder as soon as its standard input, held by us, is closed.
        let script = r#"folder=$1; shift; "$@" >"$folder/log" 2>&1 & server=$!
            cat >/dev/null; kill -QUIT $server; wait $server; rm -rf "$folder""#;
        let guard = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(&folder)
            .args(prefix)
            .arg(programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-h", "127.0.0.1", "-k", "", "-F", "-c", "max_connections=200"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let server = Self { port, _guard: guard };
        let end = Instant::now() + START_MAX;
        while let Err(error) = block_on(sea_orm::Database::connect(server.url("postgres"))) {
            assert!(Instant::now() < end, "postgres does not answer: {error}, see {}", folder.join("log").display());
        }
        server
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://autorepost@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes an empty database.
    fn fresh(&self) -> DatabaseConfig {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        block_on(async {
            let admin = sea_orm::Database::connect(self.url("postgres")).await.unwrap();
            admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
            admin.close().await.unwrap();
        });
        DatabaseConfig { connections_max: 6, ..DatabaseConfig::new(self.url(&name)) }
    }
}

/// The folder of Postgres's programs: where PATH finds `initdb`, or Debian's.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
    debian.sort();
    std::env::split_paths(&path)
        .chain(debian.into_iter().rev())
        .find(|folder| is_file(&folder.join("initdb")) && is_file(&folder.join("postgres")))
        .expect("these tests need Postgres: run scripts/setup, or apt-get install postgresql")
}

fn is_file(path: &Path) -> bool {
    path.is_file()
}

fn run(case: fn(Stores) -> Case) {
    let config = SERVER.fresh();
    block_on(async {
        let database = Database::connect(&config).await.unwrap();
        database.migrate().await.unwrap();
        case(stores(&database)).await;
    });
}

autorepost_core::store_conformance!(run);

#[test]
fn migrating_at_once_from_two_processes_works() {
    let config = SERVER.fresh();
    block_on(async {
        let one = Database::connect(&config).await.unwrap();
        let two = Database::connect(&config).await.unwrap();
        let (first, second) = tokio::join!(one.migrate(), two.migrate());
        assert_eq!(first.unwrap(), second.unwrap());
        assert!(one.schema().await.unwrap().pending.is_empty());
    });
}

#[test]
fn a_missing_database_is_said() {
    let config = DatabaseConfig::new(SERVER.url("no_such_database"));
    let error = block_on(Database::connect(&config)).err().expect("no such database");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.detail().contains("create it"), "{error}");
}
