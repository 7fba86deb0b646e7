//! The UserInfo endpoint: OpenID Connect Core §5.3, RFC 6750, O23.

use countersign_jwt::{Algorithm, SigningKey};
use countersign_types::secret::AccessToken;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{Method, Request};
use serde_json::{Value, json};

use crate::acting::dpop_proof;
use crate::refresh::{CONFIDENTIAL, begin, text};
use crate::support::*;

async fn ask(world: &World, method: &Method, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri("/userinfo");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world.send(request.body("".into()).unwrap()).await
}

async fn with(world: &World, token: &str) -> Answer {
    ask(world, &Method::GET, &[("authorization", &format!("Bearer {token}"))]).await
}

#[tokio::test]
async fn a_client_is_told_about_the_person_by_scope() {
    let world = World::new();
    for (scope, expected) in [
        ("openid", json!({ "sub": "sub-of-alice" })),
        (
            "openid profile",
            json!({ "sub": "sub-of-alice", "name": "Alice Liddell", "preferred_username": "alice" }),
        ),
        (
            "openid email",
            json!({ "sub": "sub-of-alice", "email": "alice@alice.example", "email_verified": true }),
        ),
    ] {
        let token = world.access_token("alice", scope).await;
        for method in [Method::GET, Method::POST] {
            let answer =
                ask(&world, &method, &[("authorization", &format!("bearer  {token}"))]).await;
            assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
            assert_eq!(answer.header(CONTENT_TYPE), "application/json");
            assert_eq!(answer.header(CACHE_CONTROL), "no-store");
            assert_eq!(answer.json(), expected, "{scope}");
        }
    }
    let token = world.access_token("mallory", "openid email").await;
    let unverified = with(&world, &token).await.json();
    assert_eq!(
        unverified,
        json!({ "sub": "sub-of-mallory" }),
        "an unverified address never leaves"
    );
}

fn refused(name: &str, answer: &Answer, status: u16, challenge: &str) {
    assert_eq!(answer.status.as_u16(), status, "{name}: {}", answer.text);
    assert_eq!(answer.header(WWW_AUTHENTICATE), challenge, "{name}");
    assert_eq!(answer.header(CACHE_CONTROL), "no-store", "{name}");
}

const INVALID: &str = "Bearer error=\"invalid_token\"";

#[tokio::test]
async fn a_token_that_is_not_good_here_tells_nothing() {
    let world = World::new();
    let first = begin(&world, CONFIDENTIAL, None, "openid offline_access").await;
    let good = text(&first, "access_token");
    let changed = |typ: &str, change: &[(&str, Value)]| {
        let mut claims = Value::Object(claims(good).as_map().clone());
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        sign(typ, &claims)
    };
    assert_eq!(with(&world, &changed("at+jwt", &[])).await.status.as_u16(), 200, "as it is");
    let public_only = [("scope", json!("email"))];
    refused(
        "scope",
        &with(&world, &changed("at+jwt", &public_only)).await,
        403,
        "Bearer error=\"insufficient_scope\", scope=\"openid\"",
    );
    for (name, token) in [
        ("garbage", "garbage".to_owned()),
        ("ID token", text(&first, "id_token").into()),
        ("refresh token", text(&first, "refresh_token").into()),
        ("another type", changed("JWT", &[])),
        ("another resource server's", changed("at+jwt", &[("aud", json!(RS))])),
        ("another issuer's", changed("at+jwt", &[("iss", json!(UMA))])),
        ("expired", changed("at+jwt", &[("exp", json!(NOW))])),
        ("a client's own", changed("at+jwt", &[("sub", json!("rqp-client"))])),
        ("of nobody", changed("at+jwt", &[("sub", json!("nobody"))])),
        ("of no client", changed("at+jwt", &[("client_id", json!("gone"))])),
        ("of no grant", changed("at+jwt", &[("grant_id", json!("gone"))])),
        ("bound", changed("at+jwt", &[("cnf", json!({ "jkt": "A".repeat(43) }))])),
        ("bound somehow", changed("at+jwt", &[("cnf", json!({ "x": "y" }))])),
    ] {
        refused(name, &with(&world, &token).await, 401, INVALID);
    }
    assert_eq!(with(&world, good).await.status.as_u16(), 200);
    let revoked = [CONFIDENTIAL, &[("token", text(&first, "refresh_token"))]].concat();
    world.post("/revoke", &revoked).await;
    refused("revoked", &with(&world, good).await, 401, INVALID);
}

/// RFC 6750 §2, §3.1, O23.
#[tokio::test]
async fn a_token_comes_once_and_in_the_header() {
    let world = World::new();
    let token = world.access_token("alice", "openid").await;
    let bearer = format!("Bearer {token}");
    let none = "Bearer scope=\"openid\"";
    let request = "Bearer error=\"invalid_request\"";
    refused("none", &ask(&world, &Method::GET, &[]).await, 401, none);
    for value in ["Basic YTpi", "Bearer", &token] {
        let answer = ask(&world, &Method::GET, &[("authorization", value)]).await;
        refused(value, &answer, 401, none);
    }
    let two = [("authorization", bearer.as_str()), ("authorization", bearer.as_str())];
    refused("two", &ask(&world, &Method::GET, &two).await, 400, request);
    let query = world.get(&format!("/userinfo?access_token={token}")).await;
    refused("query", &query, 400, request);
    let both = Request::get(format!("/userinfo?access_token={token}"));
    let both = both.header(AUTHORIZATION, &bearer).body("".into()).unwrap();
    refused("header and query", &world.send(both).await, 400, request);
    let body = form_request("/userinfo", encoded(&[("access_token", &token)]));
    refused("body", &world.send(body).await, 400, request);
    assert_eq!(ask(&world, &Method::PUT, &[]).await.status.as_u16(), 405);
}

/// RFC 9449 §7.1: a bound token takes the proof of its key, for this very request.
#[tokio::test]
async fn a_bound_token_takes_the_proof_of_its_key() {
    let world = World::new();
    let key = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let other = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let first = begin(&world, CONFIDENTIAL, Some(&dpop_proof(&key, "0", &[])), "openid").await;
    let token = text(&first, "access_token");
    let ath = AccessToken::new(token).digest().to_base64url();
    let url = format!("{STS}/userinfo");
    let proof = |key: &SigningKey, jti: &str, change: &[(&str, Value)]| {
        let here = [("htm", json!("GET")), ("htu", json!(url)), ("ath", json!(ath))];
        dpop_proof(key, jti, &[&here, change].concat())
    };
    let present = async |scheme: &str, proof: &str| {
        let credentials = format!("{scheme} {token}");
        ask(&world, &Method::GET, &[("authorization", &credentials), ("dpop", proof)]).await
    };
    let good = proof(&key, "1", &[]);
    assert_eq!(present("DPoP", &good).await.json(), json!({ "sub": "sub-of-alice" }));

    let dpop = "DPoP error=\"invalid_dpop_proof\"";
    refused("used before", &present("DPoP", &good).await, 401, dpop);
    refused("as a bearer", &present("Bearer", &proof(&key, "2", &[])).await, 401, INVALID);
    refused("another key", &present("DPoP", &proof(&other, "3", &[])).await, 401, INVALID);
    for (jti, name, value) in [
        ("4", "htm", json!("POST")),
        ("5", "htu", json!(format!("{STS}/token"))),
        ("6", "ath", json!("A".repeat(43))),
        ("7", "ath", json!(null)),
        ("8", "iat", json!(NOW - 120)),
    ] {
        refused(name, &present("DPoP", &proof(&key, jti, &[(name, value)])).await, 401, dpop);
    }
    refused("no proof", &with(&world, token).await, 401, INVALID);
    let alone = ask(&world, &Method::GET, &[("authorization", &format!("DPoP {token}"))]).await;
    refused("no proof", &alone, 401, dpop);
    let plain = world.access_token("alice", "openid").await;
    let plain = ask(&world, &Method::GET, &[("authorization", &format!("DPoP {plain}"))]).await;
    refused("not bound", &plain, 401, INVALID);
}
