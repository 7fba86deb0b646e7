//! What a command reads: an argument, a file, or standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::failure::{Code, Failure};

/// No input is longer than this.
const MAX: u64 = 16 * 1024 * 1024;

/// The octets of a file, or of standard input for `-`.
pub(crate) fn octets(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if path == Path::new("-") {
        return read(io::stdin().lock())
            .map_err(|error| Failure::caused(Code::Usage, "standard input", error));
    }
    File::open(path)
        .and_then(read)
        .map_err(|error| Failure::caused(Code::Usage, path.display().to_string(), error))
}

/// A text given as an argument, or standard input without the line end at its end.
pub(crate) fn text(argument: Option<&str>) -> Result<Zeroizing<String>, Failure> {
    if let Some(text) = argument.filter(|text| *text != "-") {
        return Ok(Zeroizing::new(text.to_owned()));
    }
    let octets = octets(Path::new("-"))?;
    let text = std::str::from_utf8(&octets)
        .map_err(|_| Failure::usage("standard input is not UTF-8 text"))?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    Ok(Zeroizing::new(line.strip_suffix('\r').unwrap_or(line).to_owned()))
}

fn read(source: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut octets = Zeroizing::new(Vec::new());
    if source.take(MAX + 1).read_to_end(&mut octets)? as u64 > MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 16 MiB"));
    }
    Ok(octets)
}
