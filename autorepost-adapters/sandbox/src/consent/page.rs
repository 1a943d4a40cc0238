//! The pages that an owner sees.

use std::fmt::Write;

use axum::response::Html;

use super::{Asked, Login};
use crate::page::{FORM_HEAD as HEAD, escape};

/// Asks the owner.
pub(super) fn ask(asked: &Asked, accounts: &[(String, String)]) -> Html<String> {
    let title = asked.login.title();
    let mut page = format!(
        "{HEAD}<title>{title}: allow access?</title></head><body><main><h1>{title} (sandbox)</h1>\
         <p>The app <strong>{}</strong> asks for access.</p><form method=\"post\"><fieldset><legend>Account</legend>",
        escape(&asked.client)
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
        "<button name=\"decision\" value=\"allow\">Allow</button><button name=\"decision\" value=\"deny\">Deny</button>\
         </form></main></body></html>",
    );
    Html(page)
}

/// Says why nobody is asked.
pub(super) fn refusal(login: Login, problem: &str) -> Html<String> {
    let title = login.title();
    Html(format!(
        "{HEAD}<title>{title}: error</title></head><body><main><h1>{title} (sandbox)</h1><p>{}</p></main></body></html>",
        escape(problem)
    ))
}

/// The log-in is not there any more.
pub(super) fn gone() -> Html<String> {
    Html(format!(
        "{HEAD}<title>Gone</title></head><body><main><h1>Sandbox</h1><p>This log-in was answered already.</p></main>\
         </body></html>"
    ))
}
