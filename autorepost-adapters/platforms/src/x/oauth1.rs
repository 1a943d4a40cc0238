//! OAuth 1.0a request signing with HMAC-SHA1 (RFC 5849, section 3).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use url::Url;

use crate::app::AppKeys;

/// What signs a request. Before there is a token, its two fields are empty.
pub(super) struct Keys<'a> {
    pub consumer_key: &'a str,
    pub consumer_secret: &'a str,
    pub token: &'a str,
    pub token_secret: &'a str,
}

impl<'a> Keys<'a> {
    /// An app's keys with a token and its secret.
    pub fn new(app: &'a AppKeys, [token, token_secret]: [&'a str; 2]) -> Self {
        Self { consumer_key: app.id.expose(), consumer_secret: app.secret.expose(), token, token_secret }
    }
}

/// The `Authorization` header of a request. `form` are the fields of a form body; JSON and multipart bodies have none.
pub(super) fn authorization(
    method: &str,
    url: &Url,
    form: &[(&str, &str)],
    keys: &Keys<'_>,
    nonce: &str,
    timestamp: i64,
) -> String {
    let timestamp = timestamp.to_string();
    let mut oauth = vec![
        ("oauth_consumer_key", keys.consumer_key),
        ("oauth_nonce", nonce),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", &timestamp),
        ("oauth_token", keys.token),
        ("oauth_version", "1.0"),
    ];
    oauth.retain(|(name, value)| *name != "oauth_token" || !value.is_empty());
    let mut parameters: Vec<(String, String)> = url.query_pairs().map(|(k, v)| (encode(&k), encode(&v))).collect();
    parameters.extend(form.iter().chain(&oauth).map(|(k, v)| (encode(k), encode(v))));
    parameters.sort();
    let joined: Vec<String> = parameters.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let mut bare = url.clone();
    bare.set_query(None);
    bare.set_fragment(None);
    let base = format!("{method}&{}&{}", encode(bare.as_str()), encode(&joined.join("&")));

    let secret = format!("{}&{}", encode(keys.consumer_secret), encode(keys.token_secret));
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(base.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());

    let pairs = oauth.iter().copied().chain([("oauth_signature", signature.as_str())]);
    let pairs: Vec<String> = pairs.map(|(k, v)| format!("{k}=\"{}\"", encode(v))).collect();
    format!("OAuth {}", pairs.join(", "))
}

/// Percent-encoding of RFC 3986: everything but letters, digits and `-._~`.
fn encode(text: &str) -> String {
    use std::fmt::Write;

    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ => write!(out, "%{byte:02X}").expect("writing to a String"),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(url: &str) -> String {
        let keys = Keys {
            consumer_key: "xvz1evFS4wEEPTGEFPHBog",
            consumer_secret: "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw",
            token: "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb",
            token_secret: "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE",
        };
        let form = [("status", "Hello Ladies + Gentlemen, a signed OAuth request!")];
        let nonce = "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg";
        let header = authorization("POST", &url.parse().unwrap(), &form, &keys, nonce, 1_318_622_958);
        let start = header.find("oauth_signature=\"").unwrap() + "oauth_signature=\"".len();
        header[start..].trim_end_matches('"').to_owned()
    }

    /// The example of X's documentation, on both of its hosts.
    #[test]
    fn signs_the_published_example() {
        let on = |host: &str| signature(&format!("https://{host}/1.1/statuses/update.json?include_entities=true"));
        assert_eq!(on("api.x.com"), "Ls93hJiZbQ3akF3HF3x1Bz8%2FzU4%3D");
        assert_eq!(on("api.twitter.com"), "hCtSmYh%2BiHYCEqBWrE7C7hYmtUk%3D");
    }

    #[test]
    fn encodes_as_rfc_3986_says() {
        assert_eq!(encode("Ladies + Gentlemen"), "Ladies%20%2B%20Gentlemen");
        assert_eq!(encode("An encoded string!"), "An%20encoded%20string%21");
        assert_eq!(encode("☃-._~"), "%E2%98%83-._~");
    }
}
