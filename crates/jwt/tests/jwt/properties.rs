//! Properties of tokens and keys.

use std::sync::LazyLock;

use countersign_jwt::jws::{Malformed, UnverifiedJws};
use countersign_jwt::mac::{HmacKey, HmacKeys, MacAlgorithm};
use countersign_jwt::{
    Algorithm, KeySet, Policy, PublicKey, Sign as _, SigningKey, Typ, Unverified, sign,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::{KEYS, NOW, claims, decode, encode, key, key_set, policy, read, signed};

static SHARED: LazyLock<HmacKey> =
    LazyLock::new(|| HmacKey::generate(MacAlgorithm::Hs256, None).unwrap());

/// Every single bit of every token of every algorithm matters.
#[test]
fn any_flipped_bit_fails() {
    for algorithm in Algorithm::ALL {
        let token = sign("uma-claims+jwt", key(*algorithm), &claims()).unwrap();
        assert!(read(&token, &policy()).is_ok());
        // Each bit of a long token is slow; a step prime to eight reaches every kind of place.
        let step = if *algorithm == Algorithm::Es256 { 1 } else { 13 };
        for bit in (0..token.len() * 8).step_by(step) {
            let mut octets = token.clone().into_bytes();
            octets[bit / 8] ^= 1 << (bit % 8);
            if let Ok(text) = String::from_utf8(octets) {
                assert!(read(&text, &policy()).is_err(), "{algorithm}: bit {bit}");
            }
        }
    }
}

/// What is accepted is written in the one way there is.
#[test]
fn accepted_tokens_encode_to_the_same_octets() {
    for algorithm in Algorithm::ALL {
        let token = sign("uma-claims+jwt", key(*algorithm), &claims()).unwrap();
        let parts: Vec<String> = token.split('.').map(|part| encode(decode(part))).collect();
        assert_eq!(parts.join("."), token);
    }
}

fn claim() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        any::<bool>().prop_map(Value::from),
        "[^\\x00]{0,24}".prop_map(Value::from),
        prop::collection::vec("[a-z]{0,4}", 0..4).prop_map(Value::from),
        Just(Value::Null),
        Just(json!({ "sub": "x" })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn parsers_never_panic(octets in prop::collection::vec(any::<u8>(), 0..256), text in "\\PC{0,128}") {
        let _ = Unverified::parse(&text);
        let _ = Unverified::parse(&String::from_utf8_lossy(&octets));
        let _ = PublicKey::from_json(&octets);
        let _ = PublicKey::from_spki_der(&octets, None, None);
        let _ = SigningKey::from_json(text.as_bytes());
        let _ = KeySet::parse_own(&octets);
        let _ = KeySet::parse_foreign(text.as_bytes());
        let _ = UnverifiedJws::parse(&text);
        let _ = HmacKey::from_json(&octets);
        let _ = HmacKeys::parse(text.as_bytes());
        for algorithm in Algorithm::ALL {
            let _ = SigningKey::from_pkcs8_der(*algorithm, None, &octets);
        }
    }

    #[test]
    fn three_parts_of_anything_never_panic(
        header in prop::collection::vec(any::<u8>(), 0..64),
        payload in prop::collection::vec(any::<u8>(), 0..64),
        signature in prop::collection::vec(any::<u8>(), 0..128),
    ) {
        let token = format!("{}.{}.{}", encode(header), encode(payload), encode(signature));
        let _ = read(&token, &policy());
        let _ = SHARED.verify(&token, &policy(), NOW);
        if let Ok(read) = UnverifiedJws::parse(&token) {
            prop_assert!(read.verify(&key_set()).is_err());
        }
        prop_assert!(SHARED.verify_payload(&token).is_err());
    }

    /// A text that is no compact JWS is refused for that, whatever its parts are when decoded.
    #[test]
    fn what_is_no_compact_jws_is_that_before_all_else(
        header in prop::sample::select(vec!["", "AAAA", "e30", "eyJhbGciOiJub25lIn0", "eyJhbGciOiJFUzI1NiJ9"]),
        payload in prop::sample::select(vec!["", "A", "AAAA", "W10", "e30"]),
        signature in prop::sample::select(vec!["A", "AB", "AAAA"]),
        at in any::<prop::sample::Index>(),
        more in "[-.=+ A\u{e9}]{0,2}",
    ) {
        let mut text = format!("{header}.{payload}.{signature}");
        text.insert_str(at.index(text.len() + 1), &more);
        let of_alphabet = |part: &str| {
            part.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter))
        };
        let parts: Vec<&str> = text.split('.').collect();
        let is_compact = parts.iter().all(|part| of_alphabet(part))
            && matches!(parts[..], [header, payload, _] if !header.is_empty() && !payload.is_empty());
        let refused = Unverified::parse(&text).err();
        if !is_compact {
            prop_assert_eq!(refused, Some(Malformed::Compact), "{}", text);
        } else if !parts[2].is_empty() {
            prop_assert_ne!(refused, Some(Malformed::Compact), "{}", text);
        }
    }

    /// Any number that JSON can write, as a date: an answer, never a panic.
    #[test]
    fn numbers_of_any_spelling(
        number in "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,5})?",
        name in prop::sample::select(vec!["exp", "nbf", "iat"]),
    ) {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        let claims = claims.to_string();
        let payload = format!(r#"{{"{name}":{number},{}"#, &claims[1..]);
        let token = signed(key(Algorithm::Ed25519), r#"{"alg":"Ed25519","typ":"uma-claims+jwt"}"#, payload);
        if let Ok(verified) = read(&token, &policy()) {
            let date = verified.claims().timestamp(name).unwrap().unwrap().as_unix();
            let written: f64 = number.parse().unwrap();
            prop_assert!((date as f64 - written).abs() <= 1.0 && !number.starts_with('-'), "{number}");
        }
    }

    #[test]
    fn a_damaged_key_is_refused_or_harmless(at in any::<prop::sample::Index>(), octet: u8, which in 0..Algorithm::ALL.len()) {
        let mut der = KEYS[which].public().to_spki_der().unwrap();
        let at = at.index(der.len());
        der[at] = octet;
        let _ = PublicKey::from_spki_der(&der, None, None);
        let mut der = KEYS[which].to_pkcs8_der().unwrap().to_vec();
        der[at] = octet;
        let _ = SigningKey::from_pkcs8_der(KEYS[which].algorithm(), None, &der);
    }

    /// Claims of any type in any place: an answer, never a panic, and never an accepted token
    /// without an `exp` that lies ahead.
    #[test]
    fn claims_of_any_type(
        exp in claim(), nbf in claim(), iat in claim(), aud in claim(), iss in claim(), sub in claim(),
    ) {
        let payload = json!({ "exp": exp, "nbf": nbf, "iat": iat, "aud": aud, "iss": iss, "sub": sub });
        let header = r#"{"alg":"Ed25519","kid":"Ed25519"}"#;
        let token = signed(key(Algorithm::Ed25519), header, payload.to_string());
        let lenient = Policy::new(Typ::IsOrAbsent("JWT"));
        if let Ok(verified) = read(&token, &lenient) {
            let exp = verified.claims().required_timestamp("exp").unwrap();
            prop_assert!(exp.as_unix() + 60 > NOW.as_unix());
        }
        let asked = lenient.issuer("a").audience_includes("b").subject("c");
        if let Ok(verified) = read(&token, &asked) {
            prop_assert_eq!(verified.claims().issuer(), Ok("a"));
        }
    }

    #[test]
    fn what_is_signed_is_read(members in prop::collection::btree_map("[a-z]{4,8}", "[^\\x00]{0,16}", 0..8)) {
        let mut claims: Map<String, Value> =
            members.into_iter().map(|(name, value)| (name, value.into())).collect();
        claims.insert("exp".to_owned(), (NOW.as_unix() + 10).into());
        let token = sign("JWT", key(Algorithm::Ed25519), &claims).unwrap();
        let verified = read(&token, &Policy::new(Typ::Is("JWT"))).unwrap();
        prop_assert_eq!(verified.claims().as_map(), &claims);
    }
}
