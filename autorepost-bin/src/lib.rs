//! The autorepost program, as a library so that tests can start it.

pub mod ambient;
pub mod crew;
pub mod demo;
pub mod setup;
