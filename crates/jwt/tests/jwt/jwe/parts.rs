//! The parts of a token, its header among them: each has one form and one length.

use countersign_jwt::json::JsonError;
use countersign_jwt::jwe::{
    ContentEncryption, DecryptError, EncryptError, Encrypted, Encrypter, EncryptionKey,
    KeyManagement, Malformed,
};
use countersign_jwt::jws::MAX_TOKEN;
use serde_json::json;

use super::{KEYS, decrypt, encrypt, key_for, pairs, part, refused, with_header, with_part};
use crate::support::{decode, encode};

/// Points of small order, in base64url: u of order 1, 2, 4 and 8, and other spellings of them.
const SMALL_ORDER: [&str; 6] = [
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "4Ot6fDtBuK4WVuP68Z_EatoJjeucMrH9hmIFFl9JuAA",
    "X5yVvKNQjCSx0LFVnIPvWwREXMRYHI6G2CJO3dCfEVc",
    "7P_______________________________________38",
    "7f_______________________________________38",
];

#[test]
fn e3_ephemeral_keys() {
    let (p256, x25519) = (&KEYS[4], &KEYS[6]);
    let on_p256 = encrypt(p256, ContentEncryption::A256Gcm, b"x");
    let on_x25519 = encrypt(x25519, ContentEncryption::A256Gcm, b"x");
    let x = encode([1; 32]);
    for (name, value) in [
        ("x", json!(x)),
        ("y", json!(x)),
        ("y", json!(encode([0; 32]))),
        ("x", json!(encode([1; 31]))),
        ("x", json!(encode([1; 33]))),
        ("x", json!(format!("{x}="))),
        ("y", json!(7)),
        ("crv", json!("P-384")),
        ("crv", json!("secp256k1")),
        ("crv", json!("X448")),
        ("kty", json!("OKP")),
        ("kty", json!("oct")),
        ("d", json!(x)),
    ] {
        let token = with_header(&on_p256, |header| header["epk"][name] = value.clone());
        refused(&format!("{name}: {value}"), &token, Malformed::EphemeralKey);
    }
    for name in ["kty", "crv", "x", "y"] {
        let token = with_header(&on_p256, |header| {
            header["epk"].as_object_mut().unwrap().remove(name);
        });
        refused(name, &token, Malformed::EphemeralKey);
    }
    for epk in [json!(null), json!("x"), json!([]), json!(7)] {
        let token = with_header(&on_p256, |header| header["epk"] = epk.clone());
        refused("epk", &token, Malformed::Member("epk"));
    }
    for point in SMALL_ORDER {
        assert_eq!(decode(point).len(), 32);
        let token = with_header(&on_x25519, |header| header["epk"]["x"] = point.into());
        refused(point, &token, Malformed::EphemeralKey);
        let recipient = json!({ "kty": "OKP", "crv": "X25519", "x": point });
        assert!(EncryptionKey::from_jwk(&recipient).is_err(), "{point}");
    }
    // The right key on the other curve is told apart before anything is computed.
    for (token, key) in [(&on_p256, x25519), (&on_x25519, p256)] {
        let unnamed = with_header(token, |header| {
            header.as_object_mut().unwrap().remove("kid");
        });
        assert_eq!(decrypt(&unnamed, key).unwrap_err(), DecryptError::UnknownKey);
    }
    for (name, value) in [("apu", json!("QQ==")), ("apv", json!("Q!")), ("apu", json!(["QQ"]))] {
        let token = with_header(&on_p256, |header| header[name] = value.clone());
        refused(&value.to_string(), &token, Malformed::Member(name));
    }
}

#[test]
fn e4_e5_each_part_has_one_length() {
    for (key, enc) in pairs() {
        let token = encrypt(key, enc, b"sixteen octets..");
        let (iv, ciphertext, tag) = (part(&token, 2), part(&token, 3), part(&token, 4));
        for cut in [1, 4, 8, tag.len()] {
            let token = with_part(&token, 4, &tag[..tag.len() - cut]);
            refused("tag", &token, Malformed::Length("authentication tag"));
        }
        let long = with_part(&token, 4, [&tag[..], &[0]].concat());
        refused("tag", &long, Malformed::Length("authentication tag"));
        for len in [0, iv.len() - 1, iv.len() + 1, 16 + 12 - iv.len()] {
            let token = with_part(&token, 2, vec![0; len]);
            refused("iv", &token, Malformed::Length("initialization vector"));
        }
        if iv.len() == 16 {
            for len in [0, 1, 15, 17] {
                let token =
                    with_part(&token, 3, &[ciphertext.clone(), ciphertext.clone()].concat()[..len]);
                refused("ciphertext", &token, Malformed::Length("ciphertext"));
            }
        }
        // What is as long as it should be and still wrong has one answer.
        for index in [2, 3, 4] {
            for place in [0, part(&token, index).len() - 1] {
                let mut octets = part(&token, index);
                octets[place] ^= 1;
                let flipped = with_part(&token, index, octets);
                assert_eq!(decrypt(&flipped, key).unwrap_err(), DecryptError::Failed);
            }
        }
        if !part(&token, 1).is_empty() {
            refused("no key", &with_part(&token, 1, []), Malformed::Length("encrypted key"));
        } else {
            refused("a key", &with_part(&token, 1, [0]), Malformed::Length("encrypted key"));
        }
    }
    let wrapped = encrypt(key_for(KeyManagement::A256Kw), ContentEncryption::A256Gcm, b"x");
    for len in [1, 7, 8, 9, 16, 39, 41] {
        let token = with_part(&wrapped, 1, vec![1; len]);
        refused("wrapped", &token, Malformed::Length("encrypted key"));
    }
}

#[test]
fn e7_nothing_is_inflated() {
    let token = encrypt(&KEYS[0], ContentEncryption::A128Gcm, b"x");
    for zip in [json!("DEF"), json!("def"), json!("GZ"), json!(null), json!(1)] {
        let token = with_header(&token, |header| header["zip"] = zip);
        refused("zip", &token, Malformed::Extension("zip"));
    }
}

#[test]
fn e11_only_the_compact_serialization() {
    let token = encrypt(&KEYS[0], ContentEncryption::A128Gcm, b"x");
    let parts: Vec<&str> = token.split('.').collect();
    let general = json!({
        "protected": parts[0], "iv": parts[2], "ciphertext": parts[3], "tag": parts[4],
        "recipients": [{ "encrypted_key": parts[1] }, {}],
    });
    for text in [general.to_string(), format!(" {token}"), format!("{token}\n")] {
        refused("json", &text, Malformed::Compact);
    }
}

#[test]
fn shapes_and_sizes() {
    let token = encrypt(&KEYS[0], ContentEncryption::A128Gcm, b"x");
    let (short, _) = token.rsplit_once('.').unwrap();
    for text in ["", ".", "....", ".....", "a.b.c", short, &format!("{token}."), &token[1..]] {
        assert!(Encrypted::parse(text).is_err(), "{text}");
    }
    refused("dots", &".".repeat(1 << 20), Malformed::TooLong);
    refused("dots", &".".repeat(MAX_TOKEN), Malformed::Compact);
    refused("padding", &format!("{token}="), Malformed::Compact);
    let unused_bits = format!("{}B", token.strip_suffix(|_: char| true).unwrap());
    refused("unused bits", &unused_bits, Malformed::Base64);
    let key = EncryptionKey::from_json(KEYS[0].to_jwk().as_bytes()).unwrap();
    let encrypter = Encrypter::new(&key, ContentEncryption::A128Gcm);
    let long = encrypter.encrypt(&vec![0; MAX_TOKEN / 4 * 3]);
    assert_eq!(long.unwrap_err(), EncryptError::TooLong);
    for typ in ["", "\u{e9}", "a\0b", &"t".repeat(129)] {
        let outcome = encrypter.clone().with_typ(typ).encrypt(b"x");
        assert_eq!(outcome.unwrap_err(), EncryptError::Type("typ"));
    }
}

#[test]
fn header_rules_are_those_of_signed_tokens() {
    let token = encrypt(&KEYS[0], ContentEncryption::A128Gcm, b"x");
    let (_, rest) = token.split_once('.').unwrap();
    let header = |text: &str| format!("{}.{rest}", encode(text));
    let rows = [
        (r#"{"alg":"dir","enc":"A128GCM","alg":"dir"}"#, JsonError::DuplicateMember),
        (r#"{"alg":"dir","enc":"A128GCM","\u0065nc":"A256GCM"}"#, JsonError::DuplicateMember),
        (r#"{"alg":"dir","enc":"A128GCM","x":{"a":1,"a":1}}"#, JsonError::DuplicateMember),
        ("[]", JsonError::NotAnObject),
        ("", JsonError::Syntax),
        ("\u{feff}{}", JsonError::Syntax),
    ];
    for (text, expected) in rows {
        let name = text;
        if text.is_empty() {
            refused(name, &header(text), Malformed::Compact);
        } else {
            refused(name, &header(text), Malformed::Header(expected));
        }
    }
    let rows = [
        (r#"{"alg":"dir","enc":"A128GCM","crit":["exp"]}"#, Malformed::Extension("crit")),
        (r#"{"alg":"dir","enc":"A128GCM","crit":[]}"#, Malformed::Extension("crit")),
        (r#"{"alg":"dir","enc":"A128GCM","b64":false}"#, Malformed::Extension("b64")),
        (r#"{"enc":"A128GCM"}"#, Malformed::Member("alg")),
        (r#"{"alg":"dir"}"#, Malformed::Member("enc")),
        (r#"{"alg":["dir"],"enc":"A128GCM"}"#, Malformed::Member("alg")),
        (r#"{"alg":"dir","enc":7}"#, Malformed::Member("enc")),
        (r#"{"alg":"dir","enc":"A128GCM","kid":7}"#, Malformed::Member("kid")),
        (r#"{"alg":"dir","enc":"A128GCM","kid":""}"#, Malformed::Member("kid")),
        (r#"{"alg":"dir","enc":"A128GCM","cty":null}"#, Malformed::Member("cty")),
        (r#"{"alg":"ECDH-ES","enc":"A128GCM"}"#, Malformed::Member("epk")),
    ];
    for (text, expected) in rows {
        refused(text, &header(text), expected);
    }
    // What names a key or a place to get one is not read.
    let pointed = with_header(&token, |header| {
        header["jku"] = "https://evil.example/".into();
        header["jwk"] = json!({ "kty": "oct", "k": "AAAA" });
    });
    assert_eq!(decrypt(&pointed, &KEYS[0]).unwrap_err(), DecryptError::Failed);
}
