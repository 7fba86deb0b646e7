//! What is inside: to decrypt it is not to authenticate it, and it is not encrypted again.

use countersign_jwt::jwe::{
    ContentEncryption, EncryptError, Encrypter, KeyManagement, NestedError,
};
use countersign_jwt::jws;
use countersign_jwt::{Algorithm, Policy, Typ, Unverified, sign};

use super::{decrypt, key_for};
use crate::support::{NOW, claims, encode, key_set, policy};

#[test]
fn e8_decryption_is_no_authentication() {
    // Anyone who knows the public key makes these; none is claims, at no door.
    let key = key_for(KeyManagement::EcdhEs);
    let bare = claims().to_string();
    for cty in [None, Some("JWT"), Some("json")] {
        let recipient = key.encryption_key().unwrap();
        let mut encrypter = Encrypter::new(&recipient, ContentEncryption::A256Gcm);
        if let Some(cty) = cty {
            encrypter = encrypter.with_cty(cty);
        }
        let token = encrypter.encrypt(bare.as_bytes()).unwrap();
        assert_eq!(Unverified::parse(&token).unwrap_err(), jws::Malformed::Compact);
        assert_eq!(jws::UnverifiedJws::parse(&token).unwrap_err(), jws::Malformed::Compact);
        let nested = decrypt(&token, key).unwrap().nested().map(|it| it.header().clone());
        let expected = match cty {
            Some("JWT") => NestedError::Malformed(jws::Malformed::Compact),
            _ => NestedError::ContentType,
        };
        assert_eq!(nested.unwrap_err(), expected);
    }
    // A signed token inside is judged as if it had come by itself.
    let signed = sign("uma-claims+jwt", crate::support::key(Algorithm::Es256), &claims()).unwrap();
    let (input, _) = signed.rsplit_once('.').unwrap();
    let forged = format!("{input}.{}", encode([1; 64]));
    for (token, good) in [(&signed, true), (&forged, false)] {
        let recipient = key.encryption_key().unwrap();
        let token =
            Encrypter::new(&recipient, ContentEncryption::A128CbcHs256).encrypt_jwt(token).unwrap();
        let nested = decrypt(&token, key).unwrap().nested().unwrap();
        let checked = nested.check(&policy(), NOW).unwrap();
        assert_eq!(checked.verify(&key_set()).is_ok(), good);
    }
    let other = Policy::new(Typ::Is("at+jwt"));
    let recipient = key.encryption_key().unwrap();
    let token =
        Encrypter::new(&recipient, ContentEncryption::A256Gcm).encrypt_jwt(&signed).unwrap();
    assert!(decrypt(&token, key).unwrap().nested().unwrap().check(&other, NOW).is_err());
}

#[test]
fn e9_one_level_of_encryption() {
    let key = key_for(KeyManagement::A256Kw);
    let recipient = key.encryption_key().unwrap();
    let encrypter = Encrypter::new(&recipient, ContentEncryption::A256Gcm);
    let signed = sign("uma-claims+jwt", crate::support::key(Algorithm::Es256), &claims()).unwrap();
    let once = encrypter.encrypt_jwt(&signed).unwrap();
    assert!(decrypt(&once, key).unwrap().nested().is_ok());
    for cty in ["jwt", "JwT", "application/jwt"] {
        let token = encrypter.clone().with_cty(cty).encrypt(signed.as_bytes()).unwrap();
        assert!(decrypt(&token, key).unwrap().nested().is_ok(), "{cty}");
    }
    // Not announced, or announced as something else.
    let silent = encrypter.encrypt(signed.as_bytes()).unwrap();
    let other = encrypter.clone().with_cty("JWE").encrypt(signed.as_bytes()).unwrap();
    for token in [silent, other] {
        let nested = decrypt(&token, key).unwrap().nested();
        assert_eq!(nested.unwrap_err(), NestedError::ContentType);
    }
    // Encrypted again, however deep.
    assert_eq!(
        encrypter.encrypt_jwt(&once).unwrap_err(),
        EncryptError::NotAToken(jws::Malformed::Compact)
    );
    let twice = encrypter.clone().with_cty("JWT").encrypt(once.as_bytes()).unwrap();
    let nested = decrypt(&twice, key).unwrap().nested();
    assert_eq!(nested.unwrap_err(), NestedError::Encrypted);
}
