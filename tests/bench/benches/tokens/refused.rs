//! What a token costs that is refused, beside one that is accepted.

use std::hint::black_box;

use countersign_bench_tests::{Effort, compare};
use countersign_jwt::{Algorithm, SigningKey, sign};
use countersign_types::Timestamp;

use crate::claims::{CLAIMS, Claims, ISSUER};
use crate::ours::Ours;

/// Kinds of refused tokens, each with its cost as a multiple of that of an accepted one. ES256.
pub(crate) fn measure(effort: Effort) -> Vec<(&'static str, f64)> {
    let key = SigningKey::generate(Algorithm::Es256, Some("2026-11")).unwrap();
    let stranger = SigningKey::generate(Algorithm::Es256, Some("2026-11")).unwrap();
    let unknown = SigningKey::generate(Algorithm::Es256, Some("unknown")).unwrap();
    let ours = Ours::new(&key);
    let accepted = ours.sign();
    let signed = |key: &SigningKey, claims: Claims| sign("at+jwt", key, &claims).unwrap();
    let refused = [
        ("another key of the same name", signed(&stranger, CLAIMS)),
        ("a key that is not known", signed(&unknown, CLAIMS)),
        ("expired", signed(&key, Claims { exp: Timestamp::from_unix(1_700_000_000), ..CLAIMS })),
        ("for another audience", signed(&key, Claims { aud: ISSUER, ..CLAIMS })),
        ("not base64url", format!("{accepted}=")),
        ("16 KiB of dots", ".".repeat(16 * 1024)),
        ("1 MiB", "a".repeat(1 << 20)),
    ];
    let cost = |(name, token): (&'static str, String)| {
        assert!(ours.verify(&token).is_err(), "{name}");
        let compared = compare(
            effort,
            || {
                black_box(ours.verify(black_box(&accepted)).unwrap());
            },
            || {
                black_box(ours.verify(black_box(&token)).unwrap_err());
            },
        );
        (name, compared.ratio)
    };
    refused.into_iter().map(cost).collect()
}
