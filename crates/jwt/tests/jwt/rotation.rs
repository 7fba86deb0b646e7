//! Keys that are replaced, seen by verifiers that keep a published set for a while. (R9)

use countersign_jwt::verify::verify;
use countersign_jwt::{Algorithm, KeySet, Policy, SigningKey, SigningRing, Typ, sign};
use countersign_types::{Lifetime, Timestamp};
use proptest::prelude::*;
use serde_json::json;

/// How long a verifier keeps a set, and how long a token lives, in seconds.
const KEPT: i64 = 30;
const LIFE: i64 = 20;

/// A verifier that fetches the published set when its copy is too old.
struct Verifier {
    keys: KeySet,
    fetched: i64,
}

impl Verifier {
    fn look(&mut self, published: &KeySet, now: i64) {
        if now - self.fetched >= KEPT {
            *self = Self { keys: published.clone(), fetched: now };
        }
    }
}

fn read(set: &KeySet) -> KeySet {
    let text = set.to_json().to_string();
    let (keys, skipped) = KeySet::parse_foreign(text.as_bytes()).unwrap();
    assert!(skipped.is_empty());
    keys
}

/// Rotates every `period` seconds: a key is announced for as long as a set is kept before it signs,
/// and stays for as long as its last token lives. No verifier, whenever it fetched, refuses a token
/// that lives; and once a retired key has left every copy, its tokens are refused.
fn rotations_go_unnoticed(period: i64, verifiers: i64, rotations: i64) {
    let key = |n: i64| SigningKey::generate(Algorithm::Ed25519, Some(&format!("k{n}"))).unwrap();
    let policy = Policy::new(Typ::Is("JWT")).leeway(Lifetime::from_secs(0));
    let mut ring = SigningRing::from_keys(vec![key(0)]).unwrap();
    let mut next: Option<(SigningKey, i64)> = None;
    let mut retired: Vec<(String, i64)> = Vec::new();
    let mut tokens: Vec<(String, i64)> = Vec::new();
    let mut made = 0;
    let mut copies: Vec<Verifier> = (0..verifiers)
        .map(|n| Verifier { keys: read(ring.published()), fetched: -n * KEPT / verifiers })
        .collect();
    for now in 0..period * rotations {
        if now % period == 0 && next.is_none() {
            made += 1;
            let announced = key(made);
            ring = ring.with_next(announced.public().clone()).unwrap();
            next = Some((announced, now + KEPT));
        }
        if let Some((key, _)) = next.take_if(|(_, due)| *due <= now) {
            let old = ring.signer(Algorithm::Ed25519).unwrap().key_id().unwrap().to_owned();
            retired.push((old, now + LIFE));
            ring = ring.rotate(key).unwrap();
        }
        while let Some((kid, _)) = retired.first().filter(|(_, until)| *until <= now) {
            ring = ring.without(kid);
            retired.remove(0);
        }
        let claims = json!({ "iat": now, "exp": now + LIFE });
        let signer = ring.signer(Algorithm::Ed25519).unwrap();
        tokens.push((sign("JWT", signer.as_ref(), &claims).unwrap(), now + LIFE));
        tokens.retain(|(_, expires)| *expires > now);
        let published = read(ring.published());
        for copy in &mut copies {
            copy.look(&published, now);
            for (token, _) in [tokens.first(), tokens.last()].into_iter().flatten() {
                let outcome = verify(token, &policy, &copy.keys, Timestamp::from_unix(now));
                assert!(outcome.is_ok(), "at {now}: {outcome:?}");
            }
        }
    }
    assert!(made >= 3, "keys were replaced: {made}");
    assert!(!ring.published().contains_kid("k0"), "and did not pile up");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn r9_no_verifier_notices_a_rotation(period in 10..60_i64, verifiers in 1..6_i64) {
        rotations_go_unnoticed(period, verifiers, 12);
    }
}

#[test]
fn r9_a_token_of_a_retired_key_is_refused() {
    let old = SigningKey::generate(Algorithm::Es256, Some("old")).unwrap();
    let new = SigningKey::generate(Algorithm::Es256, Some("new")).unwrap();
    let token = sign("JWT", &old, &json!({ "exp": 100 })).unwrap();
    let policy = Policy::new(Typ::Is("JWT"));
    let ring = SigningRing::from_keys(vec![old]).unwrap();
    let ring = ring.with_next(new.public().clone()).unwrap().rotate(new).unwrap();
    let now = Timestamp::from_unix(1);
    assert!(verify(&token, &policy, &read(ring.published()), now).is_ok(), "retired, published");
    let ring = ring.without("old");
    assert!(verify(&token, &policy, &read(ring.published()), now).is_err(), "gone");
}
