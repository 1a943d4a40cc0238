//! Plays schedules, judges how they end, and makes failing ones short.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use autorepost_core::{media::MediaKey, state::RepostState, webhook::EventType};

use crate::{
    act::{Act, Setting, schedule},
    sabotage::{self, Sabotage},
    sites::UNFIT,
    world::World,
};

/// Schedules that a test run plays.
const SEEDS: u64 = 20_000;
/// Schedules within which each deliberate fault must be found.
const SABOTAGE_SEEDS: u64 = 30_000;
/// Rounds within which everything must have come to its end once nothing goes wrong any more.
const DRAIN_ROUNDS: u32 = 600_000;
/// Lines of a report at most.
const LINES_MAX: usize = 300;
/// How long shortening a schedule may take.
const SHORTEN_MAX: Duration = Duration::from_secs(60);

/// Plays a schedule; an error tells which promise it broke.
fn play(seed: u64, setting: &Setting, acts: &[Act], sabotage: Option<Sabotage>) -> Result<u64, String> {
    let mut world = World::new(seed, setting, sabotage, false);
    run(&mut world, acts).map(|()| world.polls)
}

fn run(world: &mut World, acts: &[Act]) -> Result<(), String> {
    for act in acts {
        world.act(act);
        if let Some(broken) = world.hub.verdict() {
            return Err(broken);
        }
    }
    finish(world)
}

/// Lets a world come to its end, and judges it.
pub fn finish(world: &mut World) -> Result<(), String> {
    world.calm();
    let drained = world.drain(DRAIN_ROUNDS);
    if let Some(broken) = world.hub.verdict() {
        return Err(broken);
    }
    judge(world)?;
    if drained { Ok(()) } else { Err(format!("work does not drain: {}", stuck(world))) }
}

/// Every post is admitted, and every repost came to an end that is true.
fn judge(world: &World) -> Result<(), String> {
    let (posts, reposts) = (world.hub.memory.posts(), world.hub.memory.reposts());
    for post in world.feed.posts() {
        let Some(admitted) = posts.iter().find(|one| one.found.key == post.found.key) else {
            // Without a rule nobody asks for posts from before the account was connected.
            if post.deleted || !world.has_rule() {
                continue;
            }
            return Err(format!("post {} was never admitted", post.found.key));
        };
        let reposts = reposts.iter().filter(|one| one.post == admitted.id).count();
        // One that was deleted before the rules came is nobody's.
        if reposts == 0 && !post.deleted && world.has_rule() {
            return Err(format!("post {} was admitted with no reposts", post.found.key));
        }
    }
    for repost in &reposts {
        if world.is_to_be_revealed(repost) {
            return Err(format!("post {} is public and was never looked at anew", repost.key.post));
        }
        let source = MediaKey::of(format!("bytes of {}", repost.key.post).as_bytes());
        let media = crate::shelf::sent(repost.key.platform, source);
        let site = &world.sites[&repost.key.platform];
        let shown = site.counts().get(&media).copied().unwrap_or(0);
        let deleted = world.feed.posts().iter().any(|post| post.found.key == repost.key.post && post.deleted);
        let is_true = match &repost.state {
            RepostState::Published { receipt, .. } => {
                let named = receipt
                    .id
                    .as_ref()
                    .is_none_or(|id| site.shown().iter().any(|shown| shown.id == *id && shown.media == media));
                shown == 1 && named
            }
            RepostState::Skipped { .. } => shown == 0 && (deleted || !world.leads_to(repost.connection)),
            // The failures that these faults can cause: the platform refuses the video, or commit after commit was lost.
            RepostState::Failed { reason } => {
                let lost = world.hub.intents(repost.id) >= i64::from(world.policy.commits_max);
                let unfit = reason.text.contains(UNFIT) && site.found_unfit(&media);
                shown == 0 && (unfit || lost && reason.text.contains("never took effect"))
            }
            // Judged as work that does not drain.
            _ => true,
        };
        let state = repost.state.name();
        if state != "published" && world.times(repost, "published") > 0 {
            return Err(format!("what was published became {state}"));
        }
        if let Some(event) = EventType::of_repost(state) {
            let (post, platform, told) = (&repost.key.post, repost.key.platform, world.told(repost, event));
            // What a person had tried again may have failed before, too.
            if told == 0 || told > 1 && event == EventType::RepostPublished {
                return Err(format!("that post {post} is {state} on {platform} was told {told} times"));
            }
        }
        if !is_true {
            let (post, platform, state) = (&repost.key.post, repost.key.platform, &repost.state);
            let told = state.reason().map(|reason| reason.text.clone()).unwrap_or_default();
            return Err(format!(
                "post {post} is shown {shown} times on {platform}, and ended as {} {told}",
                state.name()
            ));
        }
    }
    Ok(())
}

fn stuck(world: &World) -> String {
    let reposts = world.hub.memory.reposts();
    let live = reposts.iter().filter(|repost| !repost.state.is_terminal());
    let told = live.map(|one| {
        let reason = one.state.reason().map(|reason| reason.text.clone()).unwrap_or_default();
        format!("{} to {}: {} {reason}", one.key.post, one.key.platform, one.state.name())
    });
    told.collect::<Vec<_>>().join("; ")
}

/// Removes acts from a failing schedule for as long as it fails with the same words.
fn shorten(seed: u64, setting: &Setting, mut acts: Vec<Act>, verdict: &str) -> Vec<Act> {
    let kind = |text: &str| text.split(|c: char| c.is_ascii_digit()).next().unwrap_or_default().to_owned();
    let wanted = kind(verdict);
    let end = Instant::now() + SHORTEN_MAX;
    let mut chunk = acts.len().div_ceil(2);
    while chunk > 0 && Instant::now() < end {
        let (mut at, mut shorter) = (0, false);
        while at < acts.len() && Instant::now() < end {
            let rest: Vec<Act> = [&acts[..at], &acts[(at + chunk).min(acts.len())..]].concat();
            if play(seed, setting, &rest, None).is_err_and(|told| kind(&told) == wanted) {
                (acts, shorter) = (rest, true);
            } else {
                at += chunk;
            }
        }
        if !shorter || chunk > 1 {
            chunk = if chunk == 1 { 0 } else { chunk.div_ceil(2) };
        }
    }
    acts
}

/// The report of a failing seed: its shortened schedule, and what happened in it.
fn report(seed: u64, verdict: &str) -> String {
    let (setting, acts) = schedule(seed);
    let before = acts.len();
    let acts = shorten(seed, &setting, acts, verdict);
    let mut world = World::new(seed, &setting, None, true);
    let again = run(&mut world, &acts).err().unwrap_or_default();
    let mut text =
        format!("seed {seed}: {verdict}\n{setting:?}\n{} of {before} acts are enough: {again}\n", acts.len());
    let log = world.hub.log();
    let (first, rest) = log.split_at(log.len().min(LINES_MAX));
    let (between, last) = rest.split_at(rest.len().saturating_sub(LINES_MAX / 4));
    let mut write = |lines: &[String]| lines.iter().for_each(|line| text += &format!("  {line}\n"));
    write(first);
    if !between.is_empty() {
        write(&[format!("... {} lines ...", between.len())]);
    }
    write(last);
    text
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// Plays seeds on every core until one fails; answers with the first that does, and how many awaits were passed.
fn play_all(from: u64, seeds: u64, sabotage: Option<Sabotage>) -> (Option<(u64, String)>, u64) {
    let (next, awaits, failed) = (AtomicU64::new(from), AtomicU64::new(0), std::sync::Mutex::new(None));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds || failed.lock().unwrap().is_some() {
                        return;
                    }
                    let (setting, acts) = schedule(seed);
                    match play(seed, &setting, &acts, sabotage) {
                        Ok(polls) => drop(awaits.fetch_add(polls, Ordering::Relaxed)),
                        Err(told) => drop(failed.lock().unwrap().get_or_insert((seed, told))),
                    }
                }
            });
        }
    });
    (failed.into_inner().unwrap(), awaits.into_inner())
}

#[test]
fn any_schedule_publishes_everything_once() {
    if let Some(seed) = number("SEED") {
        let (setting, acts) = schedule(seed);
        if let Err(told) = play(seed, &setting, &acts, None) {
            panic!("{}", report(seed, &told));
        }
        return;
    }
    let (from, seeds) = (number("FROM").unwrap_or(0), number("SEEDS").unwrap_or(SEEDS));
    let started = Instant::now();
    let (failed, awaits) = play_all(from, seeds, None);
    if let Some((seed, told)) = failed {
        panic!("{}", report(seed, &told));
    }
    let secs = started.elapsed().as_secs_f64();
    println!("{seeds} seeds, {:.0} a second, {awaits} awaits passed", seeds as f64 / secs);
}

/// What the simulation cannot find it does not prove: each deliberate fault is found, and called by its name.
#[test]
fn each_deliberate_fault_is_found() {
    let mut missed = Vec::new();
    let only = std::env::var("FAULT").ok();
    let mut tried = 0;
    for (fault, word) in sabotage::ALL {
        if only.as_ref().is_some_and(|only| *only != format!("{fault:?}")) {
            continue;
        }
        tried += 1;
        match play_all(0, number("SEEDS").unwrap_or(SABOTAGE_SEEDS), Some(fault)) {
            (Some((seed, told)), _) if word.split('|').any(|word| told.contains(word)) => {
                println!("{fault:?}: found by seed {seed}: {told}")
            }
            (Some((seed, told)), _) => missed.push(format!("{fault:?} was found by seed {seed}, but as: {told}")),
            (None, _) => missed.push(format!("{fault:?} was not found")),
        }
    }
    println!("{} of {tried} deliberate faults found", tried - missed.len());
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
