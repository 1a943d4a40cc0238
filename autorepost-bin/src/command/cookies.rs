//! `cookies`: fresh cookies for a TikTok account.

use std::process::ExitCode;

use autorepost_core::{connection::AuthMethod, port::EntropyExt as _};
use serde_json::json;

use super::{Context, accounts, operator, refresh, usage};
use crate::{
    cli::{Cookies, Rotate},
    rotation,
};

/// As the audit log calls it.
const ACTION: &str = "connections.rotate_cookies";

pub async fn cookies(context: &Context, command: Cookies) -> anyhow::Result<ExitCode> {
    match command {
        Cookies::Rotate(options) => rotate(context, options).await,
    }
}

async fn rotate(context: &Context, options: Rotate) -> anyhow::Result<ExitCode> {
    let ports = context.ports().await?;
    let operator = operator(&ports);
    let connection = operator.connection(&options.connection).await?;
    if connection.method != AuthMethod::TiktokSession {
        return Err(usage(format!("{} is not connected by cookies", options.connection)));
    }
    let credential = match &options.jar {
        Some(jar) => accounts::read(connection.method, Some(jar))?,
        None => accounts::signed_in(context, &options.window).await?,
    };
    let request = format!("command-{:016x}", ports.entropy.number());
    let subject = format!("connections/{}", connection.id);
    let record =
        async |detail: &str| operator.record(Some(operator.tenant()), ACTION, &subject, detail, &request).await;
    record("asked").await?;
    let rotated = rotation::rotate(&operator, &connection, credential, &context.config.bundles).await;
    record(&rotation::outcome(&rotated)).await?;
    let rotated = rotated?;
    // The renewed connection is what counts: the others are told of in any case.
    let (written, unwritten) = match rotated.written {
        Ok(written) => (written, None),
        Err(error) => (None, Some(error)),
    };
    let healths = refresh::renew(context, &ports, rotated.due).await?;
    let handle = &rotated.connection.handle;
    let value = json!({
        "connection": rotated.connection.id, "handle": handle, "written": written,
        "accounts": refresh::value(&healths),
    });
    context.show(&value, || {
        let kept = match &written {
            Some(place) => format!(" and {place}"),
            None if unwritten.is_some() => "; the bundle was NOT written".into(),
            None => "; AUTOREPOST_SECRETS names no bundle, so only the connection was renewed".into(),
        };
        format!("tiktok:@{handle} has new cookies, in its connection{kept}\n{}", refresh::text(&healths))
    })?;
    if let Some(error) = unwritten {
        return Err(anyhow::Error::new(error).context("the connection has the new cookies; repeat this for the bundle"));
    }
    Ok(refresh::code(&healths))
}
