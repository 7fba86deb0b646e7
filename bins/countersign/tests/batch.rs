//! The batches as other tools drive them: the real program, one line in, one line out.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_jwt::Refusal;
use countersign_jwt::jwe::{ContentEncryption, Curve, DecryptionKey, Encrypter, NewKey};
use countersign_jwt::jws::sign_payload;
use countersign_jwt::mac::{HmacKey, MacAlgorithm};
use countersign_jwt::{Algorithm, SigningKey};
use serde_json::{Value, json};
use wycheproof_ng_kdf_jose::json_web::{TestName, TestSet};

const VERIFY: [&str; 3] = ["jwt", "verify", "--batch"];
const DECRYPT: [&str; 3] = ["jwe", "decrypt", "--batch"];
const CHECK: [&str; 3] = ["jwk", "check", "--batch"];

fn start(args: [&str; 3]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(args)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// All lines in, all lines out.
fn lines(args: [&str; 3], input: Vec<u8>) -> Vec<String> {
    let mut child = start(args);
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn ask(args: [&str; 3], questions: &[Value]) -> Vec<Value> {
    let input: String = questions.iter().map(|question| format!("{question}\n")).collect();
    let answers = lines(args, input.into_bytes());
    assert_eq!(answers.len(), questions.len());
    answers.iter().map(|answer| serde_json::from_str(answer).unwrap()).collect()
}

/// A question and its answer: the payload, or a code.
struct Row {
    name: String,
    question: Value,
    expected: Result<Option<Vec<u8>>, String>,
}

#[derive(Default)]
struct Table(Vec<Row>);

impl Table {
    fn yes(&mut self, name: &str, question: Value, payload: &[u8]) {
        let (name, expected) = (name.to_owned(), Ok(Some(payload.to_vec())));
        self.0.push(Row { name, question, expected });
    }

    fn in_order(&mut self, name: &str, question: Value) {
        self.0.push(Row { name: name.to_owned(), question, expected: Ok(None) });
    }

    fn no(&mut self, name: &str, question: Value, code: &str) {
        let (name, expected) = (name.to_owned(), Err(code.to_owned()));
        self.0.push(Row { name, question, expected });
    }

    /// Asks everything in one run.
    fn check(self, args: [&str; 3]) {
        let ids: Vec<Value> = self
            .0
            .iter()
            .enumerate()
            .map(|(index, row)| json!([index, { "name": row.name, "n": 1.5 }]))
            .collect();
        let questions: Vec<Value> = self
            .0
            .iter()
            .zip(&ids)
            .map(|(row, id)| {
                let mut question = row.question.clone();
                question["id"] = id.clone();
                question
            })
            .collect();
        for ((row, id), answer) in self.0.iter().zip(&ids).zip(ask(args, &questions)) {
            let mut names: Vec<&str> =
                answer.as_object().unwrap().keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(&answer["id"], id);
            match &row.expected {
                Ok(Some(payload)) => {
                    assert_eq!(answer["ok"], true, "{}: {answer}", row.name);
                    assert_eq!(answer["payload"], URL_SAFE_NO_PAD.encode(payload), "{}", row.name);
                    assert_eq!(names, ["alg", "id", "ok", "payload"]);
                }
                Ok(None) => {
                    assert_eq!(answer["ok"], true, "{}: {answer}", row.name);
                    assert_eq!(names, ["id", "ok"]);
                }
                Err(code) => {
                    assert_eq!(answer["error"], *code, "{}: {answer}", row.name);
                    assert_eq!(answer["ok"], false);
                    assert_eq!(names, ["error", "id", "ok", "reason"]);
                    assert!(!answer["reason"].as_str().unwrap().is_empty());
                    let known = Refusal::ALL.iter().any(|refusal| refusal.code() == code);
                    assert!(known || code == "bad_line", "{code} is on the list");
                }
            }
        }
    }
}

fn private(key: &SigningKey) -> Value {
    serde_json::from_str(&key.to_jwk().unwrap()).unwrap()
}

fn parse(jwk: impl AsRef<str>) -> Value {
    serde_json::from_str(jwk.as_ref()).unwrap()
}

fn without(jwk: &Value, names: &[&str]) -> Value {
    let mut jwk = jwk.clone();
    for name in names {
        jwk.as_object_mut().unwrap().remove(*name);
    }
    jwk
}

fn with(jwk: &Value, name: &str, value: Value) -> Value {
    let mut jwk = jwk.clone();
    jwk[name] = value;
    jwk
}

/// A token of this header, signed by the key whatever the header says.
fn signed(key: &SigningKey, header: &Value, payload: &[u8]) -> String {
    use countersign_jwt::Sign as _;
    let encode = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
    let input = format!("{}.{}", encode(header.to_string().as_bytes()), encode(payload));
    let signature = encode(&key.sign(input.as_bytes()).unwrap());
    format!("{input}.{signature}")
}

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
        }
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
            ("key_ops", json!(["sign"]), "unknown_key"),
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
    let set = json!({ "keys": [jwk, private(&key)] });
    table.no("mixed", json!({ "jwks": set, "token": token }), "mixed_key_set");
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
            table.no(&name, json!({ "jwks": set, "token": token }), "duplicate_kid");
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
fn wycheproof_through_the_program() {
    for (args, set) in [
        (VERIFY, TestName::JsonWebSignature),
        (VERIFY, TestName::JsonWebKey),
        (DECRYPT, TestName::JsonWebEncryption),
    ] {
        let mut questions = Vec::new();
        let mut is_valid = Vec::new();
        for group in TestSet::load(set).unwrap().test_groups {
            let key = match args {
                DECRYPT => group.private_key,
                _ => group.public_key.or(group.private_key),
            };
            let key = key.unwrap();
            let member = if key.get("keys").is_some() { "jwks" } else { "jwk" };
            for test in group.tests {
                let token = test.jws.or(test.jwe).unwrap();
                questions.push(json!({ "id": test.tc_id, member: key, "token": token }));
                is_valid.push(!test.result.must_fail());
            }
        }
        for (answer, is_valid) in ask(args, &questions).iter().zip(is_valid) {
            let id = answer["id"].as_u64().unwrap();
            // What the library's own tests give the reasons for: 367 and 370 have the text of 357,
            // which is valid; the others are no base64url, or their key is for another algorithm than
            // the token's, or for one of an unregistered name.
            let is_valid = match (args, id) {
                (VERIFY, 367 | 370) => true,
                (VERIFY, 346 | 347 | 350 | 351 | 372 | 373) => false,
                _ => is_valid,
            };
            let unsupported = answer["error"] == "unsupported_algorithm"
                || answer["error"] == "unsupported_header";
            let expected = is_valid && !(args == DECRYPT && unsupported);
            assert_eq!(answer["ok"], expected, "{answer}");
        }
    }
}

#[test]
fn bad_lines_are_answered_and_the_stream_goes_on() {
    let key = SigningKey::generate(Algorithm::Ed25519, None).unwrap();
    let token = sign_payload(None, &key, b"x").unwrap();
    let good = json!({ "id": "é", "jwk": key.public().to_jwk(), "token": token }).to_string();
    for args in [VERIFY, DECRYPT, CHECK] {
        let mut input = Vec::new();
        let bad: [&[u8]; 5] = [b"", b"{", b"null", b"\xff\xfe", &[b'x'; 5 << 20]];
        for line in bad {
            input.extend_from_slice(line);
            input.push(b'\n');
            input.extend_from_slice(good.as_bytes());
            input.push(b'\n');
        }
        let answers = lines(args, input);
        assert_eq!(answers.len(), 2 * bad.len());
        for pair in answers.chunks(2) {
            let no: Value = serde_json::from_str(&pair[0]).unwrap();
            assert_eq!(no["id"], Value::Null);
            assert_eq!(no["error"], "bad_line");
            assert!(pair[1].starts_with(r#"{"id":"é","ok":"#), "{}", pair[1]);
        }
    }
}

#[test]
fn a_hundred_thousand_lines_in_order() {
    let keys: Vec<SigningKey> =
        ["a", "b"].map(|kid| SigningKey::generate(Algorithm::Ed25519, Some(kid)).unwrap()).into();
    let mut input = Vec::new();
    for index in 0..100_000 {
        let key = &keys[usize::from(index % 1000 == 0)];
        let token = "eyJhbGciOiJFZDI1NTE5In0.eA.AAAA";
        let question = json!({ "id": index, "jwk": key.public().to_jwk(), "token": token });
        writeln!(input, "{question}").unwrap();
    }
    let mut child = start(VERIFY);
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(&input).unwrap());
    let mut count = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let expected = format!(r#"{{"id":{count},"ok":false,"error":"bad_signature","#);
        assert!(line.starts_with(&expected), "{line}");
        count += 1;
    }
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(count, 100_000);
}

#[test]
fn each_answer_comes_before_the_next_question() {
    let mut child = start(CHECK);
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for id in 0..3 {
        writeln!(stdin, r#"{{"id":{id}}}"#).unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        assert!(answer.starts_with(&format!(r#"{{"id":{id},"ok":false"#)), "{answer}");
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn every_code_is_listed_where_the_program_explains_itself() {
    let help = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["jwt", "verify", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let page = include_str!("../README.md");
    for code in Refusal::ALL.iter().map(|refusal| refusal.code()).chain(["bad_line"]) {
        assert!(help.contains(code), "--help does not list {code}");
        assert!(page.contains(&format!("`{code}`")), "README.md does not list {code}");
    }
}
