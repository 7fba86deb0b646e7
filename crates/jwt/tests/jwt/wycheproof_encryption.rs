//! Project Wycheproof's vectors for JWE.
//!
//! A vector that is labelled valid is decrypted if its `alg` and `enc` are on our lists, and
//! refused for the right reason if not; one that is labelled invalid is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_jwt::Refusal;
use countersign_jwt::jwe::{ContentEncryption, DecryptionKey, Encrypted, KeyManagement};
use serde_json::Value;
use wycheproof_ng_kdf_jose::json_web::{TestName, TestSet};

fn decrypt(jwk: &Value, token: &str) -> Result<Vec<u8>, Refusal> {
    let key = DecryptionKey::from_jwk(jwk).map_err(|error| Refusal::from(&error))?;
    Encrypted::parse(token)
        .map_err(|error| Refusal::from(&error))?
        .decrypt(&key)
        .map(|decrypted| decrypted.plaintext().to_vec())
        .map_err(|error| Refusal::from(&error))
}

/// Whether all that the header names is on our lists.
fn is_read(token: &str) -> bool {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap_or_default();
    let header: Value = serde_json::from_slice(&header).unwrap_or_default();
    let name = |member: &str| header[member].as_str().unwrap_or_default();
    KeyManagement::from_name(name("alg")).is_some()
        && ContentEncryption::from_name(name("enc")).is_some()
        && header.get("zip").is_none()
}

/// How many were decrypted.
fn check(set: TestName) -> usize {
    let mut decrypted = 0;
    for group in TestSet::load(set).unwrap().test_groups {
        for test in group.tests {
            // The rest of `json_web_crypto` is signed.
            let Some(token) = test.jwe else { continue };
            let token = token.as_str().map_or_else(|| token.to_string(), str::to_owned);
            let outcome = decrypt(group.private_key.as_ref().unwrap(), &token);
            let name = format!("{} {}: {}", group.group_comment, test.tc_id, test.comment);
            if test.result.must_fail() {
                assert!(outcome.is_err(), "{name}");
            } else if is_read(&token) {
                assert!(outcome.is_ok(), "{name}: {outcome:?}");
                let plaintext = outcome.unwrap();
                let hex: String = plaintext.iter().map(|octet| format!("{octet:02x}")).collect();
                // Those of `json_web_crypto` do not say what was encrypted.
                assert_eq!(test.pt.unwrap_or_else(|| hex.clone()), hex, "{name}");
                decrypted += 1;
            } else {
                let unsupported = [Refusal::UnsupportedAlgorithm, Refusal::UnsupportedHeader];
                assert!(unsupported.contains(&outcome.unwrap_err()), "{name}");
            }
        }
    }
    decrypted
}

#[test]
fn e1_e2_e3_e4_e5_json_web_encryption() {
    assert_eq!(check(TestName::JsonWebEncryption), 20);
}

#[test]
fn json_web_crypto() {
    assert_eq!(check(TestName::JsonWebCrypto), 1);
}
