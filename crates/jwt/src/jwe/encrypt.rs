//! Encrypting. [RFC 7516 §5.1]
//!
//! [RFC 7516 §5.1]: https://www.rfc-editor.org/rfc/rfc7516#section-5.1

use serde_json::{Map, Value};

use super::alg::ContentEncryption;
use super::content::{fresh, seal};
use super::decrypt::JWT;
use super::key::EncryptionKey;
use crate::base64url;
use crate::jws::{self, MAX_TOKEN, is_media_type};

/// Encrypts to one recipient.
#[derive(Clone, Debug)]
pub struct Encrypter<'a> {
    key: &'a EncryptionKey,
    enc: ContentEncryption,
    typ: Option<&'a str>,
    cty: Option<&'a str>,
}

impl<'a> Encrypter<'a> {
    /// Encrypts to `key`, contents with `enc`.
    #[must_use]
    pub const fn new(key: &'a EncryptionKey, enc: ContentEncryption) -> Self {
        Self { key, enc, typ: None, cty: None }
    }

    /// Says in `typ` what the whole is.
    #[must_use]
    pub const fn with_typ(self, typ: &'a str) -> Self {
        Self { typ: Some(typ), ..self }
    }

    /// Says in `cty` what is inside.
    #[must_use]
    pub const fn with_cty(self, cty: &'a str) -> Self {
        Self { cty: Some(cty), ..self }
    }

    /// Encrypts octets.
    ///
    /// # Errors
    /// [`EncryptError::Key`] if the key is for another `enc`, [`EncryptError::Type`] for an unfit
    /// `typ` or `cty`, [`EncryptError::TooLong`] beyond [`MAX_TOKEN`], [`EncryptError::Engine`].
    pub fn encrypt(&self, plaintext: &[u8]) -> Result<String, EncryptError> {
        if plaintext.len() > MAX_TOKEN {
            return Err(EncryptError::TooLong);
        }
        if !self.key.suits(self.enc) {
            return Err(EncryptError::Key);
        }
        let wrapped = self.key.wrapper().wrap(self.enc, self.header()?)?;
        let protected = Value::Object(wrapped.header).to_string();
        let mut token = String::with_capacity(2048);
        base64url::encode_onto(protected.as_bytes(), &mut token);
        let iv = fresh(self.enc.iv_len())?;
        let key = &wrapped.content_encryption_key;
        let sealed = seal(self.enc, key, &iv, token.as_bytes(), plaintext)?;
        for part in [&wrapped.encrypted_key, &*iv, &sealed.ciphertext, &sealed.tag] {
            token.push('.');
            base64url::encode_onto(part, &mut token);
        }
        if token.len() > MAX_TOKEN { Err(EncryptError::TooLong) } else { Ok(token) }
    }

    /// Encrypts a signed token, and says so in `cty`. [RFC 7519
    /// §5.2](https://www.rfc-editor.org/rfc/rfc7519#section-5.2)
    ///
    /// # Errors
    /// [`EncryptError::NotAToken`] if it is none that our own reader takes, and as
    /// [`encrypt`](Self::encrypt).
    pub fn encrypt_jwt(&self, token: &str) -> Result<String, EncryptError> {
        jws::read(token).map_err(EncryptError::NotAToken)?;
        self.clone().with_cty(JWT).encrypt(token.as_bytes())
    }

    fn header(&self) -> Result<Map<String, Value>, EncryptError> {
        let mut header = Map::new();
        header.insert("alg".to_owned(), self.key.key_management().name().into());
        header.insert("enc".to_owned(), self.enc.name().into());
        let types = [("typ", self.typ), ("cty", self.cty)];
        for (name, text) in types {
            match text {
                Some(text) if is_media_type(text) => header.insert(name.to_owned(), text.into()),
                Some(_) => return Err(EncryptError::Type(name)),
                None => None,
            };
        }
        if let Some(kid) = self.key.kid() {
            header.insert("kid".to_owned(), kid.into());
        }
        Ok(header)
    }
}

/// Why nothing was encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptError {
    /// A shared key that is not of the length of the content encryption, or for another one.
    #[error("the key is not for this content encryption")]
    Key,
    /// A `typ` or `cty` that no reader would take.
    #[error("{0} is empty, too long, not ASCII or holds NUL")]
    Type(&'static str),
    /// What was to be encrypted as a signed token is none.
    #[error("not a signed token")]
    NotAToken(#[source] jws::Malformed),
    /// The result would be longer than any reader accepts ([`MAX_TOKEN`]).
    #[error("the token would be too long")]
    TooLong,
    /// The engine failed.
    #[error("the encryption engine failed")]
    Engine,
}

impl From<aws_lc_rs::error::Unspecified> for EncryptError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Engine
    }
}
