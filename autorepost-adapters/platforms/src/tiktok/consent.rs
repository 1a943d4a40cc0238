//! TikTok's consent page: Login Kit, for an address on the web, and for a port of this machine.

use std::sync::Arc;

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Platform, Result,
    connection::{AccountId, AuthMethod},
    credential::{Access, Credential},
    port::{Consent, Exchanged, Grant, Identity, Invitation, LogIn},
    seal::Secret,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{TikTok, display, errors};
use crate::{
    app::{App, AppKeys, is_unknown_client},
    consent::{Owner, exchanged, page, refusal},
    http::{Answer, string},
};

const SCOPES: &[&str] = &["user.info.basic", "video.list"];
const OWNER: Owner = Owner { platform: Platform::TikTok, settings: "TIKTOK_CLIENT_KEY and TIKTOK_CLIENT_SECRET" };

struct LoginKit {
    client: Arc<TikTok>,
    app: App,
}

impl TikTok {
    /// What leads owners through TikTok's page, if an app is configured.
    pub fn consent(self: &Arc<Self>) -> Option<Arc<dyn Consent>> {
        let app = self.config.app.clone()?;
        Some(Arc::new(LoginKit { client: Arc::clone(self), app }))
    }

    async fn token(&self, op: &'static str, app: &App, form: &[(&str, &str)]) -> Result<Answer> {
        let keys = app.keys().await?;
        let answer = self.ask_token(op, &keys, form).await?;
        match app.newer(&keys, is_unknown_client(&answer)).await {
            Some(newer) => self.ask_token(op, &newer, form).await,
            None => Ok(answer),
        }
    }

    async fn ask_token(&self, op: &'static str, keys: &AppKeys, form: &[(&str, &str)]) -> Result<Answer> {
        let own = [("client_key", keys.id.expose()), ("client_secret", keys.secret.expose())];
        let form: Vec<_> = own.iter().chain(form).collect();
        let request = self.http.client().post(format!("{}/v2/oauth/token/", self.config.api_url));
        self.http.send(op, request.form(&form)).await
    }

    /// Whose grant of Login Kit it is.
    pub(super) async fn login_identity(&self, access: &Access) -> Result<Identity> {
        let op = "verify account";
        let token = display::token(op, access)?;
        let url = format!("{}/v2/user/info/?fields=open_id,display_name", self.config.api_url);
        let answer = self.http.send(op, self.http.client().get(url).bearer_auth(token)).await?;
        let body = answer.json_or_null();
        if body["error"]["code"] != "ok" {
            return Err(errors::refusal(op, &answer, self.clock.now()));
        }
        Ok(Identity {
            account: AccountId::new(string(&body, "/data/user/open_id", op)?),
            handle: string(&body, "/data/user/display_name", op)?,
            expires_at: None,
        })
    }

    /// Renews a grant of Login Kit. The refresh token may change with it.
    pub(super) async fn renew(&self, refresh: &str) -> Result<Grant> {
        let op = "refresh token";
        let app = self.config.app.as_ref().ok_or_else(|| {
            let text =
                "TikTok needs TIKTOK_CLIENT_KEY and TIKTOK_CLIENT_SECRET to renew this account's tokens: set them";
            Error::new(ErrorKind::Configuration, op, text)
        })?;
        let answer = self.token(op, app, &[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await?;
        let body = answer.json_or_null();
        match body["error"].as_str() {
            Some(code @ "invalid_grant") => {
                let text = "the grant was withdrawn or has ended: connect the account again";
                Err(Error::new(ErrorKind::Unauthorized, op, text).code(code))
            }
            Some(code @ ("invalid_client" | "unauthorized_client")) => {
                let text = format!("TikTok does not know the app: check {}", OWNER.settings);
                Err(Error::new(ErrorKind::Configuration, op, text).code(code))
            }
            None if answer.is_success() => {
                let Exchanged { credential, expires_at, .. } = exchanged(op, &body, self.clock.now())?;
                match &credential {
                    Credential::Bearer { refresh: Some(_), .. } => Ok(Grant { credential, expires_at }),
                    _ => Err(Error::malformed(op, "TikTok renewed the token, and gave no refresh token")),
                }
            }
            _ => Err(Error::unavailable(op, format!("TikTok answered {}", answer.status.as_u16()))),
        }
    }
}

/// Whether the redirect is a port of this machine: then the app is a desktop app to TikTok, and PKCE is asked for.
fn is_desktop(redirect: &str) -> bool {
    ["http://127.0.0.1:", "http://localhost:"].iter().any(|start| redirect.starts_with(start))
}

/// TikTok's challenge has hexadecimal digits where RFC 7636 has base64url (Login Kit for desktop).
fn challenge(verifier: &Secret) -> String {
    Sha256::digest(verifier.expose().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[async_trait]
impl Consent for LoginKit {
    fn method(&self) -> AuthMethod {
        AuthMethod::TiktokLogin
    }

    fn scopes(&self) -> &'static [&'static str] {
        SCOPES
    }

    async fn begin(&self, login: LogIn) -> Result<Invitation> {
        let keys = self.app.keys().await?;
        let (scopes, challenge) = (SCOPES.join(","), challenge(&login.secret));
        let mut parameters = vec![
            ("client_key", keys.id.expose()),
            ("scope", &scopes),
            ("response_type", "code"),
            ("redirect_uri", &login.redirect),
            ("state", login.state.expose()),
        ];
        if is_desktop(&login.redirect) {
            parameters.extend([("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")]);
        }
        let base = format!("{}/v2/auth/authorize/", self.client.config.page_url);
        Ok(Invitation { page: page("ask for access", &base, &parameters)?, login })
    }

    async fn exchange(&self, login: &LogIn, code: &Secret) -> Result<Exchanged> {
        let op = "exchange code";
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", login.redirect.as_str()),
        ];
        if is_desktop(&login.redirect) {
            form.push(("code_verifier", login.secret.expose()));
        }
        let answer = self.client.token(op, &self.app, &form).await?;
        // Some of its refusals have the status of a success.
        match answer.json_or_null()["error"] {
            Value::Null if answer.is_success() => exchanged(op, &answer.json(op)?, self.client.clock.now()),
            _ => Err(refusal(op, &OWNER, login, &answer)),
        }
    }

    async fn accounts(&self, exchanged: Exchanged) -> Result<Vec<(Identity, Credential)>> {
        let Exchanged { credential, expires_at, .. } = exchanged;
        let access = Access {
            account: AccountId::new(""),
            handle: String::new(),
            method: AuthMethod::TiktokLogin,
            credential: credential.clone(),
        };
        let identity = self.client.login_identity(&access).await?;
        Ok(vec![(Identity { expires_at, ..identity }, credential)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_of_a_desktop_app_has_hexadecimal_digits() {
        let wanted = "88d4266fd4e6338d13b845fcf289579d209c897823b9217da3e161936f031589";
        assert_eq!(challenge(&Secret::new("abcd")), wanted);
    }
}
