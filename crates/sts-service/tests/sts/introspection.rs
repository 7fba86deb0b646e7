//! Introspection, RFC 7662: whom a token is for is told of it, and nobody else (O22).

use serde_json::{Value, json};

use crate::refresh::{CONFIDENTIAL, PUBLIC, begin, text};
use crate::support::*;

const INACTIVE: &str = "{\"active\":false}";

async fn introspect(world: &World, client: &str, token: &str) -> Answer {
    let fields = [("client_id", client), ("client_secret", SECRET), ("token", token)];
    world.post("/introspect", &fields).await
}

/// A token of Alice's for the resource server, in the hands of `rqp-client`.
fn token(change: &[(&str, Value)]) -> String {
    let mut claims = json!({
        "iss": STS, "sub": "sub-of-alice", "aud": RS, "client_id": "rqp-client", "jti": "at-1",
        "iat": NOW, "exp": NOW + 300, "scope": "get", "origin_jti": "at-0",
    });
    for (name, value) in change {
        claims[*name] = value.clone();
    }
    sign("at+jwt", &claims)
}

#[tokio::test]
async fn a_resource_server_is_told_what_a_token_says() {
    let world = World::new();
    let answer = introspect(&world, "rs", &token(&[])).await;
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(answer.header(http::header::CACHE_CONTROL), "no-store");
    let expected = json!({
        "active": true, "iss": STS, "sub": "sub-of-alice", "aud": RS, "client_id": "rqp-client",
        "jti": "at-1", "iat": NOW, "exp": NOW + 300, "scope": "get", "token_type": "Bearer",
    });
    assert_eq!(answer.json(), expected, "and no private name");
    let bound = token(&[("cnf", json!({ "jkt": "A".repeat(43) }))]);
    let bound = introspect(&world, "rs", &bound).await.json();
    assert_eq!(bound["token_type"], "DPoP");
    assert_eq!(bound["cnf"]["jkt"], "A".repeat(43));
    // Issued for this server itself, and to a client for itself.
    let first = begin(&world, CONFIDENTIAL, None, "openid").await;
    let own = introspect(&world, "own", text(&first, "access_token")).await.json();
    assert_eq!((&own["active"], &own["aud"]), (&json!(true), &json!(STS)));
    assert_eq!(own.get("grant_id"), None);
    let itself = token(&[("sub", json!("rqp-client"))]);
    assert_eq!(introspect(&world, "rs", &itself).await.json()["active"], true);
    let named = token(&[("aud", json!(["x", "other"]))]);
    assert_eq!(introspect(&world, "other", &named).await.json()["active"], true, "by its own id");
}

/// O22: the same octets, whatever the reason.
#[tokio::test]
async fn everybody_else_gets_one_answer() {
    let world = World::new();
    let first = begin(&world, CONFIDENTIAL, None, "openid offline_access").await;
    let good = token(&[]);
    let other = if good.ends_with('A') { 'Q' } else { 'A' };
    let broken = format!("{}{other}", &good[..good.len() - 1]);
    let wrong_type = sign("JWT", &Value::Object(claims(&good).as_map().clone()));
    let rows = [
        ("another audience", "other", good.clone()),
        ("the client that holds it", "rqp-client", good.clone()),
        ("for another", "rs", token(&[("aud", json!("https://rs.evil.example"))])),
        ("no audience", "rs", token(&[("aud", json!([]))])),
        ("garbage", "rs", "garbage".into()),
        ("broken", "rs", broken),
        ("an ID token", "own", text(&first, "id_token").into()),
        ("a refresh token", "own", text(&first, "refresh_token").into()),
        ("of another type", "rs", wrong_type),
        ("of another issuer", "rs", token(&[("iss", json!(UMA))])),
        ("expired", "rs", token(&[("exp", json!(NOW))])),
        ("of nobody", "rs", token(&[("sub", json!("nobody"))])),
        ("of no client", "rs", token(&[("client_id", json!("gone"))])),
        ("of no grant", "rs", token(&[("grant_id", json!("gone"))])),
    ];
    for (name, client, token) in rows {
        let answer = introspect(&world, client, &token).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, INACTIVE), "{name}");
    }
}

#[tokio::test]
async fn who_cannot_prove_who_it_is_is_not_told_anything() {
    let world = World::new();
    let good = token(&[]);
    let public = world.post("/introspect", &[PUBLIC[0], ("token", &good)]).await;
    assert_eq!(public.error(), (400, "unauthorized_client".into()));
    for fields in [
        &[("token", good.as_str())][..],
        &[("token", &good), ("client_id", "rs")],
        &[("token", &good), ("client_id", "rs"), ("client_secret", "wrong")],
        &[("token", &good), ("client_id", "nobody"), ("client_secret", SECRET)],
    ] {
        assert_eq!(world.post("/introspect", fields).await.error(), (401, "invalid_client".into()));
    }
    let missing =
        world.post("/introspect", &[("client_id", "rs"), ("client_secret", SECRET)]).await;
    assert_eq!(missing.error(), (400, "invalid_request".into()));
    let query = form_request("/introspect?token=a", encoded(CONFIDENTIAL));
    assert_eq!(world.send(query).await.error(), (400, "invalid_request".into()));
    assert_eq!(world.get("/introspect").await.status.as_u16(), 405);
}
