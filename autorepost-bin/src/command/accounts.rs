//! `connect`, `disconnect`, `pause`, `resume`.

use std::{io::Read, path::Path, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use autorepost_core::{
    Error, ErrorKind,
    brake::Scope,
    connection::{AuthMethod, Connection},
    credential::Credential,
    operator::Operator,
    port::{Clock as _, SecretSource as _},
    rule::Rule,
};
use serde_json::{Value, json};

use super::{Context, consent, operator, record, usage};
use crate::{
    ambient::SystemClock,
    browser,
    cli::{Connect, Pause, Resume, Window},
    credential::{self, CREDENTIAL_BYTES_MAX},
    rotation,
    setup::Platforms,
};

pub async fn connect(context: &Context, options: Connect) -> anyhow::Result<ExitCode> {
    let method = credential::method(options.platform, options.login)?;
    let cookies = options.jar.is_some() || options.window.browser || options.from_secrets;
    if options.handle.is_some() && !cookies {
        return Err(usage("--handle goes with TikTok's cookies: give them with --jar, --browser or --from-secrets"));
    }
    if options.window.browser && (method != AuthMethod::TiktokSession || options.handle.is_none()) {
        return Err(usage("--browser is for TikTok, and needs --handle: the account that signs in"));
    }
    if !cookies && options.token.is_none() {
        return consent::connect(context, options).await;
    }
    configured(context, method)?;
    if method == AuthMethod::FacebookLogin && options.account.is_none() {
        return Err(usage("Instagram with Facebook Login needs --account, the id of the professional account"));
    }
    let credential = match (method, options.from_secrets) {
        (AuthMethod::TiktokSession, true) => from_secrets(context).await?,
        (_, true) => return Err(usage("--from-secrets is for TikTok")),
        (AuthMethod::TiktokSession, false) if options.window.browser => signed_in(context, &options.window).await?,
        (AuthMethod::TiktokSession, false) => match &options.jar {
            Some(jar) => read(method, Some(jar))?,
            None => {
                let text =
                    "TikTok needs --jar, --browser or --from-secrets: the cookies of a browser that is signed in";
                return Err(usage(text));
            }
        },
        (_, false) => read(method, options.token.as_deref())?,
    };
    let ports = context.ports_with_any_key().await?;
    let account = options.account.unwrap_or_default();
    let handle = options.handle.unwrap_or_default();
    let handle = handle.trim_start_matches('@');
    let operator = operator(&ports);
    let connection = operator.connect(method, &account, handle, credential).await?;
    recorded(&operator, "connections.connect", &connection).await?;
    context.show(&shown(&connection), || told(&connection))
}

/// An account that was connected, for programs.
pub(super) fn shown(connection: &Connection) -> Value {
    json!({
        "id": connection.id, "platform": connection.platform, "account": connection.account,
        "handle": connection.handle, "expires_at": connection.expires_at,
    })
}

/// The same, for people.
pub(super) fn told(connection: &Connection) -> String {
    // What is renewed by itself has no end that concerns anybody.
    let expires_at = connection.expires_at.filter(|_| !connection.method.has_refresh_token());
    let until = expires_at.map(|at| format!(", until {}", at.format("%Y-%m-%d"))).unwrap_or_default();
    format!("connected {}:@{}{until}\n", connection.platform, connection.handle)
}

/// The cookies of somebody who signs in now.
pub(super) async fn signed_in(context: &Context, window: &Window) -> anyhow::Result<Credential> {
    let tiktok = Platforms::configured(&context.config).tiktok.web_url;
    let jar = browser::sign_in(&tiktok, window.chromium.as_deref(), Duration::from_secs(window.wait)).await?;
    Ok(credential::read(AuthMethod::TiktokSession, jar.expose(), SystemClock.now())?)
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

/// Whether what the platform's client needs is configured, and if not, by what it is.
fn configured(context: &Context, method: AuthMethod) -> anyhow::Result<()> {
    let config = &context.config;
    let missing = match method {
        AuthMethod::Google => config.youtube.is_none(),
        AuthMethod::XOauth1 => config.x.is_none(),
        AuthMethod::XOauth2 => config.x_client.is_none(),
        _ => false,
    };
    if !missing || config.sandbox.is_some() {
        return Ok(());
    }
    let [first, second] = credential::app_settings(method);
    let title = method.platform().title();
    let text = format!("{title} needs {first} and {second}: set them in the environment or the file");
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

pub async fn disconnect(context: &Context, name: &str) -> anyhow::Result<ExitCode> {
    let ports = context.ports_with_any_key().await?;
    let operator = operator(&ports);
    let account = operator.disconnect(operator.connection(name).await?.id).await?;
    recorded(&operator, "connections.disconnect", &account).await?;
    let to_it =
        |rule: &&Rule| rule.source == account.id || rule.spec.destinations.iter().any(|to| to.connection == account.id);
    let rules: Vec<_> = operator.rules().await?.iter().filter(to_it).map(|rule| rule.name.clone()).collect();
    let value = json!({ "platform": account.platform, "handle": account.handle, "rules": rules });
    context.show(&value, || {
        let (platform, handle) = (account.platform, &account.handle);
        let mut text = format!("{platform}:@{handle} is disconnected, and its credential is destroyed\n");
        if !rules.is_empty() {
            text += &format!("these rules name it still, and wait for it: {}\n", rules.join(", "));
        }
        text + &format!("to withdraw the grant as well, use {}'s own page of connected apps\n", platform.title())
    })
}

/// Writes down what was done to an account.
pub(super) async fn recorded(operator: &Operator<'_>, action: &str, account: &Connection) -> anyhow::Result<()> {
    record(operator, Some(account.tenant), action, format!("connections/{}", account.id)).await
}

pub async fn pause(context: &Context, options: Pause) -> anyhow::Result<ExitCode> {
    let ports = context.ports().await?;
    let Some(name) = &options.account else {
        let operator = operator(&ports);
        operator.stop(Scope::Everything, &options.reason).await?;
        record(&operator, None, "brakes.engage_everything", "brakes/everything".into()).await?;
        let text = "publishing is stopped: \"autorepost resume\" lets it go on\n";
        return context.show(&json!({ "stopped": "everything", "reason": options.reason }), || text.into());
    };
    held(context, name, true).await
}

pub async fn resume(context: &Context, options: Resume) -> anyhow::Result<ExitCode> {
    let ports = context.ports().await?;
    let Some(name) = &options.account else {
        let operator = operator(&ports);
        let was = operator.go_on(Scope::Everything).await?;
        record(&operator, None, "brakes.release_everything", "brakes/everything".into()).await?;
        let text = if was { "publishing goes on\n" } else { "publishing was not stopped\n" };
        return context.show(&json!({ "released": was }), || text.into());
    };
    held(context, name, false).await
}

async fn held(context: &Context, name: &str, paused: bool) -> anyhow::Result<ExitCode> {
    let ports = context.ports().await?;
    let operator = operator(&ports);
    let account = operator.set_paused(name, paused).await?;
    recorded(&operator, if paused { "connections.pause" } else { "connections.resume" }, &account).await?;
    let value = json!({ "platform": account.platform, "handle": account.handle, "paused": account.paused });
    let does = if paused { "is held" } else { "goes on" };
    context.show(&value, || format!("{}:@{} {does}\n", account.platform, account.handle))
}
