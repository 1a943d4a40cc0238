//! The processes of a run: all in one process group, which ends with the test, whichever way that ends.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{ExitStatus, Output, Stdio},
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// How long a process may take to stop when it is asked to.
const STOP_MAX: Duration = Duration::from_secs(30);
/// How long a command of an operator may take.
const COMMAND_MAX: Duration = Duration::from_secs(150);

/// What every process has in common.
pub struct House {
    pub folder: tempfile::TempDir,
    /// The program that is tested: a copy, which a build meanwhile does not replace.
    pub program: PathBuf,
    pub environment: Vec<(&'static str, String)>,
    /// Kills the whole group as soon as its standard input, held by us, is closed.
    guard: std::process::Child,
}

impl House {
    pub fn new() -> Self {
        use std::os::unix::process::CommandExt as _;
        let folder = tempfile::Builder::new().prefix("autorepost-soak-").tempdir().unwrap();
        let guard = std::process::Command::new("sh")
            .args(["-c", "cat >/dev/null; kill -KILL 0"])
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let program = folder.path().join("autorepost");
        std::fs::copy(env!("CARGO_BIN_EXE_autorepost"), &program).unwrap();
        Self { folder, program, environment: Vec::new(), guard }
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().cloned())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .process_group(i32::try_from(self.guard.id()).unwrap())
            .kill_on_drop(true);
        command
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    /// Starts a process that goes on; what it says is added to the log of this name.
    pub fn start(&self, program: &Path, name: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Process {
        let log = File::options().create(true).append(true).open(self.log(name)).unwrap();
        let mut command = self.command(program, arguments);
        command.envs(settings.iter().copied()).stdout(log.try_clone().unwrap()).stderr(log);
        Process { child: command.spawn().unwrap() }
    }

    /// Runs a command of the program to its end.
    pub async fn ask(&self, arguments: &[&str]) -> Output {
        let output = self.command(&self.program, arguments).output();
        let output = timeout(COMMAND_MAX, output).await.unwrap_or_else(|_| panic!("{arguments:?} does not end"));
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{arguments:?}: {}\n{said}", output.status);
        output
    }

    /// The same, where nothing may go wrong.
    pub async fn tell(&self, arguments: &[&str]) {
        let output = self.ask(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            println!("the logs stay in {}", self.folder.path().display());
        }
    }
}

pub struct Process {
    child: Child,
}

impl Process {
    fn signal(&self, name: &str) {
        // A process that has ended by itself is found out by whoever waits for it.
        let Some(pid) = self.child.id() else { return };
        let script = r#"kill -"$0" "$1" 2>/dev/null || true"#;
        let sent = std::process::Command::new("sh").args(["-c", script, name, &pid.to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// SIGSTOP.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// SIGKILL.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM; the answer is how it ended.
    pub async fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        timeout(STOP_MAX, self.child.wait()).await.expect("a process does not stop").unwrap()
    }

    /// Waits at most so long for an end that nobody asked for.
    pub async fn ended_within(&mut self, time: Duration) -> Option<ExitStatus> {
        timeout(time, self.child.wait()).await.ok().map(Result::unwrap)
    }
}
