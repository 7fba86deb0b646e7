//! Keys in their JSON form. [RFC 7517], [RFC 7518 §6], [RFC 8037 §2]
//!
//! A key is parsed once, into the form the engine computes with, and is for one algorithm only. A
//! key that says so in `alg` is for that one; otherwise its type decides: P-256 for ES256, P-384
//! for ES384, P-521 for ES512, Ed25519 for Ed25519, RSA for RS256 (the default of OpenID Connect).
//! An RSA key that names no algorithm and is known to be for another one comes in by
//! [`PublicKey::from_jwk_for`].
//!
//! | kind of key | `kty` | type |
//! |---|---|---|
//! | verifies signatures | EC (P-256, P-384, P-521), RSA, OKP (Ed25519) | [`PublicKey`] |
//! | makes signatures | the same, with private members | [`SigningKey`] |
//! | makes and checks MACs | oct | [`HmacKey`](crate::mac::HmacKey) |
//!
//! What is refused on the way in: a `use` other than `sig`, `key_ops` without the operation, names
//! outside the allow-list, coordinates of another length, points off the curve (Ed25519's too), RSA
//! moduli outside 2048..=8192 bits or of the structure that ROCA factors, public exponents that are
//! even or below 65537, non-canonical base64url, and private members in a public key.
//!
//! # Small-order Ed25519 keys
//!
//! [RFC 8032 §5.1.7] leaves open whether keys and commitments of small order are accepted. Here a
//! public key that is of small order, or whose encoding is not the canonical one, is refused when
//! it is parsed, everywhere: under such a key one signature fits many messages. Signatures are
//! checked by the equation without cofactor, with S below the group order.
//!
//! [RFC 7517]: https://www.rfc-editor.org/rfc/rfc7517
//! [RFC 7518 §6]: https://www.rfc-editor.org/rfc/rfc7518#section-6
//! [RFC 8032 §5.1.7]: https://www.rfc-editor.org/rfc/rfc8032#section-5.1.7
//! [RFC 8037 §2]: https://www.rfc-editor.org/rfc/rfc8037#section-2

mod curve;
mod der;
mod ed25519;
mod material;
mod members;
mod private;
mod public;
mod rsa;
mod secret;

pub(crate) use curve::Curve;
pub(crate) use material::Material;
pub(crate) use members::{Members, is_private};
pub use private::SigningKey;
#[cfg(feature = "josekit")]
pub(crate) use private::check_rsa_pair;
pub use public::PublicKey;
pub(crate) use secret::check_secret;

use crate::json::JsonError;
pub use crate::wiped::Wiped;

/// Why a key was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not a JSON object, or not one that has a single reading.
    #[error("the key is not a JSON object")]
    Json(#[from] JsonError),
    /// A member that must be there is not.
    #[error("member {0} is missing")]
    Missing(&'static str),
    /// A member of the wrong type, length or encoding.
    #[error("member {0} is malformed")]
    Malformed(&'static str),
    /// A key type, curve or algorithm outside the allow-list.
    #[error("the value of {0} is not supported")]
    Unsupported(&'static str),
    /// `alg` does not fit the key type or curve.
    #[error("alg does not fit the key")]
    AlgorithmMismatch,
    /// `use` or `key_ops` reserve the key for something else. [RFC 7517 §4.2, §4.3]
    ///
    /// [RFC 7517 §4.2, §4.3]: https://www.rfc-editor.org/rfc/rfc7517#section-4.2
    #[error("the key is not for this use")]
    Use,
    /// Private or symmetric material where a public key is expected.
    #[error("the key holds private material")]
    Private,
    /// A key that protects nothing.
    #[error("weak key: {0}")]
    Weak(&'static str),
    /// The numbers do not make a key: a point off the curve, halves that do not belong together.
    #[error("the key is not valid")]
    Invalid,
    /// The engine could not make a key.
    #[error("key generation failed")]
    Generation,
}

/// The longest `kid` that is read or written.
pub const MAX_KID: usize = 256;

/// A `kid` is opaque text to be compared, nothing else; this keeps it fit for a log line.
pub(crate) fn is_key_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_KID && !text.chars().any(char::is_control)
}
