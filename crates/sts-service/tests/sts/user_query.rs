//! The user query: who has an address, for a client with `query-users` and for nobody else (A28).

use axum::body::Body;
use countersign_types::ScopeSet;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use serde_json::{Value, json};

use crate::support::*;

const ALICE: &str = "emails.value eq \"alice@alice.example\"";

fn world() -> World {
    World::changing(|client| client.scopes = ScopeSet::parse("openid email query-users").unwrap())
}

fn token(change: &[(&str, Value)]) -> String {
    let mut claims = json!({
        "iss": STS, "sub": "rqp-client", "aud": STS, "client_id": "rqp-client", "jti": "at-1",
        "iat": NOW, "exp": NOW + 300, "scope": "query-users",
    });
    for (name, value) in change {
        claims[*name] = value.clone();
    }
    sign("at+jwt", &claims)
}

async fn ask(world: &World, token: &str, filter: &str) -> Answer {
    let path = format!("/scim/v2/Users?{}", encoded(&[("filter", filter)]));
    let request = Request::get(path).header(AUTHORIZATION, format!("Bearer {token}"));
    world.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_client_with_the_scope_is_told_who_has_the_address() {
    let world = world();
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", "rqp-client"),
        ("client_secret", SECRET),
        ("scope", "query-users"),
    ];
    let own = world.token(&fields).await.json()["access_token"].as_str().unwrap().to_owned();
    let answer = ask(&world, &own, ALICE).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    assert_eq!(answer.header(CONTENT_TYPE), "application/scim+json");
    let expected = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": 1, "startIndex": 1, "itemsPerPage": 1,
        "Resources": [{
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "id": "sub-of-alice",
            "userName": "alice@alice.example",
            "active": true,
            "emails": [{ "value": "alice@alice.example", "primary": true }],
            "groups": [{ "value": "staff" }],
        }],
    });
    assert_eq!(answer.json(), expected, "and nothing that may not leave the provider");
}

/// A28: the same octets, whatever the reason.
#[tokio::test]
async fn nobody_learns_why_there_is_nobody() {
    let world = world();
    let mut answers = Vec::new();
    for address in [
        "nobody@alice.example",
        "mallory@alice.example",
        "alice@bob.example",
        "Alice@alice.example",
        "eve@alice.example",
        "ida@alice.example",
    ] {
        let answer = ask(&world, &token(&[]), &format!("emails.value eq \"{address}\"")).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["totalResults"]),
            (200, &json!(0)),
            "{address}"
        );
        answers.push(answer.text);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn who_may_not_ask_is_told_nothing() {
    let world = world();
    let person = json!("sub-of-alice");
    for (name, token, status) in [
        ("another scope", token(&[("scope", json!("openid claims-provider"))]), 403),
        ("a person's token", token(&[("sub", person)]), 403),
        ("another audience", token(&[("aud", json!(RS))]), 401),
        ("another audience, too", token(&[("aud", json!([STS, RS]))]), 401),
        ("exchanged", token(&[("origin_jti", json!("at-0"))]), 401),
        ("somebody acts", token(&[("act", json!({ "sub": "rqp-client" }))]), 401),
        ("bound to a key", token(&[("cnf", json!({ "jkt": "A".repeat(43) }))]), 401),
        ("expired", token(&[("exp", json!(NOW))]), 401),
        ("no token of ours", "opaque".to_owned(), 401),
    ] {
        let answer = ask(&world, &token, ALICE).await;
        assert_eq!(answer.status.as_u16(), status, "{name}: {}", answer.text);
        assert!(answer.header(WWW_AUTHENTICATE).starts_with("Bearer error="), "{name}");
        assert_eq!(answer.json()["status"], json!(status.to_string()), "{name}");
        assert!(!answer.text.contains("alice"), "{name}");
    }
    let bare = world.get("/scim/v2/Users").await;
    assert_eq!(bare.status.as_u16(), 401);
    assert_eq!(bare.header(WWW_AUTHENTICATE), "Bearer scope=\"query-users\"");
    world.refuse("rqp-client", true);
    assert_eq!(ask(&world, &token(&[]), ALICE).await.status.as_u16(), 401, "a refused client");
}

/// it is there, and in the metadata, where a client may ask.
#[tokio::test]
async fn x_2_where_nobody_may_ask_there_is_nothing() {
    let metadata = async |world: &World| {
        world.get("/.well-known/openid-configuration").await.json()["user_query_endpoint"].clone()
    };
    assert_eq!(metadata(&world()).await, json!(format!("{STS}/scim/v2/Users")));
    let without = World::new();
    assert_eq!(metadata(&without).await, Value::Null);
    assert_eq!(without.get("/scim/v2/Users").await.status.as_u16(), 404);
    assert_eq!(ask(&without, &token(&[]), ALICE).await.status.as_u16(), 404);
}

#[tokio::test]
async fn nobody_can_be_searched_for() {
    let world = world();
    for filter in [
        "",
        "id pr",
        "emails.value sw \"a\"",
        "userName eq \"alice\"",
        "emails.value eq \"a\" or id pr",
    ] {
        let answer = ask(&world, &token(&[]), filter).await;
        assert_eq!(answer.status.as_u16(), 400, "{filter}: {}", answer.text);
        assert_eq!(answer.json()["scimType"], "invalidFilter", "{filter}");
    }
    for path in ["/scim/v2/Users/sub-of-alice", "/scim/v2/Groups", "/scim/v2/Schemas"] {
        assert_eq!(world.get(path).await.status.as_u16(), 404, "{path}");
    }
    assert_eq!(world.post("/scim/v2/Users", &[]).await.status.as_u16(), 405);
}
