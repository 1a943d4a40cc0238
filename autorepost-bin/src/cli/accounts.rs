//! Accounts, and the credentials that open them.

use std::path::PathBuf;

use autorepost_core::Platform;
use clap::{Args, Subcommand};

use crate::credential::Login;

/// Options of `connect`.
#[derive(Args)]
#[command(after_help = CONNECT)]
pub struct Connect {
    /// tiktok, instagram, youtube or x.
    pub platform: Platform,
    /// TikTok: the cookies of a signed-in browser (Puppeteer, Playwright, EditThisCookie or Netscape form); "-" reads them
    /// from standard input.
    #[arg(long, value_name = "FILE", requires = "handle", conflicts_with = "token")]
    pub jar: Option<PathBuf>,
    /// TikTok: take the cookies from TIKTOK_COOKIE, wherever that is set.
    #[arg(long, conflicts_with_all = ["jar", "token"])]
    pub from_secrets: bool,
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
Without --jar and --token the platform's own page is opened, where you allow access; the answer comes to
http://127.0.0.1:8788/callback on this machine, which must be among the redirect addresses of your app:
  YouTube    YOUTUBE_CLIENT_ID, YOUTUBE_CLIENT_SECRET
  Instagram  FACEBOOK_APP_ID, FACEBOOK_APP_SECRET, or INSTAGRAM_APP_ID, INSTAGRAM_APP_SECRET
  X          TWITTER_CONSUMER_KEY, TWITTER_CONSUMER_SECRET, or TWITTER_CLIENT_ID, TWITTER_CLIENT_SECRET
  TikTok     TIKTOK_CLIENT_KEY, TIKTOK_CLIENT_SECRET (posts are read with cookies only, so far)";

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

/// Options of `cookies rotate`.
#[derive(Args)]
pub struct Rotate {
    /// The cookies of a signed-in browser, in the forms of "connect"; "-" reads them from standard input.
    #[arg(long, value_name = "FILE")]
    pub jar: PathBuf,
    /// The account, such as "tiktok:@handle", when several are connected.
    #[arg(long, value_name = "ACCOUNT", default_value = "tiktok")]
    pub connection: String,
}
