//! No value is ever shown: not in an error, not in `Debug`, not in a log line of any level.

use std::{
    collections::BTreeMap,
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use autorepost_core::{port::SecretSource, seal::Secret};
use autorepost_secrets::{AwsSecrets, AwsSecretsConfig, EnvSecrets, FileSecrets, Layers};
use tracing::level_filters::LevelFilter;

use crate::{
    ask,
    aws::{name, write},
    block_on, dynamic,
    moto::MOTO,
    until,
};

/// The log of a test, at the level `trace`.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub fn during<T>(&self, run: impl FnOnce() -> T) -> T {
        let lines = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(move || lines.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, run)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    pub fn count(&self, part: &str) -> usize {
        self.text().matches(part).count()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_log_line_and_no_debug_text_holds_a_value() {
    let name = name();
    write(&MOTO, &name, r#"{"NAME": "canary-1", "PORT": 1, "OTHER": "canary-2"}"#);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets.json");
    std::fs::write(&path, r#"{"NAME": "canary-3"}"#).unwrap();
    let lines = Lines::default();
    let mut shown = String::new();
    lines.during(|| {
        block_on(async {
            let access = MOTO.access_with("id", "canary-4");
            let config = AwsSecretsConfig {
                again_min: Duration::ZERO,
                refresh_every: Duration::from_millis(10),
                ..AwsSecretsConfig::new(&name, access)
            };
            shown += &format!("{config:?}");
            let secrets = AwsSecrets::open(config).await.unwrap();
            assert_eq!(ask(&secrets, "NAME").await.as_deref(), Some("canary-1"));
            shown += &format!("{:?} {secrets:?}", secrets.secret("PORT").await.unwrap_err());
            write(&MOTO, &name, r#"canary-5"#);
            shown += &format!("{:?}", secrets.refresh().await.unwrap_err());
            write(&MOTO, &name, r#"{"NAME": "canary-6"}"#);
            until(&secrets, "NAME", "canary-6").await;
            let set = BTreeMap::from([("NAME".to_owned(), Secret::new("canary-7"))]);
            shown += &format!("{set:?}");
            secrets.update(&set).await.unwrap();
            assert_eq!(ask(&secrets, "NAME").await.as_deref(), Some("canary-7"));

            let environment = EnvSecrets::new([("NAME".into(), "canary-8".into())]);
            let file = FileSecrets::new(&path);
            assert_eq!(ask(&file, "NAME").await.as_deref(), Some("canary-3"));
            shown += &format!("{environment:?} {file:?}");
            let layers = Layers::new().then("environment", dynamic(environment)).then("aws", dynamic(secrets));
            assert_eq!(ask(&layers, "NAME").await.as_deref(), Some("canary-8"));
            shown += &format!("{layers:?} {:?} {:?}", layers.origin("NAME").await, layers.secret("NAME").await);
        });
    });
    let text = lines.text();
    assert!(text.contains("secrets were rotated") && text.contains("NAME"), "the log is not heard: {text}");
    assert!(!text.contains("canary"), "{text}");
    assert!(shown.contains("AwsSecrets") && !shown.contains("canary"), "{shown}");
}
