//! What the shim wrote down.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// One call, in the order of all calls.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) act: Act,
    /// Of the file, within the directory that is looked at.
    pub(crate) name: String,
    /// Stays with a file whatever its name is.
    pub(crate) inode: u64,
    /// What the call ended with, if it failed.
    pub(crate) error: Option<i32>,
}

/// What was done.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Create,
    Write {
        at: usize,
        octets: Vec<u8>,
    },
    Truncate {
        length: usize,
    },
    Sync,
    SyncDirectory,
    Unlink,
    /// Not a call: what the program says.
    Mark(String),
}

/// Octets of a head.
const HEAD: usize = 32;

/// Reads a record.
pub(crate) fn read(path: &Path) -> io::Result<Vec<Call>> {
    read_on(path, &mut 0)
}

/// Reads what came behind this octet, and takes note of how far that is.
pub(crate) fn read_on(path: &Path, from: &mut u64) -> io::Result<Vec<Call>> {
    let (mut file, mut octets) = (File::open(path)?, Vec::new());
    file.seek(SeekFrom::Start(*from))?;
    file.read_to_end(&mut octets)?;
    let (mut rest, mut calls) = (octets.as_slice(), Vec::new());
    while let Some((call, behind)) = next(rest) {
        calls.push(call);
        rest = behind;
    }
    *from += (octets.len() - rest.len()) as u64;
    Ok(calls)
}

fn next(octets: &[u8]) -> Option<(Call, &[u8])> {
    let (head, rest) = octets.split_at_checked(HEAD)?;
    let long = |at: usize| Some(u64::from_ne_bytes(head.get(at..at + 8)?.try_into().ok()?));
    let short = |at: usize| Some(u32::from_ne_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let (error, inode, offset) = (short(4)?.cast_signed(), long(8)?, long(16)? as usize);
    let (name, rest) = rest.split_at_checked(short(24)? as usize)?;
    let (data, rest) = rest.split_at_checked(short(28)? as usize)?;
    let act = match head.first()? {
        b'c' => Act::Create,
        b'w' => Act::Write { at: offset, octets: data.to_vec() },
        b't' => Act::Truncate { length: offset },
        b's' => Act::Sync,
        b'd' => Act::SyncDirectory,
        b'u' => Act::Unlink,
        b'm' => Act::Mark(String::from_utf8_lossy(data).into_owned()),
        _ => return None,
    };
    let name = String::from_utf8_lossy(name).into_owned();
    Some((Call { act, name, inode, error: (error != 0).then_some(error) }, rest))
}

impl Call {
    /// Whether something about the files is another thing afterwards.
    pub(crate) const fn has_effect(&self) -> bool {
        !matches!(self.act, Act::Mark(_))
    }

    pub(crate) const fn is_sync(&self) -> bool {
        matches!(self.act, Act::Sync | Act::SyncDirectory)
    }
}
