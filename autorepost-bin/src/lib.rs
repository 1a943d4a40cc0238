//! The autorepost program, as a library so that tests can start it.

pub mod ambient;
pub mod api;
pub mod browser;
pub mod cli;
pub mod command;
pub mod config;
pub mod credential;
pub mod crew;
pub mod demo;
pub mod health;
pub mod inbox;
pub mod landing;
pub mod listener;
pub mod rotation;
pub mod screen;
pub mod setup;
pub mod signal;
pub mod telemetry;
