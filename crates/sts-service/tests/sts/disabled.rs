//! O13: a client that is refused is refused at every door, with what it holds and what came of
//! that.

use http::Request;
use http::header::AUTHORIZATION;

use crate::acting::check;
use crate::browser::Browser;
use crate::refresh::{CONFIDENTIAL, PUBLIC, SCOPE, ask, begin, refresh, text};
use crate::support::*;

/// A client that may exchange the tokens of `rqp-client`, as its actor.
const SERVICE: &[(&str, &str)] = &[("client_id", "gateway"), ("client_secret", SECRET)];

fn exchange_of(token: &str) -> [(&str, &str); 5] {
    [
        ("grant_type", EXCHANGE),
        ("subject_token", token),
        ("subject_token_type", ACCESS_TOKEN),
        ("requested_token_type", ACCESS_TOKEN),
        ("resource", RS),
    ]
}

async fn is_active(world: &World, client: &str, token: &str) -> bool {
    let fields = [("client_id", client), ("client_secret", SECRET), ("token", token)];
    world.post("/introspect", &fields).await.json()["active"] == true
}

async fn user_info(world: &World, token: &str) -> u16 {
    let request = Request::get("/userinfo").header(AUTHORIZATION, format!("Bearer {token}"));
    world.send(request.body(axum::body::Body::empty()).unwrap()).await.status.as_u16()
}

/// A page that says so, and no redirect.
#[track_caller]
pub(crate) fn led_nowhere(name: &str, answer: &Answer) {
    assert_eq!(answer.status.as_u16(), 400, "{name}: {}", answer.text);
    assert!(answer.text.contains("not known to this server"), "{name}: {}", answer.text);
    assert_eq!(answer.header(http::header::LOCATION), "", "{name}");
}

#[tokio::test]
async fn o13_every_door_is_closed() {
    for (who, id) in [(CONFIDENTIAL, "rqp-client"), (PUBLIC, "rqp-public")] {
        let world = World::new();
        let first = begin(&world, who, None, SCOPE).await;
        let (token, refresh_token) = (text(&first, "access_token"), text(&first, "refresh_token"));
        let code = world.code("alice", &[who[0]]).await;
        let (signing_in, consenting) = (Browser::new(&world), Browser::new(&world));
        let sign_in = signing_in.authorize(&[who[0]]).await;
        consenting.sign_in("alice", &[who[0], ("scope", "openid")]).await;
        let consent = consenting.authorize(&[who[0], ("scope", "openid profile")]).await;

        world.refuse(id, true);
        for (name, fields) in [
            ("code", &redemption(&code)[..4]),
            ("refresh", &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]),
            ("itself", &[("grant_type", "client_credentials")]),
            ("exchange", &exchange_of(token)),
            ("nonsense", &[("grant_type", "nonsense")]),
        ] {
            check(name, &ask(&world, who, None, fields).await, 401, "invalid_client");
        }
        for path in ["/introspect", "/revoke"] {
            let answer = world.post(path, &[who, &[("token", token)]].concat()).await;
            check(path, &answer, 401, "invalid_client");
        }
        assert_eq!(user_info(&world, token).await, 401);
        assert!(!is_active(&world, "own", token).await);

        led_nowhere("authorize", &Browser::new(&world).authorize(&[who[0]]).await);
        led_nowhere("signed in", &consenting.authorize(&[who[0], ("prompt", "none")]).await);
        let fields = [("username", "alice"), ("password", PASSWORD)];
        led_nowhere("sign in", &signing_in.submit(&sign_in, &fields).await);
        led_nowhere("sign in", &signing_in.submit(&sign_in, &[("decision", "deny")]).await);
        assert_eq!(signing_in.cookie("__Host-session"), None);
        for decision in ["allow", "deny", "other"] {
            led_nowhere(decision, &consenting.submit(&consent, &[("decision", decision)]).await);
        }

        // Whoever comes back finds what was allowed before.
        world.refuse(id, false);
        assert_eq!(user_info(&world, token).await, 200);
        assert_eq!(refresh(&world, who, None, refresh_token, &[]).await.status.as_u16(), 200);
        assert_eq!(ask(&world, who, None, &redemption(&code)[..4]).await.status.as_u16(), 200);
    }
}

/// What others exchanged out of its tokens ends with it, and so does what it did as an actor.
#[tokio::test]
async fn o13_what_came_of_its_tokens_ends_and_nobody_acts_any_more() {
    let world = World::new();
    let first = begin(&world, CONFIDENTIAL, None, SCOPE).await;
    let token = text(&first, "access_token");
    let child = ask(&world, SERVICE, None, &exchange_of(token)).await.json();
    let child = text(&child, "access_token");
    assert!(is_active(&world, "rs", child).await);
    let onward = [&exchange_of(token)[..], &[("resource", STS)]].concat();
    let onward = ask(&world, SERVICE, None, &onward).await.json();
    let own = ask(&world, SERVICE, None, &exchange_of(text(&onward, "access_token"))).await.json();
    assert!(is_active(&world, "rs", text(&own, "access_token")).await);

    world.refuse("rqp-client", true);
    for token in [child, text(&onward, "access_token"), text(&own, "access_token")] {
        assert!(!is_active(&world, "rs", token).await);
    }
    let answer = ask(&world, SERVICE, None, &exchange_of(token)).await;
    check("its token, in another's hands", &answer, 400, "invalid_request");

    world.refuse("rqp-client", false);
    world.refuse("gateway", true);
    assert!(!is_active(&world, "rs", child).await);
    let answer = ask(&world, SERVICE, None, &exchange_of(token)).await;
    check("as an actor", &answer, 401, "invalid_client");
    // Who acted before is in the token of whoever acts now.
    let acted = sign(
        "at+jwt",
        &serde_json::json!({
            "iss": STS, "sub": "sub-of-alice", "aud": RS, "client_id": "api", "jti": "at-2",
            "iat": NOW, "exp": NOW + 300, "scope": "get",
            "act": { "sub": "api", "client_id": "api",
                "act": { "sub": "gateway", "client_id": "gateway" } },
        }),
    );
    assert!(!is_active(&world, "rs", &acted).await);
    world.refuse("gateway", false);
    assert!(is_active(&world, "rs", &acted).await && is_active(&world, "rs", child).await);
}
