//! The door for MACs, and that no other leads there.

use countersign_jwt::jwks::KeySetError;
use countersign_jwt::jws::UnverifiedJws;
use countersign_jwt::mac::{HmacKey, HmacKeys, MacAlgorithm};
use countersign_jwt::verify::TokenError;
use countersign_jwt::{
    Algorithm, ClaimError, KeyError, KeySet, Malformed, PublicKey, SignError, SigningKey,
    Unverified, VerifyError, convert,
};
use countersign_types::Timestamp;
use serde_json::{Value, json};

use crate::support::{KEYS, NOW, claims, decode, encode, key, policy};

fn secret(octets: usize) -> Vec<u8> {
    (0..octets).map(|n| (n * 89 + n / 256 + 200) as u8).collect()
}

fn jwk(algorithm: &str, octets: &[u8]) -> Value {
    json!({ "kty": "oct", "alg": algorithm, "k": encode(octets) })
}

#[test]
fn every_mac_algorithm_reads_what_it_wrote() {
    for algorithm in MacAlgorithm::ALL {
        let key = HmacKey::generate(*algorithm, Some("a\"b")).unwrap();
        let again = HmacKey::from_json(key.to_jwk().as_bytes()).unwrap();
        assert_eq!(again.thumbprint(), key.thumbprint());
        assert_eq!((again.kid(), again.algorithm()), (key.kid(), *algorithm));
        let token = key.sign("uma-claims+jwt", &claims()).unwrap();
        let verified = again.verify(&token, &policy(), NOW).unwrap();
        assert_eq!(Value::Object(verified.into_claims().into_map()), claims());
        let nameless = HmacKey::generate(*algorithm, None).unwrap();
        let again = HmacKey::from_json(nameless.to_jwk().as_bytes()).unwrap();
        assert_eq!((again.kid(), again.thumbprint()), (None, nameless.thumbprint()));
        let stranger = nameless.verify(&token, &policy(), NOW).unwrap_err();
        assert_eq!(stranger, VerifyError::Signature.into());
    }
}

#[test]
fn a_mac_is_no_signature_and_a_signature_is_no_mac() {
    let shared = HmacKey::generate(MacAlgorithm::Hs256, Some("ES256")).unwrap();
    let token = shared.sign("uma-claims+jwt", &claims()).unwrap();
    assert_eq!(Unverified::parse(&token).unwrap_err(), Malformed::Algorithm);
    assert_eq!(UnverifiedJws::parse(&token).unwrap_err(), Malformed::Algorithm);
    for signer in KEYS.iter() {
        let token = countersign_jwt::sign("uma-claims+jwt", signer, &claims()).unwrap();
        let refused = shared.verify(&token, &policy(), NOW).unwrap_err();
        assert_eq!(refused, Malformed::Algorithm.into());
        assert_eq!(shared.verify_payload(&token).unwrap_err(), Malformed::Algorithm.into());
    }
    let jwk: Value = serde_json::from_str(&shared.to_jwk()).unwrap();
    assert_eq!(PublicKey::from_jwk(&jwk).unwrap_err(), KeyError::Private);
    assert!(SigningKey::from_jwk(&jwk).is_err());
    for public in KEYS.iter().map(|key| key.public().to_jwk()) {
        assert!(HmacKey::from_jwk(&public).is_err());
        assert!(HmacKey::from_jwk_for(&public, MacAlgorithm::Hs256).is_err());
    }
}

/// Every form in which a public key is published, taken for the secret of a MAC.
#[test]
fn j3_no_form_of_a_public_key_is_a_secret_that_verifies() {
    for signer in KEYS.iter() {
        let public = signer.public();
        let pem = convert::public_key_to_pem(public).unwrap();
        let der = public.to_spki_der().unwrap();
        let jwk = public.to_jwk();
        let mut forms: Vec<Vec<u8>> = vec![
            pem.as_bytes().to_vec(),
            pem.trim_end().as_bytes().to_vec(),
            format!(" {pem}").into_bytes(),
            der.clone(),
            encode(&der).into_bytes(),
            jwk.to_string().into_bytes(),
        ];
        for (name, value) in jwk.as_object().unwrap() {
            let text = value.as_str().unwrap();
            forms.push(text.as_bytes().to_vec());
            if ["n", "e", "x", "y"].contains(&name.as_str()) {
                forms.push(decode(text));
            }
        }
        let set = KeySet::from_keys(vec![public.clone()]).unwrap();
        for form in forms {
            let header = json!({ "alg": "HS256", "typ": "uma-claims+jwt", "kid": public.kid() });
            let input = format!("{}.{}", encode(header.to_string()), encode(claims().to_string()));
            let mac = aws_lc_rs::hmac::sign(
                &aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &form),
                input.as_bytes(),
            );
            let token = format!("{input}.{}", encode(mac.as_ref()));
            let outcome = countersign_jwt::verify::verify(&token, &policy(), &set, NOW);
            assert_eq!(outcome.unwrap_err(), Malformed::Algorithm.into());
            // Texts are no secrets even where somebody configures them as such.
            if std::str::from_utf8(&form).is_ok() {
                assert!(HmacKey::from_octets(MacAlgorithm::Hs256, None, &form).is_err());
            }
        }
    }
}

#[test]
fn j17_short_empty_and_known_secrets() {
    for (algorithm, least) in MacAlgorithm::ALL.iter().zip([32, 48, 64]) {
        for octets in [0, 1, least - 1] {
            let short = HmacKey::from_octets(*algorithm, None, &secret(octets)).unwrap_err();
            assert_eq!(short, KeyError::Weak("the secret is shorter than the hash"));
        }
        for octets in [least, least + 1, 512] {
            assert!(HmacKey::from_octets(*algorithm, None, &secret(octets)).is_ok());
        }
        let long = HmacKey::from_octets(*algorithm, None, &secret(513)).unwrap_err();
        assert_eq!(long, KeyError::Malformed("k"));
    }
    let words = [
        "your-256-bit-secret-your-256-bit-secret",
        "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        "-----BEGIN PUBLIC KEY-----\r\n\tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\r\n",
        "Правильная лошадь, батарейка, скрепка",
        "                                                                ",
    ];
    for word in words {
        for algorithm in MacAlgorithm::ALL {
            assert!(HmacKey::from_octets(*algorithm, None, word.as_bytes()).is_err(), "{word}");
        }
    }
}

#[test]
fn a_secret_says_what_it_is_for() {
    let good = secret(64);
    let rows = [
        ("alg", json!("A256GCM"), KeyError::Unsupported("alg")),
        ("alg", json!("A256KW"), KeyError::Unsupported("alg")),
        ("alg", json!("RS256"), KeyError::Unsupported("alg")),
        ("alg", json!("hs256"), KeyError::Unsupported("alg")),
        ("alg", json!(["HS256"]), KeyError::Malformed("alg")),
        ("kty", json!("OCT"), KeyError::Unsupported("kty")),
        ("kty", json!("RSA"), KeyError::Unsupported("kty")),
        ("use", json!("enc"), KeyError::Use),
        ("key_ops", json!(["encrypt"]), KeyError::Use),
        ("key_ops", json!([]), KeyError::Use),
        ("kid", json!(""), KeyError::Malformed("kid")),
        ("k", json!("AAA="), KeyError::Malformed("k")),
        ("k", json!(null), KeyError::Malformed("k")),
    ];
    for (member, value, expected) in rows {
        let mut jwk = jwk("HS256", &good);
        jwk[member] = value.clone();
        assert_eq!(HmacKey::from_jwk(&jwk).unwrap_err(), expected, "{member}: {value}");
    }
    let nameless = json!({ "kty": "oct", "k": encode(&good) });
    assert_eq!(HmacKey::from_jwk(&nameless).unwrap_err(), KeyError::Missing("alg"));
    let agreed = HmacKey::from_jwk_for(&nameless, MacAlgorithm::Hs384).unwrap();
    assert_eq!(agreed.algorithm(), MacAlgorithm::Hs384);
    let other = HmacKey::from_jwk_for(&jwk("HS256", &good), MacAlgorithm::Hs384).unwrap_err();
    assert_eq!(other, KeyError::AlgorithmMismatch);

    let operation = |name: &str| {
        let mut jwk = jwk("HS256", &good);
        jwk["key_ops"] = json!([name]);
        HmacKey::from_jwk(&jwk).unwrap()
    };
    let token = operation("sign").sign("uma-claims+jwt", &claims()).unwrap();
    assert!(operation("verify").verify(&token, &policy(), NOW).is_ok());
    let refused = operation("sign").verify(&token, &policy(), NOW).unwrap_err();
    assert_eq!(refused, VerifyError::Use.into());
    let reserved = HmacKeys::from_keys(vec![operation("sign")]).unwrap();
    assert_eq!(reserved.verify_payload(&token).unwrap_err(), VerifyError::Use.into());
    let either = HmacKeys::from_keys(vec![operation("sign"), operation("verify")]).unwrap();
    assert!(either.verify_payload(&token).is_ok());
    let refused = operation("verify").sign("uma-claims+jwt", &claims()).unwrap_err();
    assert!(matches!(refused, SignError::Use));
}

#[test]
fn a_policy_holds_for_macs_too() {
    let key = HmacKey::generate(MacAlgorithm::Hs256, Some("k")).unwrap();
    let good = key.sign("uma-claims+jwt", &claims()).unwrap();
    let refused = |token: &str, now| key.verify(token, &policy(), now).unwrap_err();
    let later = Timestamp::from_unix(NOW.as_unix() + 180);
    assert_eq!(refused(&good, later), ClaimError::Expired.into());
    assert_eq!(refused(&key.sign("JWT", &claims()).unwrap(), NOW), ClaimError::Typ.into());
    assert_eq!(refused(&format!("{good}="), NOW), Malformed::Compact.into());
    let (input, mac) = good.rsplit_once('.').unwrap();
    let mac = decode(mac);
    for damaged in [&mac[..31], &mac[..16], &[&mac[..], &[0]].concat(), &[0; 32]] {
        let token = format!("{input}.{}", encode(damaged));
        assert_eq!(refused(&token, NOW), VerifyError::Signature.into());
    }
    for bit in 0..good.len() * 8 {
        let mut octets = good.clone().into_bytes();
        octets[bit / 8] ^= 1 << (bit % 8);
        if let Ok(text) = String::from_utf8(octets) {
            assert!(key.verify(&text, &policy(), NOW).is_err(), "bit {bit}");
            assert!(key.verify_payload(&text).is_err(), "bit {bit}");
        }
    }
    let stranger = HmacKey::generate(MacAlgorithm::Hs256, Some("other")).unwrap();
    let other = stranger.verify(&good, &policy(), NOW).unwrap_err();
    assert_eq!(other, VerifyError::UnknownKey.into());
}

#[test]
fn sets_of_secrets() {
    let (a, b) = (jwk("HS256", &secret(32)), jwk("HS256", &secret(40)));
    let named = |mut jwk: Value, kid: &str| {
        jwk["kid"] = json!(kid);
        jwk
    };
    let parse = |keys: Value| HmacKeys::parse(json!({ "keys": keys }).to_string().as_bytes());
    let two = parse(json!([named(a.clone(), "a"), named(b.clone(), "b")])).unwrap();
    let (first, second) = {
        let mut keys = two.iter();
        (keys.next().unwrap(), keys.next().unwrap())
    };
    let token = second.sign("JWT", &claims()).unwrap();
    assert_eq!(two.verify_payload(&token).unwrap(), claims().to_string().into_bytes());
    assert_eq!(first.verify_payload(&token).unwrap_err(), VerifyError::UnknownKey.into());

    let nameless = HmacKey::from_jwk(&b).unwrap().sign("JWT", &claims()).unwrap();
    assert!(two.verify_payload(&nameless).is_ok(), "each is tried");
    let stranger = HmacKey::generate(MacAlgorithm::Hs256, None).unwrap();
    let token = stranger.sign("JWT", &claims()).unwrap();
    assert_eq!(two.verify_payload(&token).unwrap_err(), VerifyError::Signature.into());
    let many: Vec<Value> = (32..37).map(|len| jwk("HS256", &secret(len))).collect();
    let fourth = HmacKey::from_jwk(&many[3]).unwrap().sign("JWT", &claims()).unwrap();
    let fifth = HmacKey::from_jwk(&many[4]).unwrap().sign("JWT", &claims()).unwrap();
    let many = parse(Value::from(many)).unwrap();
    assert!(many.verify_payload(&fourth).is_ok());
    assert_eq!(many.verify_payload(&fifth).unwrap_err(), VerifyError::TooManyKeys.into());
    let other = HmacKey::generate(MacAlgorithm::Hs512, None).unwrap();
    let token = other.sign("JWT", &claims()).unwrap();
    assert_eq!(two.verify_payload(&token).unwrap_err(), VerifyError::UnknownKey.into());
    let none = two.verify_payload("a.b.c").unwrap_err();
    assert!(matches!(none, TokenError::Malformed(_)));

    let twins = parse(json!([named(a.clone(), "a"), named(b, "a")])).unwrap_err();
    assert_eq!(twins, KeySetError::DuplicateKid("a".to_owned()));
    let mixed = json!([a, key(Algorithm::Es256).public().to_jwk()]);
    assert_eq!(parse(mixed.clone()).unwrap_err(), KeySetError::Mixed);
    let text = json!({ "keys": mixed }).to_string();
    assert_eq!(KeySet::parse_own(text.as_bytes()).unwrap_err(), KeySetError::Mixed);
    assert_eq!(KeySet::parse_foreign(text.as_bytes()).unwrap_err(), KeySetError::Mixed);
    let weak = parse(json!([jwk("HS256", b"short")])).unwrap_err();
    assert!(matches!(weak, KeySetError::Key { index: 0, reason: KeyError::Weak(_) }));
}

#[test]
fn debug_shows_no_secret() {
    let octets = secret(32);
    let key = HmacKey::from_octets(MacAlgorithm::Hs256, Some("k"), &octets).unwrap();
    let shown = format!("{key:?}");
    assert!(shown.contains("Hs256") && !shown.contains(&encode(&octets)), "{shown}");
    assert!(!shown.contains("200"), "{shown}");
}
