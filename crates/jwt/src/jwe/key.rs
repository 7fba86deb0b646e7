//! Keys to encrypt to and to decrypt with. [RFC 7517 §4], [RFC 7518 §6], [RFC 8037 §2]
//!
//! [RFC 7517 §4]: https://www.rfc-editor.org/rfc/rfc7517#section-4
//! [RFC 7518 §6]: https://www.rfc-editor.org/rfc/rfc7518#section-6
//! [RFC 8037 §2]: https://www.rfc-editor.org/rfc/rfc8037#section-2

use std::fmt;

use josekit::jwk::{Jwk, alg::ec::EcCurve, alg::ecx::EcxCurve};
use serde_json::Value;
use zeroize::Zeroizing;

use super::agreement::Curve;
use super::alg::{ContentEncryption, KeyManagement};
use super::content::fresh;
use super::engine::{Unwrapper, Wrapper};
use super::numbers::{Half, Numbers, read, shared_jwk};
use crate::json;
use crate::jwk::{KeyError, Material, Members, Wiped, check_secret, is_key_id};
use crate::jwks::{KeySetError, RawKeySet, SkippedKey};
use crate::wiped::Lent;

/// What can be said of a key without its numbers.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub(super) key_management: KeyManagement,
    /// The curve of a key that is agreed with.
    pub(super) curve: Option<Curve>,
    /// The content encryption that a key for `dir` is reserved for, if it is for one.
    pub(super) content_encryption: Option<ContentEncryption>,
    /// Octets of a key for `dir`.
    pub(super) len: Option<usize>,
    pub(super) kid: Option<String>,
}

impl About {
    fn suits(&self, enc: ContentEncryption) -> bool {
        self.len.is_none_or(|len| len == enc.key_len())
            && self.content_encryption.is_none_or(|own| own == enc)
    }

    /// `alg` as it is written: a key for one content encryption says so, as those of RFC 7520 do.
    fn alg(&self) -> &'static str {
        self.content_encryption.map_or(self.key_management.name(), ContentEncryption::name)
    }
}

/// A key to decrypt with: private, or shared with the sender. It is for one algorithm.
///
/// The algorithm is the one that `alg` names. A key that names none is for RSA-OAEP-256 if it is
/// an RSA key, for ECDH-ES if it is on P-256 or X25519, and for nothing if it is shared, unless it
/// is [known](Self::from_jwk_for) to be for another. For `dir`, `alg` may name the content
/// encryption instead; if it does not, the key is for each one of its length.
///
/// ```
/// use countersign_jwt::jwe::{Curve, DecryptionKey, NewKey};
///
/// let key = DecryptionKey::generate(NewKey::EcdhEs(Curve::P256), None)?;
/// let again = DecryptionKey::from_json(key.to_jwk().as_bytes())?;
/// assert_eq!(again.kid(), key.kid());
/// # Ok::<(), countersign_jwt::KeyError>(())
/// ```
pub struct DecryptionKey {
    about: About,
    /// All members but `use`, `alg` and `kid`.
    numbers: Numbers,
    unwrapper: Unwrapper,
}

/// What kind of key to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NewKey {
    /// Shared, for contents encrypted in this way.
    Dir(ContentEncryption),
    /// Shared.
    A256Kw,
    /// On this curve.
    EcdhEs(Curve),
    /// On this curve.
    EcdhEsA256Kw(Curve),
    /// Of 2048 bits.
    RsaOaep256,
}

impl DecryptionKey {
    /// Makes a new key. Without `kid`, the thumbprint serves; a shared key then has none, since
    /// its thumbprint is made of the secret.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] for an unfit `kid`, [`KeyError::Generation`] if the engine fails.
    pub fn generate(kind: NewKey, kid: Option<&str>) -> Result<Self, KeyError> {
        let (jwk, alg) = match kind {
            NewKey::Dir(enc) => (shared(enc.key_len())?, enc.name()),
            NewKey::A256Kw => (shared(32)?, KeyManagement::A256Kw.name()),
            NewKey::EcdhEs(curve) => (on_curve(curve)?, KeyManagement::EcdhEs.name()),
            NewKey::EcdhEsA256Kw(curve) => (on_curve(curve)?, KeyManagement::EcdhEsA256Kw.name()),
            NewKey::RsaOaep256 => {
                let jwk = Jwk::generate_rsa_key(2048).map_err(|_| KeyError::Generation)?;
                (Lent(jwk).into_members().into(), KeyManagement::RsaOaep256.name())
            }
        };
        let jwk = jwk.with("alg", Some(alg));
        let mut key = Self::from_jwk(&jwk)?;
        key.about.kid = match kid {
            Some(kid) if is_key_id(kid) => Some(kid.to_owned()),
            Some(_) => return Err(KeyError::Malformed("kid")),
            None if matches!(key.numbers, Numbers::Shared(_)) => None,
            None => {
                let thumbprint = Material::read(&Members::of(&jwk)?)?.thumbprint();
                Some(thumbprint.to_base64url())
            }
        };
        Ok(key)
    }

    /// Reads a key from its JSON text.
    ///
    /// # Errors
    /// [`KeyError::Json`] for a text with two readings, and as [`from_jwk`](Self::from_jwk).
    pub fn from_json(jwk: &[u8]) -> Result<Self, KeyError> {
        Self::from_jwk(&Wiped::from(json::parse_object(jwk)?))
    }

    /// Reads a private or shared key.
    ///
    /// # Errors
    /// The [`KeyError`] that says which rule of the [module](crate::jwk) the key breaks;
    /// [`KeyError::Use`] if it is not for decrypting, [`KeyError::Invalid`] if its halves do not
    /// belong together.
    pub fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        Self::read(jwk, None)
    }

    /// Reads a key that is known to be for this algorithm, if it does not say itself for which.
    ///
    /// # Errors
    /// As [`from_jwk`](Self::from_jwk); [`KeyError::AlgorithmMismatch`] if the key names another
    /// algorithm, or is not fit for this one.
    pub fn from_jwk_for(jwk: &Value, algorithm: KeyManagement) -> Result<Self, KeyError> {
        Self::read(jwk, Some(algorithm))
    }

    fn read(jwk: &Value, agreed: Option<KeyManagement>) -> Result<Self, KeyError> {
        let (about, numbers) = read(&Members::of(jwk)?, Half::Decrypts, agreed)?;
        let unwrapper = Unwrapper::import(about.key_management, &numbers)?;
        Ok(Self { unwrapper, about, numbers })
    }

    /// Reads the keys of a set that are for decrypting, and says which were left out: those for
    /// something else, and those of one `kid`. `agreed` is as in
    /// [`from_jwk_for`](Self::from_jwk_for).
    ///
    /// # Errors
    /// [`KeySetError`] if the text as a whole is no set, [`KeySetError::Mixed`] foremost.
    pub fn from_set(
        text: &[u8],
        agreed: Option<KeyManagement>,
    ) -> Result<(Vec<Self>, Vec<SkippedKey>), KeySetError> {
        Ok(RawKeySet::parse(text)?.read_some(|jwk| Self::read(jwk, agreed)))
    }

    /// The half to encrypt with: the public one, or the shared key itself.
    ///
    /// # Errors
    /// [`KeyError::Invalid`] if the engine does not take it.
    pub fn encryption_key(&self) -> Result<EncryptionKey, KeyError> {
        EncryptionKey::new(self.about.clone(), self.numbers.public())
    }

    /// The one algorithm this key is for.
    #[must_use]
    pub const fn key_management(&self) -> KeyManagement {
        self.about.key_management
    }

    /// The `kid`, if the key has one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.about.kid.as_deref()
    }

    /// Whether the key is for contents encrypted in this way.
    #[must_use]
    pub fn suits(&self, enc: ContentEncryption) -> bool {
        self.about.suits(enc)
    }

    pub(super) const fn curve(&self) -> Option<Curve> {
        self.about.curve
    }

    pub(super) const fn unwrapper(&self) -> &Unwrapper {
        &self.unwrapper
    }

    /// The key as JSON, private members included.
    #[must_use]
    pub fn to_jwk(&self) -> Zeroizing<String> {
        self.numbers.to_jwk(self.about.alg(), self.kid()).to_text()
    }
}

/// A key to encrypt with: public, or shared with the recipient. It is for one algorithm, which is
/// found as for a [`DecryptionKey`].
pub struct EncryptionKey {
    about: About,
    numbers: Numbers,
    wrapper: Wrapper,
}

impl EncryptionKey {
    /// Reads a key from its JSON text.
    ///
    /// # Errors
    /// [`KeyError::Json`] for a text with two readings, and as [`from_jwk`](Self::from_jwk).
    pub fn from_json(jwk: &[u8]) -> Result<Self, KeyError> {
        Self::from_jwk(&Wiped::from(json::parse_object(jwk)?))
    }

    /// Reads a public or shared key.
    ///
    /// # Errors
    /// The [`KeyError`] that says which rule of the [module](crate::jwk) the key breaks;
    /// [`KeyError::Private`] for a private key, [`KeyError::Use`] if it is not for encrypting.
    pub fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        Self::read(jwk, None)
    }

    /// Reads a key that is known to be for this algorithm, if it does not say itself for which.
    ///
    /// # Errors
    /// As [`from_jwk`](Self::from_jwk); [`KeyError::AlgorithmMismatch`] if the key names another
    /// algorithm, or is not fit for this one.
    pub fn from_jwk_for(jwk: &Value, algorithm: KeyManagement) -> Result<Self, KeyError> {
        Self::read(jwk, Some(algorithm))
    }

    fn read(jwk: &Value, agreed: Option<KeyManagement>) -> Result<Self, KeyError> {
        let (about, numbers) = read(&Members::of(jwk)?, Half::Encrypts, agreed)?;
        Self::new(about, numbers)
    }

    fn new(about: About, numbers: Numbers) -> Result<Self, KeyError> {
        let wrapper = Wrapper::import(about.key_management, &numbers)?;
        Ok(Self { wrapper, about, numbers })
    }

    /// The one algorithm this key is for.
    #[must_use]
    pub const fn key_management(&self) -> KeyManagement {
        self.about.key_management
    }

    /// The `kid`, if the key has one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.about.kid.as_deref()
    }

    /// Whether the key is for contents encrypted in this way.
    #[must_use]
    pub fn suits(&self, enc: ContentEncryption) -> bool {
        self.about.suits(enc)
    }

    pub(super) const fn wrapper(&self) -> &Wrapper {
        &self.wrapper
    }

    /// The key as it is published; nothing for a shared key, which must not be.
    #[must_use]
    pub fn to_public_jwk(&self) -> Option<Value> {
        match &self.numbers {
            Numbers::Shared(_) => None,
            numbers @ Numbers::Members(_) => {
                Some(Value::clone(&numbers.to_jwk(self.about.alg(), self.kid())))
            }
        }
    }
}

fn shared(len: usize) -> Result<Wiped, KeyError> {
    // Of 16 octets all are printable once in five million times, and then they are not taken.
    let mut drawn = (0..4).map_while(|_| fresh(len).ok());
    let key = drawn.find(|key| check_secret(key).is_ok()).ok_or(KeyError::Generation)?;
    Ok(shared_jwk(&key))
}

fn on_curve(curve: Curve) -> Result<Wiped, KeyError> {
    let jwk = match curve {
        Curve::P256 => Jwk::generate_ec_key(EcCurve::P256),
        Curve::X25519 => Jwk::generate_ecx_key(EcxCurve::X25519),
    };
    Ok(Lent(jwk.map_err(|_| KeyError::Generation)?).into_members().into())
}

macro_rules! debug_without_numbers {
    ($($key:ident)*) => {$(
        impl fmt::Debug for $key {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($key))
                    .field("key_management", &self.about.key_management)
                    .field("kid", &self.about.kid)
                    .finish_non_exhaustive()
            }
        }
    )*};
}

debug_without_numbers! { DecryptionKey EncryptionKey }
