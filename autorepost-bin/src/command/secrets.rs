//! `secrets check`: which secrets there are, where, and whether their form is right. Never a value.

use std::{path::Path, process::ExitCode};

use autorepost_core::{connection::AuthMethod, port::Clock as _, seal::Secret};
use serde::Serialize;
use url::{Host, Url};

use super::table;
use crate::{
    ambient::SystemClock,
    config::{Config, Origin, SETTINGS, Survey},
    credential::{self, app_settings},
    rotation,
};

/// How a secret stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Present,
    Malformed,
    /// It is needed, and not there.
    Missing,
    /// It is not there, and nothing needs it.
    NotSet,
}

#[derive(Debug, Serialize)]
struct Line {
    name: &'static str,
    state: State,
    place: Option<String>,
    detail: String,
}

pub async fn check(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let survey = Config::survey(file, environment).await;
    let mut lines = Vec::new();
    for setting in SETTINGS.iter().filter(|setting| setting.secret) {
        lines.push(line(&survey, setting.name).await);
    }
    // What is wrong with no single secret keeps the program from starting, too.
    let others: Vec<_> =
        survey.problems.iter().filter(|one| !lines.iter().any(|line| one.starts_with(line.name))).collect();
    let bad = |line: &&Line| matches!(line.state, State::Malformed | State::Missing);
    let wrong: Vec<_> = lines.iter().filter(bad).map(|line| line.name).collect();
    if as_json {
        let ok = wrong.is_empty() && others.is_empty();
        println!("{:#}", serde_json::json!({ "ok": ok, "wrong": wrong, "secrets": lines, "problems": others }));
    } else {
        let mut table = table(&["secret", "", "from", ""]);
        for line in &lines {
            let state = match line.state {
                State::Present => "present",
                State::Malformed => "MALFORMED",
                State::Missing => "MISSING",
                State::NotSet => "not set",
            };
            table.add_row([line.name, state, line.place.as_deref().unwrap_or_default(), &line.detail]);
        }
        println!("{table}");
        others.iter().for_each(|problem| println!("{problem}"));
    }
    if wrong.is_empty() && others.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("autorepost: wrong: {}", if wrong.is_empty() { "the configuration".into() } else { wrong.join(", ") });
    Ok(ExitCode::FAILURE)
}

async fn line(survey: &Survey, name: &'static str) -> Line {
    let found = survey.found.iter().find(|(setting, ..)| setting.name == name);
    let Some((_, value, origin)) = found else {
        let need = need(survey, name);
        let state = if need.is_some() { State::Missing } else { State::NotSet };
        return Line { name, state, place: None, detail: need.unwrap_or_default() };
    };
    let place = match origin {
        Origin::Environment => "environment".to_owned(),
        Origin::File => "configuration file".to_owned(),
        Origin::Secrets | Origin::Default => match survey.places.origin(name).await {
            Ok(Some(origin)) => origin.layer,
            _ => "sources of secrets".to_owned(),
        },
    };
    // "A is set, but B is not" is about B.
    let problem =
        survey.problems.iter().find(|problem| problem.starts_with(name) && !problem.contains(" is set, but "));
    let (state, detail) = match problem.cloned().map_or_else(|| form(name, value), Err) {
        Ok(detail) => (State::Present, detail),
        Err(why) => (State::Malformed, why),
    };
    Line { name, state, place: Some(place), detail }
}

fn value<'a>(survey: &'a Survey, name: &str) -> Option<&'a str> {
    survey.found.iter().find(|(setting, ..)| setting.name == name).map(|(_, value, _)| value.expose())
}

/// Why a secret that is not set is needed, if it is.
fn need(survey: &Survey, name: &str) -> Option<String> {
    let pairs = AuthMethod::ALL.into_iter().filter(|method| *method != AuthMethod::TiktokSession).map(app_settings);
    for [id, secret] in pairs.chain([["S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"]]) {
        let other = if name == id {
            secret
        } else if name == secret {
            id
        } else {
            continue;
        };
        if value(survey, other).is_some() {
            return Some(format!("{other} is set: set both"));
        }
    }
    let url = value(survey, "DATABASE_URL").unwrap_or("sqlite:");
    if name == "TOKEN_ENCRYPTION_KEY" && !url.starts_with("sqlite:") {
        let folder = value(survey, "AUTOREPOST_FOLDER").unwrap_or("autorepost-data");
        if !Path::new(folder).join("token.key").is_file() {
            return Some("a database that others share needs keys that they share".into());
        }
    }
    None
}

/// Whether a secret has the form that its use needs; what it is, without a part of it.
fn form(name: &str, value: &Secret) -> Result<String, String> {
    let text = value.expose();
    match name {
        "TOKEN_ENCRYPTION_KEY" => {
            let ring = autorepost_core::seal::KeyRing::parse(text).map_err(|error| error.detail().to_owned())?;
            Ok(format!("{} keys of 32 bytes, {} seals", ring.key_ids().len(), ring.sealing_key_id()))
        }
        "REDIS_URL" => {
            let url = address(text, &["redis", "rediss"])?;
            match url.scheme() == "rediss" || is_local(&url) {
                true => Ok(url.scheme().to_owned()),
                false => Err("it must begin with rediss://: what it carries is not for the network to read".into()),
            }
        }
        "DATABASE_URL" if text.starts_with("sqlite:") => Ok("sqlite".into()),
        "DATABASE_URL" => {
            let url = address(text, &["postgres", "postgresql"])?;
            let mode = url.query_pairs().find(|(name, _)| matches!(name.as_ref(), "sslmode" | "ssl-mode"));
            let weak = mode.is_some_and(|(_, mode)| matches!(mode.as_ref(), "disable" | "allow" | "prefer"));
            match weak && !is_local(&url) {
                true => Err("its sslmode permits a connection without TLS".into()),
                false => Ok("postgres".into()),
            }
        }
        "AUTOREPOST_API_KEY" => match text.strip_prefix("ar_").and_then(|rest| rest.split_once('_')) {
            Some((id, secret)) if !id.is_empty() && !secret.is_empty() => Ok("ar_ID_SECRET".into()),
            _ => Err("it is not of the form ar_ID_SECRET".into()),
        },
        rotation::COOKIE => match credential::read(AuthMethod::TiktokSession, text, SystemClock.now()) {
            Ok(_) => Ok("cookies of a session".into()),
            Err(error) => Err(error.detail().to_owned()),
        },
        _ => Ok(String::new()),
    }
}

fn address(text: &str, schemes: &[&str]) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if schemes.contains(&url.scheme()) && url.has_host() => Ok(url),
        _ => Err(format!("it is no address that begins with {}://", schemes.join(":// or "))),
    }
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        // The host of a scheme that the URL standard does not know is a text.
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        None => false,
    }
}
