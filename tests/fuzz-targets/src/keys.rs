//! Keys that are no secret: the corpus holds tokens of them.

use std::sync::LazyLock;

use countersign_jwt::jwe::DecryptionKey;
use countersign_jwt::mac::HmacKey;
use countersign_jwt::{PublicKey, SigningKey};
use serde_json::Value;

/// The keys as JSON: `sign`, `mac`, `decrypt`.
pub(crate) static JWKS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("keys.json")).expect("JSON"));

fn all(name: &str) -> impl Iterator<Item = &'static Value> {
    JWKS.get(name).and_then(Value::as_array).into_iter().flatten()
}

pub(crate) static PUBLIC: LazyLock<Vec<PublicKey>> = LazyLock::new(|| {
    all("sign").map(|jwk| SigningKey::from_jwk(jwk).expect("a key").public().clone()).collect()
});

pub(crate) static MAC: LazyLock<Vec<HmacKey>> =
    LazyLock::new(|| all("mac").map(|jwk| HmacKey::from_jwk(jwk).expect("a key")).collect());

pub(crate) static DECRYPT: LazyLock<Vec<(DecryptionKey, &Value)>> = LazyLock::new(|| {
    all("decrypt").map(|jwk| (DecryptionKey::from_jwk(jwk).expect("a key"), jwk)).collect()
});
