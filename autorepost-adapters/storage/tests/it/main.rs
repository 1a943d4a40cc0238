//! The local media store and the probe, on real files.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on has failed"))]

mod local;
mod probe;
