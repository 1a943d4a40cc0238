//! What is done around a deployment.

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
}
