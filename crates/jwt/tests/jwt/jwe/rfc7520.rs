//! The encrypted texts of RFC 7520 §5.

use countersign_jwt::jwe::{
    ContentEncryption, DecryptError, DecryptionKey, KeyManagement, Malformed,
};
use countersign_jwt::{KeyError, Refusal};
use serde_json::Value;

use super::{decrypt, part, refused, with_part};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../vectors/rfc7520_5.json")).unwrap()
}

fn key(section: &str) -> Result<DecryptionKey, KeyError> {
    DecryptionKey::from_jwk(&vectors()["keys"][section])
}

#[test]
fn section_5_5_and_5_6_are_decrypted() {
    let vectors = vectors();
    let plaintext = vectors["plaintext"].as_str().unwrap().as_bytes();
    for (section, other, algorithm, enc) in [
        ("5.5", "5.6", KeyManagement::EcdhEs, ContentEncryption::A128CbcHs256),
        ("5.6", "5.5", KeyManagement::Dir, ContentEncryption::A128Gcm),
    ] {
        let token = vectors["compact"][section].as_str().unwrap();
        let key = key(section).unwrap();
        assert_eq!(key.key_management(), algorithm, "{section}");
        let decrypted = decrypt(token, &key).unwrap();
        assert_eq!(decrypted.plaintext(), plaintext, "{section}");
        assert_eq!(decrypted.header().key_management(), algorithm);
        assert_eq!(decrypted.header().content_encryption(), enc);
        assert_eq!(decrypted.header().kid(), vectors["keys"][section]["kid"].as_str());
        let stranger = self::key(other).unwrap();
        assert_eq!(decrypt(token, &stranger).unwrap_err(), DecryptError::UnknownKey);
        for index in [2, 3, 4] {
            let mut octets = part(token, index);
            octets[0] ^= 1;
            let broken = with_part(token, index, octets);
            assert_eq!(decrypt(&broken, &key).unwrap_err(), DecryptError::Failed);
        }
    }
}

#[test]
fn section_5_1_to_5_4_and_5_7_to_5_9_are_refused() {
    let vectors = vectors();
    let rows = [
        ("5.1", "RSA1_5", Malformed::Algorithm("alg"), Refusal::UnsupportedAlgorithm),
        ("5.2", "RSA-OAEP", Malformed::Algorithm("alg"), Refusal::UnsupportedAlgorithm),
        ("5.3", "PBES2-HS512+A256KW", Malformed::Algorithm("alg"), Refusal::UnsupportedAlgorithm),
        ("5.4", "ECDH-ES+A128KW", Malformed::Algorithm("alg"), Refusal::UnsupportedAlgorithm),
        ("5.7", "A256GCMKW", Malformed::Algorithm("alg"), Refusal::UnsupportedAlgorithm),
        ("5.8", "A128KW", Malformed::Algorithm("alg"), Refusal::UnsupportedAlgorithm),
        // Compressed, which is told before its algorithm.
        ("5.9", "A128KW", Malformed::Extension("zip"), Refusal::UnsupportedHeader),
    ];
    for (section, alg, expected, code) in rows {
        let token = vectors["compact"][section].as_str().unwrap();
        let header: Value = serde_json::from_slice(&part(token, 0)).unwrap();
        assert_eq!(header["alg"], alg, "{section}");
        refused(section, token, expected);
        assert_eq!(Refusal::from(&expected), code, "{section}");
    }
    let decrypted = ["5.5", "5.6"].len();
    assert_eq!(vectors["compact"].as_object().unwrap().len(), rows.len() + decrypted);
}

#[test]
fn keys_of_refused_algorithms_are_refused() {
    for (section, expected) in [
        ("5.4", KeyError::Unsupported("crv")),
        ("5.7", KeyError::Unsupported("alg")),
        ("5.8", KeyError::Unsupported("alg")),
    ] {
        assert_eq!(key(section).unwrap_err(), expected, "{section}");
    }
}

/// The JSON serializations are not read, whatever they hold. Their parts in the compact form, as
/// far as it has a place for them, are refused for what they lack or name.
#[test]
fn section_5_10_to_5_13_json_serializations() {
    let vectors = vectors();
    for (form, count) in [("general", 6), ("flattened", 3)] {
        let texts = vectors[form].as_object().unwrap();
        assert_eq!(texts.len(), count, "{form}");
        for (section, text) in texts {
            refused(section, &text.to_string(), Malformed::Compact);
        }
    }
    assert_eq!(Refusal::from(&Malformed::Compact), Refusal::NotCompact);
    for (section, expected) in [
        ("5.10", Malformed::Algorithm("alg")),
        ("5.11", Malformed::Member("alg")),
        ("5.12", Malformed::Compact),
        ("5.13", Malformed::Member("alg")),
    ] {
        let text = &vectors["general"][section];
        for recipient in text["recipients"].as_array().unwrap() {
            let parts = [
                &text["protected"],
                &recipient["encrypted_key"],
                &text["iv"],
                &text["ciphertext"],
                &text["tag"],
            ];
            let compact = parts.map(|part| part.as_str().unwrap_or_default()).join(".");
            refused(section, &compact, expected);
        }
    }
}
