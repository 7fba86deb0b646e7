//! What a token costs beside its signature.
//!
//! Signing is from claims to text, verifying from text to verified claims under a policy, each
//! against the same aws-lc-rs operation over the same octets with a key parsed beforehand.
//! Goal: at most 1.10 times the bare operation.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, or stops")]

use std::hint::black_box;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING,
    ED25519, EcdsaKeyPair, Ed25519KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair, VerificationAlgorithm,
};
use countersign_bench_tests::{Comparison, Effort, compare, print_machine};
use countersign_jwt::verify::verify;
use countersign_jwt::{Algorithm, KeySet, Policy, SigningKey, Typ, sign};
use countersign_types::{Lifetime, Timestamp};
use serde::Serialize;

const GOAL: f64 = 1.10;
const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const ISSUER: &str = "https://sts.alice.example";
const AUDIENCE: &str = "https://uma.bob.example";

/// The claims of an access token that was exchanged: 380 octets of JSON.
#[derive(Serialize)]
struct Claims {
    iss: &'static str,
    sub: &'static str,
    aud: &'static str,
    exp: Timestamp,
    iat: Timestamp,
    nbf: Timestamp,
    jti: &'static str,
    client_id: &'static str,
    scope: &'static str,
    act: Actor,
    cnf: Confirmation,
}

#[derive(Serialize)]
struct Actor {
    sub: &'static str,
}

#[derive(Serialize)]
struct Confirmation {
    jkt: &'static str,
}

const CLAIMS: Claims = Claims {
    iss: ISSUER,
    sub: "248289761001",
    aud: AUDIENCE,
    exp: Timestamp::from_unix(1_800_000_300),
    iat: NOW,
    nbf: NOW,
    jti: "6R8vTGd2bJv9vXtqKqzQ1w",
    client_id: "https://client.alice.example/metadata.json",
    scope: "openid email claims-provider",
    act: Actor { sub: "https://service.alice.example" },
    cnf: Confirmation { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" },
};

fn main() {
    let effort = Effort::of_process();
    print_machine();
    println!(
        "{:<10}{:>16}{:>16}{:>16}{:>16}",
        "", "sign, raw", "sign, token", "verify, raw", "verify, token"
    );
    let mut worst: f64 = 0.0;
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(*algorithm, Some("2026-11")).unwrap();
        let token = sign("at+jwt", &key, &CLAIMS).unwrap();
        let signing = signing(effort, &key, &token);
        let verifying = verifying(effort, &key, &token);
        println!(
            "{:<10}{:>13.1} us{:>15.3}x{:>13.1} us{:>15.3}x",
            algorithm.name(),
            signing.base.as_secs_f64() * 1e6,
            signing.ratio,
            verifying.base.as_secs_f64() * 1e6,
            verifying.ratio,
        );
        worst = worst.max(signing.ratio).max(verifying.ratio);
    }
    let verdict = if worst <= GOAL { "met" } else { "not met" };
    println!("worst {worst:.3}x, goal at most {GOAL:.2}x: {verdict}");
}

fn signing(effort: Effort, key: &SigningKey, token: &str) -> Comparison {
    let input = token.rsplit_once('.').unwrap().0.as_bytes();
    let raw = raw_signer(key);
    compare(
        effort,
        || raw(black_box(input)),
        || {
            black_box(sign("at+jwt", key, black_box(&CLAIMS)).unwrap());
        },
    )
}

/// Signs and throws the signature away.
type RawSigner = Box<dyn Fn(&[u8])>;

fn raw_signer(key: &SigningKey) -> RawSigner {
    let der = key.to_pkcs8_der().unwrap();
    let random = SystemRandom::new();
    let rsa = |encoding: &'static dyn RsaEncoding| -> RawSigner {
        let pair = RsaKeyPair::from_pkcs8(&der).unwrap();
        Box::new(move |input| {
            let mut signature = [0; 256];
            pair.sign(encoding, &SystemRandom::new(), input, &mut signature).unwrap();
            black_box(signature);
        })
    };
    match key.public().algorithm() {
        Algorithm::Rs256 => rsa(&RSA_PKCS1_SHA256),
        Algorithm::Rs384 => rsa(&RSA_PKCS1_SHA384),
        Algorithm::Rs512 => rsa(&RSA_PKCS1_SHA512),
        Algorithm::Ps256 => rsa(&RSA_PSS_SHA256),
        Algorithm::Ps384 => rsa(&RSA_PSS_SHA384),
        Algorithm::Ps512 => rsa(&RSA_PSS_SHA512),
        Algorithm::Ed25519 => {
            let pair = Ed25519KeyPair::from_pkcs8(&der).unwrap();
            Box::new(move |input| {
                black_box(pair.sign(input));
            })
        }
        algorithm => {
            let parameters = match algorithm {
                Algorithm::Es384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
                Algorithm::Es512 => &ECDSA_P521_SHA512_FIXED_SIGNING,
                _ => &ECDSA_P256_SHA256_FIXED_SIGNING,
            };
            let pair = EcdsaKeyPair::from_pkcs8(parameters, &der).unwrap();
            Box::new(move |input| {
                black_box(pair.sign(&random, input).unwrap());
            })
        }
    }
}

fn verifying(effort: Effort, key: &SigningKey, token: &str) -> Comparison {
    let (input, _) = token.rsplit_once('.').unwrap();
    let signature = countersign_jwt::Sign::sign(key, input.as_bytes()).unwrap();
    let raw = raw_verifier(key);
    let keys = KeySet::from_keys(vec![key.public().clone()]).unwrap();
    compare(
        effort,
        || raw.verify_sig(black_box(input.as_bytes()), black_box(&signature)).unwrap(),
        || {
            let policy = Policy::new(Typ::Is("at+jwt"))
                .issuer(ISSUER)
                .audience_sole(AUDIENCE)
                .require("jti")
                .max_lifetime(Lifetime::from_secs(300));
            black_box(verify(black_box(token), &policy, &keys, NOW).unwrap());
        },
    )
}

fn raw_verifier(key: &SigningKey) -> ParsedPublicKey {
    let algorithm: &'static dyn VerificationAlgorithm = match key.public().algorithm() {
        Algorithm::Es384 => &ECDSA_P384_SHA384_FIXED,
        Algorithm::Es512 => &ECDSA_P521_SHA512_FIXED,
        Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        Algorithm::Ed25519 => &ED25519,
        _ => &ECDSA_P256_SHA256_FIXED,
    };
    ParsedPublicKey::new(algorithm, key.public().to_spki_der().unwrap()).unwrap()
}
