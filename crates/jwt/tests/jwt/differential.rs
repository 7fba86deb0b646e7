//! Random tokens and mutations of them, before this reader, josekit's and `jsonwebtoken`'s.
//!
//! What this reader takes, one of the others takes too. There are two exceptions, and no third: the
//! name `Ed25519`, which neither of them knows (RFC 9864 §2.2), is shown to them as `EdDSA`; and a
//! payload that is empty is not shown to `jsonwebtoken`, which takes claims only.

use std::sync::LazyLock;

use countersign_jwt::jws::UnverifiedJws;
use countersign_jwt::mac::{HmacKey, MacAlgorithm};
use countersign_jwt::{Algorithm, Sign as _};
use josekit::jws::{HS256, JwsContext, JwsVerifier};
use jsonwebtoken::{DecodingKey, Validation};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

use crate::interop::{josekit_pair, jsonwebtoken_pair, other};
use crate::support::{decode, encode, key};

/// A token, and which key is asked.
#[derive(Clone, Debug)]
struct Case {
    algorithm: Algorithm,
    token: String,
}

/// Both other readers, with the key imported once.
struct Others {
    josekit: Box<dyn JwsVerifier>,
    jsonwebtoken: Option<(DecodingKey, jsonwebtoken::Algorithm)>,
}

static OTHERS: LazyLock<Vec<(Algorithm, Others)>> = LazyLock::new(|| {
    let others = |algorithm: Algorithm| Others {
        josekit: josekit_pair(algorithm).1,
        jsonwebtoken: other(algorithm).map(|theirs| (jsonwebtoken_pair(algorithm).1, theirs)),
    };
    Algorithm::ALL.iter().map(|algorithm| (*algorithm, others(*algorithm))).collect()
});

fn ours(case: &Case) -> bool {
    UnverifiedJws::parse_accepting_eddsa_name(&case.token)
        .is_ok_and(|jws| jws.verify_with(key(case.algorithm).public()).is_ok())
}

/// The signature alone: no claim is judged.
fn by_jsonwebtoken(token: &str, key: &DecodingKey, algorithm: jsonwebtoken::Algorithm) -> bool {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode::<Value>(token, key, &validation).is_ok()
}

fn theirs(case: &Case) -> bool {
    let (_, others) = OTHERS.iter().find(|(algorithm, _)| *algorithm == case.algorithm).unwrap();
    let josekit = JwsContext::new().deserialize_compact(&case.token, &*others.josekit).is_ok();
    let claims = others.jsonwebtoken.as_ref();
    josekit || claims.is_some_and(|(key, theirs)| by_jsonwebtoken(&case.token, key, *theirs))
}

/// Headers that are in order and headers that are not, all truly signed.
fn header(algorithm: Algorithm) -> impl Strategy<Value = String> {
    let name = if algorithm == Algorithm::Ed25519 { "EdDSA" } else { algorithm.name() };
    let kid = algorithm.name();
    let own = [
        format!(r#"{{"alg":"{name}"}}"#),
        format!(r#"{{"typ":"JWT","alg":"{name}","kid":"{kid}"}}"#),
        format!("{{ \"alg\" :\r\n\t\"{name}\" }}"),
        format!(r#"{{"alg":"{name}","x":[1,{{"y":null}}]}}"#),
        format!(r#"{{"alg":"none","alg":"{name}"}}"#),
        format!(r#"{{"alg":"{name}","\u0061lg":"{name}"}}"#),
        format!(r#"{{"alg":"{name}","crit":[]}}"#),
        format!(r#"{{"alg":"{name}","crit":["exp"],"exp":1}}"#),
        format!(r#"{{"alg":"{name}","b64":false}}"#),
        format!(r#"{{"alg":"{name}","b64":true,"crit":["b64"]}}"#),
        format!(r#"{{"alg":"{name}","kid":"stranger"}}"#),
        format!(r#"{{"alg":"{name}","kid":7}}"#),
        format!(r#"{{"alg":"{name}","typ":["JWT"]}}"#),
        format!(
            r#"{{"alg":"{name}","jwk":{{"kty":"oct","k":"AAAA"}},"jku":"https://a.example/"}}"#
        ),
        format!(r#"{{"alg":" {name}"}}"#),
        format!(r#"{{"alg":["{name}"]}}"#),
        format!("\u{feff}{{\"alg\":\"{name}\"}}"),
        r#"{"alg":"none"}"#.to_owned(),
        r#"{"alg":"HS256"}"#.to_owned(),
        r#"{"typ":"JWT"}"#.to_owned(),
        "[]".to_owned(),
        String::new(),
    ];
    select(own.to_vec())
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(br#"{"sub":"alice","exp":0}"#.to_vec()),
        Just(b"{}".to_vec()),
        prop::collection::vec(any::<u8>(), 1..64),
    ]
}

/// What happens to a token on its way.
#[derive(Clone, Debug)]
enum Change {
    Nothing,
    Set(Index, char),
    Insert(Index, char),
    Remove(Index),
    Cut(Index),
    Flip(Index, u8),
    Pad,
    Der,
    Swap,
}

fn change() -> impl Strategy<Value = Change> {
    let letters = select("AZaz09-_.+/= \n{\"".chars().collect::<Vec<_>>());
    prop_oneof![
        3 => Just(Change::Nothing),
        2 => (any::<Index>(), letters.clone()).prop_map(|(place, letter)| Change::Set(place, letter)),
        2 => (any::<Index>(), letters).prop_map(|(place, letter)| Change::Insert(place, letter)),
        1 => any::<Index>().prop_map(Change::Remove),
        1 => any::<Index>().prop_map(Change::Cut),
        2 => (any::<Index>(), 0..8_u8).prop_map(|(place, bit)| Change::Flip(place, bit)),
        1 => select(vec![Change::Pad, Change::Der, Change::Swap]),
    ]
}

fn apply(token: &str, change: &Change) -> String {
    let mut letters: Vec<char> = token.chars().collect();
    let place = |index: &Index| index.index(letters.len());
    match change {
        Change::Nothing => {}
        Change::Set(index, letter) => {
            let place = place(index);
            letters[place] = *letter;
        }
        Change::Insert(index, letter) => letters.insert(place(index), *letter),
        Change::Remove(index) => {
            letters.remove(place(index));
        }
        Change::Cut(index) => letters.truncate(place(index)),
        Change::Flip(index, bit) => {
            // A bit of the signature itself, and not of its text.
            let (input, signature) = token.rsplit_once('.').unwrap();
            let mut octets = decode(signature);
            let place = index.index(octets.len());
            octets[place] ^= 1 << bit;
            return format!("{input}.{}", encode(octets));
        }
        Change::Pad => letters.extend(['=', '=']),
        Change::Der => {
            let (input, signature) = token.rsplit_once('.').unwrap();
            return format!("{input}.{}", encode([&[0x30, 0x44], &*decode(signature)].concat()));
        }
        Change::Swap => {
            let (input, signature) = token.rsplit_once('.').unwrap();
            return format!("{signature}.{input}");
        }
    }
    letters.into_iter().collect()
}

fn case() -> impl Strategy<Value = Case> {
    let algorithms = select(Algorithm::ALL.to_vec());
    algorithms.prop_flat_map(|algorithm| {
        let parts = (header(algorithm), payload(), change(), select(Algorithm::ALL.to_vec()));
        parts.prop_map(move |(header, payload, change, asked)| {
            let input = format!("{}.{}", encode(header), encode(payload));
            let signature = encode(key(algorithm).sign(input.as_bytes()).unwrap());
            let token = apply(&format!("{input}.{signature}"), &change);
            // Now and then another key than the signer's is asked.
            let other = matches!(change, Change::Nothing) && signature.ends_with('A');
            Case { algorithm: if other { asked } else { algorithm }, token }
        })
    })
}

#[test]
fn both_others_take_what_is_in_order() {
    for (algorithm, others) in OTHERS.iter() {
        let name = if *algorithm == Algorithm::Ed25519 { "EdDSA" } else { algorithm.name() };
        let input = format!("{}.{}", encode(format!(r#"{{"alg":"{name}"}}"#)), encode("{}"));
        let signature = encode(key(*algorithm).sign(input.as_bytes()).unwrap());
        let case = Case { algorithm: *algorithm, token: format!("{input}.{signature}") };
        assert!(ours(&case) && theirs(&case), "{algorithm}");
        if let Some((key, theirs)) = &others.jsonwebtoken {
            assert!(by_jsonwebtoken(&case.token, key, *theirs), "{algorithm}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1024) })]

    #[test]
    fn nothing_is_accepted_that_both_others_refuse(case in case()) {
        prop_assert!(!ours(&case) || theirs(&case), "{:?}", case);
    }

    #[test]
    fn no_mac_is_accepted_that_both_others_refuse(
        secret in prop::collection::vec(any::<u8>(), 32..80),
        payload in payload(),
        change in change(),
        name in select(vec!["HS256", "HS384", "none", "ES256"]),
    ) {
        let Ok(key) = HmacKey::from_octets(MacAlgorithm::Hs256, None, &secret) else {
            return Ok(()); // reads as a text
        };
        let token = key.sign("JWT", &serde_json::json!({ "a": encode(payload) })).unwrap();
        let (_, rest) = token.split_once('.').unwrap();
        let header = encode(format!(r#"{{"alg":"{name}","typ":"JWT"}}"#));
        let token = apply(&format!("{header}.{rest}"), &change);
        if key.verify_payload(&token).is_ok() {
            let verifier = HS256.verifier_from_bytes(&secret).unwrap();
            let josekit = JwsContext::new().deserialize_compact(&token, &verifier).is_ok();
            let theirs = DecodingKey::from_secret(&secret);
            let algorithm = jsonwebtoken::Algorithm::HS256;
            prop_assert!(josekit || by_jsonwebtoken(&token, &theirs, algorithm), "{}", token);
        }
    }
}
