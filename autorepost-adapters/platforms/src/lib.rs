//! Clients of the platforms: TikTok as a source; Instagram, YouTube and X as destinations.
//!
//! Base addresses are configuration, so that the same clients talk to the vendors and to the sandbox. No client repeats a
//! request by itself or follows a redirect: what is repeated, and when, is decided in the core. The one exception is a request
//! for a token that fails because the app's secret was rotated.

mod app;
pub mod catalogue;
mod consent;
mod http;
pub mod instagram;
pub mod tiktok;
pub mod x;
pub mod youtube;

pub use app::App;
pub use http::{Allowance, Observer, Sent, Told};
pub use instagram::{Instagram, InstagramConfig};
pub use tiktok::{CookieJar, TikTok, TikTokConfig};
pub use x::{X, XConfig};
pub use youtube::{YouTube, YouTubeConfig};
