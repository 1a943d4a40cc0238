//! The cookie jar of a web session, in the forms in which browsers and their tools export it.

mod export;

use std::fmt;

use autorepost_core::{Error, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

const OP: &str = "read cookie jar";
/// Largest jar that is read, in bytes.
const JAR_BYTES_MAX: usize = 256 << 10;
/// Most cookies of a jar.
const COOKIES_MAX: usize = 300;
/// The domain whose cookies are kept.
const SITE: &str = "tiktok.com";
/// Times above this are milliseconds: as seconds they would lie thousands of years ahead.
const MILLIS_ABOVE: f64 = 1e11;

/// The cookies of a TikTok session. `Debug` shows names only.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CookieJar {
    cookies: Vec<Cookie>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Cookie {
    name: String,
    value: String,
    /// Without a leading dot.
    domain: String,
    /// Sent to this host only, not to those below it.
    host_only: bool,
    path: String,
    secure: bool,
    /// Seconds since 1970; nothing for a cookie that ends with its session.
    expires: Option<i64>,
}

impl fmt::Debug for CookieJar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.cookies.iter().map(|cookie| &cookie.name)).finish()
    }
}

fn invalid(detail: impl Into<String>) -> Error {
    Error::invalid(OP, detail)
}

impl CookieJar {
    /// Reads an exported jar: JSON of Puppeteer, Playwright or EditThisCookie, a Netscape `cookies.txt`, a `Cookie` header,
    /// or the base64 of one of these. Keeps TikTok's cookies that are alive.
    ///
    /// # Errors
    ///
    /// [`Invalid`](autorepost_core::ErrorKind::Invalid), saying what is wrong, where, and how to mend it; never a value.
    pub fn parse(text: &str, now: DateTime<Utc>) -> Result<Self> {
        if text.len() > JAR_BYTES_MAX {
            return Err(invalid("the jar is larger than 256 KiB: export the cookies of tiktok.com only"));
        }
        let text = text.trim();
        let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let text = decoded.as_deref().map_or(text, str::trim);
        let cookies = match text.as_bytes().first() {
            None => {
                return Err(invalid("the jar is empty: export the cookies of a browser that is signed in to TikTok"));
            }
            Some(b'{' | b'[') => from_json(text)?,
            Some(_) if text.contains('\t') || text.starts_with('#') => from_netscape(text)?,
            Some(_) => from_header(text)?,
        };
        let mut jar = Self { cookies: Vec::new() };
        for cookie in cookies {
            let ours = cookie.domain == SITE || cookie.domain.ends_with(".tiktok.com");
            if ours && cookie.expires.is_none_or(|at| at > now.timestamp()) {
                jar.set(cookie);
            }
        }
        if jar.cookies.len() > COOKIES_MAX {
            return Err(invalid(format!(
                "the jar has more than {COOKIES_MAX} cookies: export those of tiktok.com only"
            )));
        }
        if !jar.cookies.iter().any(|cookie| cookie.name == "sessionid" && !cookie.value.is_empty()) {
            return Err(invalid(
                "the jar has no living \"sessionid\" cookie of tiktok.com: sign in to TikTok in the browser, then export the \
                 cookies again",
            ));
        }
        Ok(jar)
    }

    /// Reads the text form of [`to_text`](Self::to_text).
    ///
    /// # Errors
    ///
    /// [`Malformed`](autorepost_core::ErrorKind::Malformed) when it is of another version; it never quotes a value.
    pub fn from_text(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|_| {
            // The parse error may quote a value, so it is not kept.
            Error::malformed(
                OP,
                "the stored cookie jar has a form that this version does not know: connect the account again",
            )
        })
    }

    /// The text form in which a credential holds the jar.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("cookies have a JSON form")
    }

    /// When the session ends, if its cookie says so.
    pub fn session_ends_at(&self) -> Option<DateTime<Utc>> {
        let session = self.cookies.iter().find(|cookie| cookie.name == "sessionid")?;
        DateTime::from_timestamp(session.expires?, 0)
    }

    /// The `Cookie` header for a request to a host, by the matching of RFC 6265; nothing when no cookie belongs there.
    pub(super) fn header(&self, host: &str, path: &str, now: DateTime<Utc>) -> Option<String> {
        let belongs = |cookie: &&Cookie| {
            let domain = host == cookie.domain
                || (!cookie.host_only && host.strip_suffix(&cookie.domain).is_some_and(|rest| rest.ends_with('.')));
            let below = path.strip_prefix(cookie.path.as_str());
            let path = below.is_some_and(|rest| rest.is_empty() || cookie.path.ends_with('/') || rest.starts_with('/'));
            domain && path && cookie.expires.is_none_or(|at| at > now.timestamp())
        };
        let pairs: Vec<String> =
            self.cookies.iter().filter(belongs).map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Takes a `Set-Cookie` header of a host's answer.
    pub(super) fn absorb(&mut self, header: &str, host: &str) {
        let mut parts = header.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
        let mut cookie = Cookie {
            name: name.trim().to_owned(),
            value: value.trim().to_owned(),
            domain: host.to_owned(),
            host_only: true,
            path: "/".to_owned(),
            secure: false,
            expires: None,
        };
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            match key.to_ascii_lowercase().as_str() {
                "domain" => {
                    let domain = value.trim_start_matches('.').to_ascii_lowercase();
                    // A host may speak for itself and for what is above it, within the site.
                    if domain != host && !(host.ends_with(&format!(".{domain}")) && domain.ends_with(SITE)) {
                        return;
                    }
                    (cookie.domain, cookie.host_only) = (domain, false);
                }
                "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
                "secure" => cookie.secure = true,
                _ => {}
            }
        }
        if !cookie.name.is_empty() && self.cookies.len() < COOKIES_MAX {
            self.set(cookie);
        }
    }

    fn set(&mut self, cookie: Cookie) {
        let same =
            |other: &Cookie| other.name == cookie.name && other.domain == cookie.domain && other.path == cookie.path;
        match self.cookies.iter_mut().find(|other| same(other)) {
            Some(other) => *other = cookie,
            None => self.cookies.push(cookie),
        }
    }
}

fn from_json(text: &str) -> Result<Vec<Cookie>> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        invalid(format!("the jar is not whole JSON (line {line}, column {column}): export it again and copy all of it"))
    })?;
    let entries = match &value {
        Value::Array(entries) => entries,
        Value::Object(object) => object.get("cookies").and_then(Value::as_array).ok_or_else(|| {
            invalid("the JSON has no \"cookies\" list: export the cookies as Puppeteer or Playwright do")
        })?,
        _ => return Err(invalid("the JSON is no list of cookies")),
    };
    entries.iter().enumerate().map(|(index, entry)| json_cookie(entry, index + 1)).collect()
}

fn json_cookie(entry: &Value, number: usize) -> Result<Cookie> {
    let field = |name: &str| {
        let text = entry[name].as_str();
        text.map(str::to_owned)
            .ok_or_else(|| invalid(format!("cookie {number} has no \"{name}\": export the jar again")))
    };
    let domain = field("domain")?;
    let expires = entry["expires"].as_f64().or_else(|| entry["expirationDate"].as_f64());
    Ok(Cookie {
        name: field("name")?,
        value: field("value")?,
        host_only: entry["hostOnly"].as_bool().unwrap_or(!domain.starts_with('.')),
        domain: domain.trim_start_matches('.').to_ascii_lowercase(),
        path: entry["path"].as_str().unwrap_or("/").to_owned(),
        secure: entry["secure"].as_bool().unwrap_or(false),
        expires: expires.and_then(seconds),
    })
}

/// Seconds since 1970; -1 and 0 stand for a cookie that ends with its session.
fn seconds(at: f64) -> Option<i64> {
    let at = if at > MILLIS_ABOVE { at / 1000.0 } else { at };
    (at > 0.0).then_some(at as i64)
}

fn from_netscape(text: &str) -> Result<Vec<Cookie>> {
    let mut cookies = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end_matches('\r');
        let line = line.strip_prefix("#HttpOnly_").unwrap_or(line);
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let fields: Vec<&str> = line.split('\t').collect();
        let &[domain, below, path, secure, expires, name, ref value @ ..] = fields.as_slice() else {
            let text = format!("line {} has not the seven fields of a cookies.txt, with tabs between them", index + 1);
            return Err(invalid(text));
        };
        cookies.push(Cookie {
            name: name.to_owned(),
            value: value.join("\t"),
            host_only: below != "TRUE",
            domain: domain.trim_start_matches('.').to_ascii_lowercase(),
            path: path.to_owned(),
            secure: secure == "TRUE",
            expires: expires.parse().ok().and_then(seconds),
        });
    }
    Ok(cookies)
}

fn from_header(text: &str) -> Result<Vec<Cookie>> {
    let text = text.strip_prefix("Cookie:").unwrap_or(text);
    let pairs = text.split(';').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').ok_or_else(|| {
                invalid(
                    "this is no cookie jar: give JSON from the browser, a cookies.txt or a Cookie header (a=b; c=d)",
                )
            })?;
            Ok(Cookie {
                name: name.trim().to_owned(),
                value: value.trim().to_owned(),
                domain: SITE.to_owned(),
                host_only: false,
                path: "/".to_owned(),
                secure: true,
                expires: None,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_763_600_000, 0).unwrap()
    }

    fn header(jar: &str, host: &str) -> Option<String> {
        CookieJar::parse(jar, now()).unwrap().header(host, "/@alice", now())
    }

    const PUPPETEER: &str = r#"[{"name":"sessionid","value":"s1","domain":".tiktok.com","path":"/","expires":1800000000.5,
        "size":3,"httpOnly":true,"secure":true,"session":false},
        {"name":"msToken","value":"m","domain":"www.tiktok.com","path":"/","expires":-1},
        {"name":"old","value":"o","domain":".tiktok.com","path":"/","expires":1700000000},
        {"name":"other","value":"x","domain":".example.com","path":"/","expires":-1}]"#;

    #[test]
    fn every_form_is_read() {
        let edit = r#"[{"domain":".tiktok.com","expirationDate":1800000000000,"hostOnly":false,"name":"sessionid","path":"/",
            "secure":true,"session":false,"storeId":"0","value":"s1"}]"#;
        let netscape =
            "# Netscape HTTP Cookie File\r\n#HttpOnly_.tiktok.com\tTRUE\t/\tTRUE\t1800000000\tsessionid\ts1\r\n";
        let playwright = format!("{{\"cookies\":{PUPPETEER},\"origins\":[]}}");
        let both = "sessionid=s1; msToken=m";
        let base64 = STANDARD.encode(PUPPETEER);
        for (jar, wanted) in [
            (PUPPETEER, both),
            (playwright.as_str(), both),
            (base64.as_str(), both),
            (edit, "sessionid=s1"),
            (netscape, "sessionid=s1"),
            ("Cookie: sessionid=s1; msToken=m", both),
        ] {
            assert_eq!(header(jar, "www.tiktok.com").as_deref(), Some(wanted), "{jar}");
        }
    }

    #[test]
    fn a_cookie_goes_only_where_it_belongs() {
        assert_eq!(header(PUPPETEER, "v16-webapp.tiktok.com").as_deref(), Some("sessionid=s1"));
        for host in ["tiktokcdn.com", "eviltiktok.com", "tiktok.com.example.com", "127.0.0.1"] {
            assert_eq!(header(PUPPETEER, host), None, "{host}");
        }
    }

    #[test]
    fn a_broken_jar_says_what_where_and_how() {
        for (jar, part) in [
            ("", "empty"),
            ("[{\"name\":\"sessionid\"", "line 1"),
            ("{\"origins\":[]}", "\"cookies\" list"),
            ("[{\"name\":\"a\",\"domain\":\".tiktok.com\"}]", "cookie 1 has no \"value\""),
            ("# Netscape HTTP Cookie File\n.tiktok.com TRUE / TRUE 0 sessionid secret-value", "line 2"),
            ("ttwid=guest", "no living \"sessionid\""),
            ("sessionid=", "no living \"sessionid\""),
            ("hello", "no cookie jar"),
        ] {
            let error = CookieJar::parse(jar, now()).unwrap_err();
            assert!(error.detail().contains(part), "{jar}: {error}");
            assert!(!error.to_string().contains("secret-value"));
        }
        let long = "x".repeat(JAR_BYTES_MAX + 1);
        assert!(CookieJar::parse(&long, now()).unwrap_err().detail().contains("256 KiB"));
    }

    #[test]
    fn rotated_cookies_replace_and_strangers_are_refused() {
        let mut jar = CookieJar::parse(PUPPETEER, now()).unwrap();
        jar.absorb("msToken=m2; Path=/; Secure", "www.tiktok.com");
        jar.absorb("tt_chain_token=c; Domain=.tiktok.com; Path=/", "www.tiktok.com");
        jar.absorb("evil=e; Domain=example.com", "www.tiktok.com");
        let header = jar.header("www.tiktok.com", "/", now()).unwrap();
        assert_eq!(header, "sessionid=s1; msToken=m2; tt_chain_token=c");
        assert!(!format!("{jar:?}").contains("s1"));
        assert_eq!(CookieJar::from_text(&jar.to_text()).unwrap(), jar);
        assert_eq!(jar.session_ends_at().unwrap().timestamp(), 1_800_000_000);
    }
}
