//! A schedule: the acts that move a world, as data that can be printed, repeated and made shorter.

use autorepost_core::{
    memory::{Repeat, SeededEntropy},
    port::EntropyExt,
    rule::RuleState,
};

use crate::{
    accounts::SourceFlaw,
    hub::StoreFlaw,
    sites::{Flaw, LAG_SECS_MAX, LATE_MS_MAX, OPS, Op},
};

/// What a world is like.
#[derive(Debug, Clone)]
pub struct Setting {
    pub processes: usize,
    pub repeat: Repeat,
    pub read_lag_secs: u64,
    pub hourly_cap: Option<u32>,
    pub anomaly_max: u32,
    pub twin_rule: bool,
    /// The rules come only later, by an act, and ask for everything from the beginning.
    pub late_rules: bool,
}

/// One move. Numbers choose among what is there, whatever their size.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// A task goes on to its next await.
    Poll(u16),
    /// A process claims a job and begins to run it.
    Claim(u8),
    /// A task is dropped where it stands.
    Drop(u16),
    /// A process is killed, with all its tasks, and started anew.
    Crash(u8),
    /// A process is stopped for so many turns, and wakes as if nothing had happened.
    Freeze(u8, u16),
    /// A process extends its leases.
    Beat(u8),
    /// Time passes.
    Pass(u32),
    /// A process's own clock jumps.
    Jump(u8, i32),
    /// A call to a destination goes wrong.
    Flaw(u8, Op, Flaw),
    /// A call to the source goes wrong.
    SourceFlaw(SourceFlaw),
    /// A call to the database goes wrong.
    StoreFlaw(StoreFlaw),
    /// An access token ends.
    EndAccess(u8),
    /// The creator posts, or makes an older post public, or lists show it later.
    Post { age_mins: u32, late_mins: u32, pinned: bool, twin: bool, hidden: bool },
    /// The creator makes a private post public.
    Show(u8),
    /// The creator deletes a post.
    Delete(u8),
    /// The creator changes the handle.
    Rename,
    /// An operator pauses, resumes or removes a rule.
    Rule(u8, RuleState),
    /// An operator adds the rules that there are not yet.
    AddRules,
    /// An operator changes what a rule asks of its destinations.
    Edit(u8),
    /// An operator holds one destination of a rule, or lets it go on.
    HoldTarget(u8, bool),
    /// An operator pauses an account, or lets it go on.
    Account(u8, bool),
    /// An owner signs in again.
    Reconnect(u8),
    /// An operator stops everything, or lets it go on.
    Brake(bool),
    /// An operator asks for a post again.
    Retry(u8),
    /// An operator seals the credentials with another key, which processes use from their next start on.
    RotateKey,
}

pub struct Dice(SeededEntropy);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed ^ 0x5eed))
    }

    pub fn below(&self, n: u64) -> u64 {
        self.0.number() % n
    }

    pub fn one_in(&self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn byte(&self) -> u8 {
        self.below(256) as u8
    }
}

/// The world and the schedule of a seed.
pub fn schedule(seed: u64) -> (Setting, Vec<Act>) {
    let dice = Dice::new(seed);
    let setting = Setting {
        processes: 2 + dice.below(2) as usize,
        repeat: [Repeat::Error, Repeat::Same, Repeat::Second][dice.below(3) as usize],
        read_lag_secs: dice.below(LAG_SECS_MAX),
        hourly_cap: dice.one_in(6).then_some(2),
        anomaly_max: if dice.one_in(8) { 3 } else { 1000 },
        twin_rule: dice.one_in(3),
        late_rules: dice.one_in(6),
    };
    let mut acts = Vec::new();
    for _ in 0..1 + dice.below(6) {
        acts.push(post(&dice));
    }
    // How rough it is: one act in so many is no progress.
    let rough = [6, 12, 30][dice.below(3) as usize];
    for _ in 0..200 + dice.below(2_800) {
        if !dice.one_in(rough) {
            acts.push(progress(&dice));
        } else if dice.one_in(40) {
            // The classic zombie: a process sleeps for longer than its lease, and wakes as if nothing had happened.
            acts.push(Act::Freeze(dice.byte(), 100 + dice.below(400) as u16));
            acts.push(Act::Pass(60_000 + dice.below(200_000) as u32));
        } else {
            acts.push(upset(&dice));
        }
    }
    (setting, acts)
}

fn progress(dice: &Dice) -> Act {
    match dice.below(20) {
        0..3 => Act::Claim(dice.byte()),
        3 => Act::Beat(dice.byte()),
        4 => Act::Pass(dice.below(if dice.one_in(8) { 20_000 } else { 700 }) as u32),
        _ => Act::Poll(dice.below(1 << 16) as u16),
    }
}

fn post(dice: &Dice) -> Act {
    // The overlap of a sync is two hours: some posts appear so late that only the audit can find them.
    let age = [1, 60, 300, 1_200][dice.below(4) as usize];
    let late = if dice.one_in(8) { [30, 300][dice.below(2) as usize] } else { 0 };
    Act::Post {
        age_mins: dice.below(age) as u32,
        late_mins: dice.below(late + 1) as u32,
        pinned: dice.one_in(6),
        twin: dice.one_in(3),
        hidden: dice.one_in(8),
    }
}

fn upset(dice: &Dice) -> Act {
    let (who, on) = (dice.byte(), dice.one_in(2));
    match dice.below(45) {
        0..9 => Act::Flaw(who, Op::Commit, flaw(dice)),
        9..15 => Act::Flaw(who, OPS[dice.below(OPS.len() as u64) as usize], flaw(dice)),
        15 => Act::Flaw(who, OPS[dice.below(OPS.len() as u64) as usize], Flaw::RateLimit(dice.below(900))),
        16 if dice.one_in(4) => Act::Flaw(who, Op::Poll, Flaw::Unfit),
        16 => Act::Flaw(who, [Op::Upload, Op::Poll, Op::Find, Op::Inspect][dice.below(4) as usize], Flaw::Gone),
        17..20 => Act::Drop(dice.below(1 << 16) as u16),
        20..23 => Act::Crash(who),
        23..26 => Act::Freeze(who, dice.below(120) as u16),
        26 => Act::Pass(60_000 + dice.below(60_000) as u32),
        27..29 | 43 => Act::Jump(who, dice.below(600_000) as i32 - 300_000),
        29 => Act::SourceFlaw(if on { SourceFlaw::Blocked } else { SourceFlaw::Cut }),
        30..32 => Act::StoreFlaw(if on { StoreFlaw::Before } else { StoreFlaw::After }),
        32 => Act::EndAccess(who),
        33 => post(dice),
        34 if on => Act::Show(who),
        34 => Act::Delete(who),
        35 => {
            if on {
                Act::Rename
            } else {
                Act::RotateKey
            }
        }
        36 if on && dice.one_in(3) => Act::AddRules,
        36 => Act::Rule(who, RuleState::Paused),
        37 => Act::Rule(who, if dice.one_in(20) { RuleState::Removed } else { RuleState::Active }),
        38 => Act::HoldTarget(who, on),
        39 => Act::Account(who, on),
        40 => Act::Reconnect(who),
        41 => Act::Brake(on),
        44 => Act::Edit(who),
        _ => Act::Retry(who),
    }
}

fn flaw(dice: &Dice) -> Flaw {
    match dice.below(3) {
        0 => Flaw::Before,
        1 => Flaw::After,
        _ => Flaw::Late(dice.below(LATE_MS_MAX)),
    }
}
