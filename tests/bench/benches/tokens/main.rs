//! What a token costs beside its signature, and what other crates make of the same.
//!
//! Signing is from claims to text, verifying from text to claims whose issuer, audience and times
//! were judged, each against the same aws-lc-rs operation over the same octets with a key parsed
//! beforehand. josekit and jsonwebtoken run in the same process, in turns with the same bare
//! operation; each gets a key that it parsed beforehand, as far as it has such a thing.
//!
//! `cargo bench -p countersign-bench-tests --bench tokens -- --write-readme` puts the table into
//! the README of the `jwt` crate.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, or stops")]

mod claims;
mod others;
mod ours;
mod raw;
mod refused;
mod table;

use std::hint::black_box;

use countersign_bench_tests::{Comparison, Effort, compare, machine};
use countersign_jwt::{Algorithm, SigningKey};

use crate::others::Other;
use crate::ours::Ours;
use crate::table::{Goal, Row};

/// What is promised of the cost of a token, as a multiple of the bare operation.
const GOALS: [Goal; 5] = [
    Goal { algorithm: Algorithm::Es256, signing: true, at_most: 1.05 },
    Goal { algorithm: Algorithm::Es256, signing: false, at_most: 1.05 },
    Goal { algorithm: Algorithm::Ed25519, signing: true, at_most: 1.10 },
    Goal { algorithm: Algorithm::Ed25519, signing: false, at_most: 1.10 },
    Goal { algorithm: Algorithm::Rs256, signing: false, at_most: 1.15 },
];

fn main() {
    let effort = Effort::of_process();
    println!("machine: {}", machine());
    let mut rows = Vec::new();
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(*algorithm, Some("2026-11")).unwrap();
        for signing in [true, false] {
            let row = measure(effort, &key, signing);
            println!("{row}");
            rows.push(row);
        }
    }
    for goal in GOALS {
        println!("{}", goal.judge(&rows));
    }
    let refused = refused::measure(effort);
    for (name, ratio) in &refused {
        println!("refused, {name}: {ratio:.3} times an accepted token");
    }
    if std::env::args().any(|argument| argument == "--write-readme") {
        table::write(&rows, &refused);
    }
}

fn measure(effort: Effort, key: &SigningKey, signing: bool) -> Row {
    let ours = Ours::new(key);
    let others = [Other::josekit(key), Other::jsonwebtoken(key)];
    let token = ours.sign();
    let (input, _) = token.rsplit_once('.').unwrap();
    let signature = countersign_jwt::Sign::sign(key, input.as_bytes()).unwrap();
    let signer = raw::signer(key);
    let verifier = raw::verifier(key);
    let base = || {
        if signing {
            signer(black_box(input.as_bytes()));
        } else {
            verifier.verify_sig(black_box(input.as_bytes()), black_box(&signature)).unwrap();
        }
    };
    let own: Comparison = compare(effort, base, || {
        if signing {
            black_box(ours.sign());
        } else {
            black_box(ours.verify(black_box(&token)).unwrap());
        }
    });
    let others = others.map(|other| {
        let other = other?;
        let token = other.sign();
        let compared = compare(effort, base, || {
            if signing {
                black_box(other.sign());
            } else {
                other.verify(black_box(&token));
            }
        });
        Some(compared.ratio)
    });
    Row { algorithm: key.public().algorithm(), signing, raw: own.base, ours: own.ratio, others }
}
