//! Stopping and going on: brakes of everything, of a tenant and of one account; and keys that are changed while all runs.

use serde::Serialize;

use crate::{
    ErrorKind, Result,
    brake::{Brake, Scope},
    connection::Connection,
    credential::binding,
    operator::{Operator, one_line},
    port::EntropyExt,
    repost::publish_lane,
};

/// What came of sealing credentials anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resealed {
    /// Credentials and secrets of webhooks that the present key sealed now.
    pub resealed: usize,
    /// Those that it had sealed before.
    pub already: usize,
    /// What does not open, with the reason and the remedy.
    pub broken: Vec<String>,
}

impl Operator<'_> {
    /// Stops publishing. What a commit was stored for already may still go out; nothing after it.
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) when the reason is not one line: it is shown wherever something waits for it.
    pub async fn stop(&self, scope: Scope, reason: &str) -> Result<()> {
        one_line("stop publishing", "the reason", reason)?;
        let since = self.ports.clock.now();
        self.ports.brakes.engage(&Brake { scope, reason: reason.into(), by: self.name.clone(), since }).await
    }

    /// Lets publishing go on; `false` when it was not stopped. What waits looks again by itself within
    /// [`Policy::hold`](crate::policy::Policy::hold).
    pub async fn go_on(&self, scope: Scope) -> Result<bool> {
        self.ports.brakes.release(scope).await
    }

    /// The brakes that hold this tenant.
    pub async fn brakes(&self) -> Result<Vec<Brake>> {
        self.ports.brakes.holding(self.tenant).await
    }

    /// Holds an account or lets it go on: what is read from it, or published to it.
    pub async fn set_paused(&self, name: &str, paused: bool) -> Result<Connection> {
        loop {
            let connection = self.connection(name).await?;
            let detail = connection.status_detail.clone().filter(|_| !connection.status.is_usable());
            let resumed_at = if paused { connection.resumed_at } else { Some(self.ports.clock.now()) };
            let next = Connection { paused, resumed_at, status_detail: detail, ..connection };
            match self.ports.connections.update(&next, None, &[]).await {
                Ok(stored) => {
                    let lane = publish_lane(stored.tenant, stored.platform, &stored.account);
                    self.ports.jobs.hasten(&[lane, crate::job::sync_key(stored.id)]).await?;
                    self.ports.wake.wake();
                    return Ok(stored);
                }
                // Somebody else changed it meanwhile; the word still stands.
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Seals every credential, and every secret of a webhook, with the present key, row by row, while everything goes on. It can be stopped and repeated.
    pub async fn reseal(&self) -> Result<Resealed> {
        let mut result = Resealed { resealed: 0, already: 0, broken: Vec::new() };
        for listed in self.connections().await? {
            let mut connection = listed;
            loop {
                let nonce = self.ports.entropy.bytes();
                let sealed = match self.ports.keys.reseal(nonce, &binding(&connection), &connection.credential) {
                    Ok(Some(sealed)) => sealed,
                    Ok(None) => {
                        result.already += 1;
                        break;
                    }
                    Err(error) => {
                        result.broken.push(error.to_string());
                        break;
                    }
                };
                let next = Connection { credential: sealed, ..connection.clone() };
                match self.ports.connections.update(&next, None, &[]).await {
                    Ok(_) => {
                        result.resealed += 1;
                        break;
                    }
                    // It was renewed in this moment: what is there now is what counts.
                    Err(error) if error.kind() == ErrorKind::Conflict => {
                        match self.ports.connections.get(self.tenant, connection.id).await? {
                            Some(current) => connection = current,
                            None => break,
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        for webhook in self.webhooks().await? {
            match self.reseal_webhook(webhook.id).await {
                Ok(true) => result.resealed += 1,
                Ok(false) => result.already += 1,
                Err(error) if error.kind() == ErrorKind::Unsealable => result.broken.push(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        Ok(result)
    }
}
