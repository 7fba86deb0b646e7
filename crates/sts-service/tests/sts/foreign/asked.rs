//! What an issuer is asked about a token, and what of its answers counts.

use countersign_sts_service::IssuerSetup;
use serde_json::json;

use super::network::{Answer as Says, INTROSPECTION, USER_INFO};
use super::*;

/// A23: the issuer is asked about what only it can read, by a client that it knows.
#[tokio::test]
async fn an_opaque_token_is_what_its_issuer_says() {
    let case = Case::new();
    let alias = [("subject_token_type", ACCESS_TOKEN), ("subject_issuer", ALIAS)];
    let word = |change: &[(&str, Value)]| {
        let mut word = foreign_claims(change);
        if word.get("active").is_none() {
            word["active"] = json!(true);
        }
        word
    };
    case.network.set(INTROSPECTION, Says::Says(word(&[])));
    let claims = case.issues("good", "opaque+/=~", &alias).await;
    assert_eq!((&claims["roles"], &claims["exp"]), (&json!(["curator"]), &json!(NOW + 200)));
    let asked = case.network.asked();
    let question = asked.iter().find(|asked| asked.url == INTROSPECTION).unwrap();
    assert!(question.authorization.starts_with("Basic "), "{question:?}");
    assert_eq!(question.body, "token=opaque%2B%2F%3D%7E&token_type_hint=access_token");
    for (name, change) in [
        ("inactive", &[("active", json!(false))][..]),
        ("over", &[("exp", json!(NOW))]),
        ("no end", &[("exp", Value::Null)]),
        ("for another", &[("client_id", json!("other"))]),
        ("for nobody", &[("client_id", Value::Null)]),
        ("of another issuer", &[("iss", json!("https://x.example"))]),
        ("of nobody", &[("sub", Value::Null)]),
        ("a refresh token", &[("typ", json!("Refresh"))]),
        ("bound", &[("cnf", json!({ "jkt": "x" }))]),
    ] {
        case.network.set(INTROSPECTION, Says::Says(word(change)));
        case.refuses(name, "opaque", &alias, "invalid_request").await;
    }
    case.network.set(INTROSPECTION, Says::Refuses("unsupported_token_type"));
    case.refuses("of a kind it knows nothing of", "opaque", &alias, "invalid_request").await;
    // A JWT is not asked about: what its signature does not prove, nobody's word does.
    case.network.set(INTROSPECTION, Says::Says(word(&[]))).asked();
    let other = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let forged = countersign_jwt::sign("at+jwt", &other, &foreign_claims(&[])).unwrap();
    case.refuses("a forged JWT", &forged, &alias, "invalid_request").await;
    assert_eq!(case.network.count(INTROSPECTION), 0);
    // Whoever is no client there cannot ask.
    let case = Case::with(IssuerSetup { introspection: None, ..trusted() });
    case.refuses("nobody to ask", "opaque", &alias, "invalid_request").await;
    assert_eq!(case.network.asked().len(), 0);
}

/// F000-8.
#[tokio::test]
async fn f000_8_user_info_is_about_the_same_person() {
    let case = Case::with(IssuerSetup { user_info: true, ..trusted() });
    let token = foreign_token(&[]);
    let info = |sub: &str| json!({ "sub": sub, "department": "research", "name": "Mallory" });
    case.network.set(USER_INFO, Says::Says(info("sub-of-alice")));
    let claims = case.issues("the same", &token, &[]).await;
    assert_eq!(claims["department"], "research");
    assert_eq!(claims["name"], "Alice Liddell", "what the token says stands");
    let asked = case.network.asked();
    let question = asked.iter().find(|asked| asked.url == USER_INFO).unwrap();
    assert_eq!(question.authorization, format!("Bearer {token}"));
    for (name, answer) in [
        ("somebody else", Says::Says(info("sub-of-mallory"))),
        ("nobody", Says::Says(json!({ "department": "research" }))),
        ("it does not take the token", Says::Status(401)),
        ("it lacks a scope", Says::Status(403)),
    ] {
        case.network.set(USER_INFO, answer);
        case.refuses(name, &token, &[], "invalid_request").await;
    }
    // As the issuer has it: a token that is for the API alone opens nothing there, and one of a
    // login does.
    let case = Case::with(IssuerSetup { user_info: true, ..trusted() });
    case.refuses("unknown there", &token_for("https://api.example"), &[], "invalid_request").await;
    let token = case.idp.access_token("alice", THEIR_SCOPE).await;
    let claims = case.issues("of a login", &token, &[]).await;
    assert_eq!(claims["name"], "Alice Liddell");
    // An ID token opens nothing there.
    case.network.asked();
    let id_token = sign("JWT", &foreign_claims(&[("aud", json!("rqp-client"))]));
    issued("an ID token", &case.exchange(ID_TOKEN, &id_token, &[]).await);
    assert_eq!(case.network.count(USER_INFO), 0);
}
