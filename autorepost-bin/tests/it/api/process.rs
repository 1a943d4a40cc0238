//! The interface of a running program: from the first key to a rule, and held against its own document by schemathesis.

use std::{path::PathBuf, process::Stdio};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{Daemon, Stage, text, until};

/// How long schemathesis asks, in seconds, and from which seed: `CONTRACT_SECS` and `CONTRACT_SEED` ask longer, and for
/// other things.
const CONTRACT: [(&str, &str); 2] = [("CONTRACT_SECS", "45"), ("CONTRACT_SEED", "20261124")];

/// A running program with an interface.
struct Served {
    stage: Stage,
    daemon: Daemon,
    base: String,
    client: Client,
}

impl Served {
    async fn new(mut stage: Stage) -> Self {
        stage.set("AUTOREPOST_REQUESTS_PER_MINUTE", "10000");
        // So that what is brought signed is looked at.
        stage.set("AUTOREPOST_WEBHOOK_SECRET", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
        let daemon = stage.start().await;
        daemon.until_listening().await;
        let log = daemon.log();
        let base = log.split("listening on ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
        Self { stage, daemon, base, client: Client::new() }
    }

    async fn ask(&self, method: Method, path: &str, key: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if !key.is_empty() {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    /// The first row of a list that has this value.
    async fn id(&self, key: &str, path: &str, field: &str, value: &str) -> String {
        let (_, list) = self.ask(Method::GET, path, key, None).await;
        let row = list["items"].as_array().unwrap().iter().find(|row| row[field] == value);
        row.unwrap_or_else(|| panic!("{path} has no {value}: {list}"))["id"].as_str().unwrap().to_owned()
    }
}

fn credential(stage: &Stage, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(stage.path(name)).unwrap()).unwrap()
}

/// What docs/http-api.md shows, and what the command line says of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_first_key_to_a_published_post() {
    let served = Served::new(Stage::new().await).await;
    let stage = &served.stage;
    let (status, problem) = served.ask(Method::GET, "/v1/rules", "", None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(problem["detail"].as_str().unwrap().contains("autorepost api-keys add"), "{problem}");

    assert_eq!(stage.ok(&["tenants", "add", "studio"]).await["name"], "studio");
    assert!(stage.fails(1, &["tenants", "add", "studio"]).await.contains("already"));
    assert!(stage.fails(1, &["api-keys", "add", "k", "--tenant", "nobody"]).await.contains("tenants list"));
    assert!(stage.fails(64, &["api-keys", "add", "k", "--role", "king"]).await.contains("viewer, operator or admin"));
    let made = stage.ok(&["api-keys", "add", "laptop", "--tenant", "studio"]).await;
    assert_eq!((&made["role"], &made["name"]), (&json!("operator"), &json!("laptop")));
    let key = made["text"].as_str().unwrap();
    let root = stage.ok(&["api-keys", "add", "root", "--installation"]).await;
    assert_eq!((&root["role"], &root["tenant"]), (&json!("admin"), &Value::Null));
    let listed = text(&stage.cli(&["api-keys", "list"]).await.stdout);
    assert!(listed.contains("laptop") && listed.contains("studio") && listed.contains("(all)"), "{listed}");
    assert!(!listed.contains(key.rsplit('_').next().unwrap()));
    assert!(text(&stage.cli(&["tenants", "list"]).await.stdout).contains("owner"));

    let post = async |path: &str, body: Value| served.ask(Method::POST, path, key, Some(body)).await;
    let body =
        json!({ "platform": "tiktok", "handle": "demo", "credential": credential(stage, "tiktok-cookies.json") });
    let (status, source) = post("/v1/connections", body).await;
    assert_eq!(status, StatusCode::CREATED, "{source}");
    let (status, destination) =
        post("/v1/connections", json!({ "platform": "x", "credential": credential(stage, "x-token.json") })).await;
    assert_eq!(status, StatusCode::CREATED, "{destination}");
    let check = format!("/v1/connections/{}/check", destination["id"].as_str().unwrap());
    assert_eq!(served.ask(Method::POST, &check, key, None).await.1["ok"], true);
    stage.add_posts([1]);
    let to = json!([{ "connection": destination["id"], "options": { "platform": "x" } }]);
    let body = json!({ "name": "videos", "source": source["id"], "every_post": true, "spec": { "destinations": to } });
    let (status, rule) = post("/v1/rules", body).await;
    assert_eq!(status, StatusCode::CREATED, "{rule}");
    until("it is published", async || {
        let (_, page) = served.ask(Method::GET, "/v1/reposts?state=published", key, None).await;
        page["items"].as_array().unwrap().len() == 1
    })
    .await;
    let id = served.id(key, "/v1/posts", "key", "1").await;
    let (_, told) = served.ask(Method::GET, &format!("/v1/posts/{id}/explanation"), key, None).await;
    assert!(told["reposts"][0]["repost"]["receipt"]["url"].as_str().unwrap().contains("x.com"), "{told}");
    assert_eq!(stage.world().ledger().len(), 1);
    // The commands work for the owner, and see nothing of it.
    assert_eq!(stage.ok(&["posts"]).await, json!([]));

    stage.ok(&["api-keys", "revoke", made["id"].as_str().unwrap()]).await;
    let (status, problem) = served.ask(Method::GET, "/v1/rules", key, None).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNAUTHORIZED, &json!("unauthenticated")));
    for path in ["/docs/", "/openapi.json", "/healthz"] {
        let answer = served.client.get(format!("{}{path}", served.base)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
    let log = served.daemon.log();
    assert!(!log.contains(key.rsplit('_').next().unwrap()) && !log.contains("demo-token-secret"), "{log}");
    served.daemon.stop().await;
}

/// No answer is a 5xx, and none differs from what the document says of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_running_program_keeps_to_its_document() {
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/schemathesis");
    assert!(program.exists(), "{} is missing: run scripts/setup", program.display());
    let stage = Stage::ready().await;
    stage.add_posts([1, 2]);
    let served = Served::new(stage).await;
    let stage = &served.stage;
    stage.all_once([1, 2]).await;
    let key = stage.ok(&["api-keys", "add", "contract", "--installation"]).await["text"].as_str().unwrap().to_owned();
    // Rows that are there, so that more than 404 is met.
    let ids = [
        ("connections", served.id(&key, "/v1/connections", "platform", "tiktok").await),
        ("rules", served.id(&key, "/v1/rules", "name", "all").await),
        ("posts", served.id(&key, "/v1/posts", "key", "1").await),
        ("reposts", served.id(&key, "/v1/reposts", "post_key", "2").await),
        ("tenants", served.id(&key, "/v1/tenants", "name", "owner").await),
    ];
    let mut config = String::from(
        "[checks]\n\
         # 400 is for what the document forbids, and never for what it allows; 422 is for what cannot work all the same.\n\
         negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 414, 415, 422, 428, 429, 431]\n\
         positive_data_acceptance.expected-statuses = [\"2xx\", 401, 403, 404, 409, 422, 429]\n",
    );
    for (name, id) in ids {
        config += &format!(
            "[[operations]]\ninclude-path-regex = \"^/v1/{name}/\"\nparameters = {{ \"path.id\" = \"{id}\" }}\n"
        );
    }
    stage.write("schemathesis.toml", &config);
    let [secs, seed] = CONTRACT.map(|(name, usual)| std::env::var(name).unwrap_or_else(|_| usual.to_owned()));
    // One worker: two of them disturb one another within Hypothesis (a KeyError there, when the machine is busy).
    let output = Command::new(program)
        .args(["--config-file", "schemathesis.toml", "run", &format!("{}/openapi.json", served.base)])
        .args(["--header", &format!("Authorization: Bearer {key}"), "--seed", &seed, "--max-examples", "30"])
        .args(["--max-time", &secs, "--workers", "1", "--no-color", "--suppress-health-check", "all"])
        .current_dir(stage.folder.path())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let told = text(&output.stdout) + &text(&output.stderr);
    // Without the whole files that a trace of Python may quote.
    let told: String = told.lines().filter(|line| line.len() < 2_000).map(|line| format!("{line}\n")).collect();
    let log = served.daemon.log();
    let trouble: Vec<_> = log.lines().filter(|line| line.contains("ERROR") || line.contains("panicked")).collect();
    assert!(output.status.success() && trouble.is_empty(), "{told}\n{trouble:#?}");
    let tested = told.lines().find_map(|line| line.trim().strip_prefix("Tested: ")?.parse::<usize>().ok());
    // And the route whose messages are signed.
    assert_eq!(tested, Some(autorepost::api::NEEDS.len() + 1), "{told}");
    assert_eq!(served.ask(Method::GET, "/v1/stats", &key, None).await.0, StatusCode::OK);
    served.daemon.stop().await;
}
