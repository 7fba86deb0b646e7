//! JSON as this crate's own readers take it, written.
//!
//! What a value serializes to is known only as it is written: names of a map and of what is
//! flattened into it may meet, texts hold NUL. The rules of the reader are watched while
//! `serde_json` writes, and only where that cannot tell is the text read again.

use std::io;

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

use super::{JsonError, MAX_DEPTH, fingerprint, parse};

/// How many names are remembered at once, of all objects that are open.
const NAMES: usize = 32;

/// Why nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteError {
    /// The value does not serialize.
    Value,
    /// [`parse`] would refuse the text.
    Unreadable(JsonError),
}

/// Writes a value in place of what `text` held.
pub(crate) fn write<T: Serialize>(text: &mut Vec<u8>, value: &T) -> Result<(), WriteError> {
    text.clear();
    let mut watch = Watch::default();
    let written = value.serialize(&mut Serializer::with_formatter(&mut *text, &mut watch));
    if written.is_err() {
        return Err(watch.fault.map_or(WriteError::Value, WriteError::Unreadable));
    }
    if watch.unsure {
        parse(text).map_err(WriteError::Unreadable)?;
    }
    Ok(())
}

/// What has been written so far, as far as the rules of the reader ask. It lives on the stack: that
/// nothing is allocated keeps the watch at a fraction of the writing.
#[derive(Default)]
struct Watch {
    depth: usize,
    /// [`fingerprint`] of each name of the objects that are open, the innermost last.
    names: [u32; NAMES],
    /// How many there are.
    len: usize,
    /// The innermost object.
    object: Open,
    /// Those around it, by depth.
    outer: [Open; MAX_DEPTH],
    /// Whether a name is being written.
    in_name: bool,
    /// That of the name that is being written; 0 before its first octet.
    name: u32,
    /// Whether a piece of that name is written already.
    has_piece: bool,
    /// Whether only the reader can tell if the text has one reading.
    unsure: bool,
    /// The rule that ended the writing.
    fault: Option<JsonError>,
}

/// An object that is open.
#[derive(Clone, Copy, Default)]
struct Open {
    /// Where its names start.
    start: usize,
    /// A bit for each of them: a name whose bit is not there yet is compared with no other.
    seen: u64,
}

impl Watch {
    fn refuse(&mut self, fault: JsonError) -> io::Result<()> {
        self.fault = Some(fault);
        Err(io::ErrorKind::InvalidData.into())
    }

    fn enter(&mut self) -> io::Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { self.refuse(JsonError::TooDeep) } else { Ok(()) }
    }

    /// Takes down the name that was written. Of two with one fingerprint the reader has to tell.
    fn remember(&mut self) {
        let bit = 1 << (self.name % u64::BITS);
        let is_new = self.object.seen & bit == 0 || {
            let siblings = self.names.get(self.object.start..self.len).unwrap_or_default();
            !siblings.contains(&self.name)
        };
        self.object.seen |= bit;
        match self.names.get_mut(self.len) {
            // A name of no octets, or one that is not written as a text is, has none.
            Some(place) if is_new && self.name != 0 => {
                *place = self.name;
                self.len += 1;
            }
            _ => self.unsure = true,
        }
    }
}

impl Formatter for &mut Watch {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.enter()?;
        CompactFormatter.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        CompactFormatter.end_array(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.enter()?;
        if let Some(place) = self.outer.get_mut(self.depth - 1) {
            *place = std::mem::replace(&mut self.object, Open { start: self.len, seen: 0 });
        }
        CompactFormatter.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        self.len = self.object.start;
        self.object = self.outer.get(self.depth).copied().unwrap_or_default();
        CompactFormatter.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.in_name = true;
        self.has_piece = false;
        self.name = 0;
        CompactFormatter.begin_object_key(writer, first)
    }

    fn end_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.in_name = false;
        self.remember();
        CompactFormatter.end_object_key(writer)
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if self.in_name {
            // A name that comes in pieces, as `collect_str` writes it, has no fingerprint.
            self.unsure |= self.has_piece;
            self.has_piece = true;
            self.name = fingerprint(fragment);
        }
        CompactFormatter.write_string_fragment(writer, fragment)
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        if matches!(escape, CharEscape::AsciiControl(0)) {
            return self.refuse(JsonError::Nul);
        }
        self.unsure |= self.in_name;
        CompactFormatter.write_char_escape(writer, escape)
    }

    fn write_number_str<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        number: &str,
    ) -> io::Result<()> {
        self.unsure = true;
        CompactFormatter.write_number_str(writer, number)
    }

    fn write_raw_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        self.unsure = true;
        CompactFormatter.write_raw_fragment(writer, fragment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of any length are written so where another crate of the build wants them.
    #[test]
    fn a_number_that_is_a_text_is_left_to_the_reader() {
        let (mut watch, mut text) = (Watch::default(), Vec::new());
        (&mut watch).write_number_str(&mut text, "1e400").unwrap();
        assert!(watch.unsure);
        assert_eq!(text, b"1e400");
    }
}
