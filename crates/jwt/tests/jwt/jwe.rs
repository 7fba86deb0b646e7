//! What a reader of encrypted tokens takes, and what it must refuse.

mod algorithms;
mod keys;
mod nested;
mod parts;
mod properties;
mod rfc7520;

use std::sync::LazyLock;

use countersign_jwt::jwe::{
    ContentEncryption, Curve, DecryptError, Decrypted, DecryptionKey, Encrypted, Encrypter,
    KeyManagement, Malformed, NewKey,
};
use serde_json::Value;

use crate::support::{decode, encode};

/// One key of each kind.
static KEYS: LazyLock<Vec<DecryptionKey>> = LazyLock::new(|| {
    let enc = ContentEncryption::ALL.iter().map(|enc| NewKey::Dir(*enc));
    let agreed = [Curve::P256, Curve::X25519]
        .into_iter()
        .flat_map(|curve| [NewKey::EcdhEs(curve), NewKey::EcdhEsA256Kw(curve)]);
    enc.chain(agreed)
        .chain([NewKey::A256Kw, NewKey::RsaOaep256])
        .map(|kind| DecryptionKey::generate(kind, Some(&format!("{kind:?}"))).unwrap())
        .collect()
});

fn key_for(algorithm: KeyManagement) -> &'static DecryptionKey {
    KEYS.iter().find(|key| key.key_management() == algorithm).unwrap()
}

/// Every key with every content encryption it is for.
fn pairs() -> impl Iterator<Item = (&'static DecryptionKey, ContentEncryption)> {
    KEYS.iter().flat_map(|key| {
        let suits = move |enc: &&ContentEncryption| key.suits(**enc);
        ContentEncryption::ALL.iter().filter(suits).map(move |enc| (key, *enc))
    })
}

fn encrypt(key: &DecryptionKey, enc: ContentEncryption, plaintext: &[u8]) -> String {
    Encrypter::new(&key.encryption_key().unwrap(), enc).encrypt(plaintext).unwrap()
}

fn decrypt(token: &str, key: &DecryptionKey) -> Result<Decrypted, DecryptError> {
    Encrypted::parse(token).unwrap().decrypt(key)
}

/// The token with its header changed, and all else as it was.
fn with_header(token: &str, change: impl FnOnce(&mut Value)) -> String {
    let (header, rest) = token.split_once('.').unwrap();
    let mut header: Value = serde_json::from_slice(&decode(header)).unwrap();
    change(&mut header);
    format!("{}.{rest}", encode(header.to_string()))
}

/// The token with one of its parts replaced.
fn with_part(token: &str, index: usize, part: impl AsRef<[u8]>) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts[index] = encode(part);
    parts.join(".")
}

fn part(token: &str, index: usize) -> Vec<u8> {
    decode(token.split('.').nth(index).unwrap())
}

#[track_caller]
fn refused(name: &str, token: &str, expected: Malformed) {
    assert_eq!(Encrypted::parse(token).map(|it| it.header().clone()), Err(expected), "{name}");
}
