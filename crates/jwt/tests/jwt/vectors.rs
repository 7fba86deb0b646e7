//! Published vectors, named by their section.

use countersign_jwt::jwks::{KeySetError, SkipReason};
use countersign_jwt::verify::verify;
use countersign_jwt::{
    ClaimError, KeyError, KeySet, Policy, PublicKey, Sign as _, SigningKey, Typ, Unverified,
    Verify as _,
};
use countersign_types::Timestamp;
use serde_json::{Value, json};

use crate::support::encode;

/// One second before the example tokens of RFC 7515 expire.
const NOW: Timestamp = Timestamp::from_unix(1_300_819_379);

fn vector(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn public_half(jwk: &Value) -> Value {
    let mut jwk = jwk.clone();
    for member in ["d", "p", "q", "dp", "dq", "qi"] {
        jwk.as_object_mut().unwrap().remove(member);
    }
    jwk
}

fn check_rfc7515(vector: &Value, deterministic: bool) {
    let token = vector["jws"].as_str().unwrap();
    let public = PublicKey::from_jwk(&public_half(&vector["jwk"])).unwrap();
    let keys = KeySet::from_keys(vec![public]).unwrap();
    let policy = Policy::new(Typ::IsOrAbsent("JWT")).issuer("joe");
    let verified = verify(token, &policy, &keys, NOW).unwrap();
    assert_eq!(verified.claims().get("http://example.com/is_root"), Some(&json!(true)));
    assert_eq!(verified.header().kid(), None);
    let later = Timestamp::from_unix(1_300_819_380 + 60);
    assert_eq!(verify(token, &policy, &keys, later).unwrap_err(), ClaimError::Expired.into());

    let key = SigningKey::from_jwk(&vector["jwk"]).unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let again = key.sign(input.as_bytes()).unwrap();
    key.public().verify(input.as_bytes(), &again).unwrap();
    if deterministic {
        assert_eq!(encode(again), signature);
    }
}

#[test]
fn rfc7515_a2_rs256() {
    check_rfc7515(&vector(include_str!("../vectors/rfc7515_a2.json")), true);
}

#[test]
fn rfc7515_a3_es256() {
    check_rfc7515(&vector(include_str!("../vectors/rfc7515_a3.json")), false);
}

#[test]
fn rfc7517_a1_public_keys() {
    let vector = vector(include_str!("../vectors/rfc7517_a1.json"));
    let text = vector["jwks"].to_string();
    let (keys, skipped) = KeySet::parse_foreign(text.as_bytes()).unwrap();
    assert_eq!(keys.len(), 1);
    assert!(keys.contains_kid("2011-04-29"));
    assert_eq!(skipped.len(), 1, "the other is for encryption");
    assert_eq!(skipped[0].kid.as_deref(), Some("1"));
    assert_eq!(skipped[0].reason, SkipReason::Key(KeyError::Use));
    let own = KeySet::parse_own(text.as_bytes()).unwrap_err();
    assert_eq!(own, KeySetError::Key { index: 0, reason: KeyError::Use });
}

#[test]
fn rfc7517_a2_private_keys() {
    let mut jwk = vector(include_str!("../vectors/rfc7517_a2_ec.json"))["jwk"].clone();
    assert_eq!(PublicKey::from_jwk(&jwk).unwrap_err(), KeyError::Private);
    assert_eq!(SigningKey::from_jwk(&jwk).unwrap_err(), KeyError::Use);
    jwk.as_object_mut().unwrap().remove("use");
    let key = SigningKey::from_jwk(&jwk).unwrap();
    assert_eq!(key.key_id(), Some("1"));
    let kept: Value = serde_json::from_str(&key.to_jwk().unwrap()).unwrap();
    assert_eq!(kept["d"], jwk["d"]);
}

#[test]
fn rfc7638_3_1_thumbprint() {
    let vector = vector(include_str!("../vectors/rfc7638_3_1.json"));
    let key = PublicKey::from_jwk(&vector["jwk"]).unwrap();
    assert_eq!(key.thumbprint().to_base64url(), vector["thumbprint"]);
}

#[test]
fn rfc8037_a_ed25519() {
    let vector = vector(include_str!("../vectors/rfc8037_a.json"));
    let key = SigningKey::from_jwk(&vector["jwk"]).unwrap();
    // A.3; a private key without kid takes the thumbprint for one.
    assert_eq!(key.public().thumbprint().to_base64url(), vector["thumbprint"]);
    assert_eq!(key.key_id(), vector["thumbprint"].as_str());
    // A.4 and A.5.
    let token = vector["jws"].as_str().unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    assert_eq!(encode(key.sign(input.as_bytes()).unwrap()), signature);
    // It is a JWS, but its payload is no claims set.
    assert!(Unverified::parse(token).is_err());
}
