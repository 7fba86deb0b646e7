//! Public keys.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use countersign_types::digest::Digest;
use serde_json::Value;

use super::der::{KeyKind, Spki, rsa_public_numbers, spki};
use super::material::Material;
use super::members::Members;
use super::{Curve, KeyError, Wiped, is_key_id};
use crate::alg::{Algorithm, BadSignature, Verify};
use crate::engine::aws_lc::Verifier;
use crate::json;

/// A public key, parsed and checked. Cloning it shares it.
///
/// ```
/// use countersign_jwt::PublicKey;
///
/// // RFC 8037 Appendix A.2; its thumbprint stands in A.3.
/// let key = PublicKey::from_json(
///     br#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
/// )?;
/// assert_eq!(key.thumbprint().to_base64url(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
/// # Ok::<(), countersign_jwt::KeyError>(())
/// ```
#[derive(Clone)]
pub struct PublicKey(Arc<Inner>);

struct Inner {
    algorithm: Algorithm,
    kid: Option<String>,
    material: Material,
    parsed: Verifier,
    thumbprint: Digest,
}

impl PublicKey {
    /// Reads a key from its JSON text.
    ///
    /// # Errors
    /// [`KeyError::Json`] for a text with two readings, and as [`from_jwk`](Self::from_jwk).
    pub fn from_json(jwk: &[u8]) -> Result<Self, KeyError> {
        Self::from_jwk(&Wiped::from(json::parse_object(jwk)?))
    }

    /// Reads a key. Members it does not know are ignored ([RFC 7517 §4]); `x5u` and `x5c` are
    /// among them.
    ///
    /// # Errors
    /// The [`KeyError`] that says which rule of the [module](crate::jwk) the key breaks.
    ///
    /// [RFC 7517 §4]: https://www.rfc-editor.org/rfc/rfc7517#section-4
    pub fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        Self::read_public(jwk, None)
    }

    /// Reads a key that is known, by agreement or from the metadata of its owner, to be for
    /// `algorithm`: what an RSA key without `alg` needs that is not for RS256. An `alg` of the key
    /// has to agree.
    ///
    /// # Errors
    /// As [`from_jwk`](Self::from_jwk); [`KeyError::AlgorithmMismatch`] if the key names another
    /// algorithm or is of a type that `algorithm` does not use.
    pub fn from_jwk_for(jwk: &Value, algorithm: Algorithm) -> Result<Self, KeyError> {
        Self::read_public(jwk, Some(algorithm))
    }

    fn read_public(jwk: &Value, agreed: Option<Algorithm>) -> Result<Self, KeyError> {
        let members = Members::of(jwk)?;
        members.check_public()?;
        members.check_use("sig", &["verify"])?;
        Self::read(&members, agreed)
    }

    /// Reads a key from its SubjectPublicKeyInfo in DER ([RFC 5280 §4.1.2.7]). `algorithm` says
    /// what an RSA key is for (RS256 if `None`) and has to fit the key otherwise.
    ///
    /// # Errors
    /// [`KeyError::Unsupported`] for another kind of key, [`KeyError::AlgorithmMismatch`],
    /// [`KeyError::Invalid`] for what is no key, and the rules of the [module](crate::jwk).
    ///
    /// [RFC 5280 §4.1.2.7]: https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.7
    pub fn from_spki_der(
        der: &[u8],
        algorithm: Option<Algorithm>,
        kid: Option<&str>,
    ) -> Result<Self, KeyError> {
        let material = material_of_spki(der)?;
        let allowed = material.signature_algorithms();
        let algorithm = match (algorithm, allowed) {
            (_, []) => return Err(KeyError::Unsupported("algorithm")),
            (Some(algorithm), _) if allowed.contains(&algorithm) => algorithm,
            (None, [first, ..]) => *first,
            (Some(_), _) => return Err(KeyError::AlgorithmMismatch),
        };
        if kid.is_some_and(|kid| !is_key_id(kid)) {
            return Err(KeyError::Malformed("kid"));
        }
        Self::new(algorithm, kid.map(str::to_owned), material)
    }

    /// The key as SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// [`KeyError::Invalid`] if the engine does not give the key out.
    pub fn to_spki_der(&self) -> Result<Vec<u8>, KeyError> {
        let der: PublicKeyX509Der<'_> = self.0.parsed.as_der().map_err(|_| KeyError::Invalid)?;
        Ok(der.as_ref().to_vec())
    }

    pub(super) fn read(members: &Members<'_>, agreed: Option<Algorithm>) -> Result<Self, KeyError> {
        let material = match Material::read(members) {
            // A secret is no public key, and its `k` is not looked at.
            Ok(Material::Oct { .. }) => return Err(KeyError::Unsupported("kty")),
            read => read?,
        };
        let algorithm = members.algorithm(material.signature_algorithms(), agreed)?;
        Self::new(algorithm, members.key_id()?, material)
    }

    pub(super) fn new(
        algorithm: Algorithm,
        kid: Option<String>,
        material: Material,
    ) -> Result<Self, KeyError> {
        let parsed = material.verifier(algorithm)?;
        let thumbprint = material.thumbprint();
        Ok(Self(Arc::new(Inner { algorithm, kid, material, parsed, thumbprint })))
    }

    pub(super) fn material(&self) -> &Material {
        &self.0.material
    }

    /// The one algorithm this key is for.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// How many octets each signature has that this key verifies. [RFC 7518 §3.4],
    /// [RFC 8017 §8.1.2, §8.2.2], [RFC 8032 §5.1.6]
    ///
    /// [RFC 7518 §3.4]: https://www.rfc-editor.org/rfc/rfc7518#section-3.4
    /// [RFC 8017 §8.1.2, §8.2.2]: https://www.rfc-editor.org/rfc/rfc8017#section-8.1.2
    /// [RFC 8032 §5.1.6]: https://www.rfc-editor.org/rfc/rfc8032#section-5.1.6
    #[must_use]
    pub fn signature_len(&self) -> usize {
        match &self.0.material {
            Material::Rsa { n, .. } => n.len(),
            Material::Ec { curve, .. } | Material::Okp { curve, .. } => 2 * curve.octets(),
            Material::Oct { .. } => 0,
        }
    }

    /// The `kid`, if the key has one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.0.kid.as_deref()
    }

    /// The thumbprint with SHA-256. [RFC 7638 §3](https://www.rfc-editor.org/rfc/rfc7638#section-3)
    #[must_use]
    pub fn thumbprint(&self) -> Digest {
        self.0.thumbprint
    }

    /// The key as it is published: with `use`, `alg` and, if it has one, `kid`.
    #[must_use]
    pub fn to_jwk(&self) -> Value {
        Value::Object(self.0.material.to_jwk("sig", self.0.algorithm.name(), self.kid()))
    }
}

fn material_of_spki(der: &[u8]) -> Result<Material, KeyError> {
    let Spki { kind, key } = spki(der).ok_or(KeyError::Invalid)?;
    match kind {
        KeyKind::Curve(curve) if Curve::EC.contains(&curve) => Material::of_point(curve, key),
        KeyKind::Curve(curve) => Ok(Material::Okp { curve, x: key.to_vec() }),
        KeyKind::Rsa => {
            let (n, e) = rsa_public_numbers(key).ok_or(KeyError::Invalid)?;
            Ok(Material::Rsa { n: n.to_vec(), e: e.to_vec() })
        }
        KeyKind::Other => Err(KeyError::Unsupported("algorithm")),
    }
}

impl Verify for PublicKey {
    fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    fn key_id(&self) -> Option<&str> {
        self.kid()
    }

    fn verify(&self, input: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.0.parsed.verify_sig(input, signature).map_err(|_| BadSignature)
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublicKey")
            .field("algorithm", &self.0.algorithm)
            .field("kid", &self.0.kid)
            .finish_non_exhaustive()
    }
}
