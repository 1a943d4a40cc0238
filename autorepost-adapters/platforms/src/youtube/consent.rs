//! Google's consent page (OAuth 2.0 for web server applications; for a port of this machine: for desktop apps).

use std::sync::Arc;

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Platform, Result,
    connection::{AccountId, AuthMethod},
    credential::{Access, Credential},
    port::{Consent, Exchanged, Identity, Invitation, LogIn},
    seal::Secret,
};

use super::YouTube;
use crate::{
    consent::{Owner, exchanged, page, refusal, s256},
    http::string,
};

/// `youtube.upload` alone can neither tell the channel nor list its uploads.
const SCOPES: &[&str] =
    &["https://www.googleapis.com/auth/youtube.upload", "https://www.googleapis.com/auth/youtube.readonly"];
const OWNER: Owner = Owner { platform: Platform::YouTube, settings: "YOUTUBE_CLIENT_ID and YOUTUBE_CLIENT_SECRET" };

struct Google(Arc<YouTube>);

impl YouTube {
    /// What leads owners through Google's page.
    pub fn consent(self: &Arc<Self>) -> Arc<dyn Consent> {
        Arc::new(Google(Arc::clone(self)))
    }
}

#[async_trait]
impl Consent for Google {
    fn method(&self) -> AuthMethod {
        AuthMethod::Google
    }

    fn scopes(&self) -> &'static [&'static str] {
        SCOPES
    }

    fn issuer(&self) -> Option<&str> {
        Some("https://accounts.google.com")
    }

    async fn begin(&self, login: LogIn) -> Result<Invitation> {
        let config = &self.0.config;
        let keys = config.client.keys().await?;
        let parameters = [
            ("client_id", keys.id.expose()),
            ("redirect_uri", &login.redirect),
            ("response_type", "code"),
            ("scope", &SCOPES.join(" ")),
            ("state", login.state.expose()),
            // A refresh token comes with the first consent only, or with one that is asked for.
            ("access_type", "offline"),
            ("prompt", "consent"),
            ("code_challenge", &s256(&login.secret)),
            ("code_challenge_method", "S256"),
        ];
        let page = page("ask for access", &format!("{}/o/oauth2/v2/auth", config.accounts_url), &parameters)?;
        Ok(Invitation { page, login })
    }

    async fn exchange(&self, login: &LogIn, code: &Secret) -> Result<Exchanged> {
        let op = "exchange code";
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", &login.redirect),
            ("code_verifier", login.secret.expose()),
        ];
        let answer = self.0.token(op, &form).await?;
        match answer.is_success() {
            true => exchanged(op, &answer.json(op)?, self.0.clock.now()),
            false => Err(refusal(op, &OWNER, login, &answer)),
        }
    }

    /// One channel: the owner chooses it on Google's page, and its token acts for it alone.
    async fn accounts(&self, exchanged: Exchanged) -> Result<Vec<(Identity, Credential)>> {
        let op = "read channels";
        let Exchanged { credential, expires_at, .. } = exchanged;
        let access = Access {
            account: AccountId::new(""),
            handle: String::new(),
            method: AuthMethod::Google,
            credential: credential.clone(),
        };
        let body = self.0.read(op, &access, "channels?part=id,snippet&mine=true").await?;
        let channels = body["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        match channels {
            [channel] => {
                let account = AccountId::new(string(channel, "/id", op)?);
                let handle = string(channel, "/snippet/title", op)?;
                Ok(vec![(Identity { account, handle, expires_at }, credential)])
            }
            [] => {
                let text = "this Google account has no YouTube channel: make one, and connect it again";
                Err(Error::new(ErrorKind::Forbidden, op, text))
            }
            // One token would stand for several channels, and nobody could say to which of them it publishes.
            _ => {
                let text = "Google names several channels for this login: choose one of them on Google's page";
                Err(Error::new(ErrorKind::Forbidden, op, text))
            }
        }
    }
}
