//! Every route of the OpenAPI document: who may ask, and that no tenant sees or touches another's rows.

use autorepost::api::{COOKIES_PATH, NEEDS, PROBLEM_JSON, document};
use autorepost_core::{ErrorKind, access::Role, operator::BackfillAsk};
use axum::http::{StatusCode, header};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::house::{Answer, Family, House, SECRET, rule_body, start};

/// An operation of the document.
struct Operation {
    method: String,
    path: String,
    id: String,
    role: String,
    installation: bool,
    has_body: bool,
}

impl Operation {
    fn changes(&self) -> bool {
        self.method != "GET"
    }

    /// The address with a family's rows in it.
    fn of(&self, family: &Family) -> String {
        let id = match self.path.split('/').nth(2).unwrap() {
            "connections" if self.id == "connections.pause" => family.destination.id.to_string(),
            "connections" => family.source.id.to_string(),
            "rules" => family.rule.id.to_string(),
            "posts" => family.post.to_string(),
            "reposts" => {
                family.reposts[if self.id == "reposts.cancel" { "planned" } else { "unconfirmed" }].to_string()
            }
            "jobs" => family.dead.id.to_string(),
            "webhooks" => family.webhook.id.to_string(),
            "api-keys" => key_id(&family.keys[&Role::Viewer]),
            _ => family.tenant.to_string(),
        };
        let query = match self.id.as_str() {
            "rules.plan_backfill" => "?since=2025-01-01T00:00:00Z",
            "masters.create" => "?name=new.mp4",
            _ => "",
        };
        self.path.replace("{id}", &id) + query
    }

    /// Does what must have been done before it can succeed.
    async fn prepare(&self, house: &House, family: &Family) {
        if matches!(self.id.as_str(), "rules.backfill_status" | "rules.end_backfill") {
            let operator = autorepost_core::operator::Operator::new(&house.bench.ports, family.tenant, "somebody");
            let ask = BackfillAsk { since: start() - TimeDelta::days(9), until: None, per_day: None };
            operator.begin_backfill(&family.rule, &ask).await.unwrap();
        }
    }

    /// A body that works for a family.
    fn body(&self, family: &Family) -> Option<Value> {
        let rule = rule_body("new", &family.source, &family.destination);
        let body = match self.id.as_str() {
            "tenants.create" => json!({ "name": "new" }),
            "api_keys.create" => json!({ "name": "new", "role": "viewer" }),
            "connections.connect" => json!({
                "platform": "x", "account": "new", "handle": "new",
                "credential": { "oauth_token": SECRET, "oauth_token_secret": SECRET },
            }),
            "connections.consent" => json!({ "platform": "youtube" }),
            "rules.create" => rule,
            "masters.create" => json!("the bytes of a video"),
            "rules.backfill" => json!({ "since": "2025-01-01T00:00:00Z", "per_day": 2 }),
            "rules.update" => json!({ "name": "changed", "spec": rule["spec"] }),
            "webhooks.create" => json!({ "url": "https://example.com/new", "events": ["repost.failed"] }),
            "reposts.ask" => json!({ "post": family.post }),
            "reposts.confirm" => json!({ "url": "https://x.com/seen" }),
            "brakes.engage" | "brakes.engage_everything" => json!({ "reason": "a drill" }),
            _ => return None,
        };
        Some(body)
    }
}

/// The id of a key, which is part of its text.
fn key_id(text: &str) -> String {
    let id = text.split('_').nth(1).unwrap();
    format!("{}-{}-{}-{}-{}", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..])
}

fn operations() -> Vec<Operation> {
    let document = document();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        // No key opens it: what is brought there is signed.
        if path == COOKIES_PATH {
            assert_eq!(item["post"]["security"], json!([{ "signature": [] }]));
            continue;
        }
        for (method, operation) in item.as_object().unwrap() {
            let text = |name: &str| operation[name].as_str().unwrap().to_owned();
            operations.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                id: text("operationId"),
                role: text("x-role"),
                installation: text("x-scope") == "installation",
                has_body: !operation["requestBody"].is_null(),
            });
        }
    }
    assert_eq!(operations.len(), NEEDS.len());
    assert!(operations.len() >= 40, "most routes are gone");
    operations
}

fn is_problem(answer: &Answer, status: StatusCode) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.headers[header::CONTENT_TYPE], PROBLEM_JSON, "{}", answer.text);
    let request = answer.headers["x-request-id"].to_str().unwrap();
    assert_eq!((&answer.json["status"], &answer.json["request_id"]), (&json!(status.as_u16()), &json!(request)));
    for field in ["type", "title", "detail", "code"] {
        assert!(answer.json[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {}", answer.text);
    }
}

#[tokio::test]
async fn without_a_key_that_opens_every_route_answers_401() {
    let house = House::new().await;
    let revoked = house.key(Role::Admin).to_owned();
    let id = key_id(&revoked);
    let answer = house.ask(&house.root, "DELETE", &format!("/v1/api-keys/{id}"), &[], None).await;
    assert!(answer.json["revoked_at"].is_string(), "{}", answer.text);
    let mut forged = house.root.clone();
    forged.replace_range(
        forged.len() - 5..forged.len() - 4,
        if forged.as_bytes()[forged.len() - 5] == b'A' { "B" } else { "A" },
    );
    for operation in operations() {
        for key in ["", "ar_nonsense", &forged, &revoked] {
            let answer = house.ask(key, &operation.method, &operation.of(&house.ours), &[], None).await;
            is_problem(&answer, StatusCode::UNAUTHORIZED);
            assert!(answer.headers[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer"));
        }
    }
}

#[tokio::test]
async fn a_key_does_what_its_role_allows_and_no_more() {
    for role in Role::ALL {
        for operation in operations() {
            // Each on rows that nothing was done to.
            let house = House::new().await;
            let (path, body) = (operation.of(&house.ours), operation.body(&house.ours));
            assert_eq!(body.is_some(), operation.has_body, "{} needs a body here", operation.id);
            let before = house.bench.memory.reposts();
            operation.prepare(&house, &house.ours).await;
            let answer = house.ask(house.key(role), &operation.method, &path, &[], body).await;
            let needed: Role = operation.role.parse().unwrap();
            if role < needed || operation.installation {
                is_problem(&answer, StatusCode::FORBIDDEN);
                assert_eq!(house.bench.memory.reposts(), before);
            } else {
                assert!(answer.status.is_success(), "{} as {role}: {}", operation.id, answer.text);
            }
            assert!(role > Role::Viewer || !operation.changes() || answer.status == StatusCode::FORBIDDEN);
            assert!(!answer.text.contains(SECRET) && !answer.text.contains("v1.bench."), "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn an_installation_key_acts_in_the_tenant_that_it_names() {
    for operation in operations() {
        let house = House::new().await;
        let (path, body) = (operation.of(&house.theirs), operation.body(&house.theirs));
        let tenant = house.theirs.tenant.to_string();
        let named = [("Autorepost-Tenant", tenant.as_str())];
        operation.prepare(&house, &house.theirs).await;
        let answer = house.ask(&house.root, &operation.method, &path, &named, body).await;
        assert!(answer.status.is_success(), "{}: {}", operation.id, answer.text);
        assert!(operation.id == "tenants.list" || !answer.text.contains("OURS"), "{}: {}", operation.id, answer.text);
    }
    let house = House::new().await;
    let missing = "01a20edf-9619-702a-a29b-8477609ae73d";
    for named in [missing, "nonsense", ""] {
        let answer = house.ask(&house.root, "GET", "/v1/rules", &[("Autorepost-Tenant", named)], None).await;
        is_problem(&answer, StatusCode::NOT_FOUND);
    }
    let (ours, theirs) = (house.ours.tenant.to_string(), house.theirs.tenant.to_string());
    for (named, status) in
        [(ours, StatusCode::OK), (theirs, StatusCode::NOT_FOUND), (missing.into(), StatusCode::NOT_FOUND)]
    {
        let answer =
            house.ask(house.key(Role::Viewer), "GET", "/v1/rules", &[("Autorepost-Tenant", &named)], None).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
}

#[tokio::test]
async fn another_tenants_rows_are_not_there() {
    let house = House::new().await;
    let admin = house.key(Role::Admin);
    let mut asked = 0;
    for operation in operations().iter().filter(|operation| operation.path.contains("{id}") && !operation.installation)
    {
        let foreign =
            house.ask(admin, &operation.method, &operation.of(&house.theirs), &[], operation.body(&house.ours)).await;
        is_problem(&foreign, StatusCode::NOT_FOUND);
        // What was never there is told in the same words.
        let made_up = "01a20edf-9619-702a-a29b-8477609ae73d";
        let foreign_id = operation.of(&house.theirs).split(['/', '?']).nth(3).unwrap().to_owned();
        let path = operation.of(&house.theirs).replace(&foreign_id, made_up);
        let unknown = house.ask(admin, &operation.method, &path, &[], operation.body(&house.ours)).await;
        is_problem(&unknown, StatusCode::NOT_FOUND);
        assert_eq!(
            foreign.json["detail"].as_str().unwrap().replace(&foreign_id, made_up),
            unknown.json["detail"].as_str().unwrap()
        );
        asked += 1;
    }
    assert!(asked >= 20, "only {asked} routes name a row");

    let (ours, theirs) = (&house.ours, &house.theirs);
    for (path, body) in [
        ("/v1/rules", rule_body("mixed", &ours.source, &theirs.destination)),
        ("/v1/rules", rule_body("mixed", &theirs.source, &ours.destination)),
        ("/v1/reposts", json!({ "post": theirs.post })),
        ("/v1/reposts", json!({ "post": ours.post, "connection": theirs.destination.id })),
    ] {
        let answer = house.post(admin, path, body).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.text);
        assert!(!answer.text.contains("THEIRS"), "{path}: {}", answer.text);
    }
    let untouched = house.bench.memory.all_rules();
    assert_eq!(untouched.iter().find(|rule| rule.id == theirs.rule.id), Some(&theirs.rule));
}

#[tokio::test]
async fn no_list_shows_another_tenants_rows() {
    let house = House::new().await;
    let mut seen = 0;
    for operation in operations().iter().filter(|one| !one.changes() && !one.installation && !one.path.contains("{id}"))
    {
        for (family, mine, others) in [(&house.ours, "OURS", "THEIRS"), (&house.theirs, "THEIRS", "OURS")] {
            let answer = house.get(&family.keys[&Role::Admin], &operation.path).await;
            assert_eq!(answer.status, StatusCode::OK, "{}: {}", operation.id, answer.text);
            assert!(!answer.text.contains(others), "{}: {}", operation.id, answer.text);
            let foreign = if mine == "OURS" { &house.theirs } else { &house.ours };
            for id in [foreign.source.id.to_string(), foreign.rule.id.to_string(), foreign.post.to_string()] {
                assert!(!answer.text.contains(&id), "{}: {}", operation.id, answer.text);
            }
            // Counts have no names.
            assert!(
                answer.text.contains(mine) || operation.path.ends_with("stats"),
                "{}: {}",
                operation.id,
                answer.text
            );
            seen += 1;
        }
    }
    assert!(seen >= 18, "only {seen} lists");
    // A brake on everything holds them both, and its author is nobody's business.
    let reason = json!({ "reason": "a drill" });
    let answer = house.ask(&house.root, "PUT", "/v1/brakes/everything", &[], Some(reason)).await;
    assert!(answer.status.is_success(), "{}", answer.text);
    let answer = house.get(&house.theirs.keys[&Role::Viewer], "/v1/brakes").await;
    assert!(answer.text.contains("a drill") && !answer.text.contains("root"), "{}", answer.text);
    // All keys are the installation's business.
    is_problem(&house.get(house.key(Role::Admin), "/v1/api-keys?all=true").await, StatusCode::FORBIDDEN);
    let all = house.get(&house.root, "/v1/api-keys?all=true").await;
    assert!(all.text.contains("OURS") && all.text.contains("THEIRS"), "{}", all.text);
}

#[tokio::test]
async fn nobody_gives_out_more_than_they_have() {
    let house = House::new().await;
    let admin = house.key(Role::Admin);
    let answer = house.post(admin, "/v1/api-keys", json!({ "name": "n", "role": "admin", "installation": true })).await;
    is_problem(&answer, StatusCode::FORBIDDEN);
    let answer =
        house.post(&house.root, "/v1/api-keys", json!({ "name": "n", "role": "viewer", "installation": true })).await;
    is_problem(&answer, StatusCode::UNPROCESSABLE_ENTITY);
    let answer = house.post(admin, "/v1/api-keys", json!({ "name": "n", "role": "operator" })).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let text = answer.json["text"].as_str().unwrap();
    assert_eq!(house.get(text, "/v1/rules").await.status, StatusCode::OK);
    assert_eq!(house.get(text, "/v1/api-keys").await.status, StatusCode::FORBIDDEN);
    let listed = house.get(admin, "/v1/api-keys").await;
    assert!(!listed.text.contains(text.rsplit('_').next().unwrap()), "{}", listed.text);
}

/// The table of the document is the one by which the program answers.
#[test]
fn the_document_tells_each_errors_status() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/http-api.md");
    let text = std::fs::read_to_string(root).unwrap();
    for kind in ErrorKind::ALL {
        let row = format!("| `{}` | {} |", kind.as_str(), autorepost::api::status(kind).as_u16());
        assert!(text.contains(&row), "docs/http-api.md has no row {row}");
    }
    for need in NEEDS {
        let row = format!("| {} | `{}` | {} |", need.method, need.path, need.role);
        assert!(text.contains(&row), "docs/http-api.md has no row {row}");
    }
}
