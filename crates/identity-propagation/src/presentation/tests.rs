use countersign_client_auth::dpop::{Expected, Target};
use countersign_jwt::{Algorithm, SigningKey};
use countersign_types::{EndpointUrl, Lifetime};
use http::Method;
use serde_json::json;

use super::*;
use crate::IdentityToken;
use crate::testing::{NOW, World, Zero, changed, keys};

/// What is presented, to whom, and what was found: each part to be changed by a row.
struct Case {
    world: World,
    identity: AccessToken,
    /// The DPoP proof, where the token came with that scheme.
    key_proof: Option<AccessToken>,
    proof: Option<AccessToken>,
    entitled: Issuer,
    issuer_keys: KeySet,
    client_keys: KeySet,
    seen_key_proof: Seen,
    seen: Seen,
}

impl Case {
    fn good() -> Self {
        let world = World::new();
        let identity = world.identity_token();
        Self {
            proof: Some(world.proof_of(&identity)),
            identity,
            key_proof: None,
            entitled: world.sts.clone(),
            issuer_keys: world.sts_keys(),
            client_keys: world.client_keys(),
            seen_key_proof: Seen::First,
            seen: Seen::First,
            world,
        }
    }

    /// The same with a token that is bound to a key, which is proved.
    fn bound() -> (Self, SigningKey) {
        let (mut case, key) = (Self::good(), fresh());
        case.bind(&key);
        case.prove(&key);
        (case, key)
    }

    fn bind(&mut self, key: &SigningKey) {
        let cnf = Some(dpop::confirmation(key));
        self.show(
            IdentityToken { cnf, ..self.world.identity() }.mint(&self.world.sts_key).unwrap(),
        );
    }

    /// Adds the proof of a key, made for the token that is shown.
    fn prove(&mut self, key: &SigningKey) {
        let target = Target { method: &Method::GET, url: &letters() };
        let proof = dpop::proof(key, target, Some(&self.identity), None, NOW, &Zero);
        self.key_proof = Some(proof.unwrap());
    }

    fn presented(&self) -> Result<Presented, PresentationError> {
        let judged = self.key_proof.as_ref().map(|proof| {
            let target = Target { method: &Method::GET, url: &letters() };
            let token = Some(&self.identity);
            dpop::verify(proof, &Expected { target, token, nonces: None, now: NOW })
        });
        let proofs = Proofs { client: self.proof.as_ref(), key: judged };
        let checked = check(&self.identity, proofs, &self.world.rp, NOW)?;
        checked.verify(&self.entitled, &self.issuer_keys, &self.client_keys)
    }

    fn present(&self) -> Result<PropagatedIdentity, PresentationError> {
        let presented = self.presented()?;
        let proved = presented.key_proof().map(|proof| proof.if_new(self.seen_key_proof));
        presented.if_new(self.seen, proved.transpose()?)
    }

    /// Another identity token, with a proof that goes with it.
    fn show(&mut self, identity: AccessToken) {
        self.proof = Some(self.world.proof_of(&identity));
        self.identity = identity;
    }
}

#[test]
fn the_whole_of_the_checks_makes_a_caller() {
    let case = Case::good();
    let caller = case.present().unwrap();
    assert_eq!(caller.email(), &case.world.alice);
    assert_eq!(caller.client(), &case.world.client);
    assert_eq!(caller.issuer(), &case.world.sts);
    assert_eq!(caller.act().depth(), 1);
    assert_eq!(caller.expires(), NOW.after(IdentityToken::LIFETIME));
}

/// Whoever issues the token chooses `cnf`: its key says nothing about the client.
#[test]
fn a_bound_token_takes_the_proof_of_its_key_and_that_of_the_client() {
    let (case, key) = Case::bound();
    let caller = case.present().unwrap();
    assert_eq!(caller.confirmation(), Some(&dpop::confirmation(&key)));
    let (mut case, _) = Case::bound();
    case.proof = None;
    assert_eq!(case.present().unwrap_err().step(), Step::Proof);
    let (mut case, key) = Case::bound();
    let own = changed(&case.world.proof_of(&case.identity), Some(client_proof::TYP), &key, &[]);
    case.proof = Some(own);
    assert_eq!(case.present().unwrap_err().step(), Step::ClientSignature);
}

#[test]
fn nobody_is_identified_by_a_key_that_the_token_is_not_bound_to() {
    let ((case, _), (other, _)) = (Case::bound(), Case::bound());
    let proved = || other.presented().unwrap().key_proof().unwrap().if_new(Seen::First).ok();
    let ended =
        |case: &Case, proved| case.presented().unwrap().if_new(Seen::First, proved).unwrap_err();
    assert!(matches!(ended(&case, None), PresentationError::Bound));
    assert!(matches!(ended(&case, proved()), PresentationError::Key));
    assert!(matches!(ended(&Case::good(), proved()), PresentationError::Unbound));
}

type Row = (&'static str, fn(&mut Case), Step);

const ROWS: &[Row] = &[
    ("an access token", |c| c.show(retyped(c, "at+jwt")), Step::TokenType),
    ("an ID token", |c| c.show(retyped(c, "JWT")), Step::TokenType),
    ("a claims token", |c| c.show(retyped(c, "uma-claims+jwt")), Step::TokenType),
    ("iss as a list", |c| c.show(mutated(c, &[("iss", json!(["a"]))])), Step::TokenType),
    ("sub as a number", |c| c.show(mutated(c, &[("sub", json!(7))])), Step::TokenType),
    ("jti as a number", |c| c.show(mutated(c, &[("jti", json!(7))])), Step::TokenType),
    ("aud as a number", |c| c.show(mutated(c, &[("aud", json!(7))])), Step::Audience),
    ("no aud", |c| c.show(mutated(c, &[("aud", json!(null))])), Step::Audience),
    (
        "for another relying party",
        |c| {
            c.show(mutated(c, &[("aud", json!("https://rp.evil.example"))]));
        },
        Step::Audience,
    ),
    (
        "expired",
        |c| {
            c.show(mutated(c, &[("exp", json!(NOW.as_unix() - 60))]));
        },
        Step::Lifetime,
    ),
    ("exp as a text", |c| c.show(mutated(c, &[("exp", json!("soon"))])), Step::Lifetime),
    ("no nbf", |c| c.show(mutated(c, &[("nbf", json!(null))])), Step::Lifetime),
    ("no iss", |c| c.show(mutated(c, &[("iss", json!(null))])), Step::Subject),
    ("no sub", |c| c.show(mutated(c, &[("sub", json!(null))])), Step::Subject),
    ("email as a number", |c| c.show(mutated(c, &[("email", json!(7))])), Step::Subject),
    ("no address", |c| c.show(mutated(c, &[("sub", json!("alice"))])), Step::Subject),
    ("client_id as a number", |c| c.show(mutated(c, &[("client_id", json!(7))])), Step::Actor),
    ("nobody acts", |c| c.show(mutated(c, &[("act", json!(null))])), Step::Actor),
    (
        "a local actor",
        |c| {
            c.show(mutated(c, &[("act", json!({ "sub": "mail" })), ("client_id", json!(null))]));
        },
        Step::Actor,
    ),
    ("bound to a key that nobody proves", |c| c.bind(&fresh()), Step::Binding),
    ("bound to no key, and one is proved", |c| c.prove(&fresh()), Step::Binding),
    (
        "bound to another key",
        |c| {
            c.bind(&fresh());
            c.prove(&fresh());
        },
        Step::Binding,
    ),
    (
        "the proof of its key goes with another token",
        |c| {
            let key = fresh();
            c.prove(&key);
            c.bind(&key);
        },
        Step::Binding,
    ),
    ("no proof", |c| c.proof = None, Step::Proof),
    ("the actor token as proof", |c| reproof(c, Some("actor+jwt"), &[]), Step::Proof),
    (
        "a client assertion as proof",
        |c| {
            reproof(c, Some("client-authentication+jwt"), &[]);
        },
        Step::Proof,
    ),
    ("a proof without typ", |c| reproof(c, None, &[]), Step::Proof),
    (
        "another client's proof",
        |c| {
            let other = json!("https://thief.example/client");
            reproof(c, Some("client-proof+jwt"), &[("iss", other.clone()), ("sub", other)]);
        },
        Step::Proof,
    ),
    (
        "a proof for another relying party",
        |c| {
            reproof(c, Some("client-proof+jwt"), &[("aud", json!("https://rp.evil.example"))]);
        },
        Step::Proof,
    ),
    (
        "the proof of another identity token",
        |c| {
            let other = IdentityToken { jti: "2".to_owned(), ..c.world.identity() };
            c.proof = Some(c.world.proof_of(&other.mint(&c.world.sts_key).unwrap()));
        },
        Step::Ath,
    ),
    (
        "an issuer that is not entitled",
        |c| {
            c.entitled = Issuer::parse("https://sts.bob.example").unwrap();
        },
        Step::Issuer,
    ),
    ("another issuer's key", |c| c.issuer_keys = keys(&fresh()), Step::IssuerSignature),
    ("another client's key", |c| c.client_keys = keys(&fresh()), Step::ClientSignature),
    ("shown before", |c| c.seen = Seen::Again, Step::Once),
    (
        "the proof of its key was shown before",
        |c| {
            let key = fresh();
            c.bind(&key);
            c.prove(&key);
            c.seen_key_proof = Seen::Again;
        },
        Step::Once,
    ),
];

fn letters() -> EndpointUrl {
    EndpointUrl::parse("https://rp.bob.example/letters").unwrap()
}

fn fresh() -> SigningKey {
    SigningKey::generate(Algorithm::Es256, None).unwrap()
}

fn retyped(case: &Case, typ: &str) -> AccessToken {
    changed(&case.identity, Some(typ), &case.world.sts_key, &[])
}

fn mutated(case: &Case, changes: &[crate::testing::Change<'_>]) -> AccessToken {
    let typ = Some(identity_token::TYP);
    changed(&case.identity, typ, &case.world.sts_key, changes)
}

fn reproof(case: &mut Case, typ: Option<&str>, changes: &[crate::testing::Change<'_>]) {
    let proof = case.world.proof_of(&case.identity);
    case.proof = Some(changed(&proof, typ, &case.world.client_key, changes));
}

#[test]
fn each_step_refuses_what_it_is_there_for() {
    for (name, change, step) in ROWS {
        let mut case = Case::good();
        change(&mut case);
        let error = case.present().map(drop).expect_err(name);
        assert_eq!(error.step(), *step, "{name}: {error:?}");
    }
    for step in Step::ALL {
        assert!(ROWS.iter().any(|(_, _, refused)| refused == step), "nothing refused by {step:?}");
        assert!(!step.name().is_empty() && !step.section().is_empty());
    }
}

/// A record of decisions says that what comes before the step that failed was checked and passed.
#[test]
fn of_two_faults_the_earlier_step_is_named() {
    for (first, (earlier, make_first, step)) in ROWS.iter().enumerate() {
        for (later, make_later, other) in ROWS.iter().skip(first + 1) {
            assert!(step <= other, "the rows are in the order of the steps");
            let mut case = Case::good();
            make_later(&mut case);
            // A proof or a key is not changed by what changes the token before it.
            if *step < Step::Proof {
                make_first(&mut case);
                let error = case.present().map(drop).expect_err(earlier);
                assert_eq!(error.step(), *step, "{earlier}, {later}: {error:?}");
            }
        }
    }
}

#[test]
fn what_is_shown_says_whose_keys_are_wanted() {
    let case = Case::good();
    let checked = check(&case.identity, case.proof.as_ref(), &case.world.rp, NOW).unwrap();
    assert_eq!(checked.issuer(), &case.world.sts);
    assert_eq!(checked.email(), &case.world.alice);
    assert_eq!(checked.client(), &case.world.client);
    assert_eq!(checked.issuer_key_id(), case.world.sts_key.public().kid());
    assert_eq!(checked.client_key_id(), case.world.client_key.public().kid());
}

#[test]
fn clocks_may_differ_by_a_minute() {
    let case = Case::good();
    let check_at = |now| check(&case.identity, case.proof.as_ref(), &case.world.rp, now).is_ok();
    assert!(check_at(NOW.before(Lifetime::from_secs(60))));
    assert!(!check_at(NOW.before(Lifetime::from_secs(61))));
    assert!(check_at(NOW.after(Lifetime::from_secs(119))));
    assert!(!check_at(NOW.after(Lifetime::from_secs(120))));
}

proptest::proptest! {
    #[test]
    fn no_flipped_bit_passes(at in 0_usize..600, bit in 0_u8..8, of_proof in proptest::bool::ANY) {
        let mut case = Case::good();
        let token = if of_proof { case.proof.clone().unwrap() } else { case.identity.clone() };
        let mut octets = token.expose().as_bytes().to_vec();
        let at = at % octets.len();
        octets[at] ^= 1 << bit;
        let flipped = AccessToken::new(String::from_utf8_lossy(&octets).into_owned());
        if of_proof { case.proof = Some(flipped) } else { case.identity = flipped }
        proptest::prop_assert!(case.present().is_err());
    }
}
