//! Looking after one account.

use crate::{
    Error, ErrorKind, Result,
    connection::{Connection, ConnectionStatus},
    credential::{Access, Credential, binding},
    id::ConnectionId,
    job::refresh_key,
    operator::Operator,
    port::{EntropyExt, Identity},
};

impl Operator<'_> {
    /// The connection of an id.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) when there is none.
    pub async fn connection_by_id(&self, id: ConnectionId) -> Result<Connection> {
        let found = self.ports.connections.get(self.tenant, id).await?;
        found.ok_or_else(|| Error::not_found("find connection", format!("there is no connection {id}")))
    }

    /// Lets an account go: its credential is destroyed, and nothing is read from it or published to it any more. What a
    /// rule still sends there waits, until the account is connected again or the rule leads there no more. The row stays,
    /// for what was published by it.
    ///
    /// The platform is not told: its own page of connected apps withdraws the grant.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) when there is no such account.
    pub async fn disconnect(&self, id: ConnectionId) -> Result<Connection> {
        loop {
            let connection = self.connection_by_id(id).await?;
            let nonce = self.ports.entropy.bytes();
            let next = Connection {
                credential: Credential::Forgotten.seal(&self.ports.keys, &binding(&connection), nonce)?,
                scopes: Vec::new(),
                expires_at: None,
                status: ConnectionStatus::Revoked,
                status_detail: Some(format!("it was disconnected by {}", self.name)),
                ..connection
            };
            match self.ports.connections.update(&next, None, &[]).await {
                // Its credential was renewed in this moment; the word still stands.
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                other => return other,
            }
        }
    }

    /// Asks the platform whether it still knows the account's credential. Nothing is written.
    ///
    /// # Errors
    ///
    /// When the credential does not open, the platform refuses it, it belongs to another account, or there is no answer.
    pub async fn check(&self, connection: &Connection) -> Result<Identity> {
        let access = Access::open(connection, &self.ports.keys)?;
        let identity = self.ports.authorizer(connection.platform)?.verify(&access).await?;
        if identity.account != connection.account {
            let text = format!("the credential belongs to @{}: connect the account again", identity.handle);
            return Err(Error::new(ErrorKind::Unauthorized, "check account", text));
        }
        Ok(identity)
    }

    /// Makes the renewal of these connections' credentials due now. The jobs do it: only they may.
    pub async fn hasten_refresh(&self, connections: &[Connection]) -> Result<()> {
        let keys: Vec<_> = connections.iter().map(|one| refresh_key(one.id)).collect();
        self.ports.jobs.hasten(&keys).await?;
        self.ports.wake.wake();
        Ok(())
    }
}
