//! Credentials as people have them: a browser's cookies, and the JSON of a platform's token answer.

use autorepost_core::{
    Error, ErrorKind, Platform, Result, connection::AuthMethod, credential::Credential, port::Ports,
};
use autorepost_platforms::CookieJar;
use chrono::{DateTime, Utc};
use clap::ValueEnum;
use serde::Deserialize;
use utoipa::ToSchema;

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

/// How an account is logged in, where a platform knows two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Login {
    /// Instagram: graph.facebook.com; the video is uploaded.
    Facebook,
    /// Instagram: graph.instagram.com; Instagram fetches the video from AUTOREPOST_PUBLIC_URL.
    Instagram,
    /// X: OAuth 1.0a, whose tokens do not end.
    Oauth1,
    /// X: OAuth 2.0, whose tokens are renewed every two hours.
    Oauth2,
}

/// The ways to log in to a platform, the usual one first. With cookies nobody logs in.
fn ways(platform: Platform, login: Option<Login>) -> Result<&'static [AuthMethod]> {
    use AuthMethod::{FacebookLogin, Google, InstagramLogin, TiktokLogin, XOauth1, XOauth2};
    Ok(match (platform, login) {
        (Platform::TikTok, None) => &[TiktokLogin],
        (Platform::Instagram, None) => &[FacebookLogin, InstagramLogin],
        (Platform::Instagram, Some(Login::Facebook)) => &[FacebookLogin],
        (Platform::Instagram, Some(Login::Instagram)) => &[InstagramLogin],
        (Platform::YouTube, None) => &[Google],
        (Platform::X, None) => &[XOauth1, XOauth2],
        (Platform::X, Some(Login::Oauth1)) => &[XOauth1],
        (Platform::X, Some(Login::Oauth2)) => &[XOauth2],
        (_, Some(_)) => {
            let text = "this way to log in is not one of the platform: Instagram knows facebook and instagram, X knows \
                        oauth1 and oauth2";
            return Err(Error::invalid("connect", text));
        }
    })
}

/// How an account whose credential is given is connected.
///
/// # Errors
///
/// [`Invalid`](ErrorKind::Invalid) when the platform does not know that way to log in.
pub fn method(platform: Platform, login: Option<Login>) -> Result<AuthMethod> {
    match platform {
        Platform::TikTok if login.is_none() => Ok(AuthMethod::TiktokSession),
        _ => Ok(ways(platform, login)?[0]),
    }
}

/// How an account is connected on the platform's own page: the first way whose app is configured.
///
/// # Errors
///
/// [`Invalid`](ErrorKind::Invalid) when the platform does not know that way to log in;
/// [`Configuration`](ErrorKind::Configuration) when no app is configured, naming the settings.
pub fn consent_method(ports: &Ports, platform: Platform, login: Option<Login>) -> Result<AuthMethod> {
    let ways = ways(platform, login)?;
    ways.iter().copied().find(|way| ports.consents.contains_key(way)).ok_or_else(|| {
        let names: Vec<_> = ways.iter().map(|way| app_settings(*way).join(" and ")).collect();
        let text =
            format!("{} needs {}: set them in the environment or the file", platform.title(), names.join(", or "));
        Error::new(ErrorKind::Configuration, "connect", text)
    })
}

/// The settings of the app with which accounts are connected in this way.
pub const fn app_settings(method: AuthMethod) -> [&'static str; 2] {
    match method {
        AuthMethod::TiktokSession | AuthMethod::TiktokLogin => ["TIKTOK_CLIENT_KEY", "TIKTOK_CLIENT_SECRET"],
        AuthMethod::InstagramLogin => ["INSTAGRAM_APP_ID", "INSTAGRAM_APP_SECRET"],
        AuthMethod::FacebookLogin => ["FACEBOOK_APP_ID", "FACEBOOK_APP_SECRET"],
        AuthMethod::Google => ["YOUTUBE_CLIENT_ID", "YOUTUBE_CLIENT_SECRET"],
        AuthMethod::XOauth1 => ["TWITTER_CONSUMER_KEY", "TWITTER_CONSUMER_SECRET"],
        AuthMethod::XOauth2 => ["TWITTER_CLIENT_ID", "TWITTER_CLIENT_SECRET"],
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
        AuthMethod::InstagramLogin
        | AuthMethod::FacebookLogin
        | AuthMethod::Google
        | AuthMethod::TiktokLogin
        | AuthMethod::XOauth2 => {
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
