//! `jwt verify --batch`

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_jwt::jws::sign_payload;
use countersign_jwt::mac::{HmacKey, MacAlgorithm};
use countersign_jwt::{Algorithm, SigningKey};
use serde_json::{Value, json};

use crate::driver::{Table, VERIFY, parse, private, signed, with, without};

#[test]
fn signatures() {
    let mut table = Table::default();
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(*algorithm, Some("k")).unwrap();
        let (public, secret) = (key.public().to_jwk(), private(&key));
        for payload in [&b"{\"exp\":0}"[..], b"no claims", b"\x00\xff", b""] {
            let token = sign_payload(None, &key, payload).unwrap();
            let name = algorithm.name();
            for jwk in [&public, &secret, &without(&public, &["alg"]), &without(&public, &["kid"])]
            {
                table.yes(name, json!({ "jwk": jwk, "token": token }), payload);
            }
            let set = json!({ "keys": [{ "kty": "new" }, public] });
            table.yes(name, json!({ "jwks": set, "token": token }), payload);
            let set = json!({ "keys": [without(&public, &["alg", "kid"]), public] });
            table.yes(name, json!({ "jwks": set, "token": token }), payload);
        }
        let token = sign_payload(None, &key, b"x").unwrap();
        let (input, signature) = token.rsplit_once('.').unwrap();
        let mut octets = URL_SAFE_NO_PAD.decode(signature).unwrap();
        octets[5] ^= 1;
        let broken = format!("{input}.{}", URL_SAFE_NO_PAD.encode(octets));
        table.no("broken", json!({ "jwk": public, "token": broken }), "bad_signature");
        let stranger = SigningKey::generate(*algorithm, Some("k")).unwrap().public().to_jwk();
        table.no("stranger", json!({ "jwk": stranger, "token": token }), "bad_signature");
        let other = with(&public, "kid", json!("other"));
        table.no("kid", json!({ "jwk": other, "token": token }), "unknown_key");
        table.no("kid", json!({ "jwks": { "keys": [other] }, "token": token }), "unknown_key");
        for (name, value, code) in [
            ("use", json!("enc"), "key_use"),
            ("key_ops", json!(["encrypt"]), "key_use"),
            ("key_ops", json!(["sign"]), "key_use"),
            ("alg", json!("none"), "unsupported_algorithm"),
            ("alg", json!("ES521"), "unsupported_algorithm"),
            ("kty", json!("XYZ"), "unsupported_key"),
        ] {
            let jwk = with(&public, name, value);
            table.no(name, json!({ "jwk": jwk, "token": token }), code);
        }
        // The public key is no secret of a MAC, in whatever form it is taken for one.
        let header = json!({ "alg": "HS256", "kid": "k" });
        let mac = signed(&key, &header, b"x");
        table.no("HS256", json!({ "jwk": public, "token": mac }), "unsupported_algorithm");
        let bare = without(&public, &["alg"]);
        table.no("HS256", json!({ "jwk": bare, "token": mac }), "unsupported_algorithm");
        for alg in ["none", "None", "NONE", "HS512", "ES256K"] {
            let token = signed(&key, &json!({ "alg": alg }), b"x");
            table.no(alg, json!({ "jwk": bare, "token": token }), "unsupported_algorithm");
            let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
            table.no(alg, json!({ "jwk": public, "token": unsigned }), "unsupported_algorithm");
            if alg != "HS512" {
                let none = json!({ "keys": [] });
                table.no(alg, json!({ "jwks": none, "token": unsigned }), "unsupported_algorithm");
            }
        }
        let unsigned = format!("{input}.");
        table.no("unsigned", json!({ "jwk": public, "token": unsigned }), "not_compact");
    }
    table.check(VERIFY);
}

#[test]
fn a_key_without_alg_is_for_what_its_type_allows() {
    let mut table = Table::default();
    let names = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
    let rsa = SigningKey::generate(Algorithm::Rs256, None).unwrap();
    for name in names {
        let algorithm = Algorithm::from_name(name).unwrap();
        let jwk = with(&private(&rsa), "alg", json!(name));
        let key = SigningKey::from_jwk(&jwk).unwrap();
        let token = sign_payload(None, &key, b"x").unwrap();
        let bare = without(&key.public().to_jwk(), &["alg"]);
        table.yes(name, json!({ "jwk": bare, "token": token }), b"x");
        table.yes(name, json!({ "jwks": { "keys": [bare] }, "token": token }), b"x");
        for other in Algorithm::ALL.iter().filter(|other| **other != algorithm) {
            let named = with(&bare, "alg", json!(other.name()));
            let code =
                if names.contains(&other.name()) { "unknown_key" } else { "algorithm_mismatch" };
            table.no(name, json!({ "jwk": named, "token": token }), code);
        }
    }
    let ec = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let bare = without(&ec.public().to_jwk(), &["alg"]);
    for alg in ["ES384", "ES512", "RS256", "Ed25519", "EdDSA"] {
        let token = signed(&ec, &json!({ "alg": alg }), b"x");
        table.no(alg, json!({ "jwk": bare, "token": token }), "algorithm_mismatch");
    }
    table.check(VERIFY);
}

#[test]
fn the_old_name_of_ed25519() {
    let mut table = Table::default();
    let key = SigningKey::generate(Algorithm::Ed25519, None).unwrap();
    let jwk = key.public().to_jwk();
    let old = signed(&key, &json!({ "alg": "EdDSA" }), b"x");
    let new = signed(&key, &json!({ "alg": "Ed25519" }), b"x");
    table.no("named", json!({ "jwk": jwk, "token": old }), "unsupported_algorithm");
    for jwk in [without(&jwk, &["alg"]), with(&jwk, "alg", json!("EdDSA"))] {
        table.yes("old", json!({ "jwk": jwk, "token": old }), b"x");
        table.yes("new", json!({ "jwk": jwk, "token": new }), b"x");
        table.yes("set", json!({ "jwks": { "keys": [jwk] }, "token": old }), b"x");
    }
    table.check(VERIFY);
}

/// The token with a header that names this algorithm.
fn signed_as(alg: &str, token: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(json!({ "alg": alg }).to_string());
    format!("{header}.{}", token.split_once('.').unwrap().1)
}

#[test]
fn shared_secrets() {
    let mut table = Table::default();
    for algorithm in MacAlgorithm::ALL {
        let key = HmacKey::generate(*algorithm, Some("k")).unwrap();
        let jwk = parse(key.to_jwk());
        let token = key.sign("JWT", &json!({ "a": 1 })).unwrap();
        let (name, bare) = (algorithm.name(), without(&jwk, &["alg"]));
        table.yes(name, json!({ "jwk": jwk, "token": token }), b"{\"a\":1}");
        table.yes(name, json!({ "jwk": bare, "token": token }), b"{\"a\":1}");
        table.yes(name, json!({ "jwks": { "keys": [bare] }, "token": token }), b"{\"a\":1}");
        let stranger = with(&jwk, "kid", json!("other"));
        let set = json!({ "keys": [jwk, stranger] });
        table.yes(name, json!({ "jwks": set, "token": token }), b"{\"a\":1}");
        let set = json!({ "keys": [jwk, jwk] });
        table.no(name, json!({ "jwks": set, "token": token }), "unknown_key");
        for alg in ["none", "ES256", "EdDSA"] {
            let other = signed_as(alg, &token);
            table.no(alg, json!({ "jwk": bare, "token": other }), "unsupported_algorithm");
            table.no(alg, json!({ "jwk": jwk, "token": other }), "unsupported_algorithm");
        }
        let rsa = SigningKey::generate(Algorithm::Es256, Some("e")).unwrap();
        let set = json!({ "keys": [jwk, rsa.public().to_jwk()] });
        table.no(name, json!({ "jwks": set, "token": token }), "mixed_key_set");
        for k in ["", "AAAA", &URL_SAFE_NO_PAD.encode(vec![7; algorithm.octets() - 1])] {
            for jwk in [&jwk, &bare] {
                let weak = with(jwk, "k", json!(k));
                table.no(name, json!({ "jwk": weak, "token": token }), "weak_key");
                table.no(name, json!({ "jwks": { "keys": [weak] }, "token": token }), "weak_key");
            }
        }
        for (member, value, code) in [
            ("use", json!("enc"), "key_use"),
            ("key_ops", json!(["sign"]), "key_use"),
            ("alg", json!("A256KW"), "unsupported_algorithm"),
            ("alg", json!("A256GCM"), "unsupported_algorithm"),
            ("alg", json!("RS256"), "unsupported_algorithm"),
        ] {
            let jwk = with(&jwk, member, value);
            table.no(member, json!({ "jwk": jwk, "token": token }), code);
        }
    }
    table.check(VERIFY);
}

#[test]
fn sets_and_malformed_questions() {
    let mut table = Table::default();
    let key = SigningKey::generate(Algorithm::Es256, Some("k")).unwrap();
    let (jwk, token) = (key.public().to_jwk(), sign_payload(None, &key, b"x").unwrap());
    let twin = SigningKey::generate(Algorithm::Es256, Some("k")).unwrap().public().to_jwk();
    let set = json!({ "keys": [jwk, twin] });
    table.no("twins", json!({ "jwks": set, "token": token }), "unknown_key");
    // A twin by its name alone, whether it is understood or not.
    let set = json!({ "keys": [jwk, { "kid": "k" }] });
    table.no("twins", json!({ "jwks": set, "token": token }), "unknown_key");
    let set = json!({ "keys": [7, { "kty": "oct" }, { "kid": 7 }, { "kid": 7 }, jwk] });
    table.yes("no keys", json!({ "jwks": set, "token": token }), b"x");
    let set = json!({ "keys": [jwk, private(&key)] });
    table.no("mixed", json!({ "jwks": set, "token": token }), "mixed_key_set");
    // Of five keys that could have made the token, four are tried.
    let strangers = |count| -> Vec<Value> {
        let made = (0..count).map(|_| SigningKey::generate(Algorithm::Es256, None).unwrap());
        made.map(|key| key.public().to_jwk()).collect()
    };
    let header = json!({ "alg": "ES256" });
    let nameless = signed(&key, &header, b"x");
    let other = SigningKey::generate(Algorithm::Ed25519, None).unwrap().public().to_jwk();
    let mut keys = [strangers(3), vec![jwk.clone(), other.clone()]].concat();
    table.yes("fourth", json!({ "jwks": { "keys": keys }, "token": nameless }), b"x");
    keys.splice(0..0, strangers(1));
    table.no("fifth", json!({ "jwks": { "keys": keys }, "token": nameless }), "too_many_keys");
    table.yes("named", json!({ "jwks": { "keys": keys }, "token": token }), b"x");
    let four = [strangers(4), vec![other]].concat();
    table.no("four", json!({ "jwks": { "keys": four }, "token": nameless }), "bad_signature");
    // Of those that could not, none is counted: another name of the algorithm, another length.
    let edwards = SigningKey::generate(Algorithm::Ed25519, None).unwrap();
    let old = signed(&edwards, &json!({ "alg": "EdDSA" }), b"x");
    let named = |_| {
        let key = SigningKey::generate(Algorithm::Ed25519, None).unwrap();
        with(&key.public().to_jwk(), "alg", json!("Ed25519"))
    };
    let mut keys: Vec<Value> = (0..4).map(named).collect();
    keys.push(with(&edwards.public().to_jwk(), "alg", json!("EdDSA")));
    table.yes("fifth", json!({ "jwks": { "keys": keys }, "token": old }), b"x");
    // What is no MAC is none of the fifth key, either.
    let secret = |_| parse(HmacKey::generate(MacAlgorithm::Hs256, None).unwrap().to_jwk());
    let keys: Vec<Value> = (0..5).map(secret).collect();
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    let unused_bits = format!("{header}.e30.AB");
    table.no("MAC", json!({ "jwks": { "keys": keys }, "token": unused_bits }), "not_base64url");
    let set = json!({ "keys": [private(&key)] });
    table.yes("private", json!({ "jwks": set, "token": token }), b"x");
    table.no("empty", json!({ "jwks": { "keys": [] }, "token": token }), "unknown_key");
    table.no("no keys", json!({ "jwks": {}, "token": token }), "not_a_key_set");
    table.no("no keys", json!({ "jwks": { "keys": {} }, "token": token }), "not_a_key_set");
    table.no("no set", json!({ "jwks": [], "token": token }), "not_an_object");
    table.no("no key", json!({ "jwk": "k", "token": token }), "not_an_object");
    table.no(
        "long",
        json!({ "jwk": with(&jwk, "x5c", json!("A".repeat(70_000))), "token": token }),
        "key_set_too_long",
    );
    for question in [
        json!({ "jwk": jwk }),
        json!({ "token": token }),
        json!({ "jwk": jwk, "jwks": { "keys": [jwk] }, "token": token }),
        json!({ "jwk": jwk, "token": 7 }),
        json!({ "jwk": jwk, "token": ["a"] }),
        json!({}),
    ] {
        table.no("question", question, "bad_line");
    }
    for (token, code) in [
        ("", "not_compact"),
        ("..", "not_compact"),
        ("a.b.c.d", "not_compact"),
        ("{}", "not_compact"),
        (&".".repeat(1 << 20), "too_long"),
        (&format!("{token} "), "not_compact"),
        (&format!("{token}="), "not_compact"),
        ("e30.e30.e30", "malformed_header"),
        ("W10.e30.e30", "not_an_object"),
        ("eyJhbGciOiJFUzI1NiIsImFsZyI6IkVTMjU2In0.e30.e30", "duplicate_member"),
        ("eyJhbGciOiJFUzI1NiIsImNyaXQiOlsiZXhwIl19.e30.e30", "unsupported_header"),
        ("eyJhbGciOiJFUzI1NiIsImI2NCI6ZmFsc2V9.e30.e30", "unsupported_header"),
    ] {
        table.no(token, json!({ "jwk": jwk, "token": token }), code);
    }
    let mut halves = private(&key);
    let other = SigningKey::generate(Algorithm::Es256, None).unwrap();
    halves["d"] = private(&other)["d"].clone();
    table.no("halves", json!({ "jwk": halves, "token": token }), "invalid_key");
    table.check(VERIFY);
}
