//! What a client says about itself at its URL. F004-4, F004-5.

use std::sync::Arc;

use countersign_jwt::{Algorithm, SigningKey};
use serde_json::{Value, json};

use crate::acting::*;
use crate::support::*;

/// F004-4, N6: a document that breaks the rules is nobody's, and nothing of that is remembered.
#[tokio::test]
async fn f004_4_documents_that_break_the_rules() {
    let case = Case::new().await;
    let good = case.world.documents.answers.lock().unwrap()[MAIL].clone();
    let document = |change: &[(&str, Value)]| {
        let mut document = serde_json::from_str(good.as_ref().unwrap()).unwrap();
        apply(&mut document, change);
        Ok(document)
    };
    for (name, answer) in [
        ("absent", Err(404)),
        ("redirect", Err(301)),
        ("too large", Err(413)),
        ("a private address", Err(0)),
        ("down", Err(503)),
        ("another client", document(&[("client_id", json!(NEXT))])),
        ("a secret", document(&[("client_secret", json!("s"))])),
        (
            "a method with a secret",
            document(&[("token_endpoint_auth_method", json!("client_secret_basic"))]),
        ),
        ("public", document(&[("token_endpoint_auth_method", json!("none"))])),
        ("no keys", document(&[("jwks", json!(null))])),
    ] {
        let case = Case::new().await;
        case.world.documents.set(MAIL, answer);
        check(name, &case.exchange(&[]).await, 401, "invalid_client");
        publish(&case.world, MAIL, &case.key);
        assert_eq!(case.exchange(&[]).await.status.as_u16(), 200, "{name}: cached");
    }
}

/// Nobody's document is looked at whom no rule speaks of.
#[tokio::test]
async fn f004_4_a_stranger_makes_nobody_fetch() {
    let case = Case::new().await;
    for id in [
        "https://svc.mail.example.evil.example/client",
        "https://mail.example/client",
        "https://svc.mail.example/other",
        "http://svc.mail.example/client",
        "https://127.0.0.1/client",
    ] {
        let change = [("iss", json!(id)), ("sub", json!(id))];
        let assertion = case.sign(&case.assertion(&change));
        let answer = case.exchange(&[("client_assertion", &assertion)]).await;
        check(id, &answer, 401, "invalid_client");
    }
    assert_eq!(case.world.documents.asked.load(std::sync::atomic::Ordering::Relaxed), 0);
}

/// N6: nobody's document is fetched for a request that it could not help.
#[tokio::test]
async fn f004_4_a_request_that_no_document_can_help_makes_nobody_fetch() {
    let case = Case::new().await;
    for (name, change) in [
        ("another server", ("aud", json!(UMA))),
        ("expired", ("exp", json!(NOW - 61))),
        ("another issuer", ("iss", json!(NEXT))),
        ("no jti", ("jti", json!(null))),
    ] {
        let assertion = case.sign(&case.assertion(&[change]));
        let answer = case.exchange(&[("client_assertion", &assertion)]).await;
        check(name, &answer, 401, "invalid_client");
    }
    let typed = case.sign(&(Some("actor+jwt"), case.assertion(&[]).1));
    check("typ", &case.exchange(&[("client_assertion", &typed)]).await, 401, "invalid_client");
    for (name, secret) in [("a secret", "s"), ("nothing", "")] {
        let change = [
            ("client_id", MAIL),
            ("client_secret", secret),
            ("client_assertion", ""),
            ("client_assertion_type", ""),
        ];
        check(name, &case.exchange(&change).await, 401, "invalid_client");
    }
    assert_eq!(case.world.documents.asked.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert_eq!(case.exchange(&[]).await.status.as_u16(), 200);
}

/// A client that says which grants it uses gets no other by a rule. [CIMD §4.1, RFC 7591 §2]
#[tokio::test]
async fn a_client_uses_the_grants_that_its_document_names() {
    let own = "client_credentials";
    for (named, exchange, credentials) in [
        // What RFC 7591 §2 makes of silence.
        (json!(null), 400, 400),
        (json!([]), 400, 400),
        (json!([EXCHANGE, own]), 200, 200),
        (json!([EXCHANGE]), 200, 400),
        (json!([own]), 400, 200),
        (json!(["authorization_code"]), 400, 400),
    ] {
        let case = Case::new().await;
        let mut document = json!({ "client_id": MAIL,
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": { "keys": [case.key.public().to_jwk()] } });
        apply(&mut document, &[("grant_types", named.clone())]);
        case.world.documents.set(MAIL, Ok(document));
        let assertion = case.sign(&case.assertion(&[]));
        let form = [
            ("grant_type", own),
            ("client_assertion", assertion.as_str()),
            ("client_assertion_type", ASSERTION),
        ];
        let mut answers = vec![(exchange, case.exchange(&[]).await)];
        answers.push((
            credentials,
            case.world.send(form_request("/token", changed(&form, &[]))).await,
        ));
        for (status, answer) in answers {
            match status {
                200 => assert_eq!(answer.status.as_u16(), 200, "{named}: {}", answer.text),
                _ => check(&named.to_string(), &answer, 400, "unauthorized_client"),
            }
        }
    }
}

/// F004-5: keys rotate, behind the document and behind its `jwks_uri`.
#[tokio::test]
async fn f004_5_a_new_key_is_found() {
    for uri in [false, true] {
        let mut case = Case::new().await;
        let rotate = |case: &Case| {
            if uri {
                let document =
                    json!({ "client_id": MAIL, "jwks_uri": JWKS, "grant_types": GRANTS });
                case.world.documents.set(MAIL, Ok(document));
                let set = json!({ "keys": [case.key.public().to_jwk()] });
                case.world.documents.set(JWKS, Ok(set));
            } else {
                publish(&case.world, MAIL, &case.key);
            }
        };
        rotate(&case);
        assert_eq!(case.exchange(&[]).await.status.as_u16(), 200);
        let old = Arc::clone(&case.key);
        case.key = Arc::new(SigningKey::generate(Algorithm::Es256, Some("k2")).unwrap());
        // A new key signs the actor token first, while the assertion is still by the old one.
        let document = json!({ "client_id": MAIL, "grant_types": GRANTS, "jwks": { "keys":
            [old.public().to_jwk(), case.key.public().to_jwk()] } });
        if !uri {
            case.world.documents.set(MAIL, Ok(document));
            let assertion = signed(&old, &case.assertion(&[]));
            let answer = case.exchange(&[("client_assertion", &assertion)]).await;
            assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
            case.world.clock.advance(31);
        }
        rotate(&case);
        assert_eq!(case.exchange(&[]).await.status.as_u16(), 200, "uri: {uri}");
    }
}

/// A client that binds itself to an algorithm is not whoever holds its key of another one.
#[tokio::test]
async fn a_client_signs_with_the_algorithm_it_names() {
    for (named, status) in [("ES256", 200), ("Ed25519", 401)] {
        let case = Case::new().await;
        let other = SigningKey::generate(Algorithm::Ed25519, Some("k2")).unwrap();
        let document = json!({
            "client_id": MAIL, "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": named, "grant_types": GRANTS,
            "jwks": { "keys": [case.key.public().to_jwk(), other.public().to_jwk()] },
        });
        case.world.documents.set(MAIL, Ok(document));
        let answer = case.exchange(&[]).await;
        assert_eq!(answer.status.as_u16(), status, "{named}: {}", answer.text);
    }
}

#[tokio::test]
async fn the_metadata_says_that_documents_are_read() {
    let metadata = World::new().get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["client_id_metadata_document_supported"], true);
}
