//! Keys that are replaced while the service runs.

use countersign_jwt::{Algorithm, SigningKey, SigningRing, Unverified};
use serde_json::json;

use crate::support::*;

fn copy(key: &SigningKey) -> SigningKey {
    SigningKey::from_json(key.to_jwk().unwrap().as_bytes()).unwrap()
}

fn kid(token: &str) -> String {
    Unverified::parse(token).unwrap().header().kid().unwrap().to_owned()
}

async fn published(world: &World) -> Vec<String> {
    let keys = world.get("/jwks").await.json();
    let keys = keys["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// What an exchange of an access token for a claims token is answered with.
async fn exchanged(world: &World, token: &str) -> Answer {
    world
        .token(&[
            ("grant_type", EXCHANGE),
            ("subject_token", token),
            ("subject_token_type", ACCESS_TOKEN),
            ("requested_token_type", JWT),
            ("audience", UMA),
            ("resource", RS),
            ("ticket_challenge", CHALLENGE),
            ("ticket_challenge_method", "S256"),
            ("client_id", "rqp-client"),
            ("client_secret", SECRET),
        ])
        .await
}

#[tokio::test]
async fn a_rotation_is_announced_and_what_was_signed_before_it_stays_good() {
    let world = World::new();
    let rsa = SigningKey::generate(Algorithm::Rs256, Some("rsa")).unwrap();
    let (old, new) = (SigningKey::generate(Algorithm::Es256, Some("old")).unwrap(), || {
        SigningKey::generate(Algorithm::Es256, Some("new")).unwrap()
    });
    let new = new();
    let before = SigningRing::from_keys(vec![copy(&old), copy(&rsa)]).unwrap();

    let announced = before.with_next(new.public().clone()).unwrap();
    world.sts.replace_keys(announced.clone()).unwrap();
    let token = world.access_token("alice", "openid email claims-provider").await;
    assert_eq!(kid(&token), "old", "the next key does not sign yet");
    assert!(published(&world).await.contains(&"new".to_owned()));

    world.sts.replace_keys(announced.rotate(copy(&new)).unwrap()).unwrap();
    assert!(published(&world).await.contains(&"old".to_owned()));
    let claims_token = exchanged(&world, &token).await;
    assert_eq!(claims_token.status, 200, "{}", claims_token.text);
    assert_eq!(kid(claims_token.json()["access_token"].as_str().unwrap()), "new");

    world.sts.replace_keys(SigningRing::from_keys(vec![new, rsa]).unwrap()).unwrap();
    assert!(!published(&world).await.contains(&"old".to_owned()));
    let refused = exchanged(&world, &token).await;
    assert_eq!(
        refused.json()["error"],
        json!("invalid_request"),
        "retired, and refused from now on"
    );
}

#[tokio::test]
async fn a_ring_without_a_needed_key_changes_nothing() {
    let world = World::new();
    let before = published(&world).await;
    let lonely = SigningKey::generate(Algorithm::Es256, Some("lonely")).unwrap();
    world.sts.replace_keys(SigningRing::from_keys(vec![lonely]).unwrap()).unwrap_err();
    assert_eq!(published(&world).await, before);
}
