//! The pure core of autorepost: the model, the repost state machine, the decisions, the pipelines and the ports.
//!
//! Nothing in here reads a clock, draws a random number, touches a file or a socket, spawns a task or looks at the
//! environment: all of that comes in through [`port`].

pub mod access;
pub mod backfill;
pub mod brake;
mod breaker;
pub mod caption;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod connection;
pub mod credential;
pub mod decide;
pub mod error;
pub mod filter;
pub mod id;
pub mod job;
pub mod master;
pub mod media;
pub mod memory;
mod notice;
pub mod operator;
mod pipeline;
pub mod platform;
pub mod policy;
pub mod port;
pub mod post;
pub mod preflight;
pub mod repost;
pub mod rule;
pub mod seal;
pub mod standing;
pub mod state;
pub mod submission;
pub mod webhook;
pub mod worker;

pub use error::{Error, ErrorKind, Result, Retry};
pub use platform::Platform;
