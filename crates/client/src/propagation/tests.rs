//! Tokens that a relying party takes, and what a client shows nobody.

mod dpop;
mod servers;
mod world;

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use countersign_claims_token::VerifiedEmail;
use countersign_fetch::Request;
use countersign_identity_propagation::client_proof::HEADER;
use countersign_jwt::act::{Actor, ActorChain};
use countersign_types::secret::AccessToken;
use countersign_types::{EmailAddress, Params, Timestamp, TokenType};
use http::HeaderValue;
use serde_json::json;

use self::world::*;
use super::*;
use crate::subject::Person;

#[tokio::test]
async fn both_forms_end_at_the_relying_party() {
    for form in [ActorForm::Issuer, ActorForm::Target] {
        let world = Arc::new(World::new());
        let seen: Arc<Mutex<Vec<u8>>> = Arc::default();
        let compared: Arc<Mutex<Vec<&'static str>>> = Arc::default();
        let (note, checked) = (Arc::clone(&seen), Arc::clone(&compared));
        let propagator = propagator(&world).with_actor_form(form).with_observer(Arc::new(
            move |event: &PropagationEvent<'_>| match event {
                PropagationEvent::Checked { what, .. } => {
                    checked.lock().unwrap().push(*what);
                }
                event => note.lock().unwrap().extend(event.arrow()),
            },
        ));
        let response = propagator.request(get(&format!("{RP}/api"))).await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        let post = http::Request::post(format!("{RP}/api")).body(Bytes::from("x")).unwrap();
        assert_eq!(propagator.request(post).await.unwrap().status().as_u16(), 201);
        assert_eq!(*seen.lock().unwrap(), [1, 2, 3, 6, 7, 8, 10, 7, 8, 10], "one exchange");
        assert_eq!(compared.lock().unwrap().len(), 6, "A34 once, whose URL it is twice");

        let [exchange] = world.sent_to(&format!("{STS}/token")).try_into().unwrap();
        let params = Params::parse(&exchange.body, &["resource", "audience"]).unwrap();
        assert_eq!(params.get("resource").is_some(), form == ActorForm::Issuer);
        let proofs = world.sent_to(RP);
        let proof = |sent: &Request| sent.headers.get(HEADER).unwrap().clone();
        assert_ne!(proof(&proofs[0]), proof(&proofs[1]), "a proof is used once");
        assert!(proof(&proofs[0]).is_sensitive());
    }
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let world = Arc::new(World::new());
    let propagator = propagator(&world);
    for (seconds, exchanges) in [(0, 1), (289, 1), (1, 2), (100, 2)] {
        world.seconds.fetch_add(seconds, Ordering::Relaxed);
        propagator.request(get(&format!("{RP}/api"))).await.unwrap();
        assert_eq!(world.sent_to(&format!("{STS}/token")).len(), exchanges, "{seconds}");
    }
}

/// What a relying party knows of keys, clients and people changes while a token lives.
#[tokio::test]
async fn a_token_that_is_refused_is_not_shown_again() {
    let world = Arc::new(World::new());
    let propagator = propagator(&world);
    let exchanges = || world.sent_to(&format!("{STS}/token")).len();
    // (requests refused from now on, status, exchanges so far, requests so far)
    for (refused, status, exchanged, sent) in [
        (0, 200, 1, 1),
        (1, 200, 2, 3),
        (0, 200, 2, 4),
        (2, 401, 3, 6),
        // What was refused at once is not tried again with another.
        (1, 401, 4, 7),
        (0, 200, 5, 8),
    ] {
        world.refused.store(refused, Ordering::Relaxed);
        let response = propagator.request(get(&format!("{RP}/api"))).await.unwrap();
        let seen = (response.status().as_u16(), exchanges(), world.sent_to(RP).len());
        assert_eq!(seen, (status, exchanged, sent));
    }
}

/// Another subject token may say that somebody else acted before; its identity token says so, too.
#[tokio::test]
async fn an_identity_token_is_used_for_its_own_subject_token_alone() {
    let world = Arc::new(World::new());
    let propagator = propagator(&world);
    let subject = |token: &str| Subject {
        access_token: AccessToken::new(token),
        person: Person::Email(alice()),
    };
    for (token, exchanges) in [("at", 1), ("at", 1), ("at of another chain", 2), ("at", 2)] {
        let request = get(&format!("{RP}/api"));
        propagator.request_for(&subject(token), request).await.unwrap();
        assert_eq!(world.sent_to(&format!("{STS}/token")).len(), exchanges, "{token}");
    }
    propagator.request(get(&format!("{RP}/api"))).await.unwrap();
    assert_eq!(world.sent_to(&format!("{STS}/token")).len(), 2, "the session's token is the first");
}

/// A34, and the models' `cliChk`: what the own service answers is checked before anybody sees it.
#[tokio::test]
async fn a_client_shows_nobody_what_it_did_not_ask_for() {
    let lies: &[(&str, Lie)] = &[
        ("another person", |token| {
            let mallory = EmailAddress::parse("mallory@alice.example").unwrap();
            token.sub = VerifiedEmail::of_own_account(mallory);
        }),
        ("another relying party", |token| {
            token.aud = ResourceIdentifier::parse("https://rp.evil.example").unwrap();
        }),
        ("another client", |token| {
            token.act = ActorChain::new(Actor::of_subject("https://other.example/client"));
            token.client_id = ClientId::parse("https://other.example/client").unwrap();
        }),
        ("another issuer", |token| token.iss = Issuer::parse("https://sts.evil.example").unwrap()),
        ("expired", |token| token.exp = Timestamp::from_unix(NOW - 61)),
    ];
    for (name, lie) in lies {
        let world = Arc::new(World { lie: *lie, ..World::new() });
        let refused = propagator(&world).request(get(&format!("{RP}/api"))).await;
        assert!(matches!(refused, Err(PropagationError::IdentityToken { .. })), "{name}");
        assert!(world.sent_to(RP).is_empty(), "{name}");
    }
    for (name, response) in [
        (
            "an access token",
            json!({ "issued_token_type": TokenType::ACCESS_TOKEN.as_str(),
            "token_type": "Bearer" }),
        ),
        (
            "a bearer token",
            json!({ "issued_token_type": TokenType::JWT.as_str(),
            "token_type": "Bearer" }),
        ),
    ] {
        let world = Arc::new(World { token_response: response, ..World::new() });
        let refused = propagator(&world).request(get(&format!("{RP}/api"))).await;
        assert!(matches!(refused, Err(PropagationError::IssuedType(_))), "{name}");
        assert!(world.sent_to(RP).is_empty(), "{name}");
    }
    let world = Arc::new(World::new());
    let unknown = propagator_for(&world, Person::Subject("alice".to_owned()));
    let refused = unknown.request(get(&format!("{RP}/api"))).await;
    assert!(matches!(refused, Err(PropagationError::NoEmail)));
    assert!(world.sent_to(STS).is_empty());
}

/// The models' `audMeta`: a relying party cannot have the token made out to another one.
#[tokio::test]
async fn metadata_about_another_party_is_not_used() {
    let metadata = Some(json!({ "resource": "https://rp.honest.example" }));
    let world = Arc::new(World { rp_metadata: metadata, ..World::new() });
    propagator(&world).request(get(&format!("{RP}/api"))).await.unwrap();
    let own = Some(json!({ "resource": RP }));
    let world = Arc::new(World { rp_metadata: own, ..World::new() });
    propagator(&world).request(get(&format!("{RP}/api"))).await.unwrap();
}

#[tokio::test]
async fn credentials_are_the_clients_to_set() {
    let world = Arc::new(World::new());
    for (name, value) in [("authorization", "Bearer x"), ("client-assertion", "x"), ("dpop", "x")] {
        let mut request = get(&format!("{RP}/api"));
        request.headers_mut().insert(name, HeaderValue::from_static(value));
        let refused = propagator(&world).request(request).await;
        assert!(matches!(refused, Err(PropagationError::Request(_))), "{name}");
    }
    let refused = propagator(&world).request(get("http://rp.bob.example/api")).await;
    assert!(matches!(refused, Err(PropagationError::Request(_))));
    assert!(world.sent.lock().unwrap().is_empty());
}

/// A relying party with a path of its own: where nothing at the origin says so, its challenge does.
#[tokio::test]
async fn a_challenge_tells_who_the_relying_party_is() {
    let identifier = "https://rp.bob.example/api";
    let challenge = format!("{RP}{WELL_KNOWN}/api");
    let world = Arc::new(World { identifier, challenge: challenge.clone(), ..World::new() });
    let response = propagator(&world).request(get(&format!("{RP}/api/a"))).await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(world.sent_to(RP).len(), 2);
    // What it says of another URL, or another origin says of this one, leads nowhere.
    for (url, challenge) in [
        (format!("{RP}/other"), challenge.clone()),
        (format!("{RP}/api"), "https://rp.evil.example/.well-known/x".to_owned()),
    ] {
        let world = Arc::new(World { identifier, challenge, ..World::new() });
        let response = propagator(&world).request(get(&url)).await.unwrap();
        assert_eq!(response.status().as_u16(), 401, "{url}");
        assert_eq!(world.sent_to("https://rp.").len(), 1, "{url}");
    }
    // Who knows it says it.
    let world = Arc::new(World { identifier, challenge, ..World::new() });
    let known = ResourceIdentifier::parse(identifier).unwrap();
    let propagator = propagator(&world).with_relying_party(known);
    assert_eq!(propagator.request(get(identifier)).await.unwrap().status().as_u16(), 200);
    assert_eq!(world.sent_to(RP).len(), 1);
    let refused = propagator.request(get("https://rp.evil.example/api")).await;
    assert!(matches!(refused, Err(PropagationError::Request(_))));
}
