//! The command line, as it is written and read.

mod access;
mod accounts;
mod demo;
mod operations;
mod posts;
mod rules;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use access::{AddKey, ApiKeys, Tenants, Webhooks};
pub use accounts::{Connect, Cookies, Pause, Refresh, Resume, Rotate, Window};
pub use demo::{Demo, Sandbox, Soak};
pub use operations::{Gate, KeyStep, Keys, Migrate, MigrateAction, RotateKeys, Secrets, Smoke, Synthetic};
pub use posts::{Backfill, Explain, Plan, Posts, Repost, Settle, Sync};
pub use rules::{AddRule, RuleName, Rules, Since, since};

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
