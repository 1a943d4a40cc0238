//! The one place where a driver's error becomes ours.
//!
//! The driver's own error is not kept as a source: an old server repeats the arguments of a command that it does not
//! know, and one of these is the password.

use autorepost_core::{Error, ErrorKind, Retry};
use fred::error::{Error as DriverError, ErrorKind as DriverKind};

/// Whether the driver did not even ask the server, because it has no connection.
pub(crate) fn is_unconnected(cause: &DriverError) -> bool {
    let code = cause.details().split_whitespace().next().unwrap_or_default();
    // What a server answers begins with a word in capitals; the driver says the rest itself.
    let by_server = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_uppercase());
    match cause.kind() {
        DriverKind::Canceled | DriverKind::Routing => true,
        DriverKind::Unknown => !by_server,
        _ => false,
    }
}

/// Maps a driver's error. There is no arm that says "try again" for what is not known.
pub(crate) fn error(op: &'static str, cause: &DriverError) -> Error {
    if is_unconnected(cause) {
        return Error::unavailable(op, "there is no connection to Redis");
    }
    let (kind, retry, text) = classify(cause.kind(), cause.details());
    Error::new(kind, op, text).retry(retry)
}

fn classify(kind: &DriverKind, details: &str) -> (ErrorKind, Retry, String) {
    let wrong = |text: &str| (ErrorKind::Configuration, Retry::Never, text.to_owned());
    let unavailable = |text: &str| (ErrorKind::Unavailable, Retry::Soon, text.to_owned());
    if details.contains("InvalidCertificate") || *kind == DriverKind::Tls {
        return wrong(certificate(details));
    }
    if details.contains("InvalidContentType") || details.contains("InvalidMessage") {
        return wrong("the server does not speak TLS there: use redis://, or the port that speaks TLS");
    }
    let code = details.split_whitespace().next().unwrap_or_default();
    match (kind, code) {
        (_, "WRONGPASS") => wrong("Redis refuses the user name or the password in REDIS_URL"),
        (_, "NOAUTH") => wrong("Redis asks for a password, and REDIS_URL has none"),
        (DriverKind::Auth, _) => wrong("Redis refuses the login in REDIS_URL"),
        (_, "NOPERM") => wrong(&format!("the user in REDIS_URL may not do this: {}", shown(details))),
        (_, "READONLY") => unavailable("Redis is a replica and takes no writes: use the address of the primary"),
        (_, "OOM") => unavailable("Redis is full: raise its maxmemory, or let it evict keys that expire"),
        (_, "MISCONF") => unavailable("Redis cannot write its snapshots and takes no writes: look into its log"),
        (_, "LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "NOREPLICAS") => {
            unavailable(&format!("Redis is not ready: {code}"))
        }
        (DriverKind::Timeout, _) => unavailable("Redis did not answer in time"),
        (DriverKind::Backpressure, _) => unavailable("too much is being asked of Redis at once"),
        (DriverKind::IO, _) => unavailable(broken(details)),
        (DriverKind::Cluster, _) => unavailable("the cluster of Redis is changing"),
        (DriverKind::Config | DriverKind::Url, _) => {
            wrong(&format!("REDIS_URL does not fit the server: {}", shown(details)))
        }
        _ => (ErrorKind::Internal, Retry::Never, format!("Redis answered: {}", shown(details))),
    }
}

fn certificate(details: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| details.contains(word));
    if has(&["UnknownIssuer", "CaUsedAsEndEntity", "BadSignature"]) {
        "the certificate of Redis is signed by an authority that is not trusted: give that authority as PEM"
    } else if has(&["NotValidForName"]) {
        "the certificate of Redis is not for the host in REDIS_URL: use the name that it was made for"
    } else if has(&["Expired", "NotValidYet"]) {
        "the certificate of Redis is not valid at this time: renew it, or set this machine's clock"
    } else {
        "the certificate of Redis cannot be accepted"
    }
}

fn broken(details: &str) -> &'static str {
    if details.contains("ConnectionRefused") {
        "nothing listens there"
    } else if details.contains("lookup") || details.contains("resolve") {
        "the host has no address"
    } else if details.contains("Unresponsive") {
        "Redis is silent"
    } else {
        "the connection to Redis is broken"
    }
}

/// What the server says, without the arguments that it may repeat, and not too long.
fn shown(details: &str) -> String {
    const CHARS_MAX: usize = 200;
    let details = details.split(", with args").next().unwrap_or_default();
    details.chars().filter(|char| !char.is_control()).take(CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_servers_echo_of_the_password_is_not_shown() {
        let echo = "ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `alice`, `hunter2`, ";
        let error = error("x", &DriverError::new(DriverKind::Unknown, echo));
        assert_eq!(error.to_string(), "x: Redis answered: ERR unknown command `HELLO`");
        assert_eq!(error.retry_hint(), Retry::Never);
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
