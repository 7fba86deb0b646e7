//! Project Wycheproof's vectors for JWS and JWK.
//!
//! Each vector goes through the door its key asks for: a secret through
//! [`mac`](countersign_jwt::mac), anything else through the door for signatures. Where our answer
//! is not the label's, [`EXCEPTIONS`] says why; the tests fail when a reason no longer holds.

use countersign_jwt::jws::UnverifiedJws;
use countersign_jwt::mac::{HmacKey, HmacKeys};
use countersign_jwt::{KeySet, PublicKey, Refusal};
use serde_json::{Value, json};
use wycheproof_ng_kdf_jose::json_web::{TestName, TestSet};

/// Vectors of `json_web_signature_test` whose label we do not follow.
const EXCEPTIONS: [(usize, Reason); 8] = [
    (346, Reason::AnotherAlgorithm),
    (350, Reason::AnotherAlgorithm),
    (347, Reason::UnregisteredName),
    (351, Reason::UnregisteredName),
    (367, Reason::SameAsValid(357)),
    (370, Reason::SameAsValid(357)),
    (372, Reason::NotBase64url),
    (373, Reason::NotBase64url),
];

#[derive(Clone, Copy)]
enum Reason {
    /// The key is for PS256 and the token is of PS384. RFC 8725 §3.1
    AnotherAlgorithm,
    /// The key says `"alg": "ES521"`, which is no registered name; the token says ES512. RFC 7518
    /// §3.1
    UnregisteredName,
    /// Labelled invalid, but octet for octet the vector of this number, which is labelled valid.
    SameAsValid(usize),
    /// Labelled valid, but with a `?` in it. RFC 7515 §2
    NotBase64url,
}

/// The payload of a token, by the door that the key asks for.
fn open(key: &Value, token: &str) -> Result<Vec<u8>, Refusal> {
    let is_secret = |key: &Value| key["kty"] == "oct";
    let text = key.to_string();
    let signed = |token: &str| UnverifiedJws::parse(token).map_err(|error| Refusal::from(&error));
    match key["keys"].as_array() {
        Some(keys) if keys.iter().any(is_secret) => {
            let keys = HmacKeys::parse(text.as_bytes()).map_err(|error| Refusal::from(&error))?;
            keys.verify_payload(token).map_err(|error| Refusal::from(&error))
        }
        Some(_) => {
            let (keys, skipped) =
                KeySet::parse_foreign(text.as_bytes()).map_err(|error| Refusal::from(&error))?;
            assert_eq!(skipped.is_empty(), KeySet::parse_own(text.as_bytes()).is_ok());
            let verified = signed(token)?.verify(&keys).map_err(|error| Refusal::from(&error))?;
            Ok(verified.into_payload())
        }
        None if is_secret(key) => {
            let key = HmacKey::from_json(text.as_bytes()).map_err(|error| Refusal::from(&error))?;
            key.verify_payload(token).map_err(|error| Refusal::from(&error))
        }
        None => {
            let key =
                PublicKey::from_json(text.as_bytes()).map_err(|error| Refusal::from(&error))?;
            let verified = signed(token)?.verify_with(&key).map_err(|e| Refusal::from(&e))?;
            Ok(verified.into_payload())
        }
    }
}

struct Vector {
    number: usize,
    name: String,
    key: Value,
    token: String,
    valid: bool,
}

impl Vector {
    fn open(&self) -> Result<Vec<u8>, Refusal> {
        open(&self.key, &self.token)
    }
}

fn vectors(set: TestName) -> Vec<Vector> {
    let set = TestSet::load(set).unwrap();
    let mut vectors = Vec::new();
    for group in set.test_groups {
        let key = group.public_key.or(group.private_key).unwrap();
        for test in group.tests {
            // The rest of `json_web_crypto` is encrypted.
            let Some(token) = test.jws else { continue };
            vectors.push(Vector {
                number: test.tc_id,
                name: format!("{} {}: {}", group.group_comment, test.tc_id, test.comment),
                key: key.clone(),
                token: token.as_str().map_or_else(|| token.to_string(), str::to_owned),
                valid: !test.result.must_fail(),
            });
        }
    }
    vectors
}

#[test]
fn json_web_signature() {
    let vectors = vectors(TestName::JsonWebSignature);
    assert_eq!(vectors.len(), 401);
    for vector in &vectors {
        let outcome = vector.open();
        let Some((_, reason)) = EXCEPTIONS.iter().find(|(number, _)| *number == vector.number)
        else {
            assert_eq!(outcome.is_ok(), vector.valid, "{}: {outcome:?}", vector.name);
            continue;
        };
        match reason {
            Reason::AnotherAlgorithm => {
                assert_eq!(outcome, Err(Refusal::UnknownKey), "{}", vector.name);
                let mut key = vector.key.clone();
                key["alg"] = json!("PS384");
                assert!(open(&key, &vector.token).is_ok(), "{}", vector.name);
            }
            Reason::UnregisteredName => {
                assert_eq!(outcome, Err(Refusal::UnsupportedAlgorithm), "{}", vector.name);
                let mut key = vector.key.clone();
                key["alg"] = json!("ES512");
                assert!(open(&key, &vector.token).is_ok(), "{}", vector.name);
            }
            Reason::SameAsValid(number) => {
                let valid = vectors.iter().find(|vector| vector.number == *number).unwrap();
                assert_eq!((&vector.token, &vector.key), (&valid.token, &valid.key));
                assert!(valid.valid && !vector.valid && outcome.is_ok(), "{}", vector.name);
            }
            Reason::NotBase64url => {
                assert!(vector.valid && vector.token.contains('?'), "{}", vector.name);
                assert_eq!(outcome, Err(Refusal::NotCompact), "{}", vector.name);
            }
        }
    }
}

#[test]
fn json_web_key() {
    let vectors = vectors(TestName::JsonWebKey);
    assert_eq!(vectors.len(), 26);
    for vector in vectors {
        let outcome = vector.open();
        assert_eq!(outcome.is_ok(), vector.valid, "{}: {outcome:?}", vector.name);
    }
}

#[test]
fn json_web_crypto() {
    let vectors = vectors(TestName::JsonWebCrypto);
    assert_eq!(vectors.len(), 49);
    for vector in vectors {
        let outcome = vector.open();
        assert_eq!(outcome.is_ok(), vector.valid, "{}: {outcome:?}", vector.name);
    }
}

/// Why each of the refused keys is refused, and not only that it is.
#[test]
fn refused_keys_are_refused_for_the_right_reason() {
    let reasons = [
        (1, Refusal::MixedKeySet),
        (4, Refusal::DuplicateKid),
        (6, Refusal::UnknownKey),
        (7, Refusal::UnknownKey),
        (8, Refusal::UnknownKey),
    ];
    let vectors = vectors(TestName::JsonWebKey);
    for (number, refusal) in reasons {
        let vector = vectors.iter().find(|vector| vector.number == number).unwrap();
        assert_eq!(vector.open(), Err(refusal), "{}", vector.name);
    }
    let strict = [
        (6, Refusal::KeyUse),
        (7, Refusal::WeakKey),
        (8, Refusal::WeakKey),
        (9, Refusal::WeakKey),
        (19, Refusal::UnsupportedAlgorithm),
        (20, Refusal::UnsupportedAlgorithm),
        (21, Refusal::KeyUse),
        (22, Refusal::InvalidKey),
        (23, Refusal::AlgorithmMismatch),
        (24, Refusal::MissingMember),
    ];
    for (number, refusal) in strict {
        let vector = vectors.iter().find(|vector| vector.number == number).unwrap();
        let own = KeySet::parse_own(vector.key.to_string().as_bytes()).unwrap_err();
        assert_eq!(Refusal::from(&own), refusal, "{}", vector.name);
    }
}
