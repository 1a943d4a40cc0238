//! A platform's consent page in memory. A code names the accounts that the owner chooses, with commas between.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;

use crate::{
    Error, ErrorKind, Result,
    connection::{AccountId, AuthMethod},
    credential::Credential,
    port::{Consent, Exchanged, Identity, Invitation, LogIn},
    seal::Secret,
};

use super::Yield;

/// The scopes that its accounts need.
const SCOPES: &[&str] = &["read", "publish"];

/// A page that allows what a test tells it to.
pub struct MemoryConsent {
    method: AuthMethod,
    page: Mutex<Page>,
}

struct Page {
    scopes: Vec<String>,
    refresh: Option<String>,
    used: BTreeSet<String>,
}

impl MemoryConsent {
    /// A page on which everything is allowed.
    pub fn new(method: AuthMethod) -> Self {
        let scopes = SCOPES.iter().map(|scope| (*scope).to_owned()).collect();
        let refresh = method.has_refresh_token().then(|| "refresh".to_owned());
        Self { method, page: Mutex::new(Page { scopes, refresh, used: BTreeSet::new() }) }
    }

    /// The owner allows these scopes only.
    pub fn allow(&self, scopes: &[&str]) {
        self.page().scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    }

    /// The platform gives this refresh token from now on, or none.
    pub fn set_refresh(&self, refresh: Option<&str>) {
        self.page().refresh = refresh.map(str::to_owned);
    }

    /// How many codes were exchanged.
    pub fn exchanged(&self) -> usize {
        self.page().used.len()
    }

    fn page(&self) -> std::sync::MutexGuard<'_, Page> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Consent for MemoryConsent {
    fn method(&self) -> AuthMethod {
        self.method
    }

    fn scopes(&self) -> &'static [&'static str] {
        SCOPES
    }

    fn issuer(&self) -> Option<&str> {
        Some("https://issuer.example")
    }

    async fn begin(&self, proposed: LogIn) -> Result<Invitation> {
        let page = format!("https://example.com/allow?state={}", proposed.state.expose());
        Ok(Invitation { page: Secret::new(page), login: proposed })
    }

    async fn exchange(&self, _: &LogIn, code: &Secret) -> Result<Exchanged> {
        Yield(false).await;
        let mut page = self.page();
        if !page.used.insert(code.expose().to_owned()) {
            return Err(Error::new(ErrorKind::Rejected, "exchange code", "the code was used before"));
        }
        let credential = Credential::Bearer { access: code.expose().into(), refresh: page.refresh.clone() };
        Ok(Exchanged { credential, scopes: page.scopes.clone(), expires_at: None })
    }

    async fn accounts(&self, exchanged: Exchanged) -> Result<Vec<(Identity, Credential)>> {
        Yield(false).await;
        let Credential::Bearer { access, .. } = &exchanged.credential else {
            return Err(Error::internal("read accounts", "the credential has another form"));
        };
        let names = access.split(',').filter(|name| !name.is_empty()).map(str::to_owned);
        let identity = |name: String| Identity {
            account: AccountId::new(name.clone()),
            handle: name,
            expires_at: exchanged.expires_at,
        };
        Ok(names.map(|name| (identity(name), exchanged.credential.clone())).collect())
    }
}
