//! Consent: an account's owner allows access on the platform's own pages, in a browser.

use std::fmt;

use async_trait::async_trait;

use crate::{
    Error, ErrorKind, Result, connection::AuthMethod, credential::Credential, platform::Platform, port::Identity,
    seal::Secret,
};

/// Longest parameter that a platform may bring back, in bytes: codes have some hundred.
pub const RETURNED_BYTES_MAX: usize = 4096;

/// What belongs to one log-in, from the way to the platform's page to the way back.
#[derive(Clone)]
pub struct LogIn {
    /// Where the platform sends the browser back to: the same text in every step.
    pub redirect: String,
    /// What the platform brings back unchanged, so that an answer is known to belong to this log-in.
    pub state: Secret,
    /// What only we know of it: the verifier of PKCE (RFC 7636), or the secret of an OAuth 1.0a request token.
    pub secret: Secret,
}

/// A log-in that was begun.
pub struct Invitation {
    /// The address of the platform's page. It holds the state: whoever has it can answer in the owner's place.
    pub page: Secret,
    /// The log-in. OAuth 1.0a has a state and a secret of its own, which replace those that were proposed.
    pub login: LogIn,
}

/// What the platform gave in exchange for a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchanged {
    /// The credential.
    pub credential: Credential,
    /// The scopes that the owner allowed; empty where the platform has none.
    pub scopes: Vec<String>,
    /// When it ends, if the platform says so.
    pub expires_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// Leads an account's owner through the platform's own pages. A method has one.
#[async_trait]
pub trait Consent: Send + Sync {
    /// How accounts are connected by it.
    fn method(&self) -> AuthMethod;

    /// The scopes without which nothing can be published, or read.
    fn scopes(&self) -> &'static [&'static str];

    /// The issuer that the platform names in its answers (RFC 9207), if it names one.
    fn issuer(&self) -> Option<&str> {
        None
    }

    /// Makes the address of the page on which the owner allows access. `proposed` has a fresh state and verifier.
    async fn begin(&self, proposed: LogIn) -> Result<Invitation>;

    /// Gives the code that came back for a credential: once, for it works once.
    /// [`Rejected`](ErrorKind::Rejected) when the platform does not know the code (any more), and
    /// [`Configuration`](ErrorKind::Configuration) when it does not know our app.
    async fn exchange(&self, login: &LogIn, code: &Secret) -> Result<Exchanged>;

    /// The accounts that the owner allowed access to, each with its credential: never none.
    async fn accounts(&self, exchanged: Exchanged) -> Result<Vec<(Identity, Credential)>>;
}

/// What a platform's page brought back to the address of the redirect.
pub struct Returned {
    /// The log-in to which it belongs.
    pub state: Secret,
    /// What the owner said.
    pub answer: Answered,
}

/// What an owner said on the platform's page.
pub enum Answered {
    /// Access is allowed.
    Allowed {
        /// The code that is exchanged for a credential; of OAuth 1.0a the verifier.
        code: Secret,
        /// Who says so, if the platform names itself (RFC 9207).
        issuer: Option<String>,
    },
    /// It is not, or the platform could not ask.
    Refused {
        /// The platform's word, such as `access_denied`.
        error: String,
        /// Its explanation.
        detail: String,
    },
}

impl fmt::Debug for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.answer {
            Answered::Allowed { .. } => "Returned(allowed)",
            Answered::Refused { .. } => "Returned(refused)",
        })
    }
}

impl Returned {
    /// Reads the parameters of the redirect (RFC 6749, 4.1.2; RFC 5849, 2.2; `denied` is X's own word).
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid), saying what is missing, doubled or too long. No value is quoted.
    pub fn read(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        const NAMES: [&str; 9] = [
            "state",
            "oauth_token",
            "denied",
            "code",
            "oauth_verifier",
            "error",
            "error_description",
            "error_reason",
            "iss",
        ];
        let mut found: [Option<String>; NAMES.len()] = Default::default();
        for (name, value) in pairs {
            let Some(index) = NAMES.iter().position(|known| *known == name) else { continue };
            if value.len() > RETURNED_BYTES_MAX {
                return Err(unreadable(format!("{name} is longer than {RETURNED_BYTES_MAX} bytes")));
            }
            if found[index].replace(value).is_some() {
                return Err(unreadable(format!("{name} is there twice")));
            }
        }
        let [state, token, denied, code, verifier, error, description, reason, issuer] =
            found.map(|value| value.filter(|value| !value.is_empty()));
        let missing = "it does not say to which log-in it belongs (state)";
        let answer = match (code.or(verifier), error, &denied) {
            (_, Some(error), _) => Answered::Refused { error, detail: description.or(reason).unwrap_or_default() },
            (_, None, Some(_)) => Answered::Refused { error: "access_denied".into(), detail: String::new() },
            (Some(code), None, None) => Answered::Allowed { code: Secret::new(code), issuer },
            (None, None, None) => return Err(unreadable("it has no code".into())),
        };
        let state = state.or(token).or(denied).ok_or_else(|| unreadable(missing.into()))?;
        Ok(Self { state: Secret::new(state), answer })
    }
}

fn unreadable(text: String) -> Error {
    Error::invalid("read consent", format!("the platform's answer cannot be used: {text}; begin again"))
}

/// Compares what was allowed with what is needed.
///
/// # Errors
///
/// [`Forbidden`](ErrorKind::Forbidden), naming the scopes that are missing.
pub fn check_scopes(platform: Platform, needed: &[&str], granted: &[String]) -> Result<()> {
    let missing: Vec<_> = needed.iter().copied().filter(|scope| !granted.iter().any(|one| one == scope)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let text = format!(
        "not everything that is needed was allowed on {}'s page ({}): begin again and allow all of it",
        platform.title(),
        missing.join(", ")
    );
    Err(Error::new(ErrorKind::Forbidden, "check scopes", text).code("missing_scope"))
}
