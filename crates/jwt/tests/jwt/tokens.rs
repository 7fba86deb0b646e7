//! What a reader of tokens must refuse, and what it must not. The ids are those of the attack
//! catalogue in docs/SECURITY-TESTS.md.

use countersign_jwt::json::JsonError;
use countersign_jwt::jws::MAX_TOKEN;
use countersign_jwt::verify::verify;
use countersign_jwt::{
    Algorithm, KeySet, Malformed, Sign, SignError, SigningKey, Unverified, VerifyError, sign,
};
use serde_json::{Value, json};

use crate::support::{
    ISSUER, NOW, check, claims, claims_with, decode, encode, key, policy, read, signed, valid,
    with_claims, with_header,
};

#[test]
fn every_algorithm_signs_what_it_verifies() {
    for algorithm in Algorithm::ALL {
        let token = sign("uma-claims+jwt", key(*algorithm), &claims()).unwrap();
        let verified = read(&token, &policy()).unwrap();
        assert_eq!(verified.header().algorithm(), *algorithm);
        assert_eq!(verified.header().kid(), Some(algorithm.name()));
        assert_eq!(verified.header().typ(), Some("uma-claims+jwt"));
        assert_eq!(Value::Object(verified.into_claims().into_map()), claims());
    }
}

#[test]
fn j9_without_kid_a_few_keys_are_tried() {
    let header = r#"{"alg":"ES256","typ":"uma-claims+jwt"}"#;
    let mut keys: Vec<SigningKey> =
        (0..5).map(|_| SigningKey::generate(Algorithm::Es256, None).unwrap()).collect();
    let set = KeySet::from_keys(keys.iter().map(|key| key.public().clone()).collect()).unwrap();
    let last = signed(&keys.pop().unwrap(), header, claims().to_string());
    let fourth = signed(&keys.pop().unwrap(), header, claims().to_string());
    assert!(verify(&fourth, &policy(), &set, NOW).is_ok());
    let beyond = verify(&last, &policy(), &set, NOW).unwrap_err();
    assert_eq!(beyond, VerifyError::TooManyKeys.into(), "no more than four");
    let stranger = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let stranger = signed(&stranger, header, claims().to_string());
    let four = KeySet::from_keys(set.iter().take(4).cloned().collect()).unwrap();
    let refused = verify(&stranger, &policy(), &four, NOW).unwrap_err();
    assert_eq!(refused, VerifyError::Signature.into(), "all were tried");
    // What could not have made it is not counted.
    let (input, signature) = last.rsplit_once('.').unwrap();
    let short = format!("{input}.{}", encode(&decode(signature)[..63]));
    let refused = verify(&short, &policy(), &set, NOW).unwrap_err();
    assert_eq!(refused, VerifyError::Signature.into());
    let none = verify(&fourth, &policy(), &KeySet::default(), NOW).unwrap_err();
    assert_eq!(none, VerifyError::UnknownKey.into());
}

#[test]
fn j12_j13_broken_ecdsa_signatures() {
    let token = valid();
    let (input, good) = token.rsplit_once('.').unwrap();
    let good = decode(good);
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order: Vec<u8> =
        (0..64).step_by(2).map(|at| u8::from_str_radix(&order[at..at + 2], 16).unwrap()).collect();
    let (r, s) = good.split_at(32);
    let zero = [0; 32];
    let rows: [(&str, Vec<u8>); 10] = [
        ("both zero", [0; 64].to_vec()),
        ("r zero", [&zero, s].concat()),
        ("s zero", [r, &zero].concat()),
        ("r = n", [&order, s].concat()),
        ("s = n", [r, &order].concat()),
        ("all ones", [0xff; 64].to_vec()),
        ("long", [&good, [0].as_slice()].concat()),
        ("short", good[..63].to_vec()),
        ("half", r.to_vec()),
        ("DER", [&[0x30, 0x44, 2, 0x20], r, &[2, 0x20], s].concat()),
    ];
    for (name, signature) in rows {
        check(name, &format!("{input}.{}", encode(signature)), VerifyError::Signature);
    }
}

#[test]
fn j15_ed25519_scalar_out_of_range() {
    // S and S + L satisfy the same equation; only the first is the signature.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let token = sign("uma-claims+jwt", key(Algorithm::Ed25519), &claims()).unwrap();
    let (input, good) = token.rsplit_once('.').unwrap();
    let mut signature = decode(good);
    let mut carry = 0;
    for (octet, add) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*octet) + u16::from(add) + carry;
        *octet = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    check("S + L", &format!("{input}.{}", encode(signature)), VerifyError::Signature);
}

#[test]
fn j21_j22_json_with_two_readings() {
    let twice = r#"{"alg":"ES256","alg":"ES256","typ":"uma-claims+jwt"}"#;
    check("alg", &with_header(twice), Malformed::Header(JsonError::DuplicateMember));
    let good = claims().to_string();
    let body = good.strip_suffix('}').unwrap();
    for twin in [r#""aud":"x""#, r#""sub":"x""#, r#""\u0061ud":"x""#, r#""x":{"a":1,"a":1}"#] {
        let token = with_claims(format!("{body},{twin}}}"));
        check(twin, &token, Malformed::Payload(JsonError::DuplicateMember));
    }
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let with_mark = [b"\xef\xbb\xbf", good.as_bytes()].concat();
    let latin = [body.as_bytes(), b",\"x\":\"\xe9\"}"].concat();
    let rows: [(&str, Vec<u8>, JsonError); 7] = [
        ("UTF-16", utf16, JsonError::Syntax),
        ("BOM", with_mark, JsonError::Syntax),
        ("Latin-1", latin, JsonError::Encoding),
        ("surrogate", format!(r#"{body},"x":"\ud800"}}"#).into_bytes(), JsonError::Syntax),
        ("NUL", format!(r#"{body},"x":"\u0000"}}"#).into_bytes(), JsonError::Nul),
        ("array", b"[]".to_vec(), JsonError::NotAnObject),
        ("a token", encode(&good).into_bytes(), JsonError::Syntax),
    ];
    for (name, payload, fault) in rows {
        check(name, &with_claims(payload), Malformed::Payload(fault));
    }
}

#[test]
fn j23_twins_of_base64url() {
    let token = valid();
    let (input, signature) = token.rsplit_once('.').unwrap();
    for twin in ["=", "==", " ", "\n", "+", "/", "\u{2013}", "%3D"] {
        check(twin, &format!("{token}{twin}"), Malformed::Compact);
        check(twin, &format!("{twin}{token}"), Malformed::Compact);
    }
    // The last character of 64 octets carries four unused bits.
    let last = signature.chars().last().unwrap();
    for twin in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
        if twin != last {
            let twin = format!("{input}.{}{twin}", &signature[..signature.len() - 1]);
            assert!(read(&twin, &policy()).is_err(), "{twin}");
        }
    }
    check("length 1 mod 4", &format!("{token}AAA"), Malformed::Base64);
}

#[test]
fn j24_j25_shapes_and_sizes() {
    let token = valid();
    let json = format!(r#"{{"payload":"{}","signatures":[]}}"#, encode("{}"));
    let rows = [
        ("empty", String::new()),
        ("dots", "..".to_owned()),
        ("one part", "abc".to_owned()),
        ("two parts", token.rsplit_once('.').unwrap().0.to_owned()),
        ("four parts", format!("{token}.AA")),
        ("five parts", format!("{token}.AA.AA")),
        ("seven parts", format!("{token}.A.A.A.A")),
        ("leading dot", format!(".{token}")),
        ("JSON serialization", json),
    ];
    for (name, text) in rows {
        check(name, &text, Malformed::Compact);
    }
    check("16 KiB of dots", &".".repeat(MAX_TOKEN), Malformed::Compact);
    check("1 MiB of dots", &".".repeat(1 << 20), Malformed::TooLong);
    let deep = format!("{}1{}", "[".repeat(16), "]".repeat(16));
    check(
        "deep",
        &with_claims(format!(r#"{{"a":{deep}}}"#)),
        Malformed::Payload(JsonError::TooDeep),
    );
    let padding = claims_with("x", json!("y".repeat(MAX_TOKEN)));
    check("long", &with_claims(padding.to_string()), Malformed::TooLong);
}

#[test]
fn a_key_is_for_its_own_algorithm() {
    // PS256 over the key that is for RS256, and the other way round.
    for (header, signer) in [("RS256", Algorithm::Ps256), ("PS256", Algorithm::Rs256)] {
        let head = json!({ "alg": header, "typ": "uma-claims+jwt", "kid": signer.name() });
        let token = signed(key(signer), head.to_string(), claims().to_string());
        check(header, &token, VerifyError::UnknownKey);
    }
    let checked = Unverified::parse(&valid()).unwrap().check(&policy(), NOW).unwrap();
    let other = checked.verify_with(key(Algorithm::Es384).public()).unwrap_err();
    assert_eq!(other, VerifyError::UnknownKey);
    let checked = Unverified::parse(&valid()).unwrap().check(&policy(), NOW).unwrap();
    assert!(checked.verify_with(key(Algorithm::Es256).public()).is_ok());
    let twin = SigningKey::generate(Algorithm::Es256, Some("another")).unwrap();
    let checked = Unverified::parse(&valid()).unwrap().check(&policy(), NOW).unwrap();
    assert_eq!(checked.verify_with(twin.public()).unwrap_err(), VerifyError::UnknownKey);
}

#[test]
fn only_objects_of_a_sane_size_are_signed() {
    let key: &dyn Sign = key(Algorithm::Es256);
    assert!(matches!(sign("JWT", key, &json!([])), Err(SignError::Claims)));
    assert!(matches!(sign("JWT", key, &"text"), Err(SignError::Claims)));
    for size in [MAX_TOKEN * 3 / 4, MAX_TOKEN, MAX_TOKEN * 2] {
        let claims = json!({ "x": "y".repeat(size) });
        assert!(matches!(sign("JWT", key, &claims), Err(SignError::TooLong)), "{size}");
    }
}

#[test]
fn debug_shows_no_claims() {
    let checked = Unverified::parse(&valid()).unwrap();
    for text in [format!("{checked:?}"), format!("{:?}", read(&valid(), &policy()).unwrap())] {
        assert!(!text.contains("alice"), "{text}");
        assert!(text.contains("uma-claims+jwt"), "{text}");
    }
    assert!(ISSUER.contains("alice"));
}
