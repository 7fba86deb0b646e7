//! Reading and decrypting. [RFC 7516 §5.2]
//!
//! [RFC 7516 §5.2]: https://www.rfc-editor.org/rfc/rfc7516#section-5.2

use zeroize::Zeroizing;

use super::alg::KeyManagement;
use super::content::{fresh, open};
use super::header::Header;
use super::key::DecryptionKey;
use crate::base64url;
use crate::json::JsonError;
use crate::jws::{self, MAX_TOKEN};
use crate::object::Object;
use crate::policy::same_type;
use crate::verify::Unverified;

/// A JWE that can be read. Nothing about it is known to be true.
pub struct Encrypted {
    header: Header,
    /// The header as it came, in base64url: what the tag covers beside the ciphertext.
    protected: String,
    encrypted_key: Vec<u8>,
    iv: Vec<u8>,
    ciphertext: Vec<u8>,
    tag: Vec<u8>,
}

impl Encrypted {
    /// Reads a compact JWE from untrusted text. Size, alphabet and number of parts are looked at
    /// before anything is decoded, the header before the rest, and each part has the one length
    /// that its algorithm gives it.
    ///
    /// # Errors
    /// The [`Malformed`] that says why it cannot be one.
    pub fn parse(token: &str) -> Result<Self, Malformed> {
        if token.len() > MAX_TOKEN {
            return Err(Malformed::TooLong);
        }
        let mut parts = token.split('.');
        let mut part = || parts.next().ok_or(Malformed::Compact);
        let (protected, encrypted_key, iv) = (part()?, part()?, part()?);
        let (ciphertext, tag) = (part()?, part()?);
        let all = [protected, encrypted_key, iv, ciphertext, tag];
        if parts.next().is_some()
            || protected.is_empty()
            || !all.into_iter().all(base64url::is_of_alphabet)
        {
            return Err(Malformed::Compact);
        }
        let decode = |part| base64url::decode(part).ok_or(Malformed::Base64);
        let header = Object::parse(decode(protected)?).map_err(Malformed::Header)?;
        let header = Header::read(&header)?;
        let encrypted = Self {
            protected: protected.to_owned(),
            encrypted_key: decode(encrypted_key)?,
            iv: decode(iv)?,
            ciphertext: decode(ciphertext)?,
            tag: decode(tag)?,
            header,
        };
        encrypted.check_lengths()?;
        Ok(encrypted)
    }

    fn check_lengths(&self) -> Result<(), Malformed> {
        let enc = self.header.content_encryption;
        let key_fits = match self.header.key_management {
            KeyManagement::Dir | KeyManagement::EcdhEs => self.encrypted_key.is_empty(),
            // Eight octets more than what is wrapped ([RFC 3394 §2.2.1]).
            KeyManagement::A256Kw | KeyManagement::EcdhEsA256Kw => {
                self.encrypted_key.len() == enc.key_len() + 8
            }
            // As long as the modulus, which the key knows.
            KeyManagement::RsaOaep256 => !self.encrypted_key.is_empty(),
        };
        let parts = [
            ("encrypted key", key_fits),
            ("initialization vector", self.iv.len() == enc.iv_len()),
            ("ciphertext", enc.fits(self.ciphertext.len())),
            ("authentication tag", self.tag.len() == enc.tag_len()),
        ];
        match parts.iter().find(|(_, fits)| !fits) {
            Some((part, _)) => Err(Malformed::Length(part)),
            None => Ok(()),
        }
    }

    /// The header. Untrusted.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Decrypts with this key.
    ///
    /// # Errors
    /// [`DecryptError::UnknownKey`] if the key is for another algorithm, curve or length, or the
    /// token names another `kid`: what anyone can see. [`DecryptError::Failed`], whatever the
    /// reason.
    pub fn decrypt(&self, key: &DecryptionKey) -> Result<Decrypted, DecryptError> {
        if !self.is_for(key) {
            return Err(DecryptError::UnknownKey);
        }
        let enc = self.header.content_encryption;
        // Made before it is known whether it is needed, so that the time does not tell.
        let random = fresh(enc.key_len()).map_err(|_| DecryptError::Failed)?;
        let unwrapped = key.unwrapper().unwrap(&self.header, &self.encrypted_key);
        let content_encryption_key = match unwrapped {
            Some(key) if key.len() == enc.key_len() => key,
            _ => random,
        };
        let aad = self.protected.as_bytes();
        open(enc, &content_encryption_key, &self.iv, aad, &self.ciphertext, &self.tag)
            .map(|plaintext| Decrypted { header: self.header.clone(), plaintext })
            .map_err(|_| DecryptError::Failed)
    }

    /// Decrypts with the key of the `kid` the token names, or, if it names none, with the first
    /// key of its algorithm that does, out of [`MAX_CANDIDATES`](crate::jwks::MAX_CANDIDATES).
    ///
    /// # Errors
    /// As [`decrypt`](Self::decrypt): that there are more keys than were tried is not told, since
    /// it would tell that those did not decrypt.
    pub fn decrypt_with_one_of(&self, keys: &[DecryptionKey]) -> Result<Decrypted, DecryptError> {
        let suits = |key: &&DecryptionKey| {
            self.is_for(key) && (self.header.kid.is_none() || key.kid() == self.header.kid())
        };
        let mut outcome = Err(DecryptError::UnknownKey);
        for key in keys.iter().filter(suits).take(crate::jwks::MAX_CANDIDATES) {
            outcome = self.decrypt(key);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// Whether the key is for such a token, as far as anyone can see.
    fn is_for(&self, key: &DecryptionKey) -> bool {
        let other_kid =
            self.header.kid().is_some() && key.kid().is_some() && self.header.kid() != key.kid();
        let curve = self.header.agreement.as_ref().map(|agreement| agreement.curve);
        key.key_management() == self.header.key_management
            && !other_kid
            && key.curve() == curve
            && key.suits(self.header.content_encryption)
    }
}

impl std::fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encrypted").field("header", &self.header).finish_non_exhaustive()
    }
}

/// What a JWE held. Who encrypted it is unknown: anyone can who knows the public key, and of
/// a shared key no more is known than that somebody had it.
pub struct Decrypted {
    header: Header,
    plaintext: Zeroizing<Vec<u8>>,
}

impl Decrypted {
    /// The header, which was not changed on the way; by whom it was written is unknown.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The octets. They say nothing of their author.
    #[must_use]
    pub fn plaintext(&self) -> &[u8] {
        &self.plaintext
    }

    /// The octets, taken out.
    #[must_use]
    pub fn into_plaintext(self) -> Zeroizing<Vec<u8>> {
        self.plaintext
    }

    /// The signed token inside, which is still to be checked and verified. [RFC 7519 §5.2] has the
    /// header announce it with `cty` `JWT`.
    ///
    /// # Errors
    /// [`NestedError`]: the header announces no token, the token is itself encrypted, or what is
    /// inside is no token.
    ///
    /// [RFC 7519 §5.2]: https://www.rfc-editor.org/rfc/rfc7519#section-5.2
    pub fn nested(&self) -> Result<Unverified, NestedError> {
        if !self.header.cty().is_some_and(|cty| same_type(cty, JWT)) {
            return Err(NestedError::ContentType);
        }
        let token = std::str::from_utf8(&self.plaintext)
            .map_err(|_| NestedError::Malformed(jws::Malformed::Compact))?;
        if token.bytes().filter(|octet| *octet == b'.').count() == 4 {
            return Err(NestedError::Encrypted);
        }
        Ok(Unverified::parse(token)?)
    }
}

/// The `cty` of a token inside another.
pub(super) const JWT: &str = "JWT";

impl std::fmt::Debug for Decrypted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decrypted").field("header", &self.header).finish_non_exhaustive()
    }
}

/// Why a text is not a JWE that can be read at all. It depends on no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Longer than [`MAX_TOKEN`].
    #[error("the token is too long")]
    TooLong,
    /// Not five parts of base64url with a dot between them.
    #[error("not a compact JWE")]
    Compact,
    /// A part is not canonical base64url.
    #[error("a part is not canonical base64url")]
    Base64,
    /// The header is not a JSON object with a single reading.
    #[error("the header is not a JSON object")]
    Header(#[source] JsonError),
    /// A member of the header is missing, of the wrong type or too long.
    #[error("header member {0} is malformed")]
    Member(&'static str),
    /// An `alg` or `enc` outside the allow-list.
    #[error("the value of header member {0} is not supported")]
    Algorithm(&'static str),
    /// A member that changes how the rest is to be read.
    #[error("header member {0} is not supported")]
    Extension(&'static str),
    /// `epk` is no point that can be agreed with: off the curve, of small order, another curve.
    #[error("the ephemeral key is refused")]
    EphemeralKey,
    /// A part that has not the length its algorithm gives it.
    #[error("the {0} has a wrong length")]
    Length(&'static str),
}

/// Why a JWE was not decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// The key is not for this token.
    #[error("no key of that kid and algorithm")]
    UnknownKey,
    /// It does not decrypt. Why is not said: an answer that differs would be an oracle.
    #[error("decryption failed")]
    Failed,
}

/// Why there is no signed token inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NestedError {
    /// `cty` is not `JWT`.
    #[error("the header announces no token inside")]
    ContentType,
    /// The token inside is encrypted again.
    #[error("the token inside is encrypted again")]
    Encrypted,
    /// What is inside is not a token.
    #[error("malformed token inside")]
    Malformed(#[from] jws::Malformed),
}
