//! Keys in PEM and DER. [RFC 7468], [RFC 5958 §2], [RFC 5915 §3], [RFC 8017 Appendix A.1]
//!
//! Private keys are read in the forms that tools write: `PRIVATE KEY` (PKCS #8), `EC PRIVATE KEY`
//! (SEC 1) and `RSA PRIVATE KEY` (PKCS #1), none of them encrypted. Public keys are read and
//! written as `PUBLIC KEY` (SubjectPublicKeyInfo). The rules of [`jwk`](crate::jwk) hold for every
//! key, whatever form it came in.
//!
//! ```
//! use countersign_jwt::{Algorithm, SigningKey, convert};
//!
//! let key = SigningKey::generate(Algorithm::Es256, None)?;
//! let pem = convert::private_key_to_pem(&key)?;
//! let again = convert::private_key_from_pem(pem.as_bytes(), None, None)?;
//! assert_eq!(again.public().thumbprint(), key.public().thumbprint());
//! # Ok::<(), countersign_jwt::convert::ConvertError>(())
//! ```
//!
//! [RFC 5915 §3]: https://www.rfc-editor.org/rfc/rfc5915#section-3
//! [RFC 5958 §2]: https://www.rfc-editor.org/rfc/rfc5958#section-2
//! [RFC 7468]: https://www.rfc-editor.org/rfc/rfc7468
//! [RFC 8017 Appendix A.1]: https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use josekit::jwk::alg::ec::EcKeyPair;
use josekit::jwk::alg::ecx::EcxKeyPair;
use josekit::jwk::alg::ed::EdKeyPair;
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jwk::{Jwk, KeyPair};
use zeroize::Zeroizing;

use crate::alg::Algorithm;
use crate::jwk::{KeyError, PublicKey, SigningKey, Wiped};
use crate::wiped::Lent;

/// The longest text that is read; an RSA key of 8192 bits takes 6400 octets.
const MAX_PEM: usize = 16 * 1024;

const BEGIN_PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----";
const END_PUBLIC_KEY: &str = "-----END PUBLIC KEY-----";

/// Reads a private key from its PEM form. `algorithm` decides between RS256 and PS256 for an RSA
/// key (RS256 if `None`) and has to fit the key otherwise; without `kid` the thumbprint serves.
///
/// # Errors
/// [`ConvertError::Format`] if it is no such text, [`ConvertError::Key`] if it is a key that is
/// refused.
pub fn private_key_from_pem(
    pem: &[u8],
    algorithm: Option<Algorithm>,
    kid: Option<&str>,
) -> Result<SigningKey, ConvertError> {
    signing_key(private_members_of_pem(pem)?, algorithm, kid)
}

/// Reads a private key from its DER form: PKCS #8, or PKCS #1 for an RSA key. Otherwise as
/// [`private_key_from_pem`].
///
/// # Errors
/// [`ConvertError::Format`] if it is no such form, [`ConvertError::Key`] if it is a key that is
/// refused.
pub fn private_key_from_der(
    der: &[u8],
    algorithm: Option<Algorithm>,
    kid: Option<&str>,
) -> Result<SigningKey, ConvertError> {
    if der.len() > MAX_PEM {
        return Err(ConvertError::Format);
    }
    let jwk = EcKeyPair::from_der(der, None)
        .map(|pair| pair.to_jwk_key_pair())
        .or_else(|_| EdKeyPair::from_der(der).map(|pair| pair.to_jwk_key_pair()))
        .or_else(|_| EcxKeyPair::from_der(der).map(|pair| pair.to_jwk_key_pair()))
        .or_else(|_| RsaKeyPair::from_der(der).map(|pair| pair.to_jwk_key_pair()))
        .map_err(|_| ConvertError::Format)?;
    signing_key(numbers(jwk), algorithm, kid)
}

/// Reads a private key of any kind, one that decrypts too, from its PEM form, as a JWK that says
/// nothing of its use. What is wrong with its numbers shows when it is read as a key: by
/// [`SigningKey::from_jwk`], or by
/// [`DecryptionKey::from_jwk_for`](crate::jwe::DecryptionKey::from_jwk_for).
///
/// ```
/// use countersign_jwt::convert;
/// use countersign_jwt::jwe::{Curve, DecryptionKey, KeyManagement, NewKey};
///
/// let key = DecryptionKey::generate(NewKey::EcdhEs(Curve::X25519), None)?;
/// let pem = convert::private_jwk_to_pem(key.to_jwk().as_bytes())?;
/// let jwk = convert::private_jwk_from_pem(pem.as_bytes())?;
/// let jwk = serde_json::from_str(&jwk)?;
/// let again = DecryptionKey::from_jwk_for(&jwk, KeyManagement::EcdhEs)?;
/// assert_eq!(again.encryption_key()?.to_public_jwk(), {
///     let mut public = key.encryption_key()?.to_public_jwk();
///     public.as_mut().and_then(|jwk| jwk.as_object_mut()).map(|jwk| jwk.remove("kid"));
///     public
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ConvertError::Format`] if it is no such text.
pub fn private_jwk_from_pem(pem: &[u8]) -> Result<Zeroizing<String>, ConvertError> {
    Ok(private_members_of_pem(pem)?.to_text())
}

/// Writes a private key of any kind that has a PEM form, given as a JWK, in PKCS #8.
///
/// # Errors
/// [`ConvertError::Format`] if it is no private key of type EC, RSA or OKP.
pub fn private_jwk_to_pem(jwk: &[u8]) -> Result<Zeroizing<String>, ConvertError> {
    pem_of(&Wiped::from(crate::json::parse_object(jwk).map_err(KeyError::from)?))
}

fn private_members_of_pem(pem: &[u8]) -> Result<Wiped, ConvertError> {
    if pem.len() > MAX_PEM {
        return Err(ConvertError::Format);
    }
    EcKeyPair::from_pem(pem, None)
        .map(|pair| pair.to_jwk_key_pair())
        .or_else(|_| RsaKeyPair::from_pem(pem).map(|pair| pair.to_jwk_key_pair()))
        .or_else(|_| EdKeyPair::from_pem(pem).map(|pair| pair.to_jwk_key_pair()))
        .or_else(|_| EcxKeyPair::from_pem(pem).map(|pair| pair.to_jwk_key_pair()))
        .map(numbers)
        .map_err(|_| ConvertError::Format)
}

/// The members without those by which josekit guesses a use.
fn numbers(jwk: Jwk) -> Wiped {
    let mut members = Lent(jwk).into_members();
    for said in ["use", "key_ops", "alg", "kid"] {
        members.remove(said);
    }
    members.into()
}

fn signing_key(
    jwk: Wiped,
    algorithm: Option<Algorithm>,
    kid: Option<&str>,
) -> Result<SigningKey, ConvertError> {
    let jwk = jwk.with("alg", algorithm.map(Algorithm::name)).with("kid", kid);
    Ok(SigningKey::from_jwk(&jwk)?)
}

/// Writes a private key as PEM, in PKCS #8.
///
/// # Errors
/// [`ConvertError::Key`] if the engine does not give the key out.
pub fn private_key_to_pem(key: &SigningKey) -> Result<Zeroizing<String>, ConvertError> {
    private_jwk_to_pem(key.to_jwk()?.as_bytes())
}

fn pem_of(jwk: &Wiped) -> Result<Zeroizing<String>, ConvertError> {
    let lent = jwk.to_josekit().ok_or(ConvertError::Format)?;
    let jwk = &lent.0;
    let pem = match (jwk.key_type(), jwk.curve()) {
        ("EC", _) => EcKeyPair::from_jwk(jwk).map(|pair| pair.to_pem_private_key()),
        ("RSA", _) => RsaKeyPair::from_jwk(jwk).map(|pair| pair.to_pem_private_key()),
        ("OKP", Some("Ed25519")) => EdKeyPair::from_jwk(jwk).map(|pair| pair.to_pem_private_key()),
        ("OKP", Some("X25519")) => EcxKeyPair::from_jwk(jwk).map(|pair| pair.to_pem_private_key()),
        _ => return Err(ConvertError::Format),
    };
    String::from_utf8(pem.map_err(|_| ConvertError::Format)?)
        .map(Zeroizing::new)
        .map_err(|_| ConvertError::Format)
}

/// Reads a public key from its PEM form. `algorithm` and `kid` are as for
/// [`private_key_from_pem`], but without `kid` the key has none.
///
/// # Errors
/// [`ConvertError::Format`] if it is no such text, [`ConvertError::Key`] if it is a key that is
/// refused.
pub fn public_key_from_pem(
    pem: &[u8],
    algorithm: Option<Algorithm>,
    kid: Option<&str>,
) -> Result<PublicKey, ConvertError> {
    let text = std::str::from_utf8(pem).map_err(|_| ConvertError::Format)?;
    let body = text
        .trim_ascii()
        .strip_prefix(BEGIN_PUBLIC_KEY)
        .and_then(|rest| rest.strip_suffix(END_PUBLIC_KEY))
        .filter(|body| body.len() <= MAX_PEM)
        .ok_or(ConvertError::Format)?;
    let body: String = body.split_ascii_whitespace().collect();
    let der = STANDARD.decode(body).map_err(|_| ConvertError::Format)?;
    Ok(PublicKey::from_spki_der(&der, algorithm, kid)?)
}

/// Writes a public key as PEM.
///
/// # Errors
/// [`ConvertError::Key`] if the engine does not give the key out.
pub fn public_key_to_pem(key: &PublicKey) -> Result<String, ConvertError> {
    let body = STANDARD.encode(key.to_spki_der()?);
    let mut pem = format!("{BEGIN_PUBLIC_KEY}\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(64).unwrap_or((rest, ""));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str(END_PUBLIC_KEY);
    pem.push('\n');
    Ok(pem)
}

/// Why a key was not converted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// Not PEM, not DER, or not a key of a supported kind.
    #[error("not a key in a supported form")]
    Format,
    /// A key that is refused.
    #[error("the key was refused")]
    Key(#[from] KeyError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_survives_the_way_there_and_back() {
        for algorithm in Algorithm::ALL {
            let key = SigningKey::generate(*algorithm, Some("k")).unwrap();
            let print = key.public().thumbprint();

            let pem = private_key_to_pem(&key).unwrap();
            let again = private_key_from_pem(pem.as_bytes(), Some(*algorithm), Some("k")).unwrap();
            assert_eq!(again.to_jwk().unwrap(), key.to_jwk().unwrap(), "{algorithm}");

            let der = key.to_pkcs8_der().unwrap();
            let again = private_key_from_der(&der, Some(*algorithm), None).unwrap();
            assert_eq!(again.public().thumbprint(), print, "{algorithm}");

            let pem = public_key_to_pem(key.public()).unwrap();
            let again = public_key_from_pem(pem.as_bytes(), Some(*algorithm), Some("k")).unwrap();
            assert_eq!(again.to_jwk(), key.public().to_jwk(), "{algorithm}");
        }
    }

    #[test]
    fn traditional_forms_are_read() {
        let ec = EcKeyPair::generate(josekit::jwk::alg::ec::EcCurve::P384).unwrap();
        let key =
            private_key_from_pem(&ec.to_traditional_pem_private_key(), None, Some("ec")).unwrap();
        assert_eq!(key.public().algorithm(), Algorithm::Es384);
        let rsa = RsaKeyPair::generate(2048).unwrap();
        let pem = rsa.to_traditional_pem_private_key();
        assert_eq!(
            private_key_from_pem(&pem, None, None).unwrap().public().algorithm(),
            Algorithm::Rs256
        );
        let pss = private_key_from_pem(&pem, Some(Algorithm::Ps256), None).unwrap();
        assert_eq!(pss.public().algorithm(), Algorithm::Ps256);
        let der = rsa.to_raw_private_key();
        assert!(private_key_from_der(&der, None, None).is_ok());
        assert_eq!(
            private_key_from_pem(&pem, Some(Algorithm::Es256), None).unwrap_err(),
            ConvertError::Key(KeyError::AlgorithmMismatch)
        );
    }

    #[test]
    fn a_key_for_encryption_is_read_and_does_not_sign() {
        let pair = EcxKeyPair::generate(josekit::jwk::alg::ecx::EcxCurve::X25519).unwrap();
        let pem = pair.to_pem_private_key();
        let refused = ConvertError::Key(KeyError::Unsupported("crv"));
        assert_eq!(private_key_from_pem(&pem, None, None).unwrap_err(), refused);
        let der = pair.to_der_private_key();
        assert_eq!(private_key_from_der(&der, None, None).unwrap_err(), refused);
        let jwk = private_jwk_from_pem(&pem).unwrap();
        assert_eq!(private_jwk_to_pem(jwk.as_bytes()).unwrap().as_bytes(), pem);
        for (text, error) in [
            (r#"{"kty":"oct","k":"AAAA"}"#, ConvertError::Format),
            (r#"{"kty":"EC","crv":"P-256"}"#, ConvertError::Format),
            (r#"{"kty":"OKP","crv":"X448"}"#, ConvertError::Format),
            ("{}", ConvertError::Format),
            (
                r#"{"kty":"EC","kty":"EC"}"#,
                ConvertError::Key(KeyError::Json(crate::json::JsonError::DuplicateMember)),
            ),
        ] {
            assert_eq!(private_jwk_to_pem(text.as_bytes()).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn weak_and_foreign_keys_are_refused() {
        let small = RsaKeyPair::generate(1024).unwrap().to_pem_private_key();
        assert!(matches!(
            private_key_from_pem(&small, None, None),
            Err(ConvertError::Key(KeyError::Weak(_)))
        ));
        let curve = josekit::jwk::alg::ec::EcCurve::Secp256k1;
        let other = EcKeyPair::generate(curve).unwrap();
        assert_eq!(
            private_key_from_pem(&other.to_pem_private_key(), None, None).unwrap_err(),
            ConvertError::Key(KeyError::Unsupported("crv"))
        );
        assert!(public_key_from_pem(&other.to_pem_public_key(), None, None).is_err());
        let certificate = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        for pem in [certificate.as_slice(), b"", b"-----BEGIN PUBLIC KEY-----", &[0xff; 64]] {
            assert_eq!(private_key_from_pem(pem, None, None).unwrap_err(), ConvertError::Format);
            assert_eq!(public_key_from_pem(pem, None, None).unwrap_err(), ConvertError::Format);
        }
    }
}
