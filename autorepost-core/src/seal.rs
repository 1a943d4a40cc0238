//! Sealing: how credentials are kept, and the ring of keys that opens them.
//!
//! The text form is `v1.<key id>.<base64url(nonce ‖ ciphertext ‖ tag)>`: AES-256-GCM (NIST SP 800-38D) with a 96-bit nonce
//! that is drawn at random for each sealing. The associated data are the version, the tenant, the connection and the
//! purpose, so a sealed value that is moved to another row does not open.

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, PoisonError, RwLock},
};

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    Error, ErrorKind, Result,
    id::{ConnectionId, TenantId},
};

const VERSION: &str = "v1";
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// The longest sealed text that is looked at, in bytes.
pub const SEALED_BYTES_MAX: usize = 1 << 20;
/// How a day is written in a key's id, and its bytes.
const DAY: &str = "%Y-%m-%d";
const DAY_BYTES: usize = 10;
/// The most keys that a ring holds.
pub const KEYS_MAX: usize = 16;

/// A text that must not be shown. Zeroized on drop; `Debug` shows no value.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What a sealed value is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A connection's credential.
    Credential,
    /// The secret that signs what an endpoint is told.
    WebhookSecret,
    /// A log-in on a platform's page that was begun.
    Consent,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::WebhookSecret => "webhook_secret",
            Self::Consent => "consent",
        }
    }
}

/// What a sealed value is bound to: it opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// The connection that it belongs to; for the secret of an endpoint that endpoint's own id, for a log-in an id that its
    /// state makes.
    pub connection: ConnectionId,
    /// What it is for.
    pub purpose: Purpose,
}

impl Binding {
    /// Version, two ids of 16 bytes each, purpose: the fixed widths leave one reading only.
    fn associated_data(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(VERSION.len() + 32 + self.purpose.as_str().len());
        data.extend_from_slice(VERSION.as_bytes());
        data.extend_from_slice(self.tenant.uuid().as_bytes());
        data.extend_from_slice(self.connection.uuid().as_bytes());
        data.extend_from_slice(self.purpose.as_str().as_bytes());
        data
    }
}

/// A sealed value in its text form. `Debug` shows the key's id only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SealedToken(String);

impl SealedToken {
    /// The text form, as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the key that sealed it.
    pub fn key_id(&self) -> &str {
        self.0.split('.').nth(1).unwrap_or_default()
    }

    fn payload(&self) -> &str {
        self.0.rsplit('.').next().unwrap_or_default()
    }
}

impl fmt::Debug for SealedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedToken({VERSION}.{}..)", self.key_id())
    }
}

impl FromStr for SealedToken {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |why: &str| Err(Error::new(ErrorKind::Unsealable, "read sealed token", why));
        if text.len() > SEALED_BYTES_MAX {
            return bad("the value is too long to be a sealed token");
        }
        let mut parts = text.split('.');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(VERSION), Some(key), Some(payload), None) if is_key_id(key) && !payload.is_empty() => {
                Ok(Self(text.to_owned()))
            }
            (Some(version), Some(_), Some(_), None) if version != VERSION => bad(
                "the value was sealed by a newer version of this program: use that one, or connect the account again",
            ),
            _ => bad(
                "the value is not of the form v1.<key id>.<data>: it was truncated or altered; connect the account again",
            ),
        }
    }
}

impl TryFrom<String> for SealedToken {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<SealedToken> for String {
    fn from(token: SealedToken) -> Self {
        token.0
    }
}

/// The keys: the first seals, all open. They can be replaced while they are in use: each call works with one set of them.
pub struct KeyRing {
    keys: RwLock<Arc<[Key]>>,
}

struct Key {
    id: String,
    cipher: Aes256Gcm,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyRing").field(&self.key_ids()).finish()
    }
}

impl KeyRing {
    /// Reads `TOKEN_ENCRYPTION_KEY`: one key, or several with commas between them. A key is the base64 of 32 bytes, with
    /// an id and a colon before it if wanted; without an id it is named by its own fingerprint.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration), naming the position of the bad key and never its value.
    pub fn parse(text: &str) -> Result<Self> {
        let mut keys: Vec<Key> = Vec::new();
        for (index, part) in text.split(',').map(str::trim).enumerate() {
            let bad =
                |why: String| Error::new(ErrorKind::Configuration, "read key ring", format!("key {} {why}", index + 1));
            if index == KEYS_MAX {
                return Err(bad(format!("is one too many: a ring holds at most {KEYS_MAX}")));
            }
            let (id, encoded) = match part.split_once(':') {
                Some((id, encoded)) => (Some(id.trim()), encoded.trim()),
                None => (None, part),
            };
            let bytes = Zeroizing::new(
                STANDARD
                    .decode(encoded)
                    .map_err(|_| bad("is not base64: make one with \"autorepost keys generate\"".into()))?,
            );
            if bytes.len() != 32 {
                return Err(bad(format!(
                    "has {} bytes instead of 32: make one with \"autorepost keys generate\"",
                    bytes.len()
                )));
            }
            let id = id.map_or_else(|| fingerprint(&bytes), str::to_owned);
            if !is_key_id(&id) {
                return Err(bad("has an id that is not 1 to 32 letters, digits, '-' or '_'".into()));
            }
            if keys.iter().any(|key| key.id == id) {
                return Err(bad(format!("has the id \"{id}\", which an earlier key has")));
            }
            let cipher = Aes256Gcm::new_from_slice(&bytes).map_err(|_| bad("does not fit AES-256".into()))?;
            keys.push(Key { id, cipher });
        }
        Ok(Self { keys: RwLock::new(keys.into()) })
    }

    /// Takes the keys of another ring in place of its own: they were rotated.
    pub fn replace(&self, other: &Self) {
        let keys = other.keys();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// The ids of the keys; the first is the one that seals.
    pub fn key_ids(&self) -> Vec<String> {
        self.keys().iter().map(|key| key.id.clone()).collect()
    }

    /// The id of the key that seals.
    pub fn sealing_key_id(&self) -> String {
        self.keys()[0].id.clone()
    }

    /// Whether it holds the key that sealed this.
    pub fn knows(&self, token: &SealedToken) -> bool {
        self.keys().iter().any(|key| key.id == token.key_id())
    }

    /// The day on which the key that seals was made, as its id tells it (see [`generate_on`]).
    pub fn sealing_key_made_on(&self) -> Option<NaiveDate> {
        made_on(&self.keys()[0].id)
    }

    fn keys(&self) -> Arc<[Key]> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Seals a secret. The nonce must be random and is used once.
    pub fn seal(&self, nonce: [u8; NONCE_BYTES], binding: &Binding, secret: &Secret) -> Result<SealedToken> {
        let key = &self.keys()[0];
        let payload = Payload { msg: secret.expose().as_bytes(), aad: &binding.associated_data() };
        let ciphertext = key
            .cipher
            .encrypt(&nonce.into(), payload)
            .map_err(|_| Error::internal("seal token", "the value is too long for AES-GCM"))?;
        let mut data = Vec::with_capacity(NONCE_BYTES + ciphertext.len());
        data.extend_from_slice(&nonce);
        data.extend_from_slice(&ciphertext);
        Ok(SealedToken(format!("{VERSION}.{}.{}", key.id, URL_SAFE_NO_PAD.encode(data))))
    }

    /// Opens a sealed value.
    ///
    /// # Errors
    ///
    /// [`Unsealable`](ErrorKind::Unsealable), naming the connection or the webhook, the likely cause and the remedy.
    pub fn open(&self, binding: &Binding, token: &SealedToken) -> Result<Secret> {
        let (what, owner, remedy) = match binding.purpose {
            Purpose::Credential => ("credential", "connection", "connect the account again"),
            Purpose::WebhookSecret => ("secret", "webhook", "rotate its secret"),
            Purpose::Consent => ("state", "log-in", "begin it again"),
        };
        let bad = |why: String| {
            let text = format!("the {what} of {owner} {} does not open: {why}", binding.connection);
            Error::new(ErrorKind::Unsealable, "open token", text)
        };
        let keys = self.keys();
        let key = keys.iter().find(|key| key.id == token.key_id()).ok_or_else(|| {
            bad(format!(
                "it was sealed with key \"{}\", which TOKEN_ENCRYPTION_KEY does not hold: add that key, or {remedy}",
                token.key_id()
            ))
        })?;
        let altered = || bad(format!("it was altered, truncated, or belongs to another {owner}; {remedy}"));
        let data = URL_SAFE_NO_PAD.decode(token.payload()).map_err(|_| altered())?;
        if data.len() < NONCE_BYTES + TAG_BYTES {
            return Err(altered());
        }
        let (nonce, ciphertext) = data.split_at(NONCE_BYTES);
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| altered())?;
        let payload = Payload { msg: ciphertext, aad: &binding.associated_data() };
        let plaintext = key.cipher.decrypt(&nonce.into(), payload).map_err(|_| altered())?;
        String::from_utf8(plaintext).map(Secret::new).map_err(|error| {
            error.into_bytes().zeroize();
            altered()
        })
    }

    /// Seals anew what an older key sealed; nothing when the sealing key did it already.
    pub fn reseal(
        &self,
        nonce: [u8; NONCE_BYTES],
        binding: &Binding,
        token: &SealedToken,
    ) -> Result<Option<SealedToken>> {
        if token.key_id() == self.sealing_key_id() {
            return Ok(None);
        }
        self.seal(nonce, binding, &self.open(binding, token)?).map(Some)
    }
}

/// The text of a new key, from 32 random bytes.
pub fn generate(mut key: [u8; 32]) -> Secret {
    let text = Secret::new(STANDARD.encode(key));
    key.zeroize();
    text
}

/// The same with an id of the day and the key's fingerprint, `2026-11-28-1f2e3d4c`, so that its age is known wherever it
/// is.
pub fn generate_on(day: NaiveDate, key: [u8; 32]) -> Secret {
    let id = format!("{}-{}", day.format(DAY), fingerprint(&key));
    Secret::new(format!("{id}:{}", generate(key).expose()))
}

/// The day at the beginning of a key's id.
fn made_on(id: &str) -> Option<NaiveDate> {
    let (day, _) = id.split_at_checked(DAY_BYTES).filter(|(_, rest)| rest.starts_with('-'))?;
    NaiveDate::parse_from_str(day, DAY).ok()
}

fn fingerprint(key: &[u8]) -> String {
    Sha256::digest(key)[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_key_id(id: &str) -> bool {
    (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests;
