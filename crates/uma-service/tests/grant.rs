//! The UMA grant at the token endpoint: the happy path, the negative table, the race for a ticket.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::type_complexity,
    reason = "a test fails by panicking, and its tables are types of their own"
)]

mod support;

use std::sync::Arc;

use axum::body::Body;
use countersign_types::wire::ErrorCode;
use countersign_uma_service::audit;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request};
use serde_json::{Value, json};
use support::{JWT, RS, UMA_TICKET, World, encode, need_info, refused, rpt};

#[tokio::test]
async fn a_ticket_claims_and_the_resource_are_worth_an_rpt() {
    let world = World::new();
    let ticket = world.ticket().await;
    rpt(&world.redeem(&ticket, &world.claims(&ticket), &[]).await);
    let record = world.recorded();
    assert_eq!(record.answer, audit::Answer::Granted);
    assert!(record.checks.iter().all(|check| check.passed));
    assert_eq!(record.person.unwrap().email.as_str(), "alice@alice.example");
    assert_eq!(record.permissions[0].resource_scopes.to_string(), "get");
}

/// An agent in their place is one, whatever came of it.
#[tokio::test]
async fn the_audit_trail_says_whether_the_person_was_there() {
    let world = World::new();
    for email in ["alice@alice.example", "nobody@alice.example"] {
        for act in [None, Some(json!({"sub": "https://agent.example"}))] {
            let ticket = world.ticket().await;
            let mut claims = world.claims(&ticket);
            claims["email"] = json!(email);
            if let Some(act) = &act {
                claims["act"] = act.clone();
            }
            let answer = world.redeem(&ticket, &claims, &[]).await;
            assert_eq!(answer.status == 200, email.starts_with("alice"), "{answer:?}");
            let person = world.recorded().person.unwrap();
            assert_eq!((person.email.as_str(), person.present), (email, act.is_none()));
        }
    }
}

#[tokio::test]
async fn the_audit_trail_holds_no_secret() {
    let world = World::new();
    let ticket = world.ticket().await;
    let claims = world.claims(&ticket);
    let token = world.sign(&claims);
    let issued = rpt(&world.redeem(&ticket, &claims, &[]).await);
    let record = format!("{:?}", world.recorded());
    let signature = token.rsplit_once('.').unwrap().1;
    for secret in [&*ticket, &*issued, signature] {
        assert!(!record.contains(secret));
    }
}

#[tokio::test]
async fn a_ticket_that_is_of_no_use() {
    let world = World::new();
    let unknown = "mF_9.B5f-4.1JqM";
    refused(&world.redeem(unknown, &world.claims(unknown), &[]).await, 400, "invalid_grant");
    assert!(world.recorded().checks.last().unwrap().note.contains("unknown"));

    let expired = world.ticket().await;
    world.advance(300);
    let answer = world.redeem(&expired, &world.claims(&expired), &[]).await;
    refused(&answer, 400, "invalid_grant");
    assert!(answer.json().get("ticket").is_none());

    let used = world.ticket().await;
    let first = rpt(&world.redeem(&used, &world.claims(&used), &[]).await);
    let answer = world.redeem(&used, &world.claims(&used), &[]).await;
    refused(&answer, 400, "invalid_grant");
    assert!(answer.json().get("ticket").is_none());
    let record = world.recorded();
    assert_eq!(record.answer, audit::Answer::Refused(ErrorCode::INVALID_GRANT));
    assert!(record.process.is_some(), "a spent ticket shown again is recorded with its process");

    let pat = world.pat("rs").await;
    let live = world.form("/introspect", &pat, &[("token", &first)]).await;
    assert_eq!(live.json()["active"], true, "and revokes nothing");
}

#[tokio::test]
async fn malformed_requests() {
    let world = World::new();
    let ticket = world.ticket().await;
    let token = world.sign(&world.claims(&ticket));
    let base = [("grant_type", UMA_TICKET), ("client_id", "app"), ("client_secret", "app")];
    let table: &[(&str, &[(&str, &str)], &str)] = &[
        ("no ticket", &[], "invalid_request"),
        ("empty ticket", &[("ticket", "")], "invalid_request"),
        ("ticket twice", &[("ticket", &ticket), ("ticket", &ticket)], "invalid_request"),
        (
            "claim_token without format",
            &[("ticket", &ticket), ("claim_token", &token)],
            "invalid_request",
        ),
        (
            "format without claim_token",
            &[("ticket", &ticket), ("claim_token_format", JWT)],
            "invalid_request",
        ),
        (
            "claim_token twice",
            &[("ticket", &ticket), ("claim_token", &token), ("claim_token", &token)],
            "invalid_request",
        ),
        ("grant_type twice", &[("ticket", &ticket), ("grant_type", "x")], "invalid_request"),
        ("resource is a name", &[("ticket", &ticket), ("resource", "RS API")], "invalid_target"),
        ("scope", &[("ticket", &ticket), ("scope", "a\"b")], "invalid_scope"),
    ];
    for (name, more, code) in table {
        println!("{name}"); // shown if the row fails
        let form = [&base[..], more].concat();
        refused(&world.form("/token", "", &form).await, 400, code);
    }
    // None of them burnt the ticket.
    rpt(&world.redeem(&ticket, &world.claims(&ticket), &[]).await);
}

/// RFC 9449 §5: what is issued beside a proof is bound to its key, and nothing is here. Who asks
/// for that gets no bearer token, and keeps the ticket.
#[tokio::test]
async fn a_proof_of_a_key_is_refused_and_not_ignored() {
    let world = World::new();
    let ticket = world.ticket().await;
    let token = world.sign(&world.claims(&ticket));
    let client = [("client_id", "app"), ("client_secret", "app")];
    let grant = [
        ("grant_type", UMA_TICKET),
        ("ticket", ticket.as_str()),
        ("claim_token", &token),
        ("claim_token_format", JWT),
        ("resource", RS),
    ];
    let pat = [
        ("grant_type", "client_credentials"),
        ("client_id", "rs"),
        ("client_secret", "rs"),
        ("scope", "uma_protection"),
    ];
    for form in [encode(&[&client[..], &grant].concat()), encode(&pat)] {
        let request = Request::post("/token").header("dpop", "a.b.c");
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = world.send(request.body(Body::from(form)).unwrap()).await;
        refused(&answer, 400, "invalid_request");
        assert_eq!(answer.json()["error_description"], "tokens are not bound to a key here");
    }
    let record = world.recorded();
    assert_eq!(record.answer, audit::Answer::Refused(ErrorCode::INVALID_REQUEST));
    rpt(&world.redeem(&ticket, &world.claims(&ticket), &[]).await);
}

#[tokio::test]
async fn forms_only_and_in_the_body_only() {
    let world = World::new();
    let ticket = world.ticket().await;
    let form = [("grant_type", UMA_TICKET), ("client_id", "app"), ("ticket", &ticket)];
    let form = encode(&form);
    for content_type in ["application/json", "text/plain", "multipart/form-data; boundary=x"] {
        let request = Request::post("/token").header(CONTENT_TYPE, content_type);
        let answer = world.send(request.body(Body::from(form.clone())).unwrap()).await;
        refused(&answer, 400, "invalid_request");
    }
    let answer = world.form(&format!("/token?{form}"), "", &[("grant_type", UMA_TICKET)]).await;
    refused(&answer, 400, "invalid_request");
    refused(&world.form("/token", "", &[("client_id", "app")]).await, 400, "invalid_request");
    let long = encode(&[("grant_type", UMA_TICKET), ("ticket", &"x".repeat(65_536))]);
    let request = Request::post("/token").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = world.send(request.body(Body::from(long)).unwrap()).await;
    refused(&answer, 413, "invalid_request");
}

#[tokio::test]
async fn no_claims_and_a_policy_that_needs_some() {
    let world = World::new();
    let ticket = world.ticket().await;
    need_info(&world.present("app", &ticket, &[]).await, &ticket);
    assert_eq!(world.recorded().answer, audit::Answer::NeedInfo);
}

#[tokio::test]
async fn a_claims_token_that_is_refused_rotates_the_ticket() {
    let world = World::new();
    let other = "another ticket";
    let challenge = |ticket: &str| world.claims(ticket)["ticket_challenge"].clone();
    let table: &[(&str, &str, Value)] = &[
        ("expired", "exp", json!(support::NOW - 61)),
        ("lives too long", "exp", json!(support::NOW + 301)),
        ("challenge of another ticket", "ticket_challenge", challenge(other)),
        ("challenge missing", "ticket_challenge", Value::Null),
        ("audience is another server", "aud", json!("https://uma.eve.example")),
        ("audience is a name", "aud", json!("RS API")),
        ("two audiences", "aud", json!(["https://uma.bob.example", "https://x.example"])),
        ("unverified e-mail", "email_verified", json!(false)),
        ("claim resource missing", "resource", Value::Null),
        ("another domain", "email", json!("alice@eve.example")),
        ("another issuer", "iss", json!("https://sts.eve.example")),
    ];
    for (name, claim, value) in table {
        println!("{name}"); // shown if the row fails
        let ticket = world.ticket().await;
        let mut claims = world.claims(&ticket);
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(*claim),
            value => claims.as_object_mut().unwrap().insert((*claim).to_owned(), value.clone()),
        };
        let answer = world.redeem(&ticket, &claims, &[]).await;
        let rotated = need_info(&answer, &ticket);
        assert!(world.recorded().person.is_none());

        // The rotated ticket works once, with its own challenge; the old one is dead.
        refused(&world.redeem(&ticket, &world.claims(&ticket), &[]).await, 400, "invalid_grant");
        rpt(&world.redeem(&rotated, &world.claims(&rotated), &[]).await);
        let again = world.redeem(&rotated, &world.claims(&rotated), &[]).await;
        refused(&again, 400, "invalid_grant");
    }
}

#[tokio::test]
async fn a_token_of_another_kind_or_signature_rotates_the_ticket() {
    let world = World::new();
    let stranger = World::new();
    for (name, typ, key, format) in [
        ("access token", "at+jwt", &world.key, JWT),
        ("ID token", "JWT", &world.key, JWT),
        ("a stranger's signature", "uma-claims+jwt", &stranger.key, JWT),
        ("another format", "uma-claims+jwt", &world.key, "urn:x"),
    ] {
        println!("{name}"); // shown if the row fails
        let ticket = world.ticket().await;
        let token = countersign_jwt::jws::sign(typ, key, &world.claims(&ticket)).unwrap();
        let form = [("claim_token", &*token), ("claim_token_format", format)];
        need_info(&world.present("app", &ticket, &form).await, &ticket);
    }
}

#[tokio::test]
async fn the_right_issuer_is_named() {
    let world = World::new();
    let ticket = world.ticket().await;
    let mut claims = world.claims(&ticket);
    claims["iss"] = json!("https://sts.eve.example");
    let answer = world.redeem(&ticket, &claims, &[]).await;
    need_info(&answer, &ticket);
    assert_eq!(answer.json()["required_claims"][0]["issuer"], json!([support::STS]));
}

#[tokio::test]
async fn a_relayed_ticket_is_worth_nothing() {
    let world = World::new();
    let eve = "https://rs.eve.example";
    for (name, parameter, claim) in [
        ("parameter", eve, RS),
        ("claim", RS, eve),
        ("both", eve, eve),
        ("claim alone", "", eve),
        ("neither", "", ""),
    ] {
        println!("{name}"); // shown if the row fails
        let ticket = world.ticket().await;
        let mut claims = world.claims(&ticket);
        if claim.is_empty() {
            claims.as_object_mut().unwrap().remove("resource");
        } else {
            claims["resource"] = json!(claim);
        }
        let answer = world.redeem(&ticket, &claims, &[("resource", parameter)]).await;
        refused(&answer, 400, "invalid_target");
        assert!(answer.json().get("ticket").is_none());
        // From the look-up on, every answer consumes the ticket.
        refused(&world.redeem(&ticket, &world.claims(&ticket), &[]).await, 400, "invalid_grant");
    }
    let ticket = world.ticket().await;
    let answer = world.present("app", &ticket, &[("resource", "")]).await;
    refused(&answer, 400, "invalid_target");
}

#[tokio::test]
async fn policy_that_does_not_know_the_person() {
    let world = World::new();
    let ticket = world.ticket().await;
    let mut claims = world.claims(&ticket);
    claims["email"] = json!("mallory@alice.example");
    let answer = world.redeem(&ticket, &claims, &[]).await;
    refused(&answer, 403, "request_denied");
    assert!(answer.json().get("ticket").is_none());
}

#[tokio::test]
async fn a_resource_without_policy() {
    let world = World::new();
    let pat = world.pat("rs").await;
    let body = r#"{"resource_scopes":["get"],"name":"Diary"}"#;
    let created = world.protect(Method::POST, "/resources", &pat, body).await;
    let id = created.json()["_id"].as_str().unwrap().to_owned();
    let ticket = world.ticket_for(&pat, &id).await;
    refused(&world.present("app", &ticket, &[]).await, 403, "request_denied");
    let ticket = world.ticket_for(&pat, &id).await;
    let answer = world.redeem(&ticket, &world.claims(&ticket), &[]).await;
    refused(&answer, 403, "request_denied");
}

#[tokio::test]
async fn another_resource_server_cannot_borrow_a_name_to_borrow_a_policy() {
    let world = World::new();
    let pat = world.pat("rs2").await;
    let id = world.register(&pat).await; // calls its resource "RS API" too
    let ticket = world.ticket_for(&pat, &id).await;
    let mut claims = world.claims(&ticket);
    claims["resource"] = json!("https://rs.carol.example");
    let more = [("resource", "https://rs.carol.example")];
    refused(&world.redeem(&ticket, &claims, &more).await, 403, "request_denied");
}

#[tokio::test]
async fn scopes_that_are_not_registered() {
    let world = World::new();
    for scope in ["get", "delete", "put delete"] {
        let ticket = world.ticket().await;
        let answer = world.redeem(&ticket, &world.claims(&ticket), &[("scope", scope)]).await;
        refused(&answer, 400, "invalid_scope");
    }
}

#[tokio::test]
async fn clients_that_may_not() {
    let world = World::new();
    let ticket = world.ticket().await;
    let ask = |client: &'static str, secret: &'static str, grant_type: &'static str| {
        let ticket = ticket.clone();
        let world = &world;
        async move {
            let form = [
                ("grant_type", grant_type),
                ("client_id", client),
                ("client_secret", secret),
                ("ticket", &*ticket),
                ("resource", RS),
            ];
            world.form("/token", "", &form).await
        }
    };
    refused(&ask("app", "app", "authorization_code").await, 400, "unsupported_grant_type");
    refused(&ask("no-grant", "no-grant", UMA_TICKET).await, 400, "unauthorized_client");
    for (client, secret) in [("app", "wrong"), ("nobody", "app"), ("public", "x")] {
        let answer = ask(client, secret, UMA_TICKET).await;
        refused(&answer, 401, "invalid_client");
        assert!(answer.header("www-authenticate").starts_with("Basic "));
    }
    let form = [("grant_type", UMA_TICKET), ("ticket", &*ticket), ("client_id", "app")];
    refused(&world.form("/token", "", &form).await, 401, "invalid_client");

    let form = encode(&[("grant_type", UMA_TICKET), ("ticket", &ticket), ("client_secret", "app")]);
    let request = Request::post("/token")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(AUTHORIZATION, "Basic YXBwOmFwcA==")
        .body(Body::from(form))
        .unwrap();
    refused(&world.send(request).await, 400, "invalid_request");

    // None of them burnt the ticket.
    rpt(&world.redeem(&ticket, &world.claims(&ticket), &[]).await);
}

#[tokio::test]
async fn a_client_assertion_is_good_once_and_here() {
    let world = World::new();
    let assertion = |jti: &str, aud: Value| {
        let claims = json!({
            "iss": "keys", "sub": "keys", "aud": aud, "jti": jti,
            "iat": world.now(), "exp": world.now() + 60,
        });
        countersign_jwt::jws::sign("client-authentication+jwt", &world.key, &claims).unwrap()
    };
    let present = |ticket: String, assertion: String| {
        let world = &world;
        async move {
            let token = world.sign(&world.claims(&ticket));
            let form = [
                ("grant_type", UMA_TICKET),
                ("ticket", &*ticket),
                ("resource", RS),
                ("claim_token", &*token),
                ("claim_token_format", JWT),
                ("client_assertion", &*assertion),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ];
            world.form("/token", "", &form).await
        }
    };
    let (a, b) = (world.ticket().await, world.ticket().await);
    let issuer = json!("https://uma.bob.example");
    for aud in [
        json!("https://uma.bob.example/token"),
        json!(["https://uma.bob.example", "https://x.example"]),
    ] {
        refused(&present(a.clone(), assertion("j1", aud)).await, 401, "invalid_client");
    }
    let good = assertion("j1", issuer.clone());
    rpt(&present(a, good.clone()).await);
    refused(&present(b.clone(), good).await, 401, "invalid_client");
    rpt(&present(b, assertion("j2", issuer)).await);
}

/// Claims are pushed, and no page asks anybody for any.
#[tokio::test]
async fn u10_u11_u12_nobody_is_redirected_to_give_claims() {
    let world = World::new();
    let metadata = world.protect(http::Method::GET, "/.well-known/uma2-configuration", "", "");
    assert_eq!(metadata.await.json().get("claims_interaction_endpoint"), None);
    let ticket = world.ticket().await;
    let more = [("claims_redirect_uri", "https://app.example/back"), ("state", "s")];
    let answer = world.present("app", &ticket, &more).await;
    need_info(&answer, &ticket);
    assert_eq!(answer.json().get("redirect_user"), None);
    assert!(!answer.text.contains("app.example"), "{answer:?}");
    assert_eq!(answer.headers.get("location"), None);
}

#[tokio::test]
async fn a_pct_and_an_rpt_have_no_effect() {
    let world = World::new();
    let ticket = world.ticket().await;
    let old = rpt(&world.redeem(&ticket, &world.claims(&ticket), &[]).await);
    let ticket = world.ticket().await;
    need_info(&world.present("app", &ticket, &[("pct", "p"), ("rpt", &old)]).await, &ticket);
    let ticket = world.ticket().await;
    let answer = world.redeem(&ticket, &world.claims(&ticket), &[("rpt", &old)]).await;
    assert_ne!(rpt(&answer), old);
    assert!(answer.json().get("upgraded").is_none());
    assert!(answer.json().get("pct").is_none());
}

#[tokio::test]
async fn resource_may_repeat_but_not_differ() {
    let world = World::new();
    let ticket = world.ticket().await;
    let more = [("resource", RS), ("resource", RS)];
    rpt(&world.redeem(&ticket, &world.claims(&ticket), &more).await);
    let ticket = world.ticket().await;
    let more = [("resource", RS), ("resource", "https://rs.eve.example")];
    refused(&world.redeem(&ticket, &world.claims(&ticket), &more).await, 400, "invalid_target");
}

/// Pushes claims that suffice for `get` while asking for `put` too, and gives the rotated ticket.
async fn first_round(world: &World, client: &str) -> String {
    let ticket = world.ticket().await;
    let token = world.sign(&world.claims(&ticket));
    let form = [("claim_token", &*token), ("claim_token_format", JWT), ("scope", "put")];
    let answer = world.present(client, &ticket, &form).await;
    let rotated = need_info(&answer, &ticket);
    assert_eq!(answer.json()["required_claims"][0]["name"], "department");
    rotated
}

#[tokio::test]
async fn continuing_without_a_claims_token() {
    let world = World::new();
    let rotated = first_round(&world, "app").await;
    rpt(&world.present("app", &rotated, &[]).await);

    let rotated = first_round(&world, "public").await;
    need_info(&world.present("public", &rotated, &[]).await, &rotated);

    let rotated = first_round(&world, "app").await;
    refused(&world.present("app2", &rotated, &[]).await, 400, "invalid_grant");
    refused(&world.present("public", &rotated, &[]).await, 400, "invalid_grant");
    // A stranger's attempt did not burn it.
    rpt(&world.present("app", &rotated, &[]).await);

    let rotated = first_round(&world, "app").await;
    let mut claims = world.claims(&rotated);
    claims["sub"] = json!("a2");
    refused(&world.redeem(&rotated, &claims, &[]).await, 403, "request_denied");
}

#[tokio::test]
async fn a_refused_token_leaves_what_the_process_holds() {
    let world = World::new();
    let rotated = first_round(&world, "app").await;
    let mut claims = world.claims(&rotated);
    claims["ticket_challenge"] = world.claims("another ticket")["ticket_challenge"].clone();
    let next = need_info(&world.redeem(&rotated, &claims, &[]).await, &rotated);
    rpt(&world.present("app", &next, &[]).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_at_once_and_one_gets_in() {
    let world = Arc::new(World::new());
    for _ in 0..4 {
        let ticket = world.ticket().await;
        let claims = world.claims(&ticket);
        let requests: Vec<_> = (0..50)
            .map(|_| {
                let (world, ticket, claims) = (Arc::clone(&world), ticket.clone(), claims.clone());
                tokio::spawn(async move { world.redeem(&ticket, &claims, &[]).await })
            })
            .collect();
        let mut granted = 0;
        for request in requests {
            let answer = request.await.unwrap();
            if answer.status == 200 {
                granted += 1;
            } else {
                refused(&answer, 400, "invalid_grant");
            }
        }
        assert_eq!(granted, 1);
    }
}
