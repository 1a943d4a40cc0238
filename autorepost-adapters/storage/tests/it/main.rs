//! The media stores and the probe, on real files and real servers.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on has failed"))]

mod inbox;
mod local;
mod probe;
mod proxy;
mod s3;
mod s3_faults;
mod server;
