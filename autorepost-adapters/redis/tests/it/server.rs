//! A real Redis server with TLS and users, on ports and in a folder of its own. It ends with the test process, whichever
//! way that ends.

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use autorepost_core::seal::Secret;
use autorepost_redis::RedisConfig;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// The password of the user `worker`; as it is, it must be escaped in a URL.
pub const PASSWORD: &str = "p@ss/w:rd%7#hunter2";

/// What the documentation of the crate says that its user needs.
const RIGHTS: &str = "+ping +info +client|id +subscribe +publish +eval +get +set +getdel +pexpire +time +lindex +llen +lpop \
     +rpush +lrem +cluster|slots";

pub struct Server {
    folder: PathBuf,
    pub tls_port: u16,
    pub plain_port: u16,
    /// The authority that signed its certificate, as PEM.
    pub ca_pem: String,
    cluster: bool,
    child: Mutex<Option<Child>>,
    /// Kills the server and removes its folder as soon as its standard input, held by us, is closed.
    guard: Child,
}

impl Server {
    pub fn start() -> Self {
        let server = Self::prepare(false);
        server.up();
        server
    }

    /// A cluster of one node.
    pub fn start_cluster() -> Self {
        let server = Self::prepare(true);
        server.up();
        assert_eq!(server.cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), "OK");
        let began = Instant::now();
        while !server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok") {
            assert!(began.elapsed() < Duration::from_secs(20), "the cluster does not form");
        }
        server
    }

    /// Everything but the running server.
    pub fn prepare(cluster: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("autorepost-redis-").tempdir().unwrap().keep();
        let (ca_pem, ca) = authority();
        let (certificate, key) = certificate(&ca, &["localhost", "127.0.0.1"]);
        fs::write(folder.join("ca.pem"), &ca_pem).unwrap();
        fs::write(folder.join("cert.pem"), certificate).unwrap();
        fs::write(folder.join("key.pem"), key).unwrap();
        let users = [
            "user default off".to_owned(),
            "user admin on nopass ~* &* +@all".to_owned(),
            format!("user worker on >{PASSWORD} ~* &* {RIGHTS}"),
            format!("user shop on >{PASSWORD} ~shop:* &shop:wake {RIGHTS}"),
            format!("user outsider on >{PASSWORD} ~* {RIGHTS}"),
            format!("user deaf on >{PASSWORD} ~* &* {RIGHTS} -subscribe"),
        ];
        let users = users.join("\n") + "\n";
        fs::write(folder.join("users.acl"), users).unwrap();
        // Ctrl-C is for the tests: their end is the guard's.
        let script = r#"trap '' INT; cat >/dev/null; [ ! -s "$1/pid" ] || kill -KILL "$(cat "$1/pid")"; rm -rf "$1""#;
        let guard = Command::new("sh").args(["-c", script, "sh"]).arg(&folder).stdin(Stdio::piped()).spawn().unwrap();
        let (tls_port, plain_port) = (free_port(), free_port());
        Self { folder, tls_port, plain_port, ca_pem, cluster, child: Mutex::new(None), guard }
    }

    /// Starts it, and waits until it answers.
    pub fn up(&self) {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let (tls_port, plain_port) = (self.tls_port.to_string(), self.plain_port.to_string());
        let mut options: Vec<(&str, String)> = vec![
            ("bind", "127.0.0.1".into()),
            ("tls-port", tls_port),
            ("port", plain_port),
            ("unixsocket", path("socket")),
            ("pidfile", path("pid")),
            ("logfile", path("log")),
            ("dir", self.folder.display().to_string()),
            ("aclfile", path("users.acl")),
            ("tls-cert-file", path("cert.pem")),
            ("tls-key-file", path("key.pem")),
            ("tls-ca-cert-file", path("ca.pem")),
            ("tls-auth-clients", "no".into()),
            ("save", String::new()),
            ("appendonly", "no".into()),
        ];
        if self.cluster {
            let bus = free_port().to_string();
            options.extend([
                ("cluster-enabled", "yes".into()),
                ("tls-cluster", "yes".into()),
                ("cluster-announce-ip", "127.0.0.1".into()),
                ("cluster-port", bus),
            ]);
        }
        let mut command = Command::new("redis-server");
        for (name, value) in &options {
            command.arg(format!("--{name}")).arg(value);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.expect("these tests need Redis: run scripts/setup, or apt-get install redis-server");
        *self.child.lock().unwrap() = Some(child);
        let began = Instant::now();
        while self.cli(&["PING"]) != "PONG" {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_secs(20), "redis-server does not start: {log}");
        }
    }

    /// Ends it as a crash does.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
            let _ = fs::remove_file(self.folder.join("pid"));
        }
    }

    /// Stops it where it is: it answers nothing, and its connections stay.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.lock().unwrap().as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// What it answers to a command of the administrator.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .arg("-s")
            .arg(self.folder.join("socket"))
            .args(["--user", "admin", "--pass", "any", "--no-auth-warning"])
            .args(arguments)
            .output();
        let output = output.expect("these tests need Redis: run scripts/setup, or apt-get install redis-server");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Over TLS, as the user `worker`, in a namespace of its own.
    pub fn config(&self) -> RedisConfig {
        RedisConfig {
            ca_pem: Some(self.ca_pem.clone()),
            namespace: crate::namespace(),
            ..RedisConfig::new(self.url("rediss", "worker", PASSWORD, self.tls_port))
        }
    }

    /// Without TLS.
    pub fn plain_config(&self) -> RedisConfig {
        RedisConfig {
            namespace: crate::namespace(),
            ..RedisConfig::new(self.url("redis", "worker", PASSWORD, self.plain_port))
        }
    }

    pub fn url(&self, scheme: &str, user: &str, password: &str, port: u16) -> Secret {
        let password: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
        Secret::new(format!("{scheme}://{user}:{password}@127.0.0.1:{port}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// An authority, as PEM and to sign with.
pub fn authority() -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "autorepost tests");
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (pem, Issuer::new(params, key))
}

/// A certificate for these hosts and its key, as PEM.
fn certificate(ca: &Issuer<'_, KeyPair>, hosts: &[&str]) -> (String, String) {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(hosts).unwrap().signed_by(&key, ca).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// A free port below those that outgoing connections are given: so it is still free when its owner comes back after a
/// while, and nobody who calls it meanwhile can reach himself.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(61);
    let mut ports = (0..12_000).map(|_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        u16::try_from(20_000 + first.wrapping_add(step) % 12_000).unwrap()
    });
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}
