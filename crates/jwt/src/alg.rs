//! The algorithms there are, and the two seams through which they are used.

use serde::{Deserialize, Serialize};

use crate::jws::Malformed;

/// A signature algorithm. The list is closed: a name outside it is refused, octet for octet, and
/// so `none`, `NONE` and `HS256` are as unknown as any misspelling. [RFC 8725 §3.1]
///
/// What is made with a shared secret is no signature and has a type and a door of its own
/// ([`mac`](crate::mac)): no key set and no policy leads there.
///
/// [RFC 8725 §3.1]: https://www.rfc-editor.org/rfc/rfc8725#section-3.1
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256. [RFC 7518
    /// §3.4](https://www.rfc-editor.org/rfc/rfc7518#section-3.4)
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384. [RFC 7518
    /// §3.4](https://www.rfc-editor.org/rfc/rfc7518#section-3.4)
    #[serde(rename = "ES384")]
    Es384,
    /// ECDSA on P-521 with SHA-512. [RFC 7518
    /// §3.4](https://www.rfc-editor.org/rfc/rfc7518#section-3.4)
    #[serde(rename = "ES512")]
    Es512,
    /// RSASSA-PKCS1-v1_5 with SHA-256. [RFC 7518
    /// §3.3](https://www.rfc-editor.org/rfc/rfc7518#section-3.3)
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384. [RFC 7518
    /// §3.3](https://www.rfc-editor.org/rfc/rfc7518#section-3.3)
    #[serde(rename = "RS384")]
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512. [RFC 7518
    /// §3.3](https://www.rfc-editor.org/rfc/rfc7518#section-3.3)
    #[serde(rename = "RS512")]
    Rs512,
    /// RSASSA-PSS with SHA-256. [RFC 7518 §3.5](https://www.rfc-editor.org/rfc/rfc7518#section-3.5)
    #[serde(rename = "PS256")]
    Ps256,
    /// RSASSA-PSS with SHA-384. [RFC 7518 §3.5](https://www.rfc-editor.org/rfc/rfc7518#section-3.5)
    #[serde(rename = "PS384")]
    Ps384,
    /// RSASSA-PSS with SHA-512. [RFC 7518 §3.5](https://www.rfc-editor.org/rfc/rfc7518#section-3.5)
    #[serde(rename = "PS512")]
    Ps512,
    /// Ed25519 under its fully specified name. [RFC 9864
    /// §2.2](https://www.rfc-editor.org/rfc/rfc9864#section-2.2)
    #[serde(rename = "Ed25519")]
    Ed25519,
}

/// The polymorphic name of [RFC 8037 §3.1], deprecated by RFC 9864. Read only where a policy says
/// so.
///
/// [RFC 8037 §3.1]: https://www.rfc-editor.org/rfc/rfc8037#section-3.1
pub(crate) const EDDSA: &str = "EdDSA";

impl Algorithm {
    /// Every algorithm there is.
    pub const ALL: &'static [Self] = &[
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Ed25519,
    ];

    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Ed25519 => "Ed25519",
        }
    }

    /// The algorithm of this name, compared octet for octet.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.name() == name)
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Signs: a key in memory ([`SigningKey`](crate::SigningKey)), or one that stays in a device.
pub trait Sign: Send + Sync {
    /// The one algorithm this key is for.
    fn algorithm(&self) -> Algorithm;

    /// The `kid` that verifiers find the public half under.
    fn key_id(&self) -> Option<&str>;

    /// The signature over `input`, in the form of the JWS: for ECDSA the fixed-length
    /// concatenation of R and S ([RFC 7518 §3.4]).
    ///
    /// # Errors
    /// [`SignError::Engine`] if the key cannot be used.
    ///
    /// [RFC 7518 §3.4]: https://www.rfc-editor.org/rfc/rfc7518#section-3.4
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// Verifies. `input` and `signature` are untrusted.
pub trait Verify: Send + Sync {
    /// The one algorithm this key is for.
    fn algorithm(&self) -> Algorithm;

    /// The `kid` of the key.
    fn key_id(&self) -> Option<&str>;

    /// Checks `signature`, in the form of the JWS, over `input`.
    ///
    /// # Errors
    /// [`BadSignature`], whatever the reason.
    fn verify(&self, input: &[u8], signature: &[u8]) -> Result<(), BadSignature>;
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The claims do not serialize to a JSON object.
    #[error("the claims are not a JSON object")]
    Claims,
    /// The token would be longer than any reader accepts ([`MAX_TOKEN`](crate::jws::MAX_TOKEN)).
    #[error("the token would be too long")]
    TooLong,
    /// The reader of this crate would refuse the token: for its `typ` or `kid`, or for claims that
    /// nest too deeply, hold NUL or have a member twice.
    #[error("no reader would take the token")]
    Unreadable(#[from] Malformed),
    /// The key's `key_ops` do not let it sign.
    #[error("the key is not for signing")]
    Use,
    /// The engine or the device refused.
    #[error("the signing engine failed")]
    Engine,
}

/// The signature does not belong to this key and input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad signature")]
pub struct BadSignature;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_octet_for_octet() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(*algorithm));
            let json = serde_json::to_string(algorithm).unwrap();
            assert_eq!(json, format!("\"{algorithm}\""));
        }
        for name in [
            "none", "None", "NONE", "nOnE", "", " ES256", "ES256 ", "es256", "HS256", "EdDSA",
            "ES521", "ES224", "ES256K",
        ] {
            assert_eq!(Algorithm::from_name(name), None, "{name:?}");
        }
    }
}
