//! A JWS whose payload is any octets: no claims, so no policy, only a signature.

use super::{Compact, Header, Malformed, Members, Signed, decode, write};
use crate::alg::{Algorithm, Sign, SignError, Verify};
use crate::jwks::KeySet;
use crate::verify::{VerifyError, verify_by_set, verify_with_key};

/// Signs octets that are no claims: header `alg`, `kid` and, if there is one, `typ`.
///
/// # Errors
/// [`SignError::Unreadable`] for an unfit `typ` or `kid`, [`SignError::TooLong`] beyond
/// [`MAX_TOKEN`](super::MAX_TOKEN), [`SignError::Engine`].
pub fn sign_payload(
    typ: Option<&str>,
    key: &dyn Sign,
    payload: &[u8],
) -> Result<String, SignError> {
    let members = Members { alg: key.algorithm().name(), typ, kid: key.key_id(), jwk: None };
    let copy = |buffer: &mut Vec<u8>| {
        buffer.extend_from_slice(payload);
        Ok(())
    };
    write(&members, copy, |input| key.sign(input))
}

/// A compact JWS that can be read. Nothing about it is known to be true.
///
/// A JWT is read by [`Unverified`](crate::Unverified), which judges its claims too; this is for
/// payloads of another kind.
///
/// ```
/// use countersign_jwt::jws::{UnverifiedJws, sign_payload};
/// use countersign_jwt::{Algorithm, KeySet, SigningKey};
///
/// let key = SigningKey::generate(Algorithm::Es512, None)?;
/// let token = sign_payload(None, &key, b"It's a dangerous business")?;
/// let keys = KeySet::from_keys(vec![key.public().clone()])?;
/// let verified = UnverifiedJws::parse(&token)?.verify(&keys)?;
/// assert_eq!(verified.payload(), b"It's a dangerous business");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct UnverifiedJws {
    header: Header,
    payload: Vec<u8>,
    signed: Signed,
}

impl UnverifiedJws {
    /// Reads a JWS from untrusted text.
    ///
    /// # Errors
    /// The [`Malformed`] that says why it cannot be one; the algorithm name `EdDSA` is
    /// [`Malformed::Algorithm`].
    pub fn parse(token: &str) -> Result<Self, Malformed> {
        let read = Self::parse_accepting_eddsa_name(token)?;
        if read.header.names_eddsa() { Err(Malformed::Algorithm) } else { Ok(read) }
    }

    /// As [`parse`](Self::parse), but takes the name `EdDSA` of [RFC 8037 §3.1] for Ed25519.
    ///
    /// # Errors
    /// The [`Malformed`] that says why it cannot be one.
    ///
    /// [RFC 8037 §3.1]: https://www.rfc-editor.org/rfc/rfc8037#section-3.1
    pub fn parse_accepting_eddsa_name(token: &str) -> Result<Self, Malformed> {
        let compact = Compact::split(token)?;
        let header = Header::read(&compact.header()?)?;
        let signed = compact.signed()?;
        Ok(Self { header, payload: decode(compact.payload)?, signed })
    }

    /// The header. Untrusted.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The algorithm that the header names. Untrusted: it never chooses a key's algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.header.algorithm()
    }

    /// Verifies the signature as [`Checked::verify`](crate::Checked::verify) does.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn verify(self, keys: &KeySet) -> Result<VerifiedJws, VerifyError> {
        verify_by_set(&self.header, keys, &self.signed)?;
        Ok(VerifiedJws { header: self.header, payload: self.payload })
    }

    /// Verifies the signature as [`Checked::verify_with`](crate::Checked::verify_with) does.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn verify_with(self, key: &dyn Verify) -> Result<VerifiedJws, VerifyError> {
        verify_with_key(&self.header, key, &self.signed)?;
        Ok(VerifiedJws { header: self.header, payload: self.payload })
    }
}

/// A payload that was signed by a key the caller chose. Nothing else makes one.
pub struct VerifiedJws {
    header: Header,
    payload: Vec<u8>,
}

impl VerifiedJws {
    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The payload: what the holder of the key says.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The payload, taken out.
    #[must_use]
    pub fn into_payload(self) -> Vec<u8> {
        self.payload
    }
}

macro_rules! debug_without_content {
    ($($state:ident)*) => {$(
        impl std::fmt::Debug for $state {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($state))
                    .field("header", &self.header)
                    .finish_non_exhaustive()
            }
        }
    )*};
}

debug_without_content! { UnverifiedJws VerifiedJws }
