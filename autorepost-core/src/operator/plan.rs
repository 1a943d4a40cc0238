//! What would happen to the posts that a source shows now, before anything is sent.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::{
    Platform, Result, caption,
    connection::Connection,
    credential::Access,
    decide::{Decision, decide},
    id::ConnectionId,
    operator::Operator,
    pipeline::unusable,
    port::RepostQuery,
    post::{FoundPost, PostKind},
    preflight,
    rule::{Rule, RuleState},
    submission::Content,
};

/// A post that a source shows, and what would become of it.
#[derive(Debug, Clone, Serialize)]
pub struct Planned {
    /// The post.
    pub post: FoundPost,
    /// What would become of it at each destination.
    pub reposts: Vec<PlannedRepost>,
}

/// What would become of a post at a destination.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedRepost {
    /// The destination's platform.
    pub platform: Platform,
    /// The destination's handle.
    pub handle: String,
    /// The rule that decides.
    pub rule: String,
    /// What would happen.
    #[serde(flatten)]
    pub forecast: Forecast,
}

/// What would happen.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "forecast", rename_all = "snake_case")]
pub enum Forecast {
    /// It is known already, and this is its state.
    Known {
        /// The state.
        state: &'static str,
    },
    /// It would be published.
    Publish {
        /// What would be sent.
        content: Content,
        /// What had to be changed, and what is worth knowing.
        notes: Vec<String>,
    },
    /// It would be held.
    Hold {
        /// Why.
        why: String,
    },
    /// It would not be published.
    Skip {
        /// Why.
        why: String,
    },
}

impl Operator<'_> {
    /// Looks at the newest `pages` pages of a source, and tells what would become of each post. Nothing is written or sent.
    ///
    /// # Errors
    ///
    /// When the source does not answer, or its session has ended.
    pub async fn plan(&self, source: &Connection, pages: u32) -> Result<Vec<Planned>> {
        let access = Access::open(source, &self.ports.keys)?;
        let connections: BTreeMap<_, _> = self.connections().await?.into_iter().map(|one| (one.id, one)).collect();
        let rules = self.rules_taking(source.id).await?;
        let client = self.ports.source(source.platform)?;
        let (mut planned, mut page) = (Vec::new(), None);
        for _ in 0..pages {
            let listing = client.list(&access, page.as_deref()).await?;
            for post in listing.posts {
                planned.push(self.plan_post(source, post, &rules, &connections).await?);
            }
            page = listing.next;
            if page.is_none() {
                break;
            }
        }
        Ok(planned)
    }

    pub(super) async fn plan_post(
        &self,
        source: &Connection,
        post: FoundPost,
        rules: &[Rule],
        connections: &BTreeMap<ConnectionId, Connection>,
    ) -> Result<Planned> {
        let known = self.ports.posts.find(self.tenant, &post.key).await?;
        let mut stored = Vec::new();
        if let Some(known) = known.iter().find(|known| known.account == source.account) {
            let query = RepostQuery { post: Some(known.id), limit: super::ROWS_MAX, ..RepostQuery::default() };
            stored = self.ports.reposts.list(self.tenant, &query).await?;
        }
        let mut reposts = Vec::new();
        for decision in decide(&post, rules, connections) {
            let same =
                stored.iter().find(|one| one.key.platform == decision.platform && one.key.account == decision.account);
            let (Some(rule), Some(connection)) =
                (rules.iter().find(|rule| rule.id == decision.rule), connections.get(&decision.connection))
            else {
                continue;
            };
            let forecast = match same {
                Some(repost) => Forecast::Known { state: repost.state.name() },
                None => forecast(&post, rule, connection, &decision),
            };
            let (platform, handle, rule) = (decision.platform, connection.handle.clone(), rule.name.clone());
            reposts.push(PlannedRepost { platform, handle, rule, forecast });
        }
        Ok(Planned { post, reposts })
    }
}

fn forecast(post: &FoundPost, rule: &Rule, connection: &Connection, decision: &Decision) -> Forecast {
    if let Some(reason) = &decision.skip {
        return Forecast::Skip { why: reason.text.clone() };
    }
    let Some(destination) = rule.spec.destinations.iter().find(|one| one.connection == connection.id) else {
        return Forecast::Skip { why: "the rule does not name this destination".into() };
    };
    if let PostKind::Video { duration_secs: Some(secs) } = post.kind
        && let Some(why) = preflight::refuses_duration(decision.platform, u64::from(secs) * 1_000, destination.trim)
    {
        return Forecast::Skip { why };
    }
    let words =
        caption::Source { caption: &post.caption, author: &post.author, url: &post.url, posted_at: post.posted_at };
    let rendered = match caption::render(&words, destination, &rule.spec.mentions) {
        Ok(rendered) => rendered,
        Err(error) => return Forecast::Skip { why: error.to_string() },
    };
    if rule.state == RuleState::Paused || destination.paused {
        return Forecast::Hold { why: format!("rule \"{}\" or its destination is paused", rule.name) };
    }
    if let Some(reason) = unusable(connection) {
        return Forecast::Hold { why: reason.text };
    }
    let mut notes = rendered.notes;
    if rule.spec.shadow {
        notes.push("the rule is in shadow mode: everything but the commit".into());
    }
    Forecast::Publish { content: rendered.content, notes }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let post = &self.post;
        writeln!(f, "{} {}", post.posted_at.format("%Y-%m-%d %H:%M"), post.url)?;
        if self.reposts.is_empty() {
            writeln!(f, "  no rule takes it")?;
        }
        for repost in &self.reposts {
            write!(f, "  {:<9} @{}: ", repost.platform.title(), repost.handle)?;
            match &repost.forecast {
                Forecast::Known { state } => writeln!(f, "known already: {state}")?,
                Forecast::Skip { why } => writeln!(f, "would be skipped: {why}")?,
                Forecast::Hold { why } => writeln!(f, "would wait: {why}")?,
                Forecast::Publish { content, notes } => {
                    writeln!(f, "would be published by rule \"{}\"", repost.rule)?;
                    for line in content.headline().lines() {
                        writeln!(f, "    | {line}")?;
                    }
                    for note in notes {
                        writeln!(f, "    ({note})")?;
                    }
                }
            }
        }
        Ok(())
    }
}
