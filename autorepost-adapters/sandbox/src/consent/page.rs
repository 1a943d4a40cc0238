//! The pages that an owner sees.

use std::fmt::Write;

use axum::response::Html;

use super::{Asked, Login};
use crate::page::{END, begin, escape};

/// Asks the owner.
pub(super) fn ask(asked: &Asked, accounts: &[(String, String)]) -> Html<String> {
    let title = asked.login.title();
    let mut page = begin(&format!("{title}: allow access?"), "narrow", false);
    let _ = write!(
        page,
        "<h1>{title} (sandbox)</h1><p>The app <strong>{}</strong> asks for access. What you answer is told to <code>{}</code>.</p>\
         <form method=\"post\"><fieldset><legend>Account</legend>",
        escape(&asked.client),
        escape(&asked.redirect)
    );
    let kind = if asked.login == Login::Facebook { "checkbox" } else { "radio" };
    for (index, (id, name)) in accounts.iter().enumerate() {
        let checked = if index == 0 { " checked" } else { "" };
        let _ = write!(
            page,
            "<label><input type=\"{kind}\" name=\"account\" value=\"{}\"{checked}> {}</label>",
            escape(id),
            escape(name)
        );
    }
    page.push_str("</fieldset>");
    if !asked.scopes.is_empty() {
        page.push_str("<fieldset><legend>What it may do</legend>");
        // X does not let owners choose.
        let fixed = if asked.login == Login::X2 { " disabled" } else { "" };
        for scope in &asked.scopes {
            let scope = escape(scope);
            let _ = write!(
                page,
                "<label><input type=\"checkbox\" name=\"scope\" value=\"{scope}\" checked{fixed}> {scope}</label>"
            );
        }
        page.push_str("</fieldset>");
    }
    page.push_str(
        "<button class=\"main\" name=\"decision\" value=\"allow\">Allow</button>\
         <button name=\"decision\" value=\"deny\">Deny</button></form>",
    );
    page.push_str(END);
    Html(page)
}

/// Says why nobody is asked.
pub(super) fn refusal(login: Login, problem: &str) -> Html<String> {
    let title = login.title();
    plain(&format!("{title}: error"), &format!("<h1>{title} (sandbox)</h1><p>{}</p>", escape(problem)))
}

/// The log-in is not there any more.
pub(super) fn gone() -> Html<String> {
    plain("Gone", "<h1>Sandbox</h1><p>This log-in was answered already.</p>")
}

fn plain(title: &str, content: &str) -> Html<String> {
    Html(format!("{}{content}{END}", begin(title, "narrow", false)))
}
