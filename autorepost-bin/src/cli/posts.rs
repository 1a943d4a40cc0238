//! Posts and their reposts, and the brakes that hold them.

use clap::Args;

/// Options of `pause`.
#[derive(Args)]
pub struct Pause {
    /// The account, such as "youtube" or "instagram:@handle"; everything without it.
    pub account: Option<String>,
    /// Why everything is stopped: it is shown wherever something waits for it.
    #[arg(long, value_name = "TEXT", default_value = "by an operator", conflicts_with = "account")]
    pub reason: String,
}

/// Options of `resume`.
#[derive(Args)]
pub struct Resume {
    /// The account; everything without it.
    pub account: Option<String>,
}

/// Options of `sync`.
#[derive(Args)]
pub struct Sync {
    /// Only this source; all of them without it.
    #[arg(long, value_name = "ACCOUNT")]
    pub from: Option<String>,
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
