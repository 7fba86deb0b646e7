//! Introspection: what an RPT is worth at the moment it is shown.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use countersign_store::{Engine, MemoryEngine};
use countersign_uma_service::Limits;
use http::Method;
use serde_json::{Value, json};
use support::{RS, World, refused, rpt};

#[tokio::test]
async fn introspection() {
    let world = World::new();
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let ticket = world.ticket_for(&pat, &id).await;
    let token = rpt(&world.redeem(&ticket, &world.claims(&ticket), &[]).await);

    let live = world.form("/introspect", &pat, &[("token", &token)]).await;
    assert_eq!((live.status.as_u16(), live.header("cache-control")), (200, "no-store"));
    let body = live.json();
    assert_eq!(body["active"], true);
    assert_eq!(body["permissions"], json!([{"resource_id": id, "resource_scopes": ["get"]}]));
    assert_eq!(body["aud"], RS);
    assert!(body.get("scope").is_none());

    let inactive = json!({"active": false}).to_string();
    let garbage = world.form("/introspect", &pat, &[("token", "garbage")]).await;
    assert_eq!((garbage.status.as_u16(), &*garbage.text), (200, &*inactive));
    for (name, asker) in [("another owner's", "rs2"), ("another resource server's", "rs3")] {
        let other = world.pat(asker).await;
        let foreign = world.form("/introspect", &other, &[("token", &token)]).await;
        assert_eq!(foreign.text, inactive, "{name}");
    }
    let a_pat = world.form("/introspect", &pat, &[("token", &pat)]).await;
    assert_eq!(a_pat.text, inactive);
    let missing = world.form("/introspect", &pat, &[("token_type_hint", "rpt")]).await;
    refused(&missing, 400, "invalid_request");
    let twice = world.form("/introspect", &pat, &[("token", &token), ("token", "x")]).await;
    refused(&twice, 400, "invalid_request");

    world.advance(299);
    let still = world.form("/introspect", &pat, &[("token", &token)]).await;
    assert_eq!(still.json()["active"], true);
    world.advance(1);
    let expired = world.form("/introspect", &pat, &[("token", &token)]).await;
    assert_eq!(expired.text, inactive);
}

#[tokio::test]
async fn a_deleted_resource_takes_its_rpts_along() {
    let world = World::new();
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let ticket = world.ticket_for(&pat, &id).await;
    let token = rpt(&world.redeem(&ticket, &world.claims(&ticket), &[]).await);
    let before = world.form("/introspect", &pat, &[("token", &token)]).await;
    assert_eq!(before.json()["active"], true);
    world.protect(Method::DELETE, &format!("/resources/{id}"), &pat, "").await;
    let gone = world.form("/introspect", &pat, &[("token", &token)]).await;
    assert_eq!(gone.json(), json!({"active": false}));
}

/// An RPT for `get` and `put`, its PAT, and the resource.
async fn rpt_for_both(world: &World) -> (String, String, String) {
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let ticket = world.ticket_for(&pat, &id).await;
    let mut claims = world.claims(&ticket);
    claims["department"] = json!("research");
    claims["shoe_size"] = json!("38");
    let token = rpt(&world.redeem(&ticket, &claims, &[("scope", "put")]).await);
    (pat, id, token)
}

/// What introspection says of the scopes; null if the token is not active.
async fn scopes_of(world: &World, pat: &str, token: &str) -> Value {
    let answer = world.form("/introspect", pat, &[("token", token)]).await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    assert!(body["active"] == true || body == json!({"active": false}), "{body}");
    body["permissions"][0]["resource_scopes"].clone()
}

#[tokio::test]
async fn a_changed_policy_takes_its_permissions_along() {
    let world = World::new();
    let (pat, _, token) = rpt_for_both(&world).await;
    let asked = world.policy_asked();
    assert_eq!(scopes_of(&world, &pat, &token).await, json!(["get", "put"]));
    assert_eq!(world.policy_asked(), asked, "nothing changed, so nothing is asked");

    let rule = |scopes: Value, more: Value| {
        let mut rule =
            json!({"resource": "RS API", "scopes": scopes, "domains": ["alice.example"]});
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        support::rules_of(json!([rule]))
    };
    let research = json!({"claims": {"department": "research"}});
    let shoes = json!({"claims": {"shoe_size": "38"}});
    for (name, rules, scopes) in [
        ("one scope less", rule(json!(["put"]), research), json!(["put"])),
        ("a claim that was not kept", rule(json!(["get"]), shoes), Value::Null),
        ("another client", rule(json!(["get"]), json!({"clients": ["app2"]})), Value::Null),
        ("no rules", support::rules_of(json!([])), Value::Null),
        ("more than before", rule(json!(["get", "put", "own"]), json!({})), json!(["get", "put"])),
        ("as before", support::rules(), json!(["get", "put"])),
    ] {
        world.change_policy(rules);
        assert_eq!(scopes_of(&world, &pat, &token).await, scopes, "{name}");
    }
}

#[tokio::test]
async fn a_policy_that_changed_over_a_restart_bites_too() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let before = World::on(Arc::clone(&engine), Limits::default());
    let (pat, id, token) = rpt_for_both(&before).await;

    let same = World::on(Arc::clone(&engine), Limits::default());
    assert_eq!(scopes_of(&same, &pat, &token).await, json!(["get", "put"]));
    assert_eq!(same.policy_asked(), 0);

    let other = World::on(engine, Limits::default());
    other.change_policy(support::rules_of(json!([])));
    assert_eq!(scopes_of(&other, &pat, &token).await, Value::Null);

    // A rule goes by the resource's name: one that is renamed is no longer what was granted.
    let renamed = r#"{"resource_scopes":["get","put"],"name":"Diary"}"#;
    same.protect(Method::PUT, &format!("/resources/{id}"), &pat, renamed).await;
    assert_eq!(scopes_of(&same, &pat, &token).await, Value::Null);
}

#[tokio::test]
async fn a_registration_that_is_taken_back_takes_its_tokens_along() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let before = World::on(Arc::clone(&engine), Limits::default());
    let pat = before.pat("rs").await;
    let id = before.register(&pat).await;
    let ticket = before.ticket_for(&pat, &id).await;
    let token = rpt(&before.redeem(&ticket, &before.claims(&ticket), &[]).await);

    let after = World::without(&["app"], Arc::clone(&engine), Limits::default());
    let answer = after.form("/introspect", &pat, &[("token", &token)]).await;
    assert_eq!(answer.json(), json!({"active": false}));

    let after = World::without(&["rs"], Arc::clone(&engine), Limits::default());
    let answer = after.protect(Method::GET, "/resources", &pat, "").await;
    refused(&answer, 401, "invalid_token");

    // What it was told for one owner it is not told for another.
    let after = World::given_to_carol(engine);
    let answer = after.protect(Method::GET, "/resources", &pat, "").await;
    refused(&answer, 401, "invalid_token");
    let carols = after.pat("rs").await;
    let answer = after.form("/introspect", &carols, &[("token", &token)]).await;
    assert_eq!(answer.json(), json!({"active": false}));
    let read = after.protect(Method::GET, &format!("/resources/{id}"), &carols, "").await;
    refused(&read, 404, "not_found");
}
