//! `countersign jwk check --batch`

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
        let given = question.keys()?;
        let keys = given.parse()?;
        if matches!(given, Given::Set(_)) {
            check_set(&keys)?;
        }
        for (index, jwk) in keys.into_iter().enumerate() {
            check(jwk).map_err(|error| {
                let refused = Refused::of(&error);
                if matches!(given, Given::Set(_)) { refused.of_key(index) } else { refused }
            })?;
        }
        Ok(InOrder {})
    }
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

fn check(jwk: Map<String, Value>) -> Result<(), KeyError> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let (is_shared, is_for_encryption) = (text("kty") == Some("oct"), is_for_encryption(&jwk));
    let has_private = jwk.keys().any(|name| is_private(name));
    let names_algorithm = jwk.contains_key("alg");
    let jwk = Value::Object(jwk);
    match (is_for_encryption, is_shared) {
        (true, true) if !names_algorithm => {
            DecryptionKey::from_jwk_for(&jwk, KeyManagement::Dir).map(drop)
        }
        (true, _) if has_private => DecryptionKey::from_jwk(&jwk).map(drop),
        (true, _) => EncryptionKey::from_jwk(&jwk).map(drop),
        (false, true) if !names_algorithm => {
            HmacKey::from_jwk_for(&jwk, MacAlgorithm::Hs256).map(drop)
        }
        (false, true) => HmacKey::from_jwk(&jwk).map(drop),
        (false, false) if has_private => SigningKey::from_jwk(&jwk).map(drop),
        (false, false) => PublicKey::from_jwk(&jwk).map(drop),
    }
}

/// Whether the key says, in whatever way, that it is for encryption.
fn is_for_encryption(jwk: &Map<String, Value>) -> bool {
    const OPERATIONS: [&str; 6] =
        ["encrypt", "decrypt", "wrapKey", "unwrapKey", "deriveKey", "deriveBits"];
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    if let Some(public_key_use) = text("use") {
        return public_key_use == "enc";
    }
    if let Some(alg) = text("alg") {
        return KeyManagement::from_name(alg).is_some()
            || ContentEncryption::from_name(alg).is_some();
    }
    let operations = jwk.get("key_ops").and_then(Value::as_array);
    let names = |operation: &Value| operation.as_str().is_some_and(|it| OPERATIONS.contains(&it));
    text("crv") == Some("X25519") || operations.is_some_and(|all| all.iter().any(names))
}
