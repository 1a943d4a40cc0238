//! [`RateLimiter`]: never more than the limit in a window, whoever asks.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Limiters;
use crate::{
    ErrorKind,
    conformance::all_at_once,
    memory::SeededEntropy,
    policy::{after, before},
    port::{Budget, EntropyExt, Permit, RateLimiter},
};

const MOMENT: Duration = Duration::from_micros(1);

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn budget(limit: u32, per: Duration) -> Budget {
    Budget { name: "x:create_post:7".into(), limit, per }
}

async fn ask(limiter: &dyn RateLimiter, budget: &Budget, now: DateTime<Utc>) -> Permit {
    limiter.acquire(budget, now).await.unwrap()
}

/// The limit is granted in a window, and the answer to the next is exactly when the first unit is free again.
pub async fn a_window_holds_the_limit(limiters: Limiters) {
    let Limiters { near, far, now } = limiters;
    let budget = budget(3, secs(10));
    for limiter in [&near, &far, &near] {
        assert_eq!(ask(&**limiter, &budget, now).await, Permit::Granted);
    }
    let until = after(now, secs(10));
    for limiter in [&near, &far] {
        assert_eq!(ask(&**limiter, &budget, now).await, Permit::WaitUntil(until));
        assert_eq!(ask(&**limiter, &budget, before(until, MOMENT)).await, Permit::WaitUntil(until));
    }
    assert_eq!(ask(&*far, &budget, until).await, Permit::Granted);
}

/// A refusal takes nothing, however often it is asked for.
pub async fn a_refusal_takes_nothing(limiters: Limiters) {
    let Limiters { near, far, now } = limiters;
    let budget = budget(2, secs(10));
    for round in 0..3 {
        let now = after(now, secs(10 * round));
        for limiter in [&near, &far] {
            assert_eq!(ask(&**limiter, &budget, now).await, Permit::Granted);
        }
        for _ in 0..5 {
            assert_eq!(ask(&*near, &budget, after(now, secs(5))).await, Permit::WaitUntil(after(now, secs(10))));
        }
    }
}

/// Each unit has a window of its own.
pub async fn the_window_slides(limiters: Limiters) {
    let Limiters { near, far, now } = limiters;
    let budget = budget(2, secs(10));
    let at = |offset| after(now, secs(offset));
    assert_eq!(ask(&*near, &budget, at(0)).await, Permit::Granted);
    assert_eq!(ask(&*far, &budget, at(4)).await, Permit::Granted);
    assert_eq!(ask(&*near, &budget, at(9)).await, Permit::WaitUntil(at(10)));
    assert_eq!(ask(&*near, &budget, at(10)).await, Permit::Granted);
    assert_eq!(ask(&*far, &budget, at(10)).await, Permit::WaitUntil(at(14)));
}

/// Callers at once are granted the limit together: not more, and not less.
pub async fn callers_at_once_never_exceed_the_limit(limiters: Limiters) {
    let Limiters { near, far, now } = limiters;
    let budget = budget(17, secs(10));
    for round in 0..5 {
        let now = after(now, secs(10 * round));
        let callers = (0..64).map(|at| if at % 2 == 0 { &near } else { &far });
        let answers = all_at_once(callers.map(|limiter| ask(&**limiter, &budget, now)).collect()).await;
        assert_eq!(answers.iter().filter(|answer| **answer == Permit::Granted).count(), 17);
    }
}

/// Whatever the times at which callers ask, by clocks that differ by moments: no window has more than the limit.
pub async fn no_window_of_a_long_run_exceeds_the_limit(limiters: Limiters) {
    let Limiters { near, far, now: start } = limiters;
    let chance = SeededEntropy::new(7);
    for (name, limit, per_ms) in [("one", 1, 500), ("three", 3, 700), ("ten", 10, 2_000)] {
        let per = Duration::from_millis(per_ms);
        let budget = Budget { name: name.into(), limit, per };
        let mut latest = start;
        let mut taken: Vec<DateTime<Utc>> = Vec::new();
        for _ in 0..300 {
            let behind = Duration::from_millis(chance.number() % 90);
            latest = after(latest, Duration::from_micros(chance.number() % 120_000));
            let now = before(latest, behind);
            let limiter = if chance.number().is_multiple_of(2) { &near } else { &far };
            let effective = taken.last().map_or(now, |last| now.max(*last));
            match ask(&**limiter, &budget, now).await {
                Permit::Granted => taken.push(effective),
                Permit::WaitUntil(until) => assert!(until > effective, "told to ask again at once"),
            }
        }
        assert!(taken.len() > limit as usize, "hardly anything was granted");
        for window in taken.windows(limit as usize + 1) {
            let (first, last) = (window[0], window[limit as usize]);
            assert!(after(first, per) <= last, "{} units from {first} to {last}", window.len());
        }
    }
}

/// An earlier time than that of the last unit counts as that one.
pub async fn an_earlier_now_counts_as_the_last_units(limiters: Limiters) {
    let Limiters { near, far, now } = limiters;
    let budget = budget(2, secs(10));
    assert_eq!(ask(&*near, &budget, after(now, secs(3))).await, Permit::Granted);
    assert_eq!(ask(&*far, &budget, now).await, Permit::Granted);
    assert_eq!(ask(&*far, &budget, now).await, Permit::WaitUntil(after(now, secs(13))));
    assert_eq!(ask(&*near, &budget, after(now, secs(12))).await, Permit::WaitUntil(after(now, secs(13))));
}

/// A limit that was lowered counts what was taken before.
pub async fn a_lowered_limit_counts_what_was_taken(limiters: Limiters) {
    let Limiters { near, far, now } = limiters;
    for offset in 0..4 {
        assert_eq!(ask(&*near, &budget(4, secs(10)), after(now, secs(offset))).await, Permit::Granted);
    }
    // Three of the four must be over before there is one of two again.
    let until = after(now, secs(12));
    assert_eq!(ask(&*far, &budget(2, secs(10)), after(now, secs(4))).await, Permit::WaitUntil(until));
    assert_eq!(ask(&*far, &budget(2, secs(10)), until).await, Permit::Granted);
}

/// A limit of zero grants nothing, ever.
pub async fn a_limit_of_zero_grants_nothing(limiters: Limiters) {
    let Limiters { near, now, .. } = limiters;
    for offset in [0, 10, 100] {
        let now = after(now, secs(offset));
        let answer = ask(&*near, &budget(0, secs(10)), now).await;
        assert!(matches!(answer, Permit::WaitUntil(until) if until > now), "{answer:?}");
    }
}

/// A closed allowance grants nothing until its time, for nobody; then it does, and nothing was taken meanwhile.
pub async fn a_closed_allowance_grants_nothing(limiters: Limiters) {
    let Limiters { near, far, now } = limiters;
    let budget = budget(1, secs(10));
    let until = after(now, secs(60));
    near.close(&budget.name, until).await.unwrap();
    for limiter in [&near, &far] {
        assert_eq!(limiter.closed_until(&budget.name, now).await.unwrap(), Some(until));
        assert_eq!(ask(&**limiter, &budget, now).await, Permit::WaitUntil(until));
        assert_eq!(ask(&**limiter, &budget, before(until, MOMENT)).await, Permit::WaitUntil(until));
        assert_eq!(limiter.closed_until(&budget.name, until).await.unwrap(), None);
    }
    assert_eq!(ask(&*far, &budget, until).await, Permit::Granted);
}

/// Of several closings the latest time holds, in whatever order they come, and at once.
pub async fn the_latest_closing_holds(limiters: Limiters) {
    let Limiters { near, far, now } = limiters;
    let at = |offset| after(now, secs(offset));
    for (offset, holds) in [(60, 60), (30, 60), (90, 90), (89, 90)] {
        near.close("a", at(offset)).await.unwrap();
        for limiter in [&near, &far] {
            assert_eq!(limiter.closed_until("a", now).await.unwrap(), Some(at(holds)));
        }
    }
    let closings = (1..=32).map(|n: u64| {
        let limiter = if n.is_multiple_of(2) { &near } else { &far };
        limiter.close("b", at(1 + n * 7 % 32))
    });
    assert!(all_at_once(closings.collect()).await.iter().all(Result::is_ok));
    for limiter in [&near, &far] {
        assert_eq!(limiter.closed_until("b", now).await.unwrap(), Some(at(32)));
    }
}

/// Names have nothing to do with each other, whatever they are made of.
pub async fn names_are_apart(limiters: Limiters) {
    let Limiters { near, far, now } = limiters;
    let names = ["a", "A", "a:", ":a", "{a}", "}a{", "{}", "%7D", "}", "a b", "a\nb", "\u{e4}", "*", "a*"];
    for name in names {
        let budget = Budget { name: name.into(), limit: 1, per: secs(10) };
        assert_eq!(ask(&*near, &budget, now).await, Permit::Granted, "{name:?}");
        assert_eq!(ask(&*far, &budget, now).await, Permit::WaitUntil(after(now, secs(10))), "{name:?}");
    }
    near.close("a", after(now, secs(60))).await.unwrap();
    for name in &names[1..] {
        assert_eq!(far.closed_until(name, now).await.unwrap(), None, "{name:?}");
    }
}

/// A budget out of range is refused, and one at the edge is not.
pub async fn a_budget_out_of_range_is_invalid(limiters: Limiters) {
    let Limiters { near, now, .. } = limiters;
    let edge = Budget { name: "n".repeat(Budget::NAME_BYTES_MAX), limit: Budget::LIMIT_MAX, per: Budget::PER_MAX };
    assert_eq!(ask(&*near, &edge, now).await, Permit::Granted);
    let beyond = [
        Budget { name: String::new(), ..edge.clone() },
        Budget { name: "n".repeat(Budget::NAME_BYTES_MAX + 1), ..edge.clone() },
        Budget { limit: Budget::LIMIT_MAX + 1, ..edge.clone() },
        Budget { per: Duration::ZERO, ..edge.clone() },
        Budget { per: Budget::PER_MAX + MOMENT, ..edge },
    ];
    for budget in beyond {
        assert_eq!(near.acquire(&budget, now).await.unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(near.close("", now).await.unwrap_err().kind(), ErrorKind::Invalid);
}
