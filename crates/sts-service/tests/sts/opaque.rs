//! Opaque access tokens, by client: they say nothing, and hold and end as signed ones do (O22).

use countersign_jwt::{Algorithm, SigningKey};
use http::Request;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::acting::dpop_proof;
use crate::refresh::{CONFIDENTIAL, SCOPE, ask, begin, is_live, refresh, text};
use crate::support::*;

const INACTIVE: &str = "{\"active\":false}";

/// A world in which `rqp-client` gets opaque access tokens.
fn opaque() -> World {
    World::changing(|client| client.opaque_access_tokens = true)
}

async fn introspect(world: &World, client: &str, token: &str) -> Answer {
    let fields = [("client_id", client), ("client_secret", SECRET), ("token", token)];
    world.post("/introspect", &fields).await
}

async fn is_inactive(world: &World, client: &str, token: &str) -> bool {
    let answer = introspect(world, client, token).await;
    (answer.status.as_u16(), answer.text.as_str()) == (200, INACTIVE)
}

/// An exchange for the resource server.
async fn exchanged(world: &World, token: &str, change: &[(&str, &str)]) -> Answer {
    let good = [
        ("grant_type", EXCHANGE),
        ("subject_token", token),
        ("subject_token_type", ACCESS_TOKEN),
        ("requested_token_type", ACCESS_TOKEN),
        ("resource", RS),
    ];
    world.send(form_request("/token", changed(&[CONFIDENTIAL, &good].concat(), change))).await
}

async fn user_info(world: &World, authorization: String, proof: Option<&str>) -> Answer {
    let mut request = Request::get("/userinfo").header(AUTHORIZATION, authorization);
    if let Some(proof) = proof {
        request = request.header("dpop", proof);
    }
    world.send(request.body(axum::body::Body::empty()).unwrap()).await
}

#[track_caller]
fn says_nothing(token: &str) {
    let is_ours = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    assert!(token.len() >= 43 && token.bytes().all(is_ours), "{token}");
}

#[tokio::test]
async fn every_grant_gives_one_and_who_it_is_for_is_told_what_a_signed_one_says() {
    let (world, signed) = (opaque(), World::new());
    let (first, other) = (
        begin(&world, CONFIDENTIAL, None, SCOPE).await,
        begin(&signed, CONFIDENTIAL, None, SCOPE).await,
    );
    let token = text(&first, "access_token");
    says_nothing(token);
    assert_eq!((&first["token_type"], &first["expires_in"]), (&json!("Bearer"), &json!(300)));
    let told = introspect(&world, "own", token).await.json();
    let names = |told: &Value| told.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let same = introspect(&signed, "own", text(&other, "access_token")).await.json();
    assert_eq!(names(&told), names(&same));
    for name in ["iss", "sub", "aud", "client_id", "scope", "exp", "auth_time", "email"] {
        assert_eq!(told[name], same[name], "{name}");
    }
    assert_eq!(told.get("grant_id"), None);

    let person = user_info(&world, format!("Bearer {token}"), None).await;
    assert_eq!((person.status.as_u16(), &person.json()["sub"]), (200, &json!("sub-of-alice")));
    assert!(is_live(&world, CONFIDENTIAL, &first).await, "it is a subject token");

    let renewed = refresh(&world, CONFIDENTIAL, None, text(&first, "refresh_token"), &[]).await;
    says_nothing(text(&renewed.json(), "access_token"));
    let own = ask(&world, CONFIDENTIAL, None, &[("grant_type", "client_credentials")]).await;
    let own = own.json();
    says_nothing(text(&own, "access_token"));
    let told = introspect(&world, "own", text(&own, "access_token")).await.json();
    assert_eq!((&told["active"], &told["sub"]), (&json!(true), &json!("rqp-client")));

    let child = exchanged(&world, token, &[]).await.json();
    says_nothing(text(&child, "access_token"));
    assert_eq!(child["issued_token_type"], ACCESS_TOKEN);
    let told = introspect(&world, "rs", text(&child, "access_token")).await.json();
    assert_eq!((&told["aud"], &told["sub"]), (&json!(RS), &json!("sub-of-alice")));
    assert_eq!(told["act"]["sub"], "rqp-client");
    assert_eq!(told.get("origin_jti"), None);
}

/// O22: the same octets, whatever the reason.
#[tokio::test]
async fn everybody_else_gets_one_answer() {
    let world = opaque();
    let first = begin(&world, CONFIDENTIAL, None, SCOPE).await;
    let token = text(&first, "access_token");
    let child = exchanged(&world, token, &[]).await.json();
    let child = text(&child, "access_token");
    let changed = |at: usize| {
        let mut octets = token.as_bytes().to_vec();
        octets[at] = if octets[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(octets).unwrap()
    };
    let rows = [
        ("the client that holds it", "rqp-client", token.to_owned()),
        ("of another audience", "rs", token.to_owned()),
        ("for another", "own", child.to_owned()),
        ("another moment", "own", changed(0)),
        ("another secret", "own", changed(token.len() - 2)),
        ("without the moment", "own", token[8..].to_owned()),
        ("a refresh token", "own", text(&first, "refresh_token").to_owned()),
    ];
    for (name, client, token) in rows {
        assert!(is_inactive(&world, client, &token).await, "{name}");
    }
    assert!(!is_inactive(&world, "own", token).await && !is_inactive(&world, "rs", child).await);
    world.clock.advance(300);
    for (client, token) in [("own", token), ("rs", child)] {
        assert!(is_inactive(&world, client, token).await, "expired");
    }
    let person = user_info(&world, format!("Bearer {token}"), None).await;
    assert_eq!(person.status.as_u16(), 401);
    assert_eq!(exchanged(&world, token, &[]).await.error(), (400, "invalid_request".into()));
}

#[tokio::test]
async fn one_ends_with_itself_with_what_it_came_of_and_with_its_grant() {
    let world = opaque();
    let revoke = async |token: &str, id: &'static str| {
        let fields = [("client_id", id), ("client_secret", SECRET), ("token", token)];
        world.post("/revoke", &fields).await
    };
    let first = begin(&world, CONFIDENTIAL, None, SCOPE).await;
    let token = text(&first, "access_token");
    let child = exchanged(&world, token, &[]).await.json();
    let child = text(&child, "access_token");
    assert_eq!(revoke(token, "other").await.error(), (400, "invalid_grant".into()));
    assert!(!is_inactive(&world, "own", token).await);

    assert_eq!(revoke(token, "rqp-client").await.status.as_u16(), 200);
    assert!(is_inactive(&world, "own", token).await && is_inactive(&world, "rs", child).await);
    assert_eq!(user_info(&world, format!("Bearer {token}"), None).await.status.as_u16(), 401);
    assert_eq!(exchanged(&world, token, &[]).await.error(), (400, "invalid_request".into()));

    let renewed = refresh(&world, CONFIDENTIAL, None, text(&first, "refresh_token"), &[]).await;
    let renewed = renewed.json();
    let grandchild = exchanged(&world, text(&renewed, "access_token"), &[]).await.json();
    assert_eq!(revoke(text(&first, "refresh_token"), "rqp-client").await.status.as_u16(), 200);
    assert!(is_inactive(&world, "own", text(&renewed, "access_token")).await);
    assert!(is_inactive(&world, "rs", text(&grandchild, "access_token")).await);
}

/// O4: what a code gave ends when it is shown again.
#[tokio::test]
async fn a_code_that_is_shown_again_ends_one() {
    let world = opaque();
    let code = world.code("alice", &[]).await;
    let token = world.redeem(&code).await.json();
    let token = text(&token, "access_token");
    assert!(!is_inactive(&world, "own", token).await);
    assert_eq!(world.redeem(&code).await.error(), (400, "invalid_grant".into()));
    assert!(is_inactive(&world, "own", token).await);
}

/// It was on the disk before it was given out, and what is there is nothing that could be
/// presented.
#[tokio::test]
async fn one_outlives_a_restart_and_is_not_in_the_files() {
    let (running, killed) = (Directory::new(), Directory::new());
    let world = World::opaque(running.open());
    let first = begin(&world, CONFIDENTIAL, None, SCOPE).await;
    let token = text(&first, "access_token");
    running.copy_to(&killed);
    for octets in killed.contents() {
        for part in [token, &token[8..]] {
            assert!(!octets.windows(part.len()).any(|window| window == part.as_bytes()));
        }
    }
    let world = World::opaque(killed.open());
    assert_eq!(introspect(&world, "own", token).await.json()["sub"], "sub-of-alice");
}

#[tokio::test]
async fn rfc_9449_section_7_one_that_is_bound_takes_the_proof_of_its_key() {
    let world = opaque();
    let key = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let first = begin(&world, CONFIDENTIAL, Some(&dpop_proof(&key, "1", &[])), SCOPE).await;
    let token = text(&first, "access_token");
    says_nothing(token);
    assert_eq!(first["token_type"], "DPoP");
    let told = introspect(&world, "own", token).await.json();
    assert_eq!(told["token_type"], "DPoP");
    assert_eq!(told["cnf"]["jkt"], key.public().thumbprint().to_base64url());

    let bearer = user_info(&world, format!("Bearer {token}"), None).await;
    assert_eq!(bearer.status.as_u16(), 401);
    let ath = countersign_types::digest::Digest::of(token.as_bytes()).to_base64url();
    let url = format!("{STS}/userinfo");
    let for_it = [("htm", json!("GET")), ("htu", json!(url)), ("ath", json!(ath))];
    let proof = dpop_proof(&key, "2", &for_it);
    let taken = user_info(&world, format!("DPoP {token}"), Some(&proof)).await;
    assert_eq!(taken.status.as_u16(), 200, "{}", taken.text);

    let other = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let fields = [
        ("grant_type", EXCHANGE),
        ("subject_token", token),
        ("subject_token_type", ACCESS_TOKEN),
        ("requested_token_type", ACCESS_TOKEN),
        ("resource", RS),
    ];
    for proof in [None, Some(dpop_proof(&other, "3", &[]))] {
        let answer = ask(&world, CONFIDENTIAL, proof.as_deref(), &fields).await;
        assert_eq!(answer.error(), (400, "invalid_request".into()));
    }
    let proof = dpop_proof(&key, "4", &[]);
    let answer = ask(&world, CONFIDENTIAL, Some(&proof), &fields).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["token_type"]), (200, &json!("DPoP")));
}

/// Whoever asks for a JWT gets none where the registration says otherwise.
#[tokio::test]
async fn a_client_of_opaque_tokens_gets_no_access_token_that_is_a_jwt() {
    for (is_opaque, expected) in [(false, 200), (true, 400)] {
        let mut policy = server_policy();
        policy.targets[0].jwt_profile =
            Some(countersign_token_exchange::policy::JwtProfile::AccessToken);
        let world = World::of(policy, |client| client.opaque_access_tokens = is_opaque);
        let first = begin(&world, CONFIDENTIAL, None, SCOPE).await;
        let token = text(&first, "access_token");
        let wanted = [("requested_token_type", JWT), ("resource", "RS API")];
        let answer = exchanged(&world, token, &wanted).await;
        assert_eq!(answer.status.as_u16(), expected, "{}", answer.text);
        assert!(is_opaque || text(&answer.json(), "access_token").contains('.'));
    }
}
