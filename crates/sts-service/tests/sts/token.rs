//! The token endpoint: codes, clients, and what a request must look like.

mod resources;

use std::sync::Arc;

use axum::body::Body;
use countersign_claims_token::claims::RESERVED;
use countersign_jwt::verify::verify;
use countersign_jwt::{Algorithm, Policy, SigningKey, Typ};
use countersign_store::{Engine, MemoryEngine};
use countersign_sts_service::{Client, StaticUsers};
use countersign_token_exchange::ServerPolicy;
use countersign_types::{ResourceIdentifier, Timestamp, UrlPattern, digest::Digest};
use http::Request;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use serde_json::json;

use crate::acting::dpop_proof;
use crate::browser::Browser;
use crate::support::*;

#[tokio::test]
async fn a_code_gives_an_access_token_and_an_id_token() {
    let world = World::new();
    let code = world.code("alice", &[]).await;
    let answer = world.redeem(&code).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    assert_eq!(answer.header(CACHE_CONTROL), "no-store");
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 300);
    assert_eq!(body["scope"], "claims-provider email openid");
    assert_eq!(body.get("refresh_token"), None);

    let now = Timestamp::from_unix(NOW);
    let token = body["access_token"].as_str().unwrap();
    let policy = Policy::new(Typ::Is("at+jwt")).issuer(STS).audience_sole(STS);
    let claims = verify(token, &policy, &keys(), now).unwrap().into_claims();
    let claims = claims.as_map();
    for (name, value) in [
        ("sub", json!("sub-of-alice")),
        ("client_id", json!("rqp-client")),
        ("scope", json!("claims-provider email openid")),
        ("email", json!("alice@alice.example")),
        ("email_verified", json!(true)),
        ("amr", json!(["pwd"])),
        ("groups", json!(["staff"])),
    ] {
        assert_eq!(claims.get(name), Some(&value), "{name}");
    }
    assert_eq!(claims.get("salary"), None, "only listed claims leave");

    let id_token = body["id_token"].as_str().unwrap();
    let policy = Policy::new(Typ::Is("JWT")).issuer(STS).audience_sole("rqp-client");
    let verified = verify(id_token, &policy, &keys(), now).unwrap();
    assert_eq!(verified.header().algorithm().name(), "RS256");
    let claims = verified.into_claims();
    assert_eq!(claims.str("nonce").unwrap(), Some("n"));
    let metadata = world.get("/.well-known/openid-configuration").await.json();
    assert_eq!(claims.get("acr"), Some(&metadata["acr_values_supported"][0]));
    assert_eq!(claims.str("email").unwrap(), Some("alice@alice.example"));
    let hash = Digest::of(token.as_bytes());
    let (left, _) = hash.as_bytes().split_at(16);
    use base64::Engine as _;
    let at_hash = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(left);
    assert_eq!(claims.str("at_hash").unwrap(), Some(at_hash.as_str()));
}

/// Whatever the policy lists and an account says: what a token means is this server's to say.
#[tokio::test]
async fn no_claim_about_a_person_takes_the_place_of_one_of_the_protocol() {
    let reserved = || RESERVED.iter().map(|name| (*name).to_owned());
    let mut alice = user("alice", true);
    alice.claims.extend(reserved().map(|name| (name, json!("forged"))));
    let policy = ServerPolicy {
        user_claims: reserved().chain(["groups".to_owned()]).collect(),
        ..server_policy()
    };
    for is_opaque in [true, false] {
        let (engine, users) = (Arc::new(MemoryEngine::new()), StaticUsers::new([alice.clone()]));
        let change = |client: &mut Client| client.opaque_access_tokens = is_opaque;
        let world = World::built(policy.clone(), engine, Arc::new(users), |sts, _| sts, change);
        let token = world.access_token("alice", "openid email claims-provider").await;
        let fields = [("client_id", "own"), ("client_secret", SECRET), ("token", &token)];
        let told = world.post("/introspect", &fields).await;
        assert_eq!(told.json()["sub"], "sub-of-alice", "{}", told.text);
        assert!(!told.text.contains("forged"), "{}", told.text);
    }
}

#[tokio::test]
async fn claims_follow_the_scope() {
    let world = World::new();
    let token = world.access_token("alice", "openid").await;
    assert_eq!(claims(&token).get("email"), None);
    assert_eq!(claims(&token).get("groups"), None);
    let token = world.access_token("alice", "openid email").await;
    assert!(claims(&token).get("email").is_some());
    assert_eq!(claims(&token).get("groups"), None);
    let token = world.access_token("mallory", "openid email claims-provider").await;
    assert_eq!(claims(&token).get("email"), None, "an unverified address never leaves");
    let code = world.code("alice", &[("scope", "email")]).await;
    assert_eq!(world.redeem(&code).await.json().get("id_token"), None, "plain OAuth");
}

#[tokio::test]
async fn a_code_is_good_for_its_request_and_client_once() {
    let rows: &[(&str, &[(&str, &str)])] = &[
        ("wrong verifier", &[("code_verifier", "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww")]),
        ("short verifier", &[("code_verifier", "w")]),
        ("the challenge", &[("code_verifier", CODE_CHALLENGE)]),
        ("another redirect_uri", &[("redirect_uri", "http://127.0.0.1/cb")]),
        ("another client", &[("client_id", "other")]),
        ("another code", &[("code", "AAAA")]),
    ];
    for (name, change) in rows {
        let world = World::new();
        let code = world.code("alice", &[]).await;
        let body = changed(&redemption(&code), change);
        let answer = world.send(form_request("/token", body)).await;
        assert_eq!(answer.error(), (400, "invalid_grant".into()), "{name}");
    }
    let world = World::new();
    let code = world.code("alice", &[]).await;
    world.clock.advance(60);
    assert_eq!(world.redeem(&code).await.error(), (400, "invalid_grant".into()), "expired");
    for missing in ["code", "redirect_uri", "code_verifier"] {
        let body = changed(&redemption(&code), &[(missing, "")]);
        let answer = world.send(form_request("/token", body)).await;
        assert_eq!(answer.error(), (400, "invalid_request".into()), "{missing}");
    }
}

#[tokio::test]
async fn a_code_shown_again_kills_its_access_token() {
    let world = World::new();
    let code = world.code("alice", &[]).await;
    let token = world.redeem(&code).await.json()["access_token"].as_str().unwrap().to_owned();
    let exchange = async || world.token(&crate::exchange::good(&token)).await;
    assert_eq!(exchange().await.status.as_u16(), 200);

    // Another client's attempt is refused and harms nobody.
    let foreign = changed(&redemption(&code), &[("client_id", "other")]);
    let foreign = world.send(form_request("/token", foreign)).await;
    assert_eq!(foreign.error(), (400, "invalid_grant".into()));
    assert_eq!(exchange().await.status.as_u16(), 200);

    world.clock.advance(200);
    assert_eq!(world.redeem(&code).await.error(), (400, "invalid_grant".into()));
    assert_eq!(exchange().await.error(), (400, "invalid_request".into()));
}

#[tokio::test]
async fn of_many_redemptions_at_once_one_succeeds() {
    let world = World::new();
    let code = world.code("alice", &[]).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let router = world.router.clone();
        let request = form_request("/token", encoded(&redemption(&code)));
        tasks.spawn(
            async move { tower::ServiceExt::oneshot(router, request).await.unwrap().status() },
        );
    }
    let statuses = tasks.join_all().await;
    assert_eq!(statuses.iter().filter(|status| status.as_u16() == 200).count(), 1);
    assert_eq!(statuses.iter().filter(|status| status.as_u16() == 400).count(), 49);
}

#[tokio::test]
async fn a_client_may_act_for_itself() {
    let world = World::new();
    let me = [("client_id", "rqp-client"), ("client_secret", SECRET)];
    let grant = ("grant_type", "client_credentials");
    let answer = world.token(&[grant, me[0], me[1]]).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    assert_eq!(answer.json()["scope"], "get");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(claims(&token).str("sub").unwrap(), Some("rqp-client"));
    assert_eq!(claims(&token).audience().unwrap(), [STS]);
    let answer = world.token(&[grant, me[0], me[1], ("resource", RS)]).await;
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(claims(&token).audience().unwrap(), [RS]);

    for (name, fields, error) in [
        ("person's scope", &[grant, me[0], me[1], ("scope", "openid")][..], (400, "invalid_scope")),
        ("consent", &[grant, me[0], me[1], ("scope", "claims-provider")], (400, "invalid_scope")),
        ("scope", &[grant, me[0], me[1], ("scope", "admin")], (400, "invalid_scope")),
        ("target", &[grant, me[0], me[1], ("resource", UMA)], (400, "invalid_target")),
        ("public", &[grant, ("client_id", "rqp-public")], (400, "unauthorized_client")),
        ("idle", &[grant, ("client_id", "idle"), me[1]], (400, "unauthorized_client")),
    ] {
        let (status, code) = world.token(fields).await.error();
        assert_eq!((status, code.as_str()), error, "{name}");
    }
}

/// What nobody obtains a token for, a client does not either, by either grant.
#[tokio::test]
async fn what_is_denied_to_everybody_no_grant_gives_a_token_for() {
    const DENIED: &str = "https://rs.denied.example";
    let world = World::changing(|client| {
        client.exchange.access_token_audiences = vec![UrlPattern::parse("*").unwrap()];
        client.audience = Some(ResourceIdentifier::parse(DENIED).unwrap());
    });
    let me = [("client_id", "rqp-client"), ("client_secret", SECRET)];
    let asked =
        |resource| [("grant_type", "client_credentials"), me[0], me[1], ("resource", resource)];
    for resource in [DENIED, "https://rs.denied.example/", "https://RS.denied.example"] {
        let answer = world.token(&asked(resource)).await;
        assert_eq!(answer.error(), (400, "invalid_target".to_owned()), "{resource}");
    }
    assert_eq!(world.token(&asked(RS)).await.status.as_u16(), 200);
    let code = world.code("alice", &[]).await;
    let token = world.redeem(&code).await.json();
    let token = claims(token["access_token"].as_str().unwrap());
    assert_eq!(token.audience().unwrap(), [STS], "the client's own resource server is denied");
}

#[tokio::test]
async fn a_token_request_is_a_form_in_the_body_without_repetition() {
    let world = World::new();
    let form = "application/x-www-form-urlencoded";
    let me = format!("client_id=rqp-client&client_secret={}", SECRET.replace(' ', "+"));
    let good = format!("grant_type=client_credentials&{me}");
    for (name, path, content_type, body, error) in [
        ("query", "/token?scope=get", form, good.clone(), (400, "invalid_request")),
        ("json", "/token", "application/json", "{}".into(), (400, "invalid_request")),
        ("text", "/token", "text/plain", good.clone(), (400, "invalid_request")),
        ("multipart", "/token", "multipart/form-data", good.clone(), (400, "invalid_request")),
        ("no grant type", "/token", form, me.clone(), (400, "invalid_request")),
        ("twice", "/token", form, format!("{good}&scope=a&scope=b"), (400, "invalid_request")),
        (
            "grant",
            "/token",
            form,
            format!("grant_type=password&{me}"),
            (400, "unsupported_grant_type"),
        ),
        (
            "case",
            "/token",
            form,
            good.replace("client_c", "Client_c"),
            (400, "unsupported_grant_type"),
        ),
        ("nobody", "/token", form, good.replace("rqp-client", "nobody"), (401, "invalid_client")),
        ("secret", "/token", form, good.replace("secret+of", "x"), (401, "invalid_client")),
        (
            "no client",
            "/token",
            form,
            "grant_type=client_credentials".into(),
            (401, "invalid_client"),
        ),
    ] {
        let request = Request::post(path).header(CONTENT_TYPE, content_type);
        let answer = world.send(request.body(Body::from(body)).unwrap()).await;
        let (status, code) = answer.error();
        assert_eq!((status, code.as_str()), error, "{name}");
        assert_eq!(answer.header(CACHE_CONTROL), "no-store", "{name}");
        assert_eq!(answer.header(WWW_AUTHENTICATE).starts_with("Basic"), status == 401, "{name}");
    }
    let two =
        Request::post("/token").header(CONTENT_TYPE, form).header(AUTHORIZATION, "Basic YTpi");
    let answer = world.send(two.body(Body::from(good.clone())).unwrap()).await;
    assert_eq!(answer.error(), (400, "invalid_request".into()), "two methods");
    assert_eq!(world.get("/token").await.status.as_u16(), 405);
    let large = form_request("/token", format!("{good}&x={}", "x".repeat(64 * 1024)));
    assert_eq!(world.send(large).await.status.as_u16(), 413);
}

#[tokio::test]
async fn a_client_assertion_is_good_once() {
    let world = World::new();
    let ask = async |assertion: &str| assert_at(&world, assertion).await;
    let first = assertion("1", STS);
    assert_eq!(ask(&first).await.status.as_u16(), 200);
    assert_eq!(ask(&first).await.error(), (401, "invalid_client".into()), "replayed");
    assert_eq!(ask(&assertion("2", STS)).await.status.as_u16(), 200);
    let endpoint = format!("{STS}/token");
    assert_eq!(ask(&assertion("3", &endpoint)).await.error(), (401, "invalid_client".into()));
    // An assertion that was refused has burnt nothing.
    assert_eq!(ask(&assertion("3", STS)).await.status.as_u16(), 200);
}

/// O10: two nodes of one service have one memory.
#[tokio::test]
async fn o10_a_client_assertion_is_good_at_one_of_two_nodes() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let nodes = [(); 2].map(|()| World::on(server_policy(), Arc::clone(&engine)));
    for (jti, [first, second]) in [("1", [&nodes[0], &nodes[1]]), ("2", [&nodes[1], &nodes[0]])] {
        let used = assertion(jti, STS);
        assert_eq!(assert_at(first, &used).await.status.as_u16(), 200);
        for node in [second, first] {
            assert_eq!(assert_at(node, &used).await.error(), (401, "invalid_client".into()));
        }
    }
    // Shown to both at once, it is good at one.
    let used = assertion("3", STS);
    let (one, other) = tokio::join!(assert_at(&nodes[0], &used), assert_at(&nodes[1], &used));
    let mut statuses = [one, other].map(|answer| answer.status.as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
}

fn assertion(jti: &str, aud: &str) -> String {
    let claims = json!({ "iss": "service", "sub": "service", "aud": aud, "jti": jti,
        "iat": NOW, "exp": NOW + 60 });
    countersign_jwt::sign("client-authentication+jwt", &*SERVICE, &claims).unwrap()
}

async fn assert_at(world: &World, assertion: &str) -> Answer {
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    world.token(&fields).await
}

/// RFC 9449 §10: a code whose request named a key is nobody's who does not prove that key, be the
/// sign-in page as old as the process before.
#[tokio::test]
async fn rfc_9449_section_10_a_code_is_redeemed_with_the_key_it_is_bound_to() {
    let key = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let other = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let jkt = key.public().thumbprint().to_base64url();
    let (bound, free) = ([("dpop_jkt", jkt.as_str())], [("state", "free")]);
    let (own, another) = (dpop_proof(&key, "1", &[]), dpop_proof(&other, "1", &[]));
    for (name, change, proof, refused) in [
        ("no proof", &bound, None, true),
        ("another key", &bound, Some(&another), true),
        ("its key", &bound, Some(&own), false),
        ("any key where none is named", &free, Some(&another), false),
        ("none where none is named", &free, None, false),
    ] {
        let world = World::new();
        let code = world.code("alice", change).await;
        let mut request = form_request("/token", encoded(&redemption(&code)));
        if let Some(proof) = proof {
            request.headers_mut().insert("dpop", proof.parse().unwrap());
        }
        let answer = world.send(request).await;
        if refused {
            assert_eq!(answer.error(), (400, "invalid_grant".into()), "{name}");
            assert_eq!(world.redeem(&code).await.error(), (400, "invalid_grant".into()), "{name}");
        } else {
            let body = answer.json();
            assert_eq!(
                body["token_type"],
                if proof.is_some() { "DPoP" } else { "Bearer" },
                "{name}"
            );
            let claims = claims(body["access_token"].as_str().unwrap());
            let thumbprint = claims.get("cnf").map(|cnf| cnf["jkt"].as_str().unwrap().to_owned());
            assert_eq!(thumbprint.is_some(), proof.is_some(), "{name}");
            assert_eq!(thumbprint.as_ref() == Some(&jkt), name == "its key", "{name}");
        }
    }
    // The page that leads back to the form names the key, too.
    let (before, world) = (World::new(), World::new());
    let (_, token, cookie) = before.page(&bound).await;
    let fields = [("form_token", token.as_str()), ("username", "alice"), ("password", PASSWORD)];
    let again = hidden(&world.submit(&cookie, &fields).await.text);
    let fields = [("form_token", again.as_str()), ("username", "alice"), ("password", PASSWORD)];
    let code = world.submit(&cookie, &fields).await.location("code").unwrap();
    assert_eq!(world.redeem(&code).await.error(), (400, "invalid_grant".into()));
}
