//! The command line, as it is written and read.

use std::path::PathBuf;

use autorepost_core::{
    Platform,
    access::Role,
    backfill::{PER_DAY_DEFAULT, PER_DAY_MAX},
    rule::{HashtagRule, OnSourceDeleted},
    webhook::EventType,
};
use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    browser::{WAIT_SECS, WAIT_SECS_MAX},
    credential::Login,
};

/// Publishes each new video of your TikTok account to Instagram Reels, YouTube and X: once each.
#[derive(Parser)]
#[command(version, arg_required_else_help = true, max_term_width = 100, after_help = AFTER)]
pub struct Cli {
    /// The configuration file; "autorepost.toml" in this folder when it is there.
    #[arg(long, global = true, value_name = "FILE", env = "AUTOREPOST_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Answer with JSON, for programs.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER: &str = "\
First steps:
  autorepost demo                                         see it work, with nothing to set up
  autorepost connect tiktok --handle NAME --jar FILE      your own account, with the cookies of your browser
  autorepost connect youtube                              where the posts go: opens Google's page
  autorepost rules add videos --from tiktok --to youtube --made-for-kids no
  autorepost run                                          and from then on by itself

Exit codes: 0 done, 1 failed, 64 wrong command line, 78 wrong configuration.
\"autorepost settings\" lists what can be set; AUTOREPOST_LOG=debug tells more, AUTOREPOST_LOG_FORMAT=json for programs.";

/// What the program does.
#[derive(Subcommand)]
pub enum Command {
    /// Runs the whole pipeline against built-in stand-ins of the platforms, and compares the two books at the end.
    Demo(Demo),
    /// Works until it is stopped: looks at the sources, and publishes what is new. This is "api" and "worker" in one.
    Run,
    /// Serves the HTTP interface, media links and probes on AUTOREPOST_LISTEN until it is stopped. The page /docs shows
    /// the interface; "autorepost api-keys add" makes the first key to it.
    Api,
    /// Claims jobs and runs them until it is stopped, and serves probes on AUTOREPOST_LISTEN. Any number of workers may
    /// share a database.
    Worker,
    /// Serves stand-ins of the four platforms on loopback, to try everything with.
    Sandbox(Sandbox),
    /// Hours of synthetic load with faults against built-in stand-ins, and a report: exit code 1 when the two books disagree.
    Soak(Soak),
    /// Brings the database up to date.
    Migrate(Migrate),
    /// Connects an account, or renews its credential: on the platform's own page, or with a file.
    Connect(Connect),
    /// Disconnects an account: its credential is destroyed. What a rule still sends there waits until it is connected again.
    Disconnect {
        /// The account, such as "youtube" or "instagram:@handle".
        account: String,
    },
    /// Renews or checks credentials now, and tells how each account does. Exit code 1 when one is not well.
    Refresh(Refresh),
    /// Works with the cookies of TikTok.
    #[command(subcommand)]
    Cookies(Cookies),
    /// Works with rules: which posts go where.
    #[command(subcommand)]
    Rules(Rules),
    /// Looks at the sources now, and tells what is new.
    Sync(Sync),
    /// Publishes older posts, which a rule did not take because they were made before its start: the oldest first, some a
    /// day. Without --since it tells how far that is.
    Backfill(Backfill),
    /// Asks for a post's reposts: again after a failure, or in spite of a filter.
    Repost(Repost),
    /// Says what became of a repost in doubt, after a look at the account.
    Settle(Settle),
    /// Lists the posts and where they stand.
    Posts(Posts),
    /// Shows accounts, jobs, and what needs somebody.
    Status,
    /// Tells why a post was published, was not, or waits; and what happens next.
    Explain(Explain),
    /// Tells what would become of the posts that the sources show now. Sends nothing.
    Plan(Plan),
    /// Works with the keys that seal credentials.
    #[command(subcommand)]
    Keys(Keys),
    /// Works with tenants: whose accounts, rules and posts are kept apart.
    #[command(subcommand)]
    Tenants(Tenants),
    /// Works with keys to the HTTP interface.
    #[command(subcommand)]
    ApiKeys(ApiKeys),
    /// Works with the addresses that are told what happens.
    #[command(subcommand)]
    Webhooks(Webhooks),
    /// Stops all publishing, or holds one account. Posts are still found, and nothing is lost.
    Pause(Pause),
    /// Lets publishing, or one account, go on.
    Resume(Resume),
    /// Looks at a deployment from outside: probes, document, keys, TLS, a job that a worker runs. Exit code 1 when one fails.
    Smoke(Smoke),
    /// Works with secrets.
    #[command(subcommand)]
    Secrets(Secrets),
    /// Takes one post through everything, from the look at its source to its publication, and tells how long each step took:
    /// against built-in stand-ins, or with the test accounts of a rule. Exit code 1 when it is not published once.
    Synthetic(Synthetic),
    /// Tells how much of each error budget the last 24 hours have used. Exit code 1 when one is spent.
    Slo,
    /// Tells whether production may be deployed to: tests, migrations, a synthetic run, error budgets. Exit code 1 when not.
    Gate(Gate),
    /// Checks everything that must be right: configuration, database, folder, keys, each account.
    Doctor,
    /// Asks the program that listens on AUTOREPOST_LISTEN whether it is alive: for containers.
    Healthcheck,
    /// Lists everything that can be set, and where each value comes from.
    Settings,
}

/// Options of `demo`.
#[derive(Args)]
pub struct Demo {
    /// Keep the database and the media in this folder.
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// Let things go wrong: lost answers, cut connections, rate limits, ended tokens.
    #[arg(long)]
    pub chaos: bool,
    /// Seed of what goes wrong.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Use these clips instead of the built-in ones.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub video: Vec<PathBuf>,
    /// Go on serving the page of what the public sees, until Ctrl-C.
    #[arg(long)]
    pub keep: bool,
    /// The same, and open the page in the browser.
    #[arg(long)]
    pub open: bool,
    /// Show each step.
    #[arg(long, short)]
    pub verbose: bool,
}

/// Options of `sandbox`.
#[derive(Args)]
pub struct Sandbox {
    /// Where it listens, on loopback; 0 takes a free port.
    #[arg(long, default_value_t = 8790)]
    pub port: u16,
    /// Where the credentials of its accounts are written.
    #[arg(long, value_name = "FOLDER", default_value = "autorepost-sandbox")]
    pub folder: PathBuf,
    /// Let things go wrong.
    #[arg(long)]
    pub chaos: bool,
    /// Seed of what goes wrong.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// A new post appears every so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub post_every: Option<u64>,
    /// Append each request that a platform is sent to this file, as a line of JSON without its secrets.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

/// Options of `soak`.
#[derive(Args)]
pub struct Soak {
    /// How many hours posts are made; what is on its way then comes to its end.
    #[arg(long, value_name = "HOURS", default_value_t = 1.0, value_parser = soak_hours)]
    pub hours: f64,
    /// A new post appears every so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = soak_pace)]
    pub post_every: f64,
    /// Write the report with its plots into this HTML file.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Let nothing go wrong.
    #[arg(long)]
    pub calm: bool,
    /// Seed of what goes wrong.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

fn soak_hours(text: &str) -> Result<f64, String> {
    within(text, 0.001, 168.0)
}

fn soak_pace(text: &str) -> Result<f64, String> {
    within(text, 0.1, 3_600.0)
}

fn within(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "this is not a number".to_owned())?;
    if (least..=most).contains(&number) { Ok(number) } else { Err(format!("it must be from {least} to {most}")) }
}

/// Options of `synthetic`.
#[derive(Args)]
pub struct Synthetic {
    /// Let the workers of this installation do it, with a post of this rule's source that was never reposted: for accounts that
    /// are there for tests.
    #[arg(long, value_name = "RULE")]
    pub rule: Option<String>,
    /// How many seconds it may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub wait: u64,
    /// Write a run that went well into the audit log of this installation, where "gate" looks for it.
    #[arg(long)]
    pub record: bool,
}

/// Options of `gate`.
#[derive(Args)]
pub struct Gate {
    /// The run of the tests that passed for what is to be deployed, such as its address.
    #[arg(long, value_name = "RUN")]
    pub tests: Option<String>,
}

/// Options of `migrate`.
#[derive(Args)]
pub struct Migrate {
    /// What to do.
    #[arg(value_enum, default_value_t = MigrateAction::Up)]
    pub action: MigrateAction,
    /// Change nothing; fail when something is to be done.
    #[arg(long)]
    pub check: bool,
}

/// What can be done with the schema.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MigrateAction {
    /// Apply what is missing.
    Up,
    /// List what is applied and what is missing.
    Status,
}

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

/// What can be done with rules.
#[derive(Subcommand)]
pub enum Rules {
    /// Adds a rule.
    Add(Box<AddRule>),
    /// Lists the rules.
    List,
    /// Holds everything that a rule causes; nothing is lost.
    Pause(RuleName),
    /// Lets a paused rule go on.
    Resume(RuleName),
    /// Removes a rule. What is not published yet will not be.
    Remove(RuleName),
}

/// A rule, by name.
#[derive(Args)]
pub struct RuleName {
    /// The rule's name.
    pub name: String,
}

/// Options of `rules add`.
#[derive(Args)]
#[command(after_help = RULE_FILE)]
pub struct AddRule {
    /// A name for the rule.
    pub name: String,
    /// The source: "tiktok", or "tiktok:@handle" when several are connected.
    #[arg(long, value_name = "ACCOUNT", default_value = "tiktok")]
    pub from: String,
    /// A destination, such as "youtube" or "instagram:@handle". May be given several times.
    #[arg(long, value_name = "ACCOUNT", required_unless_present = "file", conflicts_with = "file")]
    pub to: Vec<String>,
    /// Read filters, destinations and their options from a TOML file.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Template of Instagram's caption, YouTube's description and X's text: {caption} {text} {hashtags} {title} {url}
    /// {author} {date}.
    #[arg(long, value_name = "TEMPLATE", default_value = "{caption}")]
    pub caption: String,
    /// Template of YouTube's title.
    #[arg(long, value_name = "TEMPLATE", default_value = "{title}")]
    pub title: String,
    /// What becomes of hashtags: keep, drop, or move to the end.
    #[arg(long, value_name = "WHAT", default_value = "keep", value_parser = hashtags)]
    pub hashtags: HashtagRule,
    /// Cut off at the platform's limit what is too long for it, instead of leaving it out.
    #[arg(long)]
    pub trim: bool,
    /// YouTube must be told whether the videos are made for children: yes or no.
    #[arg(long, value_name = "YES|NO", value_parser = yes_or_no)]
    pub made_for_kids: Option<bool>,
    /// YouTube: public, unlisted or private.
    #[arg(long, default_value = "public", value_parser = ["public", "unlisted", "private"])]
    pub privacy: String,
    /// Take only posts with this hashtag (or one of these).
    #[arg(long, value_name = "TAG")]
    pub require_hashtag: Vec<String>,
    /// Leave out posts with this hashtag.
    #[arg(long, value_name = "TAG")]
    pub exclude_hashtag: Vec<String>,
    /// Take only posts with this word or phrase (or one of these).
    #[arg(long, value_name = "WORD")]
    pub require_word: Vec<String>,
    /// Leave out posts with this word or phrase.
    #[arg(long, value_name = "WORD")]
    pub exclude_word: Vec<String>,
    /// Leave out shorter videos.
    #[arg(long, value_name = "SECONDS")]
    pub min_duration: Option<u32>,
    /// Leave out longer videos.
    #[arg(long, value_name = "SECONDS")]
    pub max_duration: Option<u32>,
    /// Take posts made since then: "now", "all", a day (2026-11-01) or a time (2026-11-01T12:00:00Z).
    #[arg(long, value_name = "TIME", default_value = "now", value_parser = since)]
    pub since: Since,
    /// Publish so many seconds after the post's own time.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub delay: u32,
    /// At most so many posts an hour to one account.
    #[arg(long, value_name = "POSTS")]
    pub hourly_cap: Option<u32>,
    /// Do everything but publish.
    #[arg(long)]
    pub shadow: bool,
    /// When a post is deleted or made private on TikTok: "keep" goes on as if it were not; "notify" leaves out what is not
    /// published yet, and tells of what is.
    #[arg(long, value_name = "WHAT", default_value = "keep", value_parser = on_source_deleted)]
    pub on_source_deleted: OnSourceDeleted,
}

fn on_source_deleted(text: &str) -> Result<OnSourceDeleted, String> {
    match text {
        "keep" => Ok(OnSourceDeleted::Keep),
        "notify" => Ok(OnSourceDeleted::Notify),
        _ => Err("it is \"keep\" or \"notify\"".into()),
    }
}

const RULE_FILE: &str = "\
A rule file:
  delay_secs = 60
  [filters]
  exclude_hashtags = [\"ad\"]
  since = \"2026-11-01T00:00:00Z\"      # \"now\" when left out, \"all\" for every post
  [[destinations]]
  connection = \"instagram:@you\"
  hashtags = \"move\"
  options = { platform = \"instagram\", caption = \"{text}\", share_to_feed = true, cover_offset_ms = 500 }
  [[destinations]]
  connection = \"youtube\"
  options = { platform = \"youtube\", title = \"{title}\", tags = [\"short\"], thumbnail_offset_ms = 500, privacy = \"public\", made_for_kids = false }
  [[destinations]]
  connection = \"x\"
  trim = true                         # cut off what is too long for X
  options = { platform = \"x\", text = \"{caption}\", reply_settings = \"following\" }
  [mentions.a_friend]
  instagram = \"friend.ig\"";

/// Since when a rule takes posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// From now on.
    Now,
    /// Every post.
    All,
    /// From a time on.
    Time(DateTime<Utc>),
}

/// Reads "now", "all", a day or a time.
///
/// # Errors
///
/// When it is none of them, saying how to write one.
pub fn since(text: &str) -> Result<Since, String> {
    match text {
        "now" => return Ok(Since::Now),
        "all" => return Ok(Since::All),
        _ => {}
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(Since::Time(time.to_utc()));
    }
    let day: Result<NaiveDate, _> = text.parse();
    let time = day.ok().and_then(|day| day.and_hms_opt(0, 0, 0)).map(|time| Since::Time(time.and_utc()));
    time.ok_or_else(|| "write \"now\", \"all\", 2026-11-01 or 2026-11-01T12:00:00Z".into())
}

fn hashtags(text: &str) -> Result<HashtagRule, String> {
    match text {
        "keep" => Ok(HashtagRule::Keep),
        "drop" => Ok(HashtagRule::Drop),
        "move" => Ok(HashtagRule::Move),
        _ => Err("write keep, drop or move".into()),
    }
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err("write yes or no".into()),
    }
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

/// Options of `sync`.
#[derive(Args)]
pub struct Sync {
    /// Only this source; all of them without it.
    #[arg(long, value_name = "ACCOUNT")]
    pub from: Option<String>,
}

/// Options of `backfill`.
#[derive(Args)]
pub struct Backfill {
    /// The rule's name.
    pub rule: String,
    /// Take posts made since then: a day (2026-11-01) or a time (2026-11-01T12:00:00Z); "all" for every post.
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<Since>,
    /// Take posts made before then; before the rule's own start without it.
    #[arg(long, value_name = "TIME", value_parser = since, requires = "since")]
    pub until: Option<Since>,
    /// Posts a day to each destination account.
    #[arg(long, value_name = "POSTS", default_value_t = PER_DAY_DEFAULT, requires = "since",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(PER_DAY_MAX)))]
    pub per_day: u32,
    /// Tell which posts would go where and when, and change nothing.
    #[arg(long, requires = "since")]
    pub dry_run: bool,
    /// Call it off. What is on its way already goes on.
    #[arg(long, conflicts_with = "since")]
    pub stop: bool,
}

/// Options of `repost`.
#[derive(Args)]
pub struct Repost {
    /// The post: its address or its id.
    pub post: String,
    /// Only to this destination.
    #[arg(long, value_name = "ACCOUNT")]
    pub to: Option<String>,
}

/// Options of `settle`.
#[derive(Args)]
pub struct Settle {
    /// The post: its address or its id.
    pub post: String,
    /// The destination.
    #[arg(long, value_name = "ACCOUNT")]
    pub to: String,
    /// It is there.
    #[arg(long, required_unless_present = "absent", conflicts_with = "absent")]
    pub published: bool,
    /// It is not there: publish it.
    #[arg(long, required_unless_present = "published")]
    pub absent: bool,
    /// Its id at the destination.
    #[arg(long, requires = "published")]
    pub id: Option<String>,
    /// Its address.
    #[arg(long, requires = "published")]
    pub url: Option<String>,
}

/// Options of `posts`.
#[derive(Args)]
pub struct Posts {
    /// At most so many, the newest first.
    #[arg(long, default_value_t = 30)]
    pub limit: u32,
}

/// Options of `explain`.
#[derive(Args)]
pub struct Explain {
    /// The post: its address or its id.
    pub post: String,
}

/// Options of `plan`.
#[derive(Args)]
pub struct Plan {
    /// Only this source; all of them without it.
    #[arg(long, value_name = "ACCOUNT")]
    pub from: Option<String>,
    /// Pages of posts to look at.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=40))]
    pub pages: u32,
}

/// What can be done with tenants.
#[derive(Subcommand)]
pub enum Tenants {
    /// Adds a tenant. Its accounts and rules are made through the HTTP interface.
    Add {
        /// A name for it.
        name: String,
    },
    /// Lists the tenants. "owner" is there from the start: the other commands work for it.
    List,
}

/// What can be done with keys.
#[derive(Subcommand)]
pub enum Keys {
    /// Prints a new key for TOKEN_ENCRYPTION_KEY.
    Generate,
    /// Tells which keys there are, how much each seals, and which may be retired. Exit code 1 when one is missing.
    Status,
    /// Puts a new key in the place of the one that seals, and seals everything anew; the old one stays readable.
    #[command(after_help = ROTATE_KEYS)]
    Rotate(RotateKeys),
}

/// Options of `keys rotate`.
#[derive(Args)]
pub struct RotateKeys {
    /// One step only. All of them without it, which is for the file token.key while nothing else runs.
    #[arg(long, value_enum)]
    pub step: Option<KeyStep>,
}

/// The steps of a rotation. Between two of them every process is started anew: one that knows the new key not yet could
/// not read what another seals with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyStep {
    /// Adds a new key behind the others: it opens, and seals nothing yet.
    Add,
    /// Puts the last key before the others: it seals from now on.
    Seal,
    /// Seals everything anew with the first key.
    Reseal,
}

const ROTATE_KEYS: &str = "\
With the file token.key: stop what runs, then \"autorepost keys rotate\".
With a bundle of AUTOREPOST_SECRETS, while everything goes on:
  autorepost keys rotate --step add       then start every process anew
  autorepost keys rotate --step seal      then start every process anew
  autorepost keys rotate --step reseal
Where TOKEN_ENCRYPTION_KEY is in the environment or in the configuration file, change the value yourself in the same order,
and let the last step do the rest. A retired key is needed for as long as a backup is kept that it sealed.";

/// What can be done with secrets.
#[derive(Subcommand)]
pub enum Secrets {
    /// Tells of each secret whether it is there, where it comes from, and whether its form is right; never its value. Exit
    /// code 1 when one is malformed, or one that is needed is missing.
    Check,
}

/// Options of `smoke`.
#[derive(Args)]
pub struct Smoke {
    /// Where the interface is reached: its address, with https:// before it.
    pub url: url::Url,
}

/// Options of `api-keys add`.
#[derive(Args)]
pub struct AddKey {
    /// A name for it.
    pub name: String,
    /// viewer (looks), operator (works) or admin (gives out keys).
    #[arg(long, default_value_t = Role::Operator, default_value_if("installation", "true", "admin"))]
    pub role: Role,
    /// The tenant that it acts for, by name or id; "owner" without it.
    #[arg(long, value_name = "TENANT", conflicts_with = "installation")]
    pub tenant: Option<String>,
    /// Make it an admin's key to the whole installation: it acts in any tenant, and adds tenants.
    #[arg(long)]
    pub installation: bool,
}

/// What can be done with the addresses that are told what happens.
#[derive(Subcommand)]
pub enum Webhooks {
    /// Adds an address, and shows the secret that signs its messages this once.
    Add {
        /// Where messages go: an https address.
        url: String,
        /// Tell it of this only; may be repeated. Everything without it.
        #[arg(long, value_name = "EVENT")]
        event: Vec<EventType>,
    },
    /// Lists the addresses.
    List,
    /// Removes an address: it is told nothing more.
    Remove {
        /// Its id.
        id: String,
    },
    /// Gives an address a new secret, and shows it this once; the one before signs as well for a day.
    Rotate {
        /// Its id.
        id: String,
    },
    /// Sends an address a test message now.
    Test {
        /// Its id.
        id: String,
    },
}

/// What can be done with keys to the HTTP interface.
#[derive(Subcommand)]
pub enum ApiKeys {
    /// Makes a key, and shows its text this once.
    Add(AddKey),
    /// Lists all keys.
    List,
    /// Revokes a key at once.
    Revoke {
        /// The key's id, which is also the part of its text between the underscores.
        id: String,
    },
}
