//! What we know beside what the public sees.

use std::{collections::HashMap, fmt, time::Duration};

use autorepost_core::{
    Platform,
    id::TenantId,
    port::{Ports, PostQuery},
    post::Post,
    repost::Repost,
    state::RepostState,
};
use autorepost_sandbox::{Sandbox, Shown};

use super::ROWS_MAX;
use crate::command::{brief, table};

/// The demo's end: every post at every destination, and where the two books disagree.
pub struct Report {
    posts: Vec<Post>,
    reposts: Vec<Repost>,
    ledger: Vec<Shown>,
    faults: u32,
    took: Duration,
    duplicates: usize,
    /// Where our book and the public ledger disagree; empty when all is well.
    pub disagreements: Vec<String>,
}

const COLUMNS: [Platform; 3] = [Platform::Instagram, Platform::YouTube, Platform::X];

/// Compares our book with the sandbox's ledger.
pub async fn compare(ports: &Ports, sandbox: &Sandbox, reposts: Vec<Repost>, took: Duration) -> anyhow::Result<Report> {
    let query = PostQuery { limit: ROWS_MAX, ..PostQuery::default() };
    let mut posts = ports.posts.list(TenantId::OWNER, &query).await?;
    posts.reverse();
    let ledger = sandbox.world().ledger();
    let mut seen: HashMap<(Platform, &str), Vec<&Shown>> = HashMap::new();
    for shown in &ledger {
        seen.entry((shown.platform, &shown.sha256)).or_default().push(shown);
    }
    let ours: HashMap<_, _> = posts.iter().map(|post| (post.id, post)).collect();
    let mut disagreements = Vec::new();
    let (mut explained, mut duplicates) = (0, 0);
    for repost in &reposts {
        let platform = repost.key.platform;
        let media = ours.get(&repost.post).and_then(|post| post.media.as_ref());
        let sha256 = media.map(|media| media.key.to_string()).unwrap_or_default();
        let shown = seen.get(&(platform, sha256.as_str())).cloned().unwrap_or_default();
        explained += shown.len();
        duplicates += shown.len().saturating_sub(1);
        let wanted = usize::from(matches!(repost.state, RepostState::Published { .. }));
        if shown.len() != wanted {
            let (state, key) = (repost.state.name(), &repost.key.post);
            disagreements.push(format!("{platform}: post {key} is {state}, the public sees it {} times", shown.len()));
        }
        if let (RepostState::Published { receipt, .. }, [shown]) = (&repost.state, shown.as_slice())
            && receipt.id.as_ref().is_some_and(|id| *id != shown.id)
        {
            disagreements.push(format!("{platform}: we know it as {:?}, the public as {}", receipt.id, shown.id));
        }
        if matches!(repost.state, RepostState::Failed { .. } | RepostState::Unconfirmed { .. }) {
            disagreements.push(format!("{platform}: post {} is {}", repost.key.post, repost.state.name()));
        }
    }
    if explained != ledger.len() {
        disagreements.push(format!("the public sees {} posts, we know of {explained}", ledger.len()));
    }
    let faults = sandbox.world().fired().values().sum();
    Ok(Report { posts, reposts, ledger, faults, took, duplicates, disagreements })
}

impl Report {
    /// Publications that both books hold.
    pub fn published(&self) -> usize {
        self.ledger.len()
    }

    /// Publications beyond the first of a post at a destination.
    pub fn duplicates(&self) -> usize {
        self.duplicates
    }

    /// Faults that happened.
    pub fn faults(&self) -> u32 {
        self.faults
    }

    /// The report for programs.
    pub fn summary(&self) -> serde_json::Value {
        serde_json::json!({
            "posts": self.posts.len(),
            "published": self.published(),
            "faults": self.faults,
            "seconds": self.took.as_secs_f64(),
            "disagreements": self.disagreements,
        })
    }

    /// What we know of a post at a destination, and beside it when the public saw it.
    fn cell(&self, post: &Post, platform: Platform) -> String {
        let repost = self.reposts.iter().find(|repost| repost.post == post.id && repost.key.platform == platform);
        match repost.map(|repost| &repost.state) {
            Some(RepostState::Published { receipt, .. }) => {
                let shown = self.ledger.iter().find(|shown| Some(&shown.id) == receipt.id.as_ref());
                let at = shown.map_or(receipt.at, |shown| shown.at).format("%H:%M:%S");
                let place = receipt.url.as_deref().or(receipt.id.as_deref()).unwrap_or_default();
                format!("published {at}\n{}", place.trim_start_matches("https://www.").trim_start_matches("https://"))
            }
            Some(state) => state.name().to_owned(),
            None => "-".to_owned(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = table(&["TikTok post", "Instagram", "YouTube", "X"]);
        for post in &self.posts {
            let what = format!("{}\n{}", post.found.key, brief(&post.found.caption, 30));
            let cells = COLUMNS.map(|platform| self.cell(post, platform));
            table.add_row(std::iter::once(what).chain(cells));
        }
        writeln!(f, "\n{table}")?;
        writeln!(f)?;
        for repost in self.reposts.iter().filter(|repost| repost.state.name() == "skipped") {
            let why = repost.state.reason().map(|reason| reason.text.as_str()).unwrap_or_default();
            writeln!(f, "skipped {} on {}: {why}", repost.key.post, repost.key.platform.title())?;
        }
        let count = |platform| self.ledger.iter().filter(|shown| shown.platform == platform).count();
        writeln!(
            f,
            "\nThe public ledger: {} on Instagram, {} on YouTube, {} on X; {} faults; {:.1} s.",
            count(Platform::Instagram),
            count(Platform::YouTube),
            count(Platform::X),
            self.faults,
            self.took.as_secs_f64()
        )?;
        for disagreement in &self.disagreements {
            writeln!(f, "DISAGREES: {disagreement}")?;
        }
        if self.disagreements.is_empty() {
            writeln!(f, "Both books agree: each post is where it shall be, once.")?;
        }
        Ok(())
    }
}
