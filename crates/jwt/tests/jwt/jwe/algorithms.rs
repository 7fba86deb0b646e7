//! The algorithms: each there and back, with another implementation at the other end too, and none
//! outside the list.

use countersign_jwt::KeyError;
use countersign_jwt::jwe::{
    ContentEncryption, DecryptError, DecryptionKey, KeyManagement, Malformed,
};
use serde_json::{Value, json};

use super::{decrypt, encrypt, key_for, pairs, part, refused, with_header, with_part};
use crate::support::encode;

#[test]
fn every_algorithm_there_and_back() {
    assert_eq!(pairs().count(), 4 + 6 * 4);
    for (key, enc) in pairs() {
        for plaintext in [&b""[..], b"x", &[0xff; 16], &[7; 4096]] {
            let token = encrypt(key, enc, plaintext);
            let decrypted = decrypt(&token, key).unwrap();
            assert_eq!(decrypted.plaintext(), plaintext, "{} {enc}", key.key_management());
            assert_eq!(decrypted.header().kid(), key.kid());
            let again = DecryptionKey::from_json(key.to_jwk().as_bytes()).unwrap();
            assert_eq!(&*decrypt(&token, &again).unwrap().into_plaintext(), plaintext);
        }
        assert_ne!(encrypt(key, enc, b"x"), encrypt(key, enc, b"x"), "nothing is used twice");
    }
}

#[test]
fn josekit_both_ways() {
    use josekit::jwe::{JweContext, JweDecrypter, JweEncrypter, JweHeader, alg};
    let context = JweContext::new();
    for (key, enc) in pairs() {
        let mut jwk: serde_json::Map<String, Value> = serde_json::from_str(&key.to_jwk()).unwrap();
        if key.key_management() == KeyManagement::Dir {
            jwk.insert("alg".to_owned(), "dir".into());
        }
        let jwk = josekit::jwk::Jwk::from_map(jwk).unwrap();
        let (encrypter, decrypter): (Box<dyn JweEncrypter>, Box<dyn JweDecrypter>) = match key
            .key_management()
        {
            KeyManagement::Dir => {
                let dir = alg::direct::DirectJweAlgorithm::Dir;
                let (one, other) = (dir.encrypter_from_jwk(&jwk), dir.decrypter_from_jwk(&jwk));
                (Box::new(one.unwrap()), Box::new(other.unwrap()))
            }
            KeyManagement::A256Kw => {
                let wrap = alg::aeskw::AeskwJweAlgorithm::A256kw;
                let (one, other) = (wrap.encrypter_from_jwk(&jwk), wrap.decrypter_from_jwk(&jwk));
                (Box::new(one.unwrap()), Box::new(other.unwrap()))
            }
            KeyManagement::RsaOaep256 => {
                let oaep = alg::rsaes::RsaesJweAlgorithm::RsaOaep256;
                let (one, other) = (oaep.encrypter_from_jwk(&jwk), oaep.decrypter_from_jwk(&jwk));
                (Box::new(one.unwrap()), Box::new(other.unwrap()))
            }
            agreed => {
                let ecdh = if agreed == KeyManagement::EcdhEs {
                    alg::ecdh_es::EcdhEsJweAlgorithm::EcdhEs
                } else {
                    alg::ecdh_es::EcdhEsJweAlgorithm::EcdhEsA256kw
                };
                let (one, other) = (ecdh.encrypter_from_jwk(&jwk), ecdh.decrypter_from_jwk(&jwk));
                let mut encrypter = one.unwrap();
                encrypter.set_agreement_partyuinfo("Alice");
                encrypter.set_agreement_partyvinfo("Bob");
                (Box::new(encrypter), Box::new(other.unwrap()))
            }
        };
        let mut header = JweHeader::new();
        header.set_content_encryption(enc.name());
        let theirs = context.serialize_compact(b"theirs", &header, &*encrypter).unwrap();
        assert_eq!(decrypt(&theirs, key).unwrap().plaintext(), b"theirs");
        let ours = encrypt(key, enc, b"ours");
        let (plaintext, _) = context.deserialize_compact(&ours, &*decrypter).unwrap();
        assert_eq!(plaintext, b"ours", "{} {enc}", key.key_management());
    }
}

#[test]
fn e1_one_answer_to_every_broken_key() {
    let key = key_for(KeyManagement::RsaOaep256);
    let token = encrypt(key, ContentEncryption::A128CbcHs256, b"secret");
    let len = part(&token, 1).len();
    for seed in 0..400_usize {
        let octets: Vec<u8> = (0..len).map(|index| (seed * 31 + index * 7) as u8).collect();
        let broken = with_part(&token, 1, [&[0], &octets[1..]].concat());
        assert_eq!(decrypt(&broken, key).unwrap_err(), DecryptError::Failed);
    }
    for len in [1, len - 1, len + 1, 2 * len] {
        let broken = with_part(&token, 1, vec![1; len]);
        assert_eq!(decrypt(&broken, key).unwrap_err(), DecryptError::Failed, "{len}");
    }
    // A key of another length than `enc` asks for is no other answer either.
    let other = encrypt(key, ContentEncryption::A128Gcm, b"secret");
    let mixed = with_part(&token, 1, part(&other, 1));
    assert_eq!(decrypt(&mixed, key).unwrap_err(), DecryptError::Failed);
}

#[test]
fn e1_e2_e6_algorithms_outside_the_list() {
    let token = encrypt(key_for(KeyManagement::RsaOaep256), ContentEncryption::A256Gcm, b"x");
    for alg in [
        "RSA1_5",
        "RSA-OAEP",
        "RSA-OAEP-512",
        "A128KW",
        "A256GCMKW",
        "ECDH-ES+A128KW",
        "none",
        "NONE",
        "Dir",
        " dir",
        "ES256",
        "HS256",
        "PBES2-HS256+A128KW",
        "PBES2-HS512+A256KW",
        "",
    ] {
        let other = with_header(&token, |header| header["alg"] = alg.into());
        refused(alg, &other, Malformed::Algorithm("alg"));
    }
    for enc in ["A192GCM", "A192CBC-HS384", "A128CBC", "a256gcm", "none", ""] {
        let other = with_header(&token, |header| header["enc"] = enc.into());
        refused(enc, &other, Malformed::Algorithm("enc"));
    }
    // The sender's count is not even read.
    for count in [1, 999, 1_200_001, u64::MAX] {
        let passwords = with_header(&token, |header| {
            header["alg"] = "PBES2-HS512+A256KW".into();
            header["p2c"] = count.into();
            header["p2s"] = "AAAAAAAAAAA".into();
        });
        refused("p2c", &passwords, Malformed::Algorithm("alg"));
    }
    let wrong = json!({ "kty": "oct", "k": encode([1; 32]), "alg": "PBES2-HS512+A256KW" });
    assert_eq!(DecryptionKey::from_jwk(&wrong).unwrap_err(), KeyError::Unsupported("alg"));
}
