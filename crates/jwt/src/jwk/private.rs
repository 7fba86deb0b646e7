//! Private keys.

use aws_lc_rs::encoding::{AsBigEndian as _, AsDer as _, EcPrivateKeyBin};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPairComponents, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaEncoding, RsaKeyPair};
use serde_json::Value;
use zeroize::Zeroizing;

use super::der::rsa_numbers;
use super::material::Material;
use super::members::Members;
use super::{Curve, KeyError, PublicKey, Wiped, is_key_id};
use crate::alg::{Algorithm, Sign, SignError};
use crate::engine::aws_lc::{Signing, signing};
use crate::{base64url, json};

/// A private key for one algorithm, parsed once. It always has a `kid`: the given one, else its
/// thumbprint ([RFC 7638]).
///
/// ```
/// use countersign_jwt::{Algorithm, SigningKey};
///
/// let key = SigningKey::generate(Algorithm::Es256, None)?;
/// let kept = key.to_jwk()?;
/// let again = SigningKey::from_json(kept.as_bytes())?;
/// assert_eq!(again.public().thumbprint(), key.public().thumbprint());
/// # Ok::<(), countersign_jwt::KeyError>(())
/// ```
///
/// [RFC 7638]: https://www.rfc-editor.org/rfc/rfc7638
pub struct SigningKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Ec(EcdsaKeyPair, Curve),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ed(Ed25519KeyPair),
}

impl SigningKey {
    /// Makes a new key; an RSA one has 2048 bits.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] for an unfit `kid`, [`KeyError::Generation`] if the engine fails.
    pub fn generate(algorithm: Algorithm, kid: Option<&str>) -> Result<Self, KeyError> {
        let failed = |_| KeyError::Generation;
        let pair = match signing(algorithm) {
            Signing::Ec(curve, ec) => Pair::Ec(EcdsaKeyPair::generate(ec).map_err(failed)?, curve),
            Signing::Rsa(encoding) => {
                Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?, encoding)
            }
            Signing::Ed25519 => Pair::Ed(Ed25519KeyPair::generate().map_err(failed)?),
        };
        Self::new(pair, algorithm, kid)
    }

    /// Reads a private key from its JSON text.
    ///
    /// # Errors
    /// [`KeyError::Json`] for a text with two readings, and as [`from_jwk`](Self::from_jwk).
    pub fn from_json(jwk: &[u8]) -> Result<Self, KeyError> {
        Self::from_jwk(&Wiped::from(json::parse_object(jwk)?))
    }

    /// Reads a private key. For RSA all of `d`, `p`, `q`, `dp`, `dq` and `qi` are required, and
    /// more than two primes (`oth`) are not supported.
    ///
    /// # Errors
    /// The [`KeyError`] that says which rule of the [module](crate::jwk) the key breaks;
    /// [`KeyError::Invalid`] if the halves do not belong together.
    pub fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        Self::read(jwk, None)
    }

    /// Reads a private key that is known to be for `algorithm`, as
    /// [`PublicKey::from_jwk_for`] does with the public half.
    ///
    /// # Errors
    /// As [`from_jwk`](Self::from_jwk); [`KeyError::AlgorithmMismatch`] if the key names another
    /// algorithm or is of a type that `algorithm` does not use.
    pub fn from_jwk_for(jwk: &Value, algorithm: Algorithm) -> Result<Self, KeyError> {
        Self::read(jwk, Some(algorithm))
    }

    fn read(jwk: &Value, agreed: Option<Algorithm>) -> Result<Self, KeyError> {
        let members = Members::of(jwk)?;
        members.check_use("sig", &["sign"])?;
        let public = PublicKey::read(&members, agreed)?;
        let algorithm = public.algorithm();
        let pair = match (signing(algorithm), public.material()) {
            (Signing::Ec(curve, ec), material @ Material::Ec { .. }) => {
                let d = members.octets("d")?;
                if d.len() != curve.octets() {
                    return Err(KeyError::Malformed("d"));
                }
                let point = material.point().ok_or(KeyError::Invalid)?;
                EcdsaKeyPair::from_private_key_and_public_key(ec, &d, &point)
                    .map(|pair| Pair::Ec(pair, curve))
            }
            (Signing::Rsa(encoding), Material::Rsa { n, e }) => {
                let numbers = rsa_components(&members, n, e)?;
                RsaKeyPair::from_components(&numbers).map(|pair| Pair::Rsa(pair, encoding))
            }
            (Signing::Ed25519, Material::Okp { x, .. }) => {
                Ed25519KeyPair::from_seed_and_public_key(&members.octets("d")?, x).map(Pair::Ed)
            }
            _ => return Err(KeyError::AlgorithmMismatch),
        };
        Self::new(pair.map_err(|_| KeyError::Invalid)?, algorithm, public.kid())
    }

    /// Reads a private key from its PKCS #8 form in DER ([RFC 5208 §5]).
    ///
    /// # Errors
    /// [`KeyError::Invalid`] if it is no such key for this algorithm, [`KeyError::Weak`] if it is
    /// one that protects nothing, [`KeyError::Malformed`] for an unfit `kid`.
    ///
    /// [RFC 5208 §5]: https://www.rfc-editor.org/rfc/rfc5208#section-5
    pub fn from_pkcs8_der(
        algorithm: Algorithm,
        kid: Option<&str>,
        der: &[u8],
    ) -> Result<Self, KeyError> {
        let pair = match signing(algorithm) {
            Signing::Ec(curve, ec) => {
                EcdsaKeyPair::from_pkcs8(ec, der).map(|pair| Pair::Ec(pair, curve))
            }
            Signing::Rsa(encoding) => {
                RsaKeyPair::from_pkcs8(der).map(|pair| Pair::Rsa(pair, encoding))
            }
            Signing::Ed25519 => Ed25519KeyPair::from_pkcs8(der).map(Pair::Ed),
        };
        Self::new(pair.map_err(|_| KeyError::Invalid)?, algorithm, kid)
    }

    fn new(pair: Pair, algorithm: Algorithm, kid: Option<&str>) -> Result<Self, KeyError> {
        let material = pair.public_material()?;
        let kid = match kid {
            Some(kid) if is_key_id(kid) => kid.to_owned(),
            Some(_) => return Err(KeyError::Malformed("kid")),
            None => material.thumbprint().to_base64url(),
        };
        let public = PublicKey::new(algorithm, Some(kid), material)?;
        Ok(Self { pair, public })
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The key as JSON, private members included.
    ///
    /// # Errors
    /// [`KeyError::Invalid`] if the engine does not give the private numbers out.
    pub fn to_jwk(&self) -> Result<Zeroizing<String>, KeyError> {
        let public = self.public.to_jwk().to_string();
        let mut jwk = Zeroizing::new(String::with_capacity(8 * 1024));
        jwk.push_str(public.strip_suffix('}').unwrap_or(&public));
        let mut add = |name: &str, octets: &[u8]| {
            jwk.push_str(",\"");
            jwk.push_str(name);
            jwk.push_str("\":\"");
            base64url::encode_onto(octets, &mut jwk);
            jwk.push('"');
        };
        match &self.pair {
            Pair::Ec(pair, _) => {
                let d: EcPrivateKeyBin<'_> =
                    pair.private_key().as_be_bytes().map_err(|_| KeyError::Invalid)?;
                add("d", d.as_ref());
            }
            Pair::Rsa(pair, _) => {
                let der = pair.as_der().map_err(|_| KeyError::Invalid)?;
                let numbers = rsa_numbers(der.as_ref()).ok_or(KeyError::Invalid)?;
                for (name, number) in RSA_PRIVATE.into_iter().zip(numbers.private) {
                    add(name, number);
                }
            }
            Pair::Ed(pair) => {
                let seed = pair.seed().and_then(|seed| seed.as_be_bytes());
                add("d", seed.map_err(|_| KeyError::Invalid)?.as_ref());
            }
        }
        jwk.push('}');
        Ok(jwk)
    }

    /// The key in its PKCS #8 form in DER.
    ///
    /// # Errors
    /// [`KeyError::Invalid`] if the engine does not give the key out.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let der = match &self.pair {
            Pair::Ec(pair, _) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Pair::Rsa(pair, _) => pair.as_der().map(|der| der.as_ref().to_vec()),
            Pair::Ed(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
        };
        der.map(Zeroizing::new).map_err(|_| KeyError::Invalid)
    }
}

/// [RFC 7518 §6.3.2](https://www.rfc-editor.org/rfc/rfc7518#section-6.3.2)
const RSA_PRIVATE: [&str; 6] = ["d", "p", "q", "dp", "dq", "qi"];

type RsaComponents<'a> = KeyPairComponents<&'a [u8], Zeroizing<Vec<u8>>>;

fn rsa_components<'a>(
    members: &Members<'_>,
    n: &'a [u8],
    e: &'a [u8],
) -> Result<RsaComponents<'a>, KeyError> {
    if members.has("oth") {
        return Err(KeyError::Unsupported("oth"));
    }
    Ok(KeyPairComponents {
        public_key: PublicKeyComponents { n, e },
        d: members.integer("d")?,
        p: members.integer("p")?,
        q: members.integer("q")?,
        dP: members.integer("dp")?,
        dQ: members.integer("dq")?,
        qInv: members.integer("qi")?,
    })
}

/// Checks that the numbers of a private RSA key belong together.
#[cfg(feature = "josekit")]
pub(crate) fn check_rsa_pair(members: &Members<'_>) -> Result<(), KeyError> {
    let (n, e) = (members.integer("n")?, members.integer("e")?);
    RsaKeyPair::from_components(&rsa_components(members, &n, &e)?)
        .map(drop)
        .map_err(|_| KeyError::Invalid)
}

impl Pair {
    fn public_material(&self) -> Result<Material, KeyError> {
        match self {
            Self::Ec(pair, curve) => Material::of_point(*curve, pair.public_key().as_ref()),
            Self::Rsa(pair, _) => {
                let der = pair.as_der().map_err(|_| KeyError::Invalid)?;
                let numbers = rsa_numbers(der.as_ref()).ok_or(KeyError::Invalid)?;
                Ok(Material::Rsa { n: numbers.n.to_vec(), e: numbers.e.to_vec() })
            }
            Self::Ed(pair) => {
                let x = pair.public_key().as_ref().to_vec();
                Ok(Material::Okp { curve: Curve::Ed25519, x })
            }
        }
    }
}

impl Sign for SigningKey {
    fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    fn key_id(&self) -> Option<&str> {
        self.public.kid()
    }

    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, SignError> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair, _) => {
                let signature = pair.sign(&random, input).map_err(|_| SignError::Engine)?;
                Ok(signature.as_ref().to_vec())
            }
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, input, &mut signature)
                    .map_err(|_| SignError::Engine)?;
                Ok(signature)
            }
            Pair::Ed(pair) => {
                let signature = pair.try_sign(input).map_err(|_| SignError::Engine)?;
                Ok(signature.as_ref().to_vec())
            }
        }
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.public.algorithm())
            .field("kid", &self.public.kid())
            .finish_non_exhaustive()
    }
}
