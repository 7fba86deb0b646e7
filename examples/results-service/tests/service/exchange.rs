//! `POST /api/v1/pbench-token`.

use countersign::jwt::mac::{HmacKey, MacAlgorithm};
use countersign::jwt::{Algorithm, SigningKey};
use countersign_testkit::keys;
use http::header::{CACHE_CONTROL, SET_COOKIE, WWW_AUTHENTICATE};
use serde_json::json;

use crate::world::*;

const TOKEN: &str = "POST /api/v1/pbench-token";

/// F000-1: from the provider's token to the results.
#[tokio::test]
async fn f000_1_what_people_bring_becomes_a_token_of_the_apis_own_server() {
    let world = World::start().await;
    let brought = world.brought("alice").await;
    assert_eq!(claims(&brought)["aud"], json!([IDP, API]));
    let answer = world.with_token(TOKEN, &brought, "").await;
    let token = answer.access_token();
    assert_eq!(answer.header(CACHE_CONTROL), "no-store");
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 300);
    assert_eq!(
        body["user"],
        json!({ "name": "Alice Liddell", "email": "alice@university.example" })
    );
    let issued = claims(&token);
    assert_eq!((&issued["iss"], &issued["aud"]), (&json!(STS), &json!(API)));
    assert_eq!(issued["roles"], json!(["curator", "reader"]));
    assert_ne!(issued["sub"], claims(&brought)["sub"], "their names are not ours");

    let me = world.with_token("GET /api/v1/me", &token, "").await;
    assert_eq!(me.status, 200);
    assert_eq!(me.json()["name"], "Alice Liddell");
    let refused = world.with_token("GET /api/v1/me", &brought, "").await;
    assert_eq!(refused.status, 401, "the provider's token opens nothing here");
}

/// A30: what the browser has is a handle.
#[tokio::test]
async fn a30_the_refresh_token_never_reaches_the_dashboard() {
    let world = World::start().await;
    let first = world.internal("alice").await;
    let members: Vec<_> = first.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["access_token", "token_type", "expires_in", "user"]);
    let set = first.header(SET_COOKIE);
    for attribute in
        ["__Host-", "; Path=/;", "; Secure", "; HttpOnly", "; SameSite=Strict", "Max-Age=28800"]
    {
        assert!(set.contains(attribute), "{attribute}: {set}");
    }
    // The provider's own token has ended long ago.
    world.clock.advance(3600);
    let cookie = first.cookie();
    let again = world.api(TOKEN, &[("cookie", &cookie), ("origin", API)], "").await;
    let token = again.access_token();
    assert_eq!(claims(&token)["roles"], json!(["curator", "reader"]));
    assert_eq!(world.with_token("GET /api/v1/results", &token, "").await.status, 200);
    world.clock.advance(28800);
    let over = world.api(TOKEN, &[("cookie", &cookie)], "").await;
    assert_eq!(over.status, 401);
    assert!(over.header(WWW_AUTHENTICATE).contains("invalid_token"));
    assert!(over.header(SET_COOKIE).contains("Max-Age=0"), "it is of no use any more");
}

/// Another origin has no session here, whatever cookies it makes a browser send.
#[tokio::test]
async fn a_session_is_the_dashboards_alone() {
    let world = World::start().await;
    let cookie = world.internal("alice").await.cookie();
    for (name, headers, status) in [
        (
            "another origin",
            &[("cookie", cookie.as_str()), ("origin", "https://evil.results.example")][..],
            401,
        ),
        ("no origin that has a name", &[("cookie", &cookie), ("origin", "null")], 401),
        ("nobody's handle", &[("cookie", "__Host-results=AAAA")], 401),
        ("no cookie", &[("origin", API)], 401),
        ("the dashboard", &[("cookie", &cookie), ("origin", API)], 200),
    ] {
        assert_eq!(world.api(TOKEN, headers, "").await.status, status, "{name}");
    }
    let other = [("cookie", cookie.as_str()), ("origin", "https://evil.results.example")];
    world.api("DELETE /api/v1/pbench-token", &other, "").await;
    assert_eq!(world.api(TOKEN, &[("cookie", &cookie)], "").await.status, 200, "nor ends it one");
}

#[tokio::test]
async fn a_session_that_is_ended_gives_nothing_more() {
    let world = World::with(|_, text| introspecting(text)).await;
    let first = world.internal("alice").await;
    let (cookie, token) = (first.cookie(), first.access_token());
    assert_eq!(world.with_token("GET /api/v1/me", &token, "").await.status, 200);
    let ended = world.api("DELETE /api/v1/pbench-token", &[("cookie", &cookie)], "").await;
    assert_eq!(ended.status, 204);
    assert!(ended.header(SET_COOKIE).contains("Max-Age=0"));
    assert_eq!(world.api(TOKEN, &[("cookie", &cookie)], "").await.status, 401);
    // The server was told: what came of the session has ended with it.
    assert_eq!(world.with_token("GET /api/v1/me", &token, "").await.status, 401);
}

/// Whoever signs in where somebody was signed in takes their place, whoever it was.
#[tokio::test]
async fn a_new_login_ends_the_session_it_comes_over() {
    let world = World::with(|_, text| introspecting(text)).await;
    let first = world.internal("alice").await;
    let (cookie, token) = (first.cookie(), first.access_token());
    let bearer = format!("Bearer {}", world.brought("bob").await);
    let over = |origin| {
        let headers = [("authorization", bearer.as_str()), ("cookie", &cookie), ("origin", origin)];
        let world = &world;
        async move { world.api(TOKEN, &headers, "").await }
    };
    over("https://evil.results.example").await.access_token();
    assert_eq!(world.api(TOKEN, &[("cookie", &cookie)], "").await.status, 200, "nor ends it one");
    let second = over(API).await;
    assert_eq!(claims(&second.access_token())["roles"], json!(["reader"]));
    assert_ne!(second.cookie(), cookie);
    assert_eq!(world.api(TOKEN, &[("cookie", &cookie)], "").await.status, 401);
    assert_eq!(world.with_token("GET /api/v1/me", &token, "").await.status, 401, "it was told");
    let again = world.api(TOKEN, &[("cookie", &second.cookie())], "").await;
    assert_eq!(claims(&again.access_token())["roles"], json!(["reader"]));
}

/// F000-2, F000-3, F000-10 and F000-11, where the provider's tokens are taken.
#[tokio::test]
async fn f000_2_f000_3_what_proves_nothing_is_not_exchanged() {
    let world = World::start().await;
    let good = world.brought("alice").await;
    let scope = "openid profile email claims-provider";
    let of_another_client = world.signed_in("alice", "library", scope).await;
    let ours = world.internal("alice").await.access_token();
    let (head, rest) = good.split_once('.').unwrap();
    let forged = format!("{head}.{}x", rest.strip_suffix(&rest[rest.len() - 1..]).unwrap());
    let (payload, _) = rest.split_once('.').unwrap();
    let said = claims(&good);
    let key = keys::signing(keys::ES256_A);
    let as_secret = key.public().to_spki_der().unwrap();
    let mac = HmacKey::from_octets(MacAlgorithm::Hs256, key.public().kid(), &as_secret).unwrap();
    let unknown = SigningKey::generate(Algorithm::Es256, Some("unknown")).unwrap();
    for (name, token) in [
        ("alg none", format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{payload}.").as_str()),
        ("alg HS256, by the public key", &mac.sign("at+jwt", &said).unwrap()),
        ("unknown kid", &countersign::jwt::sign("at+jwt", &unknown, &said).unwrap()),
        ("F000-3 made for another", of_another_client.as_str()),
        ("of our own server", &ours),
        ("forged", &forged),
        ("no token", "garbage"),
    ] {
        let answer = world.with_token(TOKEN, token, "").await;
        assert_eq!(answer.status, 401, "{name}");
        let challenge = answer.header(WWW_AUTHENTICATE);
        assert!(challenge.starts_with("Bearer ") && challenge.contains("invalid_token"), "{name}");
        assert_eq!(answer.header(SET_COOKIE), "", "{name}");
    }
    let nothing = world.api(TOKEN, &[], "").await;
    assert_eq!(nothing.status, 401);
    assert!(!nothing.header(WWW_AUTHENTICATE).contains("error"));
    let twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
    assert_eq!(world.api(TOKEN, &twice, "").await.status, 400);
    // The key that some of them are tried with is the provider's.
    let signed = countersign::jwt::sign("at+jwt", &key, &said).unwrap();
    assert_eq!(world.with_token(TOKEN, &signed, "").await.status, 200);
    world.clock.advance(400);
    let expired = world.with_token(TOKEN, &good, "").await;
    assert_eq!(expired.status, 401, "expired");
}

/// The same as the university says it of somebody else, who is called the same there.
fn of_another_subject(brought: &str, sub: &str) -> String {
    let mut said = claims(brought);
    said["sub"] = json!(sub);
    countersign::jwt::sign("at+jwt", &keys::signing(keys::ES256_A), &said).unwrap()
}

/// F000-13, where people are accounts: the account is of the subject that is linked to it, and
/// whoever else has its name, its address or its subject's spelling gets no token, and no account.
#[tokio::test]
async fn f000_13_the_same_user_name_under_another_sub_is_401() {
    let world = World::with(of_accounts).await;
    let brought = world.brought("alice").await;
    assert_eq!(world.with_token(TOKEN, &brought, "").await.status, 401, "linked to nothing yet");
    let account = claims(&world.through_broker("alice").await)["sub"].clone();
    let of = |answer: Answer| claims(&answer.access_token())["sub"].clone();
    assert_eq!(of(world.with_token(TOKEN, &brought, "").await), account);
    for sub in ["u-2002", "alice", account.as_str().unwrap()] {
        let token = of_another_subject(&brought, sub);
        let answer = world.with_token(TOKEN, &token, "").await;
        assert_eq!(answer.status, 401, "{sub}");
        let challenge = answer.header(WWW_AUTHENTICATE);
        assert!(challenge.starts_with("Bearer ") && challenge.contains("invalid_token"), "{sub}");
        assert_eq!(answer.header(SET_COOKIE), "", "{sub}");
    }
    assert_eq!(of(world.with_token(TOKEN, &brought, "").await), account, "hers as before");
}

/// F000-13, where nobody is an account: one name under two subjects is two people, and either is
/// served as who they are ([0028](../../../../docs/decisions/0028-who-a-foreign-person-is.md)).
#[tokio::test]
async fn f000_13_without_accounts_one_user_name_is_two_people() {
    let world = World::with(|_, text| text.replace("user_info = true", "")).await;
    let brought = world.brought("alice").await;
    let other = of_another_subject(&brought, "u-2002");
    let (one, other) =
        (world.with_token(TOKEN, &brought, "").await, world.with_token(TOKEN, &other, "").await);
    let sub = |answer: &Answer| claims(&answer.access_token())["sub"].clone();
    assert!(sub(&one).as_str().unwrap().starts_with("foreign-"));
    assert_ne!(sub(&one), sub(&other));
}

/// F000-9: no word about the token.
#[tokio::test]
async fn f000_9_a_provider_that_does_not_answer() {
    let mut world = World::start().await;
    let brought = world.brought("alice").await;
    world.stop_provider();
    let answer = world.with_token(TOKEN, &brought, "").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header(WWW_AUTHENTICATE), "");
}

/// F000-6: the API's own registration is no matter of the caller's.
#[tokio::test]
async fn what_is_wrong_with_the_api_is_not_said_of_the_token() {
    let world = World::with(|host, text| match host {
        "sts.results.example" => text
            .replace(
                &format!("access_token_audiences = [\"{API}\"]"),
                "access_token_audiences = [\"https://other.example\"]",
            )
            .replace("refresh = 28800", "")
            .replace("\"token_exchange\", \"refresh_token\"", "\"token_exchange\""),
        _ => text,
    })
    .await;
    let bearer = format!("Bearer {}", world.brought("alice").await);
    let headers = [("authorization", bearer.as_str()), ("cookie", "__Host-results=AAAA")];
    let answer = world.api(TOKEN, &headers, "").await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json()["error"], "server_error");
    assert!(answer.header(SET_COOKIE).contains("Max-Age=0"), "nobody is signed in any more");
}

/// The same API, asking about each token.
pub(crate) fn introspecting(text: String) -> String {
    text.replace(
        "[exchange]",
        "[introspection]\nclient_id = \"results-api\"\nclient_secret = { file = \"api.secret\" }\n[exchange]",
    )
}
