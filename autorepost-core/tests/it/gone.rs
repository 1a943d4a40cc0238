//! Posts that their author deletes or hides at the source, after they were found.

use std::time::Duration;

use autorepost_core::{
    Platform,
    id::TenantId,
    operator::Operator,
    post::{PostKind, Unusable},
    rule::OnSourceDeleted,
    webhook::EventType,
};

use crate::support::{Installation, block_on};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn installation(seed: u64, what: OnSourceDeleted, delay_secs: u32) -> Installation {
    let it = Installation::with(seed, |spec| (spec.on_source_deleted, spec.delay_secs) = (what, delay_secs));
    let operator = Operator::new(&it.bench.ports, TenantId::OWNER, "test");
    block_on(operator.add_webhook("https://example.com/hook", &[EventType::RepostSourceDeleted])).unwrap();
    it
}

fn hide(it: &Installation, key: &str) {
    it.bench.source.change(key, |post| post.kind = PostKind::Unusable { why: Unusable::Private });
    it.bench.source.set_unusable(key, Some(Unusable::Private));
}

#[test]
fn what_waits_of_a_post_that_is_gone_is_left_out() {
    let it = installation(920, OnSourceDeleted::Notify, 24 * 3600);
    it.post("1", 60);
    it.post("2", 50);
    it.run_for(10 * MINUTE);
    assert_eq!((it.states("1"), it.states("2")), (vec!["ready"; 3], vec!["ready"; 3]));
    hide(&it, "1");
    it.run_for(48 * HOUR);
    assert_eq!((it.states("1"), it.states("2")), (vec!["skipped"; 3], vec!["published"; 3]));
    assert_eq!(it.repost("1", Platform::X).state.reason().unwrap().text, Unusable::Private.text());
    assert_eq!(it.bench.notifier.arrived().len(), 3, "once for each repost");
}

#[test]
fn what_is_public_of_a_post_that_is_gone_stays_and_is_told_once() {
    let it = installation(921, OnSourceDeleted::Notify, 0);
    it.post("1", 60);
    it.run_for(HOUR);
    hide(&it, "1");
    it.run_for(48 * HOUR);
    assert_eq!((it.states("1"), it.shown()), (vec!["published"; 3], vec![1, 1, 1]));
    assert_eq!(it.bench.notifier.arrived().len(), 3, "once for each repost");
    let events = it.journal(&it.repost("1", Platform::X));
    assert_eq!(events.iter().filter(|event| *event == "source_deleted").count(), 1);
}

#[test]
fn a_rule_that_asks_for_nothing_leaves_out_what_is_gone_when_its_time_comes_and_tells_nobody() {
    let it = installation(922, OnSourceDeleted::Keep, 24 * 3600);
    it.post("1", 60);
    it.run_for(10 * MINUTE);
    hide(&it, "1");
    it.run_for(48 * HOUR);
    assert_eq!((it.states("1"), it.shown()), (vec!["skipped"; 3], vec![0; 3]));
    assert!(it.bench.notifier.arrived().is_empty());
}
