//! X's consent pages: OAuth 1.0a with three legs, and OAuth 2.0 with PKCE. Which of them there is, the configured app says.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Platform, Result,
    connection::{AccountId, AuthMethod},
    credential::{Access, Credential},
    port::{Authorizer, Consent, Exchanged, Grant, Identity, Invitation, LogIn},
    seal::Secret,
};
use url::form_urlencoded;

use super::{X, oauth1::Keys};
use crate::{
    app::{App, AppKeys, is_unknown_client},
    consent::{Owner, exchanged, page, refusal, s256, unregistered},
    http::Answer,
};

/// What posting, uploading and reading back need, and a refresh token (X API, OAuth 2.0 scopes).
const SCOPES: &[&str] = &["tweet.read", "tweet.write", "users.read", "media.write", "offline.access"];
const OWNER: Owner = Owner { platform: Platform::X, settings: "TWITTER_CLIENT_ID and TWITTER_CLIENT_SECRET" };

/// "Could not authenticate you" (X API, response codes).
const UNKNOWN_APP: i64 = 32;

struct OAuth1 {
    x: Arc<X>,
    app: App,
}

struct OAuth2 {
    x: Arc<X>,
    app: App,
}

impl X {
    /// What leads owners through X's pages: a way for each app that is configured.
    pub fn consents(self: &Arc<Self>) -> Vec<Arc<dyn Consent>> {
        let mut consents: Vec<Arc<dyn Consent>> = Vec::new();
        if let Some(app) = self.config.consumer.clone() {
            consents.push(Arc::new(OAuth1 { x: Arc::clone(self), app }));
        }
        if let Some(app) = self.config.client.clone() {
            consents.push(Arc::new(OAuth2 { x: Arc::clone(self), app }));
        }
        consents
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
        let request = self.http.client().post(format!("{}/2/oauth2/token", self.config.api_url));
        // A confidential client says who it is in the header.
        self.http.send(op, request.basic_auth(keys.id.expose(), Some(keys.secret.expose())).form(form)).await
    }

    /// Renews an OAuth 2.0 grant. Its refresh token works once: the answer brings the next one.
    pub(super) async fn renew(&self, refresh: &str) -> Result<Grant> {
        let op = "refresh token";
        let app = self.config.client.as_ref().ok_or_else(|| {
            let text = "X needs TWITTER_CLIENT_ID and TWITTER_CLIENT_SECRET to renew this account's tokens: set them";
            Error::new(ErrorKind::Configuration, op, text)
        })?;
        let answer = self.token(op, app, &[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await?;
        if answer.is_success() {
            let Exchanged { credential, expires_at, .. } = exchanged(op, &answer.json(op)?, self.clock.now())?;
            return match &credential {
                Credential::Bearer { refresh: Some(_), .. } => Ok(Grant { credential, expires_at }),
                _ => Err(Error::malformed(op, "X renewed the token, and gave no refresh token")),
            };
        }
        let body = answer.json_or_null();
        Err(match body["error"].as_str() {
            // What X says of a refresh token that was used or withdrawn.
            Some(code @ ("invalid_grant" | "invalid_request")) if answer.status.as_u16() == 400 => {
                let text = "the grant was withdrawn or has ended: connect the account again";
                Error::new(ErrorKind::Unauthorized, op, text).code(code)
            }
            Some(code @ ("invalid_client" | "unauthorized_client")) => {
                let text = format!("X does not know the app: check {}", OWNER.settings);
                Error::new(ErrorKind::Configuration, op, text).code(code)
            }
            _ => Error::unavailable(op, format!("X answered {}", answer.status.as_u16())),
        })
    }

    async fn identified(&self, method: AuthMethod, exchanged: Exchanged) -> Result<Vec<(Identity, Credential)>> {
        let Exchanged { credential, expires_at, .. } = exchanged;
        let nobody = AccountId::new("");
        let access = Access { account: nobody, handle: String::new(), method, credential: credential.clone() };
        let identity = self.verify(&access).await?;
        Ok(vec![(Identity { expires_at, ..identity }, credential)])
    }

    /// A signed request of the OAuth 1.0a dance, and the fields of its answer.
    async fn dance(
        &self,
        op: &'static str,
        path: &str,
        (app, token): (&App, [&str; 2]),
        form: &[(&str, &str)],
        redirect: &str,
    ) -> Result<BTreeMap<String, String>> {
        let url = self.url(op, path)?;
        let ask = |keys: &AppKeys| {
            let authorization = self.sign("POST", &url, form, &Keys::new(keys, token));
            let request = self.http.client().post(url.clone()).header("authorization", authorization).form(form);
            self.http.send(op, request)
        };
        let keys = app.keys().await?;
        let mut answer = ask(&keys).await?;
        if let Some(newer) = app.newer(&keys, answer.json_or_null()["errors"][0]["code"] == UNKNOWN_APP).await {
            answer = ask(&newer).await?;
        }
        if answer.is_success() {
            return Ok(form_urlencoded::parse(answer.text.as_bytes()).into_owned().collect());
        }
        let body = answer.json_or_null();
        let (status, code) = (answer.status.as_u16(), body["errors"][0]["code"].as_i64());
        let told = body["errors"][0]["message"].as_str().unwrap_or("no details");
        // Codes 32, 89, 135 and 415 (X API, response codes); the last is told as XML by some of its hosts.
        Err(match (status, code) {
            (403, _) if code == Some(415) || answer.text.contains("415") => {
                Error::new(ErrorKind::Configuration, op, unregistered("X", redirect)).code("415")
            }
            (_, Some(UNKNOWN_APP)) => {
                let text =
                    format!("X does not know the app ({told}): check TWITTER_CONSUMER_KEY and TWITTER_CONSUMER_SECRET");
                Error::new(ErrorKind::Configuration, op, text).code("32")
            }
            (_, Some(135)) => {
                Error::new(ErrorKind::Configuration, op, format!("X refuses the time ({told}): set the clock"))
                    .code("135")
            }
            (401, _) => {
                let text = format!("X does not take the answer ({told}): it was used, or is too old; begin again");
                Error::new(ErrorKind::Rejected, op, text).code("401")
            }
            _ => answer.status_error(op),
        })
    }
}

fn field(op: &'static str, fields: &BTreeMap<String, String>, name: &str) -> Result<String> {
    let found = fields.get(name).filter(|value| !value.is_empty()).cloned();
    found.ok_or_else(|| Error::malformed(op, format!("the answer has no {name}: X may have changed its API")))
}

#[async_trait]
impl Consent for OAuth1 {
    fn method(&self) -> AuthMethod {
        AuthMethod::XOauth1
    }

    /// None: what the app may do is set in X's developer console, before anybody allows it.
    fn scopes(&self) -> &'static [&'static str] {
        &[]
    }

    async fn begin(&self, proposed: LogIn) -> Result<Invitation> {
        let op = "ask for access";
        let form = [("oauth_callback", proposed.redirect.as_str())];
        let fields = self.x.dance(op, "/oauth/request_token", (&self.app, [""; 2]), &form, &proposed.redirect).await?;
        if fields.get("oauth_callback_confirmed").is_none_or(|confirmed| confirmed != "true") {
            return Err(Error::malformed(op, "X did not confirm the redirect"));
        }
        let token = field(op, &fields, "oauth_token")?;
        let page = page(op, &format!("{}/oauth/authorize", self.x.config.api_url), &[("oauth_token", &token)])?;
        // The token comes back with the answer, as a state does.
        let secret = Secret::new(field(op, &fields, "oauth_token_secret")?);
        Ok(Invitation { page, login: LogIn { redirect: proposed.redirect, state: Secret::new(token), secret } })
    }

    async fn exchange(&self, login: &LogIn, code: &Secret) -> Result<Exchanged> {
        let op = "exchange verifier";
        let token = [login.state.expose(), login.secret.expose()];
        let form = [("oauth_verifier", code.expose())];
        let fields = self.x.dance(op, "/oauth/access_token", (&self.app, token), &form, &login.redirect).await?;
        let (token, secret) = (field(op, &fields, "oauth_token")?, field(op, &fields, "oauth_token_secret")?);
        let credential = Credential::OAuth1 { token, secret };
        Ok(Exchanged { credential, scopes: Vec::new(), expires_at: None })
    }

    async fn accounts(&self, exchanged: Exchanged) -> Result<Vec<(Identity, Credential)>> {
        self.x.identified(AuthMethod::XOauth1, exchanged).await
    }
}

#[async_trait]
impl Consent for OAuth2 {
    fn method(&self) -> AuthMethod {
        AuthMethod::XOauth2
    }

    fn scopes(&self) -> &'static [&'static str] {
        SCOPES
    }

    async fn begin(&self, login: LogIn) -> Result<Invitation> {
        let keys = self.app.keys().await?;
        let parameters = [
            ("response_type", "code"),
            ("client_id", keys.id.expose()),
            ("redirect_uri", &login.redirect),
            ("scope", &SCOPES.join(" ")),
            ("state", login.state.expose()),
            ("code_challenge", &s256(&login.secret)),
            ("code_challenge_method", "S256"),
        ];
        let page = page("ask for access", &format!("{}/i/oauth2/authorize", self.x.config.page_url), &parameters)?;
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
        let answer = self.x.token(op, &self.app, &form).await?;
        match answer.is_success() {
            true => exchanged(op, &answer.json(op)?, self.x.clock.now()),
            false => Err(refusal(op, &OWNER, login, &answer)),
        }
    }

    async fn accounts(&self, exchanged: Exchanged) -> Result<Vec<(Identity, Credential)>> {
        self.x.identified(AuthMethod::XOauth2, exchanged).await
    }
}
