//! The keys, one by one and in sets: what they are for, and what is no key.

use countersign_jwt::jwe::{
    ContentEncryption, Curve, DecryptError, DecryptionKey, Encrypted, Encrypter, EncryptionKey,
    KeyManagement, NewKey,
};
use countersign_jwt::jwks::{KeySetError, SkipReason};
use countersign_jwt::{Algorithm, KeyError};
use serde_json::{Value, json};

use super::{KEYS, decrypt, encrypt, key_for, pairs, with_header};
use crate::support::{encode, key};

#[test]
fn e10_a_shared_key_is_for_its_own_length() {
    for key in KEYS.iter().filter(|key| key.key_management() == KeyManagement::Dir) {
        for enc in ContentEncryption::ALL {
            let recipient = key.encryption_key().unwrap();
            let outcome = Encrypter::new(&recipient, *enc).encrypt(b"x");
            assert_eq!(outcome.is_ok(), key.suits(*enc));
            let token = pairs()
                .find(|(other, own)| other.key_management() == KeyManagement::Dir && own == enc)
                .map(|(other, enc)| encrypt(other, enc, b"x"))
                .unwrap();
            let unnamed = with_header(&token, |header| {
                header.as_object_mut().unwrap().remove("kid");
            });
            if !key.suits(*enc) {
                assert_eq!(decrypt(&unnamed, key).unwrap_err(), DecryptError::UnknownKey);
            }
        }
    }
    // A key of 32 octets that names no content encryption is for both that take so many.
    let jwk = json!({ "kty": "oct", "alg": "dir", "k": encode((140..172).collect::<Vec<u8>>()) });
    let key = DecryptionKey::from_jwk(&jwk).unwrap();
    let suits = |enc: &&ContentEncryption| key.suits(**enc);
    assert_eq!(ContentEncryption::ALL.iter().filter(suits).count(), 2);
    for len in [0, 1, 15, 17, 24, 31, 33, 48, 63, 65] {
        let jwk = json!({ "kty": "oct", "alg": "dir", "k": encode(vec![7; len]) });
        assert_eq!(DecryptionKey::from_jwk(&jwk).unwrap_err(), KeyError::Malformed("k"), "{len}");
    }
    // A key for one algorithm is for no other, whatever the token says.
    for (key, enc) in pairs() {
        let token = encrypt(key, enc, b"x");
        for other in KEYS.iter().filter(|other| other.kid() != key.kid()) {
            assert_eq!(decrypt(&token, other).unwrap_err(), DecryptError::UnknownKey);
        }
    }
}

#[test]
fn keys_obey_their_members() {
    let p256: Value = serde_json::from_str(&KEYS[4].to_jwk()).unwrap();
    let rsa: Value = serde_json::from_str(&key_for(KeyManagement::RsaOaep256).to_jwk()).unwrap();
    let with = |jwk: &Value, name: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk[name] = value;
        DecryptionKey::from_jwk(&jwk).unwrap_err()
    };
    let other: Value = serde_json::from_str(
        &DecryptionKey::generate(NewKey::EcdhEs(Curve::P256), None).unwrap().to_jwk(),
    )
    .unwrap();
    let rows = [
        (&p256, "use", json!("sig"), KeyError::Use),
        (&p256, "key_ops", json!(["sign"]), KeyError::Use),
        (&p256, "key_ops", json!([]), KeyError::Use),
        (&p256, "alg", json!("ES256"), KeyError::Unsupported("alg")),
        (&p256, "alg", json!("A256KW"), KeyError::AlgorithmMismatch),
        (&p256, "alg", json!("RSA1_5"), KeyError::Unsupported("alg")),
        (&p256, "crv", json!("P-384"), KeyError::Malformed("x")),
        (&p256, "crv", json!("X25519"), KeyError::Unsupported("crv")),
        (&p256, "d", other["d"].clone(), KeyError::Invalid),
        (&p256, "d", json!(encode([1; 31])), KeyError::Malformed("d")),
        (&p256, "d", json!(encode([0; 32])), KeyError::Invalid),
        (&p256, "y", p256["x"].clone(), KeyError::Invalid),
        (&p256, "kid", json!(7), KeyError::Malformed("kid")),
        (&rsa, "e", json!("Aw"), KeyError::Weak("the public exponent is even or below 65537")),
        (&rsa, "p", rsa["q"].clone(), KeyError::Invalid),
        (&rsa, "key_ops", json!(["verify"]), KeyError::Use),
        (&rsa, "key_ops", json!(["decrypt", "sign"]), KeyError::Use),
    ];
    for (jwk, name, value, expected) in rows {
        assert_eq!(with(jwk, name, value.clone()), expected, "{name}: {value}");
    }
    // Web Cryptography writes a public key of an agreement without operations.
    let mut public = KEYS[4].encryption_key().unwrap().to_public_jwk().unwrap();
    public["key_ops"] = json!([]);
    assert!(EncryptionKey::from_jwk(&public).is_ok());
    public["use"] = json!("sig");
    assert_eq!(EncryptionKey::from_jwk(&public).unwrap_err(), KeyError::Use);
    // Without alg, the type decides; a shared key has to say.
    let mut bare = p256.clone();
    bare.as_object_mut().unwrap().remove("alg");
    let key = DecryptionKey::from_jwk(&bare).unwrap();
    assert_eq!(key.key_management(), KeyManagement::EcdhEs);
    let key = DecryptionKey::from_jwk_for(&bare, KeyManagement::EcdhEsA256Kw).unwrap();
    assert_eq!(key.key_management(), KeyManagement::EcdhEsA256Kw);
    let mismatch = DecryptionKey::from_jwk_for(&p256, KeyManagement::EcdhEsA256Kw);
    assert_eq!(mismatch.unwrap_err(), KeyError::AlgorithmMismatch);
    let shared = json!({ "kty": "oct", "k": encode((140..172).collect::<Vec<u8>>()) });
    assert_eq!(DecryptionKey::from_jwk(&shared).unwrap_err(), KeyError::Missing("alg"));
    assert!(DecryptionKey::from_jwk_for(&shared, KeyManagement::A256Kw).is_ok());
    for known in [[b'a'; 32], *b"your-256-bit-secret-your-256-bit"] {
        let known = json!({ "kty": "oct", "k": encode(known) });
        for algorithm in [KeyManagement::A256Kw, KeyManagement::Dir] {
            let refused = DecryptionKey::from_jwk_for(&known, algorithm).unwrap_err();
            assert!(matches!(refused, KeyError::Weak(_)), "{refused}");
        }
    }
    // A public half decrypts nothing, a private one is not given to those who encrypt.
    for key in KEYS.iter() {
        let private = key.to_jwk();
        match key.encryption_key().unwrap().to_public_jwk() {
            Some(public) => {
                let error = DecryptionKey::from_jwk(&public).unwrap_err();
                assert_eq!(error, KeyError::Missing("d"));
                let error = EncryptionKey::from_json(private.as_bytes()).unwrap_err();
                assert_eq!(error, KeyError::Private);
                assert!(EncryptionKey::from_jwk(&public).is_ok());
            }
            None => assert!(EncryptionKey::from_json(private.as_bytes()).is_ok()),
        }
        let shown = format!("{key:?} {:?}", key.encryption_key().unwrap());
        let jwk: Value = serde_json::from_str(&private).unwrap();
        for secret in ["d", "k"].iter().filter_map(|name| jwk[name].as_str()) {
            assert!(!shown.contains(secret));
        }
    }
}

#[test]
fn a_set_decrypts_what_one_of_its_keys_decrypts() {
    let set = |keys: &[&DecryptionKey]| {
        let keys: Vec<Value> =
            keys.iter().map(|key| serde_json::from_str(&key.to_jwk()).unwrap()).collect();
        json!({ "keys": keys }).to_string()
    };
    let all: Vec<&DecryptionKey> = KEYS.iter().collect();
    let (keys, skipped) = DecryptionKey::from_set(set(&all).as_bytes(), None).unwrap();
    assert_eq!((keys.len(), skipped.len()), (KEYS.len(), 0));
    for (key, enc) in pairs() {
        let token = encrypt(key, enc, b"x");
        let decrypted = Encrypted::parse(&token).unwrap().decrypt_with_one_of(&keys).unwrap();
        assert_eq!(decrypted.plaintext(), b"x");
        let stranger = with_header(&token, |header| header["kid"] = "stranger".into());
        let outcome = Encrypted::parse(&stranger).unwrap().decrypt_with_one_of(&keys);
        assert_eq!(outcome.unwrap_err(), DecryptError::UnknownKey);
    }
    let twins = set(&[&KEYS[0], &KEYS[4], &KEYS[0]]);
    let (keys, skipped) = DecryptionKey::from_set(twins.as_bytes(), None).unwrap();
    assert_eq!((keys.len(), keys[0].kid()), (1, KEYS[4].kid()));
    assert!(skipped.iter().all(|key| key.reason == SkipReason::DuplicateKid));
    let mixed = json!({ "keys": [
        serde_json::from_str::<Value>(&KEYS[0].to_jwk()).unwrap(),
        KEYS[4].encryption_key().unwrap().to_public_jwk(),
    ] });
    let mixed = DecryptionKey::from_set(mixed.to_string().as_bytes(), None);
    assert_eq!(mixed.unwrap_err(), KeySetError::Mixed);
    let signing = json!({ "keys": [serde_json::from_str::<Value>(
        &key(Algorithm::Es256).to_jwk().unwrap()).unwrap()] });
    let (keys, skipped) = DecryptionKey::from_set(signing.to_string().as_bytes(), None).unwrap();
    assert!(keys.is_empty(), "a key for signatures is for nothing else");
    assert_eq!(skipped[0].reason, SkipReason::Key(KeyError::Unsupported("alg")));
}
