//! Every known error of every platform, provoked in the sandbox; and the page that shows them.

use std::time::Duration;

use autorepost_core::{
    Error, ErrorKind, Platform, Retry,
    port::{Authorizer, Clock, Commit, Destination, Source},
    state::Owner,
};
use autorepost_platforms::{
    catalogue::{self, Row, Wait},
    instagram::versions,
};
use autorepost_sandbox::{Effect, Fault, Refusal, Step, TikTokPost};
use chrono::TimeDelta;

use crate::support::{SystemClock, UNIT, access, stage, to_commit, work};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/platforms.md");

/// An answer that is this error and no other.
fn provoke(platform: Platform, row: &Row) -> Refusal {
    let code = match row.code {
        "200-299" => "272".to_owned(),
        // Subcodes that come with whatever code.
        code if platform == Platform::Instagram && code.starts_with("22070") => format!("-1/{code}"),
        code => code.to_owned(),
    };
    let status = row.status.unwrap_or(if platform == Platform::TikTok { 200 } else { 400 });
    Refusal { status, code, message: format!("Said by the platform. {}", row.words) }
}

fn is_wait(row: &Row, retry: Retry) -> bool {
    match (row.wait, retry) {
        (Wait::Never, Retry::Never) | (Wait::Soon, Retry::Soon) => true,
        (Wait::Asked(wait) | Wait::For(wait), Retry::After(after)) => wait == after,
        (Wait::PacificMidnight, Retry::After(after)) => after <= Duration::from_secs(25 * 3600) && !after.is_zero(),
        _ => false,
    }
}

#[tokio::test]
async fn every_known_error_is_told_as_documented() {
    let stage = stage().await;
    for destination in stage.destinations() {
        let platform = destination.platform();
        let work = work(platform, "errors", UNIT).await;
        for row in catalogue::rows(platform) {
            let refusal = provoke(platform, row);
            let what = format!("{platform} {refusal:?}");
            let fault = Fault::first(platform, Step::Begin, Effect::Refuse(refusal), 1);
            stage.sandbox.world().set_faults(vec![fault]);
            let error = destination.begin(&work.publication()).await.unwrap_err();
            check(row, &error, &what);
            // What X says of credits names the account.
            assert_eq!(error.detail().contains("Said by the platform"), row.status != Some(402), "{what}: {error}");
        }
        assert!(!catalogue::rows(platform).is_empty());
    }
}

/// Whether an error says what its row does.
fn check(row: &Row, error: &Error, what: &str) {
    assert_eq!((error.kind(), error.who_acts()), (row.kind, row.owner), "{what}: {error}");
    assert!(is_wait(row, error.retry_hint()), "{what}: {:?}", error.retry_hint());
    assert_eq!(error.is_shared(), row.shared, "{what}");
    assert!(error.detail().starts_with(row.text), "{what}: {error}");
    assert!(!error.platform_code().unwrap_or_default().is_empty(), "{what}");
}

/// A number is the code of a page, a word one of the open API.
#[tokio::test]
async fn every_known_error_of_the_source_is_told_as_documented() {
    let (stage, platform) = (stage().await, Platform::TikTok);
    let session = access(platform);
    let login = stage.login();
    // One post more than a page has: the next page is the list alone.
    for id in 1..=4 {
        let created_at = SystemClock.now() - TimeDelta::minutes(id);
        let (id, caption) = (id.to_string(), String::new());
        let post = TikTokPost { id, caption, created_at, clip: None, private: false, deleted: false, pinned: false };
        stage.sandbox.world().add_post(post);
    }
    let next = stage.tiktok.list(&session, None).await.unwrap().next;
    for row in catalogue::rows(platform) {
        let refusal = provoke(platform, row);
        let what = format!("{refusal:?}");
        let is_page = refusal.code.bytes().all(|byte| byte.is_ascii_digit());
        let fault = |step| vec![Fault::first(platform, step, Effect::Refuse(refusal.clone()), 1)];
        let error = if is_page {
            stage.sandbox.world().set_faults(fault(Step::Page));
            stage.tiktok.list(&session, next.as_deref()).await.unwrap_err()
        } else {
            stage.sandbox.world().set_faults(fault(Step::Token));
            stage.tiktok.verify(&login).await.unwrap_err()
        };
        check(row, &error, &what);
        assert!(error.detail().contains("Said by the platform"), "{what}: {error}");
        assert_eq!(error.platform_trace().is_some(), !is_page, "{what}");
    }
}

/// The rows of a table must not hide one another: each is found by an answer of its own.
#[test]
fn no_row_is_written_twice() {
    for platform in Platform::ALL {
        let rows = catalogue::rows(platform);
        for (at, row) in rows.iter().enumerate() {
            let same = |other: &&Row| (other.status, other.code, other.words) == (row.status, row.code, row.words);
            assert!(!rows[..at].iter().any(|other| same(&other)), "{platform} {row:?}");
        }
    }
}

#[tokio::test]
async fn an_unknown_error_keeps_the_platforms_own_words_code_and_trace() {
    let stage = stage().await;
    let words = format!("Out of\nluck.{}", "!".repeat(2_000));
    for destination in stage.destinations() {
        let platform = destination.platform();
        let work = work(platform, "unknown", UNIT).await;
        let refusal = Refusal { status: 418, code: "777".into(), message: words.clone() };
        stage.sandbox.world().set_faults(vec![Fault::first(platform, Step::Begin, Effect::Refuse(refusal), 1)]);
        let error = destination.begin(&work.publication()).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_hint()), (ErrorKind::Rejected, Retry::Never), "{platform}: {error}");
        assert!(error.detail().contains("Out of luck.!!"), "{platform}: {error}");
        assert!(error.detail().chars().count() < 400, "{platform}: {error}");
        assert_eq!(error.platform_code(), Some("777"), "{platform}");
        assert_eq!(error.platform_trace().is_some(), platform == Platform::Instagram, "{platform}");
    }
}

/// A table says what an error means; that a commit was certainly refused, only the short lists say. An answer of 5xx, and
/// at YouTube every answer but 401, stays a doubt whatever its code.
#[tokio::test]
async fn no_table_turns_a_doubt_about_a_commit_into_a_refusal() {
    let stage = stage().await;
    let certain: &[&str] = &[
        "9007/2207027",
        "9/2207042",
        "25/2207050",
        "190/458",
        "190/460",
        "190/463",
        "190/467",
        "190",
        "10",
        "2635",
        "17",
        "32",
        "613",
        "80002",
    ];
    for destination in stage.destinations() {
        let platform = destination.platform();
        let work = work(platform, "doubts", UNIT).await;
        let ticket = to_commit(destination, &work).await;
        for row in catalogue::rows(platform) {
            let refusal = provoke(platform, row);
            let status = refusal.status;
            stage.sandbox.world().set_faults(vec![Fault::first(platform, Step::Commit, Effect::Refuse(refusal), 1)]);
            let answer = destination.commit(&work.publication(), &ticket).await;
            let refused = match platform {
                Platform::Instagram => certain.contains(&row.code),
                Platform::YouTube => status == 401,
                _ => matches!(status, 400 | 401 | 402 | 429) || status == 403 && row.words != "duplicate",
            };
            assert_eq!(matches!(answer, Commit::Refused(_)), refused, "{platform} {row:?}: {answer:?}");
        }
        assert!(stage.shown(platform).is_empty());
    }
}

/// Quotas as the platforms tell of them, rather than as an error of a begin.
#[tokio::test]
async fn instagram_is_asked_what_it_allows_before_anything_is_begun() {
    let stage = stage().await;
    let (world, instagram) = (stage.sandbox.world(), &stage.instagram);
    let work = work(Platform::Instagram, "allowed", UNIT).await;
    let ticket = to_commit(instagram.as_ref(), &work).await;
    assert!(matches!(instagram.commit(&work.publication(), &ticket).await, Commit::Published(_)));
    world.set_posts_max("17", 1);
    let error = instagram.begin(&work.publication()).await.unwrap_err();
    assert_eq!((error.kind(), error.who_acts()), (ErrorKind::Quota, Owner::Quota), "{error}");
    assert_eq!(error.retry_hint(), Retry::After(Duration::from_secs(3600)));
    assert!(error.detail().contains("1 of the 1 posts"), "{error}");
    // A limit that cannot be read stops nothing.
    world.set_faults(vec![Fault::first(Platform::Instagram, Step::List, Effect::ErrorBefore, 1)]);
    assert!(instagram.begin(&work.publication()).await.is_ok());
}

/// The page has the tables as they are. `WRITE_DOCS=1` writes them anew.
#[test]
fn the_page_shows_what_the_tables_say() {
    let mut page = std::fs::read_to_string(PAGE).unwrap();
    let mut blocks: Vec<(String, String)> =
        Platform::ALL.map(|platform| (format!("errors of {platform}"), catalogue::table(platform))).into();
    let mut ends = "| version | works until |\n|---|---|\n".to_owned();
    for (version, end) in versions::known() {
        let end = end.map_or_else(|| "not said yet".to_owned(), |end| end.to_string());
        ends.push_str(&format!("| `{version}` | {end} |\n"));
    }
    blocks.push(("versions of instagram".into(), ends));
    for (name, wanted) in &blocks {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
        let from = page.find(&begin).unwrap_or_else(|| panic!("{begin} is missing")) + begin.len();
        let to = from + page[from..].find(&end).unwrap_or_else(|| panic!("{end} is missing"));
        if std::env::var_os("WRITE_DOCS").is_some() {
            page.replace_range(from..to, wanted);
            std::fs::write(PAGE, &page).unwrap();
        } else {
            assert_eq!(&page[from..to], wanted, "{name}: run this test with WRITE_DOCS=1");
        }
    }
}
