//! Random changes to keys, before this importer and josekit's.
//!
//! A key that this importer takes, josekit takes too. `jsonwebtoken` is not asked: it keeps what it
//! is given and looks at it with the first signature, so that it refuses next to nothing. There are
//! two exceptions, and no third. The name `Ed25519`, which josekit does not know (RFC 9864 §2.2),
//! is shown to it as `EdDSA`. And members that belong to another type of key, which RFC 7517 §4 has
//! an importer ignore, are not shown to it: josekit refuses an RSA key for a malformed `x`.

use countersign_jwt::mac::{HmacKey, MacAlgorithm};
use countersign_jwt::{Algorithm, PublicKey, SigningKey};
use josekit::jwk::Jwk;
use josekit::jws::alg::ecdsa::EcdsaJwsAlgorithm;
use josekit::jws::alg::eddsa::EddsaJwsAlgorithm;
use josekit::jws::alg::hmac::HmacJwsAlgorithm;
use josekit::jws::alg::rsassa::RsassaJwsAlgorithm;
use josekit::jws::alg::rsassa_pss::RsassaPssJwsAlgorithm;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::support::{KEYS, decode, encode, key};

/// What is done with the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Sign,
    Verify,
}

fn josekit(jwk: &Value, algorithm: Algorithm, purpose: Use) -> bool {
    let Ok(jwk) = Jwk::from_map(jwk.as_object().unwrap().clone()) else { return false };
    macro_rules! imports {
        ($algorithm:expr) => {
            match purpose {
                Use::Sign => $algorithm.signer_from_jwk(&jwk).is_ok(),
                Use::Verify => $algorithm.verifier_from_jwk(&jwk).is_ok(),
            }
        };
    }
    match algorithm {
        Algorithm::Es256 => imports!(EcdsaJwsAlgorithm::Es256),
        Algorithm::Es384 => imports!(EcdsaJwsAlgorithm::Es384),
        Algorithm::Es512 => imports!(EcdsaJwsAlgorithm::Es512),
        Algorithm::Rs256 => imports!(RsassaJwsAlgorithm::Rs256),
        Algorithm::Rs384 => imports!(RsassaJwsAlgorithm::Rs384),
        Algorithm::Rs512 => imports!(RsassaJwsAlgorithm::Rs512),
        Algorithm::Ps256 => imports!(RsassaPssJwsAlgorithm::Ps256),
        Algorithm::Ps384 => imports!(RsassaPssJwsAlgorithm::Ps384),
        Algorithm::Ps512 => imports!(RsassaPssJwsAlgorithm::Ps512),
        _ => imports!(EddsaJwsAlgorithm::Eddsa),
    }
}

/// The members that a key of each type has of its own.
const OWN: [(&str, &[&str]); 4] = [
    ("EC", &["crv", "x", "y", "d"]),
    ("OKP", &["crv", "x", "d"]),
    ("RSA", &["n", "e", "d", "p", "q", "dp", "dq", "qi", "oth"]),
    ("oct", &["k"]),
];

/// The key as josekit would have it.
fn shown(jwk: &Value) -> Value {
    let mut jwk = jwk.clone();
    let own = OWN.iter().find(|(kty, _)| jwk["kty"] == *kty).map_or(&[][..], |(_, own)| own);
    let of_others =
        |name: &str| OWN.iter().any(|(_, names)| names.contains(&name)) && !own.contains(&name);
    jwk.as_object_mut().unwrap().retain(|name, _| !of_others(name));
    if jwk["alg"] == "Ed25519" {
        jwk["alg"] = json!("EdDSA");
    }
    jwk
}

/// What happens to a key.
#[derive(Clone, Debug)]
enum Change {
    Nothing,
    Remove(Index),
    Set(&'static str, Value),
    /// A member takes the value that it has in another key.
    Swap(Index, Index),
    Flip(Index, Index),
    Cut(Index, usize),
    Lengthen(Index, bool),
    /// The last character gets another twin of the same octets, or padding.
    Respell(Index, char),
}

fn change() -> impl Strategy<Value = Change> {
    let said = [
        ("use", json!("sig")),
        ("use", json!("enc")),
        ("use", json!(7)),
        ("key_ops", json!(["verify"])),
        ("key_ops", json!(["sign"])),
        ("key_ops", json!(["sign", "verify"])),
        ("key_ops", json!(["verify", "encrypt"])),
        ("key_ops", json!([])),
        ("key_ops", json!("verify")),
        ("alg", json!("ES256")),
        ("alg", json!("RS256")),
        ("alg", json!("PS512")),
        ("alg", json!("EdDSA")),
        ("alg", json!("none")),
        ("alg", json!("RSA-OAEP-256")),
        ("alg", json!(["ES256"])),
        ("kty", json!("EC")),
        ("kty", json!("OKP")),
        ("kty", json!("RSA")),
        ("kty", json!("oct")),
        ("crv", json!("P-256")),
        ("crv", json!("P-384")),
        ("crv", json!("secp256k1")),
        ("crv", json!("Ed448")),
        ("crv", json!("X25519")),
        ("e", json!("Aw")),
        ("e", json!("AQ")),
        ("e", json!("AAEAAQ")),
        ("n", json!(encode([0xc1; 128]))),
        ("x", json!(encode([0; 32]))),
        ("x", json!(encode([0xff; 32]))),
        ("kid", json!("other")),
        ("kid", json!(7)),
        ("oth", json!([])),
        ("k", json!("AAAA")),
        ("d", json!("AQAB")),
        ("x5u", json!("https://a.example/")),
        ("own", json!({ "a": [null] })),
    ];
    let place = any::<Index>;
    prop_oneof![
        1 => Just(Change::Nothing),
        2 => place().prop_map(Change::Remove),
        4 => select(said.to_vec()).prop_map(|(name, value)| Change::Set(name, value)),
        2 => (place(), place()).prop_map(|(member, other)| Change::Swap(member, other)),
        2 => (place(), place()).prop_map(|(member, bit)| Change::Flip(member, bit)),
        2 => (place(), 1..4_usize).prop_map(|(member, octets)| Change::Cut(member, octets)),
        1 => (place(), any::<bool>()).prop_map(|(member, front)| Change::Lengthen(member, front)),
        1 => (place(), select(vec!['A', 'B', '_', '=', ' '])).prop_map(|(member, end)| Change::Respell(member, end)),
    ]
}

fn apply(jwk: &mut Value, change: &Change) {
    let members = jwk.as_object_mut().unwrap();
    let names: Vec<String> = members.keys().cloned().collect();
    if names.is_empty() {
        return;
    }
    let name = |index: &Index| names[index.index(names.len())].as_str();
    // Of a member that is octets, those, changed.
    let mut octets = |index: &Index, change: &dyn Fn(&mut Vec<u8>)| {
        let name = name(index);
        let is_number = !["kty", "crv", "use", "alg", "kid"].contains(&name);
        let text = members.get(name).and_then(Value::as_str).filter(|_| is_number);
        let decoded = text.map(decode_leniently);
        if let Some(mut octets) = decoded {
            change(&mut octets);
            members.insert(name.to_owned(), json!(encode(octets)));
        }
    };
    match change {
        Change::Nothing => {}
        Change::Remove(index) => drop(members.remove(name(index))),
        Change::Set(name, value) => drop(members.insert((*name).to_owned(), value.clone())),
        Change::Swap(index, other) => {
            let text = KEYS[other.index(KEYS.len())].to_jwk().unwrap();
            let other: Value = serde_json::from_str(&text).unwrap();
            if let Some(value) = other.get(name(index)) {
                members.insert(name(index).to_owned(), value.clone());
            }
        }
        Change::Flip(index, bit) => octets(index, &|octets| {
            if !octets.is_empty() {
                let bit = bit.index(octets.len() * 8);
                octets[bit / 8] ^= 1 << (bit % 8);
            }
        }),
        Change::Cut(index, count) => {
            octets(index, &|octets| octets.truncate(octets.len().saturating_sub(*count)));
        }
        Change::Lengthen(index, front) => octets(index, &|octets| {
            let place = if *front { 0 } else { octets.len() };
            octets.insert(place, 0);
        }),
        Change::Respell(index, end) => {
            if let Some(Value::String(text)) = members.get_mut(name(index)) {
                text.pop();
                text.push(*end);
            }
        }
    }
}

/// The octets of a text that an earlier change may have made none.
fn decode_leniently(text: &str) -> Vec<u8> {
    let alphabet = |letter: &char| letter.is_ascii_alphanumeric() || "-_".contains(*letter);
    let mut text: String = text.chars().take_while(alphabet).collect();
    text.truncate(text.len() / 4 * 4);
    decode(&text)
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec(change(), 1..4)
}

#[test]
fn josekit_takes_what_is_in_order() {
    for algorithm in Algorithm::ALL {
        let public = shown(&key(*algorithm).public().to_jwk());
        let private: Value = serde_json::from_str(&key(*algorithm).to_jwk().unwrap()).unwrap();
        assert!(josekit(&public, *algorithm, Use::Verify), "{algorithm}");
        assert!(josekit(&shown(&private), *algorithm, Use::Sign), "{algorithm}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1024) })]

    #[test]
    fn no_public_key_is_imported_that_josekit_refuses(
        algorithm in select(Algorithm::ALL.to_vec()),
        changes in changes(),
    ) {
        let mut jwk = key(algorithm).public().to_jwk();
        changes.iter().for_each(|change| apply(&mut jwk, change));
        if let Ok(key) = PublicKey::from_jwk(&jwk) {
            let taken = josekit(&shown(&jwk), key.algorithm(), Use::Verify);
            prop_assert!(taken, "{} {:?}", jwk, changes);
        }
    }

    #[test]
    fn no_private_key_is_imported_that_josekit_refuses(
        algorithm in select(Algorithm::ALL.to_vec()),
        changes in changes(),
    ) {
        let mut jwk: Value = serde_json::from_str(&key(algorithm).to_jwk().unwrap()).unwrap();
        changes.iter().for_each(|change| apply(&mut jwk, change));
        if let Ok(key) = SigningKey::from_jwk(&jwk) {
            let algorithm = key.public().algorithm();
            prop_assert!(josekit(&shown(&jwk), algorithm, Use::Sign), "{} {:?}", jwk, changes);
        }
    }

    #[test]
    fn no_shared_key_is_imported_that_josekit_refuses(
        secret in prop::collection::vec(any::<u8>(), 0..80),
        changes in changes(),
    ) {
        let mut jwk = json!({ "kty": "oct", "alg": "HS256", "k": encode(&secret) });
        changes.iter().for_each(|change| apply(&mut jwk, change));
        if HmacKey::from_jwk_for(&jwk, MacAlgorithm::Hs256).is_ok() {
            let members = Jwk::from_map(shown(&jwk).as_object().unwrap().clone());
            let taken = members.is_ok_and(|jwk| {
                HmacJwsAlgorithm::Hs256.verifier_from_jwk(&jwk).is_ok()
                    || HmacJwsAlgorithm::Hs256.signer_from_jwk(&jwk).is_ok()
            });
            prop_assert!(taken, "{} {:?}", jwk, changes);
        }
    }
}
