//! The key that an authorization code is bound to. [RFC 9449 §10]
//!
//! [RFC 9449 §10]: https://www.rfc-editor.org/rfc/rfc9449#section-10

use std::fmt;

use countersign_jwt::cnf::Confirmation;
use countersign_types::digest::Digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The parameter of an authorization request.
pub const NAME: &str = "dpop_jkt";

/// The thumbprint of the key whose proof a code is redeemed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DpopJkt(Digest);

/// It is not 43 characters of canonical, unpadded base64url.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("dpop_jkt is no thumbprint")]
pub struct NoThumbprint;

impl DpopJkt {
    /// Parses the parameter's value.
    ///
    /// # Errors
    /// [`NoThumbprint`].
    pub fn parse(text: &str) -> Result<Self, NoThumbprint> {
        Digest::from_base64url(text).map(Self).ok_or(NoThumbprint)
    }

    /// Whether what a token request proved is this key. Nothing proved is not.
    #[must_use]
    pub fn is(&self, proved: Option<Confirmation>) -> bool {
        proved == Some(Confirmation::Jkt(self.0))
    }
}

impl fmt::Display for DpopJkt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_base64url())
    }
}

impl Serialize for DpopJkt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DpopJkt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The thumbprint of RFC 9449 §10's example request.
    const EXAMPLE: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

    #[test]
    fn a_thumbprint_has_one_spelling() {
        let jkt = DpopJkt::parse(EXAMPLE).unwrap();
        assert_eq!(jkt.to_string(), EXAMPLE);
        let stored = serde_json::to_string(&jkt).unwrap();
        assert_eq!(stored, format!("\"{EXAMPLE}\""));
        assert_eq!(serde_json::from_str::<DpopJkt>(&stored).unwrap(), jkt);
        for other in ["", "x", &EXAMPLE[1..], &format!("{EXAMPLE}="), &EXAMPLE.replace('-', "+")] {
            assert_eq!(DpopJkt::parse(other), Err(NoThumbprint), "{other}");
            assert!(serde_json::from_str::<DpopJkt>(&format!("\"{other}\"")).is_err());
        }
    }

    #[test]
    fn only_its_key_proves_it() {
        let key = Digest::of(b"key");
        let jkt = DpopJkt::parse(&key.to_base64url()).unwrap();
        assert!(jkt.is(Some(Confirmation::Jkt(key))));
        assert!(!jkt.is(Some(Confirmation::Jkt(Digest::of(b"another")))));
        assert!(!jkt.is(None));
    }
}
