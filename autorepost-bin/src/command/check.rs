//! `migrate`, `doctor`, `healthcheck`, `settings`.

use std::{
    process::ExitCode,
    time::{Duration, SystemTime},
};

use anyhow::bail;
use autorepost_core::{
    connection::{AuthMethod, Connection},
    media::MediaKey,
    port::{MediaStore as _, Ports},
};
use autorepost_platforms::instagram::versions;
use autorepost_storage::LocalMediaStore;
use chrono::DateTime;
use futures_util::stream;
use serde_json::json;

use super::{Context, operator, table};
use crate::{
    config::{Bucket, Config, Origin, file_key},
    health,
    setup::services,
};

/// How long a platform may take to answer the doctor.
const ANSWER_MAX: Duration = Duration::from_secs(20);

pub async fn migrate(context: &Context, check: bool) -> anyhow::Result<ExitCode> {
    let database = services::any_database(&context.config).await?;
    let before = database.schema().await?;
    let after = if check { before.clone() } else { database.migrate().await? };
    let value = json!({ "applied": after.applied, "pending": after.pending });
    context.show(&value, || match (before.pending.len(), check) {
        (0, _) => "the database is up to date\n".into(),
        (_, true) => format!("to be applied: {}\n", before.pending.join(", ")),
        (_, false) => format!("applied: {}\n", before.pending.join(", ")),
    })?;
    Ok(if after.pending.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub async fn healthcheck(context: &Context) -> anyhow::Result<ExitCode> {
    health::ask(context.config.listen).await?;
    context.show(&json!({ "status": "ok" }), || "alive\n".into())
}

/// One thing that was looked at.
struct Finding {
    what: String,
    result: Result<String, String>,
}

pub async fn doctor(context: &Context) -> anyhow::Result<ExitCode> {
    let mut findings = Vec::new();
    let mut note = |what: &str, result: Result<String, String>| {
        findings.push(Finding { what: what.to_owned(), result });
    };
    note("configuration", Ok(origins(&context.config)));
    let text = |error: anyhow::Error| format!("{error:#}");
    match &context.config.bucket {
        None => note("media folder", media_folder(&context.config).await.map_err(text)),
        Some(bucket) => note("bucket", media_bucket(&context.config, bucket).await.map_err(text)),
    }
    let version = &context.config.instagram_version;
    let now = DateTime::from(SystemTime::now());
    note("Instagram's API", versions::warning(version, now).map_or_else(|| Ok(version.clone()), Err));
    if context.config.redis.is_some() {
        note("Redis", redis(&context.config).await.map_err(text));
    }
    match context.ports_with_any_key().await {
        Err(error) => note("database and keys", Err(format!("{error:#}"))),
        Ok(ports) => {
            note("database and keys", Ok(format!("sealing with key {}", ports.keys.sealing_key_id())));
            let connections = operator(&ports).connections().await?;
            if connections.is_empty() {
                note("accounts", Err("none is connected: use \"autorepost connect\"".into()));
            }
            for connection in &connections {
                let what = format!("{}:@{}", connection.platform, connection.handle);
                note(&what, account(context, &ports, connection).await);
            }
            if !connections.is_empty() && operator(&ports).rules().await?.is_empty() {
                note("rules", Err("there are none: use \"autorepost rules add\"".into()));
            }
        }
    }
    let well = findings.iter().all(|finding| finding.result.is_ok());
    let value: Vec<_> = findings
        .iter()
        .map(|Finding { what, result }| {
            let detail = match result {
                Ok(detail) | Err(detail) => detail,
            };
            json!({ "what": what, "ok": result.is_ok(), "detail": detail })
        })
        .collect();
    context.show(&value, || {
        let line = |finding: &Finding| match &finding.result {
            Ok(detail) => format!("  ok    {}: {detail}\n", finding.what),
            Err(detail) => format!("  WRONG {}: {detail}\n", finding.what),
        };
        findings.iter().map(line).collect()
    })?;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn origins(config: &Config) -> String {
    let set: Vec<_> = config
        .origins
        .iter()
        .filter(|(_, origin)| *origin != Origin::Default)
        .map(|(setting, origin)| format!("{} from the {}", setting.name, origin_text(*origin)))
        .collect();
    if set.is_empty() { "nothing is set, the defaults hold".into() } else { set.join(", ") }
}

/// Asks Redis how it is.
async fn redis(config: &Config) -> anyhow::Result<String> {
    let Some(redis) = services::redis(config).await? else { bail!("is not configured") };
    let health = redis.health().await?;
    redis.close().await;
    if !health.problems.is_empty() {
        bail!("{}", health.problems.join("; "));
    }
    let told = [health.version.map(|version| format!("version {version}")), health.role];
    Ok(format!("answers ({})", told.into_iter().flatten().collect::<Vec<_>>().join(", ")))
}

/// Writes something, reads it back, and takes it away.
async fn media_bucket(config: &Config, bucket: &Bucket) -> anyhow::Result<String> {
    let report = services::bucket(config, bucket)?.check().await?;
    let encryption = report.encryption.as_deref().unwrap_or("nothing that it tells of");
    Ok(format!("{} can be written, encrypted with {encryption}", bucket.name))
}

/// Writes something, reads it back, and takes it away.
async fn media_folder(config: &Config) -> anyhow::Result<String> {
    let folder = config.folder.join("media");
    let store = LocalMediaStore::open(&folder, None)?;
    let bytes = b"autorepost doctor";
    let body = Box::pin(stream::iter([Ok(bytes.as_slice().into())]));
    let stored = store.put(body, bytes.len() as u64).await?;
    let there = store.size(&stored.key).await?;
    store.remove(&stored.key).await?;
    anyhow::ensure!(stored.key == MediaKey::of(bytes) && there == Some(bytes.len() as u64), "it does not keep bytes");
    Ok(format!("{} can be written", folder.display()))
}

async fn account(context: &Context, ports: &Ports, connection: &Connection) -> Result<String, String> {
    let identity = match tokio::time::timeout(ANSWER_MAX, operator(ports).check(connection)).await {
        Ok(identity) => identity.map_err(|error| error.to_string())?,
        Err(_) => return Err(format!("did not answer within {} s", ANSWER_MAX.as_secs())),
    };
    let by_url = connection.method == AuthMethod::InstagramLogin;
    if by_url && context.config.public_url.is_none() && context.config.sandbox.is_none() {
        return Err("Instagram Login needs AUTOREPOST_PUBLIC_URL, from where Instagram fetches the videos".into());
    }
    Ok(format!("the platform knows it as @{}", identity.handle))
}

fn origin_text(origin: Origin) -> &'static str {
    match origin {
        Origin::Environment => "environment",
        Origin::File => "file",
        Origin::Secrets => "sources of secrets",
        Origin::Default => "default",
    }
}

pub fn settings(context: &Context) -> anyhow::Result<ExitCode> {
    let value: Vec<_> = context
        .config
        .origins
        .iter()
        .map(|(setting, origin)| {
            json!({
                "name": setting.name, "file_key": file_key(setting), "what": setting.what,
                "secret": setting.secret, "from": origin_text(*origin),
            })
        })
        .collect();
    context.show(&value, || {
        let mut table = table(&["in the environment", "in the file", "from", "what it is"]);
        for (setting, origin) in &context.config.origins {
            table.add_row([setting.name, &file_key(setting), origin_text(*origin), setting.what]);
        }
        format!("{table}\n")
    })
}
