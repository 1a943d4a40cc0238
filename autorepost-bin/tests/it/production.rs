//! What an installation on several machines is told when something of it is wrong: one clear line, no secret, and at once.

use std::time::{Duration, Instant};

use crate::{moto::MOTO, redis, support::Stage};

/// How long the program may take to say what is wrong.
const SAID_MAX: Duration = Duration::from_secs(30);

async fn told(stage: &Stage, code: i32, parts: &[&str]) {
    let began = Instant::now();
    let told = stage.fails(code, &["worker"]).await;
    for part in parts {
        assert!(told.contains(part), "{part:?} is missing: {told}");
    }
    assert!(!told.contains("hunter2") && !told.contains("panicked"), "{told}");
    assert_eq!(told.lines().filter(|line| line.starts_with("autorepost: ")).count(), 1, "{told}");
    assert!(began.elapsed() < SAID_MAX, "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_production_is_said_at_once() {
    let mut stage = Stage::new().await;
    stage.set("DATABASE_URL", "postgres://app:hunter2@127.0.0.1:1/app");
    stage.set("TOKEN_ENCRYPTION_KEY", autorepost_core::seal::generate([7; 32]).expose());
    told(&stage, 1, &["the database does not answer", "DATABASE_URL"]).await;
    stage.environment.remove("DATABASE_URL");
    stage.environment.remove("TOKEN_ENCRYPTION_KEY");

    let server = tokio::task::block_in_place(redis::Server::start);
    stage.write("ca.pem", &server.ca_pem);
    stage.set("REDIS_CA", "ca.pem");
    stage.set("REDIS_URL", server.url("rediss", "worker", "hunter2", server.tls_port).expose());
    told(&stage, 78, &["REDIS_URL"]).await;
    stage.set("REDIS_CA", "nowhere.pem");
    told(&stage, 1, &["REDIS_CA: nowhere.pem cannot be read"]).await;
    stage.environment.remove("REDIS_CA");
    stage.environment.remove("REDIS_URL");

    let endpoint = tokio::task::block_in_place(|| MOTO.access().endpoint.unwrap());
    stage.set("AWS_REGION", "eu-central-1");
    stage.set("S3_BUCKET", "no-such-bucket");
    stage.set("S3_ENDPOINT", &endpoint);
    stage.set("S3_ACCESS_KEY_ID", "test");
    stage.set("S3_SECRET_ACCESS_KEY", "hunter2");
    told(&stage, 78, &["no-such-bucket"]).await;
    stage.environment.remove("S3_SECRET_ACCESS_KEY");
    told(&stage, 78, &["S3_ACCESS_KEY_ID is set, but S3_SECRET_ACCESS_KEY is not"]).await;
    for name in ["S3_BUCKET", "S3_ENDPOINT", "S3_ACCESS_KEY_ID"] {
        stage.environment.remove(name);
    }

    stage.set("AUTOREPOST_SECRETS", "autorepost/nowhere");
    stage.set("AWS_ENDPOINT_URL", &endpoint);
    stage.set("AWS_ACCESS_KEY_ID", "test");
    stage.set("AWS_SECRET_ACCESS_KEY", "hunter2");
    told(&stage, 78, &["the sources of secrets", "autorepost/nowhere"]).await;
}

/// Secrets that stand in a bundle alone are found, and `settings` and `doctor` tell where each comes from, without a value.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_of_secrets_is_used_and_told() {
    let mut stage = Stage::new().await;
    let key = autorepost_core::seal::generate([9; 32]).expose().to_owned();
    let bundle = serde_json::json!({ "TOKEN_ENCRYPTION_KEY": key, "TWITTER_CONSUMER_KEY": "" }).to_string();
    let name = "autorepost/told";
    let lines = format!(
        "client('secretsmanager').create_secret(Name={}, SecretString={})",
        serde_json::json!(name),
        serde_json::json!(bundle)
    );
    let endpoint = tokio::task::block_in_place(|| {
        MOTO.python(&lines);
        MOTO.access().endpoint.unwrap()
    });
    stage.set("AUTOREPOST_SECRETS", name);
    stage.set("AWS_REGION", "eu-central-1");
    stage.set("AWS_ENDPOINT_URL", &endpoint);
    stage.set("AWS_ACCESS_KEY_ID", "test");
    stage.set("AWS_SECRET_ACCESS_KEY", "test");
    stage.set_up().await;
    assert!(!stage.path("autorepost-data/token.key").exists(), "the key of the bundle is used");
    let settings = stage.ok(&["settings"]).await;
    let of = |wanted: &str| {
        let all = settings.as_array().unwrap().iter();
        all.clone().find(|one| one["name"] == wanted).unwrap()["from"].clone()
    };
    assert_eq!(of("TOKEN_ENCRYPTION_KEY"), "sources of secrets");
    assert_eq!(of("AUTOREPOST_SECRETS"), "environment");
    assert_eq!(of("TWITTER_CONSUMER_KEY"), "default");
    let doctor = stage.ok(&["doctor"]).await.to_string();
    let told = format!("TOKEN_ENCRYPTION_KEY from the bundle {name}");
    assert!(doctor.contains(&told) && !doctor.contains(&key), "{doctor}");
    // What is set by hand counts first, and the doctor says that it hides the bundle's.
    stage.set("TOKEN_ENCRYPTION_KEY", &key);
    let doctor = stage.ok(&["doctor"]).await.to_string();
    let told = format!("TOKEN_ENCRYPTION_KEY from the environment (hides bundle {name})");
    assert!(doctor.contains(&told) && !doctor.contains(&key), "{doctor}");
}
