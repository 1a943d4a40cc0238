//! Looking after one account.

use crate::{
    Error, ErrorKind, Result, connection::Connection, credential::Access, id::ConnectionId, job::refresh_key,
    operator::Operator, port::Identity,
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
