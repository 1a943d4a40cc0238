//! Connecting accounts through the platforms' own pages.
//!
//! A log-in that was begun is kept in [`Scratch`](crate::port::Scratch), sealed, under the hash of its state. It is taken
//! away by the answer that comes first, so an answer counts once, whatever it says.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    Error, ErrorKind, Result,
    connection::{AuthMethod, Connection},
    credential::{Access, Credential},
    id::{ConnectionId, TenantId},
    operator::Operator,
    policy::after,
    port::{Answered, EntropyExt, Exchanged, Identity, LogIn, Ports, Returned, check_scopes},
    seal::{Binding, Purpose, SealedToken, Secret},
};

/// How long the owner has on the platform's page.
pub const LOGIN_MAX: Duration = Duration::from_secs(600);
const OP: &str = "connect account";

/// The way to a platform's page.
pub struct Asked {
    /// The page's address: for the account's owner, and for nobody else.
    pub page: Secret,
    /// When it is too late to come back.
    pub expires_at: DateTime<Utc>,
}

/// A log-in as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    tenant: TenantId,
    /// Who began it.
    by: String,
    method: AuthMethod,
    redirect: String,
    secret: String,
}

/// A log-in that came back: what is to be done with the owner's answer, and in whose name.
pub struct Comeback<'a> {
    operator: Operator<'a>,
    method: AuthMethod,
    login: LogIn,
    answer: Answered,
}

impl<'a> Operator<'a> {
    /// Begins to connect an account in this way, and answers with the platform's page. It sends its answer to `redirect`.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) when the app is not set up, or the platform does not know it.
    pub async fn ask_consent(&self, method: AuthMethod, redirect: &str) -> Result<Asked> {
        let ports = self.ports;
        let proposed = LogIn { redirect: redirect.into(), state: random(ports), secret: random(ports) };
        let invitation = ports.consent(method)?.begin(proposed).await?;
        let login = invitation.login;
        let kept = Kept {
            tenant: self.tenant,
            by: self.name.clone(),
            method,
            redirect: login.redirect,
            secret: login.secret.expose().into(),
        };
        let text = serde_json::to_string(&kept)
            .map_err(|source| Error::internal(OP, "the log-in has no JSON form").source(source))?;
        let (key, binding) = place(&login.state);
        let sealed = ports.keys.seal(ports.entropy.bytes(), &binding, &Secret::new(text))?;
        ports.scratch.put(&key, sealed.as_str().as_bytes(), LOGIN_MAX).await?;
        Ok(Asked { page: invitation.page, expires_at: after(ports.clock.now(), LOGIN_MAX) })
    }

    /// Takes up what came back to `redirect`. After this the same answer is worth nothing any more.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) when no such log-in waits: it was answered, it is too late, or it was never begun.
    pub async fn come_back(ports: &'a Ports, redirect: &str, returned: Returned) -> Result<Comeback<'a>> {
        let (key, binding) = place(&returned.state);
        let unknown = || {
            let text = "this log-in was answered already, or more than ten minutes ago, or the program was started anew \
                        since: begin again";
            Error::not_found(OP, text)
        };
        let bytes = ports.scratch.take(&key).await?.ok_or_else(unknown)?;
        let sealed: Option<SealedToken> = String::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
        let text = ports.keys.open(&binding, &sealed.ok_or_else(unknown)?).map_err(|_| unknown())?;
        // The parse error may quote the value, so it is not kept.
        let kept: Kept = serde_json::from_str(text.expose()).map_err(|_| unknown())?;
        if kept.redirect != redirect {
            let text = "the answer came to another address than it was asked to: begin again";
            return Err(Error::invalid(OP, text));
        }
        Ok(Comeback {
            operator: Self::new(ports, kept.tenant, kept.by),
            method: kept.method,
            login: LogIn { redirect: kept.redirect, state: returned.state, secret: Secret::new(kept.secret) },
            answer: returned.answer,
        })
    }

    /// Stores an account that its owner allowed access to. Google brings a refresh token with the first consent only: the
    /// stored one is kept then.
    async fn keep_granted(
        &self,
        method: AuthMethod,
        identity: Identity,
        credential: Credential,
        scopes: Vec<String>,
    ) -> Result<Connection> {
        let credential = match &credential {
            Credential::Bearer { access, refresh: None } if method.has_refresh_token() => {
                let refresh = self.known_refresh(method, &identity).await?.ok_or_else(|| {
                    let text = "the platform gave no refresh token, and none is known: withdraw this app's access in the \
                                settings of the account there, and begin again";
                    Error::new(ErrorKind::Forbidden, OP, text).code("no_refresh_token")
                })?;
                Credential::Bearer { access: access.clone(), refresh: Some(refresh) }
            }
            _ => credential,
        };
        self.keep(method, identity, credential, scopes).await
    }

    async fn known_refresh(&self, method: AuthMethod, identity: &Identity) -> Result<Option<String>> {
        let known = self.ports.connections.find(self.tenant, method.platform(), &identity.account).await?;
        let Some(known) = known.filter(|known| known.method == method) else { return Ok(None) };
        // One that does not open is as good as none.
        let known = Access::open(&known, &self.ports.keys);
        Ok(match known.as_ref().map(|access| &access.credential) {
            Ok(Credential::Bearer { refresh, .. }) => refresh.clone(),
            _ => None,
        })
    }
}

impl Comeback<'_> {
    /// Who began the log-in, and in which tenant.
    pub fn operator(&self) -> &Operator<'_> {
        &self.operator
    }

    /// How the account is connected.
    pub fn method(&self) -> AuthMethod {
        self.method
    }

    /// Connects the accounts that the owner allowed access to.
    ///
    /// # Errors
    ///
    /// [`Rejected`](ErrorKind::Rejected) when the owner refused, [`Forbidden`](ErrorKind::Forbidden) when a scope is missing;
    /// nothing is stored then.
    pub async fn connect(self) -> Result<Vec<Connection>> {
        let Self { operator, method, login, answer } = self;
        let title = method.platform().title();
        let consent = operator.ports.consent(method)?;
        let (code, issuer) = match answer {
            Answered::Allowed { code, issuer } => (code, issuer),
            Answered::Refused { error, .. } if error == "access_denied" => {
                let text = format!("access was refused on {title}'s page: nothing was connected");
                return Err(Error::new(ErrorKind::Rejected, OP, text).code(error));
            }
            Answered::Refused { error, detail } => {
                let (error, detail) = (printable(&error), printable(&detail));
                let text = format!("{title} could not ask for access ({error}): {detail}");
                return Err(Error::new(ErrorKind::Rejected, OP, text).code(error));
            }
        };
        if let (Some(said), Some(ours)) = (&issuer, consent.issuer())
            && said != ours
        {
            let text = format!("the answer is not {title}'s own: it names another issuer; begin again");
            return Err(Error::new(ErrorKind::Rejected, OP, text).code("issuer"));
        }
        let exchanged = consent.exchange(&login, &code).await?;
        check_scopes(method.platform(), consent.scopes(), &exchanged.scopes)?;
        let Exchanged { scopes, .. } = exchanged.clone();
        let mut connected = Vec::new();
        for (identity, credential) in consent.accounts(exchanged).await? {
            connected.push(operator.keep_granted(method, identity, credential, scopes.clone()).await?);
        }
        Ok(connected)
    }
}

/// 256 random bits as a text: a state that nobody guesses, and a verifier of 43 characters (RFC 7636, 4.1).
fn random(ports: &Ports) -> Secret {
    Secret::new(URL_SAFE_NO_PAD.encode(ports.entropy.bytes::<32>()))
}

/// Where a log-in is kept, and what it is bound to: the state itself is written down nowhere.
fn place(state: &Secret) -> (String, Binding) {
    let hash = Sha256::digest(state.expose().as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    let connection = ConnectionId::from_uuid(Uuid::from_bytes(id));
    let key = format!("consent:{}", URL_SAFE_NO_PAD.encode(hash));
    (key, Binding { tenant: TenantId::OWNER, connection, purpose: Purpose::Consent })
}

/// What a stranger may have written, fit to be shown: no control characters, and not long.
fn printable(text: &str) -> String {
    const CHARS_MAX: usize = 200;
    text.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect()
}
