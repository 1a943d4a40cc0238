//! What version 2 added: tenants, keys, the audit log, and answers to repeat.
//!
//! `WRITE_FIXTURES=v2 cargo test -p autorepost-database --test it stored` writes them anew, under the same condition.

use std::path::PathBuf;

use autorepost_core::{
    access::{ApiKey, AuditEntry, PresentedKey, Role, Tenant},
    id::{AuditId, TenantId},
    port::{AuditQuery, Begun, IdempotencyClaim, IdempotencyKey, KeyQuery, StoredAnswer},
};
use autorepost_database::{Database, DatabaseConfig};
use sea_orm::ConnectionTrait;
use serde_json::Value;
use uuid::Uuid;

use super::{assert_holds, examples::at, insert, rows};
use crate::block_on;

const TABLES: [&str; 4] = ["tenants", "api_keys", "audit", "answers"];

fn fixture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v2/access.json")
}

fn stored() -> Value {
    serde_json::from_str(&std::fs::read_to_string(fixture()).unwrap()).unwrap()
}

fn tenant() -> Tenant {
    Tenant { id: TenantId::new(at(1), [1; 10]), name: "studio".into(), created_at: at(1) }
}

/// A tenant's key that was revoked, and one to the whole installation, each with its text.
fn keys() -> Vec<(ApiKey, String)> {
    let make = |tenant, role, byte| {
        let (key, text) = ApiKey::make(tenant, role, "laptop", at(2), ([byte; 10], [byte; 32])).unwrap();
        (key, text.expose().to_owned())
    };
    vec![make(Some(tenant().id), Role::Viewer, 1), make(None, Role::Admin, 2)]
}

fn entries() -> Vec<AuditEntry> {
    let entry = |tenant, byte: u8| AuditEntry {
        id: AuditId::new(at(3), [byte; 10]),
        at: at(3),
        tenant,
        actor: "key".into(),
        action: "rules.create".into(),
        subject: "rules".into(),
        detail: "asked".into(),
        request: "request".into(),
    };
    vec![entry(Some(tenant().id), 1), entry(None, 2)]
}

fn answers() -> Vec<(IdempotencyKey, IdempotencyClaim, Option<StoredAnswer>)> {
    let one = |name: &str, answer| {
        let key = IdempotencyKey { tenant: tenant().id, api_key: keys()[0].0.id, name: name.into() };
        let claim = IdempotencyClaim { digest: "digest".into(), token: Uuid::from_u128(7), until: at(900) };
        (key, claim, answer)
    };
    vec![one("running", None), one("done", Some(StoredAnswer { status: 201, body: "{\"a\": 1}".into() }))]
}

async fn database(folder: &tempfile::TempDir) -> (Database, sea_orm::DatabaseConnection) {
    let url = format!("sqlite://{}", folder.path().join("autorepost.db").display());
    let database = Database::connect(&DatabaseConfig::new(&url)).await.unwrap();
    database.migrate().await.unwrap();
    (database, sea_orm::Database::connect(url).await.unwrap())
}

#[test]
fn what_version_2_stored_of_the_interface_is_read() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let (database, raw) = database(&folder).await;
        raw.execute_unprepared("DELETE FROM tenants").await.unwrap();
        for table in TABLES {
            for row in stored()[table].as_array().unwrap() {
                insert(&raw, table, row).await;
            }
        }
        read_all(&database).await;
    });
}

#[test]
fn what_is_stored_of_the_interface_now_is_read_by_version_2() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let (database, raw) = database(&folder).await;
        database.access().add_tenant(&tenant()).await.unwrap();
        for (key, _) in keys() {
            database.access().add_key(&key).await.unwrap();
        }
        assert!(database.access().revoke(keys()[0].0.id, at(5)).await.unwrap());
        for entry in entries() {
            database.audit().append(&entry).await.unwrap();
        }
        for (key, claim, answer) in answers() {
            assert_eq!(database.answers().begin(&key, &claim, at(4)).await.unwrap(), Begun::Claimed);
            if let Some(answer) = answer {
                database.answers().finish(&key, claim.token, &answer, at(1_000)).await.unwrap();
            }
        }
        // The owner's day is that of the migration.
        raw.execute_unprepared("DELETE FROM tenants WHERE name = 'owner'").await.unwrap();
        read_all(&database).await;
        let mut now = serde_json::Map::new();
        for table in TABLES {
            now.insert(table.into(), rows(&raw, table).await.into());
        }
        let now = Value::Object(now);
        if std::env::var("WRITE_FIXTURES").as_deref() == Ok("v2") {
            std::fs::create_dir_all(fixture().parent().unwrap()).unwrap();
            std::fs::write(fixture(), serde_json::to_string_pretty(&now).unwrap() + "\n").unwrap();
        }
        assert_holds(&stored(), &now, "access");
    });
}

/// Everything reads as it was written, and the keys open.
async fn read_all(database: &Database) {
    assert_eq!(database.access().tenants(None, 9).await.unwrap(), [tenant()]);
    let read = database.access().keys(&KeyQuery { limit: 9, ..KeyQuery::default() }).await.unwrap();
    let [(revoked, revoked_text), (open, open_text)] = <[_; 2]>::try_from(keys()).unwrap();
    assert_eq!(read, [ApiKey { revoked_at: Some(at(5)), ..revoked }, open]);
    assert!(!read[0].admits(&PresentedKey::parse(&revoked_text).unwrap()));
    assert!(read[1].admits(&PresentedKey::parse(&open_text).unwrap()));
    for entry in entries() {
        let query = AuditQuery { tenant: entry.tenant, limit: 9, ..AuditQuery::default() };
        assert_eq!(database.audit().list(&query).await.unwrap(), [entry]);
    }
    for (key, claim, answer) in answers() {
        let begun = answer.map_or(Begun::Running, Begun::Answered);
        assert_eq!(database.answers().begin(&key, &claim, at(4)).await.unwrap(), begun);
    }
}
