//! RPTs that are refreshed, and tokens that their clients revoke.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use axum::body::Body;
use countersign_store::engine::{RecordTable, Records as _};
use countersign_store::{Engine, MemoryEngine};
use countersign_testkit::gone::let_go;
use countersign_testkit::{Log, Watched};
use countersign_types::{Lifetime, Timestamp};
use countersign_uma_service::{Limits, UmaConfig};
use http::header::CONTENT_TYPE;
use http::{Method, Request};
use serde_json::{Value, json};
use support::{Answer, RS, World, encode, refused, rpt, rules_of};

/// A server whose RPTs can be refreshed for an hour.
fn world() -> World {
    on(Arc::new(MemoryEngine::new()))
}

fn on(engine: Arc<dyn Engine>) -> World {
    World::configured(&[], engine, renewing)
}

fn renewing(config: &mut UmaConfig) {
    config.refresh_lifetime = Some(Lifetime::from_secs(3600));
}

/// Both tokens of a grant for `get` and `put`, and the PAT of the resource server.
async fn granted(world: &World) -> (String, String, String) {
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let ticket = world.ticket_for(&pat, &id).await;
    let mut claims = world.claims(&ticket);
    claims["department"] = json!("research");
    let answer = world.redeem(&ticket, &claims, &[("scope", "put")]).await;
    let refresh_token = answer.json()["refresh_token"].as_str().unwrap().to_owned();
    (rpt(&answer), refresh_token, pat)
}

async fn refresh(world: &World, client: &str, token: &str, more: &[(&str, &str)]) -> Answer {
    let mut form =
        vec![("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", client)];
    if client != "public" {
        form.push(("client_secret", client));
    }
    form.extend(more);
    world.form("/token", "", &form).await
}

async fn revoke(world: &World, client: &str, token: &str) -> Answer {
    let form = [("token", token), ("client_id", client), ("client_secret", client)];
    world.form("/revoke", "", &form).await
}

/// The scopes of a token, by introspection; null if it is not active.
async fn scopes(world: &World, pat: &str, token: &str) -> Value {
    let answer = world.form("/introspect", pat, &[("token", token)]).await;
    answer.json()["permissions"][0]["resource_scopes"].clone()
}

#[tokio::test]
async fn grant_18_a_refresh_makes_no_assessment() {
    let world = world();
    let (first, token, pat) = granted(&world).await;
    let asked = world.policy_asked();
    world.advance(301);
    assert_eq!(scopes(&world, &pat, &first).await, Value::Null, "expired");
    let answer = refresh(&world, "app", &token, &[]).await;
    let second = rpt(&answer);
    assert_ne!(first, second);
    assert!(answer.json().get("refresh_token").is_none(), "it stays the same one");
    assert_eq!(world.policy_asked(), asked);
    assert_eq!(scopes(&world, &pat, &second).await, json!(["get", "put"]));
    assert_eq!(world.policy_asked(), asked, "nothing changed, so nothing is asked");

    // An answer that was lost can be had again.
    let third = rpt(&refresh(&world, "app", &token, &[("resource", RS)]).await);
    assert_eq!(scopes(&world, &pat, &third).await, json!(["get", "put"]));
    assert_eq!(scopes(&world, &pat, &second).await, json!(["get", "put"]));

    // The policy has the last word all the same, at every use.
    world.change_policy(rules_of(json!([])));
    let fourth = rpt(&refresh(&world, "app", &token, &[]).await);
    assert_eq!(scopes(&world, &pat, &fourth).await, Value::Null);
}

/// The log says of a refresh exactly if it gave something.
#[tokio::test]
async fn with_a_store_that_fails_the_log_says_exactly_what_was_refreshed() {
    let engine = Arc::new(Watched::default());
    let world = on(Arc::clone(&engine) as Arc<dyn Engine>);
    let (_, token, _) = granted(&world).await;
    for left in 0.. {
        assert!(left < 200, "it fails to the end");
        let log = Log::default();
        let heard = log.hear();
        let answer = engine.failing(left, refresh(&world, "app", &token, &[])).await;
        drop(heard);
        let is_said = !log.audited("was refreshed").is_empty();
        assert_eq!(is_said, answer.status == 200, "{left}: {answer:?}");
        if is_said {
            assert!(left > 1, "{left}");
            break;
        }
        refused(&answer, 503, "temporarily_unavailable");
    }
}

/// The same of a client that goes away.
#[tokio::test]
async fn a_token_that_was_refreshed_is_in_the_log_though_its_client_goes_away() {
    for turns in 0.. {
        let engine = Arc::new(Watched::default());
        let world = on(Arc::clone(&engine) as Arc<dyn Engine>);
        let (_, token, _) = granted(&world).await;
        let now = Timestamp::from_unix(world.now());
        let kept = || engine.count(RecordTable::AccessTokens, &[], now);
        let before = kept().await.unwrap();
        let log = Log::default();
        let heard = log.hear();
        let is_answered = engine.slowly(let_go(refresh(&world, "app", &token, &[]), turns)).await;
        drop(heard);
        let said = log.audited("was refreshed").len();
        assert_eq!(said, kept().await.unwrap() - before, "after {turns} turns");
        if is_answered {
            assert!(said == 1 && turns > 1, "{turns}");
            break;
        }
    }
}

#[tokio::test]
async fn a_refresh_can_give_less_and_never_more() {
    let world = world();
    let (_, token, pat) = granted(&world).await;
    let less = rpt(&refresh(&world, "app", &token, &[("scope", "put")]).await);
    assert_eq!(scopes(&world, &pat, &less).await, json!(["put"]));
    let all = rpt(&refresh(&world, "app", &token, &[]).await);
    assert_eq!(scopes(&world, &pat, &all).await, json!(["get", "put"]));
    for scope in ["delete", "get delete"] {
        refused(&refresh(&world, "app", &token, &[("scope", scope)]).await, 400, "invalid_scope");
    }
    let elsewhere = [("resource", "https://rs.eve.example")];
    refused(&refresh(&world, "app", &token, &elsewhere).await, 400, "invalid_target");
}

/// What is refreshed is bound to no key, and whoever proves one is told so.
#[tokio::test]
async fn a_proof_of_a_key_is_refused_and_not_ignored() {
    let world = world();
    let (_, token, _) = granted(&world).await;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &*token),
        ("client_id", "app"),
        ("client_secret", "app"),
    ];
    let request = Request::post("/token").header("dpop", "a.b.c");
    let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = world.send(request.body(Body::from(encode(&form))).unwrap()).await;
    refused(&answer, 400, "invalid_request");
    rpt(&refresh(&world, "app", &token, &[]).await);
}

#[tokio::test]
async fn a_refresh_token_is_its_clients_and_has_an_end() {
    let world = world();
    let (_, token, _) = granted(&world).await;
    for (client, token) in [("app2", &*token), ("app", "unknown"), ("public", &*token)] {
        refused(&refresh(&world, client, token, &[]).await, 400, "invalid_grant");
    }
    for client in ["no-grant", "rs"] {
        refused(&refresh(&world, client, &token, &[]).await, 400, "unauthorized_client");
    }
    let wrong = [("grant_type", "refresh_token"), ("refresh_token", &*token), ("client_id", "app")];
    refused(&world.form("/token", "", &wrong).await, 401, "invalid_client");

    // The last RPT does not outlive what it came of.
    world.advance(3500);
    let answer = refresh(&world, "app", &token, &[]).await;
    assert_eq!(answer.json()["expires_in"], 100);
    world.advance(100);
    refused(&refresh(&world, "app", &token, &[]).await, 400, "invalid_grant");
}

/// RFC 9700 §2.2.2: whoever steals it would need nothing else.
#[tokio::test]
async fn a_refresh_token_is_worth_nothing_to_its_client_that_has_become_public() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let (_, token, _) = granted(&on(Arc::clone(&engine))).await;
    let public = World::with_public("app", Arc::clone(&engine), renewing);
    let form = [("grant_type", "refresh_token"), ("refresh_token", &*token), ("client_id", "app")];
    refused(&public.form("/token", "", &form).await, 400, "invalid_grant");
    rpt(&refresh(&on(engine), "app", &token, &[]).await);
}

#[tokio::test]
async fn what_was_given_out_before_is_not_refreshed_where_there_are_no_refresh_tokens() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let (_, token, _) = granted(&on(Arc::clone(&engine))).await;
    let without = World::on(Arc::clone(&engine), Limits::default());
    refused(&refresh(&without, "app", &token, &[]).await, 400, "unsupported_grant_type");
    // Nobody is asked who they are for what there is not.
    refused(&refresh(&without, "nobody", &token, &[]).await, 400, "unsupported_grant_type");
    rpt(&refresh(&on(engine), "app", &token, &[]).await);
}

#[tokio::test]
async fn only_a_client_that_authenticates_gets_a_refresh_token_and_only_where_there_are_any() {
    let world = world();
    let ticket = world.ticket().await;
    let token = world.sign(&world.claims(&ticket));
    let form = [("claim_token", &*token), ("claim_token_format", support::JWT)];
    let answer = world.present("public", &ticket, &form).await;
    rpt(&answer);
    assert!(answer.json().get("refresh_token").is_none());

    let plain = World::new();
    let ticket = plain.ticket().await;
    let answer = plain.redeem(&ticket, &plain.claims(&ticket), &[]).await;
    rpt(&answer);
    assert!(answer.json().get("refresh_token").is_none());
    refused(&refresh(&plain, "app", "any", &[]).await, 400, "unsupported_grant_type");
}

#[tokio::test]
async fn grant_18_a_revoked_grant_takes_its_tokens_along_at_once() {
    let world = world();
    let (first, token, pat) = granted(&world).await;
    let second = rpt(&refresh(&world, "app", &token, &[]).await);
    let answer = revoke(&world, "app", &token).await;
    assert_eq!((answer.status.as_u16(), &*answer.text), (200, ""));
    assert_eq!(answer.header("cache-control"), "no-store");
    for token in [first, second] {
        assert_eq!(scopes(&world, &pat, &token).await, Value::Null);
    }
    refused(&refresh(&world, "app", &token, &[]).await, 400, "invalid_grant");
    assert_eq!(revoke(&world, "app", &token).await.status, 200, "an end that was reached already");
}

#[tokio::test]
async fn a_revoked_rpt_is_inactive_at_once_and_the_others_stay() {
    let world = world();
    let (first, token, pat) = granted(&world).await;
    refused(&revoke(&world, "app2", &first).await, 400, "invalid_grant");
    refused(&revoke(&world, "app2", &token).await, 400, "invalid_grant");
    assert_eq!(scopes(&world, &pat, &first).await, json!(["get", "put"]));
    assert_eq!(revoke(&world, "app", &first).await.status, 200);
    let answer = world.form("/introspect", &pat, &[("token", &first)]).await;
    assert_eq!(answer.text, json!({"active": false}).to_string());
    let second = rpt(&refresh(&world, "app", &token, &[]).await);
    assert_eq!(scopes(&world, &pat, &second).await, json!(["get", "put"]));
}

#[tokio::test]
async fn a_resource_server_revokes_its_pat_and_nobody_elses() {
    let world = world();
    let pat = world.pat("rs").await;
    refused(&revoke(&world, "rs2", &pat).await, 400, "invalid_grant");
    assert_eq!(world.protect(Method::GET, "/resources", &pat, "").await.status, 200);
    assert_eq!(revoke(&world, "rs", &pat).await.status, 200);
    let answer = world.protect(Method::GET, "/resources", &pat, "").await;
    assert_eq!(answer.status, 401);
}

/// What a client redeems a fresh ticket for, with Alice's claims.
async fn redeemed(world: &World, client: &str) -> Answer {
    let ticket = world.ticket().await;
    let token = world.sign(&world.claims(&ticket));
    let form = [("claim_token", &*token), ("claim_token_format", support::JWT)];
    world.present(client, &ticket, &form).await
}

/// A grant is kept for much longer than a ticket: nobody makes the store grow by them without end.
#[tokio::test]
async fn a_client_has_its_share_of_grants_and_without_one_there_is_still_an_rpt() {
    let world = World::configured(&[], Arc::new(MemoryEngine::new()), |config| {
        config.refresh_lifetime = Some(Lifetime::from_secs(3600));
        (config.limits.grants, config.limits.grants_of_a_client) = (3, 2);
    });
    for (client, refreshable) in
        [("app", true), ("app", true), ("app", false), ("app2", true), ("app2", false)]
    {
        // The windows of tickets are over long before that of grants.
        world.advance(301);
        let answer = redeemed(&world, client).await;
        rpt(&answer);
        assert_eq!(answer.json().get("refresh_token").is_some(), refreshable, "{client}");
    }
    world.advance(3600);
    let answer = redeemed(&world, "app").await;
    assert!(answer.json().get("refresh_token").is_some());
}

/// A client with a refresh token takes nothing from those that come with tickets.
#[tokio::test]
async fn a_client_has_its_share_of_refreshes_and_takes_nobodys_tickets() {
    let world = World::configured(&[], Arc::new(MemoryEngine::new()), |config| {
        config.refresh_lifetime = Some(Lifetime::from_secs(3600));
        (config.limits.tickets, config.limits.refreshes_of_a_client) = (3, 2);
    });
    let mut tokens = Vec::new();
    for client in ["app", "app2"] {
        let answer = redeemed(&world, client).await;
        tokens.push(answer.json()["refresh_token"].as_str().unwrap().to_owned());
    }
    for _ in 0..2 {
        rpt(&refresh(&world, "app", &tokens[0], &[]).await);
    }
    let answer = refresh(&world, "app", &tokens[0], &[]).await;
    refused(&answer, 429, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), "300");
    rpt(&refresh(&world, "app2", &tokens[1], &[]).await);
    rpt(&redeemed(&world, "app2").await);
    world.advance(300);
    rpt(&refresh(&world, "app", &tokens[0], &[]).await);
}

#[tokio::test]
async fn revocation_is_for_clients() {
    let world = world();
    let nobody = world.form("/revoke", "", &[("token", "t"), ("client_id", "app")]).await;
    refused(&nobody, 401, "invalid_client");
    refused(&revoke(&world, "app", "").await, 400, "invalid_request");
    assert_eq!(revoke(&world, "app", "garbage").await.status, 200);
    assert_eq!(world.protect(Method::GET, "/revoke", "", "").await.status, 405);
}

#[tokio::test]
async fn the_metadata_says_what_is_there() {
    let document = async |world: &World| {
        world.protect(Method::GET, "/.well-known/uma2-configuration", "", "").await.json()
    };
    let (with, without) = (document(&world()).await, document(&World::new()).await);
    assert_eq!(with["revocation_endpoint"], "https://uma.bob.example/revoke");
    assert_eq!(without["revocation_endpoint"], with["revocation_endpoint"]);
    let has = |document: &Value| {
        document["grant_types_supported"].as_array().unwrap().contains(&json!("refresh_token"))
    };
    assert!(has(&with) && !has(&without));
}
