//! Published vectors, named by their section.

use countersign_jwt::jwks::{KeySetError, SkipReason};
use countersign_jwt::jws::{UnverifiedJws, sign_payload};
use countersign_jwt::mac::{HmacKey, MacAlgorithm};
use countersign_jwt::verify::verify;
use countersign_jwt::{
    ClaimError, KeyError, KeySet, Malformed, Policy, PublicKey, Sign as _, SigningKey, Typ,
    Unverified, Verify as _,
};
use countersign_types::Timestamp;
use serde_json::{Value, json};

use crate::support::encode;

/// One second before the example tokens of RFC 7515 expire.
const NOW: Timestamp = Timestamp::from_unix(1_300_819_379);

fn vector(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// By the door for MACs, with a key that is told its algorithm since it names none.
#[test]
fn rfc7515_a1_hs256() {
    let vector = vector(include_str!("../vectors/rfc7515_a1.json"));
    let token = vector["jws"].as_str().unwrap();
    assert_eq!(Unverified::parse(token).unwrap_err(), Malformed::Algorithm);
    let key = HmacKey::from_jwk_for(&vector["jwk"], MacAlgorithm::Hs256).unwrap();
    let policy = Policy::new(Typ::Is("JWT")).issuer("joe");
    let verified = key.verify(token, &policy, NOW).unwrap();
    assert_eq!(verified.claims().get("http://example.com/is_root"), Some(&json!(true)));
    let later = Timestamp::from_unix(1_300_819_380 + 60);
    assert_eq!(key.verify(token, &policy, later).unwrap_err(), ClaimError::Expired.into());
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

/// By the door for payloads that are no claims.
#[test]
fn rfc7515_a4_es512() {
    let vector = vector(include_str!("../vectors/rfc7515_a4.json"));
    let token = vector["jws"].as_str().unwrap();
    assert!(Unverified::parse(token).is_err(), "the payload is no JSON");
    let key = SigningKey::from_jwk(&vector["jwk"]).unwrap();
    let verified = UnverifiedJws::parse(token).unwrap().verify_with(key.public()).unwrap();
    assert_eq!(verified.payload(), b"Payload");
    let again = sign_payload(None, &key, b"Payload").unwrap();
    assert!(UnverifiedJws::parse(&again).unwrap().verify_with(key.public()).is_ok());
}

/// There is no door for it.
#[test]
fn rfc7515_a5_unsecured() {
    let vector = vector(include_str!("../vectors/rfc7515_a5.json"));
    let token = vector["jws"].as_str().unwrap();
    assert_eq!(Unverified::parse(token).unwrap_err(), Malformed::Algorithm);
    let signed = format!("{token}AAAA");
    assert_eq!(Unverified::parse(&signed).unwrap_err(), Malformed::Algorithm);
    assert_eq!(UnverifiedJws::parse(&signed).unwrap_err(), Malformed::Algorithm);
}

/// The JSON serializations are not read; each of their signatures is, in its compact form.
#[test]
fn rfc7515_a6_a7_json_serializations() {
    let keys = [
        vector(include_str!("../vectors/rfc7515_a2.json"))["jwk"].clone(),
        vector(include_str!("../vectors/rfc7515_a3.json"))["jwk"].clone(),
    ];
    let general = vector(include_str!("../vectors/rfc7515_a6.json"))["jws"].clone();
    let flattened = vector(include_str!("../vectors/rfc7515_a7.json"))["jws"].clone();
    for text in [general.to_string(), flattened.to_string()] {
        assert_eq!(Unverified::parse(&text).unwrap_err(), Malformed::Compact);
        assert_eq!(UnverifiedJws::parse(&text).unwrap_err(), Malformed::Compact);
    }
    let payload = general["payload"].as_str().unwrap();
    let mut signatures = general["signatures"].as_array().unwrap().clone();
    assert_eq!(signatures[1]["signature"], flattened["signature"]);
    signatures.push(flattened);
    for (signature, key) in signatures.iter().zip([&keys[0], &keys[1], &keys[1]]) {
        let part = |name: &str| signature[name].as_str().unwrap();
        let token = format!("{}.{payload}.{}", part("protected"), part("signature"));
        let key = PublicKey::from_jwk(&public_half(key)).unwrap();
        assert!(UnverifiedJws::parse(&token).unwrap().verify_with(&key).is_ok());
    }
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

/// Both keys by the door for private keys: the first as if it were not for encryption.
#[test]
fn rfc7517_a2_private_keys() {
    let vector = vector(include_str!("../vectors/rfc7517_a2.json"));
    let text = vector["jwks"].to_string();
    let private = KeySetError::Key { index: 0, reason: KeyError::Private };
    assert_eq!(KeySet::parse_own(text.as_bytes()).unwrap_err(), private);
    assert_eq!(KeySet::parse_foreign(text.as_bytes()).unwrap_err(), private);

    let mut ec = vector["jwks"]["keys"][0].clone();
    assert_eq!(PublicKey::from_jwk(&ec).unwrap_err(), KeyError::Private);
    assert_eq!(SigningKey::from_jwk(&ec).unwrap_err(), KeyError::Use);
    ec.as_object_mut().unwrap().remove("use");
    let rsa = vector["jwks"]["keys"][1].clone();
    for (jwk, kid) in [(ec, "1"), (rsa, "2011-04-29")] {
        let key = SigningKey::from_jwk(&jwk).unwrap();
        assert_eq!(key.key_id(), Some(kid));
        let kept: Value = serde_json::from_str(&key.to_jwk().unwrap()).unwrap();
        for (member, value) in jwk.as_object().unwrap() {
            assert_eq!(&kept[member], value, "{member}");
        }
    }
}

/// The secrets by the door for MACs; neither names an algorithm that it could be used with as it
/// is.
#[test]
fn rfc7517_a3_symmetric_keys() {
    let vector = vector(include_str!("../vectors/rfc7517_a3.json"));
    let text = vector["jwks"].to_string();
    let private = KeySetError::Key { index: 0, reason: KeyError::Private };
    assert_eq!(KeySet::parse_foreign(text.as_bytes()).unwrap_err(), private);
    let [wrapping, mac] = vector["jwks"]["keys"].as_array().unwrap().as_slice() else {
        unreachable!("two keys")
    };
    assert_eq!(HmacKey::from_jwk(wrapping).unwrap_err(), KeyError::Unsupported("alg"));
    assert_eq!(HmacKey::from_jwk(mac).unwrap_err(), KeyError::Missing("alg"));
    let key = HmacKey::from_jwk_for(mac, MacAlgorithm::Hs256).unwrap();
    assert_eq!(key.kid(), Some("HMAC key used in JWS A.1 example"));
    let kept: Value = serde_json::from_str(&key.to_jwk()).unwrap();
    assert_eq!(kept["k"], mac["k"]);
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
    // Its payload is no claims set, and it says EdDSA: by the door for such payloads, with its
    // switch.
    assert!(Unverified::parse(token).is_err());
    assert_eq!(UnverifiedJws::parse(token).unwrap_err(), Malformed::Algorithm);
    let read = UnverifiedJws::parse_accepting_eddsa_name(token).unwrap();
    let verified = read.verify_with(key.public()).unwrap();
    assert_eq!(verified.into_payload(), b"Example of Ed25519 signing");
}

/// The cases in which implementations of Ed25519 differ: which of them we take, at every door.
#[test]
fn j15_ed25519_has_one_profile() {
    let vector = vector(include_str!("../vectors/eddsa_cases.json"));
    let octets = |text: &Value| -> Vec<u8> {
        let text = text.as_str().unwrap();
        let octet = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(octet).collect()
    };
    // The first two keys are of small order. The others fulfil the equation without the cofactor
    // (2, 3), with it only (4, 5), have S out of range (6, 7), or an R of another spelling (8, 9).
    let expected = [None, None, Some(true), Some(true)];
    let expected = expected.into_iter().chain([Some(false); 6]);
    let cases = vector["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 10);
    for (number, (case, expected)) in cases.iter().zip(expected).enumerate() {
        let point = octets(&case["pub_key"]);
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(&point) });
        let spki = [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", point.as_slice()].concat();
        let doors = [PublicKey::from_jwk(&jwk), PublicKey::from_spki_der(&spki, None, None)];
        for key in doors {
            let verified =
                key.map(|key| key.verify(&octets(&case["message"]), &octets(&case["signature"])));
            match expected {
                None => {
                    let weak = KeyError::Weak("a point of small order");
                    assert_eq!(verified.unwrap_err(), weak, "case {number}");
                }
                Some(good) => assert_eq!(verified.unwrap().is_ok(), good, "case {number}"),
            }
        }
    }
}
