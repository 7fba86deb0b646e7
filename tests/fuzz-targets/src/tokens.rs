//! Tokens and what is in them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_jwt::jwe::{Encrypted, KeyManagement};
use countersign_jwt::jws::UnverifiedJws;
use countersign_jwt::{Algorithm, Policy, Typ, Unverified, Verify as _, json};
use countersign_types::Timestamp;
use josekit::jwe::alg::aeskw::AeskwJweAlgorithm;
use josekit::jwe::alg::direct::DirectJweAlgorithm;
use josekit::jwe::alg::ecdh_es::EcdhEsJweAlgorithm;
use josekit::jwe::alg::rsaes::RsaesJweAlgorithm;
use josekit::jwe::{JweContext, JweDecrypter};
use josekit::jwk::Jwk;
use serde_json::{Map, Value};

use crate::keys::{DECRYPT, MAC, PUBLIC};

/// `{"alg":"ES256"}`
const HEADER: &str = "eyJhbGciOiJFUzI1NiJ9";

/// Base64url, as the readers of tokens take it: one text for one octet string.
pub fn base64url(data: &[u8]) {
    let payload = |text: &str| {
        UnverifiedJws::parse(&format!("{HEADER}.{text}.AAAA"))
            .ok()
            .and_then(|jws| jws.verify_with(&Anything).ok())
            .map(|jws| jws.into_payload())
    };
    if let Ok(text) = std::str::from_utf8(data)
        && let Some(octets) = payload(text)
    {
        assert_eq!(URL_SAFE_NO_PAD.encode(octets), text, "two texts for the same octets");
    }
    if data.len() <= 8 * 1024 {
        let octets = payload(&URL_SAFE_NO_PAD.encode(data)).expect("a canonical text is read");
        assert_eq!(octets, data);
    }
}

/// Takes every signature, so that only the reader is in question.
struct Anything;

impl countersign_jwt::Verify for Anything {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Es256
    }

    fn key_id(&self) -> Option<&str> {
        None
    }

    fn verify(&self, _: &[u8], _: &[u8]) -> Result<(), countersign_jwt::BadSignature> {
        Ok(())
    }
}

/// Claims: JSON with one reading, and policies over claims of any type.
pub fn claims(data: &[u8]) {
    let oracle: Option<Value> = serde_json::from_slice(data).ok();
    match json::parse(data) {
        Ok(value) => assert_eq!(Some(value), oracle, "serde_json reads another value"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let Ok(token) = Unverified::parse(&format!("{HEADER}.{}.AAAA", URL_SAFE_NO_PAD.encode(data)))
    else {
        return;
    };
    let claims = token.claims();
    let object = oracle.as_ref().and_then(Value::as_object).expect("claims are an object");
    assert_eq!(claims.as_map(), object);
    for name in ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "act"] {
        assert_eq!(claims.get(name), object.get(name));
        let _ = (claims.str(name), claims.timestamp(name), claims.bool(name));
        let _ = (claims.object(name), claims.strings(name));
    }
    let _ = (claims.audience(), claims.issuer(), claims.subject(), claims.jwt_id());
    let policy = Policy::new(Typ::IsOrAbsent("JWT"))
        .issuer("https://sts.alice.example")
        .audience_includes("https://uma.bob.example");
    for now in [i64::MIN, 0, 1_800_000_000, i64::MAX] {
        let token = Unverified::parse(&format!("{HEADER}.{}.AAAA", URL_SAFE_NO_PAD.encode(data)));
        let _ = token.map(|token| token.check(&policy, Timestamp::from_unix(now)).is_ok());
    }
}

/// A compact JWS under keys of every kind. What verifies, josekit verifies too.
pub fn jws(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(jwt) = Unverified::parse(text) {
        let jws = UnverifiedJws::parse_accepting_eddsa_name(text).expect("a JWT is a JWS");
        assert_eq!(jwt.header(), jws.header());
    }
    for key in MAC.iter() {
        if let Ok(payload) = key.verify_payload(text) {
            assert_eq!(Some(URL_SAFE_NO_PAD.encode(payload).as_str()), text.split('.').nth(1));
        }
    }
    for key in PUBLIC.iter() {
        let Ok(jws) = UnverifiedJws::parse_accepting_eddsa_name(text) else { return };
        if let Ok(verified) = jws.verify_with(key) {
            let (input, signature) = text.rsplit_once('.').expect("three parts");
            let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
            assert!(key.verify(input.as_bytes(), &signature).is_ok());
            assert!(verified_by_josekit(key, input, &signature), "josekit refuses what we take");
            let payload = URL_SAFE_NO_PAD.encode(verified.payload());
            assert_eq!(Some(payload.as_str()), text.split('.').nth(1));
        }
    }
}

fn verified_by_josekit(key: &countersign_jwt::PublicKey, input: &str, signature: &[u8]) -> bool {
    use josekit::jws::{ES256, EdDSA, JwsVerifier, RS256};
    let mut jwk: Map<String, Value> =
        key.to_jwk().as_object().cloned().expect("a key is an object");
    jwk.remove("alg");
    jwk.remove("kid");
    let jwk = Jwk::from_map(jwk).expect("josekit takes the key");
    let verifier: Box<dyn JwsVerifier> = match key.algorithm() {
        Algorithm::Es256 => Box::new(ES256.verifier_from_jwk(&jwk).expect("a key")),
        Algorithm::Rs256 => Box::new(RS256.verifier_from_jwk(&jwk).expect("a key")),
        Algorithm::Ed25519 => Box::new(EdDSA.verifier_from_jwk(&jwk).expect("a key")),
        other => panic!("no key of the corpus is for {other}"),
    };
    verifier.verify(input.as_bytes(), signature).is_ok()
}

/// A compact JWE under keys of every kind. What decrypts, josekit decrypts to the same.
pub fn jwe(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(encrypted) = Encrypted::parse(text) else { return };
    for (key, jwk) in DECRYPT.iter() {
        let Ok(decrypted) = encrypted.decrypt(key) else { continue };
        let (plaintext, _) = JweContext::new()
            .deserialize_compact(text, &*josekit_decrypter(key.key_management(), jwk))
            .expect("josekit decrypts what we decrypt");
        assert_eq!(decrypted.plaintext(), plaintext);
        let _ = decrypted.nested();
    }
}

fn josekit_decrypter(algorithm: KeyManagement, jwk: &Value) -> Box<dyn JweDecrypter> {
    let mut jwk: Map<String, Value> = jwk.as_object().cloned().expect("a key is an object");
    jwk.remove("alg");
    jwk.remove("kid");
    let jwk = Jwk::from_map(jwk).expect("josekit takes the key");
    match algorithm {
        KeyManagement::Dir => {
            Box::new(DirectJweAlgorithm::Dir.decrypter_from_jwk(&jwk).expect("a key"))
        }
        KeyManagement::A256Kw => {
            Box::new(AeskwJweAlgorithm::A256kw.decrypter_from_jwk(&jwk).expect("a key"))
        }
        KeyManagement::EcdhEs => {
            Box::new(EcdhEsJweAlgorithm::EcdhEs.decrypter_from_jwk(&jwk).expect("a key"))
        }
        KeyManagement::EcdhEsA256Kw => {
            Box::new(EcdhEsJweAlgorithm::EcdhEsA256kw.decrypter_from_jwk(&jwk).expect("a key"))
        }
        _ => Box::new(RsaesJweAlgorithm::RsaOaep256.decrypter_from_jwk(&jwk).expect("a key")),
    }
}
