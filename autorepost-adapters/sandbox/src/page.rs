//! A page for people: what the public sees.

use std::{fmt::Write, sync::Arc};

use autorepost_core::Platform;
use axum::{extract::State, response::Html};

use crate::world::World;

const HEAD: &str = r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><title>autorepost sandbox</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="refresh" content="3"><style>
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:70rem;padding:1rem;color:#1a1a1a;background:#fff}
main{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr))}h2{font-size:1.1rem}
article{border:1px solid #ccc;border-radius:.5rem;margin:.5rem 0;padding:.5rem .75rem;overflow-wrap:anywhere}
small{color:#555;display:block}</style></head><body><h1>What the public sees</h1><main>"#;

/// The head of a page on which somebody answers.
pub(crate) const FORM_HEAD: &str = r#"<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:34rem;padding:1rem;color:#1a1a1a;background:#fff}
fieldset{border:1px solid #ccc;border-radius:.5rem;margin:1rem 0}label input:not([type=checkbox],[type=radio]){display:block;font:inherit;width:100%;box-sizing:border-box}label{display:block;padding:.25rem 0;overflow-wrap:anywhere}
button{font:inherit;padding:.5rem 1.5rem;margin-right:.5rem}</style>"#;

/// Shows the source's posts and the ledger of each destination.
pub(crate) async fn ledger(State(world): State<Arc<World>>) -> Html<String> {
    let mut page = HEAD.to_owned();
    column(&mut page, "TikTok", world.posts().iter().map(|post| (post.caption.as_str(), post.id.clone())));
    let ledger = world.ledger();
    for platform in [Platform::Instagram, Platform::YouTube, Platform::X] {
        let shown = ledger.iter().filter(|shown| shown.platform == platform);
        column(&mut page, platform.title(), shown.map(|shown| (shown.text.as_str(), shown.url.clone())));
    }
    page.push_str("</main></body></html>");
    Html(page)
}

fn column<'a>(page: &mut String, title: &str, posts: impl Iterator<Item = (&'a str, String)>) {
    let posts: Vec<_> = posts.collect();
    let _ = write!(page, "<section><h2>{title} ({})</h2>", posts.len());
    for (text, detail) in posts {
        let _ = write!(page, "<article>{}<small>{}</small></article>", escape(text), escape(&detail));
    }
    page.push_str("</section>");
}

/// A text as HTML shows it.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
