//! Who may use the HTTP interface, and what was done with it: tenants, keys and the audit log.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    Error, Result,
    id::{ApiKeyId, AuditId, TenantId},
    seal::Secret,
};

/// Longest name of a tenant or a key, in characters.
pub const NAME_MAX: usize = 80;
/// Tenants of one installation at most.
pub const TENANTS_MAX: u32 = 10_000;
/// Keys of one tenant at most, revoked ones included.
pub const API_KEYS_MAX: u32 = 1_000;
/// What the text of a key begins with, so that a leaked one is recognised.
const PREFIX: &str = "ar";
/// Random bytes of a key.
const SECRET_BYTES: usize = 32;

/// Somebody whose accounts, rules and posts this installation keeps apart from everybody else's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its own id.
    pub id: TenantId,
    /// The name that people give it, unique in the installation.
    pub name: String,
    /// When it was added.
    pub created_at: DateTime<Utc>,
}

impl Tenant {
    /// The tenant that every installation has from the start.
    pub fn owner(created_at: DateTime<Utc>) -> Self {
        Self { id: TenantId::OWNER, name: "owner".into(), created_at }
    }
}

/// What a key may do; each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Works: accounts, rules, reposts, pauses.
    Operator,
    /// Gives out keys.
    Admin,
}

impl Role {
    /// Every role, the weakest first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// The stable snake-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| {
            Error::invalid("parse role", format!("\"{text}\" is not a role: use viewer, operator or admin"))
        })
    }
}

/// The SHA-256 of a key's secret part, in lower-case hexadecimal when it is stored.
///
/// A slow hash protects secrets that people choose. This one is 256 random bits: it cannot be guessed however fast the hash
/// is, so the plain hash keeps the database from holding anything that opens the door, at no cost for each request.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    fn of(secret: &[u8; SECRET_BYTES]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Compares in a time that does not depend on where the two differ.
    fn same(&self, other: &Self) -> bool {
        let differing = self.0.iter().zip(&other.0).fold(0_u8, |differing, (a, b)| differing | (a ^ b));
        std::hint::black_box(differing) == 0
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(..)")
    }
}

impl From<KeyDigest> for String {
    fn from(digest: KeyDigest) -> Self {
        digest.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl TryFrom<String> for KeyDigest {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        // The same form as a media key's.
        let bad = || Error::malformed("read key digest", "a key digest is 64 lower-case hexadecimal digits");
        let pairs = text.as_bytes().chunks_exact(2);
        if text.len() != 64 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(bad());
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(pairs) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Self(digest))
    }
}

/// A key to the HTTP interface. Its text exists once, when it is made; what is kept cannot be turned back into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its own id, which is part of its text.
    pub id: ApiKeyId,
    /// The tenant that it acts for; nothing for a key to the whole installation, whose role is always
    /// [`Admin`](Role::Admin).
    pub tenant: Option<TenantId>,
    /// What it may do.
    pub role: Role,
    /// The name that people give it.
    pub name: String,
    /// What its secret part is recognised by.
    pub digest: KeyDigest,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Since when it opens nothing any more.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl ApiKey {
    /// Makes a key from random bytes, and its text: `ar_<key id>_<secret>`, the secret being 32 bytes in base64url.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) for a name that cannot be shown, and for a key to the whole installation
    /// that is no admin's.
    pub fn make(
        tenant: Option<TenantId>,
        role: Role,
        name: &str,
        now: DateTime<Utc>,
        random: ([u8; 10], [u8; SECRET_BYTES]),
    ) -> Result<(Self, Secret)> {
        let op = "make API key";
        let name = checked_name(op, name)?;
        if tenant.is_none() && role != Role::Admin {
            return Err(Error::invalid(op, "a key to the whole installation has the role admin"));
        }
        let id = ApiKeyId::new(now, random.0);
        let text = format!("{PREFIX}_{}_{}", id.uuid().simple(), URL_SAFE_NO_PAD.encode(random.1));
        let digest = KeyDigest::of(&random.1);
        Ok((Self { id, tenant, role, name, digest, created_at: now, revoked_at: None }, Secret::new(text)))
    }

    /// Whether a presented key is this one, and still opens.
    pub fn admits(&self, presented: &PresentedKey) -> bool {
        self.id == presented.id && self.digest.same(&presented.digest) && self.revoked_at.is_none()
    }

    /// Who acts, as logs show it.
    pub fn actor(&self) -> String {
        format!("key {} \"{}\"", self.id, self.name)
    }
}

/// A key as a request brings it; its secret part is forgotten already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresentedKey {
    /// The key that it says it is.
    pub id: ApiKeyId,
    digest: KeyDigest,
}

impl PresentedKey {
    /// Reads the text of a key; nothing when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, rest) = text.split_once('_')?;
        let (id, secret) = rest.split_once('_')?;
        let id = Uuid::try_parse(id).ok().filter(|uuid| uuid.simple().to_string() == id)?;
        let secret: [u8; SECRET_BYTES] = URL_SAFE_NO_PAD.decode(secret).ok()?.try_into().ok()?;
        (prefix == PREFIX).then(|| Self { id: ApiKeyId::from_uuid(id), digest: KeyDigest::of(&secret) })
    }
}

/// A name of a tenant or a key, without the space around it.
///
/// # Errors
///
/// [`Invalid`](crate::ErrorKind::Invalid) when it is empty, longer than [`NAME_MAX`], or not of one line.
pub fn checked_name(op: &'static str, name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
        return Err(Error::invalid(op, format!("the name must have 1 to {NAME_MAX} characters, on one line")));
    }
    Ok(name.to_owned())
}

/// A line of the audit log: what was done, by whom, to what. Lines are added, and never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its own id.
    pub id: AuditId,
    /// When.
    pub at: DateTime<Utc>,
    /// The tenant that it concerns; nothing for the whole installation.
    pub tenant: Option<TenantId>,
    /// Who.
    pub actor: String,
    /// What was asked for, such as `rules.create`.
    pub action: String,
    /// What it was asked of, such as `rules/0199...`.
    pub subject: String,
    /// `asked` before anything is done, and what came of it after.
    pub detail: String,
    /// The request that the line belongs to.
    pub request: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn make(name: &str, tenant: Option<TenantId>, role: Role) -> Result<(ApiKey, Secret)> {
        ApiKey::make(tenant, role, name, DateTime::UNIX_EPOCH, ([7; 10], [0xfb; 32]))
    }

    #[test]
    fn a_key_is_recognised_by_its_text_alone() {
        let (key, text) = make(" laptop ", Some(TenantId::OWNER), Role::Viewer).unwrap();
        assert_eq!(key.name, "laptop");
        let presented = PresentedKey::parse(text.expose()).unwrap();
        assert!(key.admits(&presented));
        assert!(!ApiKey { revoked_at: Some(DateTime::UNIX_EPOCH), ..key.clone() }.admits(&presented));
        // The last character of 43 holds four bits of the secret.
        let other = format!("{}4", &text.expose()[..text.expose().len() - 1]);
        let other = PresentedKey::parse(&other).unwrap();
        assert!(other.id == key.id && !key.admits(&other));
        let stored = serde_json::to_string(&key).unwrap();
        let secret = text.expose().splitn(3, '_').last().unwrap();
        assert!(!stored.contains(secret) && !format!("{key:?}").contains(secret));
        assert_eq!(serde_json::from_str::<ApiKey>(&stored).unwrap(), key);
    }

    #[test]
    fn what_is_no_key_is_none() {
        let (_, text) = make("laptop", None, Role::Admin).unwrap();
        let text = text.expose();
        for bad in ["", "ar", "ar__", &text[1..], &text.to_uppercase(), &format!("{text}="), &format!("{text} ")] {
            assert_eq!(PresentedKey::parse(bad), None, "{bad}");
        }
        let long = "x".repeat(NAME_MAX + 1);
        for (name, tenant, role) in [
            ("", None, Role::Admin),
            ("a\nb", None, Role::Admin),
            (&long, None, Role::Admin),
            ("a", None, Role::Viewer),
        ] {
            assert_eq!(make(name, tenant, role).unwrap_err().kind(), ErrorKind::Invalid, "{name:?}");
        }
    }
}
