//! The crash matrix: one post to three platforms, with the process killed right after every single await, in every weather.
//!
//! Nothing is listed by hand: a run without a crash tells how many awaits there are, and an await that is new is covered at once.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use autorepost_core::memory::Repeat;

use crate::{
    act::{Act, Setting},
    hub::StoreFlaw,
    play::finish,
    sites::{Flaw, Op},
    world::{Blow, World},
};

const POST: Act = Act::Post { age_mins: 0, late_mins: 0, pinned: false, twin: false, hidden: false };

/// A weather: what the world is like, and what goes wrong besides the crash.
struct Weather {
    setting: Setting,
    acts: Vec<Act>,
}

/// Whatever a platform may do with a commit, with its repetition, and with what it shows.
fn weathers() -> Vec<Weather> {
    let mut all = Vec::new();
    for repeat in [Repeat::Error, Repeat::Same, Repeat::Second] {
        for read_lag_secs in [0, 19] {
            for flaw in [None, Some(Flaw::Before), Some(Flaw::After), Some(Flaw::Late(9_000))] {
                let mut acts = vec![POST];
                acts.extend(
                    flaw.into_iter().flat_map(|flaw| (0..3).map(move |target| Act::Flaw(target, Op::Commit, flaw))),
                );
                all.push(Weather { setting: Setting { repeat, read_lag_secs, ..Setting::plain() }, acts });
            }
        }
    }
    let plain = || Setting { read_lag_secs: 10, repeat: Repeat::Second, ..Setting::plain() };
    for flaw in [StoreFlaw::Before, StoreFlaw::After] {
        all.push(Weather { setting: plain(), acts: vec![POST, Act::StoreFlaw(flaw)] });
    }
    all.push(Weather { setting: plain(), acts: vec![POST, Act::EndAccess(0), Act::EndAccess(1), Act::EndAccess(2)] });
    all
}

/// Plays one weather with blows; answers with the number of awaits and where the blows fell.
fn play(weather: &Weather, blow: Blow, crash_at: &[u64], loud: bool) -> Result<(u64, Vec<String>), String> {
    let mut world = World::new(7, &weather.setting, None, loud);
    (world.crash_at, world.blow) = (crash_at.to_vec(), blow);
    weather.acts.iter().for_each(|act| world.act(act));
    let ended = finish(&mut world);
    let unpublished = world.hub.memory.reposts().into_iter().find(|repost| repost.state.name() != "published");
    let ended = ended.and(match unpublished {
        Some(repost) => Err(format!("{} ended as {}", repost.key.platform, repost.state.name())),
        None => Ok(()),
    });
    match ended {
        Ok(()) => Ok((world.polls, world.crashed_in)),
        Err(told) => Err(format!("{told}\n{}", world.hub.log().join("\n"))),
    }
}

/// Plays many on every core.
fn play_all(weather: &Weather, blow: Blow, crashes: &[Vec<u64>]) -> BTreeMap<String, u32> {
    let (next, places) = (AtomicU64::new(0), Mutex::new(BTreeMap::<String, u32>::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(crash_at) = crashes.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    match play(weather, blow, crash_at, false) {
                        Ok((_, crashed)) => {
                            let mut places = places.lock().unwrap();
                            crashed.into_iter().for_each(|label| *places.entry(label).or_default() += 1);
                        }
                        Err(_) => {
                            let told = play(weather, blow, crash_at, true).unwrap_err();
                            panic!(
                                "{blow:?} after await {crash_at:?} of {:?} {:?}: {told}",
                                weather.setting, weather.acts
                            );
                        }
                    }
                }
            });
        }
    });
    places.into_inner().unwrap()
}

#[test]
fn a_crash_at_any_await_in_any_weather_publishes_once() {
    let mut places: BTreeMap<String, u32> = BTreeMap::new();
    for weather in weathers() {
        let (awaits, _) = play(&weather, Blow::Kill, &[], false).unwrap_or_else(|told| panic!("{told}"));
        let crashes: Vec<Vec<u64>> = (1..=awaits).map(|at| vec![at]).collect();
        for (label, count) in play_all(&weather, Blow::Kill, &crashes) {
            *places.entry(label).or_default() += count;
        }
    }
    println!("{} crashes survived: {places:?}", places.values().sum::<u32>());
    for wanted in ["tiktok_sync", "repost_prep", "token_refresh"] {
        assert!(places.contains_key(wanted), "{wanted} was never crashed");
    }
    for platform in ["instagram", "youtube", "x"] {
        assert!(places.contains_key(&format!("repost_publish to {platform}")), "{platform} was never crashed");
    }
}

/// The recovery from a crash crashes as well.
#[test]
fn a_second_crash_in_the_recovery_publishes_once() {
    // The worst of weathers: the answer of each commit is lost, a repetition would show, and what is published shows late.
    let weather = Weather {
        setting: Setting { repeat: Repeat::Second, read_lag_secs: 19, ..Setting::plain() },
        acts: vec![
            POST,
            Act::Flaw(0, Op::Commit, Flaw::Late(9_000)),
            Act::Flaw(1, Op::Commit, Flaw::After),
            Act::Flaw(2, Op::Commit, Flaw::Late(9_000)),
        ],
    };
    let (awaits, _) = play(&weather, Blow::Kill, &[], false).unwrap_or_else(|told| panic!("{told}"));
    let crashes: Vec<Vec<u64>> =
        (1..=awaits).flat_map(|one| (1..40).step_by(3).map(move |after| vec![one, one + after])).collect();
    let places = play_all(&weather, Blow::Kill, &crashes);
    println!("{} double crashes survived", places.values().sum::<u32>() / 2);
}

/// The worst zombie: a process falls asleep after any await, sleeps until the others have done everything, and has a clock
/// that was set back meanwhile, so that it believes that no time went by. Whatever it was about to do must not show.
#[test]
fn a_process_that_wakes_when_all_is_done_publishes_nothing() {
    let mut count = 0;
    for weather in weathers() {
        let weather = Weather { setting: Setting { processes: 2, ..weather.setting }, ..weather };
        let (awaits, _) = play(&weather, Blow::Sleep, &[], false).unwrap_or_else(|told| panic!("{told}"));
        let sleeps: Vec<Vec<u64>> = (1..=awaits).map(|at| vec![at]).collect();
        count += play_all(&weather, Blow::Sleep, &sleeps).values().sum::<u32>();
    }
    println!("{count} zombies survived");
    assert!(count > 1_000);
}
