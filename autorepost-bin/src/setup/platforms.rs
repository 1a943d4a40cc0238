//! The platforms: as configured, or as a sandbox plays them.

use std::time::Duration;

use autorepost_platforms::{App, InstagramConfig, TikTokConfig, XConfig, YouTubeConfig};
use autorepost_sandbox::Urls;

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
    /// OAuth 2.0 client of X.
    pub const X_CLIENT: (&str, &str) = ("demo-x-client", "demo-x-client-secret");
    /// App of Instagram Login.
    pub const INSTAGRAM: (&str, &str) = ("demo-instagram-app", "demo-instagram-app-secret");
    /// App of Facebook Login.
    pub const FACEBOOK: (&str, &str) = ("demo-facebook-app", "demo-facebook-app-secret");
    /// App of TikTok's Login Kit.
    pub const TIKTOK: (&str, &str) = ("demo-tiktok-key", "demo-tiktok-secret");

    /// Whether one of them has this id.
    pub fn has(id: &str) -> bool {
        let all = [Self::YOUTUBE, Self::X, Self::X_CLIENT, Self::INSTAGRAM, Self::FACEBOOK, Self::TIKTOK];
        all.iter().any(|app| app.0 == id)
    }
}

impl Platforms {
    /// The platforms of a sandbox at `base`, with waits that fit it.
    pub fn sandbox(base: &str) -> Self {
        let commit_timeout = Duration::from_secs(3);
        // Longer than a commit's deadline and the sandbox's lags together.
        let settle = Duration::from_secs(5);
        let app = |(id, secret): (&str, &str)| Some(App::fixed(id, secret));
        let (client_id, client_secret) = SandboxApps::YOUTUBE;
        let urls = Urls::at(base);
        Self {
            tiktok: TikTokConfig {
                web_url: urls.tiktok.clone(),
                api_url: urls.tiktok_api,
                page_url: urls.tiktok,
                app: app(SandboxApps::TIKTOK),
                page_posts: 5,
            },
            instagram: InstagramConfig {
                instagram_url: urls.instagram,
                facebook_url: urls.facebook,
                instagram_page_url: urls.instagram_page,
                instagram_token_url: urls.instagram_api,
                facebook_page_url: urls.facebook_page,
                instagram_app: app(SandboxApps::INSTAGRAM),
                facebook_app: app(SandboxApps::FACEBOOK),
                poll_after: Duration::from_millis(150),
                commit_timeout,
                settle,
                ..InstagramConfig::default()
            },
            youtube: Some(YouTubeConfig {
                api_url: urls.google,
                oauth_url: urls.google_oauth,
                accounts_url: urls.google_accounts,
                chunk_bytes: 256 << 10,
                commit_timeout,
                settle,
                ..YouTubeConfig::new(App::fixed(client_id, client_secret))
            }),
            x: Some(XConfig {
                api_url: urls.x,
                page_url: urls.x_page,
                segment_bytes: 256 << 10,
                commit_timeout,
                settle,
                ..XConfig::new(app(SandboxApps::X), app(SandboxApps::X_CLIENT))
            }),
        }
    }

    /// With the apps that are configured: those of the sandbox, whose secrets may be rotated.
    fn with_apps(mut self, config: &Config) -> Self {
        let set = |place: &mut Option<App>, app: &Option<App>| {
            if app.is_some() {
                place.clone_from(app);
            }
        };
        set(&mut self.tiktok.app, &config.tiktok);
        set(&mut self.instagram.instagram_app, &config.instagram);
        set(&mut self.instagram.facebook_app, &config.facebook);
        if let (Some(youtube), Some(client)) = (&mut self.youtube, &config.youtube) {
            youtube.client = client.clone();
        }
        if let Some(x) = &mut self.x {
            set(&mut x.consumer, &config.x);
            set(&mut x.client, &config.x_client);
        }
        self
    }

    /// The platforms as configured.
    pub fn configured(config: &Config) -> Self {
        if let Some(base) = &config.sandbox {
            return Self::sandbox(base).with_apps(config);
        }
        let or = |name, default: String| config.url(name).unwrap_or(default);
        let (tiktok, instagram) = (TikTokConfig::default(), InstagramConfig::default());
        Self {
            tiktok: TikTokConfig {
                web_url: or("AUTOREPOST_TIKTOK_URL", tiktok.web_url),
                app: config.tiktok.clone(),
                ..tiktok
            },
            instagram: InstagramConfig {
                instagram_url: or("AUTOREPOST_INSTAGRAM_URL", instagram.instagram_url),
                facebook_url: or("AUTOREPOST_FACEBOOK_URL", instagram.facebook_url),
                instagram_app: config.instagram.clone(),
                facebook_app: config.facebook.clone(),
                version: config.instagram_version.clone(),
                ..instagram
            },
            youtube: config.youtube.clone().map(|client| {
                let youtube = YouTubeConfig::new(client);
                YouTubeConfig {
                    api_url: or("AUTOREPOST_YOUTUBE_URL", youtube.api_url),
                    oauth_url: or("AUTOREPOST_GOOGLE_OAUTH_URL", youtube.oauth_url),
                    ..youtube
                }
            }),
            x: (config.x.is_some() || config.x_client.is_some()).then(|| {
                let x = XConfig::new(config.x.clone(), config.x_client.clone());
                XConfig { api_url: or("AUTOREPOST_X_URL", x.api_url), ..x }
            }),
        }
    }
}
