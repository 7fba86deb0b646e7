use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Serialize;
use serde_json::value::RawValue;

use super::*;

#[derive(Serialize)]
enum Kind {
    Unit,
    Newtype(Option<char>),
    Tuple((), f32),
    Struct {
        a: Unit,
        b: i128,
    },
    #[serde(rename = "\"\n")]
    Quoted(u8, u8),
    #[serde(rename = "\\\u{7f}")]
    Escaped {
        a: Octets,
    },
}

struct Octets;

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(b"\0\xff")
    }
}

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct All<'a> {
    kinds: [Kind; 7],
    bools: BTreeMap<bool, &'a str>,
    numbers: BTreeMap<i64, f64>,
    #[serde(flatten)]
    texts: BTreeMap<String, Option<(String, u8)>>,
    raw: &'a RawValue,
}

proptest! {
    #[test]
    fn what_is_written_is_what_serde_json_writes(
        letter in any::<char>(),
        text in "[ -~\\x00-\u{ff}]{0,20}",
        names in prop::collection::btree_map("[ab\"\\\\\u{7f}\u{e9}\n]{0,17}", any::<Option<(String, u8)>>(), 0..40),
        number in any::<i64>(),
        real in any::<f64>(),
    ) {
        let raw = RawValue::from_string("[1.50]".to_owned()).unwrap();
        let a_struct = Kind::Struct { a: Unit, b: number.into() };
        let newtype = Kind::Newtype(Some(letter));
        let kinds = [
            Kind::Unit,
            newtype,
            Kind::Newtype(None),
            Kind::Tuple((), real as f32),
            a_struct,
            Kind::Quoted(1, 2),
            Kind::Escaped { a: Octets },
        ];
        let value = All {
            kinds,
            bools: [(number > 0, text.as_str())].into(),
            numbers: [(number, real)].into(),
            texts: names,
            raw: &raw,
        };
        let expected = serde_json::to_vec(&value).unwrap();
        let mut written = b"what was there".to_vec();
        match write(&mut written, &value) {
            Ok(()) => prop_assert_eq!(written, expected),
            Err(error) => prop_assert_eq!(error, WriteError::Unreadable(parse(&expected).unwrap_err())),
        }
    }
}

#[test]
fn names_are_texts() {
    #[track_caller]
    fn refused(name: impl Serialize) {
        assert_eq!(write(&mut Vec::new(), &Named(name)), Err(WriteError::Value));
    }
    refused(());
    refused(None::<u8>);
    refused([1]);
    refused(f64::NAN);
    refused(Kind::Newtype(None));
    refused(Kind::Tuple((), 1.5));
    refused(RawValue::from_string("\"a\"".to_owned()).unwrap());
    let mut text = Vec::new();
    write(&mut text, &Named(Some('\n'))).unwrap();
    assert_eq!(text, br#"{"\n":null}"#);
}

/// What serde's contract forbids, and what makes nothing of an error.
#[derive(Clone, Copy, Debug)]
enum Faulty {
    ValueWithoutName,
    ValueTwice,
    NameTwice,
    NameAlone,
    BadName,
    BadValue,
    BadElement,
    TwinField,
    TwinFieldOfVariant,
}

impl Serialize for Faulty {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use ser::{SerializeMap as _, SerializeSeq as _, SerializeStructVariant as _};
        match self {
            Self::TwinField => {
                let mut object = serializer.serialize_struct("", 2)?;
                object.serialize_field("a", &1)?;
                object.serialize_field("a", &2)?;
                return object.end();
            }
            Self::TwinFieldOfVariant => {
                let mut object = serializer.serialize_struct_variant("", 0, "a", 2)?;
                object.serialize_field("a", &1)?;
                object.serialize_field("a", &2)?;
                return object.end();
            }
            Self::BadElement => {
                let mut array = serializer.serialize_seq(None)?;
                let _ = array.serialize_element("\0");
                array.serialize_element(&1)?;
                return array.end();
            }
            _ => {}
        }
        let mut object = serializer.serialize_map(None)?;
        match self {
            Self::ValueWithoutName => object.serialize_value(&1)?,
            Self::ValueTwice => {
                object.serialize_entry("a", &1)?;
                object.serialize_value(&2)?;
            }
            Self::NameTwice => {
                object.serialize_key("a")?;
                object.serialize_entry("b", &1)?;
            }
            Self::NameAlone => object.serialize_key("a")?,
            Self::BadName => {
                let _ = object.serialize_key(&());
                object.serialize_value(&1)?;
            }
            _ => {
                let _ = object.serialize_entry("a", "\0");
                object.serialize_entry("b", &1)?;
            }
        }
        object.end()
    }
}

#[test]
fn what_breaks_the_contract_is_not_written() {
    let value = Err(WriteError::Value);
    let nul = Err(WriteError::Unreadable(JsonError::Nul));
    let twin = Err(WriteError::Unreadable(JsonError::DuplicateMember));
    for (faulty, expected) in [
        (Faulty::ValueWithoutName, value),
        (Faulty::ValueTwice, value),
        (Faulty::NameTwice, value),
        (Faulty::NameAlone, value),
        (Faulty::BadName, value),
        (Faulty::BadValue, nul),
        (Faulty::BadElement, nul),
        (Faulty::TwinField, twin),
        (Faulty::TwinFieldOfVariant, twin),
    ] {
        assert_eq!(write(&mut Vec::new(), &faulty), expected, "{faulty:?}");
        assert_eq!(write(&mut Vec::new(), &[[faulty]]), expected, "{faulty:?} within");
    }
}

#[test]
fn a_variant_that_was_closed_is_no_level() {
    let many: Vec<_> = (0..2 * MAX_DEPTH).map(|_| Kind::Escaped { a: Octets }).collect();
    let mut text = Vec::new();
    write(&mut text, &many).unwrap();
    assert_eq!(text, serde_json::to_vec(&many).unwrap());
}

/// An object with one member of this name.
struct Named<T>(T);

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(&self.0, ())])
    }
}
