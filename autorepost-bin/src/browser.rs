//! A browser of this machine, in which the owner of an account signs in. Nothing is typed for them, and no challenge is answered.
//!
//! Chromium is told what to do through a pipe (`--remote-debugging-pipe`), so no port is open to anybody, and a browser whose
//! autorepost is gone ends by itself.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail};
use autorepost_core::seal::Secret;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{sleep, timeout},
};
use url::Url;

use crate::signal;

/// Longest that anybody is given to sign in, in seconds.
pub const WAIT_SECS_MAX: u64 = 3600;
/// What they are given without another word, in seconds.
pub const WAIT_SECS: u64 = 600;
/// The time between two looks at the browser's cookies.
const LOOK: Duration = Duration::from_secs(1);
/// How long a browser may take to start, and to end, before it is killed.
const START_MAX: Duration = Duration::from_secs(60);
const END_MAX: Duration = Duration::from_secs(5);
/// Largest message of the browser in bytes: a jar is much smaller.
const MESSAGE_BYTES_MAX: u64 = 4 << 20;
/// How often the profile's folder is removed while the last of the browser's processes write to it.
const REMOVALS_MAX: u32 = 20;
/// The exit code after Ctrl-C, as shells give it.
const INTERRUPTED: i32 = 130;

/// The cookie of a session.
const SESSION: &str = "sessionid";
/// The domain of the cookies that a jar holds, whatever the base address is.
const SITE: &str = ".tiktok.com";

const NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const PLACES: &[&str] = &[
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/opt/google/chrome/chrome",
];

/// The pipes of a child are its standard input and output; Chromium's are the descriptors 3 and 4 (its
/// `content/public/common/content_switches.cc`, `remote-debugging-pipe`).
const LAUNCH: &str = r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#;

/// Opens TikTok's log-in page and waits until somebody has signed in; the cookies of the session, as JSON in the form of
/// Puppeteer. The browser and its profile are gone afterwards, whatever happened.
///
/// # Errors
///
/// When there is no browser, it does not start, it is closed, nobody signs in within `wait`, or the program is told to stop.
pub async fn sign_in(tiktok: &str, program: Option<&Path>, wait: Duration) -> anyhow::Result<Secret> {
    let site = Url::parse(tiktok).context("the address of TikTok")?;
    let program = find(program, std::env::var_os("PATH").as_deref())?;
    let stop = signal::stop();
    tokio::pin!(stop);
    let mut browser = Browser::new(&program, &format!("{}/login", tiktok.trim_end_matches('/')))?;
    let secs = wait.as_secs();
    let outcome = tokio::select! {
        // First, so that Ctrl-C is listened to before the browser is.
        biased;
        _ = &mut stop => Err(anyhow::anyhow!("interrupted: nothing was changed")),
        session = browser.signed_in(&site, wait) => match session {
            Ok(Some(jar)) => Ok(jar),
            Ok(None) => Err(anyhow::anyhow!("nobody signed in within {secs} seconds: nothing was changed (--wait gives more time)")),
            Err(error) => Err(error),
        },
    };
    if let Err(error) = browser.close().await {
        eprintln!("autorepost: {error}");
    }
    // What follows is ended by Ctrl-C at once, as if nobody had listened to it.
    tokio::spawn(async {
        if signal::stop().await.is_ok() {
            std::process::exit(INTERRUPTED);
        }
    });
    outcome
}

/// The browser's program: the given one, else the first of the usual names and places.
fn find(given: Option<&Path>, path: Option<&OsStr>) -> anyhow::Result<PathBuf> {
    if let Some(given) = given {
        if !given.is_file() {
            bail!("{} is no program: give the path of Chromium or Chrome with --chromium", given.display());
        }
        // A name without a folder would be looked for on the PATH.
        return given.canonicalize().with_context(|| given.display().to_string());
    }
    let folders: Vec<PathBuf> = path.map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
    let on_path = NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    on_path.chain(PLACES.iter().map(PathBuf::from)).find(|program| program.is_file()).context(
        "no Chromium or Chrome was found: install one (Debian: apt-get install chromium; macOS: brew install --cask \
         chromium), name it with --chromium PATH, or give the cookies with --jar",
    )
}

/// A browser that was started here, with a profile of its own. Dropping it kills it.
struct Browser {
    process: Process,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    number: u64,
    /// Only its owner can read it: it holds the session. Dropped after the process.
    profile: TempDir,
}

impl Browser {
    fn new(program: &Path, page: &str) -> anyhow::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("autorepost-browser-");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let profile = builder.tempdir().context("no folder for the browser's profile")?;
        let words = std::fs::File::create(profile.path().join(Self::WORDS))?;
        let mut folder = std::ffi::OsString::from("--user-data-dir=");
        folder.push(profile.path());
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", LAUNCH])
            .arg(program)
            .arg(folder)
            .args(["--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check", "--password-store=basic"])
            .arg(page)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(words)
            .kill_on_drop(true);
        // A group of its own: all of it can be killed, and Ctrl-C comes to us alone.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().with_context(|| format!("{} cannot be started", program.display()))?;
        let (commands, answers) = (child.stdin.take(), child.stdout.take());
        let process = Process(child);
        let commands = commands.context("the browser has no input")?;
        let answers = BufReader::new(answers.context("the browser has no output")?);
        Ok(Self { process, commands, answers, number: 0, profile })
    }

    /// What the browser says, in its profile.
    const WORDS: &str = "autorepost.log";

    /// The cookies, when a session is among them; nothing when it took too long.
    async fn signed_in(&mut self, site: &Url, wait: Duration) -> anyhow::Result<Option<Secret>> {
        match timeout(START_MAX, self.call("Browser.getVersion")).await {
            Ok(Ok(_)) => {}
            // Nobody can have signed in so far, so there is nothing secret in what it says.
            _ => bail!("the browser did not start (it needs a screen, and another user than root): {}", self.words()),
        }
        eprintln!(
            "Sign in to TikTok in the window that was opened. The cookies are taken when you have; the window is closed then \
             ({} seconds, Ctrl-C ends).",
            wait.as_secs()
        );
        timeout(wait, self.session(site)).await.ok().transpose()
    }

    async fn session(&mut self, site: &Url) -> anyhow::Result<Secret> {
        loop {
            let Ok(found) = self.call("Storage.getCookies").await else {
                bail!("the browser was closed before anybody signed in: nothing was changed");
            };
            if let Some(jar) = jar(found, site) {
                return Ok(jar);
            }
            sleep(LOOK).await;
        }
    }

    /// Sends a command of the DevTools protocol and waits for its answer.
    async fn call(&mut self, method: &str) -> anyhow::Result<Value> {
        self.number += 1;
        self.send(method).await?;
        loop {
            let mut message = Vec::new();
            (&mut self.answers).take(MESSAGE_BYTES_MAX).read_until(0, &mut message).await?;
            if message.pop() != Some(0) {
                bail!("the browser ended");
            }
            // The error may quote a cookie, so it is not kept.
            let Ok(mut value) = serde_json::from_slice::<Value>(&message) else {
                bail!("the browser's answer is no JSON")
            };
            // Whatever has no number is an event.
            if value["id"] == self.number {
                return Ok(value["result"].take());
            }
        }
    }

    async fn send(&mut self, method: &str) -> std::io::Result<()> {
        let message = json!({ "id": self.number, "method": method }).to_string() + "\0";
        self.commands.write_all(message.as_bytes()).await
    }

    /// The last that it said.
    fn words(&self) -> String {
        let bytes = std::fs::read(self.profile.path().join(Self::WORDS)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let mut last: Vec<_> = text.lines().rev().filter(|line| !line.trim().is_empty()).take(2).collect();
        last.reverse();
        last.join("; ")
    }

    /// Closes it and removes its profile.
    async fn close(mut self) -> anyhow::Result<()> {
        self.number += 1;
        // It may be gone already, and whoever does not end in time is killed.
        let asked = async {
            if self.send("Browser.close").await.is_ok() {
                let _ = self.process.0.wait().await;
            }
        };
        let _ = timeout(END_MAX, asked).await;
        self.process.kill();
        let _ = timeout(END_MAX, self.process.0.wait()).await;
        let folder = self.profile.path();
        for _ in 0..REMOVALS_MAX {
            match tokio::fs::remove_dir_all(folder).await {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                Err(_) => sleep(LOOK / 10).await,
            }
        }
        bail!("{} cannot be removed: remove it, it holds your session", folder.display())
    }
}

/// The browser's processes.
struct Process(Child);

impl Process {
    fn kill(&mut self) {
        #[cfg(unix)]
        if let Some(group) = self.0.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
            // Those that are gone need no killing.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.0.start_kill();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The jar, when it has a session. The cookies of another base address stand for TikTok's own.
fn jar(mut found: Value, site: &Url) -> Option<Secret> {
    let host = site.host_str().unwrap_or_default();
    let of_site = |domain: &str| format!(".{domain}").ends_with(SITE);
    let cookies = found["cookies"].as_array_mut()?;
    for cookie in cookies.iter_mut().filter(|cookie| cookie["domain"] == host && !of_site(host)) {
        cookie["domain"] = SITE.into();
    }
    cookies.retain(|cookie| cookie["domain"].as_str().is_some_and(of_site));
    let signed_in =
        |cookie: &Value| cookie["name"] == SESSION && cookie["value"].as_str().is_some_and(|it| !it.is_empty());
    cookies.iter().any(signed_in).then(|| Secret::new(found["cookies"].to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jar_has_a_session_and_no_other_site() {
        let tiktok = Url::parse("https://www.tiktok.com").unwrap();
        let cookie = |name: &str, domain: &str| json!({ "name": name, "value": "v", "domain": domain, "path": "/" });
        let of = |cookies: Value, site: &Url| jar(json!({ "cookies": cookies }), site);
        let strangers =
            json!([cookie(SESSION, ".example.com"), cookie("ttwid", ".tiktok.com"), cookie(SESSION, "eviltiktok.com")]);
        assert!(of(strangers, &tiktok).is_none());
        assert!(of(json!([{ "name": SESSION, "value": "", "domain": SITE }]), &tiktok).is_none());
        let both =
            json!([cookie(SESSION, ".tiktok.com"), cookie("msToken", "www.tiktok.com"), cookie("a", ".example.com")]);
        let kept: Value = serde_json::from_str(of(both, &tiktok).unwrap().expose()).unwrap();
        assert_eq!(kept, json!([cookie(SESSION, ".tiktok.com"), cookie("msToken", "www.tiktok.com")]));
        let local = Url::parse("http://127.0.0.1:1/tiktok").unwrap();
        let kept: Value =
            serde_json::from_str(of(json!([cookie(SESSION, "127.0.0.1")]), &local).unwrap().expose()).unwrap();
        assert_eq!(kept[0]["domain"], SITE);
    }

    #[test]
    fn a_browser_that_is_missing_is_said() {
        let told = |given: Option<&Path>| find(given, Some(OsStr::new("/nowhere"))).unwrap_err().to_string();
        assert!(told(Some(Path::new("/no/such"))).contains("--chromium"));
        // Elsewhere one of the usual places may have it.
        if PLACES.iter().all(|place| !Path::new(place).is_file()) {
            assert!(told(None).contains("apt-get install chromium"));
        }
    }
}
