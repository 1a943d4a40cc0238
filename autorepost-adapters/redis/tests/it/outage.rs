//! Redis is killed, emptied, frozen, and missing at the start: nothing hangs, and everything comes back by itself.

use std::{sync::Arc, time::Duration};

use autorepost_core::{
    ErrorKind,
    port::{Budget, Permit, RateLimiter},
};
use autorepost_redis::{Redis, RedisConfig};
use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    block_on, log, now,
    server::{PASSWORD, Server},
    until, within,
};

const HOUR: Duration = Duration::from_secs(3600);

fn budget(limit: u32) -> Budget {
    Budget { name: "a".into(), limit, per: HOUR }
}

/// How many units are granted to one who asks so often.
async fn granted(limiter: &Arc<dyn RateLimiter>, budget: &Budget, asked: usize) -> usize {
    let mut granted = 0;
    for _ in 0..asked {
        if limiter.acquire(budget, now()).await.unwrap() == Permit::Granted {
            granted += 1;
        }
    }
    granted
}

/// What everybody may expect while Redis does not answer.
async fn works_alone(redis: &Redis, limit: Duration) {
    let error = within(limit, redis.scratch().put("key", b"value", HOUR)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.detail().contains("begun again"), "{error}");
    assert_eq!(within(limit, redis.scratch().take("key")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(within(limit, redis.ping()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(within(limit, redis.health()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let seen = seen(redis).await;
    redis.wake().wake();
    within(Duration::ZERO, redis.wake().wait(seen)).await;
    let other = Budget { name: "only here".into(), ..budget(1) };
    within(2 * limit, redis.limiter().closed_until(&other.name, now())).await.unwrap();
    within(limit, redis.limiter().acquire(&other, now())).await.unwrap();
}

/// What a worker has seen that has nothing left to see.
async fn seen(redis: &Redis) -> u64 {
    let mut seen = 0;
    while let Ok(count) = tokio::time::timeout(Duration::from_millis(50), redis.wake().wait(seen)).await {
        seen = count;
    }
    seen
}

async fn works_together(near: &Redis, far: &Redis) {
    for redis in [near, far] {
        until("Redis is not found again", || async { redis.ping().await.is_ok() }).await;
    }
    until("what is kept is not shared again", || async {
        near.scratch().put("key", b"value", HOUR).await.is_ok()
            && far.scratch().take("key").await.is_ok_and(|value| value.is_some())
    })
    .await;
    let mut seen = seen(far).await;
    // Until the subscription is renewed, a signal may be lost.
    until("signals are not heard again", || {
        near.wake().wake();
        let wait = tokio::time::timeout(Duration::from_millis(200), {
            let wake = far.wake();
            async move { wake.wait(seen).await }
        });
        async move { wait.await.is_ok() }
    })
    .await;
    seen = self::seen(far).await;
    near.wake().wake();
    far.wake().wait(seen).await;
}

#[test]
fn killed_and_started_again() {
    block_on(async {
        let server = Server::start();
        let config = server.config();
        let (near, far) = (Redis::connect(&config).await.unwrap(), Redis::connect(&config).await.unwrap());
        let five = budget(5);
        assert_eq!(granted(&near.limiter(), &five, 2).await, 2);
        let closed: DateTime<Utc> = now() + TimeDelta::hours(1);
        let far_seen = seen(&far).await;

        server.kill();
        works_alone(&near, config.command_timeout).await;
        // What it had taken before counts.
        assert_eq!(granted(&near.limiter(), &five, 10).await, 3);
        near.limiter().close("closed meanwhile", closed).await.unwrap();

        server.up();
        // Who waits is woken once: something may have been missed.
        far.wake().wait(far_seen).await;
        works_together(&near, &far).await;
        assert_eq!(granted(&near.limiter(), &five, 10).await, 0, "one process exceeds the limit over an outage");
        // Redis knows of nothing, and what was refused was not counted there.
        assert_eq!(granted(&far.limiter(), &five, 10).await, 5);
        // It is told what it has missed.
        assert_eq!(near.limiter().closed_until("closed meanwhile", now()).await.unwrap(), Some(closed));
        let heard = far.limiter().closed_until("closed meanwhile", now()).await.unwrap().unwrap();
        assert!(heard - closed <= TimeDelta::microseconds(1), "{heard} {closed}");

        let place = format!("127.0.0.1:{}", server.tls_port);
        for words in ["is away", "is back"] {
            let lines = log::count(&[&place, words]);
            // Two processes, and each may notice that a server which is just starting is not ready.
            assert!((2..=4).contains(&lines), "{lines} lines that it {words}");
        }
    });
}

#[test]
fn emptied_at_any_moment() {
    block_on(async {
        let server = Server::start();
        let (near, far) = crate::two(&server.config()).await;
        let budget = budget(50);
        let emptying = async {
            for round in 0..40 {
                let command: &[&str] = if round % 2 == 0 { &["FLUSHALL"] } else { &["SCRIPT", "FLUSH"] };
                assert_eq!(server.cli(command), "OK");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let (near_limiter, far_limiter) = (near.limiter(), far.limiter());
        let asking = async { tokio::join!(granted(&near_limiter, &budget, 400), granted(&far_limiter, &budget, 400)) };
        let ((near_granted, far_granted), ()) = tokio::join!(asking, emptying);
        for granted in [near_granted, far_granted] {
            assert!(granted <= 50, "one process was granted {granted} of 50");
        }
        assert!(near_granted + far_granted >= 50);

        // A closing is remembered by who knows it, and told again.
        let closed = DateTime::from_timestamp_micros((now() + TimeDelta::hours(1)).timestamp_micros());
        near.limiter().close("closed", closed.unwrap()).await.unwrap();
        server.cli(&["FLUSHALL"]);
        let answer = near.limiter().acquire(&Budget { name: "closed".into(), ..budget.clone() }, now()).await.unwrap();
        assert_eq!(answer, Permit::WaitUntil(closed.unwrap()));
        assert_eq!(far.limiter().closed_until("closed", now()).await.unwrap(), closed);
        assert_eq!(server.cli(&["--scan", "--pattern", "*:budget:{closed}:taken"]), "", "the unit was not given back");
        works_together(&near, &far).await;
    });
}

#[test]
fn frozen_for_some_seconds() {
    block_on(async {
        let server = Server::start();
        let config = server.config();
        let (near, far) = (Redis::connect(&config).await.unwrap(), Redis::connect(&config).await.unwrap());
        let leaving = Redis::connect(&config).await.unwrap();
        let five = budget(5);
        assert_eq!(granted(&near.limiter(), &five, 1).await, 1);
        server.freeze();
        works_alone(&near, config.command_timeout).await;
        works_alone(&far, config.command_timeout).await;
        assert_eq!(granted(&near.limiter(), &five, 7).await, 4);
        within(Redis::CLOSE_MAX, leaving.close()).await;
        let late = within(config.connect_timeout, Redis::connect(&config)).await;
        assert_eq!(late.err().map(|error| error.kind()), Some(ErrorKind::Unavailable));
        works_alone(&near, config.command_timeout).await;
        server.thaw();
        works_together(&near, &far).await;
        assert_eq!(granted(&near.limiter(), &five, 3).await, 0);
    });
}

/// A program that starts while Redis is away, or while its password is wrong, goes on without, and finds it later.
#[test]
fn missing_at_the_start() {
    block_on(async {
        let server = Server::prepare(false);
        let config = server.config();
        let redis = Redis::open(&config).unwrap();
        works_alone(&redis, config.command_timeout).await;
        let before = seen(&redis).await;
        server.up();
        redis.wake().wait(before).await;
        works_together(&redis, &Redis::connect(&config).await.unwrap()).await;

        let url = server.url("rediss", "late", PASSWORD, server.tls_port);
        let late = Redis::open(&RedisConfig { url, ..config.clone() }).unwrap();
        until("nobody says why", || async { log::count(&[&server.tls_port.to_string(), "is away", "password"]) > 0 })
            .await;
        assert!(late.ping().await.is_err());
        let password = format!(">{PASSWORD}");
        assert_eq!(server.cli(&["ACL", "SETUSER", "late", "on", &password, "~*", "&*", "+@all"]), "OK");
        until("the right password is not tried", || async { late.ping().await.is_ok() }).await;
    });
}

/// Whoever is refused by a Redis that answers counts for himself, and says so once.
#[test]
fn without_rights_allowances_are_counted_here() {
    block_on(async {
        let server = Server::start();
        let redis = Redis::connect(&server.config()).await.unwrap();
        assert_eq!(server.cli(&["ACL", "SETUSER", "worker", "-eval"]), "OK");
        assert_eq!(granted(&redis.limiter(), &budget(3), 10).await, 3);
        assert_eq!(log::count(&["counts its allowances for itself meanwhile", "eval"]), 1);
    });
}
