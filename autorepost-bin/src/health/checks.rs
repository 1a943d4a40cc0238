//! What is checked.

use std::{path::PathBuf, sync::Arc, time::Duration};

use autorepost_core::{
    Error,
    port::{Clock, ConnectionStore},
    seal::KeyRing,
};
use autorepost_database::Database;
use autorepost_redis::Redis;

use super::{Check, Found};
use crate::setup::{self, Media};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// The database answers, and has the schema that this version works with.
pub fn database(database: Database) -> Check {
    Check::new("database", SECOND, move || {
        let database = database.clone();
        async move {
            let schema = database.schema().await.map_err(|error| error.detail().to_owned())?;
            match schema.pending.len() {
                0 => Ok("up to date".into()),
                count => Err(format!("{count} migrations are missing: run \"autorepost migrate\"")),
            }
        }
    })
}

/// This machine's clock and the database's are at most so far apart: beyond it no commit is sent.
pub fn clock(database: Database, clock: Arc<dyn Clock>, off_max: Duration) -> Check {
    Check::new("clock", 10 * SECOND, move || {
        let (database, clock) = (database.clone(), Arc::clone(&clock));
        async move {
            let off = clock_off(&database, clock.as_ref()).await.map_err(|error| error.detail().to_owned())?;
            match off <= off_max {
                true => Ok("agrees with the database's".into()),
                false => Err(format!("is {} ms off the database's: let it be set by NTP", off.as_millis())),
            }
        }
    })
}

/// How far this machine's clock and the database's are apart at least.
pub async fn clock_off(database: &Database, clock: &dyn Clock) -> Result<Duration, Error> {
    let before = clock.now();
    let theirs = database.now().await?;
    let after = clock.now();
    // Somewhere between the question and the answer.
    Ok((before - theirs).max(theirs - after).to_std().unwrap_or_default())
}

/// The media can be kept.
pub fn media(media: Media) -> Check {
    match media {
        Media::Folder(path) => folder(path),
        Media::Bucket(store) => Check::new("media", MINUTE, move || {
            let store = Arc::clone(&store);
            async move {
                let checked = store.check().await;
                checked.map(|_| "the bucket can be written".into()).map_err(|error| error.detail().to_owned())
            }
        }),
    }
}

/// Whether Redis answers. It is told, and is no reason not to be ready: everything works without it, only more slowly.
pub fn redis(redis: Redis) -> Check {
    Check::new("redis", SECOND, move || {
        let redis = redis.clone();
        async move {
            match redis.ping().await {
                Ok(()) => Ok("answers".into()),
                Err(error) => Ok(format!("is away, and everything is slower: {}", error.detail())),
            }
        }
    })
}

/// The folder of the media takes a file.
fn folder(path: PathBuf) -> Check {
    Check::new("media", 10 * SECOND, move || {
        let path = path.clone();
        async move {
            // Several processes may probe one folder: in containers their ids are the same.
            let mut random = [0; 8];
            getrandom::fill(&mut random).map_err(|_| "the system has no randomness".to_owned())?;
            let name = path.join(format!(".probe-{:016x}", u64::from_le_bytes(random)));
            let written = async {
                tokio::fs::write(&name, b"probe").await?;
                tokio::fs::remove_file(&name).await
            };
            written.await.map(|()| "can be written".into()).map_err(|error| {
                format!("the folder of the media cannot be written ({}): mend its owner or make room", error.kind())
            })
        }
    })
}

/// The keys open an account that they should open.
pub fn keys(connections: Arc<dyn ConnectionStore>, keys: Arc<KeyRing>) -> Check {
    Check::new("keys", MINUTE, move || {
        let (connections, keys) = (Arc::clone(&connections), Arc::clone(&keys));
        async move { opened(setup::check_keys(connections.as_ref(), &keys).await) }
    })
}

fn opened(opened: Result<(), Error>) -> Found {
    match opened {
        Ok(()) => Ok("open the accounts".into()),
        // Its own sentence names the accounts, which are nobody's business here.
        Err(_) => Err("the accounts cannot be opened: see the log, or \"autorepost doctor\"".into()),
    }
}
