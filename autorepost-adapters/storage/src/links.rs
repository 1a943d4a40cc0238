//! Addresses that expire: for platforms that fetch a video by themselves.

use std::sync::{Arc, PoisonError, RwLock};

use autorepost_core::{Error, ErrorKind, Result, media::MediaKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Signs and checks addresses of the form `{base}/media/{key}?expires={unix seconds}&signature={HMAC-SHA256}`.
///
/// The last key signs, and all check. A new key is put before the others, so while processes learn of it one by one they
/// all know the key that signs.
#[derive(Clone)]
pub struct MediaLinks {
    base: String,
    keys: Arc<RwLock<Vec<[u8; 32]>>>,
}

impl MediaLinks {
    /// Links below a public base address, such as `https://media.example.com`, signed with keys of this installation,
    /// the newest first.
    pub fn new(base: impl Into<String>, keys: Vec<[u8; 32]>) -> Self {
        Self { base: base.into().trim_end_matches('/').to_owned(), keys: Arc::new(RwLock::new(keys)) }
    }

    /// Takes other keys, here and in every clone: they were rotated.
    pub fn replace(&self, keys: Vec<[u8; 32]>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// An address from which anyone can read the media until `expires_at`.
    pub fn sign(&self, media: &MediaKey, expires_at: DateTime<Utc>) -> String {
        let expires = expires_at.timestamp();
        let signature = URL_SAFE_NO_PAD.encode(mac(&self.oldest(), media, expires).finalize().into_bytes());
        format!("{}/media/{media}?expires={expires}&signature={signature}", self.base)
    }

    /// The media that an address names, if it was signed here and has not expired.
    ///
    /// # Errors
    ///
    /// [`Forbidden`](ErrorKind::Forbidden), without telling which of the two it was.
    pub fn verify(&self, media: &str, expires: i64, signature: &str, now: DateTime<Utc>) -> Result<MediaKey> {
        let refused = || Error::new(ErrorKind::Forbidden, "open media link", "the link is not valid any more");
        let media: MediaKey = media.parse().map_err(|_| refused())?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| refused())?;
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        // Each comparison is in constant time.
        let signed = keys.iter().any(|key| mac(key, &media, expires).verify_slice(&signature).is_ok());
        if !signed || expires <= now.timestamp() {
            return Err(refused());
        }
        Ok(media)
    }

    fn oldest(&self) -> [u8; 32] {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        *keys.last().expect("an installation has a key")
    }
}

fn mac(key: &[u8; 32], media: &MediaKey, expires: i64) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(format!("{media}\n{expires}").as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_opens_its_media_until_it_expires() {
        let links = MediaLinks::new("http://127.0.0.1:8080/", vec![[7; 32]]);
        let (media, end) = (MediaKey::of(b"x"), DateTime::from_timestamp(1_763_600_000, 0).unwrap());
        let link = links.sign(&media, end);
        assert!(link.is_ascii() && link.starts_with("http://127.0.0.1:8080/media/"), "{link}");
        let signature = link.rsplit('=').next().unwrap();
        let check = |links: &MediaLinks, media: &MediaKey, expires: i64, at: i64| {
            let now = DateTime::from_timestamp(at, 0).unwrap();
            links.verify(&media.to_string(), expires, signature, now).is_ok()
        };
        let expires = end.timestamp();
        assert!(check(&links, &media, expires, expires - 1));
        assert!(!check(&links, &media, expires, expires));
        assert!(!check(&links, &media, expires + 60, expires));
        assert!(!check(&links, &MediaKey::of(b"y"), expires, expires - 1));
        assert!(!check(&MediaLinks::new("", vec![[8; 32]]), &media, expires, expires - 1));
        assert!(links.verify("not a key", expires, signature, end).is_err());
        // A process that has a new key, and one that has it not yet, open each other's links.
        let rotated = links.clone();
        rotated.replace(vec![[8; 32], [7; 32]]);
        assert!(check(&rotated, &media, expires, expires - 1) && links.sign(&media, end) == link);
        rotated.replace(vec![[8; 32]]);
        assert!(!check(&links, &media, expires, expires - 1), "the key is gone in every clone");
    }
}
