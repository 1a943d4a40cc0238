//! What is done around a deployment.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

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
    /// Where the interface is reached, such as https://autorepost.example.com.
    pub url: url::Url,
}

/// Options of `synthetic`.
#[derive(Args)]
pub struct Synthetic {
    /// A sandbox that runs already, such as "autorepost sandbox" shows it; one of its own without it.
    #[arg(long, value_name = "URL")]
    pub against: Option<url::Url>,
}

/// Options of `slo`.
#[derive(Args)]
pub struct Slo {
    /// The page /metrics of an api, for its availability, of which the database knows nothing.
    #[arg(long, value_name = "URL")]
    pub metrics: Option<url::Url>,
}

/// Options of `gate`.
#[derive(Args)]
pub struct Gate {
    /// What the tests said, as scripts/test-status writes it: a JSON file, or the JSON itself.
    #[arg(long, value_name = "FILE|JSON")]
    pub tests: String,
    /// As for "slo".
    #[arg(long, value_name = "URL")]
    pub metrics: Option<url::Url>,
}

/// Options of `soak`.
#[derive(Args)]
pub struct Soak {
    /// How long posts appear, in hours; 0.02 is a good first try.
    #[arg(long, value_name = "H", value_parser = hours)]
    pub hours: f64,
    /// New posts in a minute.
    #[arg(long, value_name = "POSTS", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=120))]
    pub per_minute: u32,
    /// Seed of what goes wrong.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Write a page with the numbers and their curves.
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Use the database of DATABASE_URL, which must be empty, instead of a temporary one.
    #[arg(long)]
    pub configured_database: bool,
}

/// The longest soak, in hours: its whole ledger is kept in memory.
const HOURS_MAX: f64 = 72.;

fn hours(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(hours) if hours > 0. && hours <= HOURS_MAX => Ok(hours),
        _ => Err(format!("write a number of hours above 0 and up to {HOURS_MAX}")),
    }
}
