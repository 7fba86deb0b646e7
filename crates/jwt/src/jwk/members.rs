//! Reading the members of a JWK.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{KeyError, is_key_id};
use crate::alg::{Algorithm, EDDSA};
use crate::base64url;

/// The members that carry private or symmetric material ([RFC 7518 §6.2.2, §6.3.2, §6.4]).
///
/// [RFC 7518 §6.2.2, §6.3.2, §6.4]: https://www.rfc-editor.org/rfc/rfc7518#section-6.2.2
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Which operation a key is wanted for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Sign,
    Verify,
}

pub(super) struct Members<'a>(&'a Map<String, Value>);

impl<'a> Members<'a> {
    pub(super) fn of(jwk: &'a Value) -> Result<Self, KeyError> {
        let Value::Object(members) = jwk else {
            return Err(KeyError::Json(crate::json::JsonError::NotAnObject));
        };
        Ok(Self(members))
    }

    pub(super) fn optional(&self, name: &'static str) -> Result<Option<&'a str>, KeyError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(KeyError::Malformed(name)),
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn required(&self, name: &'static str) -> Result<&'a str, KeyError> {
        self.optional(name)?.ok_or(KeyError::Missing(name))
    }

    /// Octets in base64url.
    pub(super) fn octets(&self, name: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let octets = base64url::decode(self.required(name)?).ok_or(KeyError::Malformed(name))?;
        Ok(Zeroizing::new(octets))
    }

    /// A positive integer in base64url, without leading zero octets. [RFC 7518 §2, "Base64urlUInt"]
    ///
    /// [RFC 7518 §2, "Base64urlUInt"]: https://www.rfc-editor.org/rfc/rfc7518#section-2
    pub(super) fn integer(&self, name: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let octets = self.octets(name)?;
        match octets.first() {
            None | Some(0) => Err(KeyError::Malformed(name)),
            Some(_) => Ok(octets),
        }
    }

    pub(super) fn key_id(&self) -> Result<Option<String>, KeyError> {
        match self.optional("kid")? {
            Some(kid) if is_key_id(kid) => Ok(Some(kid.to_owned())),
            Some(_) => Err(KeyError::Malformed("kid")),
            None => Ok(None),
        }
    }

    /// Refuses a key that holds private or symmetric material.
    pub(super) fn check_public(&self) -> Result<(), KeyError> {
        if PRIVATE.iter().any(|name| self.0.contains_key(*name)) {
            return Err(KeyError::Private);
        }
        Ok(())
    }

    /// Obeys `use` and `key_ops`. [RFC 7517 §4.2, §4.3]
    ///
    /// [RFC 7517 §4.2, §4.3]: https://www.rfc-editor.org/rfc/rfc7517#section-4.2
    pub(super) fn check_use(&self, wanted: Operation) -> Result<(), KeyError> {
        if self.optional("use")?.is_some_and(|value| value != "sig") {
            return Err(KeyError::Use);
        }
        let operations = match self.0.get("key_ops") {
            None => return Ok(()),
            Some(Value::Array(operations)) => operations,
            Some(_) => return Err(KeyError::Malformed("key_ops")),
        };
        let mut seen = Vec::with_capacity(operations.len());
        for operation in operations {
            let name = operation.as_str().ok_or(KeyError::Malformed("key_ops"))?;
            if seen.contains(&name) {
                return Err(KeyError::Malformed("key_ops"));
            }
            seen.push(name);
        }
        let suits = |name: &&str| match wanted {
            Operation::Sign => *name == "sign",
            Operation::Verify => *name == "verify",
        };
        if seen.iter().any(suits) { Ok(()) } else { Err(KeyError::Use) }
    }

    /// The one algorithm of the key: what `alg` names, if the key type allows it, else the first
    /// of those the type allows.
    pub(super) fn algorithm(&self) -> Result<Algorithm, KeyError> {
        let allowed: &[Algorithm] = match self.required("kty")? {
            "EC" => match self.required("crv")? {
                "P-256" => &[Algorithm::Es256],
                "P-384" => &[Algorithm::Es384],
                _ => return Err(KeyError::Unsupported("crv")),
            },
            "RSA" => &[Algorithm::Rs256, Algorithm::Ps256],
            "OKP" => match self.required("crv")? {
                "Ed25519" => &[Algorithm::Ed25519],
                _ => return Err(KeyError::Unsupported("crv")),
            },
            _ => return Err(KeyError::Unsupported("kty")),
        };
        let named = match self.optional("alg")? {
            None => return allowed.first().copied().ok_or(KeyError::Unsupported("kty")),
            // With the curve beside it the old name is not ambiguous.
            Some(EDDSA) => Algorithm::Ed25519,
            Some(name) => Algorithm::from_name(name).ok_or(KeyError::Unsupported("alg"))?,
        };
        if allowed.contains(&named) { Ok(named) } else { Err(KeyError::AlgorithmMismatch) }
    }
}
