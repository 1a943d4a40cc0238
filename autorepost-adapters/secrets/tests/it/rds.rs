//! Tokens for RDS, held against those that AWS's own Python library makes at the same time.

use std::{collections::BTreeMap, sync::Arc};

use autorepost_core::{ErrorKind, memory::ManualClock, port::SecretSource, seal::Secret};
use autorepost_secrets::{AwsAccess, AwsCredentials, RDS_TOKEN_LIFE, RdsIamConfig, RdsIamToken};
use chrono::DateTime;

use crate::{ask, block_on, moto::python, quiet::Lines};

const HOST: &str = "db.cluster-abc123.eu-central-1.rds.amazonaws.com";
const AT: i64 = 1_763_600_000;

fn config(user: &str, session_token: Option<&str>) -> RdsIamConfig {
    RdsIamConfig {
        name: "DATABASE_PASSWORD".into(),
        host: HOST.into(),
        port: 5432,
        user: user.into(),
        access: AwsAccess {
            region: Some("eu-central-1".into()),
            endpoint: None,
            credentials: AwsCredentials::Static {
                access_key_id: "AKIDEXAMPLE".into(),
                secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                session_token: session_token.map(Secret::new),
            },
        },
    }
}

/// What botocore signs, with its clock held still.
fn reference(user: &str, session_token: Option<&str>) -> String {
    let session = session_token.map_or("None".to_owned(), |token| format!("{token:?}"));
    python(&format!(
        "import datetime, botocore.auth, botocore.session\n\
         at = datetime.datetime.fromtimestamp({AT}, datetime.timezone.utc)\n\
         botocore.auth.get_current_datetime = lambda **_: at.replace(tzinfo=None)\n\
         session = botocore.session.get_session()\n\
         session.set_credentials('AKIDEXAMPLE', 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', {session})\n\
         rds = session.create_client('rds', region_name='eu-central-1')\n\
         print(rds.generate_db_auth_token('{HOST}', 5432, {user:?}))"
    ))
}

/// The part before the parameters, and the parameters as they are written.
fn parts(token: &str) -> (&str, BTreeMap<&str, &str>) {
    let (front, query) = token.split_once('?').unwrap();
    (front, query.split('&').map(|pair| pair.split_once('=').unwrap()).collect())
}

#[test]
fn a_token_is_what_botocore_makes() {
    let clock = Arc::new(ManualClock::new(DateTime::from_timestamp(AT, 0).unwrap()));
    for (user, session) in
        [("autorepost", None), ("worker", Some("FwoGZXIvYXdzEBYaD+/=abc==")), ("odd user@x/y", Some("t~*'()"))]
    {
        let token = block_on(async {
            let source = RdsIamToken::open(config(user, session), clock.clone()).await.unwrap();
            assert_eq!(ask(&source, "OTHER").await, None);
            ask(&source, "DATABASE_PASSWORD").await.unwrap()
        });
        let reference = reference(user, session);
        assert_eq!(parts(&token), parts(&reference), "{user}");
        assert_eq!(parts(&token).1["X-Amz-Expires"], RDS_TOKEN_LIFE.as_secs().to_string());
        assert_eq!(parts(&token).0, format!("{HOST}:5432/"));
    }
}

/// Each time a new one, of the present time.
#[test]
fn a_later_token_is_another() {
    let clock = Arc::new(ManualClock::new(DateTime::from_timestamp(AT, 0).unwrap()));
    block_on(async {
        let source = RdsIamToken::open(config("worker", None), clock.clone()).await.unwrap();
        let first = ask(&source, "DATABASE_PASSWORD").await.unwrap();
        assert_eq!(ask(&source, "DATABASE_PASSWORD").await.unwrap(), first);
        clock.advance(RDS_TOKEN_LIFE);
        let second = ask(&source, "DATABASE_PASSWORD").await.unwrap();
        assert_ne!(parts(&first).1["X-Amz-Signature"], parts(&second).1["X-Amz-Signature"]);
        assert_eq!(parts(&second).1["X-Amz-Date"], "20251120T010820Z");
    });
}

#[test]
fn no_log_line_holds_a_token_and_a_wrong_address_is_said() {
    let clock = Arc::new(ManualClock::new(DateTime::from_timestamp(AT, 0).unwrap()));
    let lines = Lines::default();
    lines.during(|| {
        block_on(async {
            let source = RdsIamToken::open(config("worker", Some("canary-session")), clock.clone()).await.unwrap();
            let token = ask(&source, "DATABASE_PASSWORD").await.unwrap();
            let signature = parts(&token).1["X-Amz-Signature"].to_owned();
            tracing::trace!("the log is heard: {source:?}");
            let wrong = RdsIamConfig { host: "no host".into(), ..config("worker", None) };
            let error = RdsIamToken::open(wrong, clock).await.unwrap().secret("DATABASE_PASSWORD").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
            let text = lines.text();
            assert!(
                text.contains("the log is heard") && !text.contains("canary") && !text.contains(&signature),
                "{text}"
            );
        });
    });
}
