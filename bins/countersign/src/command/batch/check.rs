//! `countersign jwk check`, of a file and of lines.

use countersign_jwt::jwe::{ContentEncryption, DecryptionKey, EncryptionKey, KeyManagement};
use countersign_jwt::jwk::Wiped;
use countersign_jwt::jwks::RawKey;
use countersign_jwt::mac::{HmacKey, MacAlgorithm};
use countersign_jwt::{KeyError, PublicKey, SigningKey};
use serde::Serialize;
use serde_json::Value;

use super::Answer;
use super::question::{Given, Question, parse_key, parse_set};
use super::refused::Refused;

/// Judges keys by the rules by which they would be read for use, of whatever kind they are.
pub(crate) struct Check;

/// There is nothing to say of a key that is in order.
#[derive(Serialize)]
pub(crate) struct InOrder {}

impl Answer for Check {
    type Yes = InOrder;

    fn answer(&mut self, question: &Question<'_>) -> Result<InOrder, Refused> {
        judge(question.keys()?).map(|_| InOrder {})
    }
}

/// A key that is in order.
pub(crate) enum Key {
    Signs(Box<SigningKey>),
    Verifies(Box<PublicKey>),
    /// Shared, for MACs.
    Authenticates,
    Decrypts(Box<DecryptionKey>),
    Encrypts(Box<EncryptionKey>),
}

/// What a key is, with what it says of itself.
pub(crate) struct Judged {
    pub(crate) key: Key,
    /// What the key itself names, since one that names none may be for several.
    pub(crate) alg: Option<String>,
    pub(crate) kid: Option<String>,
    pub(crate) is_shared: bool,
}

/// Judges a key, or all keys of a set: what may not stand together in one is refused, and so is
/// a set with one key that is.
pub(crate) fn judge(given: Given<'_>) -> Result<Vec<Judged>, Refused> {
    let text = match given {
        Given::One(text) => {
            let jwk = parse_key(text)?;
            let judged = Judged::read(RawKey::alone(&jwk)).map_err(|error| Refused::of(&error))?;
            return Ok(vec![judged]);
        }
        Given::Set(text) => text,
    };
    let set = parse_set(text)?;
    set.check_kids().map_err(|error| Refused::of(&error))?;
    let judged = set
        .iter()
        .enumerate()
        .map(|(index, key)| Judged::read(key).map_err(|error| Refused::of(&error).of_key(index)));
    judged.collect()
}

impl Judged {
    fn read(key: RawKey<'_>) -> Result<Self, KeyError> {
        let text = |name| text(key.jwk(), name).map(str::to_owned);
        let is_shared = is_shared(key.jwk());
        Ok(Self { key: Key::read(key)?, alg: text("alg"), kid: text("kid"), is_shared })
    }
}

/// A member, if it is a text.
fn text<'a>(jwk: &'a Value, name: &str) -> Option<&'a str> {
    jwk.get(name)?.as_str()
}

pub(super) fn is_shared(jwk: &Value) -> bool {
    text(jwk, "kty") == Some("oct")
}

impl Key {
    fn read(key: RawKey<'_>) -> Result<Self, KeyError> {
        let jwk = key.jwk();
        match (is_for_encryption(key), is_shared(jwk)) {
            (true, is_shared) if is_shared || key.is_secret() => decrypts(key, is_shared),
            (true, _) => Ok(Self::Encrypts(Box::new(EncryptionKey::from_jwk(jwk)?))),
            (false, true) => {
                let key = match jwk.get("alg") {
                    Some(_) => HmacKey::from_jwk(jwk),
                    None => HmacKey::from_jwk_for(jwk, MacAlgorithm::Hs256),
                };
                key.map(|_| Self::Authenticates)
            }
            (false, false) if key.is_secret() => signs(key),
            (false, false) => Ok(Self::Verifies(Box::new(PublicKey::from_jwk(jwk)?))),
        }
    }
}

/// Reads a key that decrypts. One whose `key_ops` are those of the half that encrypts is for that
/// alone, and no worse a key for it.
fn decrypts(key: RawKey<'_>, is_shared: bool) -> Result<Key, KeyError> {
    let jwk = key.jwk();
    let agreed = match (is_shared && jwk.get("alg").is_none(), names(jwk, &WRAPPING)) {
        (false, _) => None,
        (true, true) => Some(KeyManagement::A256Kw),
        (true, false) => Some(KeyManagement::Dir),
    };
    let read = |jwk: &Value| match agreed {
        Some(agreed) => DecryptionKey::from_jwk_for(jwk, agreed),
        None => DecryptionKey::from_jwk(jwk),
    };
    match read(jwk) {
        Err(KeyError::Use) if names_operations(jwk) => {
            let public = Wiped::new(if is_shared { jwk.clone() } else { key.public_half() });
            match agreed {
                Some(agreed) => EncryptionKey::from_jwk_for(&public, agreed)?,
                None => EncryptionKey::from_jwk(&public)?,
            };
            read(&key.without_key_ops())
        }
        read => read,
    }
    .map(|key| Key::Decrypts(Box::new(key)))
}

/// Reads a key that signs. One whose `key_ops` are those of the half that verifies is for that
/// alone.
fn signs(key: RawKey<'_>) -> Result<Key, KeyError> {
    match SigningKey::from_jwk(key.jwk()) {
        Err(KeyError::Use) if names_operations(key.jwk()) => {
            PublicKey::from_jwk(&key.public_half())?;
            SigningKey::from_jwk(&key.without_key_ops())
        }
        read => read,
    }
    .map(|key| Key::Signs(Box::new(key)))
}

const WRAPPING: [&str; 2] = ["wrapKey", "unwrapKey"];
const OTHERS_OF_ENCRYPTION: [&str; 4] = ["encrypt", "decrypt", "deriveKey", "deriveBits"];

fn operations(jwk: &Value) -> &[Value] {
    jwk.get("key_ops").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn names_operations(jwk: &Value) -> bool {
    !operations(jwk).is_empty()
}

/// Whether `key_ops` names one of these.
fn names(jwk: &Value, these: &[&str]) -> bool {
    operations(jwk).iter().any(|name| name.as_str().is_some_and(|name| these.contains(&name)))
}

/// Whether the key says, in whatever way, that it is for encryption.
fn is_for_encryption(key: RawKey<'_>) -> bool {
    let jwk = key.jwk();
    if let Some(public_key_use) = text(jwk, "use") {
        return public_key_use == "enc";
    }
    if let Some(alg) = text(jwk, "alg") {
        return KeyManagement::from_name(alg).is_some()
            || ContentEncryption::from_name(alg).is_some();
    }
    let curve = text(jwk, "crv");
    // A public key on a curve that may do nothing by itself is one to agree with.
    let is_input = matches!(jwk.get("key_ops"), Some(Value::Array(none)) if none.is_empty())
        && matches!(curve, Some("P-256" | "X25519"))
        && !is_shared(jwk)
        && !key.is_secret();
    curve == Some("X25519")
        || is_input
        || names(jwk, &WRAPPING)
        || names(jwk, &OTHERS_OF_ENCRYPTION)
}
