//! Meta's consent pages: Instagram's own (business login), and Facebook's.

use std::sync::Arc;

use async_trait::async_trait;
use autorepost_core::{
    Error, ErrorKind, Platform, Result,
    connection::{AccountId, AuthMethod},
    credential::{Access, Credential},
    port::{Authorizer, Consent, Exchanged, Identity, Invitation, LogIn},
    seal::Secret,
};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::RequestBuilder;
use serde_json::Value;

use super::{Instagram, errors};
use crate::{
    app::{App, AppKeys},
    consent::{page, unregistered},
    http::{Answer, string},
};

const INSTAGRAM_SCOPES: &[&str] = &["instagram_business_basic", "instagram_business_content_publish"];
const FACEBOOK_SCOPES: &[&str] =
    &["instagram_basic", "instagram_content_publish", "pages_read_engagement", "pages_show_list"];
/// Facebook Pages that one answer lists, and answers that are read at most.
const PAGE_SIZE: &str = "100";
const LISTS_MAX: usize = 10;

struct InstagramLogin {
    client: Arc<Instagram>,
    app: App,
}

struct FacebookLogin {
    client: Arc<Instagram>,
    app: App,
}

impl Instagram {
    /// What leads owners through Meta's pages: a way for each app that is configured.
    pub fn consents(self: &Arc<Self>) -> Vec<Arc<dyn Consent>> {
        let mut consents: Vec<Arc<dyn Consent>> = Vec::new();
        if let Some(app) = self.config.instagram_app.clone() {
            consents.push(Arc::new(InstagramLogin { client: Arc::clone(self), app }));
        }
        if let Some(app) = self.config.facebook_app.clone() {
            consents.push(Arc::new(FacebookLogin { client: Arc::clone(self), app }));
        }
        consents
    }

    fn ends(&self, body: &Value) -> Option<DateTime<Utc>> {
        let life = body["expires_in"].as_i64().and_then(TimeDelta::try_seconds)?;
        self.clock.now().checked_add_signed(life)
    }

    fn as_bearer(request: RequestBuilder, exchanged: &Exchanged) -> Result<RequestBuilder> {
        match &exchanged.credential {
            Credential::Bearer { access, .. } => Ok(request.bearer_auth(access)),
            _ => Err(Error::internal("read accounts", "the credential has another form")),
        }
    }
}

#[async_trait]
impl Consent for InstagramLogin {
    fn method(&self) -> AuthMethod {
        AuthMethod::InstagramLogin
    }

    fn scopes(&self) -> &'static [&'static str] {
        INSTAGRAM_SCOPES
    }

    async fn begin(&self, login: LogIn) -> Result<Invitation> {
        let keys = self.app.keys().await?;
        let parameters = [
            ("client_id", keys.id.expose()),
            ("redirect_uri", &login.redirect),
            ("response_type", "code"),
            ("scope", &INSTAGRAM_SCOPES.join(",")),
            ("state", login.state.expose()),
        ];
        let base = format!("{}/oauth/authorize", self.client.config.instagram_page_url);
        Ok(Invitation { page: page("ask for access", &base, &parameters)?, login })
    }

    /// The code gives a token of an hour, and that one of sixty days (Instagram API with Instagram Login: business login).
    async fn exchange(&self, login: &LogIn, code: &Secret) -> Result<Exchanged> {
        let op = "exchange code";
        let (config, http) = (&self.client.config, &self.client.http);
        // Instagram appends these two characters, and they are no part of the code.
        let code = code.expose().trim_end_matches("#_");
        let url = format!("{}/oauth/access_token", config.instagram_token_url);
        let ask = |keys: &AppKeys| {
            let form = [
                ("client_id", keys.id.expose()),
                ("client_secret", keys.secret.expose()),
                ("grant_type", "authorization_code"),
                ("redirect_uri", &login.redirect),
                ("code", code),
            ];
            http.send(op, http.client().post(&url).form(&form))
        };
        let mut keys = self.app.keys().await?;
        let mut answer = ask(&keys).await?;
        if let Some(newer) = self.app.newer(&keys, is_unknown_app(&told(&answer, "/error_message"))).await {
            answer = ask(&newer).await?;
            keys = newer;
        }
        if !answer.is_success() {
            return Err(refusal(op, login, &answer, self.client.clock.now()));
        }
        let body = answer.json(op)?;
        let short = unwrapped(&body);
        let scopes = match &short["permissions"] {
            Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Value::String(text) => text.split(',').map(|scope| scope.trim().to_owned()).collect(),
            _ => Vec::new(),
        };
        let short = string(short, "/access_token", op)?;
        let op = "exchange token";
        let query =
            [("grant_type", "ig_exchange_token"), ("client_secret", keys.secret.expose()), ("access_token", &short)];
        let url = format!("{}/access_token", config.instagram_url);
        let body = self.client.call(op, http.client().get(url).query(&query)).await?;
        let access = string(&body, "/access_token", op)?;
        let credential = Credential::Bearer { access, refresh: None };
        Ok(Exchanged { credential, scopes, expires_at: self.client.ends(&body) })
    }

    async fn accounts(&self, exchanged: Exchanged) -> Result<Vec<(Identity, Credential)>> {
        let Exchanged { credential, expires_at, .. } = exchanged;
        let access = Access {
            account: AccountId::new(""),
            handle: String::new(),
            method: AuthMethod::InstagramLogin,
            credential: credential.clone(),
        };
        let identity = self.client.verify(&access).await?;
        Ok(vec![(Identity { expires_at, ..identity }, credential)])
    }
}

/// What an answer says, in lower case.
fn told(answer: &Answer, pointer: &str) -> String {
    answer.json_or_null().pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase()
}

/// Whether these are the words for an app that is not known, or whose secret is wrong.
fn is_unknown_app(words: &str) -> bool {
    !words.contains("redirect") && ["client", "platform app", "application"].iter().any(|word| words.contains(word))
}

/// Meta's page prints some answers within a list called `data`; they are sent without it.
pub(super) fn unwrapped(body: &Value) -> &Value {
    body["data"].get(0).unwrap_or(body)
}

/// Why Instagram gives no token: its token endpoint has a form of its own.
fn refusal(op: &'static str, login: &LogIn, answer: &Answer, now: DateTime<Utc>) -> Error {
    let body = answer.json_or_null();
    let Some(told) = body["error_message"].as_str() else { return errors::refusal(op, answer, now) };
    let words = told.to_ascii_lowercase();
    let (kind, text) = if words.contains("redirect") {
        (ErrorKind::Configuration, format!("{} ({told})", unregistered("Instagram", &login.redirect)))
    } else if is_unknown_app(&words) {
        let text = "Instagram does not know the app: check INSTAGRAM_APP_ID and INSTAGRAM_APP_SECRET";
        (ErrorKind::Configuration, format!("{text} ({told})"))
    } else {
        (ErrorKind::Rejected, format!("Instagram does not take the code ({told}): begin again"))
    };
    Error::new(kind, op, text).code(body["error_type"].as_str().unwrap_or("OAuthException"))
}

#[async_trait]
impl Consent for FacebookLogin {
    fn method(&self) -> AuthMethod {
        AuthMethod::FacebookLogin
    }

    fn scopes(&self) -> &'static [&'static str] {
        FACEBOOK_SCOPES
    }

    async fn begin(&self, login: LogIn) -> Result<Invitation> {
        let keys = self.app.keys().await?;
        let config = &self.client.config;
        let parameters = [
            ("client_id", keys.id.expose()),
            ("redirect_uri", &login.redirect),
            ("state", login.state.expose()),
            ("scope", &FACEBOOK_SCOPES.join(",")),
            ("response_type", "code"),
        ];
        let base = format!("{}/{}/dialog/oauth", config.facebook_page_url, config.version);
        Ok(Invitation { page: page("ask for access", &base, &parameters)?, login })
    }

    /// The code gives a token of hours, and that one of sixty days, whose Page tokens do not end (Facebook Login: access
    /// tokens).
    async fn exchange(&self, login: &LogIn, code: &Secret) -> Result<Exchanged> {
        let (client, http) = (&self.client, &self.client.http);
        let url = |path: &str| format!("{}/{}/{path}", client.config.facebook_url, client.config.version);
        let op = "exchange code";
        let ask = |keys: &AppKeys| {
            let query = [
                ("client_id", keys.id.expose()),
                ("redirect_uri", &login.redirect),
                ("client_secret", keys.secret.expose()),
                ("code", code.expose().trim_end_matches("#_")),
            ];
            http.send(op, http.client().get(url("oauth/access_token")).query(&query))
        };
        let mut keys = self.app.keys().await?;
        let mut answer = ask(&keys).await?;
        if let Some(newer) = self.app.newer(&keys, is_unknown_app(&told(&answer, "/error/message"))).await {
            answer = ask(&newer).await?;
            keys = newer;
        }
        if !answer.is_success() {
            return Err(dialog_refusal(op, login, &answer, self.client.clock.now()));
        }
        let short = string(&answer.json(op)?, "/access_token", op)?;
        let op = "exchange token";
        let query = [
            ("grant_type", "fb_exchange_token"),
            ("client_id", keys.id.expose()),
            ("client_secret", keys.secret.expose()),
            ("fb_exchange_token", &short),
        ];
        let body = client.call(op, http.client().get(url("oauth/access_token")).query(&query)).await?;
        let access = string(&body, "/access_token", op)?;
        let op = "read permissions";
        let body = client.call(op, http.client().get(url("me/permissions")).bearer_auth(&access)).await?;
        let rows = body["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        let granted = rows.iter().filter(|row| row["status"] == "granted").filter_map(|row| row["permission"].as_str());
        let scopes = granted.map(str::to_owned).collect();
        // What is kept are the Page tokens, and these do not end.
        Ok(Exchanged { credential: Credential::Bearer { access, refresh: None }, scopes, expires_at: None })
    }

    /// The Instagram accounts of the Pages that the owner chose, each with the token of its Page.
    async fn accounts(&self, exchanged: Exchanged) -> Result<Vec<(Identity, Credential)>> {
        let op = "read pages";
        let client = &self.client;
        let url = format!("{}/{}/me/accounts", client.config.facebook_url, client.config.version);
        let fields = ("fields", "id,name,access_token,instagram_business_account{id,username}");
        let (mut found, mut after) = (Vec::new(), None::<String>);
        for _ in 0..LISTS_MAX {
            let request = client.http.client().get(&url).query(&[fields, ("limit", PAGE_SIZE)]);
            let request = Instagram::as_bearer(request, &exchanged)?;
            let body =
                client.call(op, request.query(&after.iter().map(|at| ("after", at)).collect::<Vec<_>>())).await?;
            for page in body["data"].as_array().into_iter().flatten() {
                let account = &page["instagram_business_account"];
                if account.is_null() {
                    continue;
                }
                let identity = Identity {
                    account: AccountId::new(string(account, "/id", op)?),
                    handle: string(account, "/username", op)?,
                    expires_at: exchanged.expires_at,
                };
                let access = string(page, "/access_token", op)?;
                found.push((identity, Credential::Bearer { access, refresh: None }));
            }
            after = body.pointer("/paging/cursors/after").and_then(Value::as_str).map(str::to_owned);
            if after.is_none() || body["paging"]["next"].is_null() {
                break;
            }
        }
        if found.is_empty() {
            let text = "no Facebook Page that was chosen has an Instagram professional account: link one to a Page, and \
                        choose that Page";
            return Err(Error::new(ErrorKind::Forbidden, op, text));
        }
        Ok(found)
    }
}

/// Why Facebook gives no token: Graph codes 100 (a used code, a wrong redirect) and 1 or 101 (the app).
fn dialog_refusal(op: &'static str, login: &LogIn, answer: &Answer, now: DateTime<Utc>) -> Error {
    let body = answer.json_or_null();
    let Some(told) = body["error"]["message"].as_str() else { return answer.status_error(op) };
    let words = told.to_ascii_lowercase();
    let (kind, text) = if words.contains("redirect") {
        (ErrorKind::Configuration, format!("{} ({told})", unregistered(Platform::Instagram.title(), &login.redirect)))
    } else if is_unknown_app(&words) {
        let text = "Facebook does not know the app: check FACEBOOK_APP_ID and FACEBOOK_APP_SECRET";
        (ErrorKind::Configuration, format!("{text} ({told})"))
    } else if body["error"]["code"] == 100 {
        (ErrorKind::Rejected, format!("Facebook does not take the code ({told}): begin again"))
    } else {
        return errors::refusal(op, answer, now);
    };
    Error::new(kind, op, text).code(body["error"]["code"].to_string())
}
