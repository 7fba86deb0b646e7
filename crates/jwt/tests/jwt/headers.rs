//! What a header may say, and what of it is not listened to. The ids are those of the attack
//! catalogue in docs/SECURITY-TESTS.md.

use countersign_jwt::json::JsonError;
use countersign_jwt::{
    Algorithm, ClaimError, Malformed, Policy, SigningKey, Typ, VerifyError, sign,
};
use serde_json::{Value, json};

use crate::support::{
    HEADER, check, claims, decode, encode, key, policy, read, signed, with_header,
};

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
