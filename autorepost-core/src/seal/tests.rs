//! Rings whose keys are replaced, and keys that tell their age.

use chrono::NaiveDate;
use uuid::Uuid;

use super::*;

fn binding() -> Binding {
    let (tenant, connection) = (TenantId::OWNER, ConnectionId::from_uuid(Uuid::from_bytes([1; 16])));
    Binding { tenant, connection, purpose: Purpose::Credential }
}

#[test]
fn a_ring_that_is_replaced_seals_with_the_new_key_and_opens_what_the_old_one_sealed() {
    let (old, new) = (generate([1; 32]), generate([2; 32]));
    let ring = KeyRing::parse(old.expose()).unwrap();
    let before = ring.seal([0; 12], &binding(), &Secret::new("a")).unwrap();
    ring.replace(&KeyRing::parse(&format!("{},{}", new.expose(), old.expose())).unwrap());
    let after = ring.seal([1; 12], &binding(), &Secret::new("b")).unwrap();
    assert_eq!((ring.key_ids().len(), after.key_id()), (2, ring.sealing_key_id().as_str()));
    assert_ne!(before.key_id(), after.key_id());
    assert!(ring.knows(&before) && ring.knows(&after));
    assert_eq!(ring.open(&binding(), &before).unwrap().expose(), "a");
    ring.replace(&KeyRing::parse(old.expose()).unwrap());
    assert!(!ring.knows(&after));
    assert_eq!(ring.open(&binding(), &after).unwrap_err().kind(), ErrorKind::Unsealable);
}

#[test]
fn a_key_tells_the_day_on_which_it_was_made_and_no_other() {
    let day = NaiveDate::from_ymd_opt(2026, 11, 28).unwrap();
    let made = |text: &str| KeyRing::parse(text).unwrap().sealing_key_made_on();
    assert_eq!(made(generate_on(day, [3; 32]).expose()), Some(day));
    assert_eq!(made(generate([3; 32]).expose()), None);
    for id in ["2026-11-28", "2026-13-28-x", "key", "20261128-abcdef12"] {
        assert_eq!(made(&format!("{id}:{}", generate([3; 32]).expose())), None, "{id}");
    }
}
