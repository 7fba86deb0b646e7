use countersign_jwt::act::Actor;
use countersign_jwt::{Algorithm, SigningKey};
use countersign_types::digest::Digest;
use serde_json::json;

use super::*;
use crate::testing::{Change, NOW, World, changed, claims_of, keys};

#[test]
fn a_minted_token_has_the_claims_of_the_profile_and_reads_back() {
    let world = World::new();
    let token = world.identity_token();
    let expected = json!({
        "iss": "https://sts.alice.example", "sub": "alice@alice.example",
        "aud": "https://rp.bob.example", "exp": 1_800_000_300, "nbf": 1_800_000_000,
        "iat": 1_800_000_000, "jti": "1", "act": { "sub": "https://mail.example/client" },
        "client_id": "https://mail.example/client",
    });
    assert_eq!(json!(claims_of(&token)), expected);

    let checked = check(&token, &world.rp, NOW).unwrap();
    let identity = checked.verify(&world.sts_keys(), &world.sts).unwrap();
    assert_eq!(identity.email(), &world.alice);
    assert_eq!(identity.client(), &world.client);
    assert_eq!(identity.issuer(), &world.sts);
    assert_eq!(identity.jwt_id(), Some("1"));
    assert_eq!(identity.expires(), NOW.after(IdentityToken::LIFETIME));
}

#[test]
fn former_actors_and_the_binding_go_along() {
    let world = World::new();
    let act = ActorChain::new(Actor::of_subject("https://first.example/client"));
    let act = act.delegated_to(Actor::of_subject(world.client.as_str())).unwrap();
    let cnf = Some(Confirmation::Jkt(Digest::of(b"key")));
    let token = IdentityToken { act, cnf, ..world.identity() }.mint(&world.sts_key).unwrap();
    let checked = check(&token, &world.rp, NOW).unwrap();
    assert_eq!(checked.confirmation(), cnf.as_ref());
    let identity = checked.verify(&world.sts_keys(), &world.sts).unwrap();
    assert_eq!(identity.client(), &world.client, "the outermost alone");
    assert_eq!(identity.act().prior(), [Actor::of_subject("https://first.example/client")]);
}

#[test]
fn every_claim_is_checked_before_a_key_is_looked_for() {
    let world = World::new();
    let at = |seconds: i64| json!(NOW.as_unix() + seconds);
    let rows: &[(&str, &str, &[Change<'_>], bool)] = &[
        ("unchanged", TYP, &[], true),
        ("ten minutes", TYP, &[("exp", at(600))], true),
        (
            "only what is required",
            TYP,
            &[("iat", json!(null)), ("jti", json!(null)), ("client_id", json!(null))],
            true,
        ),
        ("the same address as email", TYP, &[("email", json!("alice@ALICE.example"))], true),
        ("access token", "at+jwt", &[], false),
        ("ID token", "JWT", &[], false),
        ("claims token", "uma-claims+jwt", &[], false),
        ("actor token", "actor+jwt", &[], false),
        ("another audience", TYP, &[("aud", json!("https://rp.bob.example/"))], false),
        ("two audiences", TYP, &[("aud", json!([world.rp, world.sts]))], false),
        ("no audience", TYP, &[("aud", json!(null))], false),
        ("expired", TYP, &[("exp", at(-60))], false),
        ("no exp", TYP, &[("exp", json!(null))], false),
        ("nbf ahead", TYP, &[("nbf", at(61))], false),
        ("no nbf", TYP, &[("nbf", json!(null))], false),
        ("too long", TYP, &[("exp", at(601))], false),
        ("no issuer", TYP, &[("iss", json!(null))], false),
        ("an issuer over http", TYP, &[("iss", json!("http://sts.alice.example"))], false),
        ("no subject", TYP, &[("sub", json!(null))], false),
        ("a subject that is no address", TYP, &[("sub", json!("alice"))], false),
        ("another email", TYP, &[("email", json!("bob@alice.example"))], false),
        (
            "an unverified email",
            TYP,
            &[("email", json!("alice@alice.example")), ("email_verified", json!(false))],
            false,
        ),
        ("nobody acts", TYP, &[("act", json!(null))], false),
        ("act is a text", TYP, &[("act", json!("https://mail.example/client"))], false),
        ("act without sub", TYP, &[("act", json!({ "iss": "https://mail.example" }))], false),
        (
            "a local actor",
            TYP,
            &[("act", json!({ "sub": "mail" })), ("client_id", json!(null))],
            false,
        ),
        ("another client", TYP, &[("client_id", json!("https://other.example/client"))], false),
        (
            "another client in act",
            TYP,
            &[(
                "act",
                json!({
                    "sub": "https://mail.example/client", "client_id": "https://other.example/client",
                }),
            )],
            false,
        ),
        ("a binding that is not understood", TYP, &[("cnf", json!({ "kid": "1" }))], false),
    ];
    for (name, typ, changes, accepted) in rows {
        let token = changed(&world.identity_token(), Some(typ), &world.sts_key, changes);
        assert_eq!(check(&token, &world.rp, NOW).is_ok(), *accepted, "{name}");
    }
    let untyped = changed(&world.identity_token(), None, &world.sts_key, &[]);
    assert!(check(&untyped, &world.rp, NOW).is_err(), "without typ");
}

#[test]
fn the_issuer_is_the_one_found_from_the_address_and_signed() {
    let world = World::new();
    let verify = |keys: &KeySet, entitled: &Issuer| {
        let checked = check(&world.identity_token(), &world.rp, NOW).unwrap();
        checked.verify(keys, entitled)
    };
    assert!(verify(&world.sts_keys(), &world.sts).is_ok());
    let other = Issuer::parse("https://sts.alice.example/").unwrap();
    let refused = verify(&world.sts_keys(), &other);
    assert!(matches!(refused, Err(IdentityTokenError::Issuer)));
    let key = SigningKey::generate(Algorithm::Es256, None).unwrap();
    assert!(matches!(verify(&keys(&key), &world.sts), Err(IdentityTokenError::Signature(_))));
}

#[test]
fn a_client_believes_its_own_service_nothing() {
    let world = World::new();
    let token = world.identity_token();
    let expected = ExpectedByClient {
        issuer: &world.sts,
        audience: &world.rp,
        person: &world.alice,
        client_id: &world.client,
        confirmation: None,
        now: NOW,
    };
    check_received(&token, &expected).unwrap();

    let issuer = Issuer::parse("https://sts.evil.example").unwrap();
    let audience = ResourceIdentifier::parse("https://rp.evil.example").unwrap();
    let person = EmailAddress::parse("mallory@alice.example").unwrap();
    let client_id = ClientId::parse("https://other.example/client").unwrap();
    let confirmation = Some(Confirmation::Jkt(Digest::of(b"key")));
    for (name, expected) in [
        ("another issuer", ExpectedByClient { issuer: &issuer, ..expected }),
        ("another relying party", ExpectedByClient { audience: &audience, ..expected }),
        ("another person", ExpectedByClient { person: &person, ..expected }),
        ("another client", ExpectedByClient { client_id: &client_id, ..expected }),
        ("no binding", ExpectedByClient { confirmation, ..expected }),
        ("expired", ExpectedByClient { now: NOW.after(Lifetime::from_secs(361)), ..expected }),
    ] {
        assert!(check_received(&token, &expected).is_err(), "{name}");
    }
    let bound = IdentityToken { cnf: confirmation, ..world.identity() }.mint(&world.sts_key);
    let bound = bound.unwrap();
    assert!(check_received(&bound, &expected).is_err(), "a binding nobody asked for");
    assert!(check_received(&bound, &ExpectedByClient { confirmation, ..expected }).is_ok());
}
