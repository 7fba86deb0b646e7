//! The keys and signatures of RFC 7520.

use countersign_jwt::jws::UnverifiedJws;
use countersign_jwt::mac::{HmacKey, MacAlgorithm};
use countersign_jwt::{
    Algorithm, KeyError, KeySet, Malformed, PublicKey, Sign as _, SigningKey, Unverified,
    VerifyError,
};
use serde_json::{Value, json};

fn keys() -> Value {
    serde_json::from_str(include_str!("../vectors/rfc7520_3.json")).unwrap()
}

fn signatures() -> Value {
    serde_json::from_str(include_str!("../vectors/rfc7520_4.json")).unwrap()
}

/// The payload of a signature, by the door for payloads that are no claims, with a key that is told
/// its algorithm: none of them names one, and the RSA key signs with two.
fn open(jwk: &Value, algorithm: Algorithm, token: &str) -> Vec<u8> {
    let key = PublicKey::from_jwk_for(jwk, algorithm).unwrap();
    let keys = KeySet::from_keys(vec![key]).unwrap();
    UnverifiedJws::parse(token).unwrap().verify(&keys).unwrap().into_payload()
}

#[test]
fn section_3_keys() {
    let keys = keys();
    for (public, private, algorithm) in [
        ("ec_public", "ec_private", Algorithm::Es512),
        ("rsa_public", "rsa_private", Algorithm::Rs256),
    ] {
        let private = SigningKey::from_jwk(&keys[private]).unwrap();
        let public = PublicKey::from_jwk(&keys[public]).unwrap();
        assert_eq!(private.algorithm(), algorithm);
        assert_eq!(private.public().to_jwk(), public.to_jwk());
        assert_eq!(public.kid(), Some("bilbo.baggins@hobbiton.example"));
    }
    for (member, value) in keys["rsa_private"].as_object().unwrap() {
        let key = SigningKey::from_jwk_for(&keys["rsa_private"], Algorithm::Ps384).unwrap();
        let kept: Value = serde_json::from_str(&key.to_jwk().unwrap()).unwrap();
        assert_eq!(&kept[member], value, "{member}");
    }
    // 3.5, by the door for MACs; 3.6 is for encryption.
    assert_eq!(HmacKey::from_jwk(&keys["mac"]).unwrap().algorithm(), MacAlgorithm::Hs256);
    assert_eq!(HmacKey::from_jwk(&keys["enc"]).unwrap_err(), KeyError::Use);
}

#[test]
fn section_4_1_to_4_3_signatures() {
    let (keys, signatures) = (keys(), signatures());
    let payload = signatures["payload"].as_str().unwrap().as_bytes();
    for (section, key, algorithm) in [
        ("4.1", "rsa_public", Algorithm::Rs256),
        ("4.2", "rsa_public", Algorithm::Ps384),
        ("4.3", "ec_public", Algorithm::Es512),
    ] {
        let token = signatures[section].as_str().unwrap();
        assert_eq!(open(&keys[key], algorithm, token), payload, "{section}");
        assert!(Unverified::parse(token).is_err(), "the payload is no claims set");
    }
    // Without being told, the RSA key is for RS256 and does not serve 4.2.
    let key = PublicKey::from_jwk(&keys["rsa_public"]).unwrap();
    let read = UnverifiedJws::parse(signatures["4.2"].as_str().unwrap()).unwrap();
    assert_eq!(read.verify_with(&key).unwrap_err(), VerifyError::UnknownKey);
    // RS256 is deterministic, so signing again gives the published octets.
    let private = SigningKey::from_jwk(&keys["rsa_private"]).unwrap();
    let (input, signature) = signatures["4.1"].as_str().unwrap().rsplit_once('.').unwrap();
    let again = private.sign(input.as_bytes()).unwrap();
    assert_eq!(crate::support::encode(again), signature);
}

/// By the door for MACs.
#[test]
fn section_4_4_mac() {
    let (keys, signatures) = (keys(), signatures());
    let key = HmacKey::from_jwk(&keys["mac"]).unwrap();
    let token = signatures["4.4"].as_str().unwrap();
    let payload = key.verify_payload(token).unwrap();
    assert_eq!(payload, signatures["payload"].as_str().unwrap().as_bytes());
    assert_eq!(UnverifiedJws::parse(token).unwrap_err(), Malformed::Algorithm);
    // 4.5 is the same MAC without its payload, which a reader of whole tokens refuses.
    let (header, rest) = token.split_once('.').unwrap();
    let (_, mac) = rest.split_once('.').unwrap();
    let detached = format!("{header}..{mac}");
    assert_eq!(key.verify_payload(&detached).unwrap_err(), VerifyError::Signature.into());
}

/// The JSON serializations are not read. A signature whose algorithm is protected has a compact
/// form, and that is.
#[test]
fn section_4_6_to_4_8_json_serializations() {
    let (keys, signatures) = (keys(), signatures());
    let mac = HmacKey::from_jwk(&keys["mac"]).unwrap();
    for section in ["4.6", "4.7", "4.8"] {
        let text = signatures[section].to_string();
        assert_eq!(UnverifiedJws::parse(&text).unwrap_err(), Malformed::Compact, "{section}");
        assert_eq!(mac.verify_payload(&text).unwrap_err(), Malformed::Compact.into());
    }
    let payload = signatures["4.8"]["payload"].as_str().unwrap();
    let compact = |part: &Value| {
        let protected = part["protected"].as_str()?;
        Some(format!("{protected}.{payload}.{}", part["signature"].as_str().unwrap()))
    };
    assert!(mac.verify_payload(&compact(&signatures["4.6"]).unwrap()).is_ok());
    assert_eq!(compact(&signatures["4.7"]), None, "its algorithm is not protected");
    let parts = &signatures["4.8"]["signatures"];
    let rsa = compact(&parts[0]).unwrap();
    assert!(!open(&keys["rsa_public"], Algorithm::Rs256, &rsa).is_empty());
    assert_eq!(compact(&parts[1]), None, "its algorithm is not protected");
    assert_eq!(parts[1]["header"]["alg"], json!("ES512"));
    assert!(mac.verify_payload(&compact(&parts[2]).unwrap()).is_ok());
}
