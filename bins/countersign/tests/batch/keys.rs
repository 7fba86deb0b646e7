//! `jwk check --batch`

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_jwt::jwe::{ContentEncryption, Curve, DecryptionKey, NewKey};
use countersign_jwt::mac::{HmacKey, MacAlgorithm};
use countersign_jwt::{Algorithm, SigningKey};
use serde_json::json;

use crate::driver::{CHECK, Table, parse, private, with, without};

#[test]
fn keys() {
    let mut table = Table::default();
    let mut public = Vec::new();
    let mut secret = Vec::new();
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(*algorithm, None).unwrap();
        public.push(key.public().to_jwk());
        secret.push(private(&key));
    }
    for kind in
        [NewKey::EcdhEs(Curve::P256), NewKey::EcdhEsA256Kw(Curve::X25519), NewKey::RsaOaep256]
    {
        let key = DecryptionKey::generate(kind, None).unwrap();
        public.push(key.encryption_key().unwrap().to_public_jwk().unwrap());
        secret.push(parse(key.to_jwk()));
    }
    let kek = parse(DecryptionKey::generate(NewKey::A256Kw, Some("w")).unwrap().to_jwk());
    let dir = NewKey::Dir(ContentEncryption::A128Gcm);
    secret.push(parse(DecryptionKey::generate(dir, Some("d")).unwrap().to_jwk()));
    secret.push(parse(HmacKey::generate(MacAlgorithm::Hs384, Some("m")).unwrap().to_jwk()));
    secret.push(without(&kek, &["alg", "kid"]));
    secret.push(kek);
    for jwk in public.iter().chain(&secret) {
        table.in_order(&jwk["alg"].to_string(), json!({ "jwk": jwk }));
    }
    table.in_order("public", json!({ "jwks": { "keys": public } }));
    table.in_order("secret", json!({ "jwks": { "keys": secret } }));
    table.in_order("empty", json!({ "jwks": { "keys": [] } }));
    let mixed = json!({ "keys": [public[0], secret[1]] });
    table.no("mixed", json!({ "jwks": mixed }), "mixed_key_set");
    let twins = json!({ "keys": [public[0], with(&public[1], "kid", public[0]["kid"].clone())] });
    table.no("twins", json!({ "jwks": twins }), "duplicate_kid");
    for twin in [json!({ "kid": public[0]["kid"] }), public[0].clone()] {
        let twins = json!({ "keys": [public[0], twin] });
        table.no("twins", json!({ "jwks": twins }), "duplicate_kid");
    }
    for (key, code) in [(json!(7), "not_an_object"), (json!({ "kty": "oct" }), "missing_member")] {
        let set = json!({ "keys": [public[0], key] });
        table.no("no key", json!({ "jwks": set }), code);
    }
    let bad = json!({ "keys": [public[0], with(&public[1], "x", json!("AAAA"))] });
    table.no("member", json!({ "jwks": bad }), "malformed_member");
    let x25519 = json!({ "kty": "OKP", "crv": "X25519", "x": URL_SAFE_NO_PAD.encode([0; 32]) });
    let short = URL_SAFE_NO_PAD.encode([7; 31]);
    for (jwk, code) in [
        (x25519, "weak_key"),
        (json!({ "kty": "oct", "k": short }), "weak_key"),
        (json!({ "kty": "oct", "k": "" }), "weak_key"),
        (json!({ "kty": "oct", "k": short, "use": "enc" }), "malformed_member"),
        (json!({ "kty": "oct", "alg": "HS256" }), "missing_member"),
        (json!({ "kty": "oct", "alg": "HS257", "k": short }), "unsupported_algorithm"),
        (json!({ "kty": "EC", "crv": "secp256k1", "x": short, "y": short }), "unsupported_key"),
        (json!({ "kty": "EC", "crv": "P-256", "x": short, "y": short }), "malformed_member"),
        (with(&public[0], "y", public[0]["x"].clone()), "invalid_key"),
        (with(&public[0], "alg", json!("ES384")), "algorithm_mismatch"),
        (with(&public[0], "alg", json!("RSA1_5")), "unsupported_algorithm"),
        (json!({}), "missing_member"),
        (json!([]), "not_an_object"),
    ] {
        table.no(&jwk.to_string(), json!({ "jwk": jwk }), code);
    }
    table.no("neither", json!({}), "bad_line");
    table.check(CHECK);
}

#[test]
fn operations() {
    let mut table = Table::default();
    let ec = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let ed25519 = SigningKey::generate(Algorithm::Ed25519, None).unwrap().public().to_jwk();
    let rsa = DecryptionKey::generate(NewKey::RsaOaep256, None).unwrap();
    let p256 = DecryptionKey::generate(NewKey::EcdhEs(Curve::P256), None).unwrap();
    let kek = DecryptionKey::generate(NewKey::A256Kw, None).unwrap();
    let public = |key: &DecryptionKey| key.encryption_key().unwrap().to_public_jwk().unwrap();
    let unused = |jwk| without(&jwk, &["use", "alg"]);
    let secret = unused(parse(kek.to_jwk()));
    let (verifies, signs) = (ec.public().to_jwk(), private(&ec));
    let (agrees, derives) = (unused(public(&p256)), unused(parse(p256.to_jwk())));
    let (seals, opens) = (public(&rsa), parse(rsa.to_jwk()));
    for (jwk, operations) in [
        (&secret, &["wrapKey", "unwrapKey"][..]),
        (&secret, &["wrapKey"]),
        (&secret, &["unwrapKey"]),
        (&secret, &["encrypt", "decrypt"]),
        (&secret, &["encrypt"]),
        (&secret, &["sign"]),
        (&secret, &["verify"]),
        (&agrees, &[]),
        (&agrees, &["deriveBits"]),
        (&derives, &["deriveKey"]),
        (&seals, &["encrypt"]),
        (&opens, &["encrypt"]),
        (&opens, &["wrapKey", "unwrapKey"]),
        (&verifies, &["verify"]),
        (&verifies, &["verify", "ownWord"]),
        (&signs, &["sign"]),
        (&signs, &["verify"]),
    ] {
        let jwk = with(jwk, "key_ops", json!(operations));
        table.in_order(&jwk.to_string(), json!({ "jwk": jwk }));
        table.in_order(&jwk.to_string(), json!({ "jwks": { "keys": [jwk] } }));
    }
    let noise = unused(parse(p256.to_jwk()))["d"].clone();
    for (jwk, operations, code) in [
        (&verifies, &["verify", "encrypt"][..], "key_use"),
        (&verifies, &["deriveBits"], "key_use"),
        (&verifies, &["sign"], "key_use"),
        (&verifies, &[], "key_use"),
        (&without(&ed25519, &["use", "alg"]), &[], "key_use"),
        (&signs, &["encrypt"], "key_use"),
        (&signs, &[], "key_use"),
        (&with(&signs, "d", noise.clone()), &["verify"], "invalid_key"),
        (&seals, &["verify"], "key_use"),
        (&seals, &["encrypt", "sign"], "key_use"),
        (&seals, &["decrypt"], "key_use"),
        (&opens, &["verify"], "key_use"),
        (&with(&opens, "qi", opens["dp"].clone()), &["encrypt"], "invalid_key"),
        (&derives, &["sign", "deriveKey", "deriveKey"], "malformed_member"),
        (&secret, &[], "key_use"),
    ] {
        let jwk = with(jwk, "key_ops", json!(operations));
        table.no(&jwk.to_string(), json!({ "jwk": jwk }), code);
    }
    table.check(CHECK);
}
