//! `--browser`: somebody signs in, in a real Chromium.
//!
//! The person is an extension of the browser that fills the sandbox's form. The script that `--chromium` names loads it, and
//! makes Chromium work without a screen and as root.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Stdio, time::Duration};

use autorepost_sandbox::{PASSWORD, TikTokAccount};
use tokio::time::{Instant, sleep};

use crate::support::{LIMIT, Stage, text};

const CHROMIUM: &str = "/usr/bin/chromium";
const LOOK: Duration = Duration::from_millis(50);

/// A stage with a browser and its person, who signs in as `name`; nobody does as nobody.
async fn stage(name: Option<&str>) -> Stage {
    assert!(Path::new(CHROMIUM).is_file(), "Chromium is missing: run scripts/setup, or apt-get install chromium");
    let mut stage = Stage::new().await;
    let person = stage.path("person");
    fs::create_dir_all(&person).unwrap();
    fs::create_dir_all(stage.path("tmp")).unwrap();
    let manifest = r#"{"manifest_version": 3, "name": "person", "version": "1",
        "content_scripts": [{"matches": ["http://127.0.0.1/*"], "js": ["person.js"]}]}"#;
    fs::write(person.join("manifest.json"), manifest).unwrap();
    let script = name.map(|name| {
        format!(
            "const form = document.forms[0]; if (form) {{ form.elements.name.value = {name:?}; \
             form.elements.password.value = {PASSWORD:?}; form.submit(); }}"
        )
    });
    fs::write(person.join("person.js"), script.unwrap_or_default()).unwrap();
    let (folder, person) = (stage.folder.path().display().to_string(), person.display().to_string());
    // The number of the browser's process is for who closes it.
    let launcher = format!(
        "#!/bin/sh\necho $$ > {folder}/browser.pid\nexport HOME={folder}\n\
         exec {CHROMIUM} --headless=new --no-sandbox --disable-dev-shm-usage --load-extension={person} \"$@\"\n"
    );
    fs::write(stage.path("launcher"), launcher).unwrap();
    fs::set_permissions(stage.path("launcher"), fs::Permissions::from_mode(0o755)).unwrap();
    let tmp = stage.path("tmp").display().to_string();
    stage.set("TMPDIR", &tmp);
    stage
}

fn profiles(stage: &Stage) -> Vec<String> {
    let names = fs::read_dir(stage.path("tmp")).unwrap().map(|entry| entry.unwrap().file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with("autorepost-browser-"))
        .collect()
}

/// Whether any process has this stage's profile on its command line.
fn running(stage: &Stage) -> bool {
    let folder = format!("{}/autorepost-browser-", stage.path("tmp").display());
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .any(|line| text(&line).contains(&folder))
}

/// Nothing is left of the browser: its last processes may take a moment to end.
async fn gone(stage: &Stage) {
    assert_eq!(profiles(stage), Vec::<String>::new());
    let end = Instant::now() + LIMIT;
    while running(stage) {
        assert!(Instant::now() < end, "a browser is left running");
        sleep(LOOK).await;
    }
}

const ROTATE: [&str; 5] = ["cookies", "rotate", "--browser", "--chromium", "./launcher"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signs_in_has_new_cookies() {
    let stage = stage(Some("demo")).await;
    stage.ok(&["connect", "tiktok", "--handle", "demo", "--browser", "--chromium", "./launcher"]).await;
    gone(&stage).await;
    let output = stage.cli(&ROTATE).await;
    let told = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success() && told.contains("tiktok:@demo has new cookies"), "{told}");
    assert!(told.contains("Sign in to TikTok in the window") && !told.contains("demo-session"), "{told}");
    gone(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_account_is_refused_as_with_a_jar() {
    let stage = stage(Some("stranger")).await;
    stage.connect_all().await;
    stage.world().add_tiktok(TikTokAccount {
        id: "6800000000000000002".into(),
        handle: "stranger".into(),
        sec_uid: "MS4wLjABAAAAstranger".into(),
        session: "stranger-session".into(),
    });
    stage.write("stranger.txt", "sessionid=stranger-session");
    let by_jar = stage.fails(1, &["cookies", "rotate", "--jar", "stranger.txt"]).await;
    let told = stage.fails(1, &ROTATE).await;
    assert_eq!(told.lines().last(), by_jar.lines().last());
    assert!(!told.contains("stranger-session"), "{told}");
    gone(&stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_signs_in_or_there_is_no_browser() {
    let mut stage = stage(None).await;
    stage.connect_all().await;
    let told = stage.fails(1, &[&ROTATE[..], &["--wait", "2"]].concat()).await;
    assert!(told.contains("nobody signed in within 2 seconds"), "{told}");
    gone(&stage).await;
    // A browser that ends at once says why.
    stage.write("launcher", "#!/bin/sh\necho no screen here >&2\nexit 1\n");
    let told = stage.fails(1, &ROTATE).await;
    assert!(told.contains("did not start") && told.contains("no screen here"), "{told}");
    gone(&stage).await;
    stage.set("PATH", "/nowhere");
    let told = stage.fails(1, &["cookies", "rotate", "--browser"]).await;
    assert!(told.contains("apt-get install chromium"), "{told}");
    for wrong in
        [&["cookies", "rotate"][..], &["cookies", "rotate", "--jar", "a", "--browser"], &["connect", "x", "--browser"]]
    {
        stage.fails(64, wrong).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_closes_the_browser_or_presses_ctrl_c_leaves_nothing() {
    let stage = stage(None).await;
    stage.connect_all().await;
    for closes_browser in [true, false] {
        let _ = fs::remove_file(stage.path("browser.pid"));
        let mut command = stage.command(&ROTATE);
        let log = fs::File::create(stage.path("told.log")).unwrap();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let told = || fs::read_to_string(stage.path("told.log")).unwrap();
        let end = Instant::now() + LIMIT;
        while !told().contains("Sign in to TikTok") {
            assert!(Instant::now() < end && child.try_wait().unwrap().is_none(), "{}", told());
            sleep(LOOK).await;
        }
        let profile = stage.path("tmp").join(&profiles(&stage)[0]);
        assert_eq!(fs::metadata(profile).unwrap().permissions().mode() & 0o777, 0o700);
        let browser = fs::read_to_string(stage.path("browser.pid")).unwrap().trim().to_owned();
        let (signal, who) = match closes_browser {
            true => ("-TERM", browser),
            false => ("-INT", child.id().unwrap().to_string()),
        };
        assert!(std::process::Command::new("kill").args([signal, &who]).status().unwrap().success());
        let ended = tokio::time::timeout(LIMIT, child.wait()).await.unwrap().unwrap();
        assert_eq!(ended.code(), Some(1), "{}", told());
        let wanted = if closes_browser { "was closed before anybody signed in" } else { "interrupted" };
        assert!(told().contains(wanted), "{}", told());
        gone(&stage).await;
    }
}
