//! An owner with a browser: opens a consent page of the sandbox, chooses, and answers.

use reqwest::{Client, Response, header::LOCATION, redirect::Policy};
use url::{Url, form_urlencoded};

/// Redirects that are followed at most.
const HOPS_MAX: usize = 5;

/// What an owner does on the page.
#[derive(Debug, Clone, Copy)]
pub enum Says<'a> {
    /// Allows everything, for the account that is chosen already.
    Allow,
    /// Allows everything, for these accounts.
    AllowFor(&'a [&'a str]),
    /// Takes this scope away, and allows the rest.
    Without(&'a str),
    /// Refuses.
    Deny,
}

/// Opens the page and answers; where the browser is sent to then, which is not opened.
pub async fn answer(page: &str, says: Says<'_>) -> Url {
    let client = client();
    let (address, text) = open(&client, page).await.unwrap_or_else(|told| panic!("the page refuses: {told}"));
    let mut form: Vec<(String, String)> = inputs(&text)
        .into_iter()
        .filter(|input| match says {
            Says::AllowFor(accounts) if input.name == "account" => accounts.contains(&input.value.as_str()),
            Says::Without(scope) if input.name == "scope" => input.value != scope,
            _ => input.checked,
        })
        .map(|input| (input.name, input.value))
        .collect();
    let decision = if matches!(says, Says::Deny) { "deny" } else { "allow" };
    assert!(text.contains(&format!("value=\"{decision}\"")), "there is no button for it: {text}");
    form.push(("decision".into(), decision.into()));
    let response = client.post(address).form(&form).send().await.unwrap();
    location(&response).unwrap_or_else(|| panic!("the page answered {}", response.status()))
}

/// What a page says that does not ask.
pub async fn refusal(page: &str) -> String {
    open(&client(), page).await.expect_err("the page asks the owner")
}

/// Opens an address as the browser does that is sent there.
pub async fn land(address: &Url) -> Response {
    client().get(address.clone()).send().await.unwrap()
}

/// The parameters that came back.
pub fn pairs(address: &Url) -> Vec<(String, String)> {
    form_urlencoded::parse(address.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

fn client() -> Client {
    Client::builder().redirect(Policy::none()).build().unwrap()
}

fn location(response: &Response) -> Option<Url> {
    response.headers().get(LOCATION).map(|value| Url::parse(value.to_str().unwrap()).unwrap())
}

async fn open(client: &Client, page: &str) -> Result<(Url, String), String> {
    let mut address = Url::parse(page).unwrap();
    for _ in 0..HOPS_MAX {
        let response = client.get(address.clone()).send().await.unwrap();
        match location(&response) {
            Some(next) => address = next,
            None if response.status().is_success() => return Ok((address, response.text().await.unwrap())),
            None => return Err(response.text().await.unwrap()),
        }
    }
    panic!("{page} leads nowhere");
}

struct Input {
    name: String,
    value: String,
    checked: bool,
}

fn inputs(page: &str) -> Vec<Input> {
    let attribute = |tag: &str, name: &str| {
        let start = tag.find(&format!("{name}=\"")).unwrap() + name.len() + 2;
        tag[start..].split('"').next().unwrap().to_owned()
    };
    let tags = page.split("<input ").skip(1).map(|rest| rest.split('>').next().unwrap());
    let input = |tag: &str| Input {
        name: attribute(tag, "name"),
        value: attribute(tag, "value"),
        checked: tag.contains(" checked") && !tag.contains(" disabled"),
    };
    tags.map(input).collect()
}
