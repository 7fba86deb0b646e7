//! What a command reads: an argument, a file, or standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use countersign_host::config::check_private;
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

/// The octets of a file with a secret in it, which only its owner may read; or of standard input
/// for `-`.
pub(crate) fn private(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let file = KeyFile::read(path)?;
    file.check_private()?;
    Ok(file.octets)
}

/// A file that may hold a secret: whether it does is known when it has been read.
pub(crate) struct KeyFile {
    octets: Zeroizing<Vec<u8>>,
    /// Why it is no place for a secret.
    exposed: Option<String>,
}

impl KeyFile {
    /// Reads a file, or standard input for `-`.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self { octets: octets(path)?, exposed: None });
        }
        let failed = |error| Failure::caused(Code::Usage, path.display().to_string(), error);
        let file = File::open(path).map_err(failed)?;
        let exposed = check_private(&file).err().map(|why| format!("{}: {why}", path.display()));
        Ok(Self { octets: read(file).map_err(failed)?, exposed })
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// To be asked if there is a secret in it.
    pub(crate) fn check_private(&self) -> Result<(), Failure> {
        match &self.exposed {
            Some(reason) => Err(Failure::new(Code::Configuration, reason.clone())),
            None => Ok(()),
        }
    }
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
