//! Files that are wrong, and the order of sources.

use std::{fs, path::Path};

use autorepost_core::{ErrorKind, port::SecretSource};
use autorepost_secrets::{BUNDLE_BYTES_MAX, EnvSecrets, FileSecrets, Layers, NAMES_MAX, Origin};

use crate::{ask, block_on, dynamic};

const CANARY: &str = "canary-in-a-file";

/// What the file says when it is asked for `NAME`.
fn told(path: &Path, text: &[u8]) -> String {
    fs::write(path, text).unwrap();
    let error = block_on(FileSecrets::new(path).secret("NAME")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(CANARY) && !error.to_string().contains('\n'), "{shown}");
    error.detail().to_owned()
}

#[test]
fn what_is_wrong_with_a_file_is_said_without_its_values() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets.json");
    let many: String = (0..=NAMES_MAX).map(|n| format!("\"N{n}\": \"\",")).collect();
    let large = format!("{{\"A\": \"{}\"}}", "x".repeat(BUNDLE_BYTES_MAX));
    for (text, part) in [
        (format!("NAME={CANARY}").into_bytes(), "is not JSON (line 1, column "),
        (format!("{{\"NAME\": \"{CANARY}\",\n").into_bytes(), "is not JSON (line 2, column "),
        (format!("[\"{CANARY}\"]").into_bytes(), "not an object of names and values"),
        (format!("\"{CANARY}\"").into_bytes(), "not an object of names and values"),
        (b"{\"NAME\": 5432}".to_vec(), "is a number, not a string: put the value in quotes"),
        (b"{\"NAME\": -1.5}".to_vec(), "is a number"),
        (b"{\"NAME\": true}".to_vec(), "is true or false"),
        (format!("{{\"NAME\": [\"{CANARY}\"]}}").into_bytes(), "is a list"),
        (format!("{{\"NAME\": {{\"a\": \"{CANARY}\"}}}}").into_bytes(), "is an object"),
        (format!("{{{many}\"X\": \"\"}}").into_bytes(), "split it"),
        (large.into_bytes(), "this is no bundle of secrets"),
        (vec![b'{', 0xff, 0xfe], "not text in UTF-8"),
        (Vec::new(), "is not JSON"),
    ] {
        let told = told(&path, &text);
        assert!(told.contains(part) && told.contains("secrets.json"), "{told}");
    }
    fs::remove_file(&path).unwrap();
    let error = block_on(FileSecrets::new(&path).secret("NAME")).unwrap_err();
    assert!(error.detail().contains("does not exist"), "{error}");
}

/// A bundle that holds numbers for another tool can be used, and `null` is not set.
#[test]
fn what_is_no_string_is_an_error_only_when_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets.json");
    fs::write(&path, r#"{"port": 5432, "NAME": "value", "NOTHING": null}"#).unwrap();
    block_on(async {
        let source = FileSecrets::new(&path);
        assert_eq!(ask(&source, "NAME").await.as_deref(), Some("value"));
        assert_eq!(ask(&source, "NOTHING").await, None);
        assert!(source.secret("port").await.unwrap_err().detail().starts_with("port in "));
    });
}

#[test]
fn the_first_layer_that_has_a_name_gives_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets.json");
    fs::write(&path, r#"{"BOTH": "file", "FILE": "file", "EMPTY": "file"}"#).unwrap();
    let set = [("BOTH", "environment"), ("ENV", "environment"), ("EMPTY", "")];
    let environment = EnvSecrets::new(set.map(|(name, value)| (name.into(), value.into())));
    let layers = Layers::new()
        .then("environment", dynamic(environment))
        .then("secrets.json", dynamic(FileSecrets::new(&path)))
        .then("missing", dynamic(FileSecrets::new(folder.path().join("missing"))));
    block_on(async {
        for (name, value) in [("BOTH", "environment"), ("ENV", "environment"), ("FILE", "file"), ("EMPTY", "file")] {
            assert_eq!(ask(&layers, name).await.as_deref(), Some(value), "{name}");
        }
        let origin = |layer: &str, hidden: &[&str]| {
            Some(Origin { layer: layer.into(), hidden: hidden.iter().map(|&label| label.into()).collect() })
        };
        assert_eq!(layers.origin("BOTH").await.unwrap(), origin("environment", &["secrets.json"]));
        assert_eq!(layers.origin("ENV").await.unwrap(), origin("environment", &[]));
        assert_eq!(layers.origin("EMPTY").await.unwrap(), origin("secrets.json", &[]));
        // The third cannot be read: whether it has the name is not known, and nothing is made of that.
        let error = layers.secret("NOWHERE").await.unwrap_err();
        assert!(error.detail().contains("missing"), "{error}");
        assert!(layers.origin("NOWHERE").await.is_err());
        assert_eq!(format!("{layers:?}"), r#"["environment", "secrets.json", "missing"]"#);
    });
}
