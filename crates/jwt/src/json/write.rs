//! JSON as this crate's own readers take it, written.
//!
//! What a value serializes to is known only as it is written: names of a map and of what is
//! flattened into it may meet, texts hold NUL. The rules of the reader are watched while
//! `serde_json` writes, and only where that cannot tell is the text read again.

use std::io;

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

use super::{JsonError, MAX_DEPTH, parse};

/// Beyond so many members of one object their names are not compared one by one.
const MANY: usize = 24;

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

/// What has been written so far, as far as the rules of the reader ask.
#[derive(Default)]
struct Watch {
    depth: usize,
    /// For each object that is open: where the names of the one around it start, then a number
    /// for each of its own names.
    names: Vec<usize>,
    /// Where the names of the innermost object start.
    start: usize,
    /// While a name is written, its number; 0 before its first octet.
    name: Option<usize>,
    /// Whether only the reader can tell if the text has one reading.
    unsure: bool,
    /// The rule that ended the writing.
    fault: Option<JsonError>,
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

    /// Takes down a name. Equal names have equal numbers; unequal ones may, and are then read.
    fn remember(&mut self, name: usize) {
        let siblings = self.names.get(self.start..).unwrap_or_default();
        // A name of no octets, or one that is not written as a text is.
        if name == 0 || siblings.len() >= MANY || siblings.contains(&name) {
            self.unsure = true;
        } else {
            self.names.push(name);
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
        self.names.push(self.start);
        self.start = self.names.len();
        CompactFormatter.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        self.names.truncate(self.start);
        self.start = self.names.pop().unwrap_or_default();
        CompactFormatter.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.name = Some(0);
        CompactFormatter.begin_object_key(writer, first)
    }

    fn end_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if let Some(name) = self.name.take() {
            self.remember(name);
        }
        CompactFormatter.end_object_key(writer)
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if let Some(name) = &mut self.name {
            let add = |name: usize, octet| name.rotate_left(5) ^ usize::from(octet);
            *name = fragment.bytes().fold(*name, add);
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
        self.unsure |= self.name.is_some();
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
