//! Lists, page by page.

use autorepost_core::{access::Role, state::RepostState};
use axum::http::StatusCode;

use super::house::{House, admit, post, repost, rule_body};

/// The values of a field in a list, walked in pages of two, with something done between the pages.
async fn walk(house: &House, path: &str, field: &str, mut between: impl AsyncFnMut(usize)) -> Vec<String> {
    let (mut met, mut cursor) = (Vec::new(), String::new());
    for page in 0.. {
        let answer = house.get(house.key(Role::Admin), &format!("{path}limit=2{cursor}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        let items = answer.json["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        met.extend(items.iter().map(|item| item[field].as_str().unwrap().to_owned()));
        between(page).await;
        match answer.json["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return met,
        }
        assert_eq!(items.len(), 2, "a page that has another after it is full");
    }
    unreachable!()
}

#[tokio::test]
async fn a_walk_meets_every_row_once_while_rows_are_added() {
    let house = House::new().await;
    let (bench, ours) = (&house.bench, &house.ours);
    let add = async |name: &str, secs: i64| {
        let post = post(&ours.source, bench, name, secs);
        let repost = repost(&post, &ours.rule, &ours.destination, bench, RepostState::Planned);
        admit(bench, &ours.source, vec![(post, vec![repost])]).await;
    };
    // Three of one time among them: a page ends between them.
    for (n, secs) in [5, 5, 5, 6, 7].into_iter().enumerate() {
        add(&format!("early-{n}"), secs).await;
    }
    let mut wanted: Vec<String> = (0..5).map(|n| format!("early-{n}")).collect();
    wanted.extend(ours.reposts.keys().map(|name| format!("OURS-{name}")));
    wanted.sort();
    for (path, field) in [("/v1/posts?", "key"), ("/v1/reposts?", "post_key")] {
        let name = path.trim_start_matches("/v1/").trim_end_matches('?');
        // What is newer than the first page comes before it: the walk does not meet it, and loses nothing.
        let mut met =
            walk(&house, path, field, async |page| add(&format!("late-{name}-{page}"), 100 + page as i64).await).await;
        assert!(met.len() >= 9);
        met.retain(|key| !key.starts_with("late"));
        met.sort();
        assert_eq!(met, wanted, "{path}");
    }
    let only = walk(&house, "/v1/reposts?state=unconfirmed&", "post_key", async |_| {}).await;
    assert_eq!(only, ["OURS-unconfirmed"]);

    // Lists in the order of their making meet what is added at their end, too.
    let mut made = 0;
    let met = walk(&house, "/v1/rules?", "name", async |page| {
        if page < 4 {
            bench.clock.advance(std::time::Duration::from_secs(1));
            let body = rule_body(&format!("rule {page}"), &ours.source, &ours.destination);
            assert_eq!(house.post(house.key(Role::Operator), "/v1/rules", body).await.status, StatusCode::CREATED);
            made += 1;
        }
    })
    .await;
    assert_eq!(made, 1, "a list of one page ends with it");
    assert_eq!(met, ["OURS rule"]);
    let met = walk(&house, "/v1/rules?", "name", async |_| {}).await;
    assert_eq!(met, ["OURS rule", "rule 0"]);
    // They were made in one millisecond, so their order is chance.
    let mut keys = walk(&house, "/v1/api-keys?", "name", async |_| {}).await;
    keys.sort();
    assert_eq!(keys, ["OURS admin", "OURS operator", "OURS viewer"]);
    let audit = walk(&house, "/v1/audit?", "id", async |_| {}).await;
    let mut once = audit.clone();
    once.sort();
    once.dedup();
    assert!(once.len() == audit.len() && audit.len() >= 3, "{audit:?}");
}

#[tokio::test]
async fn a_page_that_is_none_is_refused() {
    let house = House::new().await;
    let key = house.key(Role::Viewer);
    for (query, status) in [
        ("limit=0", StatusCode::BAD_REQUEST),
        ("limit=201", StatusCode::BAD_REQUEST),
        ("limit=-1", StatusCode::BAD_REQUEST),
        ("limit=many", StatusCode::BAD_REQUEST),
        ("cursor=", StatusCode::BAD_REQUEST),
        ("cursor=nonsense", StatusCode::BAD_REQUEST),
        ("limit=200", StatusCode::OK),
        ("cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", StatusCode::OK),
        ("cursor=f_________________________------", StatusCode::OK),
    ] {
        for list in ["posts", "reposts", "rules", "connections", "jobs/dead"] {
            let answer = house.get(key, &format!("/v1/{list}?{query}")).await;
            assert_eq!(answer.status, status, "{list} {query}: {}", answer.text);
        }
    }
}
