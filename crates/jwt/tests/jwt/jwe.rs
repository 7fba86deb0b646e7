//! What a reader of encrypted tokens takes, and what it must refuse.

use std::sync::LazyLock;

use countersign_jwt::json::JsonError;
use countersign_jwt::jwe::{
    ContentEncryption, Curve, DecryptError, Decrypted, DecryptionKey, EncryptError, Encrypted,
    Encrypter, EncryptionKey, KeyManagement, Malformed, NestedError, NewKey,
};
use countersign_jwt::jwks::{KeySetError, SkipReason};
use countersign_jwt::jws::{self, MAX_TOKEN};
use countersign_jwt::{Algorithm, KeyError, Policy, Typ, Unverified, sign};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{NOW, claims, decode, encode, key, key_set, policy};

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
    for typ in ["", "\u{e9}", &"t".repeat(129)] {
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_flipped_bit_fails(index in 0..28_usize, place in any::<prop::sample::Index>(), bit in 0..6_u8) {
        let (key, enc) = pairs().nth(index).unwrap();
        let token = encrypt(key, enc, b"What is true of one is true of all");
        let places: Vec<usize> = token.match_indices(|c| c != '.').map(|(place, _)| place).collect();
        let place = places[place.index(places.len())];
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut octets = token.into_bytes();
        let value = alphabet.iter().position(|octet| *octet == octets[place]).unwrap();
        octets[place] = alphabet[value ^ (1 << bit)];
        let token = String::from_utf8(octets).unwrap();
        let outcome = Encrypted::parse(&token).map(|encrypted| encrypted.decrypt(key).is_ok());
        prop_assert_ne!(outcome, Ok(true));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[ -~]{0,200}|([A-Za-z0-9_-]{0,40}\\.){4}[A-Za-z0-9_-]{0,40}") {
        let _ = Encrypted::parse(&text);
    }

    #[test]
    fn any_header_is_read_or_refused(header in "\\{(\"(alg|enc|kid|epk|apu|cty)\":(\"(dir|ECDH-ES|A128GCM|x)\"|1|\\{\\}|null),?){0,5}\\}") {
        let token = format!("{}..{}.{}.{}", encode(header), encode([0; 12]), "", encode([0; 16]));
        if let Ok(encrypted) = Encrypted::parse(&token) {
            for key in KEYS.iter() {
                prop_assert!(encrypted.decrypt(key).is_err());
            }
        }
    }
}
