//! The clients against the sandbox, over real HTTP.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on has failed"))]

#[expect(dead_code, reason = "the program's tests use the rest")]
mod browser;
mod consent;
mod destinations;
mod display;
mod errors;
mod requests;
mod standing;
mod support;
mod tiktok;
