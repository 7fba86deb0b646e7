//! Message authentication with a shared secret, where a specification asks for it. [RFC 7518 §3.2]
//!
//! A MAC proves nothing to anybody but the two who share the secret, so it is kept apart from
//! signatures: another set of algorithms, another type of key, another door. The reader of
//! [`verify`](mod@crate::verify) knows none of these names, and no [`KeySet`](crate::KeySet) holds
//! such a key, so that a public key never becomes the secret of a MAC ([RFC 8725 §2.1]).
//!
//! ```
//! use countersign_jwt::mac::{HmacKey, MacAlgorithm};
//! use countersign_jwt::{Policy, Typ, Unverified};
//! use countersign_types::Timestamp;
//!
//! let key = HmacKey::generate(MacAlgorithm::Hs256, Some("shared"))?;
//! let token = key.sign("JWT", &serde_json::json!({ "sub": "alice", "exp": 1_800_000_060 }))?;
//! let claims = key.verify(&token, &Policy::new(Typ::Is("JWT")), Timestamp::from_unix(1_800_000_000))?;
//! assert_eq!(claims.claims().subject()?, "alice");
//! // The door for signatures does not open.
//! assert!(Unverified::parse(&token).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Secrets
//!
//! A secret is at least as long as the hash ([RFC 7518 §3.2]) and not a text: octets that read as
//! words are refused, whatever their length, since every list of guessed secrets is made of such.
//! The octets of a secret that was handed over as hexadecimal or
//! base64url are what that text decodes to, not the text.
//!
//! [RFC 7518 §3.2]: https://www.rfc-editor.org/rfc/rfc7518#section-3.2
//! [RFC 8725 §2.1]: https://www.rfc-editor.org/rfc/rfc8725#section-2.1

mod key;
mod set;

pub use key::HmacKey;
pub use set::HmacKeys;

use serde::{Deserialize, Serialize};

use crate::claims::Claims;

/// A MAC algorithm. [RFC 7518 §3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MacAlgorithm {
    /// HMAC with SHA-256.
    #[serde(rename = "HS256")]
    Hs256,
    /// HMAC with SHA-384.
    #[serde(rename = "HS384")]
    Hs384,
    /// HMAC with SHA-512.
    #[serde(rename = "HS512")]
    Hs512,
}

impl MacAlgorithm {
    /// Every MAC algorithm there is.
    pub const ALL: &'static [Self] = &[Self::Hs256, Self::Hs384, Self::Hs512];

    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// The algorithm of this name, compared octet for octet.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.name() == name)
    }

    /// Octets of the hash, and the least of a secret.
    #[must_use]
    pub const fn octets(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Hs384 => 48,
            Self::Hs512 => 64,
        }
    }
}

impl std::fmt::Display for MacAlgorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Claims that met a policy and that a holder of the secret wrote: the other party, or we.
#[derive(Clone)]
pub struct MacVerified(Claims);

impl MacVerified {
    /// The claims.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.0
    }

    /// The claims, taken out.
    #[must_use]
    pub fn into_claims(self) -> Claims {
        self.0
    }
}

impl std::fmt::Debug for MacVerified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MacVerified").finish_non_exhaustive()
    }
}
