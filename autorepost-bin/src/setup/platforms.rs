//! The platforms: as configured, or as a sandbox plays them.

use std::time::Duration;

use autorepost_core::seal::Secret;
use autorepost_platforms::{InstagramConfig, TikTokConfig, XConfig, YouTubeConfig};

use crate::config::Config;

/// How the platforms are reached. One whose app is not configured is left out.
pub struct Platforms {
    /// TikTok.
    pub tiktok: TikTokConfig,
    /// Instagram.
    pub instagram: InstagramConfig,
    /// YouTube.
    pub youtube: Option<YouTubeConfig>,
    /// X.
    pub x: Option<XConfig>,
}

/// The OAuth clients that a sandbox knows.
pub struct SandboxApps;

impl SandboxApps {
    /// Client id and secret of YouTube.
    pub const YOUTUBE: (&str, &str) = ("demo-client", "demo-client-secret");
    /// Consumer key and secret of X.
    pub const X: (&str, &str) = ("demo-consumer", "demo-consumer-secret");
}

impl Platforms {
    /// The platforms of a sandbox at `base`, with waits that fit it.
    pub fn sandbox(base: &str) -> Self {
        let commit_timeout = Duration::from_secs(3);
        // Longer than a commit's deadline and the sandbox's lags together.
        let settle = Duration::from_secs(5);
        let pair = |(first, second): (&str, &str)| (Secret::new(first), Secret::new(second));
        let (client_id, client_secret) = pair(SandboxApps::YOUTUBE);
        let (consumer_key, consumer_secret) = pair(SandboxApps::X);
        Self {
            tiktok: TikTokConfig { web_url: format!("{base}/tiktok"), page_posts: 5 },
            instagram: InstagramConfig {
                instagram_url: format!("{base}/instagram"),
                facebook_url: format!("{base}/facebook"),
                poll_after: Duration::from_millis(150),
                commit_timeout,
                settle,
                ..InstagramConfig::default()
            },
            youtube: Some(YouTubeConfig {
                api_url: format!("{base}/google"),
                oauth_url: format!("{base}/google-oauth"),
                chunk_bytes: 256 << 10,
                commit_timeout,
                settle,
                ..YouTubeConfig::new(client_id, client_secret)
            }),
            x: Some(XConfig {
                api_url: format!("{base}/x"),
                segment_bytes: 256 << 10,
                commit_timeout,
                settle,
                ..XConfig::new(consumer_key, consumer_secret)
            }),
        }
    }

    /// The platforms as configured.
    pub fn configured(config: &Config) -> Self {
        if let Some(base) = &config.sandbox {
            return Self::sandbox(base);
        }
        let or = |name, default: String| config.url(name).unwrap_or(default);
        let (tiktok, instagram) = (TikTokConfig::default(), InstagramConfig::default());
        Self {
            tiktok: TikTokConfig { web_url: or("AUTOREPOST_TIKTOK_URL", tiktok.web_url), ..tiktok },
            instagram: InstagramConfig {
                instagram_url: or("AUTOREPOST_INSTAGRAM_URL", instagram.instagram_url),
                facebook_url: or("AUTOREPOST_FACEBOOK_URL", instagram.facebook_url),
                version: config.instagram_version.clone(),
                ..instagram
            },
            youtube: config.youtube.clone().map(|(id, secret)| {
                let youtube = YouTubeConfig::new(id, secret);
                YouTubeConfig {
                    api_url: or("AUTOREPOST_YOUTUBE_URL", youtube.api_url),
                    oauth_url: or("AUTOREPOST_GOOGLE_OAUTH_URL", youtube.oauth_url),
                    ..youtube
                }
            }),
            x: config.x.clone().map(|(key, secret)| {
                let x = XConfig::new(key, secret);
                XConfig { api_url: or("AUTOREPOST_X_URL", x.api_url), ..x }
            }),
        }
    }
}
