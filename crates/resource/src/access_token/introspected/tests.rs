use countersign_types::WireError as _;
use serde_json::{Value, json};

use super::*;
use crate::pretend_issuer::{API, ISSUER, NOW, PretendIssuer, claims};

async fn verify(
    tokens: &IntrospectedTokens,
    token: &str,
) -> Result<VerifiedCaller, AccessTokenError> {
    tokens.verify(&AccessToken::new(token)).await
}

/// An issuer that says this of the token `opaque`.
fn saying(changes: Value) -> Arc<PretendIssuer> {
    let issuer = PretendIssuer::new();
    let mut answer = claims(changes);
    answer.as_object_mut().unwrap().entry("active").or_insert(json!(true));
    issuer.state().tokens.insert("opaque".to_owned(), answer);
    issuer
}

#[tokio::test]
async fn the_issuer_says_who_calls() {
    let issuer = saying(json!({"token_type": "Bearer", "username": "alice@alice.example"}));
    let caller = verify(&issuer.introspected_tokens(), "opaque").await.unwrap();
    assert_eq!((caller.subject(), caller.client_id()), (Some("alice"), Some("mail")));
    assert_eq!(caller.scopes().to_string(), "read write");
    assert_eq!(caller.claims().str("username").unwrap(), Some("alice@alice.example"));
    let log = issuer.state().log.join("\n");
    assert!(log.contains("POST /introspect Basic YXBpLWJvYjpzZWNyZXQ="), "{log}");
}

#[tokio::test]
async fn rfc_7662_section_4_an_answer_is_judged() {
    type Expected = fn(&AccessTokenError) -> bool;
    let rows: [(&str, Value, Expected); 10] = [
        ("not active", json!({"active": false}), |e| matches!(e, AccessTokenError::Inactive)),
        ("for another server", json!({"aud": "https://api.eve.example"}), |e| {
            matches!(e, AccessTokenError::Audience)
        }),
        ("for nobody", json!({"aud": null}), |e| matches!(e, AccessTokenError::Audience)),
        ("of another issuer", json!({"iss": "https://as.evil.example"}), |e| {
            matches!(e, AccessTokenError::Issuer)
        }),
        ("expired", json!({"exp": NOW - 60}), |e| matches!(e, AccessTokenError::Time)),
        ("not yet valid", json!({"nbf": NOW + 61}), |e| matches!(e, AccessTokenError::Time)),
        ("bound", json!({"cnf": {"jkt": "x"}}), |e| matches!(e, AccessTokenError::Bound)),
        ("a DPoP token", json!({"token_type": "DPoP"}), |e| {
            matches!(e, AccessTokenError::TokenType)
        }),
        ("exp as text", json!({"exp": "soon"}), |e| matches!(e, AccessTokenError::Claim(_))),
        ("active as text", json!({"active": "true"}), |e| {
            matches!(e, AccessTokenError::Conversation(_))
        }),
    ];
    for (name, changes, expected) in rows {
        let refused = verify(&saying(changes).introspected_tokens(), "opaque").await.unwrap_err();
        assert!(expected(&refused), "{name}: {refused:?}");
        let status = if refused.is_unavailable() { 503 } else { 401 };
        assert_eq!(refused.wire().status, status, "{name}");
    }
    for allowed in [json!({"iss": null}), json!({"exp": null}), json!({"aud": [API, ISSUER]})] {
        let tokens = saying(allowed).introspected_tokens();
        assert!(verify(&tokens, "opaque").await.is_ok());
    }
    let garbage = verify(&saying(json!({})).introspected_tokens(), "garbage").await;
    assert!(matches!(garbage, Err(AccessTokenError::Inactive)));
}

#[tokio::test]
async fn a_revocation_bites_at_once_unless_an_age_is_allowed() {
    let issuer = saying(json!({}));
    let strict = issuer.introspected_tokens();
    let relaxed = issuer.introspected_tokens().with_max_age(Lifetime::from_secs(30));
    assert!(verify(&strict, "opaque").await.is_ok());
    assert!(verify(&relaxed, "opaque").await.is_ok());
    issuer.state().tokens.clear();
    assert!(verify(&strict, "opaque").await.is_err());
    issuer.advance(29);
    assert!(verify(&relaxed, "opaque").await.is_ok());
    issuer.advance(1);
    assert!(verify(&relaxed, "opaque").await.is_err());
}

#[tokio::test]
async fn an_answer_is_never_older_than_its_token() {
    let issuer = saying(json!({"exp": NOW + 10}));
    let tokens = issuer.introspected_tokens().with_max_age(Lifetime::from_secs(3600));
    assert!(verify(&tokens, "opaque").await.is_ok());
    issuer.advance(9);
    assert!(verify(&tokens, "opaque").await.is_ok());
    assert_eq!(issuer.asked("/introspect"), 1);
    issuer.advance(1);
    // Within the leeway, so the issuer decides.
    assert!(verify(&tokens, "opaque").await.is_ok());
    assert_eq!(issuer.asked("/introspect"), 2);
    issuer.advance(-20);
    assert!(verify(&tokens, "opaque").await.is_ok());
    assert_eq!(issuer.asked("/introspect"), 3, "a clock that was set back makes an answer stale");
}

#[tokio::test]
async fn j31_what_is_remembered_of_one_token_says_nothing_of_another() {
    let issuer = saying(json!({}));
    issuer.state().tokens.insert("other".to_owned(), claims(json!({"sub": "bob", "active": true})));
    let tokens = issuer.introspected_tokens().with_max_age(Lifetime::from_secs(60));
    for _ in 0..2 {
        assert_eq!(verify(&tokens, "opaque").await.unwrap().subject(), Some("alice"));
        assert_eq!(verify(&tokens, "other").await.unwrap().subject(), Some("bob"));
    }
    assert_eq!(issuer.asked("/introspect"), 2);
    assert!(verify(&tokens, "Opaque").await.is_err());
}

#[tokio::test]
async fn without_an_answer_nothing_is_said_about_a_token() {
    let issuer = saying(json!({}));
    let tokens = issuer.introspected_tokens();
    issuer.state().down = true;
    assert_eq!(verify(&tokens, "opaque").await.unwrap_err().wire().status, 503);
}

/// Some issuers answer so about self-contained tokens; another refusal says nothing about the
/// token.
#[tokio::test]
async fn a_token_of_a_kind_that_its_issuer_does_not_know_is_not_active() {
    let issuer = saying(json!({}));
    let tokens = issuer.introspected_tokens();
    for (error, status) in [("unsupported_token_type", 401), ("invalid_request", 503)] {
        issuer.state().tokens.insert("opaque".to_owned(), json!({ "error": error }));
        let refused = verify(&tokens, "opaque").await.unwrap_err();
        assert_eq!(refused.wire().status, status, "{error}");
    }
}
