//! A record of what vendors are asked and what they answer: a JSON line for each request, to be held against their
//! documents. Values that open something are left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{FromRequest, Multipart, Request, State},
    http::{HeaderMap, request::Parts},
    middleware::Next,
    response::Response,
};
use serde::Serialize;
use serde_json::Value;
use url::form_urlencoded;

use crate::{hosts::vendor_host, server::header};

/// Largest body that is recorded, in bytes. X's segments are the largest of those that are forms.
const BODY_BYTES_MAX: usize = 8 << 20;
/// What stands in the place of a value that opens something.
const MASK: &str = "***";
/// Parameters whose values open something.
const SECRET_PARAMETERS: [&str; 9] = [
    "access_token",
    "client_secret",
    "code",
    "code_verifier",
    "fb_exchange_token",
    "oauth_token",
    "oauth_verifier",
    "refresh_token",
    "state",
];
/// The same for fields of JSON.
const SECRET_FIELDS: [&str; 2] = ["access_token", "refresh_token"];

type Pairs = Vec<(String, String)>;

/// Where requests are written down.
pub(crate) struct Recorder {
    file: Mutex<File>,
}

/// A request, and its answer when there was one.
#[derive(Serialize)]
struct Line {
    /// The vendor's host.
    host: &'static str,
    method: String,
    path: String,
    query: Pairs,
    /// Headers; of credentials only the scheme.
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    form: Option<Pairs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<Value>,
    /// The names of the parts of a multipart form.
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<BTreeSet<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Value>,
}

impl Recorder {
    /// Appends to a file.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        Ok(Self { file: Mutex::new(OpenOptions::new().create(true).append(true).open(path)?) })
    }

    fn write(&self, line: &Line) {
        let Ok(mut text) = serde_json::to_string(line) else { return };
        text.push('\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // In one piece: several processes append to one file.
        let _ = file.write_all(text.as_bytes());
    }
}

/// Writes its line when the request ends, however it ends: connections are cut by unwinding.
struct Pending {
    recorder: Arc<Recorder>,
    line: Line,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.recorder.write(&self.line);
    }
}

/// The layer that records.
pub(crate) async fn record(State(recorder): State<Arc<Recorder>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let (prefix, rest) = path.split_once('/').unwrap_or((&path, ""));
    // The sandbox's own pages are nobody's contract.
    let Some(host) = vendor_host(prefix) else { return next.run(request).await };
    let (parts, body) = request.into_parts();
    let mut line = Line {
        host,
        method: parts.method.to_string(),
        path: format!("/{rest}"),
        query: pairs(parts.uri.query().unwrap_or_default().as_bytes()),
        headers: headers(&parts.headers),
        form: None,
        json: None,
        parts: None,
        status: None,
        answer: None,
    };
    let body = read(&mut line, &parts, body).await;
    let mut pending = Pending { recorder, line };
    let (parts, body) = next.run(Request::from_parts(parts, body)).await.into_parts();
    pending.line.status = Some(parts.status.as_u16());
    if !content_type(&parts.headers).contains("json") {
        return Response::from_parts(parts, body);
    }
    let bytes = to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    pending.line.answer = serde_json::from_slice(&bytes).ok().map(masked);
    Response::from_parts(parts, Body::from(bytes))
}

/// Reads a body that is a form or JSON. The bytes of a video pass by.
async fn read(line: &mut Line, parts: &Parts, body: Body) -> Body {
    let kind = content_type(&parts.headers).to_owned();
    let form = kind.starts_with("application/x-www-form-urlencoded");
    let (json, multipart) = (kind.contains("json"), kind.starts_with("multipart/form-data"));
    if !form && !json && !multipart {
        return body;
    }
    // What is larger, or was cut off, is not recorded, and is as empty to who reads it next.
    let bytes = to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    if form {
        line.form = Some(pairs(&bytes));
    } else if json {
        line.json = serde_json::from_slice(&bytes).ok().map(masked);
    } else {
        line.parts = Some(part_names(&kind, bytes.clone()).await);
    }
    Body::from(bytes)
}

async fn part_names(kind: &str, bytes: Bytes) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let request = Request::builder().header("content-type", kind).body(Body::from(bytes));
    let Ok(request) = request else { return names };
    let Ok(mut form) = Multipart::from_request(request, &()).await else { return names };
    while let Ok(Some(field)) = form.next_field().await {
        names.insert(field.name().unwrap_or_default().to_owned());
    }
    names
}

fn content_type(headers: &HeaderMap) -> &str {
    header(headers, "content-type").unwrap_or_default()
}

fn pairs(text: &[u8]) -> Pairs {
    let masked = |name: String, value: String| match SECRET_PARAMETERS.contains(&name.as_str()) {
        true => (name, MASK.to_owned()),
        false => (name, value),
    };
    form_urlencoded::parse(text).into_owned().map(|(name, value)| masked(name, value)).collect()
}

fn headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let told = |name: &str, value: &str| match name {
        "authorization" => format!("{} {MASK}", value.split(' ').next().unwrap_or_default()),
        "cookie" => MASK.to_owned(),
        _ => value.to_owned(),
    };
    headers.iter().map(|(name, value)| (name.to_string(), told(name.as_str(), value.to_str().unwrap_or("")))).collect()
}

fn masked(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let one = |(name, value): (String, Value)| match SECRET_FIELDS.contains(&name.as_str()) {
                true => (name, MASK.into()),
                false => (name, masked(value)),
            };
            Value::Object(fields.into_iter().map(one).collect())
        }
        Value::Array(items) => items.into_iter().map(masked).collect(),
        other => other,
    }
}
