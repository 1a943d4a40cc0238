//! What an installation runs on in production: Redis over TLS with a password, a bucket on an S3 server, and Secrets Manager.

use std::path::PathBuf;

use serde_json::json;

use crate::{moto::Moto, redis, s3};

/// Where the program's secrets are.
const BUNDLE: &str = "autorepost/soak/worker";

pub struct Cloud {
    pub redis: redis::Server,
    pub s3: s3::Weed,
    moto: Moto,
    bucket: String,
    ca: PathBuf,
}

impl Cloud {
    /// Starts everything, and puts the secrets into their bundle.
    pub async fn start(folder: PathBuf, mut secrets: serde_json::Value) -> Self {
        // Each waits for its server in its own way: not on the threads of the runtime.
        let start = std::thread::spawn(|| (redis::Server::start(), s3::Weed::start(), Moto::start()));
        let (redis, s3, moto) = tokio::task::block_in_place(|| start.join()).unwrap();
        let bucket = s3::Raw::create(s3.endpoint()).await.name;
        let ca = folder.join("redis-ca.pem");
        std::fs::write(&ca, &redis.ca_pem).unwrap();
        let url = redis.url("rediss", "worker", redis::PASSWORD, redis.tls_port);
        secrets["REDIS_URL"] = url.expose().into();
        secrets["S3_ACCESS_KEY_ID"] = s3::WRITER.0.into();
        secrets["S3_SECRET_ACCESS_KEY"] = s3::WRITER.1.into();
        let (name, value) = (json!(BUNDLE), json!(secrets.to_string()));
        let lines = format!("client('secretsmanager').create_secret(Name={name}, SecretString={value})");
        tokio::task::block_in_place(|| moto.python(&lines));
        Self { redis, s3, moto, bucket, ca }
    }

    /// What a process must be told: where everything is, and no secret.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let text = str::to_owned;
        vec![
            ("AUTOREPOST_SECRETS", text(BUNDLE)),
            ("REDIS_CA", self.ca.to_str().unwrap().to_owned()),
            ("S3_BUCKET", self.bucket.clone()),
            ("S3_ENDPOINT", self.s3.endpoint()),
            ("AWS_REGION", text("eu-central-1")),
            ("AWS_ENDPOINT_URL", self.moto.access().endpoint.unwrap()),
            ("AWS_ACCESS_KEY_ID", text("test")),
            ("AWS_SECRET_ACCESS_KEY", text("test")),
        ]
    }
}
