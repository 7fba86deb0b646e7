//! The bare operation of aws-lc-rs, with a key that was parsed beforehand.

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
use countersign_jwt::{Algorithm, SigningKey};

/// Signs and throws the signature away.
pub(crate) type RawSigner = Box<dyn Fn(&[u8])>;

pub(crate) fn signer(key: &SigningKey) -> RawSigner {
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

pub(crate) fn verifier(key: &SigningKey) -> ParsedPublicKey {
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
