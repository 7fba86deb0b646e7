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

/// The registered operations that each `use` goes with. Others contradict neither.
///
/// [RFC 7517 §4.2, §4.3](https://www.rfc-editor.org/rfc/rfc7517#section-4.2)
const USES: [(&str, &[&str]); 2] = [
    ("sig", &["sign", "verify"]),
    ("enc", &["encrypt", "decrypt", "wrapKey", "unwrapKey", "deriveKey", "deriveBits"]),
];

/// Whether a member of this name holds private or symmetric material.
pub(crate) fn is_private(name: &str) -> bool {
    PRIVATE.contains(&name)
}

pub(crate) struct Members<'a>(&'a Map<String, Value>);

impl<'a> Members<'a> {
    pub(crate) fn of(jwk: &'a Value) -> Result<Self, KeyError> {
        let Value::Object(members) = jwk else {
            return Err(KeyError::Json(crate::json::JsonError::NotAnObject));
        };
        Ok(Self(members))
    }

    pub(crate) fn optional(&self, name: &'static str) -> Result<Option<&'a str>, KeyError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(KeyError::Malformed(name)),
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn required(&self, name: &'static str) -> Result<&'a str, KeyError> {
        self.optional(name)?.ok_or(KeyError::Missing(name))
    }

    /// Octets in base64url.
    pub(crate) fn octets(&self, name: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let octets = base64url::decode(self.required(name)?).ok_or(KeyError::Malformed(name))?;
        Ok(Zeroizing::new(octets))
    }

    /// A positive integer in base64url, without leading zero octets. [RFC 7518 §2, "Base64urlUInt"]
    ///
    /// [RFC 7518 §2, "Base64urlUInt"]: https://www.rfc-editor.org/rfc/rfc7518#section-2
    pub(crate) fn integer(&self, name: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let octets = self.octets(name)?;
        match octets.first() {
            None | Some(0) => Err(KeyError::Malformed(name)),
            Some(_) => Ok(octets),
        }
    }

    pub(crate) fn key_id(&self) -> Result<Option<String>, KeyError> {
        match self.optional("kid")? {
            Some(kid) if is_key_id(kid) => Ok(Some(kid.to_owned())),
            Some(_) => Err(KeyError::Malformed("kid")),
            None => Ok(None),
        }
    }

    /// Refuses a key that holds private or symmetric material.
    pub(crate) fn check_public(&self) -> Result<(), KeyError> {
        if PRIVATE.iter().any(|name| self.0.contains_key(*name)) {
            return Err(KeyError::Private);
        }
        Ok(())
    }

    /// Obeys `use` and `key_ops`: the one, if it is there, is `public_key_use`, the other, if it is
    /// there, names one of `operations`, and beside `use` none that contradicts it.
    /// [RFC 7517 §4.2, §4.3]
    ///
    /// [RFC 7517 §4.2, §4.3]: https://www.rfc-editor.org/rfc/rfc7517#section-4.2
    pub(crate) fn check_use(
        &self,
        public_key_use: &str,
        operations: &[&str],
    ) -> Result<(), KeyError> {
        let has_use = self.check_public_key_use(public_key_use)?;
        let named = match self.0.get("key_ops") {
            None => return Ok(()),
            Some(Value::Array(named)) => named,
            Some(_) => return Err(KeyError::Malformed("key_ops")),
        };
        let mut seen = Vec::with_capacity(named.len());
        for operation in named {
            let name = operation.as_str().ok_or(KeyError::Malformed("key_ops"))?;
            if seen.contains(&name) {
                return Err(KeyError::Malformed("key_ops"));
            }
            seen.push(name);
        }
        let contradicts =
            |name: &&str| USES.iter().any(|it| it.0 != public_key_use && it.1.contains(name));
        if has_use && seen.iter().any(contradicts) {
            return Err(KeyError::Use);
        }
        if seen.iter().any(|name| operations.contains(name)) { Ok(()) } else { Err(KeyError::Use) }
    }

    /// As [`check_use`](Self::check_use), of a key that is only an input to another's operation:
    /// `key_ops` may be empty, as Web Cryptography writes it for the public half of an agreement.
    #[cfg(feature = "josekit")]
    pub(crate) fn check_use_of_input(
        &self,
        public_key_use: &str,
        operations: &[&str],
    ) -> Result<(), KeyError> {
        match self.0.get("key_ops") {
            Some(Value::Array(none)) if none.is_empty() => {
                self.check_public_key_use(public_key_use).map(drop)
            }
            _ => self.check_use(public_key_use, operations),
        }
    }

    /// Whether there is a `use`, which then has to be this one.
    fn check_public_key_use(&self, public_key_use: &str) -> Result<bool, KeyError> {
        match self.optional("use")? {
            Some(value) if value != public_key_use => Err(KeyError::Use),
            value => Ok(value.is_some()),
        }
    }

    /// The one algorithm of the key: what `alg` names; if it names none, what the caller has
    /// `agreed` on; else the first of those that such a key is `allowed`.
    pub(crate) fn algorithm(
        &self,
        allowed: &[Algorithm],
        agreed: Option<Algorithm>,
    ) -> Result<Algorithm, KeyError> {
        let [first, ..] = allowed else { return Err(KeyError::Unsupported("crv")) };
        let named = match self.optional("alg")? {
            None => None,
            // With the curve beside it the old name is not ambiguous.
            Some(EDDSA) => Some(Algorithm::Ed25519),
            Some(name) => Some(Algorithm::from_name(name).ok_or(KeyError::Unsupported("alg"))?),
        };
        let algorithm = match (named, agreed) {
            (Some(named), Some(agreed)) if named != agreed => {
                return Err(KeyError::AlgorithmMismatch);
            }
            (Some(algorithm), _) | (None, Some(algorithm)) => algorithm,
            (None, None) => *first,
        };
        if allowed.contains(&algorithm) { Ok(algorithm) } else { Err(KeyError::AlgorithmMismatch) }
    }
}
