//! What is done around a deployment: the schema, keys, secrets, checks.

use clap::{Args, Subcommand, ValueEnum};

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
