//! The key a token is bound to: the `cnf` claim. [RFC 7800 §3.1], [RFC 9449 §6.1]
//!
//! [RFC 7800 §3.1]: https://www.rfc-editor.org/rfc/rfc7800#section-3.1
//! [RFC 9449 §6.1]: https://www.rfc-editor.org/rfc/rfc9449#section-6.1

use countersign_types::digest::Digest;
use serde_json::{Value, json};

use crate::base64url;
use crate::claims::Claims;

/// The key that whoever presents the token has to prove.
///
/// A binding that is not understood is an error and never an absence: a reader that drops it takes
/// a bound token from whoever stole it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// `jkt`: the key of this SHA-256 thumbprint, proved by DPoP. [RFC 9449 §6.1]
    ///
    /// [RFC 9449 §6.1]: https://www.rfc-editor.org/rfc/rfc9449#section-6.1
    Jkt(Digest),
}

/// `cnf` is there and is no binding that is understood here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cnf is no binding that is understood")]
pub struct ConfirmationError;

impl Confirmation {
    /// The binding of a token, if it has one.
    ///
    /// # Errors
    /// [`ConfirmationError`] unless `cnf` is absent or an object of the one member `jkt`, 43
    /// characters of unpadded base64url.
    pub fn of(claims: &Claims) -> Result<Option<Self>, ConfirmationError> {
        let Some(claim) = claims.get("cnf") else { return Ok(None) };
        let members = claim.as_object().filter(|members| members.len() == 1);
        let jkt = members.and_then(|members| members.get("jkt")).and_then(Value::as_str);
        let octets = jkt.and_then(base64url::decode);
        let octets = octets.and_then(|octets| <[u8; 32]>::try_from(octets).ok());
        octets.map(|octets| Some(Self::Jkt(Digest::from_octets(octets)))).ok_or(ConfirmationError)
    }

    /// The claim.
    #[must_use]
    pub fn to_claim(&self) -> Value {
        match self {
            Self::Jkt(thumbprint) => json!({ "jkt": thumbprint.to_base64url() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(cnf: Value) -> Claims {
        Claims::from_map([("cnf".to_owned(), cnf)].into_iter().collect())
    }

    #[test]
    fn a_binding_is_read_as_it_was_written() {
        let bound = Confirmation::Jkt(Digest::of(b"key"));
        assert_eq!(Confirmation::of(&claims(bound.to_claim())), Ok(Some(bound)));
        assert_eq!(Confirmation::of(&Claims::default()), Ok(None));
    }

    #[test]
    fn what_is_not_understood_is_never_an_absence() {
        let jkt = Digest::of(b"key").to_base64url();
        for cnf in [
            json!(null),
            json!({}),
            json!("jkt"),
            json!({ "jkt": 7 }),
            json!({ "jkt": "short" }),
            json!({ "jkt": format!("{jkt}=") }),
            json!({ "jkt": jkt, "x5t#S256": jkt }),
            json!({ "x5t#S256": jkt }),
            json!({ "jwk": { "kty": "EC" } }),
        ] {
            assert_eq!(Confirmation::of(&claims(cnf.clone())), Err(ConfirmationError), "{cnf}");
        }
    }
}
