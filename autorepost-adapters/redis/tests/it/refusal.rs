//! What cannot be connected to says why, in one line, in time, and without the password.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use autorepost_core::{Error, ErrorKind, seal::Secret};
use autorepost_redis::{Redis, RedisConfig};

use crate::{
    SLACK, block_on, log,
    server::{PASSWORD, authority, free_port},
    shared,
};

/// Connects in vain.
async fn refused(config: &RedisConfig) -> Error {
    let began = Instant::now();
    let error = Redis::connect(config).await.err().expect("it connects");
    assert!(began.elapsed() < config.connect_timeout + SLACK, "it took {:?}", began.elapsed());
    let text = error.to_string();
    assert!(!text.contains('\n') && text.len() < 300, "{text}");
    for text in [text, format!("{error:?}"), format!("{config:?}")] {
        assert!(!text.contains("hunter2") && !text.contains("%68%75%6E"), "{text}");
    }
    error
}

async fn refused_with(config: &RedisConfig, kind: ErrorKind, words: &str) {
    let error = refused(config).await;
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(words), "{error} has no \"{words}\"");
}

#[test]
fn a_wrong_login_is_named() {
    block_on(async {
        let server = shared();
        let with = |user: &str, password: &str| RedisConfig {
            url: server.url("rediss", user, password, server.tls_port),
            ..server.config()
        };
        let refusal = "refuses the user name or the password";
        refused_with(&with("worker", "hunter22"), ErrorKind::Configuration, refusal).await;
        refused_with(&with("nobody", PASSWORD), ErrorKind::Configuration, refusal).await;
        let open = Secret::new(format!("rediss://127.0.0.1:{}", server.tls_port));
        let none = RedisConfig { url: open, ..server.config() };
        refused_with(&none, ErrorKind::Configuration, "asks for a password").await;
        refused_with(&with("outsider", PASSWORD), ErrorKind::Configuration, "may not do this: NOPERM").await;
        // It depends on the driver whether the server's own words are heard.
        refused_with(&with("deaf", PASSWORD), ErrorKind::Configuration, "the user in REDIS_URL").await;
    });
}

#[test]
fn what_is_wrong_with_tls_is_named() {
    block_on(async {
        let server = shared();
        let config = server.config();
        let wrong = RedisConfig { ca_pem: Some(authority().0), ..config.clone() };
        refused_with(&wrong, ErrorKind::Configuration, "not trusted: give that authority as PEM").await;
        let system = RedisConfig { ca_pem: None, ..config.clone() };
        refused_with(&system, ErrorKind::Configuration, "authorit").await;
        let url = config.url.expose().replace("127.0.0.1", "127.0.0.2");
        if TcpListener::bind("127.0.0.2:0").is_ok() {
            // The server listens on 127.0.0.1 only: a tunnel from another name.
            let port = tunnel("127.0.0.2:0", server.tls_port);
            let url = url.replace(&server.tls_port.to_string(), &port.to_string());
            let other = RedisConfig { url: Secret::new(url), ..config.clone() };
            refused_with(&other, ErrorKind::Configuration, "not for the host").await;
        }
        let to_plain = server.url("rediss", "worker", PASSWORD, server.plain_port);
        let to_plain = RedisConfig { url: to_plain, ..config.clone() };
        refused_with(&to_plain, ErrorKind::Unavailable, "that this port speaks TLS").await;
        let to_tls = server.url("redis", "worker", PASSWORD, server.tls_port);
        let to_tls = RedisConfig { url: to_tls, ca_pem: None, ..config.clone() };
        refused_with(&to_tls, ErrorKind::Unavailable, "wants TLS: rediss://").await;
        for ca in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let config = RedisConfig { ca_pem: Some(ca.into()), ..config.clone() };
            refused_with(&config, ErrorKind::Configuration, "PEM form").await;
        }
    });
}

/// Passes connections on to a port of this machine.
fn tunnel(from: &str, to: u16) -> u16 {
    let listener = TcpListener::bind(from).unwrap();
    let port = listener.local_addr().unwrap().port();
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut far = tokio::net::TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    port
}

#[test]
fn who_does_not_answer_is_not_waited_for() {
    block_on(async {
        let quick = |url: String| RedisConfig {
            connect_timeout: Duration::from_millis(700),
            ..RedisConfig::new(Secret::new(url))
        };
        let nobody = free_port();
        refused_with(&quick(format!("redis://127.0.0.1:{nobody}")), ErrorKind::Unavailable, "nothing listens there")
            .await;
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        for scheme in ["redis", "rediss"] {
            let ca_pem = (scheme == "rediss").then(|| shared().ca_pem.clone());
            let config = RedisConfig { ca_pem, ..quick(format!("{scheme}://worker:hunter2@127.0.0.1:{port}")) };
            refused_with(&config, ErrorKind::Unavailable, &format!("127.0.0.1:{port}: ")).await;
        }
        refused_with(&quick("redis://nowhere.invalid".into()), ErrorKind::Unavailable, "nowhere.invalid:6379").await;
    });
}

#[test]
fn a_malformed_configuration_is_named() {
    block_on(async {
        for (url, words) in [
            ("", "not a URL"),
            ("hunter2", "not a URL"),
            ("hunter2:6379", "begins with redis://"),
            ("http://worker:hunter2@localhost", "begins with redis://"),
            ("redis://", "names no host"),
            ("redis://worker:hunter2@localhost:99999", "not a URL"),
            ("redis://worker:hunter2@localhost/zero", "cannot be read"),
            ("redis://worker:hunter2@localhost/0/1", "cannot be read"),
        ] {
            refused_with(&RedisConfig::new(Secret::new(url)), ErrorKind::Configuration, words).await;
        }
        let config = shared().plain_config();
        let with_ca = RedisConfig { ca_pem: Some(shared().ca_pem.clone()), ..config.clone() };
        refused_with(&with_ca, ErrorKind::Configuration, "use rediss://").await;
        for namespace in ["", "a{b}", "a b", &"n".repeat(65)] {
            let config = RedisConfig { namespace: namespace.into(), ..config.clone() };
            refused_with(&config, ErrorKind::Configuration, "namespace").await;
        }
    });
}

/// Neither we nor the driver log the password, at whatever level.
#[test]
fn no_password_is_logged() {
    block_on(async {
        let server = shared();
        let redis = Redis::connect(&server.config()).await.unwrap();
        redis.ping().await.unwrap();
        let wrong = server.url("rediss", "worker", "hunter2-wrong", server.tls_port);
        refused(&RedisConfig { url: wrong.clone(), ..server.config() }).await;
        let open = Redis::open(&RedisConfig { url: wrong, ..server.config() }).unwrap();
        crate::until("no refusal is logged", || async { log::count(&["is away", "password"]) > 0 }).await;
        drop(open);
        let lines = log::lines();
        assert!(lines.iter().any(|line| line.contains("TRACE") || line.contains("DEBUG")), "the driver is not heard");
        let shown: Vec<_> = lines.iter().filter(|line| line.contains("hunter2") || line.contains("%68%75")).collect();
        assert!(shown.is_empty(), "{shown:?}");
    });
}
