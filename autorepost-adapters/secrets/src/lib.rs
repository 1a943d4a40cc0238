//! Where the program's own secrets come from: the environment, files, AWS Secrets Manager, or several of them in order.
//!
//! Each is a [`SecretSource`](autorepost_core::port::SecretSource). Nothing here shows a value: not in an error, not in
//! `Debug`, not in a log line. The AWS SDK's own log lines are muted, so that no version of it can.

mod aws;
mod bundle;
mod cache;
mod environment;
mod file;
mod layers;
mod rds;

pub use aws::{AwsAccess, AwsCredentials, AwsSecrets, AwsSecretsConfig};
pub use bundle::{BUNDLE_BYTES_MAX, NAMES_MAX};
pub use environment::EnvSecrets;
pub use file::FileSecrets;
pub use layers::{Layers, Origin};
pub use rds::{RDS_TOKEN_LIFE, RdsIamConfig, RdsIamToken};
