//! `connect`, `pause`, `resume`.

use std::{io::Read, path::Path, process::ExitCode};

use anyhow::{Context as _, bail};
use autorepost_core::{
    Error, ErrorKind, Platform,
    brake::Scope,
    connection::AuthMethod,
    credential::Credential,
    port::{Clock as _, SecretSource as _},
};
use serde_json::json;

use super::{Context, operator, usage};
use crate::{
    ambient::SystemClock,
    cli::{Connect, Login, Pause, Resume},
    credential::{self, CREDENTIAL_BYTES_MAX},
    rotation,
};

pub async fn connect(context: &Context, options: Connect) -> anyhow::Result<ExitCode> {
    configured(context, options.platform)?;
    let method = credential::method(options.platform, options.login == Login::Instagram);
    if method == AuthMethod::FacebookLogin && options.account.is_none() {
        return Err(usage("Instagram with Facebook Login needs --account, the id of the professional account"));
    }
    let credential = match (method, options.from_secrets) {
        (AuthMethod::TiktokSession, true) => from_secrets(context).await?,
        (_, true) => return Err(usage("--from-secrets is for TikTok")),
        (AuthMethod::TiktokSession, false) => match &options.jar {
            Some(jar) => read(method, Some(jar))?,
            None => {
                return Err(usage("TikTok needs --jar or --from-secrets: the cookies of a browser that is signed in"));
            }
        },
        (_, false) => read(method, options.token.as_deref())?,
    };
    let ports = context.ports_with_any_key().await?;
    let account = options.account.unwrap_or_default();
    let handle = options.handle.unwrap_or_default();
    let handle = handle.trim_start_matches('@');
    let connection = operator(&ports).connect(method, &account, handle, credential).await?;
    let value = json!({
        "id": connection.id, "platform": connection.platform, "account": connection.account,
        "handle": connection.handle, "expires_at": connection.expires_at,
    });
    context.show(&value, || {
        let until = connection.expires_at.map(|at| format!(", until {}", at.format("%Y-%m-%d"))).unwrap_or_default();
        format!("connected {}:@{}{until}\n", connection.platform, connection.handle)
    })
}

/// The cookies of TIKTOK_COOKIE.
async fn from_secrets(context: &Context) -> anyhow::Result<Credential> {
    let found = context.config.secrets.secret(rotation::COOKIE).await?;
    let text = found.ok_or_else(|| {
        let text = "TIKTOK_COOKIE is not set: give the cookies with --jar";
        Error::new(ErrorKind::Configuration, "connect", text)
    })?;
    credential::read(AuthMethod::TiktokSession, text.expose(), SystemClock.now()).context(rotation::COOKIE)
}

/// Whether the platform's app is configured, and if not, by what it is.
fn configured(context: &Context, platform: Platform) -> anyhow::Result<()> {
    let config = &context.config;
    let names = match platform {
        Platform::YouTube if config.youtube.is_none() => ["YOUTUBE_CLIENT_ID", "YOUTUBE_CLIENT_SECRET"],
        Platform::X if config.x.is_none() => ["TWITTER_CONSUMER_KEY", "TWITTER_CONSUMER_SECRET"],
        _ => return Ok(()),
    };
    if config.sandbox.is_some() {
        return Ok(());
    }
    let [first, second] = names;
    let text = format!("{} needs {first} and {second}: set them in the environment or the file", platform.title());
    Err(Error::new(ErrorKind::Configuration, "connect", text).into())
}

pub(super) fn read(method: AuthMethod, file: Option<&Path>) -> anyhow::Result<Credential> {
    let file = file.context(match method {
        AuthMethod::TiktokSession => "TikTok needs --jar, a file with the cookies of a browser that is signed in",
        _ => "--token is missing: a JSON file with the account's tokens",
    })?;
    let name = file.display();
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(CREDENTIAL_BYTES_MAX + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(CREDENTIAL_BYTES_MAX + 1).read_to_string(&mut text))
    };
    let bytes = read.with_context(|| format!("{name} cannot be read"))?;
    if bytes as u64 > CREDENTIAL_BYTES_MAX {
        bail!("{name} is larger than 1 MiB: it is no credential");
    }
    credential::read(method, &text, SystemClock.now()).with_context(|| name.to_string())
}

pub async fn pause(context: &Context, options: Pause) -> anyhow::Result<ExitCode> {
    let ports = context.ports().await?;
    let Some(name) = &options.account else {
        operator(&ports).stop(Scope::Everything, &options.reason).await?;
        let text = "publishing is stopped: \"autorepost resume\" lets it go on\n";
        return context.show(&json!({ "stopped": "everything", "reason": options.reason }), || text.into());
    };
    held(context, name, true).await
}

pub async fn resume(context: &Context, options: Resume) -> anyhow::Result<ExitCode> {
    let ports = context.ports().await?;
    let Some(name) = &options.account else {
        let was = operator(&ports).go_on(Scope::Everything).await?;
        let text = if was { "publishing goes on\n" } else { "publishing was not stopped\n" };
        return context.show(&json!({ "released": was }), || text.into());
    };
    held(context, name, false).await
}

async fn held(context: &Context, name: &str, paused: bool) -> anyhow::Result<ExitCode> {
    let ports = context.ports().await?;
    let account = operator(&ports).set_paused(name, paused).await?;
    let value = json!({ "platform": account.platform, "handle": account.handle, "paused": account.paused });
    let does = if paused { "is held" } else { "goes on" };
    context.show(&value, || format!("{}:@{} {does}\n", account.platform, account.handle))
}
