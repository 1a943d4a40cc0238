//! Real servers on ports of their own, in folders of their own. They end with the test process, whichever way that ends.

use std::{
    collections::BTreeMap,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use autorepost_core::memory::MapSecrets;
use autorepost_storage::{S3Config, S3Credentials};
use http::Method;
use object_store::{
    aws::{AmazonS3, AmazonS3Builder},
    path::Path as Location,
    signer::{SignedUrlOptions, Signer},
};

/// How long a server may take to be ready.
const START_MAX: Duration = Duration::from_secs(60);
/// What S3 servers of tests take: everything, and reading only.
pub const WRITER: (&str, &str) = ("writer", "the-writers-secret");
pub const SECOND: (&str, &str) = ("second", "the-second-writers-secret");
pub const READER: (&str, &str) = ("reader", "the-readers-secret");

/// A program that ends as soon as its guard's standard input, held by us, is closed.
struct Guarded(Child);

impl Guarded {
    /// Runs a program with a folder of its own, which goes with it unless it holds a file `again`.
    fn run(program: &Path, arguments: &[String], folder: &Path) -> Self {
        let script = r#"trap '' INT; folder=$1; shift
            "$@" >>"$folder/log" 2>&1 </dev/null & pid=$!
            cat >/dev/null; kill -9 "$pid"; wait "$pid" 2>/dev/null
            [ -e "$folder/again" ] || rm -rf "$folder""#;
        let guard = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(folder)
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(guard)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// SeaweedFS: it checks signatures, rights, ranges and the life of signed addresses.
pub struct Weed {
    folder: PathBuf,
    ports: [u16; 9],
    running: Mutex<Option<Guarded>>,
}

impl Weed {
    /// The one that tests share, each with a bucket of its own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Weed> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// One of its own, to be stopped and started.
    pub fn start() -> Self {
        let folder = folder();
        let who = |(name, secret): (&str, &str), actions: &[&str]| {
            serde_json::json!({
                "name": name, "credentials": [{ "accessKey": name, "secretKey": secret }], "actions": actions
            })
        };
        let all = ["Admin", "Read", "List", "Write"];
        let identities = [who(WRITER, &all), who(SECOND, &all), who(READER, &["Read", "List"])];
        let config = serde_json::json!({ "identities": identities });
        std::fs::write(folder.join("s3.json"), config.to_string()).unwrap();
        certify(&folder);
        let server = Self { folder, ports: std::array::from_fn(|_| free_port()), running: Mutex::new(None) };
        server.up();
        server
    }

    /// Starts it, and waits until it answers.
    pub fn up(&self) {
        let [master, master2, volume, volume2, filer, filer2, s3, s32, https] = self.ports;
        let folder = self.folder.display();
        let arguments = format!(
            "server -ip=127.0.0.1 -ip.bind=127.0.0.1 -dir={folder} -master.telemetry=false -master.port={master} \
             -master.port.grpc={master2} -volume.port={volume} -volume.port.grpc={volume2} -volume.max=1000 \
             -master.electionTimeout=1s -master.volumeSizeLimitMB=1024 -filer.port={filer} \
             -filer.port.grpc={filer2} -s3 -s3.port={s3} -s3.port.grpc={s32} -s3.port.iceberg=0 -s3.port.lance=0 \
             -s3.autoCreateBucket=false -s3.config={folder}/s3.json -s3.port.https={https} -s3.cert.file={folder}/s3.pem \
             -s3.key.file={folder}/s3.key"
        );
        let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
        let _ = std::fs::remove_file(self.folder.join("again"));
        *self.running.lock().unwrap() = Some(Guarded::run(&program("weed"), &arguments, &self.folder));
        let bucket = Raw::of(self.endpoint(), "ready");
        let ready = || async { bucket.make().await && bucket.write("probe", b"x").await };
        wait_until(ready, || std::fs::read_to_string(self.folder.join("log")).unwrap_or_default());
    }

    /// Kills it, to be started again.
    pub fn down(&self) {
        std::fs::write(self.folder.join("again"), "").unwrap();
        self.running.lock().unwrap().take();
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    pub fn port(&self) -> u16 {
        self.ports[6]
    }

    /// Where it speaks TLS, and the certificate of its authority.
    pub fn secure(&self) -> (String, Vec<u8>) {
        (format!("https://127.0.0.1:{}", self.ports[8]), std::fs::read(self.folder.join("ca.pem")).unwrap())
    }
}

/// Moto: it keeps and tells what encryption an object was stored with, and takes any key.
pub struct Moto {
    port: u16,
    _running: Guarded,
}

impl Moto {
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Moto> = OnceLock::new();
        SHARED.get_or_init(|| {
            let port = free_port();
            let arguments = ["-H", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned);
            let running = Guarded::run(&program("moto_server"), &arguments, &folder());
            let server = Self { port, _running: running };
            let bucket = Raw::of(server.endpoint(), "ready");
            wait_until(|| bucket.make(), || "moto_server does not answer".into());
            server
        })
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A bucket, spoken to without our own code.
pub struct Raw {
    signer: AmazonS3,
    endpoint: String,
    pub name: String,
    http: reqwest::Client,
}

impl Raw {
    fn of(endpoint: String, name: &str) -> Self {
        let signer = AmazonS3Builder::new()
            .with_bucket_name(name)
            .with_endpoint(&endpoint)
            .with_allow_http(true)
            .with_access_key_id(WRITER.0)
            .with_secret_access_key(WRITER.1)
            .build()
            .unwrap();
        Self { signer, endpoint, name: name.into(), http: reqwest::Client::new() }
    }

    /// A new bucket.
    pub async fn create(endpoint: String) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let bucket = Self::of(endpoint, &format!("bucket-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        assert!(bucket.make().await, "no bucket was made");
        bucket
    }

    /// The settings with which our own store uses it.
    pub fn config(&self) -> S3Config {
        self.config_as(WRITER)
    }

    pub fn config_as(&self, (id, secret): (&str, &str)) -> S3Config {
        let secrets = [("S3_ACCESS_KEY_ID", id), ("S3_SECRET_ACCESS_KEY", secret)];
        let secrets = MapSecrets(BTreeMap::from(secrets.map(|(name, value)| (name.to_owned(), value.to_owned()))));
        let credentials = S3Credentials::Secrets { source: Arc::new(secrets), reread: Duration::from_secs(60) };
        S3Config {
            prefix: "media".into(),
            endpoint: Some(self.endpoint.clone()),
            path_style: true,
            part_bytes: 5 << 20,
            ..S3Config::new(self.name.clone(), "us-east-1", credentials)
        }
    }

    async fn ask(&self, method: Method, key: &str, query: &[(&str, &str)], body: &[u8]) -> Option<(u16, String)> {
        let options = SignedUrlOptions::default().with_query(query.to_vec());
        let life = Duration::from_secs(60);
        let url = self.signer.signed_url_opts(method.clone(), &Location::from(key), life, &options).await.unwrap();
        let answer = self
            .http
            .request(method, url)
            .header("content-length", body.len())
            .body(body.to_vec())
            .send()
            .await
            .ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    async fn make(&self) -> bool {
        matches!(self.ask(Method::PUT, "", &[], b"").await, Some((200 | 409, _)))
    }

    pub async fn write(&self, key: &str, body: &[u8]) -> bool {
        matches!(self.ask(Method::PUT, key, &[], body).await, Some((200, _)))
    }

    /// Keys of objects, and keys of uploads that are neither complete nor aborted.
    pub async fn contents(&self) -> (Vec<String>, Vec<String>) {
        let mut both = [("list-type", "2"), ("uploads", "")].into_iter();
        let mut next = async || {
            let (status, text) = self.ask(Method::GET, "", &[both.next().unwrap()], b"").await.unwrap();
            assert_eq!(status, 200, "{text}");
            assert!(text.contains("<ListBucketResult") || text.contains("<ListMultipartUploadsResult"), "{text}");
            text.split("<Key>").skip(1).map(|part| part.split("</Key>").next().unwrap().to_owned()).collect()
        };
        (next().await, next().await)
    }

    /// Waits until nothing is under way any more, and answers what is stored.
    pub async fn settled(&self) -> Vec<String> {
        let began = Instant::now();
        loop {
            let (objects, uploads) = self.contents().await;
            if uploads.is_empty() && !objects.iter().any(|key| key.contains("incoming/")) {
                return objects;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "left behind: {objects:?} {uploads:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn wait_until<F: Future<Output = bool>>(ready: impl Fn() -> F, why: impl Fn() -> String) {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let wait = async {
        let began = Instant::now();
        while !ready().await {
            assert!(began.elapsed() < START_MAX, "a server does not start: {}", why());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    runtime().block_on(wait);
}

/// Makes an authority, and a certificate of it for loopback.
fn certify(folder: &Path) {
    let script = r#"cd "$1"; key="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        openssl req -x509 $key -keyout ca.key -out ca.pem -subj /CN=authority -days 2
        openssl req $key -keyout s3.key -out s3.csr -subj /CN=s3
        echo subjectAltName=IP:127.0.0.1 >s3.ext
        openssl x509 -req -in s3.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out s3.pem -extfile s3.ext"#;
    let made = Command::new("sh").args(["-ec", script, "sh"]).arg(folder).output().unwrap();
    assert!(made.status.success(), "these tests need openssl: run scripts/setup: {made:?}");
}

/// A folder that goes with its server.
fn folder() -> PathBuf {
    tempfile::Builder::new().prefix("autorepost-s3-").tempdir().unwrap().keep()
}

/// A program that `scripts/setup` installs.
fn program(name: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("target/venv/bin").join(name));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = own.chain(std::env::split_paths(&path).map(|folder| folder.join(name)));
    places.find(|place| place.is_file()).unwrap_or_else(|| panic!("these tests need {name}: run scripts/setup"))
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
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok() && !answers(*port)).expect("a free port")
}

fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}
