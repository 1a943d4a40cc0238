//! What Redis says about itself.

use autorepost_core::{ErrorKind, Result};
use fred::interfaces::ClientLike;

use crate::link::Link;

/// The oldest version that has every command that is used.
const VERSION_MIN: (u32, u32) = (6, 2);

/// Used memory from which on a Redis that evicts nothing is called nearly full, in percent.
const FULL_PERCENT: u64 = 90;

/// What Redis says about itself, and what is wrong with it for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Its version.
    pub version: Option<String>,
    /// `master` or `slave`, in its own words.
    pub role: Option<String>,
    /// What it does when it is full, in its own words.
    pub eviction: Option<String>,
    /// What an operator should change: a sentence each.
    pub problems: Vec<String>,
}

pub(crate) async fn ask(link: &Link) -> Result<Health> {
    let op = "ask Redis about itself";
    match link.run(op, |commands| async move { commands.info::<String>(None).await }).await {
        Ok(info) => Ok(read(&info)),
        Err(error) if error.kind() == ErrorKind::Configuration => {
            // It answers; its user may not ask this.
            link.ping().await?;
            let problem = "the user in REDIS_URL may not run INFO: nothing is known about the server".to_owned();
            Ok(Health { version: None, role: None, eviction: None, problems: vec![problem] })
        }
        Err(error) => Err(error),
    }
}

fn read(info: &str) -> Health {
    let field = |name: &str| {
        info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(|value| value.trim().to_owned())
    };
    let number = |name| field(name).and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
    let (version, role, eviction) = (field("redis_version"), field("role"), field("maxmemory_policy"));
    let mut problems = Vec::new();
    if let Some(version) = &version {
        let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
        if (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < VERSION_MIN {
            problems
                .push(format!("Redis {version} is too old: {}.{} or newer is needed", VERSION_MIN.0, VERSION_MIN.1));
        }
    }
    if role.as_deref() == Some("slave") {
        problems.push("this Redis is a replica and takes no writes: use the address of the primary".to_owned());
    }
    let (used, max) = (number("used_memory"), number("maxmemory"));
    let evicts = eviction.as_deref().is_some_and(|policy| policy != "noeviction");
    if max > 0 && !evicts && used >= max / 100 * FULL_PERCENT {
        problems.push(format!(
            "Redis is nearly full ({used} of {max} bytes) and evicts nothing: raise maxmemory, or use volatile-ttl"
        ));
    }
    if max > 0 && eviction.as_deref().is_some_and(|policy| policy.starts_with("allkeys-")) {
        problems.push(
            "Redis evicts any key when it is full: allowances and log-ins can be forgotten early; use volatile-ttl"
                .to_owned(),
        );
    }
    Health { version, role, eviction, problems }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(version: &str, role: &str, used: u64, max: u64, policy: &str) -> String {
        format!(
            "# Server\r\nredis_version:{version}\r\n\r\nused_memory:{used}\r\nused_memory_human:1M\r\nmaxmemory:{max}\r\n\
             maxmemory_policy:{policy}\r\nrole:{role}\r\n"
        )
    }

    #[test]
    fn what_is_wrong_is_told() {
        let problems = |text: String| read(&text).problems;
        assert_eq!(problems(info("7.0.15", "master", 99, 0, "noeviction")), [""; 0]);
        assert_eq!(problems(info("6.2.0", "master", 10, 100, "volatile-lru")), [""; 0]);
        assert!(problems(info("6.0.16", "master", 1, 0, "noeviction"))[0].contains("too old"));
        assert!(problems(info("10.0.0", "slave", 1, 0, "noeviction"))[0].contains("replica"));
        assert!(problems(info("7.0.0", "master", 950, 1000, "noeviction"))[0].contains("nearly full"));
        assert!(problems(info("7.0.0", "master", 1, 1000, "allkeys-lru"))[0].contains("evicts any key"));
        let health = read(&info("7.0.15", "master", 1, 0, "noeviction"));
        assert_eq!(health.version.as_deref(), Some("7.0.15"));
        assert_eq!((health.role.as_deref(), health.eviction.as_deref()), (Some("master"), Some("noeviction")));
    }
}
