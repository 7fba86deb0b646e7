//! Identity propagation, the security token service's part: F004-1 to F004-12.

use std::sync::Arc;

use countersign_identity_propagation::identity_token;
use countersign_jwt::{Algorithm, SigningKey};
use countersign_types::secret::AccessToken;
use countersign_types::{Issuer, ResourceIdentifier, Timestamp};
use http::header::CACHE_CONTROL;
use serde_json::{Value, json};

use crate::acting::*;
use crate::support::*;

/// F004-1: the drawing's form, then the strict one.
#[tokio::test]
async fn f004_1_an_identity_token_in_both_forms() {
    let case = Case::new().await;
    let strict = case.sign(&case.actor(&[("aud", json!(STS))]));
    for change in [&[][..], &[("actor_token", strict.as_str()), ("resource", RP)]] {
        let answer = case.exchange(change).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        assert_eq!(answer.header(CACHE_CONTROL), "no-store");
        let body = answer.json();
        assert_eq!(body["issued_token_type"], JWT);
        assert_eq!(body["token_type"], "N_A");
        assert_eq!(body["expires_in"], 200, "never longer than the subject token");
        assert_eq!(body.get("refresh_token"), None, "T14");
        assert_eq!(body.get("scope"), None);

        let token = AccessToken::new(body["access_token"].as_str().unwrap());
        let rp = ResourceIdentifier::parse(RP).unwrap();
        let now = Timestamp::from_unix(NOW);
        let issuer = Issuer::parse(STS).unwrap();
        let checked = identity_token::check(&token, &rp, now).unwrap();
        let identity = checked.verify(&keys(), &issuer).unwrap();
        let mut claims = Value::Object(identity.claims().as_map().clone());
        let jti = claims["jti"].take();
        assert_eq!(jti.as_str().unwrap().len(), 22);
        let expected = json!({
            "iss": STS, "sub": "alice@alice.example", "aud": RP, "exp": NOW + 200,
            "nbf": NOW, "iat": NOW, "jti": null, "client_id": MAIL,
            "act": { "sub": MAIL, "client_id": MAIL },
        });
        assert_eq!(claims, expected);
    }
    let records = case.world.audit.0.lock().unwrap();
    assert!(records.iter().all(|record| record.checks.iter().all(|check| check.passed)));
    assert_eq!(records[0].issued.is_some(), records.len() == 2);
}

/// F004-2, O9, O10: what no client assertion is.
#[tokio::test]
async fn f004_2_client_assertions_that_prove_nothing() {
    let case = Case::new().await;
    let other_key = SigningKey::generate(Algorithm::Es256, Some("k1")).unwrap();
    let used = case.sign(&case.assertion(&[]));
    assert_eq!(case.exchange(&[("client_assertion", &used)]).await.status.as_u16(), 200);
    let token_endpoint = format!("{STS}/token");
    let rows = [
        ("replayed", used),
        ("another key", signed(&other_key, &case.assertion(&[]))),
        (
            "expired",
            case.sign(&case.assertion(&[("iat", json!(NOW - 200)), ("exp", json!(NOW - 60))])),
        ),
        ("no exp", case.sign(&case.assertion(&[("exp", json!(null))]))),
        ("too long", case.sign(&case.assertion(&[("exp", json!(NOW + 301))]))),
        ("no jti", case.sign(&case.assertion(&[("jti", json!(null))]))),
        ("iss is not sub", case.sign(&case.assertion(&[("iss", json!("rqp-client"))]))),
        ("token endpoint", case.sign(&case.assertion(&[("aud", json!(token_endpoint))]))),
        ("two audiences", case.sign(&case.assertion(&[("aud", json!([STS, UMA]))]))),
        ("the relying party", case.sign(&case.assertion(&[("aud", json!(RP))]))),
        ("an actor token", case.sign(&case.actor(&[("aud", json!(STS))]))),
        ("a client proof", case.sign(&(Some("client-proof+jwt"), case.assertion(&[]).1))),
    ];
    for (name, assertion) in &rows {
        let answer = case.exchange(&[("client_assertion", assertion)]).await;
        check(name, &answer, 401, "invalid_client");
    }
    // O11: a forged assertion uses up nobody's jti.
    let mine = case.assertion(&[]);
    let forged = case.exchange(&[("client_assertion", &signed(&other_key, &mine))]).await;
    check("forged", &forged, 401, "invalid_client");
    let genuine = case.exchange(&[("client_assertion", &case.sign(&mine))]).await;
    assert_eq!(genuine.status.as_u16(), 200, "{}", genuine.text);
}

/// F004-3.
#[tokio::test]
async fn f004_3_a_client_assertion_may_lack_its_type() {
    let case = Case::new().await;
    let untyped = case.sign(&(None, case.assertion(&[]).1));
    assert_eq!(case.exchange(&[("client_assertion", &untyped)]).await.status.as_u16(), 200);
    let array = case.sign(&case.assertion(&[("aud", json!([STS]))]));
    assert_eq!(case.exchange(&[("client_assertion", &array)]).await.status.as_u16(), 200);
}

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

/// F004-6.
#[tokio::test]
async fn f004_6_two_ways_to_authenticate() {
    let case = Case::new().await;
    let answer = case.exchange(&[("client_id", MAIL), ("client_secret", "s")]).await;
    check("secret beside assertion", &answer, 400, "invalid_request");
    let answer = case.exchange(&[("client_id", "rqp-client")]).await;
    check("another client_id", &answer, 401, "invalid_client");
}

/// F004-7.
#[tokio::test]
async fn f004_7_actor_tokens_that_prove_nothing() {
    let case = Case::new().await;
    let other_key = SigningKey::generate(Algorithm::Es256, Some("k1")).unwrap();
    let made = |change: &[(&str, Value)]| case.sign(&case.actor(change));
    let retyped = |typ| case.sign(&(Some(typ), case.actor(&[]).1));
    let used = made(&[]);
    assert_eq!(case.exchange(&[("actor_token", &used)]).await.status.as_u16(), 200);
    for (name, actor_token) in [
        ("used before", used),
        ("another key", signed(&other_key, &case.actor(&[]))),
        ("expired", made(&[("iat", json!(NOW - 300)), ("exp", json!(NOW - 60))])),
        ("nbf ahead", made(&[("nbf", json!(NOW + 61))])),
        ("no nbf", made(&[("nbf", json!(null))])),
        ("another iss", made(&[("iss", json!(NEXT))])),
        ("another sub", made(&[("sub", json!(NEXT))])),
        ("another client altogether", made(&[("iss", json!(NEXT)), ("sub", json!(NEXT))])),
        ("a client assertion", retyped("client-authentication+jwt")),
        ("a client proof", retyped("client-proof+jwt")),
        ("two audiences", made(&[("aud", json!([STS, RP]))])),
        ("the issuer, and no target", made(&[("aud", json!(STS))])),
        ("the issuer, without typ", case.sign(&(None, case.actor(&[("aud", json!(STS))]).1))),
        ("no JWT", "actor".to_owned()),
    ] {
        let answer = case.exchange(&[("actor_token", &actor_token)]).await;
        check(name, &answer, 400, "invalid_request");
    }
    let untyped = case.sign(&(None, case.actor(&[]).1));
    let answer = case.exchange(&[("actor_token", &untyped)]).await;
    assert_eq!(answer.status.as_u16(), 200, "as drawn: {}", answer.text);
}

/// F004-8.
#[tokio::test]
async fn f004_8_an_actor_token_and_its_type() {
    let case = Case::new().await;
    for (name, change) in [
        ("no type", [("actor_token_type", "")]),
        ("no token", [("actor_token", "")]),
        ("another type", [("actor_token_type", ACCESS_TOKEN)]),
    ] {
        check(name, &case.exchange(&change).await, 400, "invalid_request");
    }
}

/// F004-9, T2.
#[tokio::test]
async fn f004_9_the_target_is_one_and_permitted() {
    let case = Case::new().await;
    let evil = "https://rp.evil.example";
    let foreign = case.sign(&case.actor(&[("aud", json!(evil))]));
    let strict = case.sign(&case.actor(&[("aud", json!(STS)), ("jti", json!(null))]));
    for (name, change) in [
        ("not permitted", vec![("actor_token", foreign.as_str())]),
        ("not permitted, strict", vec![("actor_token", &strict), ("resource", evil)]),
        ("differs from resource", vec![("resource", "https://other.bob.example")]),
        ("differs from audience", vec![("audience", "https://other.bob.example")]),
        ("no URI", vec![("actor_token", &strict), ("resource", "RP")]),
        ("a fragment", vec![("actor_token", &strict), ("resource", "https://rp.bob.example#x")]),
        ("this service", vec![("actor_token", &strict), ("resource", STS)]),
    ] {
        check(name, &case.exchange(&change).await, 400, "invalid_target");
    }
    let two = form_body_with_two_resources(&case, &strict);
    let answer = case.world.send(form_request("/token", two)).await;
    check("one of two is bad", &answer, 400, "invalid_target");
}

fn form_body_with_two_resources(case: &Case, actor_token: &str) -> String {
    let assertion = case.sign(&case.assertion(&[]));
    encoded(&[
        ("grant_type", EXCHANGE),
        ("requested_token_type", JWT),
        ("subject_token", case.subject_token.as_str()),
        ("subject_token_type", ACCESS_TOKEN),
        ("actor_token", actor_token),
        ("actor_token_type", JWT),
        ("client_assertion", assertion.as_str()),
        ("client_assertion_type", ASSERTION),
        ("resource", RP),
        ("resource", "https://rp.evil.example"),
    ])
}

/// F004-10, T1, T3, T4, T6, T13.
#[tokio::test]
async fn f004_10_subject_tokens_that_prove_nothing() {
    let case = Case::new().await;
    let token = |change: &[(&str, Value)]| case.subject(change);
    for (name, subject_token) in [
        ("expired", token(&[("exp", json!(NOW))])),
        ("opaque", "opaque".to_owned()),
        ("no address", token(&[("email", json!(null))])),
        ("unverified", token(&[("email_verified", json!(false))])),
        ("two addresses", token(&[("email_address", json!("b@alice.example"))])),
        ("another client's", token(&[("client_id", json!("rqp-client"))])),
        ("may_act names another", token(&[("may_act", json!({ "sub": NEXT }))])),
        ("bound to a key", token(&[("cnf", json!({ "jkt": "x" }))])),
        ("for another server", token(&[("aud", json!(UMA))])),
        ("of another server", token(&[("iss", json!(UMA))])),
        ("of a client", token(&[("sub", json!(MAIL))])),
        ("of nobody", token(&[("sub", json!("nobody"))])),
        ("five actors", token(&[("act", chain(5))])),
        (
            "an ID token",
            sign(
                "JWT",
                &json!({ "iss": STS, "sub": "sub-of-alice", "aud": MAIL,
            "exp": NOW + 100, "iat": NOW }),
            ),
        ),
        ("its own actor token", case.sign(&case.actor(&[]))),
    ] {
        let answer = case.exchange(&[("subject_token", &subject_token)]).await;
        check(name, &answer, 400, "invalid_request");
    }
    let named = token(&[("client_id", json!("rqp-client")), ("may_act", json!({ "sub": MAIL }))]);
    let answer = case.exchange(&[("subject_token", &named)]).await;
    assert_eq!(answer.status.as_u16(), 200, "named by may_act: {}", answer.text);
    for kind in ["refresh_token", "id_token", "saml2", "jwt", "nonsense"] {
        let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
        let answer = case.exchange(&[("subject_token_type", &kind)]).await;
        check(&kind, &answer, 400, "invalid_request");
    }
}

/// F004-11: an access token instead, with the actor in it and, by policy, the person's address.
#[tokio::test]
async fn f004_11_an_access_token_names_who_acts() {
    let case = Case::new().await;
    let actor = case.sign(&case.actor(&[("aud", json!(RS))]));
    let change = [("requested_token_type", ACCESS_TOKEN), ("actor_token", &actor)];
    let answer = case.exchange(&change).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(body.get("refresh_token"), None, "T14");
    let token = body["access_token"].as_str().unwrap();
    let header = countersign_jwt::Unverified::parse(token).unwrap();
    assert_eq!(header.header().typ(), Some("at+jwt"));
    let claims = claims(token);
    assert_eq!(claims.get("act"), Some(&json!({ "sub": MAIL, "client_id": MAIL })));
    assert_eq!(claims.str("aud").unwrap(), Some(RS));
    assert_eq!(claims.str("email").unwrap(), Some("alice@alice.example"));
    assert_eq!(claims.bool("email_verified").unwrap(), Some(true));
    let origin = claims.get(countersign_token_exchange::subject::ORIGIN_JTI);
    assert_eq!(origin, Some(&json!("at-1")), "what ends it");
}

/// F004-12, T5, T7: user → service → next service, each by an exchange of its own.
#[tokio::test]
async fn f004_12_former_actors_stay_in_the_token() {
    let case = Case::new().await;
    // The first service gets a token for the next one, which may exchange it once more.
    let actor = case.sign(&case.actor(&[("aud", json!(STS))]));
    let body = encoded(&[
        ("grant_type", EXCHANGE),
        ("subject_token", case.subject_token.as_str()),
        ("subject_token_type", ACCESS_TOKEN),
        ("actor_token", actor.as_str()),
        ("actor_token_type", JWT),
        ("client_assertion", &case.sign(&case.assertion(&[]))),
        ("client_assertion_type", ASSERTION),
        ("resource", NEXT),
        ("resource", STS),
    ]);
    let answer = case.world.send(form_request("/token", body)).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let delegated = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(claims(&delegated).get("origin_jti"), Some(&json!("at-1")));

    let next = SigningKey::generate(Algorithm::Es256, Some("n1")).unwrap();
    publish(&case.world, NEXT, &next);
    let as_next = |subject_token: String, actor: Option<&'static str>| {
        let who = [("iss", json!(NEXT)), ("sub", json!(NEXT))];
        let assertion = signed(&next, &case.assertion(&who));
        let actor_token = signed(&next, &case.actor(&who));
        let mut change = vec![
            ("client_assertion", assertion),
            ("actor_token", actor_token),
            ("subject_token", subject_token),
        ];
        if let Some(resource) = actor {
            change[1].1.clear();
            change.push(("actor_token_type", String::new()));
            change.push(("requested_token_type", String::new()));
            change.push(("resource", resource.to_owned()));
        }
        change
    };
    let mine = json!({ "sub": MAIL, "client_id": MAIL });
    let nested = json!({ "sub": NEXT, "client_id": NEXT, "act": mine });
    for (name, actor) in [("with an actor token", None), ("without one", Some(RS))] {
        let change = as_next(delegated.clone(), actor);
        let change: Vec<_> = change.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let answer = case.exchange(&change).await;
        assert_eq!(answer.status.as_u16(), 200, "{name}: {}", answer.text);
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(claims(&token).get("act"), Some(&nested), "{name}");
        assert!(claims(&token).timestamp("exp").unwrap().unwrap().as_unix() <= NOW + 200);
    }
    // Exchanged again by whom it was issued to, without an actor token: the chain stays.
    let again = case.sign(&case.assertion(&[]));
    let change = [
        ("client_assertion", again.as_str()),
        ("actor_token", ""),
        ("actor_token_type", ""),
        ("requested_token_type", ""),
        ("subject_token", &delegated),
        ("resource", RS),
    ];
    let answer = case.exchange(&change).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(claims(&token).get("act"), Some(&mine));

    // What the token was handed on to somebody else for, it is of no use to a third party.
    let third = "https://third.mail.example/client";
    publish(&case.world, third, &next);
    let who = [("iss", json!(third)), ("sub", json!(third))];
    let assertion = signed(&next, &case.assertion(&who));
    let actor_token = signed(&next, &case.actor(&who));
    let change = [
        ("client_assertion", assertion.as_str()),
        ("actor_token", &actor_token),
        ("subject_token", &delegated),
    ];
    check("a third party", &case.exchange(&change).await, 400, "invalid_request");
}

/// T10: without an actor the client is named all the same; nobody impersonates by leaving it out.
#[tokio::test]
async fn t10_an_access_token_without_an_actor_token_names_the_client() {
    let case = Case::new().await;
    let change = [
        ("requested_token_type", ""),
        ("actor_token", ""),
        ("actor_token_type", ""),
        ("resource", RS),
    ];
    let answer = case.exchange(&change).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(claims(&token).get("act"), Some(&json!({ "sub": MAIL, "client_id": MAIL })));
    let change = [("actor_token", ""), ("actor_token_type", ""), ("resource", RP)];
    let answer = case.exchange(&change).await;
    check("a jwt that nothing asks for", &answer, 400, "invalid_request");
}

/// T15.
#[tokio::test]
async fn t15_scopes_are_compared_as_they_are() {
    let case = Case::new().await;
    for scope in ["*", "GET", "get  email", "put", "get put"] {
        let change = [
            ("requested_token_type", ""),
            ("actor_token", ""),
            ("actor_token_type", ""),
            ("resource", RS),
            ("scope", scope),
        ];
        check(scope, &case.exchange(&change).await, 400, "invalid_scope");
    }
    check(
        "an identity token has none",
        &case.exchange(&[("scope", "get")]).await,
        400,
        "invalid_scope",
    );
}

#[tokio::test]
async fn the_metadata_says_that_documents_are_read() {
    let metadata = World::new().get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["client_id_metadata_document_supported"], true);
}

/// F004-11, T13, RFC 9449 §5: what is issued is bound to the key that the request proves.
#[tokio::test]
async fn rfc_9449_section_5_a_key_that_is_proved_binds_what_is_issued() {
    let case = Case::new().await;
    let key = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let other = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let cnf = json!({ "jkt": key.public().thumbprint().to_base64url() });
    let identity = case.exchange_with(&[&dpop_proof(&key, "1", &[])], &[]).await.json();
    assert_eq!(identity["token_type"], "N_A");
    assert_eq!(claims(identity["access_token"].as_str().unwrap()).get("cnf"), Some(&cnf));
    let actor = || case.sign(&case.actor(&[("aud", json!(RS))]));
    let (first, second) = (actor(), actor());
    let access = [("requested_token_type", ACCESS_TOKEN), ("actor_token", first.as_str())];
    let access = case.exchange_with(&[&dpop_proof(&key, "2", &[])], &access).await.json();
    assert_eq!(access["token_type"], "DPoP", "{access}");
    assert_eq!(claims(access["access_token"].as_str().unwrap()).get("cnf"), Some(&cnf));
    let plain = [("requested_token_type", ACCESS_TOKEN), ("actor_token", second.as_str())];
    let plain = case.exchange(&plain).await.json();
    assert_eq!(plain["token_type"], "Bearer");
    assert_eq!(claims(plain["access_token"].as_str().unwrap()).get("cnf"), None);

    // A bound subject takes the proof of its key, and gives what is bound to it.
    let bound = case.subject(&[("cnf", cnf.clone())]);
    let with = [("subject_token", bound.as_str())];
    let answer = case.exchange_with(&[&dpop_proof(&key, "3", &[])], &with).await.json();
    assert_eq!(claims(answer["access_token"].as_str().unwrap()).get("cnf"), Some(&cnf), "T13");
    check("no proof", &case.exchange(&with).await, 400, "invalid_request");
    let answer = case.exchange_with(&[&dpop_proof(&other, "4", &[])], &with).await;
    check("another key", &answer, 400, "invalid_request");

    let used = dpop_proof(&key, "1", &[]);
    let good = dpop_proof(&key, "5", &[]);
    let another = |jti: &str, name: &str, value: Value| dpop_proof(&key, jti, &[(name, value)]);
    let method = another("6", "htm", json!("GET"));
    let url = another("7", "htu", json!(STS));
    let old = another("8", "iat", json!(NOW - 120));
    let claims = json!({ "jti": "9", "htm": "POST", "htu": format!("{STS}/token"), "iat": NOW });
    let keyless = case.sign(&(Some("dpop+jwt"), claims));
    for (name, proofs) in [
        ("used before", vec![used.as_str()]),
        ("two", vec![good.as_str(), good.as_str()]),
        ("another method", vec![method.as_str()]),
        ("another URL", vec![url.as_str()]),
        ("too old", vec![old.as_str()]),
        ("without its key", vec![keyless.as_str()]),
        ("no proof at all", vec!["x"]),
    ] {
        let answer = case.exchange_with(&proofs, &[]).await;
        check(name, &answer, 400, "invalid_dpop_proof");
    }
    let metadata = case.world.get("/.well-known/openid-configuration").await.json();
    let algorithms = metadata["dpop_signing_alg_values_supported"].as_array().unwrap();
    assert!(algorithms.contains(&json!("ES256")) && !algorithms.contains(&json!("none")));
}
