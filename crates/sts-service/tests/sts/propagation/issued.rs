//! What is issued, and what it says. F004-1, F004-11, F004-12.

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
