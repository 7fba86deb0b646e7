//! A shared secret.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use countersign_types::Timestamp;
use countersign_types::digest::Digest;
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{MacAlgorithm, MacVerified};
use crate::alg::SignError;
use crate::engine::aws_lc::hmac_key;
use crate::jwk::{KeyError, Material, Members, Wiped, check_secret, is_key_id};
use crate::jws::{Compact, Malformed, Members as Header, Named, decode, write, write_claims};
use crate::policy::Policy;
use crate::verify::{TokenError, VerifyError};
use crate::{base64url, json};

/// The longest secret that is read, in octets: longer ones are hashed down to the hash's length.
const MAX_SECRET: usize = 512;

/// A shared secret for one MAC algorithm.
pub struct HmacKey {
    algorithm: MacAlgorithm,
    kid: Option<String>,
    secret: Zeroizing<Vec<u8>>,
    key: hmac::Key,
    operations: Operations,
}

/// What `key_ops` let the key do. [RFC 7517
/// §4.3](https://www.rfc-editor.org/rfc/rfc7517#section-4.3)
#[derive(Clone, Copy)]
struct Operations {
    sign: bool,
    verify: bool,
}

impl HmacKey {
    /// Makes a secret of the length of the hash.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] for an unfit `kid`, [`KeyError::Generation`] if the engine fails.
    pub fn generate(algorithm: MacAlgorithm, kid: Option<&str>) -> Result<Self, KeyError> {
        let mut secret = Zeroizing::new(vec![0; algorithm.octets()]);
        SystemRandom::new().fill(&mut secret).map_err(|_| KeyError::Generation)?;
        Self::new(algorithm, kid.map(str::to_owned), secret)
    }

    /// A key of these octets.
    ///
    /// # Errors
    /// [`KeyError::Weak`] if they are fewer than the hash has or read as a text,
    /// [`KeyError::Malformed`] for an unfit `kid` or more than 512 octets.
    pub fn from_octets(
        algorithm: MacAlgorithm,
        kid: Option<&str>,
        secret: &[u8],
    ) -> Result<Self, KeyError> {
        Self::new(algorithm, kid.map(str::to_owned), Zeroizing::new(secret.to_vec()))
    }

    /// Reads a key from its JSON text.
    ///
    /// # Errors
    /// [`KeyError::Json`] for a text with two readings, and as [`from_jwk`](Self::from_jwk).
    pub fn from_json(jwk: &[u8]) -> Result<Self, KeyError> {
        Self::from_jwk(&Wiped::from(json::parse_object(jwk)?))
    }

    /// Reads a key, which has to name its algorithm. [RFC 7518 §6.4]
    ///
    /// # Errors
    /// [`KeyError::Missing`] without `alg`, or the [`KeyError`] that says what is wrong with it.
    ///
    /// [RFC 7518 §6.4]: https://www.rfc-editor.org/rfc/rfc7518#section-6.4
    pub fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        Self::read(jwk, None)
    }

    /// Reads a key that is known to be for `algorithm`. An `alg` of the key has to agree.
    ///
    /// # Errors
    /// [`KeyError::AlgorithmMismatch`] if the key names another algorithm, or the [`KeyError`] that
    /// says what is wrong with it.
    pub fn from_jwk_for(jwk: &Value, algorithm: MacAlgorithm) -> Result<Self, KeyError> {
        Self::read(jwk, Some(algorithm))
    }

    fn read(jwk: &Value, agreed: Option<MacAlgorithm>) -> Result<Self, KeyError> {
        let members = Members::of(jwk)?;
        members.check_use("sig", &["sign", "verify"])?;
        let operations = Operations {
            sign: members.check_use("sig", &["sign"]).is_ok(),
            verify: members.check_use("sig", &["verify"]).is_ok(),
        };
        if members.required("kty")? != "oct" {
            return Err(KeyError::Unsupported("kty"));
        }
        let named = match members.optional("alg")? {
            None => None,
            Some(name) => Some(MacAlgorithm::from_name(name).ok_or(KeyError::Unsupported("alg"))?),
        };
        let algorithm = match (named, agreed) {
            (Some(named), Some(agreed)) if named != agreed => {
                return Err(KeyError::AlgorithmMismatch);
            }
            (Some(algorithm), _) | (None, Some(algorithm)) => algorithm,
            (None, None) => return Err(KeyError::Missing("alg")),
        };
        let key = Self::new(algorithm, members.key_id()?, members.octets("k")?)?;
        Ok(Self { operations, ..key })
    }

    fn new(
        algorithm: MacAlgorithm,
        kid: Option<String>,
        secret: Zeroizing<Vec<u8>>,
    ) -> Result<Self, KeyError> {
        if kid.as_deref().is_some_and(|kid| !is_key_id(kid)) {
            return Err(KeyError::Malformed("kid"));
        }
        if secret.len() > MAX_SECRET {
            return Err(KeyError::Malformed("k"));
        }
        if secret.len() < algorithm.octets() {
            return Err(KeyError::Weak("the secret is shorter than the hash"));
        }
        check_secret(&secret)?;
        let key = hmac_key(algorithm, &secret);
        let operations = Operations { sign: true, verify: true };
        Ok(Self { algorithm, kid, secret, key, operations })
    }

    /// The one algorithm this key is for.
    #[must_use]
    pub const fn algorithm(&self) -> MacAlgorithm {
        self.algorithm
    }

    /// The `kid`, if the key has one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The thumbprint with SHA-256. It tells who knows the key, so it is not for strangers: a
    /// guessed secret can be checked against it ([RFC 7638 §7]).
    ///
    /// [RFC 7638 §7]: https://www.rfc-editor.org/rfc/rfc7638#section-7
    #[must_use]
    pub fn thumbprint(&self) -> Digest {
        Material::Oct { k: self.secret.clone() }.thumbprint()
    }

    /// The key as JSON, the secret included.
    #[must_use]
    pub fn to_jwk(&self) -> Zeroizing<String> {
        let mut jwk = Zeroizing::new(String::with_capacity(2048));
        jwk.push_str(r#"{"kty":"oct","use":"sig","alg":""#);
        jwk.push_str(self.algorithm.name());
        if let Some(kid) = self.kid() {
            jwk.push_str(r#"","kid":"#);
            jwk.push_str(&Value::from(kid).to_string());
            jwk.push_str(r#","k":""#);
        } else {
            jwk.push_str(r#"","k":""#);
        }
        base64url::encode_onto(&self.secret, &mut jwk);
        jwk.push_str("\"}");
        jwk
    }

    /// Writes claims with their MAC: header `alg`, `typ`, `kid`.
    ///
    /// # Errors
    /// [`SignError::Use`] if `key_ops` of the key say otherwise, and as [`sign`](crate::sign).
    pub fn sign<C: Serialize>(&self, typ: &str, claims: &C) -> Result<String, SignError> {
        if !self.operations.sign {
            return Err(SignError::Use);
        }
        let header =
            Header { alg: self.algorithm.name(), typ: Some(typ), kid: self.kid(), jwk: None };
        let mac = |input: &[u8]| Ok(hmac::sign(&self.key, input));
        write(&header, |payload| write_claims(payload, claims), mac)
    }

    /// Reads a token of which this key is to have made the MAC. Of the policy all is checked but
    /// its signature algorithms, in the place of which stands the one algorithm of this key.
    ///
    /// # Errors
    /// The [`TokenError`] of the step that failed; [`VerifyError::UnknownKey`] if the token names
    /// another algorithm or another `kid`, [`VerifyError::Use`] if `key_ops` reserve the key for
    /// making MACs.
    pub fn verify(
        &self,
        token: &str,
        policy: &Policy<'_>,
        now: Timestamp,
    ) -> Result<MacVerified, TokenError> {
        let compact = Compact::split(token)?;
        let header = compact.header()?;
        let header = Named::read(&header)?;
        let claims = compact.claims()?;
        policy.check_content(header.typ, &claims, now)?;
        self.check(&compact, &header)?;
        Ok(MacVerified(claims))
    }

    /// Reads a token whose payload may be any octets; what is judged is the MAC alone.
    ///
    /// # Errors
    /// [`TokenError::Malformed`], [`TokenError::Verify`].
    pub fn verify_payload(&self, token: &str) -> Result<Vec<u8>, TokenError> {
        let compact = Compact::split(token)?;
        let header = compact.header()?;
        self.check(&compact, &Named::read(&header)?)?;
        Ok(decode(compact.payload)?)
    }

    pub(super) fn check(
        &self,
        compact: &Compact<'_>,
        header: &Named<'_>,
    ) -> Result<(), TokenError> {
        let algorithm = MacAlgorithm::from_name(header.alg).ok_or(Malformed::Algorithm)?;
        let other_kid = header.kid.is_some() && self.kid.is_some() && header.kid != self.kid();
        if algorithm != self.algorithm || other_kid {
            return Err(VerifyError::UnknownKey.into());
        }
        if !self.operations.verify {
            return Err(VerifyError::Use.into());
        }
        let mac = compact.signature()?;
        // In constant time, and never against a part of the MAC.
        hmac::verify(&self.key, compact.signing_input.as_bytes(), &mac)
            .map_err(|_| VerifyError::Signature.into())
    }
}

impl std::fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HmacKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
