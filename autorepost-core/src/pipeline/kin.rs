//! One creator who is connected in two ways: by a session, which lists and fetches posts, and by a log-in whose API only
//! lists them. The platform tells an app another id of the account than the session's, so nothing but a post that both show
//! proves that they are one.
//!
//! That a post is admitted once does not rest on this: the store admits a post's id once in a tenant, whoever lists it
//! ([`PostStore::admit`](crate::port::PostStore::admit)). This is about whose rules take it, and who fetches it.

use std::time::Duration;

use crate::{
    Result,
    connection::{Connection, ConnectionStatus},
    job::{Job, sync_key},
    policy::before,
    post::{FoundPost, Post},
    worker::Worker,
};

/// Posts of one look that are looked for among those of the other connections.
const PROOFS_MAX: usize = 100;

/// A list shows a post within this time, for sure enough.
const SHOWN_AFTER: Duration = Duration::from_secs(3600);

/// In whose name a connection lists posts.
pub(super) enum Stand {
    /// Its own.
    Own,
    /// That of a session of the same creator.
    For(Box<Connection>),
    /// It is not known whether a session is the same creator's, so it lists in nobody's name.
    Untold,
}

/// Why nothing is taken from a log-in yet.
pub(super) const UNTOLD: &str = "nothing is taken from it yet: a session is connected, too, and only a new post can tell \
    whether they are the same creator's";

impl Worker {
    /// In whose name a connection lists posts.
    pub(super) async fn stand(&self, connection: &Connection) -> Result<Stand> {
        if connection.method.can_fetch() {
            return Ok(Stand::Own);
        }
        if let Some(id) = connection.lists_for
            && let Some(session) = self.ports.connections.get(connection.tenant, id).await?
        {
            return Ok(Stand::For(Box::new(session)));
        }
        // A session that was let go of lists nothing that could be taken from it.
        let lists = |other: &Connection| other.status != ConnectionStatus::Revoked;
        Ok(if self.others(connection).await?.iter().any(lists) { Stand::Untold } else { Stand::Own })
    }

    /// Whether these posts of a log-in prove that it is another creator's than every session: each session was read to its end
    /// long after one of them was made, and knows none of them. If a list was wrong for as long, a later one proves the contrary.
    pub(super) async fn is_apart(&self, login: &Connection, found: &[FoundPost]) -> Result<bool> {
        for session in self.others(login).await? {
            let cursor = self.ports.posts.cursor(session.tenant, session.id).await?;
            let Some(read_at) = cursor.last_ok_at.filter(|_| cursor.resume.is_none()) else { return Ok(false) };
            let read = session.created_at..before(read_at, SHOWN_AFTER);
            let passed = found.iter().filter(|post| read.contains(&post.posted_at)).map(|post| post.key.clone());
            let passed: Vec<String> = passed.collect();
            let known = self.ports.posts.known(session.tenant, &session.account, &passed).await?;
            if passed.is_empty() || !known.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The tenant's connections of the platform that may be the same creator's: sessions for a log-in, and the other way
    /// round.
    async fn others(&self, connection: &Connection) -> Result<Vec<Connection>> {
        let mut others = self.ports.connections.list(Some(connection.tenant)).await?;
        others.retain(|other| {
            other.platform == connection.platform && other.method.can_fetch() != connection.method.can_fetch()
        });
        Ok(others)
    }

    /// Those of the newest of these posts that were admitted for another account: it is the same creator's.
    pub(super) async fn admitted_elsewhere(&self, connection: &Connection, found: &[FoundPost]) -> Result<Vec<Post>> {
        if self.others(connection).await?.is_empty() {
            return Ok(Vec::new());
        }
        let mut newest: Vec<&FoundPost> = found.iter().collect();
        newest.sort_by_key(|post| std::cmp::Reverse(post.posted_at));
        let mut elsewhere = Vec::new();
        for post in newest.into_iter().take(PROOFS_MAX) {
            let mut same = self.ports.posts.find(connection.tenant, &post.key).await?;
            same.retain(|post| post.account != connection.account);
            elsewhere.extend(same);
        }
        Ok(elsewhere)
    }

    /// Writes down, where these posts prove it, that a log-in and a session are one creator's: whichever of the two saw the
    /// posts of the other. Answers with the session that `connection` lists for from now on, if it is a log-in.
    pub(super) async fn join(
        &self,
        job: &Job,
        connection: &Connection,
        elsewhere: &[Post],
    ) -> Result<Option<Connection>> {
        if elsewhere.is_empty() {
            return Ok(None);
        }
        let others = self.others(connection).await?;
        let owner = |post: &Post| others.iter().find(|other| other.account == post.account);
        let Some(other) = elsewhere.iter().find_map(owner) else { return Ok(None) };
        let (login, session) = match connection.method.can_fetch() {
            true => (other, connection),
            false => (connection, other),
        };
        if login.lists_for != Some(session.id) {
            let next = Connection { lists_for: Some(session.id), ..login.clone() };
            self.store_connection(job, login, &next).await?;
        }
        Ok((!connection.method.can_fetch()).then(|| other.clone()))
    }

    /// Takes in what a log-in saw for a session. The session itself reads more of a post than the API tells, so while it works it
    /// is only made due. Answers whether the log-in takes the posts itself.
    pub(super) async fn takes_for(&self, session: &Connection, found: &[FoundPost]) -> Result<bool> {
        if session.paused {
            return Ok(false);
        }
        if !matches!(session.status, ConnectionStatus::Active | ConnectionStatus::Expiring) {
            return Ok(true);
        }
        let keys: Vec<String> = found.iter().map(|post| post.key.clone()).collect();
        let known = self.ports.posts.known(session.tenant, &session.account, &keys).await?;
        if known.len() < keys.len() {
            self.ports.jobs.hasten(&[sync_key(session.id)]).await?;
            self.ports.wake.wake();
        }
        Ok(false)
    }
}
