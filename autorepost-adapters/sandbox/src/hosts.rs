//! The vendors' hosts, and where the sandbox plays them.

/// The vendors' hosts, each with the path under which the listener plays it.
const HOSTS: [(&str, &str); 13] = [
    ("tiktok", "www.tiktok.com"),
    ("tiktok-api", "open.tiktokapis.com"),
    ("instagram", "graph.instagram.com"),
    ("instagram-api", "api.instagram.com"),
    ("instagram-page", "www.instagram.com"),
    ("facebook", "graph.facebook.com"),
    ("facebook-upload", "rupload.facebook.com"),
    ("facebook-page", "www.facebook.com"),
    ("google", "www.googleapis.com"),
    ("google-oauth", "oauth2.googleapis.com"),
    ("google-accounts", "accounts.google.com"),
    ("x", "api.x.com"),
    ("x-page", "x.com"),
];

/// The vendor's host that is played under a path.
pub(crate) fn vendor_host(prefix: &str) -> Option<&'static str> {
    HOSTS.iter().find(|(path, _)| *path == prefix).map(|(_, host)| *host)
}

/// Base addresses, one for each vendor host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urls {
    /// `https://www.tiktok.com`.
    pub tiktok: String,
    /// `https://open.tiktokapis.com`.
    pub tiktok_api: String,
    /// `https://graph.instagram.com`.
    pub instagram: String,
    /// `https://api.instagram.com`.
    pub instagram_api: String,
    /// `https://www.instagram.com`.
    pub instagram_page: String,
    /// `https://graph.facebook.com`.
    pub facebook: String,
    /// `https://rupload.facebook.com`.
    pub facebook_upload: String,
    /// `https://www.facebook.com`.
    pub facebook_page: String,
    /// `https://www.googleapis.com`.
    pub google: String,
    /// `https://oauth2.googleapis.com`.
    pub google_oauth: String,
    /// `https://accounts.google.com`.
    pub google_accounts: String,
    /// `https://api.x.com`.
    pub x: String,
    /// `https://x.com`.
    pub x_page: String,
}

impl Urls {
    /// The addresses of a sandbox that listens on `base`.
    pub fn at(base: &str) -> Self {
        let at = |prefix: &str| format!("{base}/{prefix}");
        Self {
            tiktok: at("tiktok"),
            tiktok_api: at("tiktok-api"),
            instagram: at("instagram"),
            instagram_api: at("instagram-api"),
            instagram_page: at("instagram-page"),
            facebook: at("facebook"),
            facebook_upload: at("facebook-upload"),
            facebook_page: at("facebook-page"),
            google: at("google"),
            google_oauth: at("google-oauth"),
            google_accounts: at("google-accounts"),
            x: at("x"),
            x_page: at("x-page"),
        }
    }
}
