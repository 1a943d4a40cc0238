//! A real Postgres server on a port of its own, in a folder of its own. It ends with the test process, whichever way that
//! ends.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// How long a server may take to start or to stop, in seconds.
const SWITCH_SECS_MAX: &str = "60";

pub struct Server {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    settings: String,
    /// Stops the server and removes its folder as soon as its standard input, held by us, is closed.
    guard: Child,
}

/// Who may sign in, and how.
const TRUST: &str = "host all all 127.0.0.1/32 trust";

impl Server {
    pub fn start() -> Self {
        Self::start_with(TRUST, None)
    }

    /// A server with these lines before those that trust the owner, and with a certificate and its key.
    pub fn start_with(hba: &str, tls: Option<(&str, &str)>) -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("autorepost-postgres-").tempdir().unwrap().keep();
        std::fs::write(folder.join("hba.conf"), format!("{hba}\n{TRUST}\n")).unwrap();
        let mut settings = format!("-c hba_file={}", folder.join("hba.conf").display());
        if let Some((certificate, key)) = tls {
            let (certificate_file, key_file) = (folder.join("server.crt"), folder.join("server.key"));
            std::fs::write(&certificate_file, certificate).unwrap();
            std::fs::write(&key_file, key).unwrap();
            std::fs::set_permissions(&key_file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            let (certificate_file, key_file) = (certificate_file.display(), key_file.display());
            settings += &format!(" -c ssl=on -c ssl_cert_file={certificate_file} -c ssl_key_file={key_file}");
        }
        if is_root() {
            let owned = Command::new("chown").args(["-R", "nobody:nogroup"]).arg(&folder).status().unwrap();
            assert!(owned.success(), "chown failed");
        }
        // Ctrl-C is for the tests: their end is the guard's.
        let script = r#"trap '' INT; folder=$1; shift
            cat >/dev/null; "$@" stop -m immediate -D "$folder/data" >/dev/null 2>&1; rm -rf "$folder""#;
        let guard = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(&folder)
            .args(prefix())
            .arg(programs.join("pg_ctl"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let server = Self { programs, folder, port: free_port(), settings, guard };
        let options = ["--auth=trust", "--username=autorepost", "--encoding=UTF8", "--locale=C", "--no-sync"];
        server.run("initdb", &options);
        server.up();
        server
    }

    /// Starts it, and waits until it answers.
    pub fn up(&self) {
        let options = format!("-p {} -h 127.0.0.1 -k '' -F -c max_connections=200 {}", self.port, self.settings);
        let log = self.folder.join("log");
        let log = log.to_str().unwrap();
        self.run("pg_ctl", &["start", "-w", "-t", SWITCH_SECS_MAX, "-s", "-o", &options, "-l", log]);
    }

    /// Stops it, and waits until it is gone: `fast` ends transactions in order, `immediate` is a crash.
    pub fn down(&self, mode: &str) {
        self.run("pg_ctl", &["stop", "-w", "-t", SWITCH_SECS_MAX, "-s", "-m", mode]);
    }

    /// Stops all its processes where they are: it answers nothing, and its connections stay.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets them go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let first = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        let first = first.lines().next().unwrap().to_owned();
        let kill = |pids: &[String]| {
            // One that has ended meanwhile needs no signal.
            let script = r#"signal=$1; shift; kill -"$signal" "$@" 2>/dev/null || true"#;
            assert!(Command::new("sh").args(["-c", script, "sh", name]).args(pids).status().unwrap().success());
        };
        // The parent first: from then on there are no new children.
        kill(std::slice::from_ref(&first));
        kill(&children(&first));
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://autorepost@127.0.0.1:{}/{database}", self.port)
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let prefix = prefix();
        let output: Output = Command::new(prefix[0])
            .args(&prefix[1..])
            .arg(self.programs.join(program))
            .arg("-D")
            .arg(self.folder.join("data"))
            .args(arguments)
            .current_dir("/")
            .output()
            .unwrap();
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        assert!(output.status.success(), "{program} failed: {}{log}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
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

fn children(parent: &str) -> Vec<String> {
    let is_child = |pid: &String| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // After the name, which stands in parentheses, come the state and the parent.
        stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)) == Some(parent)
    };
    let processes = std::fs::read_dir("/proc").expect("freezing a server needs /proc").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().into_string().ok());
    pids.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).filter(is_child).collect()
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// Postgres refuses to run as root.
fn prefix() -> &'static [&'static str] {
    match is_root() {
        true => &["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"],
        false => &["env"],
    }
}

/// The folder of Postgres's programs: where PATH finds `initdb`, or Debian's.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
    debian.sort();
    let has = |folder: &Path, program: &str| folder.join(program).is_file();
    std::env::split_paths(&path)
        .chain(debian.into_iter().rev())
        .find(|folder| has(folder, "initdb") && has(folder, "pg_ctl"))
        .expect("these tests need Postgres: run scripts/setup, or apt-get install postgresql")
}
