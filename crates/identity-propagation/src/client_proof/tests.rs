use countersign_jwt::{Algorithm, SigningKey};
use serde_json::json;

use super::*;
use crate::testing::{Change, NOW, World, changed, claims_of, keys};

#[test]
fn a_minted_proof_has_the_claims_of_the_profile() {
    let world = World::new();
    let token = AccessToken::new("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
    let expected = json!({
        "iss": "https://mail.example/client", "sub": "https://mail.example/client",
        "aud": "https://rp.bob.example", "jti": "AAAAAAAAAAAAAAAAAAAAAA",
        "iat": 1_800_000_000, "exp": 1_800_000_060,
        // The access token and its hash are those of RFC 9449 §7.1, Figures 12 and 13.
        "ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo",
    });
    assert_eq!(json!(claims_of(&world.proof_of(&token))), expected);
}

#[test]
fn a_proof_goes_with_one_token_of_one_client_to_one_relying_party() {
    let world = World::new();
    let token = world.identity_token();
    let at = |seconds: i64| json!(NOW.as_unix() + seconds);
    let of_another = ath(&AccessToken::new("another token"));
    let rows: &[(&str, Option<&str>, &[Change<'_>], bool)] = &[
        ("unchanged", Some(TYP), &[], true),
        ("no typ", None, &[], false),
        ("actor token", Some("actor+jwt"), &[], false),
        ("client assertion", Some("client-authentication+jwt"), &[], false),
        ("DPoP proof", Some("dpop+jwt"), &[], false),
        ("another iss", Some(TYP), &[("iss", json!("https://other.example/client"))], false),
        ("another sub", Some(TYP), &[("sub", json!("https://other.example/client"))], false),
        ("another audience", Some(TYP), &[("aud", json!("https://sts.alice.example"))], false),
        ("two audiences", Some(TYP), &[("aud", json!([world.rp, world.sts]))], false),
        ("no jti", Some(TYP), &[("jti", json!(null))], false),
        ("an empty jti", Some(TYP), &[("jti", json!(""))], false),
        ("no iat", Some(TYP), &[("iat", json!(null))], false),
        ("no exp", Some(TYP), &[("exp", json!(null))], false),
        ("expired", Some(TYP), &[("iat", at(-120)), ("exp", at(-60))], false),
        ("issued ahead", Some(TYP), &[("iat", at(61)), ("exp", at(120))], false),
        ("longer than a minute", Some(TYP), &[("exp", at(61))], false),
        ("no ath", Some(TYP), &[("ath", json!(null))], false),
        ("ath of another token", Some(TYP), &[("ath", json!(of_another))], false),
        ("ath padded", Some(TYP), &[("ath", json!(format!("{}=", ath(&token))))], false),
    ];
    for (name, typ, changes, accepted) in rows {
        let proof = changed(&world.proof_of(&token), *typ, &world.client_key, changes);
        let checked = check(&proof, &world.client, &world.rp, &token, NOW);
        assert_eq!(checked.is_ok(), *accepted, "{name}");
    }
}

#[test]
fn a_proof_is_signed_by_the_client_and_used_once() {
    let world = World::new();
    let token = world.identity_token();
    let proof = world.proof_of(&token);
    let checked = || check(&proof, &world.client, &world.rp, &token, NOW).unwrap();
    let key = SigningKey::generate(Algorithm::Es256, None).unwrap();
    assert!(matches!(checked().verify(&keys(&key)), Err(ProofError::Signature(_))));

    let presented = checked().verify(&world.client_keys()).unwrap();
    let (once, until) = presented.once();
    assert_eq!(until, NOW.after(Lifetime::from_secs(120)), "exp and the allowance for clocks");
    assert!(presented.if_new(Seen::First).is_ok());
    let again = checked().verify(&world.client_keys()).unwrap();
    assert_eq!(again.once().0, once);
    assert!(matches!(again.if_new(Seen::Again), Err(ProofError::Replayed)));
}
