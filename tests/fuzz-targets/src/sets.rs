//! Keys and key sets.

use countersign_jwt::jwe::{DecryptionKey, EncryptionKey};
use countersign_jwt::mac::{HmacKey, HmacKeys};
use countersign_jwt::{KeySet, PublicKey, SigningKey};

/// A key or a set of keys, through every door. What is read is written and read again the same.
pub fn jwks(data: &[u8]) {
    let own = KeySet::parse_own(data);
    if let Ok(set) = &own {
        let (foreign, skipped) = KeySet::parse_foreign(data).expect("what is strict is tolerated");
        assert!(skipped.is_empty());
        let again = KeySet::parse_own(set.to_json().to_string().as_bytes()).expect("our own set");
        assert_eq!((set.to_json(), set.len()), (again.to_json(), foreign.len()));
    }
    if let Ok((set, skipped)) = KeySet::parse_foreign(data) {
        assert_eq!(own.is_ok(), skipped.is_empty(), "a key was left out of a set in order");
        assert!(KeySet::parse_own(set.to_json().to_string().as_bytes()).is_ok());
    }
    if let Ok(secrets) = HmacKeys::parse(data) {
        assert!(own.is_err() || secrets.iter().next().is_none(), "secrets are not public");
    }
    let _ = DecryptionKey::from_set(data, None);

    let public = PublicKey::from_json(data);
    if let Ok(key) = &public {
        let again = PublicKey::from_jwk(&key.to_jwk()).expect("our own key");
        assert_eq!(again.to_jwk(), key.to_jwk());
        assert_eq!(again.thumbprint(), key.thumbprint());
        assert!(HmacKey::from_json(data).is_err(), "a public key is no secret");
    }
    if let Ok(key) = SigningKey::from_json(data) {
        assert!(public.is_err(), "a private key is not public");
        let again = SigningKey::from_json(key.to_jwk().expect("a key").as_bytes());
        assert_eq!(again.expect("our own key").public().to_jwk(), key.public().to_jwk());
    }
    if let Ok(key) = HmacKey::from_json(data) {
        let again = HmacKey::from_json(key.to_jwk().as_bytes()).expect("our own key");
        assert_eq!(again.thumbprint(), key.thumbprint());
    }
    if let Ok(key) = DecryptionKey::from_json(data) {
        let again = DecryptionKey::from_json(key.to_jwk().as_bytes()).expect("our own key");
        assert_eq!(again.to_jwk(), key.to_jwk());
        assert!(key.encryption_key().is_ok());
    }
    if let Ok(key) = EncryptionKey::from_json(data)
        && let Some(public) = key.to_public_jwk()
    {
        let again = EncryptionKey::from_jwk(&public).expect("our own key");
        assert_eq!(again.to_public_jwk(), Some(public));
    }
}
