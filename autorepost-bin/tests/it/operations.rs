//! The commands of those who run the program: `synthetic`, `slo`, `gate`, `soak`.

use autorepost_core::Platform;
use autorepost_sandbox::{Effect, Fault, Refusal, Step};
use serde_json::Value;

use crate::support::{LIMIT, Stage, until};

fn row<'a>(list: &'a Value, what: &str) -> &'a Value {
    let rows = list.as_array().unwrap();
    rows.iter().find(|row| row["what"] == what).unwrap_or_else(|| panic!("no {what}: {list}"))
}

/// What must hold before production: each gate is named while it does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gates_open_when_everything_holds() {
    let stage = Stage::new().await;
    stage.ok(&["status"]).await;
    let told = stage.fails(1, &["gate"]).await;
    assert!(told.contains("2 of 4 are wrong: tests, synthetic run"), "{told}");
    // A run that is not recorded opens nothing.
    let run = stage.ok(&["synthetic"]).await;
    assert_eq!(row(&run, "the public sees")["detail"], "3 posts, one at each destination");
    for platform in ["Instagram", "YouTube", "X"] {
        assert_eq!(row(&run, &format!("{platform}: published"))["ok"], true);
        assert_eq!(row(&run, &format!("{platform}: committed and confirmed"))["ok"], true);
    }
    let told = stage.fails(1, &["gate", "--tests", "run 7"]).await;
    assert!(told.contains("1 of 4 are wrong: synthetic run"), "{told}");
    stage.ok(&["synthetic", "--record"]).await;
    let gates = stage.ok(&["gate", "--tests", "run 7"]).await;
    assert_eq!(row(&gates, "tests")["detail"], "passed, by run 7");
    assert!(row(&gates, "synthetic run")["detail"].as_str().unwrap().contains("(sandbox)"), "{gates}");
}

/// The workers of an installation take a post of a test account through everything; failures spend the budget of an
/// objective, and that closes its gate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_synthetic_run_by_the_workers_and_a_budget_that_is_spent() {
    let stage = Stage::new().await;
    stage.connect_all().await;
    let to = ["--to", "instagram", "--to", "youtube", "--to", "x", "--made-for-kids", "no"];
    // It takes nothing by itself: what it is for is asked for.
    let only = ["--require-hashtag", "never"];
    stage.ok(&[&["rules", "add", "tests"][..], &to, &only].concat()).await;
    let told = stage.fails(1, &["synthetic", "--rule", "tests", "--wait", "1"]).await;
    assert!(told.contains("sync") && told.contains("is one running?"), "{told}");
    stage.add_posts([1, 2, 3]);
    let daemon = stage.start().await;
    until("the posts are found", async || stage.ok(&["posts"]).await.as_array().unwrap().len() == 3).await;
    let run = stage.ok(&["synthetic", "--rule", "tests", "--record", "--wait", &LIMIT.as_secs().to_string()]).await;
    assert_eq!(row(&run, "X: published")["ok"], true, "{run}");
    assert_eq!(stage.world().ledger().len(), 3);
    let budgets = stage.ok(&["slo"]).await;
    assert_eq!((&budgets[0]["total"], &budgets[0]["bad"], &budgets[1]["total"]), (&3.into(), &0.into(), &3.into()));

    let refusal = Refusal { status: 403, code: "not-allowed".into(), message: "no".into() };
    let fault = Fault::first(Platform::X, Step::Begin, Effect::Refuse(refusal), 2);
    stage.world().set_faults(vec![fault]);
    for _ in 0..2 {
        let told = stage.fails(1, &["synthetic", "--rule", "tests"]).await;
        assert!(told.contains("X: published: it is failed"), "{told}");
    }
    let told = stage.fails(1, &["synthetic", "--rule", "tests"]).await;
    assert!(told.contains("every post of the source of rule \"tests\" was reposted already"), "{told}");
    let told = stage.fails(1, &["slo"]).await;
    assert!(told.contains("SPENT") && told.contains("publications that succeed"), "{told}");
    let told = stage.fails(1, &["gate", "--tests", "run 7"]).await;
    assert!(told.contains("1 of 4 are wrong: error budgets"), "{told}");
    daemon.stop().await;
}

/// Load with faults, and both books agree at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_soak_compares_the_books_and_plots() {
    let stage = Stage::new().await;
    let arguments = ["soak", "--hours", "0.003", "--post-every", "1.5", "--report", "soak.html"];
    let outcome = stage.ok(&arguments).await;
    assert_eq!(outcome["disagreements"], serde_json::json!([]), "{outcome}");
    let (posts, published) = (outcome["posts"].as_u64().unwrap(), outcome["published"].as_u64().unwrap());
    assert!(posts >= 4 && published > 2 * posts && outcome["faults"].as_u64().unwrap() > 0, "{outcome}");
    assert!(outcome["seconds_to_publish"]["p95"].as_f64().unwrap() > 0.0);
    let page = std::fs::read_to_string(stage.path("soak.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), 4);
    assert!(page.contains("Both books agree") && page.contains("<polyline"), "{page}");
    let told = stage.fails(64, &["soak", "--hours", "0"]).await;
    assert!(told.contains("it must be from 0.001 to 168"), "{told}");
}
