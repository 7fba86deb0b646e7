//! Reading an object from its text, one member behind the other.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::{Content, Level, Member, Names, Text};
use crate::json::{self, JsonError, Node, fingerprint};

/// From so many members on, comparing each with each costs more than hashing them.
pub(super) const MANY: usize = 24;

/// The members of the object that is the text, and which names there may be among the outermost of
/// them.
pub(super) fn members(text: &str) -> Result<(Vec<Member>, Names), JsonError> {
    let fault = Cell::new(JsonError::Syntax);
    let place = Place { node: Node::outermost(&fault), base: text };
    json::read(text, Outermost(place), &fault)
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

    /// Reads the members of an object at this place, behind what was read before.
    fn read_members<'de, A: MapAccess<'de>>(
        self,
        mut object: A,
        members: &mut Vec<Member>,
    ) -> Result<Names, A::Error> {
        let inner = self.inner()?;
        let start = members.len();
        let mut count = 0;
        let mut seen = Names::default();
        while let Some((print, name)) = object.next_key_seed(NameAt(inner))? {
            // Else it is compared with no other.
            if seen.may_have(print) && count < MANY {
                let twin = |other: &Member| {
                    other.print == print && other.name.of(self.base) == name.of(self.base)
                };
                if level(members, start).any(|(other, _)| twin(other)) {
                    return Err(self.node.refuse(JsonError::DuplicateMember));
                }
            }
            seen.add(print);
            count += 1;
            object.next_value_seed(MemberAt { place: inner, members, print, name })?;
        }
        if count > MANY {
            let names = level(members, start).map(|(member, _)| member.name.of(self.base));
            if names.collect::<HashSet<_>>().len() < count {
                return Err(self.node.refuse(JsonError::DuplicateMember));
            }
        }
        Ok(seen)
    }
}

/// What was read from `start` on.
fn level(members: &[Member], start: usize) -> Level<'_> {
    Level(members.get(start..).unwrap_or_default())
}

/// Reads the outermost object.
struct Outermost<'b>(Place<'b>);

impl<'de> DeserializeSeed<'de> for Outermost<'_> {
    type Value = (Vec<Member>, Names);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Outermost<'_> {
    type Value = (Vec<Member>, Names);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
        // A member takes some 25 octets of text; a header has three of them, claims a dozen.
        let mut members = Vec::with_capacity((self.0.base.len() / 25).clamp(4, 20));
        let names = self.0.read_members(object, &mut members)?;
        Ok((members, names))
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

/// Reads the value of a member of this name, or an element, and puts it behind what was read
/// before.
struct MemberAt<'m, 'b> {
    place: Place<'b>,
    members: &'m mut Vec<Member>,
    print: u32,
    name: Text,
}

impl MemberAt<'_, '_> {
    fn put(self, content: Content) {
        let Self { members, print, name, .. } = self;
        members.push(Member { print, within: 0, name, content });
    }

    /// Puts an array or object there, and behind it what `read` finds within.
    fn nest<E>(
        self,
        content: Content,
        read: impl FnOnce(Place<'_>, &mut Vec<Member>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self { place, members, print, name } = self;
        let at = members.len();
        members.push(Member { print, within: 0, name, content });
        read(place, members)?;
        let within = members.len() - at - 1;
        if let Some(member) = members.get_mut(at) {
            member.within = within;
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for MemberAt<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MemberAt<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<(), E> {
        let text = Text::place(text, self.place.base);
        self.put(Content::Text(text));
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.place.node.check_unescaped(text)?;
        self.put(Content::Text(Text::Unescaped(text.into())));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.put(Content::Null);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.put(Content::Bool(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.put(Content::Number(value.into()));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.put(Content::Number(value.into()));
        Ok(())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom(JsonError::Syntax))?;
        self.put(Content::Number(number));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        self.nest(Content::Array, |place, members| {
            let place = place.inner()?;
            loop {
                let name = Text::EMPTY;
                let element = MemberAt { place, members: &mut *members, print: 0, name };
                if sequence.next_element_seed(element)?.is_none() {
                    return Ok(());
                }
            }
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        self.nest(Content::Object, |place, members| place.read_members(object, members).map(drop))
    }
}
