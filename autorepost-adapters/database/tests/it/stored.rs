//! What a version of the program stored is read by every later one.
//!
//! The fixtures hold the rows of a SQLite database that has one value of every stored form, as version 1 wrote it, and
//! its schema. `WRITE_FIXTURES=v1 cargo test -p autorepost-database --test it stored` writes them anew: only ever for a
//! version that was not released yet.

mod access;
mod examples;

use std::{path::PathBuf, time::Duration};

use autorepost_core::{
    credential::Access,
    id::TenantId,
    job::{Finish, Job, JobKind, JobState},
    port::{Admission, After, NewPost, PostQuery, RepostQuery, Step},
    repost::Repost,
    rule::RuleState,
    seal::KeyRing,
};
use autorepost_database::{Database, DatabaseConfig};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::Value;

use crate::block_on;
use examples::at;

const VERSION: &str = "v1";
const TABLES: [&str; 7] = ["connections", "rules", "posts", "cursors", "reposts", "journal", "jobs"];
const LEASE: Duration = Duration::from_secs(60);

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(VERSION).join(name)
}

/// The fixtures as rows, by table.
fn stored(table: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(fixture(&format!("{table}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn what_version_1_stored_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let config = DatabaseConfig::new(format!("sqlite://{}", folder.path().join("autorepost.db").display()));
    block_on(async {
        let raw = sea_orm::Database::connect(format!("{}?mode=rwc", config.url)).await.unwrap();
        raw.execute_unprepared(&std::fs::read_to_string(fixture("schema.sql")).unwrap()).await.unwrap();
        for table in TABLES {
            for row in stored(table) {
                insert(&raw, table, &row).await;
            }
        }
        raw.close().await.unwrap();
        let database = Database::connect(&config).await.unwrap();
        database.migrate().await.unwrap();
        read_all(&database).await;
    });
}

/// Everything reads as it was written.
async fn read_all(database: &Database) {
    let (tenant, keys) = (TenantId::OWNER, KeyRing::parse(examples::KEY).unwrap());
    let connections = database.connections().list(None).await.unwrap();
    assert_eq!(connections, examples::connections());
    for (connection, (_, credential)) in connections.iter().zip(examples::credentials()) {
        assert!(Access::open(connection, &keys).unwrap().credential == credential, "{:?}", connection.method);
    }
    for rule in examples::rules() {
        assert_eq!(database.rules().get(tenant, rule.id).await.unwrap().as_ref(), Some(&rule));
    }
    let listed = database.rules().list(tenant).await.unwrap();
    assert!(listed.len() == 2 && listed.iter().all(|rule| rule.state != RuleState::Removed));

    let mut posts = database.posts().list(tenant, &PostQuery { limit: 100, ..PostQuery::default() }).await.unwrap();
    posts.reverse();
    assert_eq!(posts, examples::posts());
    assert_eq!(database.posts().cursor(tenant, connections[0].id).await.unwrap(), examples::cursor());

    let query = RepostQuery { limit: 100, ..RepostQuery::default() };
    let reposts = database.reposts().list(tenant, &query).await.unwrap();
    assert_eq!(reposts, examples::reposts());
    let [asked, tried] = examples::entries();
    assert_eq!(database.reposts().journal(tenant, reposts[0].id).await.unwrap(), [asked, tried]);
    let orphans = database.reposts().orphans(100).await.unwrap();
    let live = reposts.iter().filter(|repost| !repost.state.is_terminal());
    // The first has its job done, the third has a job that waits.
    assert_eq!(orphans.len(), live.count() - 1);

    let find = async |kind: JobKind| {
        let wanted = examples::jobs().into_iter().find(|job| job.kind == kind).unwrap();
        let found: Option<Job> = database.jobs().find(&wanted.key).await.unwrap();
        found.map(|job| {
            (job.state, job.attempts, job.epoch, job.leased_until.is_some(), job.note.clone(), job.new == wanted)
        })
    };
    let note = Some("what went wrong".to_owned());
    assert_eq!(find(JobKind::TiktokSync).await, Some((JobState::Queued, 3, 1, false, note, false)));
    assert_eq!(find(JobKind::TokenRefresh).await, Some((JobState::Running, 0, 1, true, None, true)));
    assert_eq!(find(JobKind::RepostPublish).await, Some((JobState::Queued, 0, 0, false, None, true)));
    assert_eq!(find(JobKind::RepostPrep).await, None);
    let dead = database.jobs().dead(10).await.unwrap();
    assert_eq!(dead.iter().map(|job| job.new.kind).collect::<Vec<_>>(), [JobKind::RepostLocate]);
}

#[test]
fn what_is_stored_now_is_read_by_version_1() {
    let folder = tempfile::tempdir().unwrap();
    let config = DatabaseConfig::new(format!("sqlite://{}", folder.path().join("autorepost.db").display()));
    block_on(async {
        let database = Database::connect(&config).await.unwrap();
        database.migrate().await.unwrap();
        write_all(&database).await;
        read_all(&database).await;
        let raw = sea_orm::Database::connect(&config.url).await.unwrap();
        if std::env::var("WRITE_FIXTURES").as_deref() == Ok(VERSION) {
            write_fixtures(&raw).await;
        }
        for table in TABLES {
            let (old, new) = (stored(table), rows(&raw, table).await);
            assert_eq!(old.len(), new.len(), "{table}");
            for (old, new) in old.iter().zip(&new) {
                assert_holds(old, new, table);
            }
        }
    });
}

/// Writes every example through the stores.
async fn write_all(database: &Database) {
    let (tenant, jobs) = (TenantId::OWNER, examples::jobs());
    for connection in examples::connections() {
        database.connections().connect(&connection, &[]).await.unwrap();
    }
    for rule in examples::rules() {
        database.rules().insert(&rule).await.unwrap();
    }
    database.jobs().enqueue(&jobs).await.unwrap();
    let claim = async |kind| database.jobs().claim(&[kind], 1, LEASE).await.unwrap().remove(0).lease();

    let sync = claim(JobKind::TiktokSync).await;
    let mut reposts = examples::reposts();
    let asked = reposts.remove(0);
    let mut posts: Vec<_> = examples::posts().into_iter().map(|post| NewPost { post, reposts: Vec::new() }).collect();
    posts[0].reposts = reposts.into_iter().map(|repost| (repost, None)).collect();
    let admission = Admission { posts, cursor: examples::cursor() };
    database.posts().admit(sync, tenant, examples::connections()[0].id, &admission).await.unwrap();
    let again = Finish::Again { run_at: at(30), attempts: 3, note: Some("what went wrong".into()) };
    database.jobs().finish(sync, &again).await.unwrap();

    // The job of this repost is there already.
    let [by_hand, tried] = examples::entries();
    let asked = Repost { version: 0, ..asked };
    assert!(database.reposts().add(&asked, &jobs[1], &by_hand).await.unwrap());
    let (lease, guards, after) = (None, Vec::new(), After::Keep);
    let step = Step { lease, repost: asked, entry: Some(tried), guards, after, jobs: Vec::new() };
    database.reposts().step(&step).await.unwrap();
    let prep = claim(JobKind::RepostPrep).await;
    database.jobs().finish(prep, &Finish::Done).await.unwrap();
    let locate = claim(JobKind::RepostLocate).await;
    database.jobs().finish(locate, &Finish::Dead { note: "it gave up".into() }).await.unwrap();
    claim(JobKind::TokenRefresh).await;
}

async fn rows(raw: &DatabaseConnection, table: &str) -> Vec<Value> {
    let columns = query(raw, &format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid")).await;
    let pairs: Vec<_> = columns.iter().map(|column| format!("'{column}', {column}")).collect();
    let select = format!("SELECT json_object({}) AS name FROM {table} ORDER BY rowid", pairs.join(", "));
    let parse = |text: &String| {
        let mut row: Value = serde_json::from_str(text).unwrap();
        if let Some(doc) = row["doc"].as_str().map(|doc| serde_json::from_str(doc).unwrap()) {
            row["doc"] = doc;
        }
        row
    };
    query(raw, &select).await.iter().map(parse).collect()
}

/// The texts that a query gives as "name".
async fn query(raw: &DatabaseConnection, sql: &str) -> Vec<String> {
    let rows = raw.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await.unwrap();
    rows.iter().map(|row| row.try_get("", "name").unwrap()).collect()
}

async fn insert(raw: &DatabaseConnection, table: &str, row: &Value) {
    let row = row.as_object().unwrap();
    let names: Vec<_> = row.keys().map(String::as_str).collect();
    let literal = |value: &Value| match value {
        Value::Null => "NULL".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        document => quoted(&document.to_string()),
    };
    let values: Vec<_> = row.values().map(literal).collect();
    let sql = format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "));
    raw.execute_unprepared(&sql).await.unwrap();
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

async fn write_fixtures(raw: &DatabaseConnection) {
    std::fs::create_dir_all(fixture("")).unwrap();
    let made = query(raw, "SELECT sql AS name FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").await;
    let versions = query(raw, "SELECT version AS name FROM seaql_migrations ORDER BY version").await;
    let known = versions.iter().map(|version| {
        format!("INSERT INTO seaql_migrations (version, applied_at) VALUES ({}, 0);\n", quoted(version))
    });
    let schema: String = made.iter().map(|sql| format!("{sql};\n")).chain(known).collect();
    std::fs::write(fixture("schema.sql"), schema).unwrap();
    for table in TABLES {
        let text = serde_json::to_string_pretty(&rows(raw, table).await).unwrap();
        std::fs::write(fixture(&format!("{table}.json")), text + "\n").unwrap();
    }
}

/// Where a reader refuses fields that it does not know, an addition is incompatible, too.
const STRICT: [&str; 1] = ["rules.doc.spec"];

/// What the database's clock decides.
const BY_THE_CLOCK: [&str; 2] = ["jobs.leased_until", "jobs.finished_at"];

/// What version 1 compares and does not read: beside jobs in the lanes of another version nothing breaks, as a post is prepared as well when its
/// media is fetched twice.
const COMPARED: [&str; 1] = ["jobs.lane"];

/// Everything that version 1 stored is stored still, in the same form: so a process of that version reads it.
fn assert_holds(old: &Value, new: &Value, path: &str) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, old) in old {
                let path = format!("{path}.{name}");
                let new = new.get(name).unwrap_or_else(|| panic!("{path} is not stored any more"));
                assert_holds(old, new, &path);
            }
            if STRICT.iter().any(|strict| path.starts_with(strict)) {
                assert_eq!(old.len(), new.len(), "{path} has more than version 1 takes: {new:?}");
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (old, new) in old.iter().zip(new) {
                assert_holds(old, new, path);
            }
        }
        (Value::Number(_), Value::Number(_)) if BY_THE_CLOCK.contains(&path) => {}
        (Value::String(_), Value::String(_)) if COMPARED.contains(&path) => {}
        _ => assert_eq!(old, new, "{path} is stored in another form"),
    }
}
