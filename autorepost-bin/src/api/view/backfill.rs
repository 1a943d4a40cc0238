//! Backfills.

use autorepost_core::{
    backfill::{Ending, Stage},
    operator::{BackfillPlan, BackfillStatus},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::PlannedView;

/// A backfill: older posts of a rule, published some a day.
#[derive(Serialize, ToSchema)]
#[schema(as = Backfill)]
pub struct BackfillView {
    /// The rule.
    rule: Uuid,
    /// It takes posts made at or after this time.
    since: DateTime<Utc>,
    /// It takes posts made before this time.
    until: DateTime<Utc>,
    /// Posts a day to each destination account.
    per_day: u32,
    /// When it was asked for.
    began_at: DateTime<Utc>,
    /// `walking` the source, `publishing`, or over: `done`, `called_off`, `rule_removed` or `too_far_back`.
    stage: &'static str,
    /// The same, for people.
    detail: String,
    /// Turns that posts had so far, over all destinations.
    released: u32,
    /// Turns that are left, a thousand posts ahead at most; null while the source is walked and when it is over.
    left: Option<u32>,
    /// When it goes on; null when it is over.
    next_at: Option<DateTime<Utc>>,
    /// When the last post would be out, if nothing else holds it up.
    last_at: Option<DateTime<Utc>>,
    /// What it waits for, or what went wrong last.
    note: Option<String>,
}

impl From<BackfillStatus> for BackfillView {
    fn from(row: BackfillStatus) -> Self {
        let BackfillStatus { backfill, left, next_at, last_at, note, .. } = row;
        let stage = match backfill.stage {
            Stage::Walking { .. } => "walking",
            Stage::Publishing => "publishing",
            Stage::Ended { why: Ending::Done, .. } => "done",
            Stage::Ended { why: Ending::CalledOff, .. } => "called_off",
            Stage::Ended { why: Ending::RuleRemoved, .. } => "rule_removed",
            Stage::Ended { why: Ending::TooFarBack, .. } => "too_far_back",
        };
        Self {
            rule: backfill.rule.uuid(),
            since: backfill.since,
            until: backfill.until,
            per_day: backfill.per_day,
            began_at: backfill.began_at,
            stage,
            detail: backfill.stage.to_string(),
            released: backfill.released(),
            left,
            next_at,
            last_at,
            note,
        }
    }
}

/// What a backfill would do.
#[derive(Serialize, ToSchema)]
#[schema(as = BackfillPlan)]
pub struct BackfillPlanView {
    /// Its posts, the oldest first.
    turns: Vec<PlannedTurnView>,
    /// When the last would be out, if nothing else holds it up.
    last_at: Option<DateTime<Utc>>,
    /// Whether the source was read to the start; false when it has more pages than were looked at.
    whole: bool,
}

/// A post, and what a backfill would do with it.
#[derive(Serialize, ToSchema)]
#[schema(as = PlannedTurn)]
pub struct PlannedTurnView {
    /// The post, and what would become of it at each destination.
    planned: PlannedView,
    /// The earliest time at which it would be out everywhere; null when it would not.
    at: Option<DateTime<Utc>>,
}

impl From<BackfillPlan> for BackfillPlanView {
    fn from(plan: BackfillPlan) -> Self {
        let turns = plan.turns.into_iter();
        let turns = turns.map(|turn| PlannedTurnView { planned: turn.planned.into(), at: turn.at });
        Self { turns: turns.collect(), last_at: plan.last_at, whole: plan.whole }
    }
}
