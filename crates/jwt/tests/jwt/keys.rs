//! What a reader of keys and key sets must refuse, and what it must skip.

use countersign_jwt::json::JsonError;
use countersign_jwt::jwks::{KeySetError, MAX_SET, SkipReason};
use countersign_jwt::{Algorithm, KeyError, KeySet, PublicKey, SigningKey, Verify as _};
use serde_json::{Value, json};

use crate::support::{KEYS, encode, key};

fn with(algorithm: Algorithm, member: &str, value: Value) -> Value {
    let mut jwk = key(algorithm).public().to_jwk();
    jwk[member] = value;
    jwk
}

fn without(algorithm: Algorithm, member: &str) -> Value {
    let mut jwk = key(algorithm).public().to_jwk();
    jwk.as_object_mut().unwrap().remove(member);
    jwk
}

#[track_caller]
fn check(name: &str, jwk: &Value, expected: KeyError) {
    assert_eq!(PublicKey::from_jwk(jwk).map(|key| key.algorithm()), Err(expected), "{name}");
}

#[test]
fn keys_survive_rendering() {
    for key in KEYS.iter() {
        let public = PublicKey::from_json(key.public().to_jwk().to_string().as_bytes()).unwrap();
        assert_eq!(public.to_jwk(), key.public().to_jwk());
        assert_eq!(public.thumbprint(), key.public().thumbprint());
        let private = SigningKey::from_json(key.to_jwk().unwrap().as_bytes()).unwrap();
        assert_eq!(private.to_jwk().unwrap(), key.to_jwk().unwrap());
        let der = key.to_pkcs8_der().unwrap();
        let algorithm = key.public().algorithm();
        let again = SigningKey::from_pkcs8_der(algorithm, key.public().kid(), &der).unwrap();
        assert_eq!(again.to_jwk().unwrap(), key.to_jwk().unwrap());
        let spki = key.public().to_spki_der().unwrap();
        let again = PublicKey::from_spki_der(&spki, Some(algorithm), key.public().kid()).unwrap();
        assert_eq!(again.to_jwk(), key.public().to_jwk());
    }
}

#[test]
fn j4_use_and_operations_are_obeyed() {
    let rows = [
        ("use", json!("enc"), KeyError::Use),
        ("use", json!("SIG"), KeyError::Use),
        ("use", json!(["sig"]), KeyError::Malformed("use")),
        ("key_ops", json!(["encrypt"]), KeyError::Use),
        ("key_ops", json!(["sign"]), KeyError::Use),
        ("key_ops", json!([]), KeyError::Use),
        ("key_ops", json!(["verify", "encrypt"]), KeyError::Use),
        ("key_ops", json!(["deriveBits", "verify"]), KeyError::Use),
        ("key_ops", json!(["verify", "verify"]), KeyError::Malformed("key_ops")),
        ("key_ops", json!("verify"), KeyError::Malformed("key_ops")),
        ("key_ops", json!([1]), KeyError::Malformed("key_ops")),
        ("alg", json!("ES384"), KeyError::AlgorithmMismatch),
        ("alg", json!("RS256"), KeyError::AlgorithmMismatch),
        ("alg", json!("EdDSA"), KeyError::AlgorithmMismatch),
        ("alg", json!("HS256"), KeyError::Unsupported("alg")),
        ("alg", json!("none"), KeyError::Unsupported("alg")),
        ("alg", json!("es256"), KeyError::Unsupported("alg")),
        ("alg", json!(256), KeyError::Malformed("alg")),
        ("kid", json!(1), KeyError::Malformed("kid")),
        ("kid", json!(""), KeyError::Malformed("kid")),
        ("kid", json!("a\nb"), KeyError::Malformed("kid")),
        ("kid", json!("k".repeat(257)), KeyError::Malformed("kid")),
    ];
    for (member, value, expected) in rows {
        check(
            &format!("{member}: {value}"),
            &with(Algorithm::Es256, member, value.clone()),
            expected,
        );
    }
    let verify = with(Algorithm::Es256, "key_ops", json!(["verify", "x"]));
    assert!(PublicKey::from_jwk(&verify).is_ok());
    let named = with(Algorithm::Ed25519, "alg", json!("EdDSA"));
    assert_eq!(PublicKey::from_jwk(&named).unwrap().algorithm(), Algorithm::Ed25519);
    let bare = without(Algorithm::Ps256, "alg");
    assert_eq!(PublicKey::from_jwk(&bare).unwrap().algorithm(), Algorithm::Rs256);
}

#[test]
fn j18_types_curves_and_coordinates() {
    let x = key(Algorithm::Es256).public().to_jwk()["x"].as_str().unwrap().to_owned();
    let long = encode([[0].as_slice(), &[1; 32]].concat());
    let rows = [
        ("kty", json!("RSA"), KeyError::Missing("n")),
        ("kty", json!("oct"), KeyError::Missing("k")),
        ("kty", json!("ec"), KeyError::Unsupported("kty")),
        ("kty", json!(null), KeyError::Malformed("kty")),
        ("crv", json!("P-384"), KeyError::AlgorithmMismatch),
        ("crv", json!("P-521"), KeyError::AlgorithmMismatch),
        ("crv", json!("secp256k1"), KeyError::Unsupported("crv")),
        ("x", json!(encode([1; 31])), KeyError::Malformed("x")),
        ("x", json!(long), KeyError::Malformed("x")),
        ("x", json!(format!("{x}=")), KeyError::Malformed("x")),
        ("x", json!(""), KeyError::Malformed("x")),
        ("y", json!(7), KeyError::Malformed("y")),
        ("y", json!(x), KeyError::Invalid),
        ("y", json!(encode([0; 32])), KeyError::Invalid),
        ("x", json!(encode([0xff; 32])), KeyError::Invalid),
    ];
    for (member, value, expected) in rows {
        check(
            &format!("{member}: {value}"),
            &with(Algorithm::Es256, member, value.clone()),
            expected,
        );
    }
    check("no kty", &without(Algorithm::Es256, "kty"), KeyError::Missing("kty"));
    check("no y", &without(Algorithm::Es256, "y"), KeyError::Missing("y"));
    check("no object", &json!([]), KeyError::Json(JsonError::NotAnObject));
    let p384 = json!({ "kty": "EC", "crv": "P-384", "x": encode([1; 32]), "y": encode([1; 32]) });
    check("short P-384", &p384, KeyError::Malformed("x"));
    let x25519 = with(Algorithm::Ed25519, "crv", json!("X25519"));
    check("X25519", &x25519, KeyError::Unsupported("crv"));
    let order_two = with(Algorithm::Ed25519, "x", json!(encode([0; 32])));
    check("small order", &order_two, KeyError::Weak("a point of small order"));
}

/// The door of PEM, which takes the feature.
#[cfg(feature = "josekit")]
#[track_caller]
fn refused_as_pem(spki: &[u8]) {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use countersign_jwt::convert::{ConvertError, public_key_from_pem};

    let pem = STANDARD.encode(spki);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n");
    let outcome = public_key_from_pem(pem.as_bytes(), None, None);
    assert!(matches!(outcome, Err(ConvertError::Key(KeyError::Invalid))), "{spki:?}");
}

/// At each door through which an Ed25519 key comes in. The engine alone would take them.
#[test]
fn j18_an_ed25519_key_is_a_point_of_its_curve() {
    const PREFIX: [u8; 12] = [0x30, 42, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 33, 0];
    let mut random = 1_u64;
    let mut octets = || -> [u8; 32] {
        std::array::from_fn(|_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 56) as u8
        })
    };
    let mut two = [0; 32];
    two[0] = 2;
    let mut off = 0;
    for x in std::iter::once(two).chain((0..64).map(|_| octets())) {
        let jwk = with(Algorithm::Ed25519, "x", json!(encode(x)));
        if x != two && PublicKey::from_jwk(&jwk).is_ok() {
            continue;
        }
        off += 1;
        check("JWK", &jwk, KeyError::Invalid);
        let spki = [PREFIX.as_slice(), &x].concat();
        let refused = |outcome: Result<PublicKey, KeyError>| {
            assert_eq!(outcome.map(|key| key.algorithm()), Err(KeyError::Invalid), "{x:?}");
        };
        refused(PublicKey::from_json(jwk.to_string().as_bytes()));
        refused(PublicKey::from_jwk_for(&jwk, Algorithm::Ed25519));
        refused(PublicKey::from_spki_der(&spki, None, None));
        #[cfg(feature = "josekit")]
        refused_as_pem(&spki);
        let set = json!({ "keys": [jwk] }).to_string();
        let reason = KeyError::Invalid;
        let own = KeySet::parse_own(set.as_bytes()).unwrap_err();
        assert_eq!(own, KeySetError::Key { index: 0, reason: reason.clone() });
        let (keys, skipped) = KeySet::parse_foreign(set.as_bytes()).unwrap();
        assert!(keys.is_empty());
        assert_eq!(skipped[0].reason, SkipReason::Key(reason));
    }
    assert!((16..50).contains(&off), "about half of all octets: {off}");
}

#[test]
fn j16_weak_rsa_keys() {
    let n = key(Algorithm::Rs256).public().to_jwk()["n"].as_str().unwrap().to_owned();
    for exponent in ["AQ", "Aw", "AQAA", "EQ", "Ag"] {
        let jwk = with(Algorithm::Rs256, "e", json!(exponent));
        let reason = PublicKey::from_jwk(&jwk).unwrap_err();
        assert!(matches!(reason, KeyError::Weak(_)), "{exponent}: {reason}");
    }
    for (name, modulus) in [
        ("1024 bits", vec![0xc1; 128]),
        ("16384 bits", vec![0xc1; 2048]),
        ("even", {
            let mut even = vec![0xc1; 256];
            even[255] = 0xc0;
            even
        }),
    ] {
        let reason = PublicKey::from_jwk(&with(Algorithm::Rs256, "n", json!(encode(modulus))));
        assert!(matches!(reason, Err(KeyError::Weak(_))), "{name}");
    }
    let padded = with(Algorithm::Rs256, "e", json!("AAEAAQ"));
    check("leading zero", &padded, KeyError::Malformed("e"));
    let zero = with(Algorithm::Rs256, "n", json!(format!("AA{}", &n[2..])));
    check("leading zero in n", &zero, KeyError::Malformed("n"));
    check("empty", &with(Algorithm::Rs256, "n", json!("")), KeyError::Malformed("n"));
}

#[test]
fn j16_a_modulus_of_8192_bits_is_bounded_work() {
    let jwk = with(Algorithm::Rs256, "n", json!(encode(vec![0xc1; 1024])));
    let key = PublicKey::from_jwk(&jwk).unwrap();
    assert!(key.verify(b"input", &[1; 1024]).is_err());
}

/// 65537 to the power of 128 has the structure of a modulus of the generator that ROCA names: it is
/// a power of 65537 modulo every prime. It has 2049 bits and is odd, so nothing else is wrong with
/// it.
#[test]
fn j16_a_modulus_of_the_structure_that_roca_factors() {
    let mut power = vec![1_u8];
    for _ in 0..128 {
        // power · 65536 + power
        let mut sum: Vec<u8> = power.iter().copied().chain([0, 0]).collect();
        let mut carry = 0;
        let shift = sum.len() - power.len();
        for at in (0..sum.len()).rev() {
            let add = at.checked_sub(shift).map_or(0, |at| u16::from(power[at]));
            let total = u16::from(sum[at]) + add + carry;
            sum[at] = (total & 0xff) as u8;
            carry = total >> 8;
        }
        if carry > 0 {
            sum.insert(0, carry as u8);
        }
        power = sum;
    }
    assert_eq!((power.len(), power[0]), (257, 1));
    let jwk = with(Algorithm::Rs256, "n", json!(encode(&power)));
    check("ROCA", &jwk, KeyError::Weak("the modulus has the structure that ROCA factors"));
    power[255] ^= 4;
    let other = with(Algorithm::Rs256, "n", json!(encode(&power)));
    assert!(PublicKey::from_jwk(&other).is_ok(), "its neighbour has not");
}

#[test]
fn j20_private_material_is_refused() {
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        check(member, &with(Algorithm::Rs256, member, json!("AQAB")), KeyError::Private);
        check(member, &with(Algorithm::Es256, member, json!(null)), KeyError::Private);
    }
    for key in KEYS.iter() {
        let mixed = json!({ "keys": [
            KEYS[0].public().to_jwk(),
            serde_json::from_str::<Value>(&key.to_jwk().unwrap()).unwrap(),
        ]});
        let own = KeySet::parse_own(mixed.to_string().as_bytes()).unwrap_err();
        assert_eq!(own, KeySetError::Mixed);
        let foreign = KeySet::parse_foreign(mixed.to_string().as_bytes()).unwrap_err();
        assert_eq!(foreign, KeySetError::Mixed);
    }
}

#[test]
fn private_keys_belong_together() {
    for member in ["d", "p", "q", "dp", "dq", "qi"] {
        let text = key(Algorithm::Rs256).to_jwk().unwrap();
        let mut jwk: Value = serde_json::from_str(&text).unwrap();
        jwk.as_object_mut().unwrap().remove(member);
        assert_eq!(SigningKey::from_jwk(&jwk).unwrap_err(), KeyError::Missing(member));
        jwk[member] = json!("AQAB");
        assert_eq!(SigningKey::from_jwk(&jwk).unwrap_err(), KeyError::Invalid, "{member}");
    }
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Ed25519] {
        let other = SigningKey::generate(algorithm, None).unwrap();
        let mut jwk: Value = serde_json::from_str(&key(algorithm).to_jwk().unwrap()).unwrap();
        let stranger: Value = serde_json::from_str(&other.to_jwk().unwrap()).unwrap();
        jwk["d"] = stranger["d"].clone();
        assert_eq!(SigningKey::from_jwk(&jwk).unwrap_err(), KeyError::Invalid, "{algorithm}");
        jwk["d"] = json!("AQAB");
        assert!(SigningKey::from_jwk(&jwk).is_err());
    }
    let multi = with(Algorithm::Rs256, "oth", json!([]));
    assert_eq!(SigningKey::from_jwk(&multi).unwrap_err(), KeyError::Unsupported("oth"));
    let ops = with(Algorithm::Es256, "key_ops", json!(["verify"]));
    assert_eq!(SigningKey::from_jwk(&ops).unwrap_err(), KeyError::Use);
    let der = key(Algorithm::Es256).to_pkcs8_der().unwrap();
    for algorithm in [Algorithm::Es384, Algorithm::Rs256, Algorithm::Ed25519] {
        let wrong = SigningKey::from_pkcs8_der(algorithm, None, &der).unwrap_err();
        assert_eq!(wrong, KeyError::Invalid, "{algorithm}");
    }
}

#[test]
fn j9_colliding_kids() {
    let (a, b) = (key(Algorithm::Es256), key(Algorithm::Ed25519));
    let mut twin = b.public().to_jwk();
    twin["kid"] = a.public().to_jwk()["kid"].clone();
    let unnamed = without(Algorithm::Rs256, "kid");
    let set = json!({ "keys": [
        a.public().to_jwk(), unnamed.clone(), twin, unnamed, key(Algorithm::Es384).public().to_jwk(),
    ]})
    .to_string();
    let own = KeySet::parse_own(set.as_bytes()).unwrap_err();
    assert_eq!(own, KeySetError::DuplicateKid("ES256".to_owned()));
    let (keys, skipped) = KeySet::parse_foreign(set.as_bytes()).unwrap();
    assert_eq!(keys.len(), 3, "keys without kid do not collide");
    assert!(!keys.contains_kid("ES256"));
    let places: Vec<usize> = skipped.iter().map(|key| key.index).collect();
    assert_eq!(places, [0, 2]);
    assert!(skipped.iter().all(|key| key.reason == SkipReason::DuplicateKid));
}

/// A key has a twin by its name alone: whether its type, its use or its numbers differ, or it is
/// not understood, nobody can say which of the two is meant.
#[test]
fn j9_a_twin_is_one_by_name_alone() {
    let own = key(Algorithm::Es256).public().to_jwk();
    let other = json!({ "kid": own["kid"] });
    let mut encrypts = own.clone();
    encrypts["use"] = json!("enc");
    encrypts.as_object_mut().unwrap().remove("alg");
    for twin in [other, encrypts, own.clone()] {
        let set = json!({ "keys": [own, twin] }).to_string();
        let (keys, skipped) = KeySet::parse_foreign(set.as_bytes()).unwrap();
        assert!(keys.is_empty(), "{twin}");
        assert_eq!(skipped.len(), 2);
        let strict = KeySet::parse_own(set.as_bytes()).unwrap_err();
        assert_eq!(strict, KeySetError::DuplicateKid("ES256".to_owned()));
    }
}

#[test]
fn a_set_of_private_keys_is_not_mixed_and_not_published() {
    let text = key(Algorithm::Es256).to_jwk().unwrap();
    let set = format!(r#"{{"keys":[{}]}}"#, *text);
    let reason = KeySetError::Key { index: 0, reason: KeyError::Private };
    assert_eq!(KeySet::parse_own(set.as_bytes()).unwrap_err(), reason);
    assert_eq!(KeySet::parse_foreign(set.as_bytes()).unwrap_err(), reason);
}

#[test]
fn foreign_sets_are_read_key_by_key() {
    let good = key(Algorithm::Es256).public().to_jwk();
    let set = json!({ "keys": [
        7, null, {}, { "kty": "oct" }, { "kty": "EC", "crv": "P-224", "kid": "5" },
        { "kty": "RSA", "n": "?", "e": "AQAB" }, good, { "kty": "new" },
    ], "extra": true })
    .to_string();
    let (keys, skipped) = KeySet::parse_foreign(set.as_bytes()).unwrap();
    assert_eq!((keys.len(), skipped.len()), (1, 7));
    assert_eq!(skipped[4].kid.as_deref(), Some("5"));
    assert!(KeySet::parse_own(set.as_bytes()).is_err());
}

#[test]
fn texts_that_are_no_set() {
    let key = key(Algorithm::Es256).public().to_jwk().to_string();
    let rows = [
        ("empty", String::new(), KeySetError::Json(JsonError::Syntax)),
        ("array", "[]".to_owned(), KeySetError::Json(JsonError::NotAnObject)),
        ("no keys", "{}".to_owned(), KeySetError::NoKeys),
        ("one key", key.clone(), KeySetError::NoKeys),
        ("keys object", r#"{"keys":{}}"#.to_owned(), KeySetError::NoKeys),
        (
            "twice",
            r#"{"keys":[],"keys":[]}"#.to_owned(),
            KeySetError::Json(JsonError::DuplicateMember),
        ),
        (
            "member twice",
            format!(r#"{{"keys":[{},"kty":"EC"}}]}}"#, key.strip_suffix('}').unwrap()),
            KeySetError::Json(JsonError::DuplicateMember),
        ),
        ("long", " ".repeat(MAX_SET + 1), KeySetError::TooLong),
    ];
    for (name, text, expected) in rows {
        assert_eq!(KeySet::parse_own(text.as_bytes()).unwrap_err(), expected, "{name}");
        assert_eq!(KeySet::parse_foreign(text.as_bytes()).unwrap_err(), expected, "{name}");
    }
    assert!(KeySet::parse_own(br#"{"keys":[]}"#).unwrap().is_empty());
}

#[test]
fn debug_shows_no_private_number() {
    let key = key(Algorithm::Es256);
    let jwk: Value = serde_json::from_str(&key.to_jwk().unwrap()).unwrap();
    assert!(!format!("{key:?}").contains(jwk["d"].as_str().unwrap()));
}
