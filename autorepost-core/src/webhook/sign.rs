//! Signatures of Standard Webhooks.

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::{Error, ErrorKind, Result, seal::Secret};

/// What the text of a secret begins with.
const PREFIX: &str = "whsec_";
/// Fewest bytes of a secret, by the specification.
const SECRET_BYTES_MIN: usize = 24;
/// Most bytes of a secret, by the specification.
const SECRET_BYTES_MAX: usize = 64;
/// The scheme of symmetric signatures.
const SCHEME: &str = "v1";
/// How far the time of a message may be from ours, by the specification's advice.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);
/// Signatures that are looked at in one message at most.
const SIGNATURES_MAX: usize = 8;
/// Longest id of a message, in bytes.
const ID_BYTES_MAX: usize = 128;

/// A secret that signs messages. Zeroized on drop; `Debug` shows no value.
pub struct SigningSecret(Zeroizing<Vec<u8>>);

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(..)")
    }
}

impl SigningSecret {
    /// Reads `whsec_` and the base64 of 24 to 64 bytes.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration), which never shows the value.
    pub fn parse(text: &Secret) -> Result<Self> {
        let bad = |why: String| Error::new(ErrorKind::Configuration, "read webhook secret", why);
        let encoded = text.expose().strip_prefix(PREFIX);
        let encoded = encoded.ok_or_else(|| bad(format!("a webhook secret begins with {PREFIX}")))?;
        let bytes = STANDARD.decode(encoded).map_err(|_| bad(format!("what follows {PREFIX} is not base64")))?;
        let bytes = Zeroizing::new(bytes);
        if !(SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&bytes.len()) {
            let text = format!("it has {} bytes; a secret has {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX}", bytes.len());
            return Err(bad(text));
        }
        Ok(Self(bytes))
    }

    /// The text of a new secret, from random bytes.
    pub fn generate(mut bytes: [u8; 32]) -> Secret {
        let text = Secret::new(format!("{PREFIX}{}", STANDARD.encode(bytes)));
        bytes.zeroize();
        text
    }

    /// The signature of a message, with its scheme: one part of the header `webhook-signature`.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        format!("{SCHEME},{}", STANDARD.encode(self.mac(id, timestamp, body).finalize().into_bytes()))
    }

    fn mac(&self, id: &str, timestamp: i64, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        mac
    }
}

/// Checks a message that comes in: one of its signatures is the secret's, in constant time, and its time is ours within
/// [`TOLERANCE`]. Whether its id was seen before is the caller's question.
///
/// # Errors
///
/// [`Unauthorized`](ErrorKind::Unauthorized), saying what is wrong and nothing of the secret.
pub fn verify(
    secret: &SigningSecret,
    (id, timestamp, signatures): (&str, &str, &str),
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<()> {
    let refuse = |why: &str| Err(Error::new(ErrorKind::Unauthorized, "verify webhook", why));
    if id.is_empty() || id.len() > ID_BYTES_MAX || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return refuse("the header webhook-id has 1 to 128 visible ASCII characters");
    }
    let Some(sent_at) = timestamp.parse().ok().filter(|sent_at: &i64| sent_at.to_string() == timestamp) else {
        return refuse("the header webhook-timestamp is the time of sending in whole seconds since 1970");
    };
    let parts = signatures.split(' ').take(SIGNATURES_MAX);
    let ours = |part: &str| {
        let (scheme, encoded) = part.split_once(',')?;
        let bytes = STANDARD.decode(encoded).ok().filter(|_| scheme == SCHEME)?;
        secret.mac(id, sent_at, body).verify_slice(&bytes).ok()
    };
    if parts.filter_map(ours).next().is_none() {
        return refuse("no signature of the header webhook-signature fits the message and the secret");
    }
    if sent_at.abs_diff(now.timestamp()) > TOLERANCE.as_secs() {
        return refuse("the message is older or newer than five minutes: send it anew, and check both clocks");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
