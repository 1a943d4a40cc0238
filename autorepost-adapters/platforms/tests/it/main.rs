//! The clients against the sandbox, over real HTTP.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on has failed"))]

mod destinations;
mod errors;
mod standing;
mod support;
mod tiktok;
