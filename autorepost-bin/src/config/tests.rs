use super::*;

fn load(file: Option<&str>, environment: &[(&str, &str)]) -> Result<Config, Problems> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.toml");
    std::fs::write(&path, file.unwrap_or_default()).unwrap();
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    block_on(Config::load(Some(&path), environment))
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn nothing_needs_to_be_set() {
    let config = load(None, &[("PATH", "/bin"), ("DATABASE_URL", " ")]).unwrap();
    assert_eq!(config.database_url.expose(), "sqlite://autorepost-data/autorepost.db");
    assert_eq!(config.listen.to_string(), "127.0.0.1:8787");
    assert!(config.keys.is_none() && config.youtube.is_none());
}

#[test]
fn the_environment_beats_the_file() {
    let file = "folder = 'from-file'\nlisten = '127.0.0.1:1'";
    let config = load(Some(file), &[("AUTOREPOST_FOLDER", "from-environment")]).unwrap();
    assert_eq!(config.folder, Path::new("from-environment"));
    assert_eq!(config.listen.port(), 1);
    let origin = |name| config.origins.iter().find(|(setting, _)| setting.name == name).unwrap().1;
    assert_eq!(origin("AUTOREPOST_FOLDER"), Origin::Environment);
    assert_eq!(origin("AUTOREPOST_LISTEN"), Origin::File);
    assert_eq!(origin("AUTOREPOST_SANDBOX"), Origin::Default);
}

#[test]
fn every_problem_is_told_at_once_and_no_secret() {
    let file = "databse_url = 'x'\nlisten = 8787\nyoutube_client_id = 'only-the-id'";
    let environment = [
        ("TOKEN_ENCRYPTION_KEY", "hunter2-hunter2"),
        ("AUTOREPOST_PUBLC_URL", "x"),
        ("AUTOREPOST_SANDBOX", "localhost"),
        ("DATABASE_URL", "mysql://root:hunter2@db/x"),
    ];
    let Err(problems) = load(Some(file), &environment) else { panic!("it is wrong") };
    let text = problems.to_string();
    for part in [
        "\"databse_url\"",
        "did you mean database_url?",
        "\"listen\"",
        "in quotes",
        "YOUTUBE_CLIENT_SECRET is not: set both",
        "TOKEN_ENCRYPTION_KEY: key 1",
        "did you mean AUTOREPOST_PUBLIC_URL?",
        "AUTOREPOST_SANDBOX is not an address",
        "DATABASE_URL must begin with",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert_eq!(problems.0.len(), 7, "{text}");
    assert!(!text.contains("hunter2") && !text.contains("only-the-id"), "{text}");
}

#[test]
fn a_file_that_is_no_toml_is_said_without_its_text() {
    let Err(problems) = load(Some("token_encryption_key = hunter2"), &[]) else { panic!("it is wrong") };
    assert!(problems.to_string().contains("is not TOML") && !problems.to_string().contains("hunter2"), "{problems}");
    let Err(problems) = block_on(Config::load(Some(Path::new("no-such.toml")), [])) else { panic!("it is wrong") };
    assert!(problems.to_string().contains("no-such.toml cannot be read"), "{problems}");
}
