//! Credentials as people have them: a browser's cookies, and the JSON of a platform's token answer.

use autorepost_core::{Error, Platform, Result, connection::AuthMethod, credential::Credential};
use autorepost_platforms::CookieJar;
use chrono::{DateTime, Utc};
use serde::Deserialize;

/// Largest credential in bytes.
pub const CREDENTIAL_BYTES_MAX: u64 = 1 << 20;
const OP: &str = "read credential";

/// A token, in the names that the platforms use.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    access_token: Option<String>,
    refresh_token: Option<String>,
    oauth_token: Option<String>,
    oauth_token_secret: Option<String>,
    /// What Google's and Meta's answers also hold, so that they can be given as they are.
    #[serde(rename = "expires_in", alias = "token_type", alias = "scope", alias = "id_token")]
    _others: Option<serde_json::Value>,
}

/// How an account of this platform is connected. Instagram knows two ways: `instagram_login` is the one with Instagram Login.
pub fn method(platform: Platform, instagram_login: bool) -> AuthMethod {
    match platform {
        Platform::TikTok => AuthMethod::TiktokSession,
        Platform::Instagram if instagram_login => AuthMethod::InstagramLogin,
        Platform::Instagram => AuthMethod::FacebookLogin,
        Platform::YouTube => AuthMethod::Google,
        Platform::X => AuthMethod::XOauth1,
    }
}

/// Reads the credential of an account that is connected in this way. An error never quotes it.
///
/// # Errors
///
/// [`Invalid`](autorepost_core::ErrorKind::Invalid), saying what is missing.
pub fn read(method: AuthMethod, text: &str, now: DateTime<Utc>) -> Result<Credential> {
    match method {
        AuthMethod::TiktokSession => Ok(Credential::Cookies { jar: CookieJar::parse(text, now)?.to_text() }),
        AuthMethod::XOauth1 => {
            let found = token(text)?;
            let token = found.oauth_token.ok_or_else(|| missing("oauth_token"))?;
            let secret = found.oauth_token_secret.ok_or_else(|| missing("oauth_token_secret"))?;
            Ok(Credential::OAuth1 { token, secret })
        }
        AuthMethod::InstagramLogin | AuthMethod::FacebookLogin | AuthMethod::Google => {
            let found = token(text)?;
            let access = found.access_token.ok_or_else(|| missing("access_token"))?;
            Ok(Credential::Bearer { access, refresh: found.refresh_token })
        }
    }
}

fn token(text: &str) -> Result<Token> {
    // The parse error may quote a token, so it says where and no more.
    serde_json::from_str(text).map_err(|error| {
        let text = format!(
            "this is not the JSON of a token (line {}, column {}): it must be an object with access_token and \
             refresh_token, for X with oauth_token and oauth_token_secret, and nothing else",
            error.line(),
            error.column()
        );
        Error::invalid(OP, text)
    })
}

fn missing(name: &str) -> Error {
    Error::invalid(OP, format!("the token has no {name}"))
}
