//! JSON as this crate's own readers take it, written.
//!
//! What a value serializes to is known only as it is written: names of a map and of what is
//! flattened into it may meet, texts hold NUL. So the rules of the reader are kept while writing,
//! and only where that cannot tell is the text read again. Texts that need no escapes, and those
//! are most, are copied whole; the others and all numbers are written by `serde_json`.

use serde::ser::{self, Serialize, SerializeStruct as _, Serializer};

use super::{JsonError, MAX_DEPTH, fingerprint, parse};

mod serializer;

/// How many names are remembered at once, of all objects that are open.
const NAMES: usize = 32;

/// Why nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WriteError {
    /// The value does not serialize.
    #[error("the value does not serialize")]
    Value,
    /// [`parse`] would refuse the text.
    #[error("no reader would take the text")]
    Unreadable(#[source] JsonError),
}

impl ser::Error for WriteError {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self::Value
    }
}

/// Writes a value in place of what `text` held.
pub(crate) fn write<T: Serialize>(text: &mut Vec<u8>, value: &T) -> Result<(), WriteError> {
    text.clear();
    let mut writer = Writer {
        text,
        depth: 0,
        names: [0; NAMES],
        len: 0,
        in_name: false,
        unsure: false,
        refused: None,
    };
    value.serialize(&mut writer)?;
    if let Some(error) = writer.refused {
        return Err(error);
    }
    if writer.unsure {
        parse(text).map_err(WriteError::Unreadable)?;
    }
    Ok(())
}

/// The text so far, and what the rules of the reader ask of it.
struct Writer<'t> {
    text: &'t mut Vec<u8>,
    depth: usize,
    /// [`fingerprint`] of each name of the objects that are open, the innermost last.
    names: [u32; NAMES],
    /// How many there are.
    len: usize,
    /// Whether a name is being written.
    in_name: bool,
    /// Whether only the reader can tell if the text has one reading.
    unsure: bool,
    /// What was refused first: a value that makes nothing of it leaves text in pieces.
    refused: Option<WriteError>,
}

impl<'t> Writer<'t> {
    /// Takes down what was refused within an array or object.
    fn noted(&mut self, outcome: Result<(), WriteError>) -> Result<(), WriteError> {
        if let Err(error) = outcome {
            self.refused.get_or_insert(error);
        }
        outcome
    }

    /// Writes what holds nothing, as `serde_json` does.
    fn leaf<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        serde_json::to_writer(&mut *self.text, value).map_err(|_| WriteError::Value)
    }

    fn string(&mut self, value: &str) -> Result<(), WriteError> {
        if !is_unescaped(value) {
            return self.escaped(value);
        }
        self.text.push(b'"');
        self.text.extend_from_slice(value.as_bytes());
        self.text.push(b'"');
        Ok(())
    }

    #[cold]
    fn escaped(&mut self, value: &str) -> Result<(), WriteError> {
        if value.contains('\0') {
            return Err(WriteError::Unreadable(JsonError::Nul));
        }
        self.leaf(value)
    }

    /// Writes a number or boolean, which a name holds as a text.
    fn scalar<T: Serialize>(&mut self, value: T) -> Result<(), WriteError> {
        if !self.in_name {
            return self.leaf(&value);
        }
        self.text.push(b'"');
        self.leaf(&value)?;
        self.text.push(b'"');
        // What no number of JSON is, a name is not made of either.
        if self.text.ends_with(b"null\"") { Err(WriteError::Value) } else { Ok(()) }
    }

    fn null(&mut self) -> Result<(), WriteError> {
        if self.in_name {
            return Err(WriteError::Value);
        }
        self.text.extend_from_slice(b"null");
        Ok(())
    }

    fn enter(&mut self, bracket: u8) -> Result<(), WriteError> {
        if self.in_name {
            return Err(WriteError::Value);
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(WriteError::Unreadable(JsonError::TooDeep));
        }
        self.text.push(bracket);
        Ok(())
    }

    /// Enters the object around the value of an enum's variant.
    fn enter_variant(&mut self, variant: &str) -> Result<&mut Self, WriteError> {
        self.enter(b'{')?;
        self.string(variant)?;
        self.text.push(b':');
        Ok(self)
    }

    /// Enters an array or object whose end is still to be written.
    fn open(&mut self, bracket: u8, closing: &'static [u8]) -> Result<Open<'_, 't>, WriteError> {
        self.enter(bracket)?;
        let start = self.len;
        Ok(Open { writer: self, closing, start, seen: 0, is_named: false })
    }
}

/// Whether a text stands in JSON as it is: without quotation marks, backslashes and control
/// characters. [RFC 8259 §7](https://www.rfc-editor.org/rfc/rfc8259#section-7)
fn is_unescaped(text: &str) -> bool {
    const EACH: u64 = u64::MAX / 255;
    // The highest bit of some octet, if one is below 0x20, or 0x22 (which is one below 0x21 with
    // its second bit changed), or 0x5C.
    let escapes = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        let low = word ^ (EACH * 0x02);
        let backslash = word ^ (EACH * 0x5C);
        (low.wrapping_sub(EACH * 0x21) & !low | backslash.wrapping_sub(EACH) & !backslash)
            & (EACH * 0x80)
    };
    let octets = text.as_bytes();
    match octets.last_chunk() {
        Some(last) => {
            let (words, _) = octets.as_chunks();
            words.iter().fold(escapes(last), |found, word| found | escapes(word)) == 0
        }
        None => octets.iter().all(|octet| !matches!(octet, 0..0x20 | b'"' | b'\\')),
    }
}

/// An array or object that is open.
struct Open<'w, 't> {
    writer: &'w mut Writer<'t>,
    /// What closes it, and what it is the value of: nothing if it is but a way to hand over a text.
    closing: &'static [u8],
    /// Where its names start.
    start: usize,
    /// A bit for each of them: a name whose bit is not there yet is compared with no other.
    seen: u64,
    /// Whether a name of a map was written, and its value was not.
    is_named: bool,
}

impl Open<'_, '_> {
    fn separate(&mut self) {
        // No value ends with a bracket that opens one.
        if !matches!(self.writer.text.last(), Some(b'[' | b'{')) {
            self.writer.text.push(b',');
        }
    }

    fn element<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<(), WriteError> {
        self.separate();
        let written = element.serialize(&mut *self.writer);
        self.writer.noted(written)
    }

    fn name<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<(), WriteError> {
        let written = self.write_name(name);
        self.writer.noted(written)
    }

    fn write_name<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<(), WriteError> {
        if std::mem::replace(&mut self.is_named, true) {
            return Err(WriteError::Value);
        }
        self.separate();
        let start = self.writer.text.len();
        self.writer.in_name = true;
        name.serialize(&mut *self.writer)?;
        self.writer.in_name = false;
        // Two names are one if they are written alike.
        let written = self.writer.text.get(start + 1..).unwrap_or_default();
        let name = fingerprint(written.strip_suffix(b"\"").unwrap_or_default());
        self.remember(name);
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        let written = match std::mem::take(&mut self.is_named) {
            true => value.serialize(&mut *self.writer),
            false => Err(WriteError::Value),
        };
        self.writer.noted(written)
    }

    /// Takes down the name that was written. Of two with one fingerprint, or too many of them, the
    /// reader has to tell.
    fn remember(&mut self, name: u32) {
        let Writer { names, len, unsure, .. } = &mut *self.writer;
        let bit = 1 << (name % u64::BITS);
        let is_new = self.seen & bit == 0
            || !names.get(self.start..*len).unwrap_or_default().contains(&name);
        self.seen |= bit;
        match names.get_mut(*len) {
            Some(place) if is_new => {
                *place = name;
                *len += 1;
            }
            _ => *unsure = true,
        }
        self.writer.text.push(b':');
    }

    fn member<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        let written = self.write_member(name, value);
        self.writer.noted(written)
    }

    fn write_member<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        if self.closing.is_empty() {
            return self.writer.leaf(&AsItStands { name, value });
        }
        self.separate();
        self.writer.string(name)?;
        // Of one object all names are taken as they are, or all as they are written.
        self.remember(fingerprint(name.as_bytes()));
        value.serialize(&mut *self.writer)
    }

    fn close(self) -> Result<(), WriteError> {
        if self.is_named {
            return Err(WriteError::Value);
        }
        self.writer.text.extend_from_slice(self.closing);
        self.writer.depth -= self.closing.len();
        self.writer.len = self.start;
        Ok(())
    }
}

/// A text of JSON, on its way to `serde_json`.
struct AsItStands<'a, T: ?Sized> {
    name: &'static str,
    value: &'a T,
}

impl<T: Serialize + ?Sized> Serialize for AsItStands<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = serializer.serialize_struct(self.name, 1)?;
        text.serialize_field(self.name, self.value)?;
        text.end()
    }
}

#[cfg(test)]
mod tests;
