//! The ways to log in, what each vendor calls things, and the apps that are registered.

use serde::{Deserialize, Serialize};
use url::Url;

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Login {
    /// TikTok's Login Kit.
    TikTok,
    /// Instagram's own.
    Instagram,
    /// Facebook's, for Instagram.
    Facebook,
    /// Google's, for YouTube.
    Google,
    /// X with OAuth 1.0a.
    X1,
    /// X with OAuth 2.0.
    X2,
}

/// An app that is registered for a way to log in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RegisteredApp {
    /// The way.
    pub login: Login,
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// Where answers may be sent: compared exactly.
    pub redirects: Vec<String>,
}

impl Login {
    /// A short name, for codes and tokens.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TikTok => "tiktok",
            Self::Instagram => "instagram",
            Self::Facebook => "facebook",
            Self::Google => "google",
            Self::X1 => "x1",
            Self::X2 => "x2",
        }
    }

    /// The name as people write it.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::TikTok => "TikTok",
            Self::Instagram => "Instagram",
            Self::Facebook => "Facebook",
            Self::Google => "Google",
            Self::X1 | Self::X2 => "X",
        }
    }

    /// Every scope that it knows.
    pub(crate) const fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::TikTok => &["user.info.basic", "user.info.profile", "video.list"],
            Self::Instagram => &["instagram_business_basic", "instagram_business_content_publish"],
            Self::Facebook => {
                &["instagram_basic", "instagram_content_publish", "pages_read_engagement", "pages_show_list"]
            }
            Self::Google => {
                &["https://www.googleapis.com/auth/youtube.upload", "https://www.googleapis.com/auth/youtube.readonly"]
            }
            Self::X1 => &[],
            Self::X2 => &["tweet.read", "tweet.write", "users.read", "media.write", "offline.access"],
        }
    }

    /// Whether it wants PKCE: X always does, TikTok from desktop apps, the others take it.
    pub(super) fn needs_challenge(self, redirect: &str) -> bool {
        match self {
            Self::X2 => true,
            Self::TikTok => redirect.starts_with("http://127.0.0.1:"),
            _ => false,
        }
    }

    pub(super) fn challenge(self, verifier: &str) -> String {
        super::challenge(self, verifier)
    }

    /// How long a code works, in seconds (X: 30; Meta: an hour; the others some minutes).
    pub(super) const fn code_secs(self) -> i64 {
        match self {
            Self::X2 => 30,
            Self::Instagram | Self::Facebook => 3_600,
            _ => 600,
        }
    }

    /// What the browser brings back when the owner allows it.
    pub(super) fn answer(self, url: &mut Url, state: &str, code: &str, scopes: &[String]) {
        let mut query = url.query_pairs_mut();
        match self {
            Self::X1 => drop(query.append_pair("oauth_token", state).append_pair("oauth_verifier", code)),
            _ => drop(query.append_pair("code", code).append_pair("state", state)),
        }
        match self {
            Self::Google => {
                query.append_pair("iss", "https://accounts.google.com").append_pair("scope", &scopes.join(" "));
            }
            Self::TikTok => drop(query.append_pair("scopes", &scopes.join(","))),
            _ => {}
        }
        drop(query);
        if matches!(self, Self::Instagram | Self::Facebook) {
            url.set_fragment(Some("_"));
        }
    }

    /// What the browser brings back when the owner refuses.
    pub(super) fn refuse(self, url: &mut Url, state: &str) {
        let mut query = url.query_pairs_mut();
        match self {
            Self::X1 => drop(query.append_pair("denied", state)),
            _ => drop(query.append_pair("error", "access_denied").append_pair("state", state)),
        }
        if matches!(self, Self::Instagram | Self::Facebook) {
            query.append_pair("error_reason", "user_denied");
            query.append_pair("error_description", "Permissions error");
        }
    }
}
