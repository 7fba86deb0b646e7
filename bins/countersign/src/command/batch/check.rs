//! `countersign jwk check`, of a file and of lines.

use countersign_jwt::jwe::{ContentEncryption, DecryptionKey, EncryptionKey, KeyManagement};
use countersign_jwt::jwks::KeySetError;
use countersign_jwt::mac::{HmacKey, MacAlgorithm};
use countersign_jwt::{KeyError, PublicKey, SigningKey};
use serde::Serialize;
use serde_json::{Map, Value};

use super::Answer;
use super::question::{Given, Question, is_private, is_secret, kid};
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
    let keys = given.parse()?;
    if matches!(given, Given::One(_)) {
        let judged = keys.into_iter().map(Judged::read).collect::<Result<_, _>>();
        return judged.map_err(|error| Refused::of(&error));
    }
    check_set(&keys)?;
    let judged = keys
        .into_iter()
        .enumerate()
        .map(|(index, jwk)| Judged::read(jwk).map_err(|error| Refused::of(&error).of_key(index)));
    judged.collect()
}

fn check_set(keys: &[Map<String, Value>]) -> Result<(), Refused> {
    if keys.iter().any(is_secret) && !keys.iter().all(is_secret) {
        return Err(Refused::of(&KeySetError::Mixed));
    }
    let mut seen = std::collections::HashSet::new();
    match keys.iter().filter_map(kid).find(|kid| !seen.insert(*kid)) {
        Some(kid) => Err(Refused::of(&KeySetError::DuplicateKid(kid.to_owned()))),
        None => Ok(()),
    }
}

impl Judged {
    fn read(jwk: Map<String, Value>) -> Result<Self, KeyError> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str).map(str::to_owned);
        let (alg, kid) = (text("alg"), text("kid"));
        let is_shared = text("kty").as_deref() == Some("oct");
        Ok(Self { key: Key::read(jwk, is_shared)?, alg, kid, is_shared })
    }
}

impl Key {
    fn read(jwk: Map<String, Value>, is_shared: bool) -> Result<Self, KeyError> {
        let is_for_encryption = is_for_encryption(&jwk);
        let has_private = jwk.keys().any(|name| is_private(name));
        match (is_for_encryption, is_shared) {
            (true, _) if is_shared || has_private => decrypts(jwk, is_shared),
            (true, _) => {
                let key = EncryptionKey::from_jwk(&Value::Object(jwk))?;
                Ok(Self::Encrypts(Box::new(key)))
            }
            (false, true) => {
                let names_algorithm = jwk.contains_key("alg");
                let jwk = Value::Object(jwk);
                let key = if names_algorithm {
                    HmacKey::from_jwk(&jwk)
                } else {
                    HmacKey::from_jwk_for(&jwk, MacAlgorithm::Hs256)
                };
                key.map(|_| Self::Authenticates)
            }
            (false, false) if has_private => signs(jwk),
            (false, false) => {
                let key = PublicKey::from_jwk(&Value::Object(jwk))?;
                Ok(Self::Verifies(Box::new(key)))
            }
        }
    }
}

/// Reads a key that decrypts. One whose `key_ops` are those of the half that encrypts is for that
/// alone, and no worse a key for it.
fn decrypts(jwk: Map<String, Value>, is_shared: bool) -> Result<Key, KeyError> {
    let agreed = match (is_shared && !jwk.contains_key("alg"), names(&jwk, &WRAPPING)) {
        (false, _) => None,
        (true, true) => Some(KeyManagement::A256Kw),
        (true, false) => Some(KeyManagement::Dir),
    };
    let read = |jwk: &Value| match agreed {
        Some(agreed) => DecryptionKey::from_jwk_for(jwk, agreed),
        None => DecryptionKey::from_jwk(jwk),
    };
    let jwk = Value::Object(jwk);
    match (read(&jwk), other_half(&jwk)) {
        (Err(KeyError::Use), Some((public, bare))) => {
            let public = if is_shared { &jwk } else { &public };
            match agreed {
                Some(agreed) => EncryptionKey::from_jwk_for(public, agreed)?,
                None => EncryptionKey::from_jwk(public)?,
            };
            read(&bare)
        }
        (key, _) => key,
    }
    .map(|key| Key::Decrypts(Box::new(key)))
}

/// Reads a key that signs. One whose `key_ops` are those of the half that verifies is for that
/// alone.
fn signs(jwk: Map<String, Value>) -> Result<Key, KeyError> {
    let jwk = Value::Object(jwk);
    match (SigningKey::from_jwk(&jwk), other_half(&jwk)) {
        (Err(KeyError::Use), Some((public, bare))) => {
            PublicKey::from_jwk(&public)?;
            SigningKey::from_jwk(&bare)
        }
        (key, _) => key,
    }
    .map(|key| Key::Signs(Box::new(key)))
}

/// If a key names operations: its public half with them, and the whole without them.
fn other_half(jwk: &Value) -> Option<(Value, Value)> {
    let jwk = jwk.as_object()?;
    jwk.get("key_ops")?.as_array()?.first()?;
    let (mut public, mut bare) = (jwk.clone(), jwk.clone());
    public.retain(|name, _| !is_private(name));
    bare.remove("key_ops");
    Some((Value::Object(public), Value::Object(bare)))
}

const WRAPPING: [&str; 2] = ["wrapKey", "unwrapKey"];
const OTHERS_OF_ENCRYPTION: [&str; 4] = ["encrypt", "decrypt", "deriveKey", "deriveBits"];

/// Whether `key_ops` names one of these.
fn names(jwk: &Map<String, Value>, operations: &[&str]) -> bool {
    let named = jwk.get("key_ops").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    named.iter().any(|name| name.as_str().is_some_and(|name| operations.contains(&name)))
}

/// Whether the key says, in whatever way, that it is for encryption.
fn is_for_encryption(jwk: &Map<String, Value>) -> bool {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    if let Some(public_key_use) = text("use") {
        return public_key_use == "enc";
    }
    if let Some(alg) = text("alg") {
        return KeyManagement::from_name(alg).is_some()
            || ContentEncryption::from_name(alg).is_some();
    }
    // A public key on a curve that may do nothing by itself is one to agree with.
    let is_input = matches!(jwk.get("key_ops"), Some(Value::Array(none)) if none.is_empty())
        && matches!(text("crv"), Some("P-256" | "X25519"))
        && !is_secret(jwk);
    text("crv") == Some("X25519")
        || is_input
        || names(jwk, &WRAPPING)
        || names(jwk, &OTHERS_OF_ENCRYPTION)
}
