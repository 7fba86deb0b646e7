use countersign_client_auth::{Authentication, Credentials, Proof, RegisteredClient};
use countersign_client_auth::{authenticate, parse};
use countersign_jwt::SigningKey;
use countersign_types::Params;
use serde_json::json;

use super::*;
use crate::testing::{Change, NOW, World, Zero, changed, claims_of};

/// The client of the world, authenticated by its key.
fn authenticated(world: &World) -> AuthenticatedClient {
    let proof = Proof::PrivateKeyJwt(std::sync::Arc::<SigningKey>::clone(&world.client_key));
    let presentation = proof.present(&world.client, &world.sts, NOW, &Zero).unwrap();
    let form = presentation.params.iter().map(|(name, value)| {
        let value: String = value.replace(':', "%3A");
        format!("{name}={value}")
    });
    let params = Params::parse(form.collect::<Vec<_>>().join("&").as_bytes(), &[]).unwrap();
    let registered = RegisteredClient {
        id: world.client.clone(),
        credentials: Credentials::Keys(world.client_keys()),
    };
    let presented = parse(&http::HeaderMap::new(), &params).unwrap();
    match authenticate(presented.check(&world.sts, NOW).unwrap(), Some(&registered)).unwrap() {
        Authentication::OnceOnly(check) => check.confirm(Seen::First).unwrap(),
        Authentication::Done(client) => client,
    }
}

struct Case {
    world: World,
    client: AuthenticatedClient,
}

impl Case {
    fn new() -> Self {
        let world = World::new();
        let client = authenticated(&world);
        Self { world, client }
    }

    fn mint(&self, made_out_to: MadeOutTo<'_>) -> AccessToken {
        actor_token(self.world.client_key.as_ref(), &self.world.client, made_out_to, NOW, &Zero)
            .unwrap()
    }

    fn verify(
        &self,
        token: &AccessToken,
        forms: ActorAudience,
    ) -> Result<PresentedActor, ActorError> {
        let issuer = &self.world.sts;
        let expected = Expected { client: &self.client, issuer, forms, now: NOW };
        verify(token, &self.world.client_keys(), &expected)
    }
}

#[test]
fn a_minted_token_has_the_claims_of_the_profile_in_both_forms() {
    let case = Case::new();
    for (made_out_to, aud) in [
        (MadeOutTo::Issuer(&case.world.sts), "https://sts.alice.example"),
        (MadeOutTo::Target(&case.world.rp), "https://rp.bob.example"),
    ] {
        let token = case.mint(made_out_to);
        let expected = json!({
            "iss": "https://mail.example/client", "sub": "https://mail.example/client",
            "aud": aud, "iat": 1_800_000_000, "nbf": 1_800_000_000, "exp": 1_800_000_060,
            "jti": "AAAAAAAAAAAAAAAAAAAAAA",
        });
        assert_eq!(json!(claims_of(&token)), expected);
    }
}

#[test]
fn each_form_is_known_by_its_audience_and_taken_where_it_is_allowed() {
    let case = Case::new();
    let for_issuer = case.mint(MadeOutTo::Issuer(&case.world.sts));
    let for_target = case.mint(MadeOutTo::Target(&case.world.rp));
    for (forms, issuer_form, target_form) in [
        (ActorAudience::Either, true, true),
        (ActorAudience::Issuer, true, false),
        (ActorAudience::Target, false, true),
    ] {
        for (token, allowed) in [(&for_issuer, issuer_form), (&for_target, target_form)] {
            let result = case.verify(token, forms);
            match result {
                Ok(_) => assert!(allowed, "{forms:?}"),
                Err(error) => assert!(!allowed && matches!(error, ActorError::Form), "{forms:?}"),
            }
        }
    }
    let actor =
        |token| case.verify(token, ActorAudience::Either).unwrap().if_new(Seen::First).unwrap();
    assert_eq!(actor(&for_issuer).target(), None);
    assert_eq!(actor(&for_target).target(), Some(&case.world.rp));
    assert_eq!(actor(&for_target).actor().sub, "https://mail.example/client");
}

#[test]
fn a_token_is_used_once_where_it_has_an_identifier() {
    let case = Case::new();
    let token = case.mint(MadeOutTo::Issuer(&case.world.sts));
    let presented = case.verify(&token, ActorAudience::Either).unwrap();
    let (key, until) = presented.once().unwrap();
    assert_eq!(until, NOW.after(Lifetime::from_secs(120)), "exp and the allowance for clocks");
    assert!(matches!(presented.if_new(Seen::Again), Err(ActorError::Replayed)));
    let again = case.verify(&token, ActorAudience::Either).unwrap();
    assert_eq!(again.once().unwrap().0, key);
    let unnamed = changed(&token, Some(TYP), &case.world.client_key, &[("jti", json!(null))]);
    assert!(case.verify(&unnamed, ActorAudience::Either).unwrap().once().is_none());
}

#[test]
fn whatever_else_is_no_actor_token_of_this_client() {
    let case = Case::new();
    let at = |seconds: i64| json!(NOW.as_unix() + seconds);
    let strict = case.mint(MadeOutTo::Issuer(&case.world.sts));
    let drawn = case.mint(MadeOutTo::Target(&case.world.rp));
    let other_key = SigningKey::generate(countersign_jwt::Algorithm::Es256, None).unwrap();
    let key = &case.world.client_key;
    let good = |name, token: &AccessToken, typ, changes: &[Change<'_>]| {
        let token = changed(token, typ, key, changes);
        assert!(case.verify(&token, ActorAudience::Either).is_ok(), "{name}");
    };
    good("typ may be absent where aud is the target", &drawn, None, &[]);
    good("typ in other letters", &strict, Some("application/ACTOR+JWT"), &[]);
    good("five minutes", &strict, Some(TYP), &[("exp", at(300))]);
    good("no iat", &drawn, Some(TYP), &[("iat", json!(null)), ("exp", at(300))]);

    let rows: &[(&str, Option<&str>, &[Change<'_>])] = &[
        ("typ absent where aud is the issuer", None, &[]),
        ("client assertion", Some("client-authentication+jwt"), &[]),
        ("client proof", Some("client-proof+jwt"), &[]),
        ("plain JWT", Some("JWT"), &[]),
        ("another client", Some(TYP), &[("iss", json!("https://other.example/client"))]),
        ("another subject", Some(TYP), &[("sub", json!("https://other.example/client"))]),
        ("no subject", Some(TYP), &[("sub", json!(null))]),
        ("two audiences", Some(TYP), &[("aud", json!([case.world.sts, case.world.rp]))]),
        ("no audience", Some(TYP), &[("aud", json!(null))]),
        ("a bare name", Some(TYP), &[("aud", json!("RP API"))]),
        ("http", Some(TYP), &[("aud", json!("http://rp.bob.example"))]),
        ("expired", Some(TYP), &[("exp", at(-60))]),
        ("no exp", Some(TYP), &[("exp", json!(null))]),
        ("nbf ahead", Some(TYP), &[("nbf", at(61))]),
        ("no nbf", Some(TYP), &[("nbf", json!(null))]),
        ("too long", Some(TYP), &[("exp", at(301))]),
        ("too long without iat", Some(TYP), &[("iat", json!(null)), ("exp", at(301))]),
    ];
    for (name, typ, changes) in rows {
        let token = changed(&strict, *typ, key, changes);
        assert!(case.verify(&token, ActorAudience::Either).is_err(), "{name}");
    }
    for (name, token) in [
        ("another key", changed(&strict, Some(TYP), &other_key, &[])),
        ("another key, as drawn", changed(&drawn, None, &other_key, &[])),
        ("assertion for the target", changed(&drawn, Some("client-authentication+jwt"), key, &[])),
        ("no JWT", AccessToken::new("actor")),
    ] {
        assert!(case.verify(&token, ActorAudience::Either).is_err(), "{name}");
    }
}
