//! Tokens that prove nothing: signed by nobody in question, or by keys that are not published.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_jwt::KeySet;

use super::*;

/// F000-2 and F000-3, at the service.
#[tokio::test]
async fn f000_2_f000_3_tokens_that_prove_nothing() {
    let case = Case::new();
    let other = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let claims = foreign_claims(&[]);
    let good = foreign_token(&[]);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (_, payload) = head.split_once('.').unwrap();
    for (name, token) in [
        ("expired", foreign_token(&[("exp", json!(NOW - 60))])),
        ("over, within the skew", foreign_token(&[("exp", json!(NOW))])),
        ("not yet valid", foreign_token(&[("nbf", json!(NOW + 61))])),
        ("no end", foreign_token(&[("exp", Value::Null)])),
        ("another key", countersign_jwt::sign("at+jwt", &other, &claims).unwrap()),
        ("another's signature", format!("{head}.{}", signature.chars().rev().collect::<String>())),
        ("alg none", format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{payload}.")),
        ("for another", foreign_token(&[("client_id", json!("other"))])),
        ("for another, by azp", foreign_token(&[("azp", json!("other"))])),
        ("of a client for itself", foreign_token(&[("sub", json!("rqp-client"))])),
        ("an ID token", sign("JWT", &claims)),
        ("a claims token", sign("uma-claims+jwt", &claims)),
        ("a client assertion", sign("client-authentication+jwt", &claims)),
        ("of ours", foreign_token(&[("iss", json!(STS)), ("aud", json!(STS))])),
        ("bound to a key", foreign_token(&[("cnf", json!({ "jkt": "x" }))])),
        ("opaque", "opaque".to_owned()),
    ] {
        case.refuses(name, &token, &[], "invalid_request").await;
    }
    for (name, secret) in published() {
        let token = authenticated("at+jwt", &secret, &claims);
        case.refuses(&format!("alg HS256, {name}"), &token, &[], "invalid_request").await;
    }
    case.issues("the good one", &good, &[]).await;
}

/// The issuer's public key in the forms in which somebody might take it for a secret.
fn published() -> Vec<(&'static str, Vec<u8>)> {
    let key = ES256.public();
    let (der, jwk) = (key.to_spki_der().unwrap(), key.to_jwk());
    let body = STANDARD.encode(&der);
    let lines = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap());
    let lines = lines.collect::<Vec<_>>().join("\n");
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n");
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    vec![
        ("PEM", pem.as_bytes().to_vec()),
        ("PEM without its last line break", pem.trim_end().as_bytes().to_vec()),
        ("DER", der),
        ("JWK", jwk.to_string().into_bytes()),
        ("point", [vec![4], coordinate("x"), coordinate("y")].concat()),
    ]
}

/// A token with a MAC under a secret, for the key that the issuer publishes (RFC 8725 §2.1).
fn authenticated(typ: &str, secret: &[u8], claims: &Value) -> String {
    let header = json!({ "alg": "HS256", "typ": typ, "kid": ES256.public().kid() });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", part(&header), part(claims));
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(mac))
}

/// F000-2: a key that is not known is looked for once, and a token that is refused by itself costs
/// nobody a question.
#[tokio::test]
async fn f000_2_an_unknown_key_costs_one_question() {
    let case = Case::new();
    let other = SigningKey::generate(Algorithm::Es256, Some("unknown")).unwrap();
    case.refuses("over", &foreign_token(&[("exp", json!(NOW - 60))]), &[], "invalid_request").await;
    assert_eq!(case.network.asked().len(), 0);
    case.issues("good", &foreign_token(&[]), &[]).await;
    assert_eq!(case.network.count(JWKS), 1);
    for _ in 0..3 {
        let token = countersign_jwt::sign("at+jwt", &other, &foreign_claims(&[])).unwrap();
        case.refuses("unknown kid", &token, &[], "invalid_request").await;
    }
    assert_eq!(case.network.count(JWKS), 1);
    // And a new key of the issuer is found.
    let set = KeySet::from_keys(vec![other.public().clone()]).unwrap().to_json();
    case.network.set(JWKS, Says::Says(json!(set)));
    case.world.clock.advance(31);
    let token = countersign_jwt::sign("at+jwt", &other, &foreign_claims(&[])).unwrap();
    case.issues("a new key", &token, &[]).await;
}
