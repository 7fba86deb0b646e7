//! An object kept as the text it came in, with an index of its members.
//!
//! Reading a token into a tree of maps costs more than an RSA verification is meant to wait for:
//! one allocation for every name and string. Here strings stay where they are in the text, and only
//! those with escapes in them become values of their own. What is within an object or array stands
//! in the same index, and becomes a tree when somebody asks for it. The rules of
//! [`json`] hold all the same.

use std::sync::OnceLock;

use serde_json::{Map, Number, Value};

use crate::json::{self, JsonError, fingerprint};

mod read;

/// A JSON object as it was received.
#[derive(Clone)]
pub(crate) struct Object {
    text: String,
    /// As they stand in the text: each with what is within it behind it.
    members: Vec<Member>,
    /// Those of the outermost.
    names: Names,
    /// The trees of those that are arrays and objects, once somebody asked for one.
    trees: OnceLock<Map<String, Value>>,
}

/// A member of an object, or an element of an array, whose name is empty.
#[derive(Clone)]
pub(crate) struct Member {
    /// [`fingerprint`] of the name.
    print: u32,
    /// How many of those behind it are within it.
    within: usize,
    name: Text,
    content: Content,
}

#[derive(Clone)]
enum Content {
    Null,
    Bool(bool),
    Number(Number),
    Text(Text),
    Array,
    Object,
}

/// A bit for each fingerprint of some names: a name whose bit is not there is none of them.
#[derive(Clone, Copy, Default)]
struct Names(u64);

impl Names {
    const fn may_have(self, print: u32) -> bool {
        self.0 & Self::bit(print) != 0
    }

    const fn add(&mut self, print: u32) {
        self.0 |= Self::bit(print);
    }

    const fn bit(print: u32) -> u64 {
        1 << (print % u64::BITS)
    }
}

/// The members of one object or the elements of one array, each with those within it.
#[derive(Clone, Copy)]
pub(crate) struct Level<'a>(&'a [Member]);

impl<'a> Iterator for Level<'a> {
    type Item = (&'a Member, Self);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (member, behind) = self.0.split_first()?;
        let (within, behind) = behind.split_at_checked(member.within)?;
        self.0 = behind;
        Some((member, Self(within)))
    }
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
    Nested(Nested<'a>),
}

/// An array or object, which becomes a tree when somebody asks for one.
#[derive(Clone, Copy)]
pub(crate) enum Nested<'a> {
    Given(&'a Value),
    Received { object: &'a Object, member: &'a Member, within: Level<'a> },
}

impl<'a> Nested<'a> {
    pub(crate) fn tree(self) -> Option<&'a Value> {
        match self {
            Self::Given(value) => Some(value),
            Self::Received { object, member, .. } => {
                object.trees().get(member.name.of(&object.text))
            }
        }
    }

    /// The elements of an array of strings.
    pub(crate) fn strings(self) -> Option<Vec<&'a str>> {
        match self {
            Self::Given(value) => value.as_array()?.iter().map(Value::as_str).collect(),
            Self::Received { object, member, within } => match member.content {
                Content::Array => within.map(|(element, _)| element.as_str(&object.text)).collect(),
                _ => None,
            },
        }
    }
}

impl<'a> Entry<'a> {
    pub(crate) fn of(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number),
            Value::String(text) => Self::Text(text),
            Value::Array(_) | Value::Object(_) => Self::Nested(Nested::Given(value)),
        }
    }

    /// An array or object.
    pub(crate) fn tree(self) -> Option<&'a Value> {
        match self {
            Self::Nested(nested) => nested.tree(),
            _ => None,
        }
    }
}

impl Object {
    pub(crate) fn parse(input: Vec<u8>) -> Result<Self, JsonError> {
        let text = String::from_utf8(input).map_err(|_| JsonError::Encoding)?;
        if !text.trim_ascii_start().starts_with('{') {
            return Err(json::parse(text.as_bytes()).err().unwrap_or(JsonError::NotAnObject));
        }
        let (members, names) = read::members(&text)?;
        Ok(Self { text, members, names, trees: OnceLock::new() })
    }

    #[inline]
    pub(crate) fn get(&self, name: &str) -> Option<Entry<'_>> {
        let print = fingerprint(name.as_bytes());
        if self.names.may_have(print) { self.find(print, name) } else { None }
    }

    fn find(&self, print: u32, name: &str) -> Option<Entry<'_>> {
        let named = |member: &Member| member.print == print && member.name.of(&self.text) == name;
        let (member, within) = Level(&self.members).find(|(member, _)| named(member))?;
        Some(match &member.content {
            Content::Null => Entry::Null,
            Content::Bool(value) => Entry::Bool(*value),
            Content::Number(number) => Entry::Number(number),
            Content::Text(text) => Entry::Text(text.of(&self.text)),
            Content::Array | Content::Object => {
                Entry::Nested(Nested::Received { object: self, member, within })
            }
        })
    }

    fn trees(&self) -> &Map<String, Value> {
        self.trees.get_or_init(|| {
            let nested =
                |member: &Member| matches!(member.content, Content::Array | Content::Object);
            to_map(Level(&self.members).filter(|(member, _)| nested(member)), &self.text)
        })
    }

    pub(crate) fn to_map(&self) -> Map<String, Value> {
        self.select(|_| true)
    }

    /// The members of wanted names.
    pub(crate) fn select(&self, wanted: impl Fn(&str) -> bool) -> Map<String, Value> {
        let members = Level(&self.members);
        to_map(members.filter(|(member, _)| wanted(member.name.of(&self.text))), &self.text)
    }
}

fn to_map<'a>(
    members: impl Iterator<Item = (&'a Member, Level<'a>)>,
    base: &str,
) -> Map<String, Value> {
    members
        .map(|(member, within)| (member.name.of(base).to_owned(), member.to_tree(within, base)))
        .collect()
}

impl Member {
    fn as_str<'a>(&'a self, base: &'a str) -> Option<&'a str> {
        match &self.content {
            Content::Text(text) => Some(text.of(base)),
            _ => None,
        }
    }

    fn to_tree(&self, within: Level<'_>, base: &str) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(number) => Value::Number(number.clone()),
            Content::Text(text) => Value::from(text.of(base)),
            Content::Array => {
                within.map(|(element, within)| element.to_tree(within, base)).collect()
            }
            Content::Object => Value::Object(to_map(within, base)),
        }
    }
}

impl Text {
    const EMPTY: Self = Self::Place { start: 0, len: 0 };

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::read::MANY;
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
        for count in [MANY - 1, MANY, MANY + 1, 2 * MANY] {
            let members: Vec<String> = (0..count).map(|n| format!("\"m{n}\":{n}")).collect();
            for last in [r#""last":0"#, r#""m0":0"#] {
                let members = [&members[..], &[last.to_owned()]].concat();
                let object = format!("{{{}}}", members.join(","));
                agrees(object.as_bytes());
                agrees(format!(r#"{{"o":{object}}}"#).as_bytes());
            }
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
