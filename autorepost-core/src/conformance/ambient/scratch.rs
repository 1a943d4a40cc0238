//! [`Scratch`](crate::port::Scratch): taken once, and gone in time.

use std::time::Duration;

use super::Scratches;
use crate::{
    ErrorKind,
    conformance::all_at_once,
    port::scratch::{KEY_BYTES_MAX, TTL_MAX, TTL_MIN, VALUE_BYTES_MAX},
};

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(200);

/// Any bytes are read back as they were put, as often as one likes, and taken once.
pub async fn what_is_put_is_taken_once(scratches: Scratches) {
    let Scratches { near, far, .. } = scratches;
    let bytes: Vec<u8> = (0..=255).collect();
    for value in [&bytes[..], b"", b"text", b"12"] {
        near.put("key", value, LONG).await.unwrap();
        for _ in 0..2 {
            assert_eq!(far.peek("key").await.unwrap().as_deref(), Some(value));
        }
        assert_eq!(far.take("key").await.unwrap().as_deref(), Some(value));
        for scratch in [&near, &far] {
            assert_eq!(scratch.take("key").await.unwrap(), None);
            assert_eq!(scratch.peek("key").await.unwrap(), None);
        }
    }
}

/// Of callers at once exactly one takes what is there.
pub async fn of_takers_at_once_one_gets_it(scratches: Scratches) {
    let Scratches { near, far, .. } = scratches;
    for round in 0..20_u8 {
        near.put("key", &[round], LONG).await.unwrap();
        let takers = (0..32).map(|at| if at % 2 == 0 { near.take("key") } else { far.take("key") });
        let taken: Vec<_> = all_at_once(takers.collect()).await.into_iter().filter_map(Result::unwrap).collect();
        assert_eq!(taken, [vec![round]]);
    }
}

/// A value is gone when its time is over.
pub async fn a_value_ends_in_time(scratches: Scratches) {
    let Scratches { near, far, time } = scratches;
    near.put("short", b"value", SHORT).await.unwrap();
    near.put("long", b"value", LONG).await.unwrap();
    time.pass(SHORT).await;
    for scratch in [&near, &far] {
        assert_eq!(scratch.peek("short").await.unwrap(), None);
        assert_eq!(scratch.take("short").await.unwrap(), None);
        assert!(scratch.peek("long").await.unwrap().is_some());
    }
}

/// Reading a value does not make it last longer.
pub async fn a_peek_leaves_the_time_as_it_is(scratches: Scratches) {
    let Scratches { near, time, .. } = scratches;
    near.put("key", b"value", SHORT).await.unwrap();
    time.pass(SHORT / 2).await;
    near.peek("key").await.unwrap();
    time.pass(SHORT / 2).await;
    assert_eq!(near.peek("key").await.unwrap(), None);
}

/// The last put holds, with its value and its time.
pub async fn a_put_replaces_value_and_time(scratches: Scratches) {
    let Scratches { near, far, time } = scratches;
    near.put("longer", b"old", SHORT).await.unwrap();
    far.put("longer", b"new", LONG).await.unwrap();
    near.put("shorter", b"old", LONG).await.unwrap();
    far.put("shorter", b"new", SHORT).await.unwrap();
    time.pass(SHORT).await;
    assert_eq!(near.peek("longer").await.unwrap().as_deref(), Some(&b"new"[..]));
    assert_eq!(near.peek("shorter").await.unwrap(), None);
}

/// Keys have nothing to do with each other, whatever they are made of.
pub async fn keys_are_apart(scratches: Scratches) {
    let Scratches { near, far, .. } = scratches;
    let keys = ["a", "A", "a:", ":a", "{a}", "}a{", "{}", "%7D", "a b", "a\nb", "\u{e4}", "*", "a*"];
    for key in keys {
        near.put(key, key.as_bytes(), LONG).await.unwrap();
    }
    for key in keys {
        assert_eq!(far.take(key).await.unwrap().as_deref(), Some(key.as_bytes()), "{key:?}");
    }
}

/// What is beyond a limit is refused, and what is at the limit is not.
pub async fn limits_are_kept(scratches: Scratches) {
    let Scratches { near, .. } = scratches;
    let (key, value) = ("k".repeat(KEY_BYTES_MAX), vec![7; VALUE_BYTES_MAX]);
    near.put(&key, &value, TTL_MAX).await.unwrap();
    assert_eq!(near.take(&key).await.unwrap(), Some(value.clone()));
    near.put("brief", b"value", TTL_MIN).await.unwrap();
    let long_key = format!("{key}k");
    let long_value = [&value[..], b"7"].concat();
    let moment = Duration::from_nanos(1);
    let beyond: [(&str, &[u8], Duration); 5] = [
        ("", b"value", LONG),
        (&long_key, b"value", LONG),
        ("key", &long_value, LONG),
        ("key", b"value", TTL_MIN - moment),
        ("key", b"value", TTL_MAX + moment),
    ];
    for (key, value, ttl) in beyond {
        assert_eq!(near.put(key, value, ttl).await.unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(near.take(key).await.unwrap(), None);
    }
}
