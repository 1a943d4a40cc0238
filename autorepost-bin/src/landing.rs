//! The page that a browser is shown when it comes back from a platform.

use autorepost_core::{Error, connection::Connection};
use axum::{
    http::{HeaderName, StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use crate::api;

const HEAD: &str = r#"<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:34rem;padding:1rem;color:#1a1a1a;background:#fff}
p,li{overflow-wrap:anywhere}</style>"#;

/// The address holds a code and a state: it is not kept, told to others, or shown by scripts.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// Tells which accounts are connected, or what went wrong and what to do.
pub fn page(outcome: &Result<Vec<Connection>, Error>) -> Response {
    match outcome {
        Ok(connections) => {
            let named =
                connections.iter().map(|one| format!("<li>{}: {}</li>", one.platform.title(), escape(&one.handle)));
            let names: String = named.collect();
            answer(StatusCode::OK, "Connected", &format!("<ul>{names}</ul><p>You may close this page.</p>"))
        }
        Err(error) => {
            answer(api::status(error.kind()), "Not connected", &format!("<p>{}</p>", escape(&sentence(error.detail()))))
        }
    }
}

/// Asks to come again in a moment.
pub fn busy() -> Response {
    let text = "<p>Too much is being done at this moment. Reload this page in a few seconds.</p>";
    answer(StatusCode::SERVICE_UNAVAILABLE, "Not connected yet", text)
}

fn answer(status: StatusCode, title: &str, body: &str) -> Response {
    let page = format!("{HEAD}<title>{title}</title></head><body><main><h1>{title}</h1>{body}</main></body></html>");
    (status, HEADERS, Html(page)).into_response()
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str().trim_end_matches('.'))
}

fn escape(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use autorepost_core::ErrorKind;
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn what_a_stranger_wrote_is_shown_as_text() {
        let error = Error::new(ErrorKind::Rejected, "connect", "X said (<script>alert('1')</script>)");
        let response = page(&Err(error));
        assert_eq!(response.headers()[header::REFERRER_POLICY], "no-referrer");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        let text = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert!(
            text.contains("X said (&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;).") && !text.contains("<script")
        );
    }
}
