//! Cases of tenants, keys, the audit log, answers to repeat, and counts.

use std::time::Duration;

use uuid::Uuid;

use super::{Scene, Stores, all_at_once, claim, job, later, start, tenant, unique};
use crate::{
    ErrorKind, Platform,
    access::{ApiKey, AuditEntry, Role, Tenant},
    id::{ApiKeyId, AuditId, JobId, TenantId},
    job::{Finish, JobKind, JobState, NewJob},
    policy::after,
    port::{AuditQuery, Begun, IdempotencyClaim, IdempotencyKey, KeyQuery, RepostCount, StoredAnswer},
};

fn named(name: &str) -> Tenant {
    Tenant { id: TenantId::new(start(), unique()), name: name.into(), created_at: start() }
}

fn key(tenant: Option<TenantId>) -> ApiKey {
    ApiKey::make(tenant, Role::Admin, "name", start(), (unique(), [7; 32])).unwrap().0
}

/// The tenant of an installation that serves only its owner is there.
pub async fn the_owner_is_a_tenant_from_the_start(stores: Stores) {
    let owner = stores.access.tenant(TenantId::OWNER).await.unwrap().unwrap();
    assert_eq!((owner.id, owner.name.as_str()), (TenantId::OWNER, "owner"));
    assert_eq!(stores.access.tenants(None, 9).await.unwrap(), [owner]);
}

/// Tenants come the oldest first, page by page, and no two have one name.
pub async fn a_tenant_name_is_taken_once(stores: Stores) {
    let (first, second) = (named("first"), named("second"));
    stores.access.add_tenant(&first).await.unwrap();
    stores.access.add_tenant(&second).await.unwrap();
    let error = stores.access.add_tenant(&named("first")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.detail().contains("\"first\""), "{error}");
    assert_eq!(stores.access.tenant(first.id).await.unwrap().as_ref(), Some(&first));
    assert_eq!(stores.access.tenant(tenant()).await.unwrap(), None);
    let page = stores.access.tenants(None, 2).await.unwrap();
    assert_eq!(page.iter().map(|one| one.id).collect::<Vec<_>>(), [TenantId::OWNER, first.id]);
    assert_eq!(stores.access.tenants(Some(first.id), 2).await.unwrap(), [second]);
}

/// A key is read back with everything, listed for its tenant, and revoked once.
pub async fn a_key_is_kept_listed_and_revoked_once(stores: Stores) {
    let (one, other) = (tenant(), tenant());
    let keys = [key(Some(one)), key(None), key(Some(one)), key(Some(other))];
    for key in &keys {
        stores.access.add_key(key).await.unwrap();
    }
    assert_eq!(stores.access.add_key(&keys[0]).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(stores.access.key(keys[1].id).await.unwrap().as_ref(), Some(&keys[1]));
    assert_eq!(stores.access.key(ApiKeyId::new(start(), unique())).await.unwrap(), None);
    let list = async |tenant, after, limit| stores.access.keys(&KeyQuery { tenant, after, limit }).await.unwrap();
    assert_eq!(list(Some(one), None, 9).await, [keys[0].clone(), keys[2].clone()]);
    assert_eq!(list(Some(one), Some(keys[0].id), 9).await, [keys[2].clone()]);
    assert_eq!(list(None, None, 3).await, keys[..3]);

    assert!(stores.access.revoke(keys[0].id, later(5)).await.unwrap());
    assert!(!stores.access.revoke(keys[0].id, later(6)).await.unwrap());
    assert!(!stores.access.revoke(ApiKeyId::new(start(), unique()), later(5)).await.unwrap());
    let revoked = ApiKey { revoked_at: Some(later(5)), ..keys[0].clone() };
    assert_eq!(stores.access.key(keys[0].id).await.unwrap().as_ref(), Some(&revoked));
    assert_eq!(list(Some(one), None, 1).await, [revoked]);
}

fn line(tenant: Option<TenantId>, secs: u64) -> AuditEntry {
    AuditEntry {
        id: AuditId::new(later(secs), unique()),
        at: later(secs),
        tenant,
        actor: "key".into(),
        action: "rules.create".into(),
        subject: "rules".into(),
        detail: "asked".into(),
        request: "request".into(),
    }
}

/// Lines are told of a tenant or of the installation, the newest first, page by page.
pub async fn the_audit_log_is_told_by_tenant_and_the_newest_first(stores: Stores) {
    let (one, other) = (tenant(), tenant());
    let lines = [line(Some(one), 1), line(Some(one), 2), line(Some(one), 2), line(Some(other), 3), line(None, 4)];
    for line in &lines {
        stores.audit.append(line).await.unwrap();
    }
    let list = async |tenant, after, limit| stores.audit.list(&AuditQuery { tenant, after, limit }).await.unwrap();
    let [a, b, c, d, e] = lines;
    assert_eq!(list(Some(one), None, 2).await, [c, b.clone()]);
    assert_eq!(list(Some(one), Some((b.at, b.id)), 2).await, [a]);
    assert_eq!(list(Some(other), None, 9).await, [d]);
    assert_eq!(list(None, None, 9).await, [e]);
}

/// Old lines are deleted, whosever they are: the oldest first, and no more than asked for.
pub async fn old_lines_of_the_audit_log_are_pruned(stores: Stores) {
    let one = tenant();
    let lines = [line(Some(one), 1), line(None, 2), line(Some(one), 3), line(Some(one), 4)];
    for line in &lines {
        stores.audit.append(line).await.unwrap();
    }
    let list = async |tenant| stores.audit.list(&AuditQuery { tenant, after: None, limit: 9 }).await.unwrap();
    assert_eq!(stores.audit.prune(later(4), 2).await.unwrap(), 2);
    assert_eq!(list(None).await, []);
    assert_eq!(list(Some(one)).await, [lines[3].clone(), lines[2].clone()]);
    assert_eq!(stores.audit.prune(later(4), 2).await.unwrap(), 1);
    assert_eq!(stores.audit.prune(later(4), 2).await.unwrap(), 0);
    assert_eq!(list(Some(one)).await, lines[3..]);
}

fn asked(tenant: TenantId, name: &str) -> IdempotencyKey {
    IdempotencyKey { tenant, api_key: ApiKeyId::from_uuid(Uuid::from_u128(1)), name: name.into() }
}

fn to_do(digest: &str, token: u128) -> IdempotencyClaim {
    IdempotencyClaim { digest: digest.into(), token: Uuid::from_u128(token), until: later(60) }
}

fn answer(body: &str) -> StoredAnswer {
    StoredAnswer { status: 201, body: body.into() }
}

/// Of several callers at once one may go on; the others are told that it does.
pub async fn of_claims_at_once_one_is_granted(stores: Stores) {
    let key = asked(tenant(), "name");
    let claims: Vec<_> = (0..8).map(|token| to_do("digest", token)).collect();
    let begun = all_at_once(claims.iter().map(|claim| stores.answers.begin(&key, claim, start())).collect()).await;
    let begun: Vec<_> = begun.into_iter().map(Result::unwrap).collect();
    assert_eq!(begun.iter().filter(|begun| **begun == Begun::Claimed).count(), 1, "{begun:?}");
    assert_eq!(begun.iter().filter(|begun| **begun == Begun::Running).count(), 7, "{begun:?}");
}

/// Only the claim's own token ends it; then its answer is told, until another request is asked by its name.
pub async fn a_claim_is_finished_or_forgotten_by_its_owner_only(stores: Stores) {
    let key = asked(tenant(), "name");
    let (mine, other) = (to_do("digest", 1), to_do("other digest", 2));
    let begin = async |claim| stores.answers.begin(&key, claim, start()).await.unwrap();
    assert_eq!(begin(&mine).await, Begun::Claimed);
    assert_eq!(begin(&other).await, Begun::Different);
    let error = stores.answers.finish(&key, other.token, &answer("no"), later(90)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost);
    stores.answers.forget(&key, other.token).await.unwrap();
    assert_eq!(begin(&mine).await, Begun::Running);

    stores.answers.forget(&key, mine.token).await.unwrap();
    assert_eq!(begin(&mine).await, Begun::Claimed);
    stores.answers.finish(&key, mine.token, &answer("Grüße"), later(90)).await.unwrap();
    assert_eq!(begin(&mine).await, Begun::Answered(answer("Grüße")));
    assert_eq!(begin(&other).await, Begun::Different);
    // An answer that is written down stays.
    stores.answers.forget(&key, mine.token).await.unwrap();
    let error = stores.answers.finish(&key, mine.token, &answer("again"), later(90)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost);
    assert_eq!(begin(&mine).await, Begun::Answered(answer("Grüße")));
}

/// A claim and an answer end by themselves.
pub async fn what_has_ended_is_asked_anew(stores: Stores) {
    let key = asked(tenant(), "name");
    let (mine, next) = (to_do("digest", 1), IdempotencyClaim { until: later(200), ..to_do("other digest", 2) });
    assert_eq!(stores.answers.begin(&key, &mine, start()).await.unwrap(), Begun::Claimed);
    assert_eq!(stores.answers.begin(&key, &next, later(60)).await.unwrap(), Begun::Claimed);
    let error = stores.answers.finish(&key, mine.token, &answer("late"), later(90)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LeaseLost);
    stores.answers.finish(&key, next.token, &answer("done"), later(90)).await.unwrap();
    assert_eq!(stores.answers.begin(&key, &next, later(89)).await.unwrap(), Begun::Answered(answer("done")));
    assert_eq!(stores.answers.begin(&key, &mine, later(90)).await.unwrap(), Begun::Claimed);
}

/// One tenant's or key's names are nothing to another.
pub async fn answers_are_kept_apart(stores: Stores) {
    let mine = asked(tenant(), "name");
    let keys = [
        IdempotencyKey { name: "other".into(), ..mine.clone() },
        IdempotencyKey { api_key: ApiKeyId::from_uuid(Uuid::from_u128(2)), ..mine.clone() },
        IdempotencyKey { tenant: tenant(), ..mine.clone() },
        mine,
    ];
    for key in &keys {
        assert_eq!(stores.answers.begin(key, &to_do("digest", 1), start()).await.unwrap(), Begun::Claimed);
    }
}

/// Reposts and jobs are counted for a tenant, and jobs for everybody.
pub async fn the_census_counts_by_tenant(stores: Stores) {
    let scene = Scene::set(stores.clone()).await;
    let mine = scene.source.tenant;
    stores.jobs.enqueue(&[job(JobKind::Upkeep, "other", "other")]).await.unwrap();
    let planned = RepostCount { platform: Platform::X, state: "planned".into(), count: 1 };
    assert_eq!(stores.census.reposts(mine).await.unwrap(), [planned]);
    assert!(stores.census.reposts(tenant()).await.unwrap().is_empty());
    assert_eq!(stores.census.jobs(None).await.unwrap(), stores.jobs.stats().await.unwrap());
    let all: u64 = stores.census.jobs(None).await.unwrap().iter().map(|group| group.count).sum();
    let other = job(JobKind::Upkeep, "", "").tenant;
    let of =
        async |tenant| stores.census.jobs(Some(tenant)).await.unwrap().iter().map(|group| group.count).sum::<u64>();
    assert!(of(mine).await >= 1 && of(other).await >= 1);
    assert!(mine == other || of(mine).await + of(other).await == all);
    assert_eq!(of(tenant()).await, 0);
}

/// Dead jobs come the last written first, page by page; a job is found whatever its state.
pub async fn dead_jobs_are_told_by_tenant_and_page(stores: Stores) {
    let (one, other) = (tenant(), tenant());
    let mut ids: Vec<JobId> = Vec::new();
    for (n, tenant) in [one, other, one, one].into_iter().enumerate() {
        let name = format!("job {n}");
        let new = NewJob { tenant, ..job(JobKind::Upkeep, &name, &name) };
        ids.push(new.id);
        stores.jobs.enqueue(&[new]).await.unwrap();
        let claimed = claim(&stores, JobKind::Upkeep).await;
        stores.jobs.finish(claimed.lease(), &Finish::Dead { note: "why".into() }).await.unwrap();
    }
    let dead = async |tenant, after, limit| {
        let jobs = stores.census.dead(tenant, after, limit).await.unwrap();
        jobs.iter().map(|job| job.new.id).collect::<Vec<_>>()
    };
    assert_eq!(dead(Some(one), None, 2).await, [ids[3], ids[2]]);
    assert_eq!(dead(Some(one), Some(ids[2]), 2).await, [ids[0]]);
    assert_eq!(dead(Some(other), None, 2).await, [ids[1]]);
    assert_eq!(dead(None, None, 9).await, [ids[3], ids[2], ids[1], ids[0]]);
    let found = stores.census.job(ids[1]).await.unwrap().unwrap();
    assert_eq!((found.state, found.new.tenant, found.note.as_deref()), (JobState::Dead, other, Some("why")));
    let never = JobId::new(after(start(), Duration::from_secs(1)), unique());
    assert_eq!(stores.census.job(never).await.unwrap(), None);
}
