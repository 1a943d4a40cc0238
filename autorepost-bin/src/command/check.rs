//! `migrate`, `doctor`, `healthcheck`, `settings`.

use std::{
    process::ExitCode,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, anyhow, bail};
use autorepost_converter::{Ffmpeg, INSTALL};
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

use super::{Context, checklist::Checklist, operator, table};
use crate::{
    ambient::SystemClock,
    cli::{Migrate, MigrateAction},
    config::{Bucket, Config, Origin, file_key},
    health,
    setup::services,
};

/// How long a platform may take to answer the doctor.
const ANSWER_MAX: Duration = Duration::from_secs(20);

pub async fn migrate(context: &Context, options: Migrate) -> anyhow::Result<ExitCode> {
    let database = services::any_database(&context.config).await?;
    let before = database.schema().await?;
    let looks = options.check || options.action == MigrateAction::Status;
    let after = if looks { before.clone() } else { database.migrate().await? };
    let value = json!({ "applied": after.applied, "pending": after.pending });
    let pending = before.pending.join(", ");
    context.show(&value, || match (before.pending.is_empty(), options.action) {
        (_, MigrateAction::Status) => {
            let line = |state: &'static str| move |name: &String| format!("{state:<8} {name}\n");
            after.applied.iter().map(line("applied")).chain(after.pending.iter().map(line("missing"))).collect()
        }
        (true, MigrateAction::Up) => "the database is up to date\n".into(),
        (false, MigrateAction::Up) if looks => format!("to be applied: {pending}\n"),
        (false, MigrateAction::Up) => format!("applied: {pending}\n"),
    })?;
    let fails = !after.pending.is_empty() && (options.check || options.action == MigrateAction::Up);
    Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

pub async fn healthcheck(context: &Context) -> anyhow::Result<ExitCode> {
    health::ask(context.config.listen).await?;
    context.show(&json!({ "status": "ok" }), || "alive\n".into())
}

pub async fn doctor(context: &Context) -> anyhow::Result<ExitCode> {
    let (config, mut list) = (&context.config, Checklist::default());
    list.run("configuration", async { Ok(origins(config)) }).await;
    list.run("secrets", secrets(config)).await;
    match &config.bucket {
        None => list.run("media folder", media_folder(config)).await,
        Some(bucket) => list.run("bucket", media_bucket(config, bucket)).await,
    }
    if let Some(url) = &config.public_url {
        list.run("public address", public_address(url)).await;
    }
    list.run("ffmpeg", ffmpeg(config)).await;
    list.run("Instagram's API", async {
        let version = &config.instagram_version;
        match versions::warning(version, DateTime::from(SystemTime::now())) {
            Some(warning) => bail!(warning),
            None => Ok(version.clone()),
        }
    })
    .await;
    if config.redis.is_some() {
        list.run("Redis", redis(config)).await;
    }
    let mut opened = None;
    list.run("database and keys", async {
        let ports = context.ports_with_any_key().await?;
        let told = format!("sealing with key {}", ports.keys.sealing_key_id());
        opened = Some(ports);
        Ok(told)
    })
    .await;
    if let Some(ports) = opened {
        list.run("clock", clock(context)).await;
        let connections = operator(&ports).connections().await?;
        if connections.is_empty() {
            list.run("accounts", async { bail!("none is connected: use \"autorepost connect\"") }).await;
        }
        for connection in &connections {
            let what = format!("{}:@{}", connection.platform, connection.handle);
            list.run(&what, account(context, &ports, connection)).await;
        }
        if !connections.is_empty() && operator(&ports).rules().await?.is_empty() {
            list.run("rules", async { bail!("there are none: use \"autorepost rules add\"") }).await;
        }
    }
    list.show(context)
}

fn origins(config: &Config) -> String {
    let set: Vec<_> = config
        .origins
        .iter()
        .filter(|(setting, origin)| *origin != Origin::Default && !setting.secret)
        .map(|(setting, origin)| format!("{} from the {}", setting.name, origin_text(*origin)))
        .collect();
    if set.is_empty() { "nothing is set, the defaults hold".into() } else { set.join(", ") }
}

/// Which place gives each secret, and which places it hides: their rotations are not seen.
async fn secrets(config: &Config) -> anyhow::Result<String> {
    let mut told = Vec::new();
    for (setting, _) in config.origins.iter().filter(|(setting, _)| setting.secret) {
        let origin = config.secrets.origin(setting.name).await?;
        let Some(autorepost_secrets::Origin { layer, hidden }) = origin else { continue };
        let hides = if hidden.is_empty() { String::new() } else { format!(" (hides {})", hidden.join(", ")) };
        told.push(format!("{} from the {layer}{hides}", setting.name));
    }
    Ok(if told.is_empty() { "none is set".into() } else { told.join(", ") })
}

/// Holds this machine's clock against the database's.
async fn clock(context: &Context) -> anyhow::Result<String> {
    let database = services::any_database(&context.config).await?;
    let off_max = context.config.policy().clock_off_max;
    let off = health::checks::clock_off(&database, &SystemClock).await?;
    if off > off_max {
        bail!("is {} ms off the database's: let it be set by NTP, or nothing is published from here", off.as_millis());
    }
    Ok("agrees with the database's".into())
}

/// Fetches the program's own probe by the address at which Instagram and the platforms' log-in pages are to find it.
async fn public_address(url: &str) -> anyhow::Result<String> {
    let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    let secure = url.starts_with("https://") || local.iter().any(|local| url.starts_with(local));
    anyhow::ensure!(secure, "{url} must begin with https://: no platform fetches from, or sends an owner to, another");
    let leads =
        || format!("{url} does not lead to a running autorepost (seen from here): start it, or mend name or proxy");
    let version = health::version_at(url).await.with_context(leads)?;
    Ok(format!("{url} leads to a running autorepost {version}"))
}

/// Looks for ffmpeg. To be without it is no mistake; to name one that does not work is.
async fn ffmpeg(config: &Config) -> anyhow::Result<String> {
    let Some(program) = &config.ffmpeg else {
        return Ok(format!("is not there: videos that a platform would refuse as they are, are left out; {INSTALL}"));
    };
    let version = Ffmpeg::version(program).await.map_err(|error| anyhow!(error.detail().to_owned()))?;
    Ok(format!("version {version} at {}", program.display()))
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

async fn account(context: &Context, ports: &Ports, connection: &Connection) -> anyhow::Result<String> {
    let Ok(identity) = tokio::time::timeout(ANSWER_MAX, operator(ports).check(connection)).await else {
        bail!("did not answer within {} s", ANSWER_MAX.as_secs());
    };
    let identity = identity?;
    let by_url = connection.method == AuthMethod::InstagramLogin;
    if by_url && context.config.public_url.is_none() && context.config.sandbox.is_none() {
        bail!("Instagram Login needs AUTOREPOST_PUBLIC_URL, from where Instagram fetches the videos");
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
