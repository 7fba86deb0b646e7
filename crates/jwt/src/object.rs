//! An object kept as the text it came in, with an index of its members.
//!
//! Reading a token into a tree of maps costs more than an RSA verification is meant to wait for:
//! one allocation for every name and string. Here strings stay where they are in the text, and only
//! those with escapes in them become values of their own. An object or array within is judged with
//! the rest, and becomes a tree when somebody asks for it. The rules of [`json`](crate::json) hold
//! all the same.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;
use std::sync::OnceLock;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::json::{self, JsonError, Node, fingerprint};

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
    Null,
    Bool(bool),
    Number(Number),
    Text(Text),
    Nested(Box<Nested>),
}

/// An array or object.
#[derive(Clone)]
struct Nested {
    parts: Parts,
    /// The tree of it, once somebody asked for it.
    tree: OnceLock<Value>,
}

#[derive(Clone)]
enum Parts {
    Array(Vec<Content>),
    Object(Vec<Member>),
}

/// A string: where it stands in the text, or, if escapes are written in it, what they stand for.
#[derive(Clone)]
enum Text {
    Place { start: u32, len: u32 },
    Unescaped(Box<str>),
}

/// A member's value.
#[derive(Clone, Copy)]
pub(crate) enum Entry<'a> {
    Null,
    Bool(bool),
    Number(&'a Number),
    Text(&'a str),
    /// An array or object.
    Nested(&'a Value),
}

impl<'a> Entry<'a> {
    pub(crate) fn of(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number),
            Value::String(text) => Self::Text(text),
            Value::Array(_) | Value::Object(_) => Self::Nested(value),
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
        let place = Place { node: Node::outermost(&fault), base: &text };
        let members = json::read(&text, Outermost(place), &fault)?;
        Ok(Self { text, members })
    }

    #[inline]
    pub(crate) fn get(&self, name: &str) -> Option<Entry<'_>> {
        self.find(fingerprint(name.as_bytes()), name)
    }

    fn find(&self, print: u32, name: &str) -> Option<Entry<'_>> {
        let named = |member: &&Member| member.print == print && member.name.of(&self.text) == name;
        Some(match &self.members.iter().find(named)?.content {
            Content::Null => Entry::Null,
            Content::Bool(value) => Entry::Bool(*value),
            Content::Number(number) => Entry::Number(number),
            Content::Text(text) => Entry::Text(text.of(&self.text)),
            Content::Nested(nested) => {
                Entry::Nested(nested.tree.get_or_init(|| nested.parts.to_tree(&self.text)))
            }
        })
    }

    pub(crate) fn to_map(&self) -> Map<String, Value> {
        to_map(&self.members, &self.text)
    }
}

fn to_map(members: &[Member], base: &str) -> Map<String, Value> {
    let owned = |it: &Member| (it.name.of(base).to_owned(), it.content.to_tree(base));
    members.iter().map(owned).collect()
}

impl Content {
    fn to_tree(&self, base: &str) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(text) => Value::from(text.of(base)),
            Self::Nested(nested) => {
                nested.tree.get().cloned().unwrap_or_else(|| nested.parts.to_tree(base))
            }
        }
    }
}

impl From<Parts> for Content {
    fn from(parts: Parts) -> Self {
        Self::Nested(Box::new(Nested { parts, tree: OnceLock::new() }))
    }
}

impl Parts {
    fn to_tree(&self, base: &str) -> Value {
        match self {
            Self::Array(contents) => contents.iter().map(|it| it.to_tree(base)).collect(),
            Self::Object(members) => Value::Object(to_map(members, base)),
        }
    }
}

/// Whether two of the members have one name.
fn have_twins(members: &[Member], base: &str) -> bool {
    let names = members.iter().map(|member| member.name.of(base));
    names.collect::<HashSet<_>>().len() < members.len()
}

impl Text {
    fn place(part: &str, base: &str) -> Self {
        // serde_json borrows from the text it reads, but for the names it makes up itself.
        let start = part.as_ptr().addr().checked_sub(base.as_ptr().addr());
        let start = start.filter(|start| start + part.len() <= base.len());
        match (start.map(u32::try_from), u32::try_from(part.len())) {
            (Some(Ok(start)), Ok(len)) => Self::Place { start, len },
            _ => Self::Unescaped(part.into()),
        }
    }

    fn of<'a>(&'a self, base: &'a str) -> &'a str {
        match self {
            // INVARIANT: places were taken from slices of this very text.
            Self::Place { start, len } => {
                let start = *start as usize;
                base.get(start..start + *len as usize).unwrap_or_default()
            }
            Self::Unescaped(text) => text,
        }
    }
}

/// A place in the text `base`.
#[derive(Clone, Copy)]
struct Place<'b> {
    node: Node<'b>,
    base: &'b str,
}

impl Place<'_> {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        Ok(Self { node: self.node.inner()?, ..self })
    }

    /// Reads the members of an object at this place after those that are there already.
    fn read_members<'de, A: MapAccess<'de>>(
        self,
        mut object: A,
        mut members: Vec<Member>,
    ) -> Result<Vec<Member>, A::Error> {
        let inner = self.inner()?;
        // A bit for each fingerprint: a name whose bit is not there yet is compared with no other.
        let mut seen = 0_u64;
        while let Some((print, name)) = object.next_key_seed(NameAt(inner))? {
            let bit = 1 << (print % u64::BITS);
            if seen & bit != 0 && members.len() < MANY {
                let twin = |other: &Member| {
                    other.print == print && other.name.of(self.base) == name.of(self.base)
                };
                if members.iter().any(twin) {
                    return Err(self.node.refuse(JsonError::DuplicateMember));
                }
            }
            seen |= bit;
            let content = object.next_value_seed(ContentAt(inner))?;
            members.push(Member { print, name, content });
        }
        if members.len() > MANY && have_twins(&members, self.base) {
            return Err(self.node.refuse(JsonError::DuplicateMember));
        }
        Ok(members)
    }
}

/// Reads the outermost object.
struct Outermost<'b>(Place<'b>);

impl<'de> DeserializeSeed<'de> for Outermost<'_> {
    type Value = Vec<Member>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Outermost<'_> {
    type Value = Vec<Member>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        // A member takes some 25 octets of text; a header has three of them, claims a dozen.
        let some = Vec::with_capacity((self.0.base.len() / 25).clamp(4, 20));
        self.0.read_members(object, some)
    }
}

/// Reads a member's name, with its fingerprint.
struct NameAt<'b>(Place<'b>);

impl<'de> DeserializeSeed<'de> for NameAt<'_> {
    type Value = (u32, Text);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NameAt<'_> {
    type Value = (u32, Text);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok((fingerprint(text.as_bytes()), Text::place(text, self.0.base)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        self.0.node.check_unescaped(text)?;
        Ok((fingerprint(text.as_bytes()), Text::Unescaped(text.into())))
    }
}

/// Reads a member's value, or an element.
#[derive(Clone, Copy)]
struct ContentAt<'b>(Place<'b>);

impl<'de> DeserializeSeed<'de> for ContentAt<'_> {
    type Value = Content;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ContentAt<'_> {
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

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Content, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom(JsonError::Syntax))?;
        Ok(Content::Number(number))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Content, A::Error> {
        let inner = Self(self.0.inner()?);
        let mut contents = Vec::new();
        while let Some(content) = sequence.next_element_seed(inner)? {
            contents.push(content);
        }
        Ok(Parts::Array(contents).into())
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Content, A::Error> {
        self.0.read_members(object, Vec::new()).map(|members| Parts::Object(members).into())
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
