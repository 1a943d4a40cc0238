//! Videos that a destination would refuse are converted, once, and what was made goes with its source.

use std::time::Duration;

use autorepost_core::{
    Error, ErrorKind, Platform,
    id::JobId,
    job::NewJob,
    media::{MediaFacts, MediaKey, VideoCodec},
    memory::{Fault, MemoryMedia},
    policy::Policy,
    port::{Clock, RenditionStore},
    rule::Options,
};

use crate::support::{Installation, block_on, found};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn source(key: &str) -> MediaKey {
    MediaKey::of(format!("bytes of {key}").as_bytes())
}

/// A post whose video has these facts.
fn post(it: &Installation, key: &str, facts: MediaFacts) {
    it.bench.media.set_facts(source(key), Ok(facts));
    it.post(key, 60);
}

fn hevc() -> MediaFacts {
    let mut facts = MemoryMedia::upright(9_000);
    facts.video.codec = VideoCodec::Hevc;
    facts
}

/// What X shows.
fn on_x(it: &Installation) -> Vec<MediaKey> {
    it.bench.destinations[&Platform::X].shown().into_iter().map(|shown| shown.media).collect()
}

/// What the journal of the post's repost to X says.
fn told(it: &Installation, key: &str) -> String {
    let repost = it.repost(key, Platform::X);
    let journal = block_on(it.bench.ports.reposts.journal(repost.tenant, repost.id)).unwrap();
    journal.iter().map(|entry| format!("{}: {}\n", entry.event, entry.detail)).collect()
}

#[test]
fn what_x_does_not_take_is_converted_for_x_alone_and_goes_with_its_source() {
    let it = Installation::new(60);
    let upkeep = NewJob::upkeep(JobId::new(it.bench.clock.now(), [9; 10]), it.bench.clock.now());
    block_on(it.bench.ports.jobs.enqueue(&[upkeep])).unwrap();
    post(&it, "1", hevc());
    it.run_for(10 * MINUTE);
    assert_eq!(it.states("1"), ["published"; 3]);
    let made = block_on(it.bench.memory.of(&source("1"))).unwrap();
    assert_eq!(on_x(&it), made);
    for platform in [Platform::Instagram, Platform::YouTube] {
        assert_eq!(it.bench.destinations[&platform].shown()[0].media, source("1"));
    }
    let told = told(&it, "1");
    assert!(
        told.contains("prepared: converted, because it is coded as Hevc, X takes H.264: pictures as H.264, 576×1024"),
        "{told}"
    );
    it.run_for(Policy::default().media_kept + DAY);
    assert_eq!(block_on(it.bench.ports.media.size(&made[0])).unwrap(), None);
    assert!(block_on(it.bench.memory.of(&source("1"))).unwrap().is_empty());
}

#[test]
fn what_was_made_is_used_again_and_made_again_when_it_is_lost() {
    let it = Installation::new(61);
    post(&it, "1", hevc());
    it.run_for(10 * MINUTE);
    let made = block_on(it.bench.memory.of(&source("1"))).unwrap();
    // Other posts with the same bytes. To convert them would fail.
    let again = |key: &str| {
        it.bench.source.add(found(key, it.bench.clock.now()), "bytes of 1".to_owned());
        it.run_for(20 * MINUTE);
    };
    let media = &it.bench.media;
    media.refuse_conversion(Error::new(ErrorKind::Rejected, "convert media", "not again"));
    again("2");
    assert_eq!(it.states("2"), ["published"; 3]);
    block_on(it.bench.ports.media.remove(&made[0])).unwrap();
    again("3");
    assert_eq!(it.states("3"), ["published", "published", "failed"]);
    again("4");
    assert_eq!(it.states("4"), ["published"; 3]);
    assert_eq!(on_x(&it), [made[0]; 3]);
}

#[test]
fn without_a_converter_the_reason_tells_what_would_be_needed() {
    let it = Installation::new(62);
    let missing = || Error::new(ErrorKind::Configuration, "convert media", "no converter: install one");
    it.bench.media.refuse_conversion(missing());
    post(&it, "1", hevc());
    it.run_for(10 * MINUTE);
    assert_eq!(it.states("1"), ["published", "published", "skipped"]);
    let told = told(&it, "1");
    assert!(
        told.contains(
            "X would refuse the video: is coded as Hevc, X takes H.264. It could be converted (pictures as H.264"
        ),
        "{told}"
    );
    assert!(told.contains("no converter: install one"), "{told}");

    // What is only wished for is sent as it is.
    it.bench.media.refuse_conversion(missing());
    let mut large = MemoryMedia::upright(9_000);
    (large.video.width, large.video.height) = (1080, 1920);
    post(&it, "2", large);
    it.run_for(10 * MINUTE);
    assert_eq!(it.states("2"), ["published"; 3]);
    assert_eq!(on_x(&it), [source("2")]);
}

#[test]
fn what_passes_is_tried_again_and_what_does_not_is_a_failure() {
    let it = Installation::new(63);
    let full = || Error::unavailable("convert media", "the disk is full");
    it.bench.media.refuse_conversion(full());
    post(&it, "1", hevc());
    it.run_for(30 * MINUTE);
    assert_eq!(it.states("1"), ["published"; 3]);

    (0..9).for_each(|_| it.bench.media.refuse_conversion(full()));
    post(&it, "2", hevc());
    it.run_for(300 * MINUTE);
    assert_eq!(it.states("2"), ["published", "published", "failed"]);
    assert!(told(&it, "2").contains("it could not be converted: the disk is full"), "{}", told(&it, "2"));
}

#[test]
fn a_rule_may_permit_cutting_and_choose_a_thumbnail() {
    let it = Installation::with(64, |spec| {
        for to in &mut spec.destinations {
            to.trim = true;
            if let Options::YouTube { thumbnail_offset_ms, .. } = &mut to.options {
                *thumbnail_offset_ms = Some(1_500);
            }
        }
    });
    let youtube = &it.bench.destinations[&Platform::YouTube];
    // Whatever happens to the thumbnail, the repost stays published, once.
    youtube.fault("thumbnail", Fault::Before);
    youtube.fault("thumbnail", Fault::After);
    post(&it, "1", MemoryMedia::upright(150_000));
    it.run_for(30 * MINUTE);
    assert_eq!(it.states("1"), ["published"; 3]);
    assert!(told(&it, "1").contains("cut off at 139.75 s"), "{}", told(&it, "1"));
    let shown = youtube.shown();
    assert_eq!(shown.len(), 1);
    let thumbnail = youtube.thumbnail(&shown[0].id).unwrap();
    assert_eq!(thumbnail, format!("{} at 1500 ms", source("1")).as_bytes());
}
