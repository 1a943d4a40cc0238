//! The four platforms over real HTTP on loopback: stateful (accounts, tokens, uploads, posts), strict (what the vendor
//! refuses is refused, in the vendor's own form), and faulty on demand.
//!
//! Each vendor host is a path prefix of one listener: see [`Urls`]. What the public would see is in the
//! [ledger](World::ledger).

pub mod clips;
mod consent;
mod control;
mod fate;
mod fault;
mod hosts;
mod instagram;
mod page;
mod receive;
mod record;
mod server;
mod tiktok;
mod world;
mod x;
mod youtube;

pub use consent::{Login, RegisteredApp};
pub use fate::Fate;
pub use fault::{Effect, Fault, Refusal, Step};
pub use hosts::Urls;
pub use server::{Sandbox, SandboxConfig};
pub use tiktok::PASSWORD;
pub use world::{Clip, InstagramAccount, Shown, TikTokAccount, TikTokPost, Timing, World, XAccount, YouTubeChannel};
