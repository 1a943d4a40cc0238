//! Accounts: connecting them, their credentials, holding them.

use std::path::PathBuf;

use autorepost_core::Platform;
use clap::{Args, Subcommand};

use crate::{
    browser::{WAIT_SECS, WAIT_SECS_MAX},
    credential::Login,
};

/// Options of `connect`.
#[derive(Args)]
#[command(after_help = CONNECT)]
pub struct Connect {
    /// tiktok, instagram, youtube or x.
    pub platform: Platform,
    /// TikTok: the cookies of a signed-in browser (Puppeteer, Playwright, EditThisCookie or Netscape form); "-" reads them
    /// from standard input.
    #[arg(long, value_name = "FILE", requires = "handle", conflicts_with_all = ["token", "browser"])]
    pub jar: Option<PathBuf>,
    /// TikTok: take the cookies from TIKTOK_COOKIE, wherever that is set.
    #[arg(long, conflicts_with_all = ["jar", "token", "browser"])]
    pub from_secrets: bool,
    /// Signing in in a browser.
    #[command(flatten)]
    pub window: Window,
    /// Elsewhere: JSON with access_token and refresh_token, for X with oauth_token and oauth_token_secret; "-" reads it from
    /// standard input.
    #[arg(long, value_name = "FILE")]
    pub token: Option<PathBuf>,
    /// TikTok with cookies: the account's handle.
    #[arg(long)]
    pub handle: Option<String>,
    /// Instagram and X know two ways each; without it the first whose app is configured, with --token facebook and oauth1.
    #[arg(long, value_enum)]
    pub login: Option<Login>,
    /// Instagram with Facebook Login and --token: the id of the professional account.
    #[arg(long, value_name = "ID", requires = "token")]
    pub account: Option<String>,
    /// Without a file: the port of this machine to which the platform's page sends its answer.
    #[arg(long, default_value_t = 8788)]
    pub port: u16,
    /// Without a file: only print the page's address.
    #[arg(long)]
    pub no_browser: bool,
}

const CONNECT: &str = "\
Without --jar, --browser and --token the platform's own page is opened, where you allow access; the answer comes to
http://127.0.0.1:8788/callback on this machine, which must be among the redirect addresses of your app:
  YouTube    YOUTUBE_CLIENT_ID, YOUTUBE_CLIENT_SECRET
  Instagram  FACEBOOK_APP_ID, FACEBOOK_APP_SECRET, or INSTAGRAM_APP_ID, INSTAGRAM_APP_SECRET
  X          TWITTER_CONSUMER_KEY, TWITTER_CONSUMER_SECRET, or TWITTER_CLIENT_ID, TWITTER_CLIENT_SECRET
  TikTok     TIKTOK_CLIENT_KEY, TIKTOK_CLIENT_SECRET (finds posts; their videos want cookies, too)";
/// Options of `refresh`.
#[derive(Args)]
#[command(override_usage = "autorepost refresh [OPTIONS] <ACCOUNT>|--all")]
pub struct Refresh {
    /// The account, such as "youtube" or "instagram:@handle".
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub account: Option<String>,
    /// Every account of every tenant.
    #[arg(long)]
    pub all: bool,
}

/// What can be done with the cookies of TikTok.
#[derive(Subcommand)]
pub enum Cookies {
    /// Gives a connected account fresh cookies: checks whose they are, stores them in the connection and in the bundle of
    /// AUTOREPOST_SECRETS (TIKTOK_COOKIE, TIKTOK_SESSION_ID, TIKTOK_WEBID), and looks at every TikTok account. May be run
    /// again when it was interrupted.
    Rotate(Rotate),
}

/// How somebody signs in to TikTok in a browser of this machine.
#[derive(Args)]
pub struct Window {
    /// TikTok: opens Chromium or Chrome with a profile that is thrown away; sign in there yourself, and the cookies are taken.
    #[arg(long)]
    pub browser: bool,
    /// With --browser: the program, when it is not on the PATH. As root and in containers Chromium starts with --no-sandbox
    /// only: give a script here that adds it.
    #[arg(long, value_name = "PATH", requires = "browser")]
    pub chromium: Option<PathBuf>,
    /// With --browser: how long to wait until you have signed in.
    #[arg(long, value_name = "SECS", requires = "browser", default_value_t = WAIT_SECS,
        value_parser = clap::value_parser!(u64).range(1..=WAIT_SECS_MAX))]
    pub wait: u64,
}

/// Options of `cookies rotate`.
#[derive(Args)]
pub struct Rotate {
    /// The cookies of a signed-in browser, in the forms of "connect"; "-" reads them from standard input.
    #[arg(long, value_name = "FILE", required_unless_present = "browser", conflicts_with = "browser")]
    pub jar: Option<PathBuf>,
    /// Signing in in a browser.
    #[command(flatten)]
    pub window: Window,
    /// The account, such as "tiktok:@handle", when several are connected.
    #[arg(long, value_name = "ACCOUNT", default_value = "tiktok")]
    pub connection: String,
}

/// Options of `pause`.
#[derive(Args)]
pub struct Pause {
    /// The account, such as "youtube" or "instagram:@handle"; everything without it.
    pub account: Option<String>,
    /// Why everything is stopped: it is shown wherever something waits for it.
    #[arg(long, value_name = "TEXT", default_value = "by an operator", conflicts_with = "account")]
    pub reason: String,
}

/// Options of `resume`.
#[derive(Args)]
pub struct Resume {
    /// The account; everything without it.
    pub account: Option<String>,
}
