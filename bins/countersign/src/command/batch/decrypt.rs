//! `countersign jwe decrypt --batch`

use countersign_jwt::jwe::{Decrypted, DecryptionKey, Encrypted, KeyManagement, NestedError};
use countersign_jwt::jws;

use super::question::{Given, Question, parse_key};
use super::refused::Refused;
use super::remembered::Remembered;
use super::{Answer, Opened, base64url};

/// Decrypts, which says nothing of who encrypted.
pub(crate) struct Decrypt {
    remembered: Remembered<Keys>,
}

/// The keys of a question.
enum Keys {
    One(Box<DecryptionKey>),
    Set(Vec<DecryptionKey>),
}

impl Decrypt {
    pub(crate) const fn new() -> Self {
        Self { remembered: Remembered::nothing() }
    }
}

impl Answer for Decrypt {
    type Yes = Opened;

    fn answer(&mut self, question: &Question<'_>) -> Result<Opened, Refused> {
        let (given, token) = (question.keys()?, question.token()?);
        let encrypted = Encrypted::parse(&token).map_err(|error| Refused::of(&error))?;
        let alg = encrypted.header().key_management();
        let keys = self.remembered.keys(given, alg.name(), || Keys::read(given, alg))?;
        let decrypted = match keys {
            Keys::One(key) => encrypted.decrypt(key),
            Keys::Set(keys) => encrypted.decrypt_with_one_of(keys),
        };
        let decrypted = decrypted.map_err(|error| Refused::of(&error))?;
        check_content(&decrypted).map_err(|error| Refused::of(&error))?;
        Ok(Opened { alg: alg.name().to_owned(), payload: base64url(decrypted.plaintext()) })
    }
}

/// Refuses what is announced as a signed token and is none. [RFC 7519 §5.2]
///
/// [RFC 7519 §5.2]: https://www.rfc-editor.org/rfc/rfc7519#section-5.2
pub(crate) fn check_content(decrypted: &Decrypted) -> Result<(), NestedError> {
    match decrypted.nested() {
        Ok(_) | Err(NestedError::ContentType) => Ok(()),
        Err(NestedError::Malformed(error)) => {
            // One by a secret, or with a payload that is no claims, is a signed token as well.
            let text = std::str::from_utf8(decrypted.plaintext());
            text.map_or(Err(error), jws::named_algorithm).map(drop).map_err(Into::into)
        }
        Err(error) => Err(error),
    }
}

impl Keys {
    /// Reads the keys. One that names no algorithm is for the one that the token names, if keys of
    /// its type are.
    fn read(given: Given<'_>, alg: KeyManagement) -> Result<Self, Refused> {
        let text = match given {
            Given::One(text) => {
                let jwk = parse_key(text)?;
                let key = match jwk.get("alg") {
                    Some(_) => DecryptionKey::from_jwk(&jwk),
                    None => DecryptionKey::from_jwk_for(&jwk, alg),
                };
                let key = key.map_err(|error| Refused::of(&error))?;
                return Ok(Self::One(Box::new(key)));
            }
            Given::Set(text) => text,
        };
        let (keys, skipped) = DecryptionKey::from_set(text.as_bytes(), Some(alg))
            .map_err(|error| Refused::of(&error))?;
        match (keys.as_slice(), skipped.as_slice()) {
            // There is no doubt which key is meant.
            ([], [only]) => Err(Refused::of(&only.reason)),
            _ => Ok(Self::Set(keys)),
        }
    }
}
