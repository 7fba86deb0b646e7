//! Proof key for code exchange. [RFC 7636]
//!
//! Only the method `S256`: `plain` shows the verifier to everyone who sees the request.
//!
//! [RFC 7636]: https://www.rfc-editor.org/rfc/rfc7636

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_types::digest::Digest;
use countersign_types::secret::CodeVerifier;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq as _;

/// The only `code_challenge_method`.
pub const METHOD: &str = "S256";

/// A code challenge of the method `S256`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeChallenge(String);

/// Why a proof key is refused.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PkceError {
    /// The challenge is not 43 characters of canonical, unpadded base64url.
    #[error("not a code challenge of method S256")]
    Challenge,
    /// The verifier is not 43 to 128 unreserved characters.
    #[error("not a code verifier")]
    Verifier,
    /// The verifier is not the challenge's.
    #[error("the code verifier does not match")]
    Mismatch,
}

impl CodeChallenge {
    /// Parses a challenge. [RFC 7636 §4.2]
    ///
    /// # Errors
    /// [`PkceError::Challenge`].
    ///
    /// [RFC 7636 §4.2]: https://www.rfc-editor.org/rfc/rfc7636#section-4.2
    pub fn parse(text: &str) -> Result<Self, PkceError> {
        let octets = URL_SAFE_NO_PAD.decode(text).map_err(|_| PkceError::Challenge)?;
        if octets.len() != 32 {
            return Err(PkceError::Challenge);
        }
        Ok(Self(text.to_owned()))
    }

    /// The challenge of a verifier. [RFC 7636 §4.2]
    ///
    /// # Errors
    /// [`PkceError::Verifier`].
    ///
    /// [RFC 7636 §4.2]: https://www.rfc-editor.org/rfc/rfc7636#section-4.2
    pub fn of(verifier: &CodeVerifier) -> Result<Self, PkceError> {
        let unreserved =
            |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        let text = verifier.expose();
        if !matches!(text.len(), 43..=128) || !text.bytes().all(unreserved) {
            return Err(PkceError::Verifier);
        }
        Ok(Self(Digest::of(text.as_bytes()).to_base64url()))
    }

    /// Verifies that the token request comes from whoever made the authorization request.
    /// [RFC 7636 §4.6]
    ///
    /// # Errors
    /// [`PkceError::Verifier`], [`PkceError::Mismatch`].
    ///
    /// [RFC 7636 §4.6]: https://www.rfc-editor.org/rfc/rfc7636#section-4.6
    pub fn verify(&self, verifier: &CodeVerifier) -> Result<(), PkceError> {
        let presented = Self::of(verifier)?;
        if bool::from(presented.0.as_bytes().ct_eq(self.0.as_bytes())) {
            Ok(())
        } else {
            Err(PkceError::Mismatch)
        }
    }

    /// The challenge as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for CodeChallenge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CodeChallenge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_7636_appendix_b() {
        let verifier = CodeVerifier::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        let challenge = CodeChallenge::of(&verifier).unwrap();
        assert_eq!(challenge.as_str(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert_eq!(challenge.verify(&verifier), Ok(()));
    }

    #[test]
    fn a_verifier_has_43_to_128_unreserved_characters() {
        for (length, accepted) in [(42, false), (43, true), (128, true), (129, false)] {
            let verifier = CodeVerifier::new("a".repeat(length));
            assert_eq!(CodeChallenge::of(&verifier).is_ok(), accepted, "{length}");
        }
        let verifier = CodeVerifier::new(format!("{}+", "a".repeat(43)));
        assert_eq!(CodeChallenge::of(&verifier), Err(PkceError::Verifier));
    }

    #[test]
    fn another_verifier_does_not_match() {
        let challenge = CodeChallenge::of(&CodeVerifier::new("a".repeat(43))).unwrap();
        let other = CodeVerifier::new("b".repeat(43));
        assert_eq!(challenge.verify(&other), Err(PkceError::Mismatch));
        // What the method `plain` would accept.
        let plain = CodeVerifier::new(challenge.as_str());
        assert_eq!(challenge.verify(&plain), Err(PkceError::Mismatch));
    }

    #[test]
    fn a_challenge_has_one_spelling() {
        for text in [
            "",
            "short",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM",
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cN",
        ] {
            assert_eq!(CodeChallenge::parse(text), Err(PkceError::Challenge), "{text}");
        }
    }
}
