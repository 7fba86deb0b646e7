//! Key management by josekit: key agreement, key wrapping, RSAES-OAEP.
//!
//! josekit is asked for the content encryption key alone. Its reader of tokens is not used, since
//! it takes what [`Encrypted::parse`](super::Encrypted::parse) refuses: members that occur twice,
//! `crit` of nothing, compressed contents without a bound. It indexes into an encrypted key that
//! is shorter than its own overhead, so lengths are exact before it sees one.

use aws_lc_rs::error::Unspecified;
use josekit::Value;
use josekit::jwe::alg::aeskw::AeskwJweAlgorithm;
use josekit::jwe::alg::ecdh_es::EcdhEsJweAlgorithm;
use josekit::jwe::alg::rsaes::RsaesJweAlgorithm;
use josekit::jwe::enc::{A128CBC_HS256, A128GCM, A256CBC_HS512, A256GCM};
use josekit::jwe::{JweContentEncryption, JweDecrypter, JweEncrypter, JweHeader};
use josekit::jwk::Jwk;
use serde_json::Map;
use zeroize::Zeroizing;

use super::alg::{ContentEncryption, KeyManagement};
use super::content::fresh;
use super::header::Header;
use crate::jwk::KeyError;

/// Makes content encryption keys known to whoever holds the other half.
pub(super) enum Wrapper {
    /// The key is shared already.
    Direct(Zeroizing<Vec<u8>>),
    Josekit(Box<dyn JweEncrypter>),
}

/// Finds out content encryption keys.
pub(super) enum Unwrapper {
    /// The key is shared already.
    Direct(Zeroizing<Vec<u8>>),
    Josekit(Box<dyn JweDecrypter>),
}

/// What key management adds to a JWE.
pub(super) struct Wrapped {
    pub(super) content_encryption_key: Zeroizing<Vec<u8>>,
    pub(super) encrypted_key: Vec<u8>,
    /// The header with what was added to it: the ephemeral key.
    pub(super) header: Map<String, Value>,
}

impl Wrapper {
    /// `jwk` holds the checked numbers of the key and nothing else.
    pub(super) fn of_jwk(
        algorithm: KeyManagement,
        jwk: Map<String, Value>,
    ) -> Result<Self, KeyError> {
        let jwk = Jwk::from_map(jwk).map_err(|_| KeyError::Invalid)?;
        let encrypter: Box<dyn JweEncrypter> = match algorithm {
            KeyManagement::EcdhEs => {
                Box::new(imported(EcdhEsJweAlgorithm::EcdhEs.encrypter_from_jwk(&jwk))?)
            }
            KeyManagement::EcdhEsA256Kw => {
                Box::new(imported(EcdhEsJweAlgorithm::EcdhEsA256kw.encrypter_from_jwk(&jwk))?)
            }
            _ => Box::new(imported(RsaesJweAlgorithm::RsaOaep256.encrypter_from_jwk(&jwk))?),
        };
        Ok(Self::Josekit(encrypter))
    }

    pub(super) fn of_shared(
        algorithm: KeyManagement,
        key: Zeroizing<Vec<u8>>,
    ) -> Result<Self, KeyError> {
        if algorithm == KeyManagement::Dir {
            return Ok(Self::Direct(key));
        }
        let encrypter = imported(AeskwJweAlgorithm::A256kw.encrypter_from_bytes(&*key))?;
        Ok(Self::Josekit(Box::new(encrypter)))
    }

    pub(super) fn wrap(
        &self,
        enc: ContentEncryption,
        header: Map<String, Value>,
    ) -> Result<Wrapped, Unspecified> {
        let encrypter = match self {
            Self::Direct(key) => {
                let (content_encryption_key, encrypted_key) = (key.clone(), Vec::new());
                return Ok(Wrapped { content_encryption_key, encrypted_key, header });
            }
            Self::Josekit(encrypter) => encrypter,
        };
        let given = JweHeader::from_map(header).map_err(|_| Unspecified)?;
        let mut header = given.clone();
        let agreed = encrypter
            .compute_content_encryption_key(of_josekit(enc), &given, &mut header)
            .map_err(|_| Unspecified)?;
        let content_encryption_key = match agreed {
            Some(key) => Zeroizing::new(key.into_owned()),
            None => fresh(enc.key_len())?,
        };
        let encrypted_key = encrypter
            .encrypt(&content_encryption_key, &given, &mut header)
            .map_err(|_| Unspecified)?
            .unwrap_or_default();
        Ok(Wrapped { content_encryption_key, encrypted_key, header: header.into() })
    }
}

impl Unwrapper {
    /// `jwk` holds the checked numbers of the key and nothing else.
    pub(super) fn of_jwk(
        algorithm: KeyManagement,
        jwk: Map<String, Value>,
    ) -> Result<Self, KeyError> {
        let jwk = Jwk::from_map(jwk).map_err(|_| KeyError::Invalid)?;
        let decrypter: Box<dyn JweDecrypter> = match algorithm {
            KeyManagement::EcdhEs => {
                Box::new(imported(EcdhEsJweAlgorithm::EcdhEs.decrypter_from_jwk(&jwk))?)
            }
            KeyManagement::EcdhEsA256Kw => {
                Box::new(imported(EcdhEsJweAlgorithm::EcdhEsA256kw.decrypter_from_jwk(&jwk))?)
            }
            _ => Box::new(imported(RsaesJweAlgorithm::RsaOaep256.decrypter_from_jwk(&jwk))?),
        };
        Ok(Self::Josekit(decrypter))
    }

    pub(super) fn of_shared(
        algorithm: KeyManagement,
        key: Zeroizing<Vec<u8>>,
    ) -> Result<Self, KeyError> {
        if algorithm == KeyManagement::Dir {
            return Ok(Self::Direct(key));
        }
        let decrypter = imported(AeskwJweAlgorithm::A256kw.decrypter_from_bytes(&*key))?;
        Ok(Self::Josekit(Box::new(decrypter)))
    }

    /// The content encryption key, whatever its length; none if the encrypted key is not one.
    pub(super) fn unwrap(
        &self,
        header: &Header,
        encrypted_key: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::Direct(key) => Some(key.clone()),
            Self::Josekit(decrypter) => {
                let enc = of_josekit(header.content_encryption);
                let header = JweHeader::from_map(header.to_members()).ok()?;
                let encrypted_key = (!encrypted_key.is_empty()).then_some(encrypted_key);
                let key = decrypter.decrypt(encrypted_key, enc, &header).ok()?;
                Some(Zeroizing::new(key.into_owned()))
            }
        }
    }
}

fn imported<K>(key: Result<K, josekit::JoseError>) -> Result<K, KeyError> {
    key.map_err(|_| KeyError::Invalid)
}

fn of_josekit(enc: ContentEncryption) -> &'static dyn JweContentEncryption {
    match enc {
        ContentEncryption::A128Gcm => &A128GCM,
        ContentEncryption::A256Gcm => &A256GCM,
        ContentEncryption::A128CbcHs256 => &A128CBC_HS256,
        ContentEncryption::A256CbcHs512 => &A256CBC_HS512,
    }
}
