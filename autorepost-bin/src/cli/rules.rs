//! Rules, as they are written on a command line.

use std::path::PathBuf;

use autorepost_core::rule::{HashtagRule, OnSourceDeleted};
use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, Subcommand};

/// What can be done with rules.
#[derive(Subcommand)]
pub enum Rules {
    /// Adds a rule.
    Add(Box<AddRule>),
    /// Lists the rules.
    List,
    /// Holds everything that a rule causes; nothing is lost.
    Pause(RuleName),
    /// Lets a paused rule go on.
    Resume(RuleName),
    /// Removes a rule. What is not published yet will not be.
    Remove(RuleName),
}

/// A rule, by name.
#[derive(Args)]
pub struct RuleName {
    /// The rule's name.
    pub name: String,
}

/// Options of `rules add`.
#[derive(Args)]
#[command(after_help = RULE_FILE)]
pub struct AddRule {
    /// A name for the rule.
    pub name: String,
    /// The source: "tiktok", or "tiktok:@handle" when several are connected.
    #[arg(long, value_name = "ACCOUNT", default_value = "tiktok")]
    pub from: String,
    /// A destination, such as "youtube" or "instagram:@handle". May be given several times.
    #[arg(long, value_name = "ACCOUNT", required_unless_present = "file", conflicts_with = "file")]
    pub to: Vec<String>,
    /// Read filters, destinations and their options from a TOML file.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Template of Instagram's caption, YouTube's description and X's text: {caption} {text} {hashtags} {title} {url}
    /// {author} {date}.
    #[arg(long, value_name = "TEMPLATE", default_value = "{caption}")]
    pub caption: String,
    /// Template of YouTube's title.
    #[arg(long, value_name = "TEMPLATE", default_value = "{title}")]
    pub title: String,
    /// What becomes of hashtags: keep, drop, or move to the end.
    #[arg(long, value_name = "WHAT", default_value = "keep", value_parser = hashtags)]
    pub hashtags: HashtagRule,
    /// Cut off at the platform's limit what is too long for it, instead of leaving it out.
    #[arg(long)]
    pub trim: bool,
    /// YouTube must be told whether the videos are made for children: yes or no.
    #[arg(long, value_name = "YES|NO", value_parser = yes_or_no)]
    pub made_for_kids: Option<bool>,
    /// YouTube: public, unlisted or private.
    #[arg(long, default_value = "public", value_parser = ["public", "unlisted", "private"])]
    pub privacy: String,
    /// Take only posts with this hashtag (or one of these).
    #[arg(long, value_name = "TAG")]
    pub require_hashtag: Vec<String>,
    /// Leave out posts with this hashtag.
    #[arg(long, value_name = "TAG")]
    pub exclude_hashtag: Vec<String>,
    /// Take only posts with this word or phrase (or one of these).
    #[arg(long, value_name = "WORD")]
    pub require_word: Vec<String>,
    /// Leave out posts with this word or phrase.
    #[arg(long, value_name = "WORD")]
    pub exclude_word: Vec<String>,
    /// Leave out shorter videos.
    #[arg(long, value_name = "SECONDS")]
    pub min_duration: Option<u32>,
    /// Leave out longer videos.
    #[arg(long, value_name = "SECONDS")]
    pub max_duration: Option<u32>,
    /// Take posts made since then: "now", "all", a day (2026-11-01) or a time (2026-11-01T12:00:00Z).
    #[arg(long, value_name = "TIME", default_value = "now", value_parser = since)]
    pub since: Since,
    /// Publish so many seconds after the post's own time.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub delay: u32,
    /// At most so many posts an hour to one account.
    #[arg(long, value_name = "POSTS")]
    pub hourly_cap: Option<u32>,
    /// Do everything but publish.
    #[arg(long)]
    pub shadow: bool,
    /// When a post is deleted or made private on TikTok: "keep" goes on as if it were not; "notify" leaves out what is not
    /// published yet, and tells of what is.
    #[arg(long, value_name = "WHAT", default_value = "keep", value_parser = on_source_deleted)]
    pub on_source_deleted: OnSourceDeleted,
}

fn on_source_deleted(text: &str) -> Result<OnSourceDeleted, String> {
    match text {
        "keep" => Ok(OnSourceDeleted::Keep),
        "notify" => Ok(OnSourceDeleted::Notify),
        _ => Err("it is \"keep\" or \"notify\"".into()),
    }
}

const RULE_FILE: &str = "\
A rule file:
  delay_secs = 60
  [filters]
  exclude_hashtags = [\"ad\"]
  since = \"2026-11-01T00:00:00Z\"      # \"now\" when left out, \"all\" for every post
  [[destinations]]
  connection = \"instagram:@you\"
  hashtags = \"move\"
  options = { platform = \"instagram\", caption = \"{text}\", share_to_feed = true, cover_offset_ms = 500 }
  [[destinations]]
  connection = \"youtube\"
  options = { platform = \"youtube\", title = \"{title}\", tags = [\"short\"], thumbnail_offset_ms = 500, privacy = \"public\", made_for_kids = false }
  [[destinations]]
  connection = \"x\"
  trim = true                         # cut off what is too long for X
  options = { platform = \"x\", text = \"{caption}\", reply_settings = \"following\" }
  [mentions.a_friend]
  instagram = \"friend.ig\"";

/// Since when a rule takes posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// From now on.
    Now,
    /// Every post.
    All,
    /// From a time on.
    Time(DateTime<Utc>),
}

/// Reads "now", "all", a day or a time.
///
/// # Errors
///
/// When it is none of them, saying how to write one.
pub fn since(text: &str) -> Result<Since, String> {
    match text {
        "now" => return Ok(Since::Now),
        "all" => return Ok(Since::All),
        _ => {}
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(Since::Time(time.to_utc()));
    }
    let day: Result<NaiveDate, _> = text.parse();
    let time = day.ok().and_then(|day| day.and_hms_opt(0, 0, 0)).map(|time| Since::Time(time.and_utc()));
    time.ok_or_else(|| "write \"now\", \"all\", 2026-11-01 or 2026-11-01T12:00:00Z".into())
}

fn hashtags(text: &str) -> Result<HashtagRule, String> {
    match text {
        "keep" => Ok(HashtagRule::Keep),
        "drop" => Ok(HashtagRule::Drop),
        "move" => Ok(HashtagRule::Move),
        _ => Err("write keep, drop or move".into()),
    }
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err("write yes or no".into()),
    }
}
