//! The signature against values that others computed.

use super::*;

const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const AT: i64 = 1_614_265_330;
const BODY: &[u8] = br#"{"test": 2432232314}"#;

fn secret() -> SigningSecret {
    SigningSecret::parse(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap()
}

fn at(secs: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(secs, 0).unwrap()
}

/// The example that the specification's reference libraries test themselves with.
#[test]
fn the_published_example_has_the_published_signature() {
    assert_eq!(secret().sign(ID, AT, BODY), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

/// From Python: `base64.b64encode(hmac.new(bytes(range(32)), 'msg_1.0.{"ü": 1}'.encode(), 'sha256').digest())`.
#[test]
fn a_signature_is_the_one_that_another_program_computes() {
    let mut key = [0; 32];
    (0..32).for_each(|n| key[n] = n as u8);
    let text = SigningSecret::generate(key);
    assert_eq!(text.expose(), "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let signature = SigningSecret::parse(&text).unwrap().sign("msg_1", 0, "{\"ü\": 1}".as_bytes());
    assert_eq!(signature, "v1,+qGFV3itITURq+Fb6pzIXbbPnBU/PTvLnjyxX7Pt1aU=");
}

#[test]
fn only_what_was_signed_is_believed_and_only_for_five_minutes() {
    let good = secret().sign(ID, AT, BODY);
    let check = |id: &str, time: &str, signatures: &str, body: &[u8], now: i64| {
        verify(&secret(), (id, time, signatures), body, at(now)).is_ok()
    };
    let time = AT.to_string();
    assert!(check(ID, &time, &good, BODY, AT));
    assert!(check(ID, &time, &good, BODY, AT + 300) && check(ID, &time, &good, BODY, AT - 300));
    assert!(!check(ID, &time, &good, BODY, AT + 301) && !check(ID, &time, &good, BODY, AT - 301));
    // A secret that is being changed: any of several signatures will do.
    assert!(check(ID, &time, &format!("v1,AAAA v1a,xyz {good}"), BODY, AT));
    let many = "v1,AAAA ".repeat(8) + &good;
    assert!(!check(ID, &time, &many, BODY, AT), "signatures without end are looked at");

    for (id, time, signatures, body) in [
        ("msg_other", time.as_str(), good.as_str(), BODY),
        ("", &time, &good, BODY),
        (ID, "1614265331", &good, BODY),
        (ID, "01614265330", &good, BODY),
        (ID, "+1614265330", &good, BODY),
        (ID, "soon", &good, BODY),
        (ID, &time, &good, br#"{"test": 2432232315}"#),
        (ID, &time, "", BODY),
        (ID, &time, "v1,", BODY),
        (ID, &time, &good.replace("v1,", "v2,"), BODY),
        (ID, &time, &good.replace("v1,", ""), BODY),
        (ID, &time, &good[..good.len() - 4], BODY),
    ] {
        assert!(!check(id, time, signatures, body, AT), "{id} {time} {signatures}");
    }
}

#[test]
fn a_bad_secret_is_refused_and_not_shown() {
    for bad in ["", "hunter2hunter2hunter2", "whsec_", "whsec_hunter2!", "whsec_aHVudGVyMg==", "whsec_AAAA"] {
        let error = SigningSecret::parse(&Secret::new(bad)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let long = format!("whsec_{}", STANDARD.encode([7; 65]));
    assert!(SigningSecret::parse(&Secret::new(long)).is_err());
    assert_eq!(format!("{:?}", secret()), "SigningSecret(..)");
}
