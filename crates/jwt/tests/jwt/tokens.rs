//! What a reader of tokens must refuse, and what it must not. The ids are those of the attack
//! catalogue in docs/SECURITY-TESTS.md.

use countersign_jwt::json::JsonError;
use countersign_jwt::jws::MAX_TOKEN;
use countersign_jwt::verify::verify;
use countersign_jwt::{
    Algorithm, ClaimError, KeySet, Malformed, Policy, Sign, SignError, SigningKey, Typ, Unverified,
    VerifyError, sign,
};
use countersign_types::{Lifetime, Timestamp};
use serde_json::{Value, json};

use crate::support::{
    AUDIENCE, HEADER, ISSUER, NOW, check, claims, claims_with, decode, encode, key, key_set,
    policy, read, signed, with_claims, with_header,
};

fn valid() -> String {
    sign("uma-claims+jwt", key(Algorithm::Es256), &claims()).unwrap()
}

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
fn j1_j2_none_in_every_spelling() {
    let payload = encode(claims().to_string());
    for name in ["none", "None", "NONE", "nOnE", " none", "none ", "", "HS256", "ES521", "ES256K"] {
        let header = encode(json!({ "alg": name, "typ": "uma-claims+jwt" }).to_string());
        check(name, &format!("{header}.{payload}."), Malformed::Algorithm);
        check(name, &format!("{header}.{payload}.AA"), Malformed::Algorithm);
    }
    let header = encode(json!({ "alg": "ES256", "typ": "uma-claims+jwt" }).to_string());
    check("ES256", &format!("{header}.{payload}."), Malformed::Compact);
    check("absent", &with_header(r#"{"typ":"uma-claims+jwt"}"#), Malformed::Member("alg"));
    check("array", &with_header(r#"{"alg":["ES256"]}"#), Malformed::Member("alg"));
}

#[test]
fn j3_public_keys_are_no_mac_keys() {
    for name in ["HS256", "HS384", "HS512"] {
        let token = with_header(json!({ "alg": name, "kid": "RS256" }).to_string());
        check(name, &token, Malformed::Algorithm);
    }
}

#[test]
fn j5_j6_j7_keys_in_the_header_are_not_read() {
    let stranger = SigningKey::generate(Algorithm::Es256, Some("ES256")).unwrap();
    let members = [
        ("jwk", stranger.public().to_jwk()),
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("https://evil.example/chain.pem")),
        ("x5c", json!(["MIIB"])),
    ];
    for (name, value) in members {
        let mut header: Value = serde_json::from_str(HEADER).unwrap();
        header[name] = value;
        let forged = signed(&stranger, header.to_string(), claims().to_string());
        check(name, &forged, VerifyError::Signature);
        header["kid"] = "other".into();
        let forged = signed(&stranger, header.to_string(), claims().to_string());
        check(name, &forged, VerifyError::UnknownKey);
    }
}

#[test]
fn j8_kid_is_text_to_compare() {
    let long = "k".repeat(257);
    for kid in ["../../dev/null", "' OR 1=1--", ")(uid=*", "https://evil.example/key", "Es256"] {
        let header = json!({ "alg": "ES256", "typ": "uma-claims+jwt", "kid": kid });
        check(kid, &with_header(header.to_string()), VerifyError::UnknownKey);
    }
    let malformed =
        [json!({"kid": 1}), json!(["ES256"]), json!(1), json!(null), json!(""), json!("a\r\nb")];
    for kid in malformed.into_iter().chain([json!(long), json!("\u{85}")]) {
        let header = json!({ "alg": "ES256", "typ": "uma-claims+jwt", "kid": kid });
        check("kid", &with_header(header.to_string()), Malformed::Member("kid"));
    }
    let nul = with_header(r#"{"alg":"ES256","kid":"a\u0000"}"#);
    check("NUL", &nul, Malformed::Header(JsonError::Nul));
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
    assert_eq!(beyond, VerifyError::Signature.into(), "no more than four");
    let none = verify(&fourth, &policy(), &KeySet::default(), NOW).unwrap_err();
    assert_eq!(none, VerifyError::UnknownKey.into());
}

#[test]
fn j10_j11_extensions_are_refused() {
    let rows = [
        ("unknown", r#"{"alg":"ES256","crit":["x"],"x":1}"#, "crit"),
        ("empty", r#"{"alg":"ES256","crit":[]}"#, "crit"),
        ("standard name", r#"{"alg":"ES256","crit":["alg"]}"#, "crit"),
        ("twice", r#"{"alg":"ES256","crit":["b64","b64"],"b64":true}"#, "crit"),
        ("null", r#"{"alg":"ES256","crit":null}"#, "crit"),
        ("b64 in crit", r#"{"alg":"ES256","crit":["b64"],"b64":false}"#, "crit"),
        ("b64 alone", r#"{"alg":"ES256","b64":false}"#, "b64"),
    ];
    for (name, header, member) in rows {
        check(name, &with_header(header), Malformed::Extension(member));
    }
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
fn j19_eddsa_only_by_switch() {
    let header = r#"{"alg":"EdDSA","typ":"uma-claims+jwt","kid":"Ed25519"}"#;
    let token = signed(key(Algorithm::Ed25519), header, claims().to_string());
    check("EdDSA", &token, ClaimError::Algorithm("EdDSA"));
    assert!(read(&token, &policy().accept_eddsa_name()).is_ok());
    let fresh = sign("uma-claims+jwt", key(Algorithm::Ed25519), &claims()).unwrap();
    let head = decode(fresh.split('.').next().unwrap());
    assert!(String::from_utf8(head).unwrap().contains(r#""alg":"Ed25519""#));
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
fn j26_claims_of_the_wrong_type() {
    let rows: [(&'static str, Value); 20] = [
        ("exp", json!("9999999999")),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("exp", json!(u64::MAX)),
        ("exp", json!([1])),
        ("exp", json!(true)),
        ("nbf", json!({})),
        ("nbf", json!("0")),
        ("iat", json!(true)),
        ("iat", json!(-0.5)),
        ("aud", json!(7)),
        ("aud", json!([])),
        ("aud", json!([AUDIENCE, 7])),
        ("aud", json!({ "0": AUDIENCE })),
        ("iss", json!(["a"])),
        ("iss", json!("")),
        ("sub", json!(["alice"])),
        ("sub", json!("")),
        ("jti", json!(7)),
        ("jti", json!("")),
    ];
    for (name, value) in rows {
        let token = with_claims(claims_with(name, value.clone()).to_string());
        check(&format!("{name}: {value}"), &token, ClaimError::WrongType(name));
    }
    let text = claims().to_string();
    let null = text.replace(&format!(r#""exp":{}"#, NOW.as_unix() + 120), r#""exp":null"#);
    check("exp: null", &with_claims(null), ClaimError::WrongType("exp"));
    let aud = text.replace(&format!(r#""aud":"{AUDIENCE}""#), r#""aud":null"#);
    check("aud: null", &with_claims(&aud), ClaimError::WrongType("aud"));
    let wide = Policy::new(Typ::Is("uma-claims+jwt")).audience_includes(AUDIENCE);
    let outcome = read(&with_claims(aud), &wide).unwrap_err();
    assert_eq!(outcome, ClaimError::WrongType("aud").into());
    let huge = text.replace(&format!(r#""exp":{}"#, NOW.as_unix() + 120), r#""exp":1e400"#);
    check("exp: 1e400", &with_claims(huge), Malformed::Payload(JsonError::Syntax));
}

#[test]
fn j27_j28_parties_are_compared_whole() {
    let issuers = [
        "https://sts.alice.example/",
        "https://STS.alice.example",
        "https://sts.alice.example:443",
        "https://sts.alice.example.evil.example",
        "https://sts.alice",
        "http://sts.alice.example",
    ];
    for issuer in issuers {
        let token = with_claims(claims_with("iss", json!(issuer)).to_string());
        check(issuer, &token, ClaimError::Issuer);
    }
    for audience in [json!("x"), json!([AUDIENCE, "x"]), json!([AUDIENCE, AUDIENCE])] {
        let token = with_claims(claims_with("aud", audience).to_string());
        check("aud", &token, ClaimError::Audience);
    }
    for name in ["iss", "aud", "exp"] {
        let token = with_claims(claims_with(name, Value::Null).to_string());
        check(name, &token, ClaimError::Missing(name));
    }
    let one = with_claims(claims_with("aud", json!([AUDIENCE])).to_string());
    assert!(read(&one, &policy()).is_ok(), "an array of one is the one");
    let wide = Policy::new(Typ::Is("uma-claims+jwt")).audience_includes(AUDIENCE);
    let two = with_claims(claims_with("aud", json!(["x", AUDIENCE])).to_string());
    assert!(read(&two, &wide).is_ok());
    let other = with_claims(claims_with("aud", json!(["x", "y"])).to_string());
    assert_eq!(read(&other, &wide).unwrap_err(), ClaimError::Audience.into());
    let none = with_claims(claims_with("aud", Value::Null).to_string());
    assert_eq!(read(&none, &wide).unwrap_err(), ClaimError::Missing("aud").into());
    let about = policy().subject("bob");
    assert_eq!(read(&valid(), &about).unwrap_err(), ClaimError::Subject.into());
    assert!(read(&valid(), &policy().subject("alice")).is_ok());
}

#[test]
fn j29_j30_types() {
    let token = |typ: &str| sign(typ, key(Algorithm::Es256), &claims()).unwrap();
    for typ in ["UMA-Claims+JWT", "application/uma-claims+jwt", "Application/UMA-CLAIMS+jwt"] {
        assert!(read(&token(typ), &policy()).is_ok(), "{typ}");
    }
    let others = [
        "JWT",
        "at+jwt",
        "uma-claims",
        "uma-claims+jwt ",
        "text/uma-claims+jwt",
        "application/application/uma-claims+jwt",
        "client-authentication+jwt",
        "actor+jwt",
    ];
    for typ in others {
        check(typ, &token(typ), ClaimError::Typ);
    }
    let absent = with_header(r#"{"alg":"ES256","kid":"ES256"}"#);
    check("absent", &absent, ClaimError::Typ);
    let lenient = Policy::new(Typ::IsOrAbsent("uma-claims+jwt"));
    assert!(read(&absent, &lenient).is_ok());
    assert_eq!(read(&token("JWT"), &lenient).unwrap_err(), ClaimError::Typ.into());
    let one_of = Policy::new(Typ::OneOf(&["at+jwt", "jwt"]));
    assert!(read(&token("JWT"), &one_of).is_ok());
    assert_eq!(read(&absent, &one_of).unwrap_err(), ClaimError::Typ.into());
    assert!(read(&absent, &Policy::new(Typ::OneOfOrAbsent(&["at+jwt"]))).is_ok());
    for typ in [json!(""), json!("j\u{e9}"), json!("x".repeat(129)), json!(1)] {
        let header = json!({ "alg": "ES256", "typ": typ });
        check("typ", &with_header(header.to_string()), Malformed::Member("typ"));
    }
}

#[test]
fn times_with_their_leeway() {
    let at = |name: &str, offset: i64| {
        with_claims(claims_with(name, json!(NOW.as_unix() + offset)).to_string())
    };
    assert!(read(&at("exp", -59), &policy()).is_ok());
    check("exp", &at("exp", -60), ClaimError::Expired);
    check("exp 0", &with_claims(claims_with("exp", json!(0)).to_string()), ClaimError::Expired);
    assert!(read(&at("nbf", 60), &policy()).is_ok());
    check("nbf", &at("nbf", 61), ClaimError::NotYetValid);
    assert!(read(&at("iat", 60), &policy()).is_ok());
    check("iat", &at("iat", 61), ClaimError::IssuedInFuture);
    let strict = policy().leeway(Lifetime::from_secs(0));
    assert!(read(&at("exp", 1), &strict).is_ok());
    assert_eq!(read(&at("exp", 0), &strict).unwrap_err(), ClaimError::Expired.into());

    let short = policy().max_lifetime(Lifetime::from_secs(300));
    assert!(read(&at("exp", 300), &short).is_ok());
    assert_eq!(read(&at("exp", 301), &short).unwrap_err(), ClaimError::LifetimeTooLong.into());
    let mut without_iat = claims_with("iat", Value::Null);
    without_iat["exp"] = json!(NOW.as_unix() + 301);
    let token = with_claims(without_iat.to_string());
    assert_eq!(read(&token, &short).unwrap_err(), ClaimError::LifetimeTooLong.into());

    let recent = policy().max_age(Lifetime::from_secs(10));
    assert!(read(&at("iat", -70), &recent).is_ok());
    assert_eq!(read(&at("iat", -71), &recent).unwrap_err(), ClaimError::TooOld.into());
    let token = with_claims(claims_with("iat", Value::Null).to_string());
    assert_eq!(read(&token, &recent).unwrap_err(), ClaimError::Missing("iat").into());
}

#[test]
fn j32_a_token_dies_while_it_is_held() {
    let token = valid();
    let expired = Timestamp::from_unix(NOW.as_unix() + 180);
    assert!(verify(&token, &policy(), &key_set(), NOW).is_ok());
    let later = verify(&token, &policy(), &key_set(), expired).unwrap_err();
    assert_eq!(later, ClaimError::Expired.into());
}

#[test]
fn what_is_asked_for_is_required() {
    let token = with_claims(claims_with("jti", Value::Null).to_string());
    assert!(read(&token, &policy()).is_ok());
    let error = read(&token, &policy().require("jti")).unwrap_err();
    assert_eq!(error, ClaimError::Missing("jti").into());
    let only = policy().algorithms(&[Algorithm::Rs256]);
    assert_eq!(read(&valid(), &only).unwrap_err(), ClaimError::Algorithm("ES256").into());
    let text = claims().to_string().replace(r#""n-0S6_WzA2Mj""#, "null");
    check("jti: null", &with_claims(text), ClaimError::WrongType("jti"));
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
