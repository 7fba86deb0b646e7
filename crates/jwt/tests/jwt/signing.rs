//! Nothing is signed that the reader of this crate would refuse.

use countersign_jwt::json::{JsonError, MAX_DEPTH};
use countersign_jwt::jws::{UnverifiedJws, sign_payload};
use countersign_jwt::mac::{HmacKey, MacAlgorithm};
use countersign_jwt::{Algorithm, Malformed, Sign, SignError, Unverified, sign};
use proptest::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};

use crate::support::{HEADER, claims, key, signed};

/// A key in a device, which names itself and signs as it likes.
struct Device {
    kid: String,
    signature: Vec<u8>,
}

impl Sign for Device {
    fn algorithm(&self) -> Algorithm {
        Algorithm::Es256
    }

    fn key_id(&self) -> Option<&str> {
        Some(&self.kid)
    }

    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(self.signature.clone())
    }
}

/// An object of these members, however often one occurs.
struct Members<'a>(&'a [(&'a str, Value)]);

impl Serialize for Members<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[track_caller]
fn refused(outcome: Result<String, SignError>, expected: Malformed) {
    let refused = matches!(outcome, Err(SignError::Unreadable(fault)) if fault == expected);
    assert!(refused, "{outcome:?}, not {expected:?}");
}

/// An object so many levels deep.
fn nested(levels: usize) -> Value {
    (1..levels).fold(json!({}), |inner, level| {
        if level % 2 == 0 { json!({ "a": inner }) } else { json!({ "a": inner, "b": [] }) }
    })
}

#[test]
fn types_that_no_reader_takes() {
    let es256 = key(Algorithm::Es256);
    let secret = HmacKey::generate(MacAlgorithm::Hs256, None).unwrap();
    let long = "a".repeat(129);
    let rows = [
        ("", Malformed::Member("typ")),
        ("é", Malformed::Member("typ")),
        (&long, Malformed::Member("typ")),
        ("a\0b", Malformed::Member("typ")),
    ];
    for (typ, expected) in rows {
        refused(sign(typ, es256, &claims()), expected);
        refused(sign_payload(Some(typ), es256, b"octets"), expected);
        refused(secret.sign(typ, &claims()), expected);
    }
    for typ in ["a", "a b\n\"", &"a".repeat(128)] {
        let token = sign(typ, es256, &claims()).unwrap();
        assert_eq!(Unverified::parse(&token).unwrap().header().typ(), Some(typ));
        let token = sign_payload(Some(typ), es256, b"octets").unwrap();
        assert_eq!(UnverifiedJws::parse(&token).unwrap().header().typ(), Some(typ));
    }
}

#[test]
fn a_key_in_a_device_is_held_to_the_same() {
    let device = |kid: &str, signature: &[u8]| Device {
        kid: kid.to_owned(),
        signature: signature.to_owned(),
    };
    for kid in ["", "a\nb", "\0", &"a".repeat(257)] {
        let key = device(kid, b"signature");
        refused(sign("JWT", &key, &claims()), Malformed::Member("kid"));
        refused(sign_payload(None, &key, b"octets"), Malformed::Member("kid"));
    }
    // A token without a signature is none.
    let outcome = sign("JWT", &device("1", b""), &claims());
    assert!(matches!(outcome, Err(SignError::Engine)), "{outcome:?}");
    let token = sign("JWT", &device("1", b"signature"), &claims()).unwrap();
    assert_eq!(Unverified::parse(&token).unwrap().header().kid(), Some("1"));
}

#[test]
fn claims_that_no_reader_takes() {
    let es256 = key(Algorithm::Es256);
    let payload = Malformed::Payload;
    for levels in [MAX_DEPTH + 1, 20, 100] {
        refused(sign("JWT", es256, &nested(levels)), payload(JsonError::TooDeep));
    }
    for claims in [json!({ "a": "x\0y" }), json!({ "a\0": 1 }), json!({ "a": [{ "b": "\0" }] })] {
        refused(sign("JWT", es256, &claims), payload(JsonError::Nul));
    }
    let token = sign("JWT", es256, &nested(MAX_DEPTH)).unwrap();
    assert!(Unverified::parse(&token).is_ok());
    let siblings = json!({ "a": [[], [[]], {}], "b": [{ "a": 1 }, { "a": 1 }], "c": { "a": 1 } });
    let token = sign("JWT", es256, &siblings).unwrap();
    assert!(Unverified::parse(&token).is_ok());
}

#[test]
fn a_member_twice() {
    let es256 = key(Algorithm::Es256);
    let twin = Malformed::Payload(JsonError::DuplicateMember);
    let secret = HmacKey::generate(MacAlgorithm::Hs256, None).unwrap();
    let one = || json!(1);
    let rows: [&[(&str, Value)]; 4] = [
        &[("sub", one()), ("sub", one())],
        &[("sub", json!({ "sub": [{}] })), ("iss", one()), ("sub", one())],
        &[("", one()), ("", one())],
        &[("a\"\n", one()), ("a\"\n", one())],
    ];
    for members in rows {
        refused(sign("JWT", es256, &Members(members)), twin);
        refused(secret.sign("JWT", &Members(members)), twin);
        refused(sign("JWT", es256, &json_of("a", Members(members))), twin);
    }
    // So many that names are not compared one by one.
    let names: Vec<String> = (0..100).map(|number| format!("m{number}")).collect();
    let mut members: Vec<_> = names.iter().map(|name| (name.as_str(), one())).collect();
    let token = sign("JWT", es256, &Members(&members)).unwrap();
    assert!(Unverified::parse(&token).is_ok());
    members.push(("m0", one()));
    refused(sign("JWT", es256, &Members(&members)), twin);
    // A name may be written from a number, and is a text all the same.
    #[derive(Serialize)]
    struct Numbered {
        #[serde(rename = "7")]
        seven: u8,
        #[serde(flatten)]
        others: std::collections::BTreeMap<u8, u8>,
    }
    let numbered = |number| Numbered { seven: 0, others: [(number, 0)].into() };
    refused(sign("JWT", es256, &numbered(7)), twin);
    assert!(Unverified::parse(&sign("JWT", es256, &numbered(8)).unwrap()).is_ok());
}

/// A member whose name is written piece by piece, as `collect_str` does it, and then `sub`.
struct InPieces(&'static [&'static str]);

impl std::fmt::Display for InPieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|piece| f.write_str(piece))
    }
}

impl Serialize for InPieces {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;

        struct Name<'a>(&'a InPieces);
        impl Serialize for Name<'_> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self.0)
            }
        }
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry(&Name(self), "mallory")?;
        members.serialize_entry("sub", "alice")?;
        members.end()
    }
}

#[test]
fn a_member_twice_and_once_in_pieces() {
    let es256 = key(Algorithm::Es256);
    for pieces in [&["s", "ub"][..], &["", "sub"], &["sub", ""], &["sub"]] {
        let outcome = sign("JWT", es256, &InPieces(pieces));
        refused(outcome, Malformed::Payload(JsonError::DuplicateMember));
    }
    let token = sign("JWT", es256, &InPieces(&["s", "u", "b", "s"])).unwrap();
    assert!(Unverified::parse(&token).is_ok());
}

/// Of a text that is written as it stands, the names and depth are the reader's to judge.
#[test]
fn claims_that_are_json_already() {
    let raw = |text: &str| serde_json::value::RawValue::from_string(text.to_owned()).unwrap();
    let es256 = key(Algorithm::Es256);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
    let rows = [
        (r#"{"a":1,"a":1}"#, JsonError::DuplicateMember),
        (r#"{"a":{"b":1,"\u0062":1}}"#, JsonError::DuplicateMember),
        (r#"{"a":"\u0000"}"#, JsonError::Nul),
        (r#"{"a":1e400}"#, JsonError::Syntax),
        (&deep, JsonError::TooDeep),
    ];
    for (text, fault) in rows {
        refused(sign("JWT", es256, &raw(text)), Malformed::Payload(fault));
        let inside = json_of("x", raw(text));
        refused(sign("JWT", es256, &inside), Malformed::Payload(fault));
    }
    for text in ["[]", "7", "\"{}\""] {
        let outcome = sign("JWT", es256, &raw(text));
        assert!(matches!(outcome, Err(SignError::Claims)), "{text}: {outcome:?}");
    }
    for text in ["{}", r#"{"a":{"b":[1.50,"\u00e9"]},"b":null}"#] {
        let token = sign("JWT", es256, &raw(text)).unwrap();
        let claims: Value = serde_json::from_str(text).unwrap();
        let read = Unverified::parse(&token).unwrap();
        assert_eq!(Value::Object(read.claims().as_map().clone()), claims);
    }
}

/// Names that look alike where they are compared first: by their ends and lengths.
#[test]
fn names_with_equal_ends_are_told_apart() {
    let es256 = key(Algorithm::Es256);
    let names: Vec<String> =
        ["a", "b", "cd"].map(|middle| format!("https://a.example/{middle}/https://")).to_vec();
    let mut members: Vec<_> = names.iter().map(|name| (name.as_str(), json!(1))).collect();
    let token = sign("JWT", es256, &Members(&members)).unwrap();
    let read = Unverified::parse(&token).unwrap();
    assert!(names.iter().all(|name| read.claims().has(name)));
    assert!(!read.claims().has("https://a.example/c/https://"));
    members.push(members[0].clone());
    let twin = Malformed::Payload(JsonError::DuplicateMember);
    refused(sign("JWT", es256, &Members(&members)), twin);
    let text = serde_json::to_string(&Members(&members)).unwrap();
    assert_eq!(Unverified::parse(&signed(es256, HEADER, text)).unwrap_err(), twin);
}

/// An object of one member.
fn json_of<T: Serialize>(name: &'static str, value: T) -> impl Serialize {
    std::collections::BTreeMap::from([(name, value)])
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "[\\x00-\u{ff}]{0,3}".prop_map(Value::from),
        (14..18_usize).prop_map(nested),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a\\x00é\"]{0,2}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Signing and reading refuse the same, and nothing else: the claims that serialize to one
    /// text are signed if a token of that text is read.
    #[test]
    fn what_is_refused_is_what_is_not_read(
        members in prop::collection::vec(("[ab\\x00\u{e9}]{0,2}", value()), 0..4),
    ) {
        let es256 = key(Algorithm::Es256);
        let members: Vec<_> =
            members.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let text = serde_json::to_string(&Members(&members)).unwrap();
        let read = Unverified::parse(&signed(es256, HEADER, text));
        match sign("JWT", es256, &Members(&members)) {
            Ok(token) => prop_assert!(read.is_ok() && Unverified::parse(&token).is_ok()),
            Err(SignError::Unreadable(_)) => prop_assert!(read.is_err()),
            Err(error) => prop_assert!(false, "{error}"),
        }
    }

    #[test]
    fn what_sign_returns_is_read(typ in "\\PC{0,3}|[\\x00-\u{ff}]{0,130}", kid in "\\PC{0,3}|[\\x00-\u{ff}]{0,260}") {
        let device = Device { kid: kid.clone(), signature: vec![1] };
        let outcome = sign(&typ, &device, &claims());
        let header = json!({ "alg": "ES256", "typ": typ, "kid": kid }).to_string();
        let read = Unverified::parse(&signed(key(Algorithm::Es256), header, claims().to_string()));
        prop_assert_eq!(outcome.is_ok(), read.is_ok());
        if let Ok(token) = outcome {
            prop_assert!(Unverified::parse(&token).is_ok());
        }
    }
}
