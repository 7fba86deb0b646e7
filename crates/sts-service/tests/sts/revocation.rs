//! Token revocation, RFC 7009: what ends with what.

use http::Request;
use http::header::CACHE_CONTROL;

use crate::refresh::{CONFIDENTIAL, PUBLIC, SCOPE, ask, begin, is_live, refresh, text};
use crate::support::*;

const OTHER: &[(&str, &str)] = &[("client_id", "other"), ("client_secret", SECRET)];

async fn revoke(world: &World, who: &[(&str, &str)], token: &str) -> Answer {
    world.post("/revoke", &[who, &[("token", token)]].concat()).await
}

fn done(name: &str, answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""), "{name}");
    assert_eq!(answer.header(CACHE_CONTROL), "no-store", "{name}");
}

/// An access token out of an exchange.
async fn exchanged(world: &World, token: &str) -> Answer {
    exchanged_for(world, token, &[("resource", RS)]).await
}

async fn exchanged_for(world: &World, token: &str, targets: &[(&str, &str)]) -> Answer {
    let fields = [
        ("grant_type", EXCHANGE),
        ("subject_token", token),
        ("subject_token_type", ACCESS_TOKEN),
        ("requested_token_type", ACCESS_TOKEN),
    ];
    ask(world, CONFIDENTIAL, None, &[&fields, targets].concat()).await
}

async fn is_active(world: &World, token: &str) -> bool {
    let rs = [("client_id", "rs"), ("client_secret", SECRET), ("token", token)];
    world.post("/introspect", &rs).await.json()["active"] == true
}

/// The whole tree: what was refreshed, and what was exchanged out of either.
#[tokio::test]
async fn revoking_a_refresh_token_ends_the_grant_and_all_that_came_of_it() {
    for who in [CONFIDENTIAL, PUBLIC] {
        let world = World::new();
        let first = begin(&world, who, None, SCOPE).await;
        let renewed = refresh(&world, who, None, text(&first, "refresh_token"), &[]).await.json();
        let newest = if renewed["refresh_token"].is_null() { &first } else { &renewed };
        let child = exchanged(&world, text(&renewed, "access_token")).await.json();
        let child = text(&child, "access_token");
        assert_eq!(is_active(&world, child).await, who == CONFIDENTIAL, "only its own client's");

        done("revoked", &revoke(&world, who, text(newest, "refresh_token")).await);
        assert!(!is_live(&world, who, &first).await && !is_live(&world, who, &renewed).await);
        assert!(!is_active(&world, child).await);
        let again = refresh(&world, who, None, text(newest, "refresh_token"), &[]).await;
        assert_eq!(again.error(), (400, "invalid_grant".into()));
        done("once more", &revoke(&world, who, text(newest, "refresh_token")).await);
    }
}

#[tokio::test]
async fn revoking_an_access_token_ends_it_and_what_was_exchanged_out_of_it() {
    let world = World::new();
    let first = begin(&world, CONFIDENTIAL, None, SCOPE).await;
    let child = exchanged(&world, text(&first, "access_token")).await.json();
    let child = text(&child, "access_token");
    assert!(is_active(&world, child).await);
    done("revoked", &revoke(&world, CONFIDENTIAL, text(&first, "access_token")).await);
    assert!(!is_live(&world, CONFIDENTIAL, &first).await);
    assert!(!is_active(&world, child).await);
    let token = text(&first, "refresh_token");
    let renewed = refresh(&world, CONFIDENTIAL, None, token, &[]).await.json();
    assert!(is_live(&world, CONFIDENTIAL, &renewed).await, "the grant goes on");
}

/// A token in the middle of a chain ends what is behind it, however far, and nothing before it.
#[tokio::test]
async fn revoking_an_access_token_ends_every_exchange_behind_it() {
    let world = World::changing(|client| client.exchange.may_delegate_onward = true);
    let first = begin(&world, CONFIDENTIAL, None, SCOPE).await;
    let mut chain = vec![text(&first, "access_token").to_owned()];
    for _ in 0..3 {
        // For this server among others, and so to be exchanged again.
        let targets = [("resource", RS), ("resource", STS)];
        let next = exchanged_for(&world, &chain[chain.len() - 1], &targets).await.json();
        chain.push(text(&next, "access_token").to_owned());
    }
    for token in &chain[1..] {
        assert!(is_active(&world, token).await);
    }
    done("revoked", &revoke(&world, CONFIDENTIAL, &chain[1]).await);
    for token in &chain[1..] {
        assert!(!is_active(&world, token).await);
        let answer = exchanged(&world, token).await;
        assert_eq!(answer.error(), (400, "invalid_request".into()));
    }
    assert!(is_live(&world, CONFIDENTIAL, &first).await);
    assert!(
        is_active(&world, text(&exchanged(&world, &chain[0]).await.json(), "access_token")).await
    );
}

/// A client that goes away meanwhile has revoked a token, and the audit log says so, or neither.
#[tokio::test]
async fn the_log_says_exactly_what_was_revoked_though_the_client_goes_away() {
    for (name, line) in [
        ("refresh_token", "a client revoked what it was allowed"),
        ("access_token", "a client revoked an access token"),
    ] {
        let (engine, world) = World::slowly();
        for turns in 0.. {
            let tokens = begin(&world, CONFIDENTIAL, None, SCOPE).await;
            let log = Log::default();
            let heard = log.hear();
            let wish = let_go(revoke(&world, CONFIDENTIAL, text(&tokens, name)), turns);
            let is_answered = engine.slowly(wish).await;
            drop(heard);
            let is_over = !is_live(&world, CONFIDENTIAL, &tokens).await;
            assert_eq!(
                log.audited(line).len(),
                usize::from(is_over),
                "{name}, after {turns} turns"
            );
            if is_answered {
                assert!(is_over && turns > 1, "{name}: {turns}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_client_revokes_its_own_tokens_and_nobody_elses() {
    let world = World::new();
    let first = begin(&world, CONFIDENTIAL, None, SCOPE).await;
    let tokens = [text(&first, "refresh_token"), text(&first, "access_token")];
    for token in tokens {
        for who in [OTHER, PUBLIC] {
            let answer = revoke(&world, who, token).await;
            assert_eq!(answer.error(), (400, "invalid_grant".into()));
        }
        for who in [&[][..], &[("client_id", "rqp-client"), ("client_secret", "wrong")]] {
            let answer = revoke(&world, who, token).await;
            assert_eq!(answer.error(), (401, "invalid_client".into()));
        }
    }
    assert!(is_live(&world, CONFIDENTIAL, &first).await);
    let answer = refresh(&world, CONFIDENTIAL, None, tokens[0], &[]).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
}

/// RFC 7009 §2.2: what is not there has been revoked already.
#[tokio::test]
async fn an_unknown_token_is_200() {
    let world = World::new();
    let first = begin(&world, CONFIDENTIAL, None, SCOPE).await;
    let foreign = sign("at+jwt", &serde_json::json!({ "iss": UMA, "jti": "1" }));
    let not_one = {
        let claims = claims(text(&first, "access_token")).as_map().clone();
        sign("JWT", &claims.into())
    };
    let code = world.code("alice", &[]).await;
    for token in ["AAAA", "a.b.c", text(&first, "id_token"), &foreign, &not_one, &code] {
        done(token, &revoke(&world, CONFIDENTIAL, token).await);
    }
    let hinted = [CONFIDENTIAL, &[("token", "AAAA"), ("token_type_hint", "nonsense")]].concat();
    done("hint", &world.post("/revoke", &hinted).await);
    assert_eq!(world.redeem(&code).await.status.as_u16(), 200, "a code is no token");
    assert!(is_live(&world, CONFIDENTIAL, &first).await);
    world.clock.advance(300);
    done("expired", &revoke(&world, CONFIDENTIAL, text(&first, "access_token")).await);
}

#[tokio::test]
async fn a_revocation_request_is_a_form_in_the_body() {
    let world = World::new();
    let me = encoded(CONFIDENTIAL);
    for (name, path, body) in [
        ("no token", "/revoke", me.clone()),
        ("twice", "/revoke", format!("{me}&token=a&token=b")),
        ("query", "/revoke?token=a", me.clone()),
    ] {
        let answer = world.send(form_request(path, body)).await;
        assert_eq!(answer.error(), (400, "invalid_request".into()), "{name}");
    }
    let json = Request::post("/revoke").header(http::header::CONTENT_TYPE, "application/json");
    let json = world.send(json.body("{}".into()).unwrap()).await;
    assert_eq!(json.error(), (400, "invalid_request".into()));
    assert_eq!(world.get("/revoke").await.status.as_u16(), 405);
}
