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
use serde_json::Map;
use zeroize::Zeroizing;

use super::alg::{ContentEncryption, KeyManagement};
use super::content::fresh;
use super::header::Header;
use super::numbers::Numbers;
use crate::jwk::KeyError;

/// What computes with one half of a key.
pub(super) enum Engine<H: ?Sized> {
    /// The content encryption key is shared already.
    Direct(Zeroizing<Vec<u8>>),
    Josekit(Box<H>),
}

/// Makes content encryption keys known to whoever holds the other half.
pub(super) type Wrapper = Engine<dyn JweEncrypter>;

/// Finds out content encryption keys.
pub(super) type Unwrapper = Engine<dyn JweDecrypter>;

macro_rules! boxed {
    ($half:ty, $imported:expr) => {
        $imported.ok().map(|half| -> Box<$half> { Box::new(half) })
    };
}

macro_rules! importers {
    ($($half:ty: $from_jwk:ident, $from_bytes:ident;)*) => {$(
        impl Engine<$half> {
            /// Imports the checked numbers of a key.
            pub(super) fn import(
                algorithm: KeyManagement,
                numbers: &Numbers,
            ) -> Result<Self, KeyError> {
                let (shared, jwk) = match numbers {
                    Numbers::Shared(key) => (Some(key), None),
                    Numbers::Members(members) => (None, members.to_josekit()),
                };
                let half: Option<Box<$half>> = match (algorithm, shared, &jwk) {
                    (KeyManagement::Dir, Some(key), _) => return Ok(Self::Direct(key.clone())),
                    (KeyManagement::A256Kw, Some(key), _) => {
                        boxed!($half, AeskwJweAlgorithm::A256kw.$from_bytes(&**key))
                    }
                    (KeyManagement::EcdhEs, _, Some(jwk)) => {
                        boxed!($half, EcdhEsJweAlgorithm::EcdhEs.$from_jwk(&jwk.0))
                    }
                    (KeyManagement::EcdhEsA256Kw, _, Some(jwk)) => {
                        boxed!($half, EcdhEsJweAlgorithm::EcdhEsA256kw.$from_jwk(&jwk.0))
                    }
                    (KeyManagement::RsaOaep256, _, Some(jwk)) => {
                        boxed!($half, RsaesJweAlgorithm::RsaOaep256.$from_jwk(&jwk.0))
                    }
                    _ => None,
                };
                half.map(Self::Josekit).ok_or(KeyError::Invalid)
            }
        }
    )*};
}

importers! {
    dyn JweEncrypter: encrypter_from_jwk, encrypter_from_bytes;
    dyn JweDecrypter: decrypter_from_jwk, decrypter_from_bytes;
}

/// What key management adds to a JWE.
pub(super) struct Wrapped {
    pub(super) content_encryption_key: Zeroizing<Vec<u8>>,
    pub(super) encrypted_key: Vec<u8>,
    /// The header with what was added to it: the ephemeral key.
    pub(super) header: Map<String, Value>,
}

impl Wrapper {
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

fn of_josekit(enc: ContentEncryption) -> &'static dyn JweContentEncryption {
    match enc {
        ContentEncryption::A128Gcm => &A128GCM,
        ContentEncryption::A256Gcm => &A256GCM,
        ContentEncryption::A128CbcHs256 => &A128CBC_HS256,
        ContentEncryption::A256CbcHs512 => &A256CBC_HS512,
    }
}
