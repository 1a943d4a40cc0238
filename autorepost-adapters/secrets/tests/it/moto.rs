//! A stand-in of AWS on a port of its own. It ends with the test process, whichever way that ends.

use std::{
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use autorepost_core::seal::Secret;
use autorepost_secrets::{AwsAccess, AwsCredentials, AwsSecretsConfig};

/// The stand-in of all tests that do not stop it.
pub static MOTO: LazyLock<Moto> = LazyLock::new(Moto::start);

const START_MAX: Duration = Duration::from_secs(60);

pub struct Moto {
    port: u16,
    guard: Option<Child>,
}

impl Moto {
    pub fn start() -> Self {
        let mut moto = Self { port: free_port(), guard: None };
        moto.up();
        moto
    }

    /// Starts it, and waits until it answers. It has forgotten everything.
    pub fn up(&mut self) {
        // Ctrl-C is for the tests: their end is the guard's.
        let script = r#"trap '' INT; "$@" >/dev/null 2>&1 & cat >/dev/null; kill $!"#;
        let guard = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(venv("moto_server"))
            .args(["-H", "127.0.0.1", "-p", &self.port.to_string()])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        self.guard = Some(guard);
        self.wait(true);
    }

    pub fn down(&mut self) {
        self.end();
        self.wait(false);
    }

    fn end(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            drop(guard.stdin.take());
            let _ = guard.wait();
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the tests' threads wait for another process")]
    fn wait(&self, up: bool) {
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() != up {
            assert!(began.elapsed() < START_MAX, "moto does not start or does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn access(&self) -> AwsAccess {
        self.access_with("test", "test")
    }

    pub fn access_with(&self, id: &str, key: &str) -> AwsAccess {
        AwsAccess {
            region: Some("eu-central-1".into()),
            endpoint: Some(format!("http://127.0.0.1:{}", self.port)),
            credentials: AwsCredentials::Static {
                access_key_id: id.into(),
                secret_access_key: Secret::new(key),
                session_token: None,
            },
        }
    }

    /// A bundle that is never old of itself, and is read anew at each refresh.
    pub fn config(&self, secret: &str) -> AwsSecretsConfig {
        AwsSecretsConfig { again_min: Duration::ZERO, ..AwsSecretsConfig::new(secret, self.access()) }
    }

    /// Runs lines of Python with a boto3 `client(service)`, and gives what they print.
    pub fn python(&self, lines: &str) -> String {
        let head = format!(
            "import boto3\nurl = 'http://127.0.0.1:{}'\n\
             def client(service):\n return boto3.client(service, endpoint_url=url, region_name='eu-central-1', \
             aws_access_key_id='test', aws_secret_access_key='test')\n",
            self.port
        );
        python(&format!("{head}{lines}"))
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs Python with the packages of the tests.
pub fn python(script: &str) -> String {
    let output = Command::new(venv("python")).args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn venv(program: &str) -> PathBuf {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut paths = folders.map(|folder| folder.join("target/venv/bin").join(program));
    paths.find(|path| path.exists()).expect("these tests need moto in target/venv: run scripts/setup")
}

/// A free port below those that outgoing connections are given, so that it is still free when its owner comes back.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(61);
    let mut ports = (0..12_000).map(|_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        u16::try_from(20_000 + first.wrapping_add(step) % 12_000).unwrap()
    });
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}
