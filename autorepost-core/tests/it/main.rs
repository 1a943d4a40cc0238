//! Tests of the core on its in-memory ports.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that cannot go on has failed"))]

mod backfill;
mod conformance;
mod consent;
mod conversion;
mod documents;
mod expiry;
mod gone;
mod kin;
mod masters;
mod operator;
mod pipelines;
mod recheck;
mod retention;
mod rules;
mod state;
mod support;
mod webhooks;
