//! The conformance suites: each sentence of the ports' contracts as a case that any implementation can be held against.
//!
//! A case is a plain async function that panics when the contract is broken. Macros name a test for each:
//! [`store_conformance!`](crate::store_conformance), [`media_conformance!`](crate::media_conformance),
//! [`wake_conformance!`](crate::wake_conformance), [`limiter_conformance!`](crate::limiter_conformance),
//! [`scratch_conformance!`](crate::scratch_conformance) and [`secret_conformance!`](crate::secret_conformance). The implementation brings a function that makes a fresh fixture
//! and runs one case on it.

#![expect(clippy::unwrap_used, reason = "a case that cannot go on has failed")]

pub mod access;
pub mod ambient;
pub mod backfills;
pub mod jobs;
pub mod masters;
pub mod media;
pub mod pages;
pub mod retention;
pub mod secrets;
pub mod stores;
pub mod webhooks;

pub use ambient::{limiter, scratch, wake};

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use chrono::{DateTime, Utc};

use crate::{
    Platform,
    connection::{AccountId, AuthMethod, Connection, ConnectionStatus},
    decide::Decision,
    id::{ConnectionId, JobId, PostId, RepostId, RuleId, TenantId},
    job::{Job, JobKind, NewJob},
    media::{Media, MediaKey},
    memory::MemoryMedia,
    policy::after,
    port::{
        AccessStore, Admission, After, AuditLog, BackfillStore, BrakeStore, Census, ConnectionStore, IdempotencyStore,
        JobQueue, MasterStore, NewPost, PostStore, RenditionStore, RepostStore, RuleStore, Step, WebhookStore,
    },
    post::{Cursor, FoundPost, Post, PostKind},
    repost::{Entry, Repost},
    rule::{DestinationSpec, HashtagRule, Options, ReplySettings, Rule, RuleSpec, RuleState},
    state::{Event, Receipt, Ticket, apply},
    submission::{Content, Submission},
};

/// A case, ready to run.
pub type Case = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The stores of one database, empty.
#[derive(Clone)]
pub struct Stores {
    /// The connection store.
    pub connections: Arc<dyn ConnectionStore>,
    /// The rule store.
    pub rules: Arc<dyn RuleStore>,
    /// The post store.
    pub posts: Arc<dyn PostStore>,
    /// The repost store.
    pub reposts: Arc<dyn RepostStore>,
    /// Backfills.
    pub backfills: Arc<dyn BackfillStore>,
    /// The creator's own files.
    pub masters: Arc<dyn MasterStore>,
    /// The brakes.
    pub brakes: Arc<dyn BrakeStore>,
    /// The job queue.
    pub jobs: Arc<dyn JobQueue>,
    /// Tenants and keys.
    pub access: Arc<dyn AccessStore>,
    /// The audit log.
    pub audit: Arc<dyn AuditLog>,
    /// Answers to repeat.
    pub answers: Arc<dyn IdempotencyStore>,
    /// Counts.
    pub census: Arc<dyn Census>,
    /// Endpoints.
    pub webhooks: Arc<dyn WebhookStore>,
    /// What was made of which media.
    pub renditions: Arc<dyn RenditionStore>,
    /// The time by which the job queue goes.
    pub time: Arc<dyn Time>,
}

/// The time of a store, for cases to wait on: moved by hand, or really waited for.
pub trait Time: Send + Sync {
    /// The store's present time, as near as its user can tell.
    fn now(&self) -> DateTime<Utc>;

    /// Lets this much time pass.
    fn pass(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Names a test for each case of the stores and the job queue. `$run` takes a `fn(Stores) -> Case`, makes fresh stores,
/// and runs the case on them.
#[macro_export]
macro_rules! store_conformance {
    ($run:path) => {
        $crate::conformance_cases! { $run, stores:
            a_connection_is_unique_by_account_and_renewed_in_place,
            a_connection_is_written_under_its_version_and_lease,
            a_rule_name_is_free_again_once_the_rule_is_removed,
            a_rule_is_written_under_its_version,
            tenants_never_see_each_other,
            an_admission_is_all_or_nothing_and_knows_what_it_knows,
            a_repost_key_exists_once,
            a_step_is_written_under_its_version,
            connecting_anew_loses_no_write_made_meanwhile,
            a_step_under_a_lost_lease_writes_nothing,
            a_step_ends_its_job_before_the_next_is_written,
            a_step_extends_its_lease,
            a_guard_that_does_not_hold_stops_the_step,
            a_brake_stops_its_scope_until_it_is_released,
            a_brake_and_a_commit_at_once_have_an_order,
            a_step_by_a_wrong_clock_is_refused,
            of_two_steps_at_once_one_wins,
            steps_at_once_never_exceed_a_cap,
            published_ids_are_the_accounts_own,
            a_live_repost_without_a_job_is_an_orphan,
            lists_are_filtered_ordered_and_limited,
        }
        $crate::conformance_cases! { $run, retention:
            media_are_stale_once_no_post_needs_them,
            stale_media_are_listed_in_order_and_forgotten_under_a_lease,
            renditions_are_found_by_source_and_profile,
        }
        $crate::conformance_cases! { $run, backfills:
            a_backfill_is_going_once,
            a_backfill_is_written_under_its_version_and_lease,
            turns_are_written_with_their_backfill_or_not_at_all,
            posts_of_a_span_are_listed_the_oldest_first,
        }
        $crate::conformance_cases! { $run, masters:
            a_master_is_kept_once_for_its_bytes,
            a_master_is_given_to_one_post_under_a_lease,
            old_masters_are_told_with_whether_a_post_names_their_bytes,
        }
        $crate::conformance_cases! { $run, pages: pages_are_whole_while_rows_are_added }
        $crate::conformance_cases! { $run, access:
            the_owner_is_a_tenant_from_the_start,
            a_tenant_name_is_taken_once,
            a_key_is_kept_listed_and_revoked_once,
            the_audit_log_is_told_by_tenant_and_the_newest_first,
            old_lines_of_the_audit_log_are_pruned,
            of_claims_at_once_one_is_granted,
            a_claim_is_finished_or_forgotten_by_its_owner_only,
            what_has_ended_is_asked_anew,
            answers_are_kept_apart,
            the_census_counts_by_tenant,
            dead_jobs_are_told_by_tenant_and_page,
        }
        $crate::conformance_cases! { $run, webhooks:
            an_endpoint_is_kept_listed_and_removed_once,
            an_endpoint_is_written_under_its_version,
            what_a_job_brings_along_is_kept_and_claimed_with_it,
            dead_deliveries_are_pruned_and_replayed_before,
        }
        $crate::conformance_cases! { $run, jobs:
            a_key_is_queued_once,
            jobs_come_by_priority_then_order_then_age,
            a_job_is_not_due_before_its_time,
            of_a_lane_one_runs,
            an_ended_lease_counts_as_a_failure_and_is_void,
            a_heartbeat_keeps_a_lease_and_tells_what_is_lost,
            each_finish_does_what_it_says,
            a_finish_under_a_lost_lease_writes_nothing,
            hasten_moves_queued_jobs_only,
            a_dead_job_can_be_replayed,
            pruning_deletes_old_done_jobs_only,
            claims_at_once_never_share_a_job_or_a_lane,
        }
    };
}

/// Names a test for each case of a media store.
#[macro_export]
macro_rules! media_conformance {
    ($run:path) => {
        $crate::conformance_cases! { $run, media:
            what_is_put_is_read_back_by_range,
            a_broken_stream_leaves_nothing,
            a_stream_that_is_too_long_leaves_nothing,
            the_same_bytes_are_one_media,
            what_is_not_there_is_not_found,
        }
    };
}

/// Names a test for each case of a signal. `$run` takes a `fn(Wakes) -> Case`.
#[macro_export]
macro_rules! wake_conformance {
    ($run:path) => {
        $crate::conformance_cases! { $run, wake:
            every_waiting_worker_is_woken,
            without_a_signal_a_worker_waits,
            a_signal_between_two_waits_is_not_lost,
            each_worker_sees_every_signal,
            a_dropped_wait_loses_nothing,
            many_signals_may_be_seen_as_one,
        }
    };
}

/// Names a test for each case of a rate limiter. `$run` takes a `fn(Limiters) -> Case`.
#[macro_export]
macro_rules! limiter_conformance {
    ($run:path) => {
        $crate::conformance_cases! { $run, limiter:
            a_window_holds_the_limit,
            a_refusal_takes_nothing,
            the_window_slides,
            callers_at_once_never_exceed_the_limit,
            no_window_of_a_long_run_exceeds_the_limit,
            an_earlier_now_counts_as_the_last_units,
            a_lowered_limit_counts_what_was_taken,
            a_limit_of_zero_grants_nothing,
            a_closed_allowance_grants_nothing,
            the_latest_closing_holds,
            names_are_apart,
            a_budget_out_of_range_is_invalid,
        }
    };
}

/// Names a test for each case of a scratch. `$run` takes a `fn(Scratches) -> Case`.
#[macro_export]
macro_rules! scratch_conformance {
    ($run:path) => {
        $crate::conformance_cases! { $run, scratch:
            what_is_put_is_taken_once,
            of_takers_at_once_one_gets_it,
            a_value_ends_in_time,
            a_peek_leaves_the_time_as_it_is,
            a_put_replaces_value_and_time,
            keys_are_apart,
            limits_are_kept,
        }
    };
}

/// Names a test for each case of a source of secrets. `$run` takes a `fn(SecretFixture) -> Case` and brings a source that
/// holds what [`secrets::sample`] gives; the second form is for a source whose values cannot change while it lives.
#[macro_export]
macro_rules! secret_conformance {
    ($run:path) => {
        $crate::secret_conformance! { fixed $run }
        $crate::conformance_cases! { $run, secrets:
            a_rotated_value_is_given_after_a_refresh,
            a_value_that_is_taken_away_is_not_set_any_more,
        }
    };
    (fixed $run:path) => {
        $crate::conformance_cases! { $run, secrets:
            what_is_set_is_given_whole,
            what_is_not_set_is_nothing,
            an_empty_value_is_not_set,
            refreshing_changes_nothing_that_is_the_same,
            asking_at_once_gives_the_same,
        }
    };
}

/// Names one test for each case of a suite.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_cases {
    ($run:path, $suite:ident: $($case:ident),* $(,)?) => {$(
        #[test]
        fn $case() {
            $run(|fixture| Box::pin($crate::conformance::$suite::$case(fixture)));
        }
    )*};
}

/// A start in whole microseconds, which every store keeps exactly.
pub(crate) fn start() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_763_600_000_123_456).unwrap()
}

pub(crate) fn later(secs: u64) -> DateTime<Utc> {
    after(start(), Duration::from_secs(secs))
}

/// Ten bytes that were not given before.
pub(crate) fn unique() -> [u8; 10] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    bytes
}

/// Runs futures at once on whatever executor the case runs on.
pub(crate) async fn all_at_once<T: Send>(futures: Vec<impl Future<Output = T> + Send>) -> Vec<T> {
    let mut futures: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    poll_fn(|cx| {
        for (future, output) in &mut futures {
            if output.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *output = Some(value);
            }
        }
        if futures.iter().all(|(_, output)| output.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    futures.into_iter().filter_map(|(_, output)| output).collect()
}

pub(crate) fn tenant() -> TenantId {
    TenantId::new(start(), unique())
}

pub(crate) fn connection(tenant: TenantId, platform: Platform, account: &str) -> Connection {
    Connection {
        id: ConnectionId::new(start(), unique()),
        tenant,
        platform,
        account: AccountId::new(account),
        handle: "alice".into(),
        method: AuthMethod::XOauth1,
        credential: "v1.key.AAAA".parse().unwrap(),
        scopes: vec!["write".into()],
        expires_at: Some(later(3600)),
        status: ConnectionStatus::Active,
        status_detail: None,
        paused: false,
        resumed_at: None,
        lists_for: None,
        warned_days: None,
        created_at: start(),
        renewed_at: start(),
        version: 0,
    }
}

pub(crate) fn rule(source: &Connection, destination: &Connection, name: &str) -> Rule {
    let options = Options::X { text: "{caption}".into(), reply_settings: ReplySettings::Everyone };
    let destination = DestinationSpec {
        connection: destination.id,
        paused: false,
        hashtags: HashtagRule::Keep,
        trim: false,
        options,
    };
    Rule {
        id: RuleId::new(start(), unique()),
        tenant: source.tenant,
        name: name.into(),
        source: source.id,
        state: RuleState::Active,
        spec: RuleSpec {
            filters: Default::default(),
            destinations: vec![destination],
            delay_secs: 0,
            hourly_cap: None,
            shadow: false,
            on_source_deleted: Default::default(),
            mentions: Default::default(),
        },
        created_at: start(),
        version: 0,
    }
}

pub(crate) fn post(source: &Connection, key: &str) -> Post {
    Post {
        id: PostId::new(start(), unique()),
        tenant: source.tenant,
        connection: source.id,
        account: source.account.clone(),
        found: FoundPost {
            key: key.into(),
            url: format!("https://example.com/{key}"),
            author: "alice".into(),
            caption: "Grüße 👋 \"quoted\" \\ #fun".into(),
            posted_at: start(),
            kind: PostKind::Video { duration_secs: Some(9) },
            pinned: false,
        },
        found_at: start(),
        media: None,
    }
}

pub(crate) fn repost(post: &Post, rule: &Rule, destination: &Connection) -> Repost {
    Repost::of(RepostId::new(start(), unique()), post, Decision::take(rule.id, destination), start())
}

pub(crate) fn job(kind: JobKind, key: &str, lane: &str) -> NewJob {
    let id = JobId::new(start(), unique());
    NewJob {
        id,
        kind,
        tenant: TenantId::OWNER,
        subject: id.uuid(),
        key: key.into(),
        lane: lane.into(),
        run_at: start(),
        order_at: start(),
        payload: None,
    }
}

pub(crate) fn media() -> Media {
    Media { key: MediaKey::of(b"bytes"), bytes: 5, facts: MemoryMedia::upright(9_000) }
}

/// One tenant with a source, a destination, a rule, a claimed sync job, and a post that it admitted with its repost.
pub(crate) struct Scene {
    pub stores: Stores,
    pub source: Connection,
    pub destination: Connection,
    pub rule: Rule,
    pub sync: Job,
    pub repost: Repost,
}

impl Scene {
    pub async fn set(stores: Stores) -> Self {
        let tenant = tenant();
        let source = connection(tenant, Platform::TikTok, "source");
        let destination = connection(tenant, Platform::X, "destination");
        stores.connections.connect(&source, &[]).await.unwrap();
        stores.connections.connect(&destination, &[]).await.unwrap();
        let rule = rule(&source, &destination, "rule");
        stores.rules.insert(&rule).await.unwrap();
        let sync = NewJob::sync(JobId::new(start(), unique()), &source, start());
        stores.jobs.enqueue(&[sync]).await.unwrap();
        let sync = claim(&stores, JobKind::TiktokSync).await;
        let mut scene = Self {
            repost: repost(&post(&source, "first"), &rule, &destination),
            stores,
            source,
            destination,
            rule,
            sync,
        };
        scene.repost = scene.admit("first").await;
        scene
    }

    /// Admits one more post with its repost and prep job.
    pub async fn admit(&self, key: &str) -> Repost {
        let post = post(&self.source, key);
        let repost = repost(&post, &self.rule, &self.destination);
        let prep = NewJob::prep(JobId::new(start(), unique()), &repost, start());
        let posts = vec![NewPost { post, reposts: vec![(repost.clone(), Some(prep))] }];
        let admission = Admission { posts, cursor: Cursor::default() };
        let (lease, source) = (self.sync.lease(), &self.source);
        let admitted = self.stores.posts.admit(lease, source.tenant, source.id, &admission).await.unwrap();
        assert_eq!(admitted.len(), 1);
        repost
    }

    pub async fn stored(&self, repost: &Repost) -> Repost {
        self.stores.reposts.get(repost.tenant, repost.id).await.unwrap().unwrap()
    }

    pub async fn journal(&self, repost: &Repost) -> Vec<Entry> {
        self.stores.reposts.journal(repost.tenant, repost.id).await.unwrap()
    }
}

/// Claims the one due job of a kind.
pub(crate) async fn claim(stores: &Stores, kind: JobKind) -> Job {
    claim_for(stores, kind, Duration::from_secs(600)).await
}

/// Claims the one due job of a kind, for so long.
pub(crate) async fn claim_for(stores: &Stores, kind: JobKind, lease: Duration) -> Job {
    let mut jobs = stores.jobs.claim(&[kind], 1, lease).await.unwrap();
    assert_eq!(jobs.len(), 1, "no {kind} is due");
    jobs.remove(0)
}

/// Whether two times are the same but for the time that a real store takes, and the difference of two clocks of one machine.
pub(crate) fn near(one: Option<DateTime<Utc>>, other: DateTime<Utc>) -> bool {
    one.is_some_and(|one| (one - other).abs() < chrono::TimeDelta::seconds(20))
}

/// A step that moves a repost by one event and keeps its job.
pub(crate) fn step(repost: &Repost, event: Event, job: Option<&Job>) -> Step {
    let name = event.name().to_owned();
    let state = apply(repost.state.clone(), event).unwrap();
    let entry = Entry {
        at: start(),
        event: name,
        state: state.name().into(),
        detail: "detail".into(),
        attempt: Some(1),
        by: "case".into(),
    };
    let last_commit_at = state.attempt().and_then(|attempt| attempt.last_commit_at).or(repost.last_commit_at);
    Step {
        lease: job.map(Job::lease),
        repost: Repost { state, last_commit_at, ..repost.clone() },
        entry: Some(entry),
        guards: Vec::new(),
        after: After::Keep,
        jobs: Vec::new(),
    }
}

/// Moves a repost, without a lease, to where its commit comes next.
pub(crate) async fn to_processing(stores: &Stores, repost: &Repost) -> Repost {
    let content = Content::X { text: "hi".into(), reply_settings: ReplySettings::Everyone };
    let ticket = Ticket { handle: "upload".into(), extra: None, begun_at: start(), expires_at: None };
    let mut repost = repost.clone();
    for event in [
        Event::PrepStarted,
        Event::Prepared(Submission { media: media(), content, terms: None }),
        Event::Began(ticket),
        Event::Uploaded,
    ] {
        repost = stores.reposts.step(&step(&repost, event, None)).await.unwrap();
    }
    repost
}

pub(crate) fn receipt(id: &str) -> Receipt {
    Receipt { id: Some(id.into()), url: Some(format!("https://example.com/{id}")), at: start() }
}
