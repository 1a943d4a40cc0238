//! Whose request it is: signatures of OAuth 1.0a, and bearer tokens.

use std::collections::BTreeMap;

use axum::{
    extract::{OriginalUri, Request},
    http::StatusCode,
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use url::Url;

use super::problem;
use crate::{
    server::header,
    world::{State as Platforms, World, XAccount},
};

/// How far a request's timestamp may be off, in seconds.
const SKEW_SECS_MAX: i64 = 300;

/// The account in whose name a request is made: by its signature, or by a bearer token of OAuth 2.0.
pub(super) fn signed(world: &World, request: &Request) -> Result<XAccount, Box<Response>> {
    let refused = || Box::new(problem(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized"));
    let authorization = header(request.headers(), "authorization").unwrap_or_default();
    if let Some(token) = authorization.strip_prefix("Bearer ") {
        let state = world.lock();
        let grant = state.x_grants.iter().find(|grant| grant.access == token && !state.expired.contains(token));
        let account = grant.and_then(|grant| state.x.iter().find(|account| account.id == grant.account));
        return account.cloned().ok_or_else(refused);
    }
    let head = Head::of(request);
    let found = verified(world, &head, &[], |state, key, token| {
        let account = state.x.iter().find(|account| account.consumer_key == key && account.token == token)?;
        let lives = !state.expired.contains(&account.token);
        let secrets = (account.consumer_secret.clone(), account.token_secret.clone());
        lives.then(|| (account.clone(), secrets))
    });
    found.ok_or_else(refused)
}

/// What of a request is signed, apart from a form.
pub(super) struct Head {
    method: String,
    pub path: String,
    authorization: String,
}

impl Head {
    pub fn of(request: &Request) -> Self {
        let called =
            request.extensions().get::<OriginalUri>().map_or_else(|| request.uri().clone(), |uri| uri.0.clone());
        Self {
            method: request.method().to_string(),
            path: called.to_string(),
            authorization: header(request.headers(), "authorization").unwrap_or_default().to_owned(),
        }
    }

    /// The parameters of the header (RFC 5849, 3.5.1).
    pub fn oauth(&self) -> Option<BTreeMap<String, String>> {
        let pairs = self.authorization.strip_prefix("OAuth ")?;
        let decode = |text: &str| percent_decode(text.trim().trim_matches('"'));
        Some(pairs.split(',').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (decode(k), decode(v))).collect())
    }
}

/// Checks a signature (RFC 5849, HMAC-SHA1) against the address that was really called. `find` knows whose key and token
/// they are, and the two secrets.
pub(super) fn verified<T>(
    world: &World,
    head: &Head,
    form: &[(String, String)],
    find: impl FnOnce(&Platforms, &str, &str) -> Option<(T, (String, String))>,
) -> Option<T> {
    let mut oauth = head.oauth()?;
    let signature = oauth.remove("oauth_signature")?;
    oauth.remove("realm");
    let told = |name: &str| oauth.get(name).cloned().unwrap_or_default();

    let url = Url::parse(&format!("{}{}", world.base, head.path)).ok()?;
    let mut parameters: Vec<(String, String)> = oauth.clone().into_iter().collect();
    parameters.extend(url.query_pairs().into_owned());
    parameters.extend(form.iter().cloned());
    let mut parameters: Vec<_> = parameters.iter().map(|(k, v)| (encode(k), encode(v))).collect();
    parameters.sort();
    parameters.dedup();
    let joined: Vec<_> = parameters.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let mut bare = url.clone();
    bare.set_query(None);
    let base = format!("{}&{}&{}", head.method, encode(bare.as_str()), encode(&joined.join("&")));

    let mut state = world.lock();
    let (found, (consumer_secret, token_secret)) = find(&state, &told("oauth_consumer_key"), &told("oauth_token"))?;
    let secret = format!("{}&{}", encode(&consumer_secret), encode(&token_secret));
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(base.as_bytes());
    mac.verify_slice(&STANDARD.decode(signature).ok()?).ok()?;
    let at: i64 = told("oauth_timestamp").parse().ok()?;
    let fresh = (World::now().timestamp() - at).abs() <= SKEW_SECS_MAX && state.nonces.insert(told("oauth_nonce"));
    fresh.then_some(found)
}

/// Percent-encoding of RFC 3986: everything but letters, digits and `-._~`.
fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

fn percent_decode(text: &str) -> String {
    let plain = text.replace('+', "%2B");
    url::form_urlencoded::parse(format!("k={plain}").as_bytes()).next().map(|(_, v)| v.into_owned()).unwrap_or_default()
}
