//! `jwe decrypt --batch`

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_jwt::jwe::{ContentEncryption, Curve, DecryptionKey, Encrypter, NewKey};
use countersign_jwt::jws::sign_payload;
use countersign_jwt::mac::{HmacKey, MacAlgorithm};
use countersign_jwt::{Algorithm, SigningKey};
use serde_json::json;

use crate::driver::{DECRYPT, Table, parse, signed, with, without};

#[test]
fn e9_what_is_announced_as_a_signed_token_is_one() {
    let mut table = Table::default();
    let key = DecryptionKey::generate(NewKey::A256Kw, None).unwrap();
    let jwk = parse(key.to_jwk());
    let recipient = key.encryption_key().unwrap();
    let encrypter = Encrypter::new(&recipient, ContentEncryption::A256Gcm);
    let twice = encrypter.encrypt(b"x").unwrap();
    let signer = SigningKey::generate(Algorithm::Ed25519, None).unwrap();
    let mac = HmacKey::generate(MacAlgorithm::Hs256, None).unwrap();
    let tokens = [
        sign_payload(None, &signer, b"no claims").unwrap(),
        signed(&signer, &json!({ "alg": "EdDSA" }), b"{}"),
        mac.sign("JWT", &json!({})).unwrap(),
    ];
    for cty in ["JWT", "jwt", "application/jwt"] {
        let encrypter = encrypter.clone().with_cty(cty);
        let encrypt = |plaintext: &[u8]| encrypter.encrypt(plaintext).unwrap();
        for token in &tokens {
            let question = json!({ "jwk": jwk, "token": encrypt(token.as_bytes()) });
            table.yes(cty, question, token.as_bytes());
        }
        for (plaintext, code) in [
            (twice.as_bytes(), "not_nested"),
            (b"{\"iss\":\"a\"}", "not_compact"),
            (b"", "not_compact"),
            (b"\xff.\xff.\xff", "not_compact"),
            (b"e30.e30.e30", "malformed_header"),
        ] {
            let token = encrypt(plaintext);
            table.no(cty, json!({ "jwk": jwk, "token": token }), code);
            let set = json!({ "keys": [jwk] });
            table.no(cty, json!({ "jwks": set, "token": token }), code);
        }
    }
    // What is not announced is octets.
    let octets = encrypter.encrypt(twice.as_bytes()).unwrap();
    table.yes("octets", json!({ "jwk": jwk, "token": octets }), twice.as_bytes());
    table.check(DECRYPT);
}

#[test]
fn encrypted_tokens() {
    let mut table = Table::default();
    let kinds = [
        NewKey::Dir(ContentEncryption::A128CbcHs256),
        NewKey::A256Kw,
        NewKey::EcdhEs(Curve::P256),
        NewKey::EcdhEs(Curve::X25519),
        NewKey::EcdhEsA256Kw(Curve::P256),
        NewKey::EcdhEsA256Kw(Curve::X25519),
        NewKey::RsaOaep256,
    ];
    for kind in kinds {
        let key = DecryptionKey::generate(kind, Some("k")).unwrap();
        let (name, jwk) = (format!("{kind:?}"), parse(key.to_jwk()));
        for enc in ContentEncryption::ALL.iter().filter(|enc| key.suits(**enc)) {
            let recipient = key.encryption_key().unwrap();
            let token = Encrypter::new(&recipient, *enc).encrypt(b"\x00secret").unwrap();
            let bare = without(&jwk, &["alg"]);
            for jwk in [&jwk, &bare, &without(&jwk, &["kid"])] {
                table.yes(&name, json!({ "jwk": jwk, "token": token }), b"\x00secret");
            }
            let noise = parse(DecryptionKey::generate(NewKey::A256Kw, Some("n")).unwrap().to_jwk());
            let set = json!({ "keys": [noise, bare] });
            table.yes(&name, json!({ "jwks": set, "token": token }), b"\x00secret");
            let set = json!({ "keys": [jwk, jwk] });
            table.no(&name, json!({ "jwks": set, "token": token }), "unknown_key");
            let (head, tag) = token.rsplit_once('.').unwrap();
            let zeros = URL_SAFE_NO_PAD.encode(vec![0; tag.len() * 3 / 4]);
            let broken = format!("{head}.{zeros}");
            table.no(&name, json!({ "jwk": jwk, "token": broken }), "decryption_failed");
            let short = format!("{head}.{}", URL_SAFE_NO_PAD.encode([0; 12]));
            table.no(&name, json!({ "jwk": jwk, "token": short }), "wrong_length");
            table.no(&name, json!({ "jwk": jwk, "token": head }), "not_compact");
            let sig = with(&jwk, "use", json!("sig"));
            table.no(&name, json!({ "jwk": sig, "token": token }), "key_use");
            let other = with(&jwk, "kid", json!("other"));
            table.no(&name, json!({ "jwk": other, "token": token }), "unknown_key");
        }
        if let Some(public) = key.encryption_key().unwrap().to_public_jwk() {
            let recipient = key.encryption_key().unwrap();
            let token =
                Encrypter::new(&recipient, ContentEncryption::A256Gcm).encrypt(b"x").unwrap();
            table.no(&name, json!({ "jwk": public, "token": token }), "missing_member");
        }
    }
    let key = parse(DecryptionKey::generate(NewKey::RsaOaep256, None).unwrap().to_jwk());
    for (header, code) in [
        (json!({ "alg": "RSA1_5", "enc": "A256GCM" }), "unsupported_algorithm"),
        (
            json!({ "alg": "PBES2-HS256+A128KW", "enc": "A256GCM", "p2c": 1 }),
            "unsupported_algorithm",
        ),
        (json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM", "zip": "DEF" }), "unsupported_header"),
        (json!({ "alg": "RSA-OAEP-256", "enc": "A192GCM" }), "unsupported_algorithm"),
        (json!({ "alg": "ECDH-ES", "enc": "A256GCM", "epk": {} }), "ephemeral_key"),
        (json!({ "alg": "ECDH-ES", "enc": "A256GCM" }), "malformed_header"),
    ] {
        let encode = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
        let token = format!(
            "{}.{}.{}..{}",
            encode(header.to_string().as_bytes()),
            encode(&[1; 256]),
            encode(&[0; 12]),
            encode(&[0; 16]),
        );
        table.no(&header.to_string(), json!({ "jwk": key, "token": token }), code);
    }
    table.check(DECRYPT);
}
