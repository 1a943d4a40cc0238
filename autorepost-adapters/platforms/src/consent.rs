//! What the vendors' ways to an owner's consent have in common: OAuth 2.0 (RFC 6749) with PKCE (RFC 7636).

use autorepost_core::{
    Error, ErrorKind, Platform, Result,
    credential::Credential,
    port::{Exchanged, LogIn},
    seal::Secret,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use crate::http::{Answer, string};

/// The address of a platform's page with these parameters.
pub(crate) fn page(op: &'static str, base: &str, parameters: &[(&str, &str)]) -> Result<Secret> {
    let mut url = Url::parse(base).map_err(|cause| {
        Error::new(ErrorKind::Configuration, op, "the address of the platform's page is not a URL").source(cause)
    })?;
    url.query_pairs_mut().extend_pairs(parameters);
    // A plus is a space in forms only; %20 is one everywhere.
    let query = url.query().unwrap_or_default().replace('+', "%20");
    url.set_query(Some(&query));
    Ok(Secret::new(url.as_str()))
}

/// The challenge of a verifier (RFC 7636, method S256).
pub(crate) fn s256(verifier: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose().as_bytes()))
}

/// What a token endpoint's answer holds (RFC 6749, 5.1). The vendors put spaces or commas between scopes.
pub(crate) fn exchanged(op: &'static str, body: &Value, now: DateTime<Utc>) -> Result<Exchanged> {
    let life = body["expires_in"].as_i64().and_then(TimeDelta::try_seconds);
    let scopes = body["scope"].as_str().unwrap_or_default().split([' ', ',']).filter(|scope| !scope.is_empty());
    Ok(Exchanged {
        credential: Credential::Bearer {
            access: string(body, "/access_token", op)?,
            refresh: body["refresh_token"].as_str().map(str::to_owned),
        },
        scopes: scopes.map(str::to_owned).collect(),
        expires_at: life.and_then(|life| now.checked_add_signed(life)),
    })
}

/// Whose app it is, in words that help to mend it.
pub(crate) struct Owner {
    pub platform: Platform,
    /// The settings that hold the app's id and secret.
    pub settings: &'static str,
}

/// Why a token endpoint does not take a code (RFC 6749, 5.2).
pub(crate) fn refusal(op: &'static str, owner: &Owner, login: &LogIn, answer: &Answer) -> Error {
    let body = answer.json_or_null();
    let title = owner.platform.title();
    let Some(code) = body["error"].as_str() else { return answer.status_error(op) };
    let told = body["error_description"].as_str().unwrap_or("no details");
    let (kind, text) = match code {
        "invalid_client" | "unauthorized_client" => {
            (ErrorKind::Configuration, format!("{title} does not know the app ({told}): check {}", owner.settings))
        }
        "redirect_uri_mismatch" => (ErrorKind::Configuration, unregistered(title, &login.redirect)),
        "invalid_grant" | "invalid_request" => (
            ErrorKind::Rejected,
            format!("{title} does not take the code ({told}): it was used, or is too old; begin again"),
        ),
        _ => (ErrorKind::Rejected, format!("{title} gave no token ({told})")),
    };
    Error::new(kind, op, text).code(code)
}

/// A redirect that the app is not registered with.
pub(crate) fn unregistered(title: &str, redirect: &str) -> String {
    format!("add {redirect} to the redirect addresses of the app in {title}'s developer console")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7636, appendix B.
    #[test]
    fn a_challenge_is_made_as_the_rfc_says() {
        let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(s256(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn the_parameters_of_a_page_are_encoded_for_every_reader() {
        let page = page("test", "https://x.com/a?b=c", &[("scope", "one two"), ("redirect_uri", "http://h/?q=1+2")]);
        let wanted = "https://x.com/a?b=c&scope=one%20two&redirect_uri=http%3A%2F%2Fh%2F%3Fq%3D1%2B2";
        assert_eq!(page.unwrap().expose(), wanted);
    }
}
