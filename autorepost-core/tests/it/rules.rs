//! What rules make of posts: as they are, when they change, and when they come later than the posts.

use std::time::Duration;

use autorepost_core::{
    Platform,
    id::TenantId,
    operator::Operator,
    post::{PostKind, Unusable},
    rule::{RuleSpec, RuleState},
};
use chrono::TimeDelta;

use crate::support::{Installation, add_rule, block_on, destination, start};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A spec that leads to every destination.
fn everywhere(it: &Installation) -> RuleSpec {
    RuleSpec {
        filters: Default::default(),
        destinations: it.destinations.iter().map(destination).collect(),
        delay_secs: 0,
        hourly_cap: None,
        shadow: false,
        on_source_deleted: Default::default(),
        mentions: Default::default(),
    }
}

/// Complaints 7 and R16: a pause holds what is queued, and what it holds is not lost.
#[test]
fn a_paused_rule_holds_and_a_resumed_one_goes_on() {
    let it = Installation::new(10);
    it.set_rule(|rule| rule.state = RuleState::Paused);
    it.post("1", 60);
    it.run_for(HOUR);
    assert_eq!(it.states("1"), ["waiting"; 3]);
    assert_eq!(it.shown(), [0, 0, 0]);
    it.set_rule(|rule| rule.state = RuleState::Active);
    it.run_for(HOUR);
    assert_eq!(it.states("1"), ["published"; 3]);
}

#[test]
fn a_removed_rule_publishes_nothing_more() {
    let it = Installation::with(11, |spec| spec.delay_secs = 1800);
    it.post("1", 60);
    it.run_for(10 * MINUTE);
    assert_eq!(it.states("1"), ["ready"; 3]);
    it.set_rule(|rule| rule.state = RuleState::Removed);
    it.run_for(2 * HOUR);
    assert_eq!(it.states("1"), ["skipped"; 3]);
    assert_eq!(it.shown(), [0, 0, 0]);
}

#[test]
fn a_delay_counts_from_the_posts_own_time() {
    let it = Installation::with(12, |spec| spec.delay_secs = 3600);
    it.post("1", 600);
    it.run_for(30 * MINUTE);
    // As the renewal of a token does, or a person who cannot wait.
    block_on(it.bench.ports.jobs.hasten(&[it.repost("1", Platform::X).publish_lane()])).unwrap();
    it.run_for(15 * MINUTE);
    assert_eq!(it.shown(), [0, 0, 0]);
    it.run_for(15 * MINUTE);
    assert_eq!(it.shown(), [1, 1, 1]);
}

#[test]
fn the_hourly_cap_holds_back_the_rest() {
    let it = Installation::with(13, |spec| spec.hourly_cap = Some(2));
    for n in 0..5 {
        it.post(&n.to_string(), 100 - n);
    }
    it.run_for(50 * MINUTE);
    assert_eq!(it.shown(), [2, 2, 2]);
    it.run_for(HOUR);
    assert_eq!(it.shown(), [4, 4, 4]);
    it.run_for(2 * HOUR);
    assert_eq!(it.shown(), [5, 5, 5]);
}

#[test]
fn shadow_mode_does_everything_but_the_commit() {
    let it = Installation::with(14, |spec| spec.shadow = true);
    it.post("1", 60);
    it.run_for(HOUR);
    assert_eq!(it.states("1"), ["skipped"; 3]);
    assert_eq!(it.shown(), [0, 0, 0]);
    assert!(it.journal(&it.repost("1", Platform::X)).contains(&"uploaded".to_owned()));
}

/// Complaint R5: two rules that lead to the same account cause one repost.
#[test]
fn two_rules_to_one_account_cause_one_repost() {
    let it = Installation::new(15);
    add_rule(&it.bench, "again", &it.source, everywhere(&it));
    it.post("1", 60);
    it.run_for(HOUR);
    assert_eq!(it.reposts().len(), 3);
    assert_eq!(it.shown(), [1, 1, 1]);
}

/// What a removed rule asked for goes on by another that leads there, too; and by that one's words.
#[test]
fn another_rule_takes_over_what_a_removed_one_asked_for() {
    let it = Installation::with(50, |spec| spec.delay_secs = 1800);
    it.run_for(MINUTE);
    let mut spec = everywhere(&it);
    spec.destinations.truncate(2);
    let heir = add_rule(&it.bench, "heir", &it.source, spec);
    it.post("1", 60);
    it.run_for(10 * MINUTE);
    assert_eq!(it.states("1"), ["ready"; 3]);
    it.set_rule(|rule| rule.state = RuleState::Removed);
    it.run_for(2 * HOUR);
    assert_eq!(it.states("1"), ["published", "published", "skipped"]);
    let repost = it.repost("1", Platform::YouTube);
    assert_eq!(repost.rule, heir);
    assert!(it.journal(&repost).contains(&"adopted".to_owned()));
    assert!(it.repost("1", Platform::X).state.reason().unwrap().text.contains("was removed"));
}

/// A rule that begins before it was made takes the posts that were admitted without it, and those from before them; one
/// that begins later takes none of them. What another rule brought there is not touched.
#[test]
fn a_new_rule_takes_the_posts_from_where_it_begins() {
    let it = Installation::with(51, |spec| {
        spec.destinations.truncate(1);
        spec.filters.since = Some(start() - TimeDelta::hours(2));
    });
    for (key, hours) in [("old", 100), ("known", 1)] {
        it.post(key, hours * 3600);
    }
    it.run_for(HOUR);
    assert_eq!((it.states("old"), it.states("known")), (vec![], vec!["published"]));

    let operator = Operator::new(&it.bench.ports, TenantId::OWNER, "operator");
    let mut spec = everywhere(&it);
    spec.destinations.remove(0);
    spec.filters.since = Some(start());
    block_on(operator.add_rule("from now on", it.source.id, spec.clone())).unwrap();
    it.run_for(HOUR);
    assert_eq!((it.states("old"), it.states("known")), (vec![], vec!["published"]));

    spec.filters.since = None;
    block_on(operator.add_rule("everything ever", it.source.id, spec)).unwrap();
    it.run_for(HOUR);
    assert_eq!((it.states("old"), it.states("known")), (vec!["published"; 2], vec!["published"; 3]));
    assert_eq!(it.shown(), [1, 2, 2]);
    it.run_for(24 * HOUR);
    assert_eq!(it.shown(), [1, 2, 2]);
}

/// Another destination in an old rule is for what comes: nobody wants a year of posts at once.
#[test]
fn a_destination_that_is_added_to_a_rule_takes_new_posts_only() {
    let it = Installation::with(52, |spec| spec.destinations.truncate(1));
    it.post("1", 3600);
    it.run_for(HOUR);
    it.set_rule(|rule| rule.spec = everywhere(&it));
    it.run_for(HOUR);
    assert_eq!(it.states("1"), ["published"]);
    it.post("2", -7000);
    it.run_for(HOUR);
    assert_eq!((it.states("1"), it.states("2")), (vec!["published"], vec!["published"; 3]));
}

/// A post that turns out to be private only when it is fetched is reposted when it is shown again.
#[test]
fn what_turns_private_before_it_is_fetched_is_not_given_up() {
    let it = Installation::new(53);
    it.post("1", 60);
    it.bench.source.set_unusable("1", Some(Unusable::Private));
    it.run_for(MINUTE);
    assert_eq!(it.states("1"), ["skipped"; 3]);
    it.bench.source.change("1", |post| post.kind = PostKind::Unusable { why: Unusable::Private });
    it.run_for(HOUR);
    assert_eq!(it.states("1"), ["skipped"; 3]);
    it.bench.source.set_unusable("1", None);
    it.bench.source.change("1", |post| post.kind = PostKind::Video { duration_secs: Some(9) });
    it.run_for(HOUR);
    assert_eq!(it.states("1"), ["published"; 3]);
}

/// A list that shows what cannot be fetched is not asked for it at every look.
#[test]
fn a_list_that_contradicts_the_page_is_asked_now_and_then() {
    let it = Installation::new(54);
    it.post("1", 60);
    it.bench.source.set_unusable("1", Some(Unusable::Private));
    it.run_for(HOUR);
    let tries = it.journal(&it.repost("1", Platform::X)).iter().filter(|event| *event == "retried").count();
    assert!((1..=12).contains(&tries), "{tries} tries in an hour");
}
