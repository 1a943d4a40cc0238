//! What is asked of Redis, and what it is left with.

use std::time::Duration;

use autorepost_core::port::{Budget, Permit};
use autorepost_redis::{Redis, RedisConfig};
use tokio::task::JoinSet;

use crate::{
    block_on, now,
    server::{PASSWORD, Server},
    shared, two,
};

#[test]
fn health_tells_what_the_server_is() {
    block_on(async {
        let redis = Redis::connect(&shared().config()).await.unwrap();
        redis.ping().await.unwrap();
        let health = redis.health().await.unwrap();
        let version = shared().cli(&["INFO", "server"]);
        assert!(version.contains(&format!("redis_version:{}", health.version.unwrap())));
        assert_eq!(health.role.as_deref(), Some("master"));
        assert_eq!(health.eviction.as_deref(), Some("noeviction"));
        assert_eq!(health.problems, [""; 0]);
    });
}

/// The user whose rights are those in the documentation, and whose keys are those of one namespace, can do everything.
#[test]
fn a_user_may_be_confined_to_a_namespace() {
    block_on(async {
        let server = shared();
        let url = server.url("rediss", "shop", PASSWORD, server.tls_port);
        let config = RedisConfig { url, namespace: "shop".into(), ..server.config() };
        let (near, far) = two(&config).await;
        near.scratch().put("a", b"b", Duration::from_secs(5)).await.unwrap();
        assert_eq!(far.scratch().take("a").await.unwrap().as_deref(), Some(&b"b"[..]));
        let budget = Budget { name: "a".into(), limit: 1, per: Duration::from_secs(5) };
        let now = now();
        assert_eq!(near.limiter().acquire(&budget, now).await.unwrap(), Permit::Granted);
        assert!(matches!(far.limiter().acquire(&budget, now).await.unwrap(), Permit::WaitUntil(_)));
        near.wake().wake();
        far.wake().wait(0).await;
        assert_eq!(near.health().await.unwrap().problems, [""; 0]);
    });
}

/// Each key ends by itself.
#[test]
fn nothing_is_left_in_redis_for_good() {
    block_on(async {
        let config = shared().config();
        let redis = Redis::connect(&config).await.unwrap();
        let limiter = redis.limiter();
        for name in ["a", "b"] {
            let budget = Budget { name: name.into(), limit: 5, per: Duration::from_secs(100) };
            limiter.acquire(&budget, now()).await.unwrap();
            limiter.acquire(&budget, now()).await.unwrap();
            limiter.close(name, now() + chrono::TimeDelta::seconds(30)).await.unwrap();
            limiter.close(name, now() - chrono::TimeDelta::seconds(30)).await.unwrap();
        }
        limiter.close("c", chrono::DateTime::<chrono::Utc>::MAX_UTC).await.unwrap();
        limiter.close("d", chrono::DateTime::<chrono::Utc>::MIN_UTC).await.unwrap();
        redis.scratch().put("a", b"b", Duration::from_secs(100)).await.unwrap();
        let keys = shared().cli(&["--scan", "--pattern", &format!("{}:*", config.namespace)]);
        assert_eq!(keys.lines().count(), 6, "{keys}");
        for key in keys.lines() {
            let left: i64 = shared().cli(&["PTTL", key]).parse().unwrap();
            let most = if key.contains("closed") { 400 * 24 * 3600 } else { 160 };
            assert!(left > 0 && left <= most * 1000, "{key}: {left} ms");
        }
    });
}

/// Very many calls at once take their turn, and none is forgotten.
#[test]
fn calls_at_once_are_bounded_and_all_answered() {
    block_on(async {
        let config = RedisConfig { command_timeout: Duration::from_secs(30), ..shared().config() };
        let redis = Redis::connect(&config).await.unwrap();
        let budget = Budget { name: "a".into(), limit: 1_000, per: Duration::from_secs(100) };
        let now = now();
        let mut calls = JoinSet::new();
        for _ in 0..3_000 {
            let (limiter, budget) = (redis.limiter(), budget.clone());
            calls.spawn(async move { limiter.acquire(&budget, now).await.unwrap() });
        }
        let granted = calls.join_all().await.into_iter().filter(|permit| *permit == Permit::Granted).count();
        assert_eq!(granted, 1_000);
        let key = format!("{}:budget:{{a}}:taken", config.namespace);
        assert_eq!(shared().cli(&["LLEN", &key]), "1000", "they were not counted in Redis");
    });
}

/// Over a connection without TLS, and in another database.
#[test]
fn a_plain_connection_works() {
    block_on(async {
        let server = shared();
        let (near, far) = two(&server.plain_config()).await;
        near.wake().wake();
        far.wake().wait(0).await;
        far.scratch().put("a", b"b", Duration::from_secs(5)).await.unwrap();
        assert!(near.scratch().take("a").await.unwrap().is_some());
    });
}

/// A cluster of one node: routes, slots of scripts, and signals are a cluster's.
#[test]
fn a_cluster_works() {
    block_on(async {
        let server = Server::start_cluster();
        let url = server.url("rediss-cluster", "worker", PASSWORD, server.tls_port);
        let (near, far) = two(&RedisConfig { url, ..server.config() }).await;
        for name in ["a", "}b", "c{d}"] {
            let budget = Budget { name: name.into(), limit: 1, per: Duration::from_secs(50) };
            let now = now();
            assert_eq!(near.limiter().acquire(&budget, now).await.unwrap(), Permit::Granted);
            assert!(matches!(far.limiter().acquire(&budget, now).await.unwrap(), Permit::WaitUntil(_)), "{name}");
            near.scratch().put(name, b"b", Duration::from_secs(5)).await.unwrap();
            assert!(far.scratch().take(name).await.unwrap().is_some());
        }
        near.wake().wake();
        far.wake().wait(0).await;
        assert_eq!(near.health().await.unwrap().problems, [""; 0]);
    });
}

/// After the last handle nothing is connected any more, with a goodbye or without.
#[test]
fn nothing_stays_connected() {
    block_on(async {
        let server = Server::start();
        let clients = || {
            let list = server.cli(&["CLIENT", "LIST"]);
            list.lines().filter(|line| line.contains("user=worker")).count()
        };
        let (first, second) = two(&server.config()).await;
        assert_eq!(clients(), 4, "two connections each");
        first.close().await;
        crate::until("a closed one is connected", || async { clients() == 2 }).await;
        // Its ports work on for this process.
        first.wake().wake();
        first.wake().wait(0).await;
        assert!(first.ping().await.is_err());
        let wake = second.wake();
        drop(second);
        wake.wake();
        assert_eq!(clients(), 2, "a port keeps the connection");
        drop(wake);
        crate::until("a dropped one is connected", || async { clients() == 0 }).await;
    });
}
