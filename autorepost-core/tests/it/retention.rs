//! Media that nobody needs any more are deleted, and fetched again when somebody does.

use std::time::Duration;

use autorepost_core::{
    Platform,
    id::{JobId, TenantId},
    job::NewJob,
    media::MediaKey,
    memory::Fault,
    operator::{Destinations, Operator},
    policy::Policy,
    port::Clock,
};

use crate::support::{Installation, block_on};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Bytes of a post that are stored, and whether the post names any.
fn stored(it: &Installation, key: &str) -> (bool, bool) {
    let media = MediaKey::of(format!("bytes of {key}").as_bytes());
    let names = it.bench.memory.posts().iter().any(|post| post.found.key == key && post.media.is_some());
    (block_on(it.bench.ports.media.size(&media)).unwrap().is_some(), names)
}

fn with_upkeep(seed: u64) -> Installation {
    let it = Installation::new(seed);
    let upkeep = NewJob::upkeep(JobId::new(it.bench.clock.now(), [9; 10]), it.bench.clock.now());
    block_on(it.bench.ports.jobs.enqueue(&[upkeep])).unwrap();
    it
}

#[test]
fn media_go_when_all_reposts_have_ended_for_long() {
    let it = with_upkeep(50);
    it.post("1", 60);
    it.run_for(Policy::default().media_kept - DAY);
    assert_eq!(it.states("1"), ["published"; 3]);
    assert_eq!(stored(&it, "1"), (true, true));
    it.run_for(2 * DAY);
    assert_eq!(stored(&it, "1"), (false, false));
    assert_eq!(it.shown(), [1, 1, 1]);
}

/// A person may still say that it is not there.
#[test]
fn media_of_what_is_in_doubt_stay() {
    let it = with_upkeep(51);
    it.post("1", 60);
    let x = &it.bench.destinations[&Platform::X];
    x.fault("commit", Fault::After);
    (0..2_000).for_each(|_| x.fault("find", Fault::Before));
    it.run_for(Policy::default().media_kept + 3 * DAY);
    assert_eq!(it.states("1"), ["published", "published", "unconfirmed"]);
    assert_eq!(stored(&it, "1"), (true, true));
}

#[test]
fn what_is_tried_again_later_is_fetched_again() {
    let it = with_upkeep(52);
    it.post("1", 60);
    let x = &it.bench.destinations[&Platform::X];
    (0..Policy::default().attempts_max).for_each(|_| x.fault("begin", Fault::Before));
    it.run_for(Policy::default().media_kept + DAY);
    assert_eq!(it.states("1"), ["published", "published", "failed"]);
    assert_eq!(stored(&it, "1"), (false, false));
    let operator = Operator::new(&it.bench.ports, TenantId::OWNER, "operator");
    block_on(operator.repost(&it.bench.memory.posts()[0], Destinations::All)).unwrap();
    it.run_for(10 * MINUTE);
    assert_eq!(it.states("1"), ["published"; 3]);
    assert_eq!(stored(&it, "1"), (true, true));
}

/// Whatever took them: a publication that finds its bytes gone goes back for them.
#[test]
fn a_publication_whose_bytes_are_gone_has_them_fetched_again() {
    let it = Installation::with(53, |spec| spec.delay_secs = 3600);
    it.post("1", 60);
    it.run_for(10 * MINUTE);
    assert_eq!(it.states("1"), ["ready"; 3]);
    block_on(it.bench.ports.media.remove(&MediaKey::of(b"bytes of 1"))).unwrap();
    it.run_for(120 * MINUTE);
    assert_eq!(it.states("1"), ["published"; 3]);
    assert_eq!(it.shown(), [1, 1, 1]);
    let lost = |platform| it.journal(&it.repost("1", platform)).contains(&"media_lost".to_owned());
    assert!([Platform::Instagram, Platform::YouTube, Platform::X].into_iter().any(lost));
}
