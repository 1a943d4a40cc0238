//! Secrets Manager: rotation, outages, refusals, and writing.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use autorepost_core::{Error, ErrorKind, Retry, port::SecretSource, seal::Secret};
use autorepost_secrets::{AwsAccess, AwsSecrets, AwsSecretsConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    ask, block_on,
    moto::{MOTO, Moto},
    quiet::Lines,
    until,
};

/// A name that no other test uses.
pub fn name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("autorepost/test/{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Writes a secret, as an operator or a rotation does.
pub fn write(moto: &Moto, name: &str, text: &str) {
    let quoted = serde_json::to_string(text).unwrap();
    moto.python(&format!(
        "sm = client('secretsmanager')\ntry:\n sm.create_secret(Name='{name}', SecretString={quoted})\n\
         except sm.exceptions.ResourceExistsException:\n sm.put_secret_value(SecretId='{name}', SecretString={quoted})"
    ));
}

async fn open(config: AwsSecretsConfig) -> AwsSecrets {
    AwsSecrets::open(config).await.unwrap()
}

#[test]
fn a_rotated_value_is_read_when_the_old_one_is_old() {
    let name = name();
    write(&MOTO, &name, r#"{"NAME": "before"}"#);
    block_on(async {
        let config = AwsSecretsConfig { refresh_every: Duration::from_millis(200), ..MOTO.config(&name) };
        let secrets = open(config).await;
        assert_eq!(ask(&secrets, "NAME").await.as_deref(), Some("before"));
        write(&MOTO, &name, r#"{"NAME": "after"}"#);
        until(&secrets, "NAME", "after").await;
    });
}

#[test]
fn a_refresh_reads_now_but_not_again_and_again() {
    let name = name();
    write(&MOTO, &name, r#"{"NAME": "first"}"#);
    block_on(async {
        let eager = open(MOTO.config(&name)).await;
        let again_min = Duration::from_secs(3600);
        let patient = open(AwsSecretsConfig { again_min, ..MOTO.config(&name) }).await;
        assert_eq!(ask(&eager, "NAME").await.as_deref(), Some("first"));
        patient.refresh().await.unwrap();
        write(&MOTO, &name, r#"{"NAME": "second"}"#);
        assert_eq!(ask(&eager, "NAME").await.as_deref(), Some("first"), "it is not old yet");
        for source in [&eager, &patient] {
            source.refresh().await.unwrap();
        }
        assert_eq!(ask(&eager, "NAME").await.as_deref(), Some("second"));
        assert_eq!(ask(&patient, "NAME").await.as_deref(), Some("first"), "it has just looked");
    });
}

/// While a rotation tests its new version, the old one counts.
#[test]
fn a_pending_version_does_not_count() {
    let name = name();
    write(&MOTO, &name, r#"{"NAME": "current"}"#);
    MOTO.python(&format!(
        "client('secretsmanager').put_secret_value(SecretId='{name}', SecretString='{{\"NAME\": \"pending\"}}', \
         VersionStages=['AWSPENDING'])"
    ));
    block_on(async { assert_eq!(ask(&open(MOTO.config(&name)).await, "NAME").await.as_deref(), Some("current")) });
}

#[test]
fn an_outage_is_survived_and_logged_once() {
    let mut moto = Moto::start();
    write(&moto, "bundle", r#"{"NAME": "before"}"#);
    let config = AwsSecretsConfig { refresh_every: Duration::from_millis(50), ..moto.config("bundle") };
    let lines = Lines::default();
    lines.during(|| {
        block_on(async {
            let secrets = open(config.clone()).await;
            assert_eq!(ask(&secrets, "NAME").await.as_deref(), Some("before"));
            moto.down();
            for _ in 0..3 {
                assert_eq!(secrets.refresh().await.unwrap_err().kind(), ErrorKind::Unavailable);
                assert_eq!(ask(&secrets, "NAME").await.as_deref(), Some("before"));
            }
            // Who starts during the outage is told so, and is not made to wait for each name.
            let patient = AwsSecretsConfig { again_min: Duration::from_secs(60), ..config.clone() };
            let late = open(patient).await;
            assert_eq!(late.secret("NAME").await.unwrap_err().kind(), ErrorKind::Unavailable);
            let began = Instant::now();
            let error = late.secret("OTHER").await.unwrap_err();
            assert!(began.elapsed() < Duration::from_millis(100), "it asked again");
            assert_eq!((error.kind(), error.retry_hint()), (ErrorKind::Unavailable, Retry::Soon));
            assert!(error.detail().contains("it does not answer; check the network"), "{error}");

            moto.up();
            write(&moto, "bundle", r#"{"NAME": "after"}"#);
            until(&secrets, "NAME", "after").await;
        });
    });
    assert_eq!(lines.count("the values read before go on being used"), 1, "{}", lines.text());
    assert_eq!(lines.count("the secrets can be read again"), 1, "{}", lines.text());
    assert_eq!(lines.count("secrets were rotated"), 1, "{}", lines.text());
}

async fn refusal(config: AwsSecretsConfig) -> Error {
    let error = open(config).await.secret("NAME").await.unwrap_err();
    assert!(!error.to_string().contains('\n'), "{error}");
    error
}

#[test]
fn what_is_wrong_with_a_secret_is_said() {
    let (list, deleted, bytes) = (name(), name(), name());
    write(&MOTO, &list, r#"["canary-in-a-list"]"#);
    write(&MOTO, &deleted, "{}");
    MOTO.python(&format!(
        "sm = client('secretsmanager')\nsm.delete_secret(SecretId='{deleted}')\n\
         sm.create_secret(Name='{bytes}', SecretBinary=b'{{}}')"
    ));
    block_on(async {
        for (secret, kind, part) in [
            ("no/such/secret", ErrorKind::NotFound, "does not have the secret no/such/secret: check its name"),
            (&*list, ErrorKind::Configuration, "not an object of names and values"),
            (&*deleted, ErrorKind::Configuration, "restore it if it is marked for deletion"),
            (&*bytes, ErrorKind::Configuration, "holds bytes, not text"),
        ] {
            let error = refusal(MOTO.config(secret)).await;
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.detail().contains(part) && error.detail().contains(secret), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    });
}

/// A server that gives one answer to every request.
async fn answering(status: &'static str, body: &'static str) -> AwsAccess {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = vec![0; 16_384];
            let _ = stream.read(&mut asked).await;
            let head = format!("HTTP/1.1 {status}\r\nx-amzn-requestid: req-1\r\nconnection: close\r\n");
            let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    AwsAccess { endpoint: Some(endpoint), ..MOTO.access() }
}

/// What the stand-in never answers.
#[test]
fn the_other_answers_of_aws_are_understood() {
    const EXPIRED: &str = r#"{"__type":"ExpiredTokenException","message":"The security token is expired"}"#;
    const DENIED: &str = r#"{"__type":"AccessDeniedException","Message":"User: arn:aws:sts::1:assumed-role/worker/1 is not authorized to perform: secretsmanager:GetSecretValue on resource: s because no identity-based policy allows it"}"#;
    const UNKNOWN: &str = r#"{"__type":"UnrecognizedClientException","message":"The security token is invalid."}"#;
    const KMS: &str = r#"{"__type":"DecryptionFailure","Message":"disabled"}"#;
    const INTERNAL: &str = r#"{"__type":"InternalServiceError","Message":"oops"}"#;
    const SLOW: &str = r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#;
    const ODD: &str = r#"{"__type":"SomethingNew","message":"odd"}"#;
    block_on(async {
        let denied = "AWS denies secretsmanager:GetSecretValue on the secret s: allow it in the role's policy";
        for (status, body, kind, retry, part) in [
            ("400 Bad Request", DENIED, ErrorKind::Forbidden, Retry::Never, denied),
            ("400 Bad Request", UNKNOWN, ErrorKind::Unauthorized, Retry::Never, "check the access key"),
            ("400 Bad Request", EXPIRED, ErrorKind::Unauthorized, Retry::Soon, "credentials have expired"),
            ("400 Bad Request", KMS, ErrorKind::Forbidden, Retry::Never, "the KMS key of the secret s cannot be used"),
            ("500 Internal Server Error", INTERNAL, ErrorKind::Unavailable, Retry::Soon, "has a failure"),
            ("400 Bad Request", SLOW, ErrorKind::RateLimited, Retry::Soon, "slows down"),
            ("400 Bad Request", ODD, ErrorKind::Internal, Retry::Never, "refuses secretsmanager:GetSecretValue"),
            ("200 OK", "<html>canary</html>", ErrorKind::Malformed, Retry::Never, "is not AWS: check the endpoint"),
            ("502 Bad Gateway", "<html>canary</html>", ErrorKind::Unavailable, Retry::Soon, "something between fails"),
        ] {
            let error = refusal(AwsSecretsConfig::new("s", answering(status, body).await)).await;
            assert_eq!((error.kind(), error.retry_hint()), (kind, retry), "{error}");
            assert!(error.detail().contains(part), "{error}");
            assert_eq!(error.platform_trace(), Some("req-1"), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    });
}

fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect()
}

#[test]
fn an_update_sets_its_names_and_keeps_the_others() {
    let name = name();
    write(&MOTO, &name, r#"{"COOKIE": "old", "OTHER": "kept", "port": 5432, "nested": {"a": [1.50]}}"#);
    block_on(async {
        let secrets = open(MOTO.config(&name)).await;
        secrets.update(&values(&[("COOKIE", "new \"quoted\""), ("ADDED", "added")])).await.unwrap();
        assert_eq!(ask(&secrets, "COOKIE").await.as_deref(), Some("new \"quoted\""));
        secrets.update(&values(&[("COOKIE", "newer")])).await.unwrap();
        assert_eq!(ask(&secrets, "COOKIE").await.as_deref(), Some("newer"));
    });
    let stored = MOTO.python(&format!(
        "sm = client('secretsmanager')\nprint(sm.get_secret_value(SecretId='{name}', VersionStage='AWSCURRENT')['SecretString'])\n\
         print(sm.get_secret_value(SecretId='{name}', VersionStage='AWSPREVIOUS')['SecretString'])"
    ));
    let rest = r#""OTHER":"kept","nested":{"a": [1.50]},"port":5432}"#;
    let wanted = [
        format!(r#"{{"ADDED":"added","COOKIE":"newer",{rest}"#),
        format!(r#"{{"ADDED":"added","COOKIE":"new \"quoted\"",{rest}"#),
    ];
    assert_eq!(stored.lines().collect::<Vec<_>>(), wanted);
}

/// Of two that write at once, each comes through or is told; what one wrote is not lost by the other.
#[test]
fn updates_at_once_lose_nothing() {
    let name = name();
    write(&MOTO, &name, "{}");
    block_on(async {
        let (one, two) = (open(MOTO.config(&name)).await, open(MOTO.config(&name)).await);
        let mut written = Vec::new();
        for round in 0..5 {
            let keys = [format!("ONE_{round}"), format!("TWO_{round}")];
            let set = keys.each_ref().map(|key| values(&[(key, "v")]));
            let (first, second) = tokio::join!(one.update(&set[0]), two.update(&set[1]));
            for (key, result) in keys.into_iter().zip([first, second]) {
                match result {
                    Ok(()) => written.push(key),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
                }
            }
        }
        assert!(written.len() >= 5, "{written:?}");
        let reader = open(MOTO.config(&name)).await;
        for key in written {
            assert_eq!(ask(&reader, &key).await.as_deref(), Some("v"), "{key} was lost");
        }
    });
}
