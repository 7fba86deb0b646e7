//! Who is refused from now on: a file each, in a directory that the server looks into at every
//! request.
//!
//! A file is named by a digest of the identifier, which may be no name of a file, and has the
//! identifier in it.

use std::fs;
use std::io;
use std::path::PathBuf;

use countersign_types::digest::Digest;
use countersign_types::random::Random;

use crate::private_files;

/// A directory of refusals.
#[derive(Clone, Debug)]
pub(crate) struct Refusals(PathBuf);

/// What cannot be used, and what the system said.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

impl Refusals {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Makes the directory, unless it is there, but not the one that it is in.
    pub(crate) fn make(&self) -> Result<(), Failed> {
        private_files::make_directory(&self.0).map_err(|source| self.failed(source))
    }

    /// Whether somebody is refused.
    pub(crate) fn has(&self, id: &str) -> Result<bool, Failed> {
        match fs::symlink_metadata(self.0.join(name(id))) {
            Ok(_) => Ok(true),
            // A directory that went away refuses nobody, and so is no answer.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let is_there = fs::metadata(&self.0).map(|found| found.is_dir());
                is_there.map(|_| false).map_err(|source| self.failed(source))
            }
            Err(source) => Err(self.failed(source)),
        }
    }

    /// Refuses somebody from the next request on.
    pub(crate) fn add(&self, id: &str, random: &dyn Random) -> Result<(), Failed> {
        self.make()?;
        let path = self.0.join(name(id));
        let written = private_files::write_new(&path, id.as_bytes(), random);
        written.map(drop).map_err(|source| Failed { path, source })
    }

    /// Takes somebody back.
    pub(crate) fn remove(&self, id: &str) -> Result<(), Failed> {
        let path = self.0.join(name(id));
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Failed { path, source }),
            _ => Ok(()),
        }
    }

    /// Everybody who is refused, whether they are known or not. A directory that is still to be
    /// made refuses nobody.
    pub(crate) fn list(&self) -> Result<Vec<String>, Failed> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(self.failed(source)),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let path = entry.map_err(|source| self.failed(source))?.path();
            // What a crash left of a file that was being written has an extension, and is none.
            if path.extension().is_some() || !path.is_file() {
                continue;
            }
            let id = match fs::read_to_string(&path) {
                Ok(id) if path.ends_with(name(&id)) => id,
                Ok(_) => {
                    let source = io::Error::new(io::ErrorKind::InvalidData, "of somebody else");
                    return Err(Failed { path, source });
                }
                Err(source) => return Err(Failed { path, source }),
            };
            ids.push(id);
        }
        ids.sort();
        Ok(ids)
    }

    fn failed(&self, source: io::Error) -> Failed {
        Failed { path: self.0.clone(), source }
    }
}

fn name(id: &str) -> String {
    Digest::of(id.as_bytes()).to_base64url()
}
