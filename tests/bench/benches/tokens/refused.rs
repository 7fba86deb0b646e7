//! What a token costs that is refused, beside one that is accepted.

use std::hint::black_box;

use countersign_bench_tests::{Effort, compare};
use countersign_jwt::jws::MAX_TOKEN;
use countersign_jwt::{Algorithm, Sign, SignError, SigningKey, sign};
use countersign_types::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::claims::{CLAIMS, Claims, ISSUER};
use crate::ours::Ours;

/// The same claims with a tree beside them that fills the longest token there is.
#[derive(Serialize)]
struct Large {
    #[serde(flatten)]
    claims: Claims,
    tree: Value,
}

impl Large {
    fn new(claims: Claims) -> Self {
        let leaf = |number: usize| json!({ "a": [number, { "b": null }, "c"] });
        Self { claims, tree: (100..510).map(leaf).collect() }
    }
}

/// A key whose tokens do not name it.
struct Nameless<'a>(&'a SigningKey);

impl Sign for Nameless<'_> {
    fn algorithm(&self) -> Algorithm {
        self.0.algorithm()
    }

    fn key_id(&self) -> Option<&str> {
        None
    }

    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, SignError> {
        self.0.sign(input)
    }
}

/// Kinds of refused tokens, each with its cost as a multiple of that of an accepted one. ES256.
pub(crate) fn measure(effort: Effort) -> Vec<(&'static str, f64)> {
    let generate = |kid| SigningKey::generate(Algorithm::Es256, Some(kid)).unwrap();
    let (key, stranger, unknown) = (generate("2026-11"), generate("2026-11"), generate("unknown"));
    let ours = Ours::new(&key);
    let others = ["a", "b", "c"].map(generate);
    let fourth = Ours::among(&key, others.iter().chain([&key]));
    let accepted = ours.sign();
    let signed = |key: &SigningKey, claims: Claims| sign("at+jwt", key, &claims).unwrap();
    let large = |key: &SigningKey, claims: Claims| {
        let token = sign("at+jwt", key, &Large::new(claims)).unwrap();
        assert!(token.len() > MAX_TOKEN * 9 / 10, "{}", token.len());
        token
    };
    let nameless = |key: &SigningKey| sign("at+jwt", &Nameless(key), &CLAIMS).unwrap();
    let expired = || Claims { exp: Timestamp::from_unix(1_700_000_000), ..CLAIMS };
    let dots = ".".repeat(16 * 1024);
    let of_one = [
        ("another key of the same name", &accepted, signed(&stranger, CLAIMS)),
        ("a key that is not known", &accepted, signed(&unknown, CLAIMS)),
        ("expired", &accepted, signed(&key, expired())),
        ("for another audience", &accepted, signed(&key, Claims { aud: ISSUER, ..CLAIMS })),
        ("not base64url", &accepted, format!("{accepted}=")),
        ("16 KiB of dots", &accepted, dots),
        ("1 MiB", &accepted, "a".repeat(1 << 20)),
        ("16 KiB with a tree of claims, expired", &accepted, large(&key, expired())),
        (
            "the same of another key, beside one of 16 KiB",
            &large(&key, CLAIMS),
            large(&stranger, CLAIMS),
        ),
    ];
    let of_four = [
        ("no `kid`, four keys of its algorithm", &accepted, nameless(&stranger)),
        (
            "the same, beside one without `kid` of the fourth key",
            &nameless(&key),
            nameless(&stranger),
        ),
    ];
    let cost = |ours: &Ours<'_>, name: &'static str, accepted: &str, refused: &str| {
        assert!(ours.verify(refused).is_err(), "{name}");
        let compared = compare(
            effort,
            || {
                black_box(ours.verify(black_box(accepted)).unwrap());
            },
            || {
                black_box(ours.verify(black_box(refused)).unwrap_err());
            },
        );
        (name, compared.ratio)
    };
    let of_one = of_one.iter().map(|(name, yes, no)| cost(&ours, name, yes, no));
    let of_four = of_four.iter().map(|(name, yes, no)| cost(&fourth, name, yes, no));
    of_one.chain(of_four).collect()
}
