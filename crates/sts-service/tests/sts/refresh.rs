//! Refresh tokens: O4, O13 to O17, F001-13.

use std::sync::atomic::Ordering;

use countersign_jwt::{Algorithm, SigningKey};
use http::Request;
use http::header::CACHE_CONTROL;
use serde_json::Value;

use crate::acting::dpop_proof;
use crate::support::*;

/// Who refreshes: a confidential client, a public one, or a public one with a key.
pub(crate) const CONFIDENTIAL: &[(&str, &str)] =
    &[("client_id", "rqp-client"), ("client_secret", SECRET)];
pub(crate) const PUBLIC: &[(&str, &str)] = &[("client_id", "rqp-public")];

pub(crate) const SCOPE: &str = "openid email offline_access claims-provider";

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256, None).unwrap()
}

pub(crate) fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_default()
}

/// A token request of one of the clients, with a proof of its key where there is one.
pub(crate) async fn ask(
    world: &World,
    who: &[(&str, &str)],
    proof: Option<&str>,
    fields: &[(&str, &str)],
) -> Answer {
    let body = encoded(&[who, fields].concat());
    let mut request = Request::post("/token")
        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(proof) = proof {
        request = request.header("dpop", proof);
    }
    world.send(request.body(axum::body::Body::from(body)).unwrap()).await
}

pub(crate) async fn refresh(
    world: &World,
    who: &[(&str, &str)],
    proof: Option<&str>,
    token: &str,
    more: &[(&str, &str)],
) -> Answer {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
    ask(world, who, proof, &[&fields, more].concat()).await
}

/// The token response to a code of Alice's.
pub(crate) async fn begin(
    world: &World,
    who: &[(&str, &str)],
    proof: Option<&str>,
    scope: &str,
) -> Value {
    let code = world.code("alice", &[who[0], ("scope", scope)]).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let answer = ask(world, who, proof, &fields).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    answer.json()
}

/// Whether the access token of a response still counts: its client can exchange it.
pub(crate) async fn is_live(world: &World, who: &[(&str, &str)], body: &Value) -> bool {
    let good = crate::exchange::good(text(body, "access_token"));
    let not_who = good.into_iter().filter(|(name, _)| !name.starts_with("client_"));
    let answer = ask(world, who, None, &not_who.collect::<Vec<_>>()).await;
    answer.status.as_u16() == 200
}

fn refused(name: &str, answer: &Answer, code: &str) {
    assert_eq!(answer.error(), (400, code.to_owned()), "{name}");
    assert_eq!(answer.header(CACHE_CONTROL), "no-store", "{name}");
}

#[tokio::test]
async fn a_confidential_client_refreshes_by_proving_itself() {
    let world = World::new();
    let first = begin(&world, CONFIDENTIAL, None, SCOPE).await;
    assert_eq!(first["refresh_expires_in"], REFRESH);
    assert_eq!(first["session_state"], claims(text(&first, "id_token")).as_map()["sid"]);
    assert_eq!(claims(text(&first, "id_token")).str("nonce").unwrap(), Some("n"));

    for _ in 0..2 {
        world.clock.advance(400);
        let answer = refresh(&world, CONFIDENTIAL, None, text(&first, "refresh_token"), &[]).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        assert_eq!(answer.header(CACHE_CONTROL), "no-store");
        let body = answer.json();
        assert_eq!(body.get("refresh_token"), None, "the one there was goes on");
        assert_eq!(body["scope"], "claims-provider email offline_access openid");
        assert_eq!(body["session_state"], first["session_state"]);
        let (old, new) =
            (claims(text(&first, "access_token")), claims(text(&body, "access_token")));
        assert_eq!(new.str("sub").unwrap(), Some("sub-of-alice"));
        assert_eq!(new.get("auth_time"), old.get("auth_time"), "when the person was there");
        assert_ne!(new.get("jti"), old.get("jti"));
        // OpenID Connect Core §12.2.
        let (old, new) = (claims(text(&first, "id_token")), claims(text(&body, "id_token")));
        for name in ["iss", "sub", "aud", "auth_time", "sid"] {
            assert_eq!(new.get(name), old.get(name), "{name}");
        }
        assert_eq!(new.get("nonce"), None);
        assert!(is_live(&world, CONFIDENTIAL, &body).await);
    }
}

/// F001-13, O14: rotated, and the reuse of an old one kills the family.
#[tokio::test]
async fn a_public_clients_token_is_rotated_and_reuse_kills_the_family() {
    let world = World::new();
    let first = begin(&world, PUBLIC, None, SCOPE).await;
    assert_eq!(first["refresh_expires_in"], IDLE);
    world.clock.advance(400);
    let second = refresh(&world, PUBLIC, None, text(&first, "refresh_token"), &[]).await.json();
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    assert_eq!(second["refresh_expires_in"], IDLE);
    let third = refresh(&world, PUBLIC, None, text(&second, "refresh_token"), &[]).await.json();
    assert!(is_live(&world, PUBLIC, &third).await);

    let reused = refresh(&world, PUBLIC, None, text(&first, "refresh_token"), &[]).await;
    refused("reused", &reused, "invalid_grant");
    let newest = refresh(&world, PUBLIC, None, text(&third, "refresh_token"), &[]).await;
    refused("the family", &newest, "invalid_grant");
    assert!(!is_live(&world, PUBLIC, &third).await && !is_live(&world, PUBLIC, &second).await);
    // Another grant of the same person to the same client has nothing to do with it.
    let other = begin(&world, PUBLIC, None, SCOPE).await;
    let other = refresh(&world, PUBLIC, None, text(&other, "refresh_token"), &[]).await;
    assert_eq!(other.status.as_u16(), 200, "{}", other.text);
}

/// O14: a thief that binds what it stole to a key of its own is found out all the same, whether the
/// client has a key or none.
#[tokio::test]
async fn a_stolen_token_that_is_bound_to_another_key_is_found_out() {
    for has_key in [false, true] {
        let (world, thief, own) = (World::new(), key(), key());
        let proof = |key: &SigningKey, jti: &str| dpop_proof(key, jti, &[]);
        let first = begin(&world, PUBLIC, None, SCOPE).await;
        let token = text(&first, "refresh_token");
        let stolen = refresh(&world, PUBLIC, Some(&proof(&thief, "1")), token, &[]).await;
        assert_eq!(stolen.status.as_u16(), 200, "{}", stolen.text);
        let stolen = stolen.json();

        let own = has_key.then(|| proof(&own, "2"));
        let reused = refresh(&world, PUBLIC, own.as_deref(), token, &[]).await;
        refused("reused", &reused, "invalid_grant");
        let (thief, stolen) = (proof(&thief, "3"), text(&stolen, "refresh_token"));
        let family = refresh(&world, PUBLIC, Some(&thief), stolen, &[]).await;
        refused("the family", &family, "invalid_grant");
    }
}

/// O14: at most one new member of the family, and it dies with the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_uses_at_once_at_most_one_gives_a_successor() {
    let directory = Directory::new();
    let world = World::on(server_policy(), directory.open());
    let first = begin(&world, PUBLIC, None, SCOPE).await;
    let fields =
        [("grant_type", "refresh_token"), ("refresh_token", text(&first, "refresh_token"))];
    let body = encoded(&[PUBLIC, &fields].concat());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (router, request) = (world.router.clone(), form_request("/token", body.clone()));
        tasks.spawn(async move { tower::ServiceExt::oneshot(router, request).await.unwrap() });
    }
    let mut given = Vec::new();
    for response in tasks.join_all().await {
        let status = response.status().as_u16();
        assert!(matches!(status, 200 | 400), "{status}");
        if status == 200 {
            let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap();
            given.push(serde_json::from_slice::<Value>(&body.to_bytes()).unwrap());
        }
    }
    assert!(given.len() <= 1, "{}", given.len());
    // Whoever came second ended the family, the first and what it was given alike.
    for body in [&first].into_iter().chain(&given) {
        let answer = refresh(&world, PUBLIC, None, text(body, "refresh_token"), &[]).await;
        refused("the family is dead", &answer, "invalid_grant");
        assert!(!is_live(&world, PUBLIC, body).await);
    }
}

/// O15: what was rotated stays rotated in the files that a killed process leaves.
#[tokio::test]
async fn a_rotated_token_is_not_valid_again_after_a_restart() {
    let (running, killed) = (Directory::new(), Directory::new());
    let world = World::on(server_policy(), running.open());
    let first = begin(&world, PUBLIC, None, SCOPE).await;
    let second = refresh(&world, PUBLIC, None, text(&first, "refresh_token"), &[]).await.json();
    running.copy_to(&killed);

    let world = World::on(server_policy(), killed.open());
    let third = refresh(&world, PUBLIC, None, text(&second, "refresh_token"), &[]).await;
    assert_eq!(third.status.as_u16(), 200, "{}", third.text);
    let reused = refresh(&world, PUBLIC, None, text(&first, "refresh_token"), &[]).await;
    refused("reused", &reused, "invalid_grant");
    let third = text(&third.json(), "refresh_token").to_owned();
    let family = refresh(&world, PUBLIC, None, &third, &[]).await;
    refused("the family", &family, "invalid_grant");
}

/// O16: the answer was lost, and whoever has the key gets it once more, for ten seconds.
#[tokio::test]
async fn a_lost_answer_is_given_once_more_to_whoever_has_the_key() {
    let (world, key, other) = (World::new(), key(), key());
    let proof = |key: &SigningKey, jti: &str| dpop_proof(key, jti, &[]);
    let first = begin(&world, PUBLIC, Some(&proof(&key, "1")), SCOPE).await;
    assert_eq!(first["token_type"], "DPoP");
    let token = text(&first, "refresh_token");

    let second = refresh(&world, PUBLIC, Some(&proof(&key, "2")), token, &[]).await.json();
    world.clock.advance(9);
    let again = refresh(&world, PUBLIC, Some(&proof(&key, "3")), token, &[]).await.json();
    assert_eq!(again["refresh_token"], second["refresh_token"]);
    assert_ne!(again["access_token"], second["access_token"]);
    let log = Log::open().text();
    assert!(log.contains("the same refresh token was given once more"), "audited");

    // RFC 9449 §5: without the key nobody refreshes, nor does any harm.
    for (jti, token) in [("4", token), ("5", text(&second, "refresh_token"))] {
        for proof in [None, Some(proof(&other, jti))] {
            let answer = refresh(&world, PUBLIC, proof.as_deref(), token, &[]).await;
            refused("another's", &answer, "invalid_grant");
        }
    }
    let third = text(&second, "refresh_token");
    let third = refresh(&world, PUBLIC, Some(&proof(&key, "6")), third, &[]).await;
    assert_eq!(third.status.as_u16(), 200, "{}", third.text);
    let late = refresh(&world, PUBLIC, Some(&proof(&key, "7")), token, &[]).await;
    refused("an old one", &late, "invalid_grant");
    let body = third.json();
    let dead = text(&body, "refresh_token");
    let dead = refresh(&world, PUBLIC, Some(&proof(&key, "8")), dead, &[]).await;
    refused("the family", &dead, "invalid_grant");
}

/// O17, and what else a request must not be.
#[tokio::test]
async fn a_refresh_token_gives_its_own_client_no_more_than_was_granted() {
    for who in [CONFIDENTIAL, PUBLIC] {
        let world = World::new();
        let first = begin(&world, who, None, "openid offline_access").await;
        let token = text(&first, "refresh_token");
        for (name, who, token, more, code) in [
            ("wider", who, token, &[("scope", "openid email")][..], "invalid_scope"),
            ("never granted", who, token, &[("scope", "get")], "invalid_scope"),
            ("no scope", who, token, &[("scope", "a\"b")], "invalid_scope"),
            ("missing", who, "", &[], "invalid_request"),
            ("unknown", who, "AAAA", &[], "invalid_grant"),
            ("access token", who, text(&first, "access_token"), &[], "invalid_grant"),
            ("case", who, &token.to_uppercase(), &[], "invalid_grant"),
            (
                "other client",
                &[("client_id", "other"), ("client_secret", SECRET)],
                token,
                &[],
                "invalid_grant",
            ),
            (
                "no such grant",
                &[("client_id", "idle"), ("client_secret", SECRET)],
                token,
                &[],
                "unauthorized_client",
            ),
        ] {
            let answer = refresh(&world, who, None, token, more).await;
            refused(name, &answer, code);
        }
        // None of that has used the token up.
        let answer = refresh(&world, who, None, token, &[("scope", "openid")]).await;
        assert_eq!(answer.json()["scope"], "openid", "{}", answer.text);
    }
}

#[tokio::test]
async fn a_grant_has_an_end_and_does_not_idle() {
    let world = World::new();
    let confidential = begin(&world, CONFIDENTIAL, None, SCOPE).await;
    let mut public = begin(&world, PUBLIC, None, SCOPE).await;
    for _ in 0..6 {
        world.clock.advance(830);
        let token = text(&confidential, "refresh_token");
        let answer = refresh(&world, CONFIDENTIAL, None, token, &[]).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        let answer = refresh(&world, PUBLIC, None, text(&public, "refresh_token"), &[]).await;
        public = answer.json();
    }
    // What is issued near the end ends with the grant.
    assert_eq!(
        (public["expires_in"].clone(), public["refresh_expires_in"].clone()),
        (20.into(), 20.into())
    );
    world.clock.advance(20);
    for (who, token) in [(CONFIDENTIAL, &confidential), (PUBLIC, &public)] {
        let answer = refresh(&world, who, None, text(token, "refresh_token"), &[]).await;
        refused("the end", &answer, "invalid_grant");
    }
    for who in [CONFIDENTIAL, PUBLIC] {
        let first = begin(&world, who, None, SCOPE).await;
        world.clock.advance(i64::from(IDLE));
        let answer = refresh(&world, who, None, text(&first, "refresh_token"), &[]).await;
        refused("idle", &answer, "invalid_grant");
    }
}

#[tokio::test]
async fn without_the_scope_there_is_no_refresh_token() {
    let world = World::new();
    let first = begin(&world, CONFIDENTIAL, None, "openid email").await;
    assert_eq!((first.get("refresh_token"), first.get("refresh_expires_in")), (None, None));
    assert_eq!(first["session_state"].as_str().unwrap().len(), 22);
}

/// O4, F000-14: a code shown again kills what was refreshed out of it, however late.
#[tokio::test]
async fn a_code_shown_again_kills_what_was_refreshed_out_of_it() {
    let world = World::new();
    let code = world.code("alice", &[("scope", SCOPE)]).await;
    let first = world.redeem(&code).await.json();
    world.clock.advance(900);
    let token = text(&first, "refresh_token");
    let second = refresh(&world, CONFIDENTIAL, None, token, &[]).await.json();
    assert!(is_live(&world, CONFIDENTIAL, &second).await);
    refused("replay", &world.redeem(&code).await, "invalid_grant");
    assert!(!is_live(&world, CONFIDENTIAL, &second).await);
    let answer = refresh(&world, CONFIDENTIAL, None, token, &[]).await;
    refused("its refresh token", &answer, "invalid_grant");
}

/// O4, O14: a code or a refresh token that is shown again ends the grant, though whoever shows it
/// does not wait for the answer.
#[tokio::test]
async fn what_is_shown_again_ends_the_grant_though_nobody_waits() {
    let (engine, world) = World::slowly();
    for shows_code in [true, false] {
        for turns in 0.. {
            let code = world.code("alice", &[PUBLIC[0], ("scope", SCOPE)]).await;
            let redemption = [
                ("grant_type", "authorization_code"),
                ("code", code.as_str()),
                ("redirect_uri", CALLBACK),
                ("code_verifier", VERIFIER),
            ];
            let first = ask(&world, PUBLIC, None, &redemption).await.json();
            let replaced = text(&first, "refresh_token");
            let second = refresh(&world, PUBLIC, None, replaced, &[]).await.json();
            let reuse = [("grant_type", "refresh_token"), ("refresh_token", replaced)];
            let shown = if shows_code { &redemption[..] } else { &reuse };
            let shown = let_go(ask(&world, PUBLIC, None, shown), turns);
            let ended_before = engine.ended.load(Ordering::SeqCst);
            let is_answered = engine.slowly(shown).await;
            let has_done = engine.ended.load(Ordering::SeqCst) > ended_before;
            let newest = refresh(&world, PUBLIC, None, text(&second, "refresh_token"), &[]).await;
            let is_ended = newest.status.as_u16() == 400;
            assert_eq!(is_ended, has_done, "{shows_code}, after {turns} turns");
            if is_answered {
                assert!(is_ended && turns > 1, "{turns}");
                break;
            }
        }
    }
}
