//! The creator's own files: in place of downloads, and as posts of their own.

use std::time::Duration;

use autorepost_core::{
    ErrorKind, Platform,
    id::{JobId, TenantId},
    job::{JobKind, NewJob},
    master::Sidecar,
    media::MediaKey,
    memory::{MemoryMedia, chunks},
    operator::{NewMaster, Operator, Taken},
    policy::Policy,
    port::{Clock, EntropyExt},
    worker::Worker,
};
use chrono::TimeDelta;

use crate::support::{Installation, block_on, start};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Drops a file that was finished so many seconds before the start.
fn drop_file(it: &Installation, name: &str, secs_ago: i64, sidecar: Sidecar) -> Taken {
    let operator = Operator::new(&it.bench.ports, TenantId::OWNER, "drop");
    let new = NewMaster { name, made_at: start() - TimeDelta::seconds(secs_ago), sidecar };
    block_on(operator.take_master(new, chunks(format!("master {name}").into()), 1_000)).unwrap()
}

fn is_like(it: &Installation, bytes: &str, duration_ms: u64) {
    it.bench.media.set_facts(MediaKey::of(bytes.as_bytes()), Ok(MemoryMedia::upright(duration_ms)));
}

/// What a destination shows of a post: the download, or a master.
fn shows(it: &Installation, bytes: &str) -> bool {
    let key = MediaKey::of(bytes.as_bytes());
    [Platform::Instagram, Platform::YouTube, Platform::X]
        .into_iter()
        .all(|platform| it.bench.destinations[&platform].shown().iter().any(|one| one.media == key))
}

fn stored(it: &Installation, bytes: &str) -> bool {
    block_on(it.bench.ports.media.size(&MediaKey::of(bytes.as_bytes()))).unwrap().is_some()
}

#[test]
fn a_master_that_fits_takes_the_place_of_the_download() {
    let it = Installation::new(1);
    is_like(&it, "bytes of 1", 9_200);
    is_like(&it, "master a.mp4", 9_400);
    is_like(&it, "master b.mp4", 9_900);
    drop_file(&it, "a.mp4", 600, Sidecar::default());
    drop_file(&it, "b.mp4", 700, Sidecar::default());
    it.post("1", 60);
    it.run_for(10 * MINUTE);
    assert_eq!(it.states("1"), ["published"; 3]);
    assert!(shows(&it, "master a.mp4"));
    assert!(!stored(&it, "bytes of 1"), "the download stays for nobody");
    let all = [Platform::Instagram, Platform::YouTube, Platform::X].map(|platform| {
        block_on(it.bench.ports.reposts.journal(TenantId::OWNER, it.repost("1", platform).id)).unwrap()
    });
    let tells = |entry: &autorepost_core::repost::Entry| entry.detail.contains("own file \"a.mp4\"");
    assert!(all.iter().flatten().any(tells), "{all:?}");
    // It belongs to that post: another of the same length has its download.
    is_like(&it, "bytes of 2", 9_300);
    it.post("2", -60);
    it.run_for(20 * MINUTE);
    assert!(shows(&it, "bytes of 2"));
    // What nobody had goes in time; what a post has goes with the post's media.
    assert!(stored(&it, "master b.mp4") && stored(&it, "master a.mp4"));
    let upkeep = NewJob::upkeep(JobId::new(it.bench.clock.now(), it.bench.ports.entropy.bytes()), it.bench.clock.now());
    block_on(it.bench.ports.jobs.enqueue(&[upkeep])).unwrap();
    it.run_for(32 * DAY);
    assert!(!stored(&it, "master b.mp4") && !stored(&it, "master a.mp4"));
    assert!(block_on(it.bench.ports.masters.list(TenantId::OWNER, 9)).unwrap().is_empty());
}

#[test]
fn what_is_ambiguous_is_told_and_not_guessed() {
    let it = Installation::new(2);
    is_like(&it, "bytes of 1", 9_200);
    for name in ["a.mp4", "b.mp4"] {
        is_like(&it, &format!("master {name}"), 9_200);
        drop_file(&it, name, 600, Sidecar::default());
    }
    it.post("1", 60);
    it.run_for(10 * MINUTE);
    assert!(shows(&it, "bytes of 1"));
    let journals = [Platform::Instagram, Platform::YouTube, Platform::X].map(|platform| {
        block_on(it.bench.ports.reposts.journal(TenantId::OWNER, it.repost("1", platform).id)).unwrap()
    });
    let told = journals.iter().flatten().any(|entry| entry.detail.contains("\"a.mp4\", \"b.mp4\" fit it"));
    assert!(told, "{journals:?}");
}

#[test]
fn a_master_that_names_its_post_needs_no_download_and_is_waited_for() {
    let it = Installation::new(3);
    let policy = Policy { master_wait: 30 * MINUTE, ..Policy::default() };
    let it = Installation { worker: Worker::new(it.bench.ports.clone(), policy, "patient"), ..it };
    it.post("1", 60);
    it.post("2", 50);
    it.run_for(10 * MINUTE);
    assert_eq!(it.states("1"), ["waiting"; 3]);
    assert!(!stored(&it, "bytes of 1"), "nothing is fetched while a master may come");
    let post = Some("https://www.tiktok.com/@alice/video/1".to_owned());
    is_like(&it, "master a.mp4", 55_000);
    drop_file(&it, "a.mp4", 90 * 24 * 3600, Sidecar { post, ..Sidecar::default() });
    it.run_for(10 * MINUTE);
    assert_eq!(it.states("1"), ["published"; 3]);
    assert!(shows(&it, "master a.mp4"));
    assert_eq!(it.states("2"), ["waiting"; 3]);
    it.run_for(30 * MINUTE);
    assert!(shows(&it, "bytes of 2"), "the wait has an end");
}

#[test]
fn a_file_with_a_key_is_itself_a_post_once() {
    let it = Installation::with(4, |spec| spec.filters.require_hashtags = vec!["fun".into()]);
    let own = |key: &str, caption: &str| Sidecar {
        key: Some(key.into()),
        caption: Some(caption.into()),
        posted_at: Some(it.bench.clock.now()),
        ..Sidecar::default()
    };
    let Taken::Post(_, source) = drop_file(&it, "a.mp4", 5, own("clip", "Only here #fun")) else { panic!("it waits") };
    assert_eq!(source.id, it.source.id);
    it.run_for(10 * MINUTE);
    assert_eq!(it.states("file:clip"), ["published"; 3]);
    assert!(shows(&it, "master a.mp4"));
    // Again, and other bytes under the same name: it is known.
    drop_file(&it, "a.mp4", 5, own("clip", "Only here #fun"));
    drop_file(&it, "c.mp4", 5, own("clip", "Only here #fun"));
    // What no rule takes is found, and goes nowhere.
    drop_file(&it, "b.mp4", 5, own("other", "no tag"));
    it.run_for(10 * MINUTE);
    assert_eq!(it.shown(), [1, 1, 1]);
    assert_eq!(it.states("file:other"), ["skipped"; 3]);
    assert!(it.bench.memory.jobs().iter().all(|job| job.new.kind != JobKind::FilePost || job.note.is_none()));
    let upkeep = NewJob::upkeep(JobId::new(it.bench.clock.now(), it.bench.ports.entropy.bytes()), it.bench.clock.now());
    block_on(it.bench.ports.jobs.enqueue(&[upkeep])).unwrap();
    it.run_for(32 * DAY);
    assert!(!stored(&it, "master a.mp4"));
}

#[test]
fn what_is_bad_is_refused_and_not_kept() {
    let it = Installation::new(5);
    let operator = Operator::new(&it.bench.ports, TenantId::OWNER, "drop");
    let take = |name: &str, bytes: &'static str, sidecar: Sidecar| {
        let new = NewMaster { name, made_at: start(), sidecar };
        block_on(operator.take_master(new, chunks(bytes.into()), 10))
    };
    it.bench.media.set_facts(MediaKey::of(b"text"), Err("it looks like text".into()));
    let refused = take("a.mp4", "text", Sidecar::default()).unwrap_err();
    assert!(refused.kind() == ErrorKind::Rejected && refused.detail().contains("text"), "{refused}");
    assert!(!stored(&it, "text"));
    assert_eq!(take("a.mp4", "longer than ten", Sidecar::default()).unwrap_err().kind(), ErrorKind::Rejected);
    assert_eq!(take("a\n.mp4", "video", Sidecar::default()).unwrap_err().kind(), ErrorKind::Invalid);
    let key = Sidecar { key: Some("k".into()), ..Sidecar::default() };
    assert_eq!(take("a.mp4", "video", key).unwrap_err().kind(), ErrorKind::Invalid);
    assert!(!stored(&it, "video"));
    assert!(matches!(take("a.mp4", "video", Sidecar::default()).unwrap(), Taken::Kept(_)));
    assert!(matches!(take("b.mp4", "video", Sidecar::default()).unwrap(), Taken::Known(_)));
}
