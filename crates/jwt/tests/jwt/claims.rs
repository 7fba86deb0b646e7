//! Claims under a policy: types, parties, times. The ids are those of the attack
//! catalogue in docs/SECURITY-TESTS.md.

use countersign_jwt::json::JsonError;
use countersign_jwt::verify::verify;
use countersign_jwt::{Algorithm, ClaimError, Malformed, Policy, Typ};
use countersign_types::{Lifetime, Timestamp};
use serde_json::{Value, json};

use crate::support::{
    AUDIENCE, NOW, check, claims, claims_with, key_set, policy, read, valid, with_claims,
};

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
