//! A page for people: what the public sees.

use std::{fmt::Write, sync::Arc};

use autorepost_core::Platform;
use axum::{extract::State, response::Html};

use crate::world::World;

/// How every page of the sandbox looks.
const STYLE: &str = "
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;padding:1rem;color:#1a1a1a;background:#fff}
main.narrow{margin:0 auto;max-width:34rem}main.wide{margin:0 auto;max-width:70rem}
.columns{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr))}h1{font-size:1.5rem}h2{font-size:1.1rem}
article,fieldset{border:1px solid #ccc;border-radius:.5rem;margin:.75rem 0;padding:.5rem .75rem;overflow-wrap:anywhere}
legend{padding:0 .25rem;font-weight:600}label{display:flex;gap:.5rem;align-items:baseline;padding:.25rem 0;overflow-wrap:anywhere}
label input:not([type=checkbox],[type=radio]){flex:1;min-width:0;font:inherit;padding:.25rem}
small{color:#555;display:block}code{font-size:.9em}
button{font:inherit;padding:.5rem 1.5rem;margin:.25rem .5rem .25rem 0;border:1px solid #1a1a1a;border-radius:.5rem;background:#fff;color:#1a1a1a;cursor:pointer}
button.main{background:#1a1a1a;color:#fff}";

/// A page up to the inside of its `main`, which [`END`] ends. A page that lives is loaded anew every three seconds.
pub(crate) fn begin(title: &str, width: &str, lives: bool) -> String {
    let refresh = if lives { "<meta http-equiv=\"refresh\" content=\"3\">" } else { "" };
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">{refresh}<style>{STYLE}</style></head>\
         <body><main class=\"{width}\">"
    )
}

/// The end of a page.
pub(crate) const END: &str = "</main></body></html>";

/// Shows the source's posts and the ledger of each destination.
pub(crate) async fn ledger(State(world): State<Arc<World>>) -> Html<String> {
    let mut page = begin("autorepost sandbox", "wide", true);
    page.push_str("<h1>What the public sees</h1><div class=\"columns\">");
    column(&mut page, "TikTok", world.posts().iter().map(|post| (post.caption.as_str(), post.id.clone())));
    let ledger = world.ledger();
    for platform in [Platform::Instagram, Platform::YouTube, Platform::X] {
        let shown = ledger.iter().filter(|shown| shown.platform == platform);
        column(&mut page, platform.title(), shown.map(|shown| (shown.text.as_str(), shown.url.clone())));
    }
    page.push_str("</div>");
    page.push_str(END);
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
