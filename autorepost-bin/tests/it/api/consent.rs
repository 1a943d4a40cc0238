//! Connecting accounts on the platforms' pages, over HTTP.

use autorepost::api::CALLBACK_PATH;
use autorepost_core::{access::Role, connection::AuthMethod};
use axum::http::{StatusCode, header};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::house::{Answer, Family, House};

async fn asked(house: &House, family: &Family, body: Value) -> Answer {
    house.post(&family.keys[&Role::Operator], "/v1/connections/consent", body).await
}

/// The state of a new log-in.
async fn state(house: &House, family: &Family) -> String {
    let answer = asked(house, family, json!({ "platform": "youtube" })).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(answer.json["expires_at"].is_string());
    answer.json["url"].as_str().unwrap().split_once("state=").unwrap().1.to_owned()
}

async fn callback(house: &House, query: &str) -> Answer {
    let answer = house.get("", &format!("{CALLBACK_PATH}?{query}")).await;
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(answer.headers[header::REFERRER_POLICY], "no-referrer");
    assert!(answer.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"), "{}", answer.text);
    answer
}

#[tokio::test]
async fn a_browser_that_comes_back_connects_the_account_in_the_tenant_that_asked() {
    let house = House::new().await;
    let state = state(&house, &house.theirs).await;
    let answer = callback(&house, &format!("code=their.channel&state={state}&iss=https%3A%2F%2Fissuer.example")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(answer.text.contains("Connected") && answer.text.contains("their.channel"), "{}", answer.text);
    let handles = async |family: &Family| house.get(&family.keys[&Role::Viewer], "/v1/connections").await.text;
    assert!(handles(&house.theirs).await.contains("their.channel"));
    assert!(!handles(&house.ours).await.contains("their.channel"));
    let audit = house.get(&house.theirs.keys[&Role::Admin], "/v1/audit").await;
    assert!(audit.text.contains("connections.consent_answered"), "{}", audit.text);
    assert!(!audit.text.contains(&state), "the audit log holds a state");
    let ours = house.get(house.key(Role::Admin), "/v1/audit").await;
    assert!(!ours.text.contains("connections.consent"), "{}", ours.text);
}

#[tokio::test]
async fn one_answer_connects_once_however_often_it_is_sent() {
    let house = House::new().await;
    let query = format!("code=once&state={}", state(&house, &house.ours).await);
    let answers = join_all((0..8).map(|_| callback(&house, &query))).await;
    let connected = answers.iter().filter(|answer| answer.status == StatusCode::OK).count();
    let unknown = answers.iter().filter(|answer| answer.status == StatusCode::NOT_FOUND).count();
    assert_eq!((connected, unknown), (1, 7));
    assert_eq!(house.bench.consents[&AuthMethod::Google].exchanged(), 1);
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK || answer.text.contains("begin again")));
}

#[tokio::test]
async fn what_goes_wrong_is_told_on_the_page() {
    let house = House::new().await;
    let denied = callback(&house, &format!("error=access_denied&state={}", state(&house, &house.ours).await)).await;
    assert_eq!(denied.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(denied.text.contains("refused on YouTube"), "{}", denied.text);
    let script = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let query = format!("error={script}&error_description={script}&state={}", state(&house, &house.ours).await);
    let odd = callback(&house, &query).await;
    assert!(odd.text.contains("&lt;script&gt;") && !odd.text.contains("<script"), "{}", odd.text);
    for query in ["", "code=a", "state=a", "code=a&state=b", "code=a&code=b&state=c", "denied="] {
        let answer = callback(&house, query).await;
        assert!(answer.status.is_client_error() && answer.text.contains("Not connected"), "{query}: {}", answer.text);
    }
    house.bench.consents[&AuthMethod::Google].allow(&["read"]);
    let part = callback(&house, &format!("code=a&state={}", state(&house, &house.ours).await)).await;
    assert!(part.status.is_client_error() && part.text.contains("page (publish)"), "{}", part.text);
}

#[tokio::test]
async fn a_log_in_that_cannot_begin_says_why() {
    let house = House::new().await;
    let odd = asked(&house, &house.ours, json!({ "platform": "youtube", "login": "oauth1" })).await;
    assert_eq!(odd.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", odd.text);
    for (body, method) in [
        (json!({ "platform": "instagram" }), AuthMethod::FacebookLogin),
        (json!({ "platform": "instagram", "login": "instagram" }), AuthMethod::InstagramLogin),
        (json!({ "platform": "x", "login": "oauth2" }), AuthMethod::XOauth2),
        (json!({ "platform": "tiktok" }), AuthMethod::TiktokLogin),
    ] {
        let answer = asked(&house, &house.ours, body).await;
        let state = answer.json["url"].as_str().unwrap().split_once("state=").unwrap().1.to_owned();
        callback(&house, &format!("code=a&state={state}")).await;
        assert_eq!(house.bench.consents[&method].exchanged(), 1, "{method:?}");
    }
}
