//! Tokens that bring the key they are signed with: proof that somebody has a key, and of nothing
//! else. [RFC 7515 §4.1.3], [RFC 9449 §4.2]
//!
//! Everywhere else in this crate a header chooses no key. Here it does, and so such a token says
//! nothing about who signed it: whoever reads it compares the key's thumbprint with one that
//! something else vouches for. It has no expiry either, so that its reader judges its times.
//!
//! [RFC 7515 §4.1.3]: https://www.rfc-editor.org/rfc/rfc7515#section-4.1.3
//! [RFC 9449 §4.2]: https://www.rfc-editor.org/rfc/rfc9449#section-4.2

use serde::Serialize;

use crate::alg::{Algorithm, Sign as _, SignError, Verify as _};
use crate::claims::Claims;
use crate::jwk::{KeyError, PublicKey, SigningKey};
use crate::jws::{self, Compact, Header, Malformed, Members};
use crate::object::Entry;
use crate::policy::Typ;
use crate::verify::VerifyError;

/// Signs claims and puts the public key into the header.
///
/// # Errors
/// As [`sign`](crate::sign).
pub fn sign_with_own_key<C: Serialize>(
    typ: &str,
    key: &SigningKey,
    claims: &C,
) -> Result<String, SignError> {
    let jwk = key.public().to_jwk();
    let members =
        Members { alg: key.algorithm().name(), typ: Some(typ), kid: None, jwk: Some(&jwk) };
    jws::write(&members, |payload| jws::write_claims(payload, claims), |input| key.sign(input))
}

/// Why a token with its own key was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnKeyError {
    /// It cannot be read.
    #[error("malformed token")]
    Malformed(#[from] Malformed),
    /// It is of another type.
    #[error("typ is another")]
    Typ,
    /// Its algorithm is none of those that are accepted.
    #[error("the algorithm {0} is not accepted")]
    Algorithm(Algorithm),
    /// Its `jwk` is no public key of its algorithm, or holds private members.
    #[error("jwk is no public key for the algorithm")]
    Key(#[from] KeyError),
    /// The key did not sign it.
    #[error("the signature was not accepted")]
    Signature(#[from] VerifyError),
}

/// Reads a token of a type and verifies its signature with its own key.
///
/// # Errors
/// [`OwnKeyError`].
pub fn verify_by_own_key(
    token: &str,
    typ: Typ<'_>,
    algorithms: &[Algorithm],
) -> Result<(PublicKey, Claims), OwnKeyError> {
    let compact = Compact::split(token)?;
    let members = compact.header()?;
    let header = Header::read(&members)?;
    if !typ.accepts(header.typ()) {
        return Err(OwnKeyError::Typ);
    }
    if header.names_eddsa() || !algorithms.contains(&header.algorithm()) {
        return Err(OwnKeyError::Algorithm(header.algorithm()));
    }
    let Some(jwk) = members.get("jwk").and_then(Entry::tree) else {
        return Err(Malformed::Member("jwk").into());
    };
    let key = PublicKey::from_jwk_for(jwk, header.algorithm())?;
    let signature = compact.signature()?;
    let claims = compact.claims()?;
    key.verify(compact.signing_input.as_bytes(), &signature).map_err(|_| VerifyError::Signature)?;
    Ok((key, claims))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TYP: Typ<'static> = Typ::Is("dpop+jwt");
    const ALGORITHMS: &[Algorithm] = &[Algorithm::Es256];

    fn key() -> SigningKey {
        SigningKey::generate(Algorithm::Es256, None).unwrap()
    }

    /// A token with this header, which `key` signed.
    fn written(header: &serde_json::Value, key: &SigningKey) -> String {
        let part = |value: &serde_json::Value| {
            let mut text = String::new();
            crate::base64url::encode_onto(value.to_string().as_bytes(), &mut text);
            text
        };
        let input = format!("{}.{}", part(header), part(&json!({ "jti": "1" })));
        let mut token = input.clone() + ".";
        crate::base64url::encode_onto(&key.sign(input.as_bytes()).unwrap(), &mut token);
        token
    }

    #[test]
    fn the_key_comes_with_the_token() {
        let key = key();
        let token = sign_with_own_key("dpop+jwt", &key, &json!({ "jti": "1" })).unwrap();
        let (found, claims) = verify_by_own_key(&token, TYP, ALGORITHMS).unwrap();
        assert_eq!(found.thumbprint(), key.public().thumbprint());
        assert_eq!(claims.str("jti").unwrap(), Some("1"));
    }

    #[test]
    fn j5_a_key_in_a_header_proves_itself_and_nothing_more() {
        let (key, other) = (key(), key());
        let jwk = key.public().to_jwk();
        let private: serde_json::Value = serde_json::from_str(&key.to_jwk().unwrap()).unwrap();
        let header = |changes: serde_json::Value| {
            let mut header = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": jwk });
            header.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            header
        };
        assert!(verify_by_own_key(&written(&header(json!({})), &key), TYP, ALGORITHMS).is_ok());
        let symmetric = json!({ "kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTMy" });
        for (name, changes, signer) in [
            ("another key's signature", json!({}), &other),
            ("another type", json!({ "typ": "at+jwt" }), &key),
            ("no type", json!({ "typ": null }), &key),
            ("another algorithm", json!({ "alg": "ES384" }), &key),
            ("none", json!({ "alg": "none" }), &key),
            ("symmetric", json!({ "alg": "HS256", "jwk": symmetric }), &key),
            ("a private key", json!({ "jwk": private }), &key),
            ("a symmetric key", json!({ "jwk": symmetric }), &key),
            ("no key", json!({ "jwk": null }), &key),
            ("a key as text", json!({ "jwk": jwk.to_string() }), &key),
            ("what changes the reading", json!({ "crit": ["b64"] }), &key),
        ] {
            let token = written(&header(changes), signer);
            assert!(verify_by_own_key(&token, TYP, ALGORITHMS).is_err(), "{name}");
        }
        assert!(verify_by_own_key("a.b", TYP, ALGORITHMS).is_err());
    }
}
