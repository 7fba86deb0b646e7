//! A provider's keys, as the `openidconnect` crate wants to see them.

use countersign_jwt::{Algorithm, PublicKey, Verify as _};
use openidconnect::core::{CoreJsonWebKeyType, CoreJsonWebKeyUse, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKey, JsonWebKeyAlgorithm, JsonWebKeyId, SignatureVerificationError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// What an ID token may be signed with.
pub(super) const ALGORITHMS: [CoreJwsSigningAlgorithm; 10] = [
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EcdsaP521Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// The `openidconnect` crate's words for an algorithm and its keys.
const fn words(algorithm: Algorithm) -> Option<(CoreJwsSigningAlgorithm, CoreJsonWebKeyType)> {
    use CoreJsonWebKeyType::{EllipticCurve, OctetKeyPair, RSA};
    use CoreJwsSigningAlgorithm as Jws;
    match algorithm {
        Algorithm::Es256 => Some((Jws::EcdsaP256Sha256, EllipticCurve)),
        Algorithm::Es384 => Some((Jws::EcdsaP384Sha384, EllipticCurve)),
        Algorithm::Es512 => Some((Jws::EcdsaP521Sha512, EllipticCurve)),
        Algorithm::Rs256 => Some((Jws::RsaSsaPkcs1V15Sha256, RSA)),
        Algorithm::Rs384 => Some((Jws::RsaSsaPkcs1V15Sha384, RSA)),
        Algorithm::Rs512 => Some((Jws::RsaSsaPkcs1V15Sha512, RSA)),
        Algorithm::Ps256 => Some((Jws::RsaSsaPssSha256, RSA)),
        Algorithm::Ps384 => Some((Jws::RsaSsaPssSha384, RSA)),
        Algorithm::Ps512 => Some((Jws::RsaSsaPssSha512, RSA)),
        Algorithm::Ed25519 => Some((Jws::EdDsa, OctetKeyPair)),
        _ => None,
    }
}

/// A verification key over [`PublicKey`]: one algorithm per key, whatever a token says.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// `None` for a symmetric key, which the trait can ask for and which verifies nothing.
    key: Option<PublicKey>,
    kid: Option<JsonWebKeyId>,
    algorithm: CoreJwsSigningAlgorithm,
    kind: CoreJsonWebKeyType,
}

impl Key {
    /// The key, if ID tokens may be signed with its algorithm.
    pub(super) fn of(key: &PublicKey) -> Option<Self> {
        let (algorithm, kind) = words(key.algorithm())?;
        let kid = key.kid().map(|kid| JsonWebKeyId::new(kid.to_owned()));
        Some(Self { key: Some(key.clone()), kid, algorithm, kind })
    }

    fn for_algorithm(&self, algorithm: &CoreJwsSigningAlgorithm) -> Option<&PublicKey> {
        self.key.as_ref().filter(|_| self.algorithm == *algorithm)
    }
}

impl JsonWebKey for Key {
    type KeyUse = CoreJsonWebKeyUse;
    type SigningAlgorithm = CoreJwsSigningAlgorithm;

    fn key_id(&self) -> Option<&JsonWebKeyId> {
        self.kid.as_ref()
    }

    fn key_type(&self) -> &CoreJsonWebKeyType {
        &self.kind
    }

    fn key_use(&self) -> Option<&CoreJsonWebKeyUse> {
        Some(&CoreJsonWebKeyUse::Signature)
    }

    fn signing_alg(&self) -> JsonWebKeyAlgorithm<&CoreJwsSigningAlgorithm> {
        JsonWebKeyAlgorithm::Algorithm(&self.algorithm)
    }

    fn new_symmetric(_: Vec<u8>) -> Self {
        Self {
            key: None,
            kid: None,
            algorithm: CoreJwsSigningAlgorithm::None,
            kind: CoreJsonWebKeyType::Symmetric,
        }
    }

    fn verify_signature(
        &self,
        algorithm: &CoreJwsSigningAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureVerificationError> {
        let Some(key) = self.for_algorithm(algorithm) else {
            return Err(SignatureVerificationError::InvalidKey("not for this algorithm".into()));
        };
        key.verify(message, signature)
            .map_err(|_| SignatureVerificationError::CryptoError("bad signature".into()))
    }

    fn hash_bytes(
        &self,
        bytes: &[u8],
        algorithm: &CoreJwsSigningAlgorithm,
    ) -> Result<Vec<u8>, String> {
        use CoreJwsSigningAlgorithm as Jws;
        let algorithm = self.for_algorithm(algorithm).map(|_| algorithm);
        match algorithm {
            Some(Jws::EcdsaP256Sha256 | Jws::RsaSsaPkcs1V15Sha256 | Jws::RsaSsaPssSha256) => {
                Ok(Sha256::digest(bytes).to_vec())
            }
            Some(Jws::EcdsaP384Sha384 | Jws::RsaSsaPkcs1V15Sha384 | Jws::RsaSsaPssSha384) => {
                Ok(Sha384::digest(bytes).to_vec())
            }
            Some(
                Jws::EcdsaP521Sha512
                | Jws::RsaSsaPkcs1V15Sha512
                | Jws::RsaSsaPssSha512
                | Jws::EdDsa,
            ) => Ok(Sha512::digest(bytes).to_vec()),
            _ => Err("not for this algorithm".to_owned()),
        }
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.key {
            Some(key) => key.to_jwk().serialize(serializer),
            None => Err(serde::ser::Error::custom("a symmetric key")),
        }
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let jwk = serde_json::Value::deserialize(deserializer)?;
        let key = PublicKey::from_jwk(&jwk).map_err(serde::de::Error::custom)?;
        Self::of(&key).ok_or_else(|| serde::de::Error::custom("no key for ID tokens"))
    }
}

#[cfg(test)]
mod tests {
    use countersign_jwt::{Sign as _, SigningKey};

    use super::*;

    #[test]
    fn a_key_verifies_its_own_algorithm_only() {
        assert_eq!(Algorithm::ALL.len(), ALGORITHMS.len());
        for (algorithm, own) in Algorithm::ALL.iter().zip(ALGORITHMS) {
            let signing = SigningKey::generate(*algorithm, None).unwrap();
            let signature = signing.sign(b"message").unwrap();
            let json = serde_json::to_string(&Key::of(signing.public()).unwrap()).unwrap();
            let key = serde_json::from_str::<Key>(&json).unwrap();
            for other in ALGORITHMS {
                let verified = key.verify_signature(&other, b"message", &signature);
                assert_eq!(verified.is_ok(), other == own, "{own:?} {other:?}");
                assert_eq!(key.hash_bytes(b"", &other).is_ok(), other == own);
            }
            assert!(key.verify_signature(&own, b"other", &signature).is_err());
            let symmetric = Key::new_symmetric(b"secret".to_vec());
            assert!(symmetric.verify_signature(&own, b"message", &signature).is_err());
        }
    }
}
