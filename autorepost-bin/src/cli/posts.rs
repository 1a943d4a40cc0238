//! Posts and their reposts.

use autorepost_core::backfill::{PER_DAY_DEFAULT, PER_DAY_MAX};
use clap::Args;

use super::{Since, since};

/// Options of `sync`.
#[derive(Args)]
pub struct Sync {
    /// Only this source; all of them without it.
    #[arg(long, value_name = "ACCOUNT")]
    pub from: Option<String>,
}

/// Options of `backfill`.
#[derive(Args)]
pub struct Backfill {
    /// The rule's name.
    pub rule: String,
    /// Take posts made since then: a day (2026-11-01) or a time (2026-11-01T12:00:00Z); "all" for every post.
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<Since>,
    /// Take posts made before then; before the rule's own start without it.
    #[arg(long, value_name = "TIME", value_parser = since, requires = "since")]
    pub until: Option<Since>,
    /// Posts a day to each destination account.
    #[arg(long, value_name = "POSTS", default_value_t = PER_DAY_DEFAULT, requires = "since",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(PER_DAY_MAX)))]
    pub per_day: u32,
    /// Tell which posts would go where and when, and change nothing.
    #[arg(long, requires = "since")]
    pub dry_run: bool,
    /// Call it off. What is on its way already goes on.
    #[arg(long, conflicts_with = "since")]
    pub stop: bool,
}

/// Options of `repost`.
#[derive(Args)]
pub struct Repost {
    /// The post: its address or its id.
    pub post: String,
    /// Only to this destination.
    #[arg(long, value_name = "ACCOUNT")]
    pub to: Option<String>,
}

/// Options of `settle`.
#[derive(Args)]
pub struct Settle {
    /// The post: its address or its id.
    pub post: String,
    /// The destination.
    #[arg(long, value_name = "ACCOUNT")]
    pub to: String,
    /// It is there.
    #[arg(long, required_unless_present = "absent", conflicts_with = "absent")]
    pub published: bool,
    /// It is not there: publish it.
    #[arg(long, required_unless_present = "published")]
    pub absent: bool,
    /// Its id at the destination.
    #[arg(long, requires = "published")]
    pub id: Option<String>,
    /// Its address.
    #[arg(long, requires = "published")]
    pub url: Option<String>,
}

/// Options of `posts`.
#[derive(Args)]
pub struct Posts {
    /// At most so many, the newest first.
    #[arg(long, default_value_t = 30)]
    pub limit: u32,
}

/// Options of `explain`.
#[derive(Args)]
pub struct Explain {
    /// The post: its address or its id.
    pub post: String,
}

/// Options of `plan`.
#[derive(Args)]
pub struct Plan {
    /// Only this source; all of them without it.
    #[arg(long, value_name = "ACCOUNT")]
    pub from: Option<String>,
    /// Pages of posts to look at.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=40))]
    pub pages: u32,
}
