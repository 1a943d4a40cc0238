//! A jar as other tools and the secret store have it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::CookieJar;

/// Where TikTok keeps the id of a visitor: `ttwid` today, the others in older sessions.
const VISITOR: [&str; 3] = ["ttwid", "tt_webid_v2", "tt_webid"];

impl CookieJar {
    /// The base64 of the jar's JSON, in the form of Puppeteer; [`parse`](Self::parse) reads it.
    pub fn export(&self) -> String {
        let cookies = self.cookies.iter().map(|cookie| {
            let dot = if cookie.host_only { "" } else { "." };
            json!({
                "name": cookie.name, "value": cookie.value, "domain": format!("{dot}{}", cookie.domain),
                "path": cookie.path, "secure": cookie.secure, "expires": cookie.expires.unwrap_or(-1),
            })
        });
        STANDARD.encode(Value::from_iter(cookies).to_string())
    }

    /// The cookie `sessionid`, which is the sign-in.
    pub fn session_id(&self) -> Option<&str> {
        self.value("sessionid")
    }

    /// The id of the visitor: the cookie `ttwid`, in older sessions `tt_webid_v2` or `tt_webid`.
    pub fn visitor_id(&self) -> Option<&str> {
        VISITOR.iter().find_map(|name| self.value(name))
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find(|cookie| cookie.name == name).map(|cookie| cookie.value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn what_is_exported_is_read_as_the_same_jar() {
        let now = DateTime::from_timestamp(1_763_600_000, 0).unwrap();
        let text = r#"[{"name":"sessionid","value":"s1","domain":".tiktok.com","path":"/","expires":1800000000,"secure":true},
            {"name":"tt_webid","value":"old","domain":".tiktok.com","path":"/"},
            {"name":"ttwid","value":"w=1|2","domain":"www.tiktok.com","path":"/a","expires":-1}]"#;
        let jar = CookieJar::parse(text, now).unwrap();
        assert_eq!(CookieJar::parse(&jar.export(), now).unwrap(), jar);
        assert_eq!((jar.session_id(), jar.visitor_id()), (Some("s1"), Some("w=1|2")));
        let bare = CookieJar::parse("sessionid=s1", now).unwrap();
        assert_eq!(bare.visitor_id(), None);
    }
}
