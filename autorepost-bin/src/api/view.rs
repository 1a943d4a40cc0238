//! What is shown of the core's rows: never a credential, and never a platform's ticket, with which one could upload.

mod account;
mod backfill;
mod job;
mod people;
mod post;
mod repost;
mod webhook;

pub use account::{ConnectionView, RuleView};
pub use backfill::{BackfillPlanView, BackfillView};
pub use job::{BrakeView, JobStatsView, JobView};
pub use people::{AuditView, KeyView, TenantView};
pub use post::{ExplanationView, PlannedView, PostView};
pub use repost::{RepostCountView, RepostView, StateName};
pub use webhook::WebhookView;
