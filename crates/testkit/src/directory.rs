//! A directory that is removed again, and one that stays.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A directory of its own for one test, removed with everything in it when it is dropped.
#[derive(Debug)]
pub struct Directory(TempDir);

impl Directory {
    /// A new, empty directory that only this user can enter.
    ///
    /// # Errors
    /// What the system reports.
    pub fn new() -> io::Result<Self> {
        tempfile::tempdir().map(Self)
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file that only this user can read, and tells its path.
    ///
    /// # Errors
    /// What the system reports.
    pub fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.path().join(name);
        std::fs::write(&path, text)?;
        only_for_its_owner(&path)?;
        Ok(path)
    }
}

/// Makes a directory, or empties the one that is there, and writes files into it that only this
/// user can read. It stays for whoever wants to look.
///
/// # Errors
/// What the system reports.
pub fn fill(path: &Path, files: &[(&str, &str)]) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => std::fs::create_dir_all(path)?,
    }
    for (name, text) in files {
        let file = path.join(name);
        std::fs::write(&file, text)?;
        only_for_its_owner(&file)?;
    }
    Ok(())
}

/// Has nobody but its owner read and write a file, as the programs demand of what is secret.
///
/// # Errors
/// What the system reports.
#[cfg(unix)]
pub fn only_for_its_owner(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

/// Nothing, where there are no such modes.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn only_for_its_owner(_: &Path) -> io::Result<()> {
    Ok(())
}
