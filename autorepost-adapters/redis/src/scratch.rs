//! Small values for all processes.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Result,
    port::{Scratch, scratch},
};
use fred::{
    bytes::Bytes,
    interfaces::KeysInterface,
    types::{Expiration, Key},
};

use crate::{
    link::{Commands, Link},
    tasks::Tasks,
};

/// Small values that expire, for all processes. A value is taken with one command; when its answer is lost, the value is.
pub(crate) struct RedisScratch {
    link: Arc<Link>,
    _tasks: Arc<Tasks>,
}

impl RedisScratch {
    pub(crate) fn new(link: Arc<Link>, tasks: Arc<Tasks>) -> Self {
        Self { link, _tasks: tasks }
    }

    fn key(&self, key: &str) -> Key {
        format!("{}:scratch:{key}", self.link.namespace).into()
    }
}

/// What a person can do about it.
fn away(error: Error) -> Error {
    if error.kind() != ErrorKind::Unavailable {
        return error;
    }
    let text = format!("{}: what was begun, as a log-in, must be begun again when Redis is back", error.detail());
    Error::unavailable(error.op(), text)
}

fn is_possible(key: &str) -> bool {
    !key.is_empty() && key.len() <= scratch::KEY_BYTES_MAX
}

#[async_trait]
impl Scratch for RedisScratch {
    async fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<()> {
        scratch::check(key, value, ttl)?;
        let ends = Expiration::PX(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
        let (key, value) = (self.key(key), Bytes::copy_from_slice(value));
        let put =
            |commands: Commands| async move { commands.set::<(), _, _>(key, value, Some(ends), None, false).await };
        self.link.run("keep value", put).await.map_err(away)
    }

    async fn take(&self, key: &str) -> Result<Option<Vec<u8>>> {
        if !is_possible(key) {
            return Ok(None);
        }
        let key = self.key(key);
        let take = |commands: Commands| async move { commands.getdel::<Option<Bytes>, _>(key).await };
        Ok(self.link.run("take value", take).await.map_err(away)?.map(Vec::from))
    }

    async fn peek(&self, key: &str) -> Result<Option<Vec<u8>>> {
        if !is_possible(key) {
            return Ok(None);
        }
        let key = self.key(key);
        let peek = |commands: Commands| async move { commands.get::<Option<Bytes>, _>(key).await };
        Ok(self.link.run("read value", peek).await.map_err(away)?.map(Vec::from))
    }
}
