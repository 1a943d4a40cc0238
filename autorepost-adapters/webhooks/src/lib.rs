//! The way to the endpoints of tenants: HTTPS, one request, no redirect, limits on everything, and no address that is not
//! public.
//!
//! A tenant chooses the address, so the address is not trusted. Its name is asked for once for each message; every answer
//! is held against [`is_public`], and the connection goes to what was checked and nowhere else: a name that means
//! something else a moment later (DNS rebinding) wins nothing.

mod address;
mod client;

pub use address::is_public;
pub use client::{HttpNotifier, Names, NotifierConfig, SystemNames};
