//! `smoke`: whether a deployment works, seen from outside.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context as _, bail, ensure};
use autorepost_core::seal::Secret;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Client, Method, Response, StatusCode, header, redirect::Policy};
use serde_json::Value;
use url::Url;

use super::{Context, checklist::Checklist};
use crate::{api, cli};

/// How long one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long plain HTTP may take to answer, where it does.
const PLAIN_MAX: Duration = Duration::from_secs(5);
/// The largest answer that is read, in bytes; the document is the largest.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// How long a worker may take to run a job that is due: several of its looks at the queue, and a slow source.
const JOB_MAX: Duration = Duration::from_secs(120);
/// The time between two looks at the job.
const LOOK: Duration = Duration::from_millis(250);
/// The header `Date` has whole seconds.
const DATE_STEP: TimeDelta = TimeDelta::seconds(1);

pub async fn smoke(context: &Context, options: cli::Smoke) -> anyhow::Result<ExitCode> {
    let client = Client::builder().timeout(ANSWER_MAX).redirect(Policy::none()).build()?;
    let outside = Outside { client, base: options.url };
    let mut list = Checklist::default();
    list.look("healthz", ANSWER_MAX, outside.alive()).await;
    list.look("readyz", ANSWER_MAX, outside.ready()).await;
    list.look("openapi", ANSWER_MAX, outside.document()).await;
    list.look("refuses without a key", ANSWER_MAX, outside.refuses()).await;
    list.look("tls and redirect", 2 * ANSWER_MAX, outside.redirects()).await;
    list.look("a worker runs a job", JOB_MAX, outside.works(context.config.api_key.as_ref())).await;
    list.show(context)
}

/// The deployment, as whoever comes over the network sees it.
struct Outside {
    client: Client,
    base: Url,
}

impl Outside {
    async fn ask(&self, method: Method, path: &str, key: Option<&Secret>) -> anyhow::Result<Response> {
        let address = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        let mut request = self.client.request(method, address);
        if let Some(key) = key {
            request = request.bearer_auth(key.expose());
        }
        Ok(request.send().await?)
    }

    async fn json(&self, method: Method, path: &str, key: Option<&Secret>) -> anyhow::Result<Value> {
        let answer = self.ask(method, path, key).await?;
        let status = answer.status();
        ensure!(status == StatusCode::OK, "{path} answers with {status}");
        body(answer).await.with_context(|| format!("{path} answers with something else"))
    }

    async fn alive(&self) -> anyhow::Result<String> {
        let alive = self.json(Method::GET, "/healthz", None).await?;
        version(&alive["version"])
    }

    async fn ready(&self) -> anyhow::Result<String> {
        let answer = self.ask(Method::GET, "/readyz", None).await?;
        let status = answer.status();
        let report = body(answer).await.with_context(|| format!("/readyz answers with {status} and something else"))?;
        let checks = report["checks"].as_array().cloned().unwrap_or_default();
        let told = |check: &Value| {
            let text = |field: &str| check[field].as_str().unwrap_or_default().to_owned();
            format!("{}: {}", text("name"), text("detail"))
        };
        let bad: Vec<_> = checks.iter().filter(|check| check["ok"] != true).map(told).collect();
        ensure!(status == StatusCode::OK && bad.is_empty(), "answers with {status}: {}", bad.join("; "));
        ensure!(!checks.is_empty(), "it checks nothing");
        Ok(format!("{} checks", checks.len()))
    }

    async fn document(&self) -> anyhow::Result<String> {
        let document = self.json(Method::GET, api::DOCUMENT_PATH, None).await?;
        let openapi = document["openapi"].as_str().unwrap_or_default();
        ensure!(openapi.starts_with("3."), "it is no OpenAPI document");
        ensure!(document["paths"].as_object().is_some_and(|paths| !paths.is_empty()), "it describes no path");
        version(&document["info"]["version"])
    }

    async fn refuses(&self) -> anyhow::Result<String> {
        let answer = self.ask(Method::GET, "/v1/connections", None).await?;
        let status = answer.status();
        ensure!(status == StatusCode::UNAUTHORIZED, "answers with {status} instead of 401");
        let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        ensure!(kind.starts_with(api::PROBLEM_JSON), "answers with {kind:?} instead of {}", api::PROBLEM_JSON);
        let problem = body(answer).await?;
        ensure!(problem["status"] == 401 && problem["type"].is_string(), "the problem has no type or another status");
        Ok("401, with problem details".into())
    }

    /// What was asked so far came over TLS with a certificate that holds, or nothing answered; so plain HTTP is left to look at.
    async fn redirects(&self) -> anyhow::Result<String> {
        if self.base.scheme() != "https" {
            return Ok("not checked: the address is not https".into());
        }
        self.alive().await.context("over TLS")?;
        if self.base.port().is_some() {
            return Ok("the certificate holds; with a port of its own there is no plain address beside it".into());
        }
        let mut plain = self.base.clone();
        let _ = plain.set_scheme("http");
        let address = format!("{}/healthz", plain.as_str().trim_end_matches('/'));
        let answer = match self.client.get(address).timeout(PLAIN_MAX).send().await {
            Ok(answer) => answer,
            // Nothing there, or a network that lets nothing through to it: both carry nothing in the clear.
            Err(error) if error.is_connect() || error.is_timeout() => {
                return Ok("the certificate holds; plain HTTP does not answer from here".into());
            }
            Err(error) => return Err(error).context("over plain HTTP"),
        };
        let status = answer.status();
        let to = answer.headers().get(header::LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
        let secure = Url::parse(to).is_ok_and(|to| to.scheme() == "https" && to.host() == self.base.host());
        ensure!(status.is_redirection() && secure, "plain HTTP answers with {status} and does not lead to https");
        Ok(format!("the certificate holds; plain HTTP leads there ({status})"))
    }

    /// Makes a look at a source due, and waits until a worker has taken it. A look changes nothing that would not come by itself.
    async fn works(&self, key: Option<&Secret>) -> anyhow::Result<String> {
        let Some(key) = key else {
            return Ok("not checked: AUTOREPOST_API_KEY is not set: \"api-keys add smoke\" makes a key".into());
        };
        let connections = self.json(Method::GET, "/v1/connections?limit=100", Some(key)).await?;
        let items = connections["items"].as_array().cloned().unwrap_or_default();
        let source = items.iter().find(|one| one["platform"] == "tiktok" && one["paused"] == false);
        let Some(id) = source.and_then(|source| source["id"].as_str()) else {
            return Ok("not checked: the key's tenant has no TikTok account, so there is no job to ask for".into());
        };
        let answer = self.ask(Method::POST, &format!("/v1/connections/{id}/sync"), Some(key)).await?;
        let status = answer.status();
        ensure!(status == StatusCode::OK, "asking for a look at the source is answered with {status}");
        let asked_at = date(&answer).context("the answer has no date")? + DATE_STEP;
        loop {
            let stats = self.json(Method::GET, "/v1/jobs/stats", Some(key)).await?;
            let Some(rows) = stats.as_array() else { bail!("/v1/jobs/stats is no list") };
            let of = |state: &str| rows.iter().find(|row| row["kind"] == "tiktok_sync" && row["state"] == state);
            let next = of("queued").and_then(|row| row["oldest"].as_str()?.parse::<DateTime<Utc>>().ok());
            // Each run puts the job off to a later time.
            if of("running").is_none() && next.is_some_and(|next| next > asked_at) {
                return Ok("a look at a source was asked for, and taken".into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn date(answer: &Response) -> Option<DateTime<Utc>> {
    let text = answer.headers().get(header::DATE)?.to_str().ok()?;
    Some(DateTime::parse_from_rfc2822(text).ok()?.to_utc())
}

/// The same version as this program's, which comes from the same image as what was deployed.
fn version(value: &Value) -> anyhow::Result<String> {
    let (version, ours) = (value.as_str().context("it tells no version")?, env!("CARGO_PKG_VERSION"));
    ensure!(version == ours, "it is version {version}, and this program is {ours}");
    Ok(format!("version {version}"))
}

async fn body(mut answer: Response) -> anyhow::Result<Value> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        bytes.extend_from_slice(&chunk);
        ensure!(bytes.len() <= ANSWER_BYTES_MAX, "the answer is larger than {ANSWER_BYTES_MAX} bytes");
    }
    serde_json::from_slice(&bytes).context("the answer is not JSON")
}
