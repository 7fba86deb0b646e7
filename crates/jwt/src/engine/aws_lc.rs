//! What aws-lc-rs calls our algorithms.

use aws_lc_rs::hmac;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING,
    ED25519, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaParameters,
};

use crate::alg::Algorithm;
use crate::jwk::Curve;
use crate::mac::MacAlgorithm;

/// The engine parsed this public key and will not look at it again.
pub(crate) type Verifier = ParsedPublicKey;

/// A key on a curve that signs, from the point `04 || X || Y`. `None` for a point off the curve.
pub(crate) fn ec_verifier(curve: Curve, point: &[u8]) -> Option<Verifier> {
    let parameters: &'static EcdsaVerificationAlgorithm = match curve {
        Curve::P256 => &ECDSA_P256_SHA256_FIXED,
        Curve::P384 => &ECDSA_P384_SHA384_FIXED,
        Curve::P521 => &ECDSA_P521_SHA512_FIXED,
        Curve::Ed25519 | Curve::X25519 => return None,
    };
    ParsedPublicKey::new(parameters, point).ok()
}

pub(crate) fn rsa_verifier(algorithm: Algorithm, n: &[u8], e: &[u8]) -> Option<Verifier> {
    let parameters: &'static RsaParameters = match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 | Algorithm::Ed25519 => return None,
    };
    PublicKeyComponents { n, e }.to_parsed_public_key(parameters).ok()
}

pub(crate) fn ed25519_verifier(point: &[u8; 32]) -> Option<Verifier> {
    ParsedPublicKey::new(&ED25519, point).ok()
}

/// How the engine signs.
pub(crate) enum Signing {
    Ec(Curve, &'static EcdsaSigningAlgorithm),
    Rsa(&'static dyn RsaEncoding),
    Ed25519,
}

pub(crate) fn signing(algorithm: Algorithm) -> Signing {
    match algorithm {
        Algorithm::Es256 => Signing::Ec(Curve::P256, &ECDSA_P256_SHA256_FIXED_SIGNING),
        Algorithm::Es384 => Signing::Ec(Curve::P384, &ECDSA_P384_SHA384_FIXED_SIGNING),
        Algorithm::Es512 => Signing::Ec(Curve::P521, &ECDSA_P521_SHA512_FIXED_SIGNING),
        Algorithm::Rs256 => Signing::Rsa(&RSA_PKCS1_SHA256),
        Algorithm::Rs384 => Signing::Rsa(&RSA_PKCS1_SHA384),
        Algorithm::Rs512 => Signing::Rsa(&RSA_PKCS1_SHA512),
        Algorithm::Ps256 => Signing::Rsa(&RSA_PSS_SHA256),
        Algorithm::Ps384 => Signing::Rsa(&RSA_PSS_SHA384),
        Algorithm::Ps512 => Signing::Rsa(&RSA_PSS_SHA512),
        Algorithm::Ed25519 => Signing::Ed25519,
    }
}

pub(crate) fn hmac_key(algorithm: MacAlgorithm, secret: &[u8]) -> hmac::Key {
    let parameters = match algorithm {
        MacAlgorithm::Hs256 => hmac::HMAC_SHA256,
        MacAlgorithm::Hs384 => hmac::HMAC_SHA384,
        MacAlgorithm::Hs512 => hmac::HMAC_SHA512,
    };
    hmac::Key::new(parameters, secret)
}
