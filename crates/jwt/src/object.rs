//! An object kept as the text it came in, with an index of its members.
//!
//! Reading a token into a tree of maps costs more than an RSA verification is meant to wait for:
//! one allocation for every name and string. Here strings stay where they are in the text; only
//! what has escapes in it, or is itself an object or array, becomes a value of its own. The rules
//! of [`json`](crate::json) hold all the same.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::json::{self, JsonError, Node};

/// From so many members on, comparing each with each costs more than hashing them.
const MANY: usize = 24;

/// A JSON object as it was received.
#[derive(Clone)]
pub(crate) struct Object {
    text: String,
    members: Vec<Member>,
}

#[derive(Clone)]
struct Member {
    /// [`fingerprint`] of the name.
    print: u32,
    name: Text,
    content: Content,
}

#[derive(Clone)]
enum Content {
    Text(Text),
    Value(Value),
}

/// A string: where it stands in the text, or, if escapes are written in it, what they stand for.
#[derive(Clone)]
enum Text {
    Place { start: u32, len: u32 },
    Unescaped(Box<str>),
}

/// A number by which most different names differ, so that few have to be compared.
fn fingerprint(name: &str) -> u32 {
    name.bytes().fold(0, |print: u32, octet| print.rotate_left(5) ^ u32::from(octet))
}

/// A member's value.
#[derive(Clone, Copy)]
pub(crate) enum Entry<'a> {
    /// A string.
    Text(&'a str),
    /// Anything else.
    Value(&'a Value),
}

impl<'a> Entry<'a> {
    pub(crate) fn of(value: &'a Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text),
            value => Self::Value(value),
        }
    }
}

impl Object {
    pub(crate) fn parse(input: Vec<u8>) -> Result<Self, JsonError> {
        let text = String::from_utf8(input).map_err(|_| JsonError::Encoding)?;
        if !text.trim_ascii_start().starts_with('{') {
            return Err(json::parse(text.as_bytes()).err().unwrap_or(JsonError::NotAnObject));
        }
        let fault = Cell::new(JsonError::Syntax);
        let members = Members { node: Node::outermost(&fault), base: &text };
        let members = json::read(&text, members, &fault)?;
        let object = Self { text, members };
        if object.has_twins() { Err(JsonError::DuplicateMember) } else { Ok(object) }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Entry<'_>> {
        let print = fingerprint(name);
        let named = |member: &&Member| member.print == print && self.text(&member.name) == name;
        self.members.iter().find(named).map(|member| self.entry(&member.content))
    }

    pub(crate) fn to_map(&self) -> Map<String, Value> {
        let owned = |member: &Member| {
            let value = match self.entry(&member.content) {
                Entry::Text(text) => Value::from(text),
                Entry::Value(value) => value.clone(),
            };
            (self.text(&member.name).to_owned(), value)
        };
        self.members.iter().map(owned).collect()
    }

    fn entry<'a>(&'a self, content: &'a Content) -> Entry<'a> {
        match content {
            Content::Text(text) => Entry::Text(self.text(text)),
            Content::Value(value) => Entry::Value(value),
        }
    }

    fn text<'a>(&'a self, text: &'a Text) -> &'a str {
        match text {
            // INVARIANT: places were taken from slices of this very text.
            Text::Place { start, len } => {
                let start = *start as usize;
                self.text.get(start..start + *len as usize).unwrap_or_default()
            }
            Text::Unescaped(text) => text,
        }
    }

    fn has_twins(&self) -> bool {
        if self.members.len() > MANY {
            let names = self.members.iter().map(|member| self.text(&member.name));
            return names.collect::<HashSet<_>>().len() < self.members.len();
        }
        let mut rest = self.members.as_slice();
        while let [member, others @ ..] = rest {
            let twin = |other: &Member| {
                other.print == member.print && self.text(&other.name) == self.text(&member.name)
            };
            if others.iter().any(twin) {
                return true;
            }
            rest = others;
        }
        false
    }
}

impl Text {
    fn place(part: &str, base: &str) -> Self {
        let start = part.as_ptr().addr() - base.as_ptr().addr();
        match (u32::try_from(start), u32::try_from(part.len())) {
            (Ok(start), Ok(len)) => Self::Place { start, len },
            _ => Self::Unescaped(part.into()),
        }
    }
}

/// The members of the outermost object, where each part of them stands in `base`.
#[derive(Clone, Copy)]
struct Members<'b> {
    node: Node<'b>,
    base: &'b str,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = Vec<Member>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Vec<Member>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let inner = Self { node: self.node.inner()?, ..self };
        // A member takes some 25 octets of text; a header has three of them, claims a dozen.
        let mut members = Vec::with_capacity((self.base.len() / 25).clamp(4, 24));
        while let Some((print, name)) = object.next_key_seed(NameOf(inner))? {
            let content = object.next_value_seed(ContentOf(inner))?;
            members.push(Member { print, name, content });
        }
        Ok(members)
    }
}

/// Reads a member's name, with its fingerprint.
struct NameOf<'b>(Members<'b>);

impl<'de> DeserializeSeed<'de> for NameOf<'_> {
    type Value = (u32, Text);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NameOf<'_> {
    type Value = (u32, Text);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok((fingerprint(text), Text::place(text, self.0.base)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        self.0.node.check_unescaped(text)?;
        Ok((fingerprint(text), Text::Unescaped(text.into())))
    }
}

/// Reads a member's value.
struct ContentOf<'b>(Members<'b>);

impl<'de> DeserializeSeed<'de> for ContentOf<'_> {
    type Value = Content;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ContentOf<'_> {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Content, E> {
        Ok(Content::Text(Text::place(text, self.0.base)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Content, E> {
        self.0.node.check_unescaped(text)?;
        Ok(Content::Text(Text::Unescaped(text.into())))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Content, E> {
        self.0.node.visit_unit().map(Content::Value)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Content, E> {
        self.0.node.visit_bool(value).map(Content::Value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Content, E> {
        self.0.node.visit_i64(value).map(Content::Value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Content, E> {
        self.0.node.visit_u64(value).map(Content::Value)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Content, E> {
        self.0.node.visit_f64(value).map(Content::Value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Content, A::Error> {
        self.0.node.visit_seq(sequence).map(Content::Value)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Content, A::Error> {
        self.0.node.visit_map(object).map(Content::Value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn agrees(text: &[u8]) {
        let tree = json::parse_object(text);
        let object = Object::parse(text.to_vec()).map(|object| object.to_map());
        assert_eq!(object, tree, "{:?}", String::from_utf8_lossy(text));
    }

    #[test]
    fn both_readers_say_the_same() {
        let rows: [&[u8]; 22] = [
            b"{}",
            b" \t\r\n{ \"a\" : \"b\" } ",
            br#"{"a":"b","c":["d"],"e":{"f":null},"g":1,"h":-1,"i":1.5,"j":true,"k":null}"#,
            br#"{"\u0061":"\u0062","c\"":"\n"}"#,
            br#"{"a":1,"a":1}"#,
            br#"{"a":1,"\u0061":1}"#,
            br#"{"a":{"b":1,"b":1}}"#,
            br#"{"a\u0000":1}"#,
            br#"{"a":"\u0000"}"#,
            br#"{"a":["\u0000"]}"#,
            br#"{"a":"\ud800"}"#,
            br#"{"a":1e400}"#,
            br#"{"a":1"#,
            br#"{"a"}"#,
            b"{} {}",
            b"[]",
            b"[1,1",
            b"\"{}\"",
            b"7",
            b"",
            b"\xef\xbb\xbf{}",
            b"{\"a\":\"\xff\"}",
        ];
        for text in rows {
            agrees(text);
        }
        for count in [MANY, MANY + 1, 2 * MANY] {
            let mut members: Vec<String> = (0..count).map(|n| format!("\"m{n}\":{n}")).collect();
            agrees(format!("{{{}}}", members.join(",")).as_bytes());
            members.push("\"m0\":0".to_owned());
            agrees(format!("{{{}}}", members.join(",")).as_bytes());
        }
        for levels in [14, 15, 16, 17] {
            let text = format!("{{\"a\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
            agrees(text.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn both_readers_say_the_same_of_anything(
            members in prop::collection::vec(("[ab\\\\\"\u{e9}\n]{0,3}", "[ -~\u{e9}\u{1f600}]{0,8}"), 0..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), Value::from(value.as_str())))
                .collect();
            let text = format!("{{{}}}", members.join(","));
            for text in [text.as_bytes(), &text.as_bytes()[..cut.index(text.len())]] {
                // What is wrong in two ways may be refused for either.
                let object = Object::parse(text.to_vec()).map(|object| object.to_map());
                prop_assert_eq!(object.ok(), json::parse_object(text).ok());
            }
        }
    }
}
