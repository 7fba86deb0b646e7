//! A6, A34, RFC 9449: tokens that are bound to a key, and the nonces of both servers.

use std::sync::{Arc, Mutex};

use countersign_client_auth::dpop;
use countersign_fetch::Request;
use countersign_identity_propagation::IdentityTokenError;
use countersign_identity_propagation::client_proof::HEADER;
use countersign_jwt::cnf::Confirmation;
use countersign_jwt::{Algorithm, SigningKey, Unverified};
use countersign_types::digest::Digest;
use http::header::AUTHORIZATION;
use oauth2::RequestTokenError;
use serde_json::json;

use super::super::*;
use super::servers::Nonces;
use super::world::{Lie, RP, STS, World, get, propagator};

fn key() -> Arc<SigningKey> {
    Arc::new(SigningKey::generate(Algorithm::Es256, None).unwrap())
}

fn bound(world: &Arc<World>) -> IdentityPropagator {
    propagator(world).with_dpop(key())
}

fn nonce_of(request: &Request) -> Option<String> {
    let proof = dpop::presented(&request.headers).unwrap().unwrap();
    let proof = Unverified::parse(proof.expose()).unwrap();
    proof.claims().str("nonce").unwrap().map(str::to_owned)
}

/// Which nonces the requests to a place carried.
fn nonces(world: &World, place: &str) -> Vec<Option<String>> {
    world.sent_to(place).iter().map(nonce_of).collect()
}

fn some(nonce: &str) -> Option<String> {
    Some(nonce.to_owned())
}

#[tokio::test]
async fn rfc_9449_section_7_1_a_bound_token_is_shown_with_a_proof_of_its_key() {
    for token_type in ["N_A", "DPoP"] {
        let mut world = World::new();
        world.token_response["token_type"] = json!(token_type);
        let world = Arc::new(world);
        let seen: Arc<Mutex<Vec<u8>>> = Arc::default();
        let compared: Arc<Mutex<Vec<&'static str>>> = Arc::default();
        let (note, checked) = (Arc::clone(&seen), Arc::clone(&compared));
        let propagator = bound(&world).with_observer(Arc::new(
            move |event: &PropagationEvent<'_>| match event {
                PropagationEvent::Checked { what, .. } => checked.lock().unwrap().push(*what),
                event => note.lock().unwrap().extend(event.arrow()),
            },
        ));
        for _ in 0..2 {
            let response = propagator.request(get(&format!("{RP}/api?page=2"))).await.unwrap();
            assert_eq!(response.status().as_u16(), 200);
        }
        assert_eq!(*seen.lock().unwrap(), [1, 2, 3, 6, 7, 8, 10, 7, 8, 10], "one exchange");
        assert!(compared.lock().unwrap().contains(&"cnf.jkt is the key that was proved"));
        let proofs = world.sent_to(RP);
        assert_ne!(proofs[0].headers[dpop::HEADER], proofs[1].headers[dpop::HEADER], "used once");
        for sent in proofs {
            assert!(sent.headers[AUTHORIZATION].to_str().unwrap().starts_with("DPoP "));
            assert!(sent.headers[AUTHORIZATION].is_sensitive());
            assert!(sent.headers[dpop::HEADER].is_sensitive());
            assert!(sent.headers.contains_key(HEADER), "who the client is, its own keys say");
        }
    }
}

/// A34: what the own service returns is not used unless it is bound to the very key.
#[tokio::test]
async fn a34_a_token_that_is_not_bound_to_the_key_is_shown_to_nobody() {
    let unbound: Lie = |token| token.cnf = None;
    let of_another: Lie = |token| token.cnf = Some(Confirmation::Jkt(Digest::of(b"another")));
    for (name, lie) in [("not bound", unbound), ("bound to another key", of_another)] {
        let world = Arc::new(World { lie, ..World::new() });
        let refused = bound(&world).request(get(&format!("{RP}/api"))).await.unwrap_err();
        let PropagationError::IdentityToken { source, .. } = refused else { panic!("{refused}") };
        assert!(matches!(source, IdentityTokenError::Confirmation), "{name}: {source}");
        assert!(world.sent_to(RP).is_empty(), "{name}");
    }
    // Nor is one that is bound where no key was proved.
    let world = Arc::new(World { lie: of_another, ..World::new() });
    let refused = propagator(&world).request(get(&format!("{RP}/api"))).await;
    assert!(matches!(refused, Err(PropagationError::IdentityToken { .. })));
    for (name, proves, token_type) in [("a bearer token", true, "Bearer"), ("bound", false, "DPoP")]
    {
        let mut world = World::new();
        world.token_response["token_type"] = json!(token_type);
        let world = Arc::new(world);
        let client = if proves { bound(&world) } else { propagator(&world) };
        let refused = client.request(get(&format!("{RP}/api"))).await;
        assert!(matches!(refused, Err(PropagationError::IssuedType(_))), "{name}");
        assert!(world.sent_to(RP).is_empty(), "{name}");
    }
}

/// Whoever has the token refused as it is does not get it as a bearer token.
#[tokio::test]
async fn a_refusal_leads_to_no_bearer_token() {
    let world = Arc::new(World::new());
    let propagator = bound(&world);
    world.refused.store(9, std::sync::atomic::Ordering::Relaxed);
    let response = propagator.request(get(&format!("{RP}/api"))).await.unwrap();
    assert_eq!(response.status().as_u16(), 401);
    let identifier = "https://rp.bob.example/api";
    let challenge = format!("{RP}{}/api", super::world::WELL_KNOWN);
    let other = Arc::new(World { identifier, challenge, ..World::new() });
    let response = bound(&other).request(get(&format!("{RP}/api/a"))).await.unwrap();
    assert_eq!(response.status().as_u16(), 200, "the challenge names another relying party");
    let sent = [world.sent_to(RP), other.sent_to(RP)].concat();
    assert_eq!(sent.len(), 3);
    for sent in sent {
        assert!(sent.headers[AUTHORIZATION].to_str().unwrap().starts_with("DPoP "));
    }
}

#[tokio::test]
async fn rfc_9449_section_8_and_9_both_servers_get_the_nonce_they_gave() {
    let world = World {
        provider_nonces: Some(Nonces::of("provider")),
        party_nonces: Some(Nonces::of("party")),
        ..World::new()
    };
    let world = Arc::new(world);
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let note = Arc::clone(&asked);
    let propagator = bound(&world).with_observer(Arc::new(move |event: &PropagationEvent<'_>| {
        if let PropagationEvent::NonceAsked { url, nonce } = event {
            note.lock().unwrap().push(format!("{url} {nonce}"));
        }
    }));
    for _ in 0..3 {
        let response = propagator.request(get(&format!("{RP}/api"))).await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
    }
    // Section 8.2: what a response brings goes into the next request, so that nobody asks twice.
    let token = format!("{STS}/token");
    assert_eq!(nonces(&world, &token), [None, some("provider-1")]);
    let party = [None, some("party-1"), some("party-2"), some("party-3")];
    assert_eq!(nonces(&world, RP), party);
    let expected = [format!("{token} provider-1"), format!("{RP}/api party-1")];
    assert_eq!(*asked.lock().unwrap(), expected);
    // Once the token has ended, the nonce that came with it is the one that counts.
    world.seconds.fetch_add(295, std::sync::atomic::Ordering::Relaxed);
    propagator.request(get(&format!("{RP}/api"))).await.unwrap();
    assert_eq!(nonces(&world, &token)[2..], [some("provider-2")]);
}

#[tokio::test]
async fn a_server_that_is_never_content_is_asked_twice() {
    let provider_nonces = Some(Nonces::never_content("provider"));
    let world = Arc::new(World { provider_nonces, ..World::new() });
    let refused = bound(&world).request(get(&format!("{RP}/api"))).await.unwrap_err();
    let PropagationError::Exchange { source, .. } = refused else { panic!("{refused}") };
    let RequestTokenError::ServerResponse(answer) = *source else { panic!("{source}") };
    assert_eq!(answer.error, "use_dpop_nonce");
    assert_eq!(world.provider_nonces.as_ref().unwrap().given(), 2);
    assert!(world.sent_to(RP).is_empty());

    let party_nonces = Some(Nonces::never_content("party"));
    let world = Arc::new(World { party_nonces, ..World::new() });
    let propagator = bound(&world);
    for requests in [2, 4] {
        let response = propagator.request(get(&format!("{RP}/api"))).await.unwrap();
        assert_eq!(response.status().as_u16(), 401);
        assert_eq!(world.party_nonces.as_ref().unwrap().given(), requests);
    }
    let exchanges = world.sent_to(&format!("{STS}/token")).len();
    assert_eq!(exchanges, 1, "a server that asks for a nonce has not refused the token");
}

/// Who asks for a nonce and gives none gets no second request.
#[tokio::test]
async fn a_question_without_a_nonce_is_the_answer() {
    let provider_nonces = Some(Nonces::silent("provider"));
    let world = Arc::new(World { provider_nonces, ..World::new() });
    let refused = bound(&world).request(get(&format!("{RP}/api"))).await;
    assert!(matches!(refused, Err(PropagationError::Exchange { .. })));
    assert_eq!(world.sent_to(&format!("{STS}/token")).len(), 1);

    let party_nonces = Some(Nonces::silent("party"));
    let world = Arc::new(World { party_nonces, ..World::new() });
    let response = bound(&world).request(get(&format!("{RP}/api"))).await.unwrap();
    assert_eq!((response.status().as_u16(), world.sent_to(RP).len()), (401, 1));
}

#[tokio::test]
async fn a_token_is_not_kept_for_another_key() {
    let world = Arc::new(World::new());
    let first = bound(&world);
    first.request(get(&format!("{RP}/api"))).await.unwrap();
    first.with_dpop(key()).request(get(&format!("{RP}/api"))).await.unwrap();
    assert_eq!(world.sent_to(&format!("{STS}/token")).len(), 2);
}
