//! A directory that is removed again, and one that stays.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory of its own for one test, removed with everything in it when it is dropped.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// A new, empty directory that only this user can enter.
    ///
    /// # Errors
    /// What the system reports.
    pub fn new() -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("countersign-{}-{count}", std::process::id()));
        // What a process of the same number left behind.
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => std::fs::create_dir(&path)?,
        }
        Ok(Self(path))
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file that only this user can read, and tells its path.
    ///
    /// # Errors
    /// What the system reports.
    pub fn write(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        std::fs::write(&path, text)?;
        only_for_its_owner(&path)?;
        Ok(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left over is the system's to clean up.
        drop(std::fs::remove_dir_all(&self.0));
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
