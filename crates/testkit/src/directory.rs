//! A directory that is removed again.

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
