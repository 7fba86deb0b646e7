//! Files that only their user can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A file that is being written beside the one whose place it takes when it is whole. Dropped
/// before that, it leaves nothing. An existing file's mode and readers do not carry over.
#[derive(Debug)]
pub(crate) struct PrivateFile {
    file: File,
    new: PathBuf,
    path: PathBuf,
}

impl PrivateFile {
    /// Begins one. That it can be written is known from here on.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        // Something else, a device or a directory, must not be replaced.
        if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        let mut name = path
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it has no file name"))?
            .to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let new = path.with_file_name(name);
        let file = create_private(&new)?;
        Ok(Self { file, new, path: path.to_owned() })
    }

    /// Writes the content and puts the file in its place.
    pub(crate) fn finish(mut self, content: &[u8]) -> io::Result<()> {
        self.file.write_all(content)?;
        self.file.sync_all()?;
        fs::rename(&self.new, &self.path)
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        // After the rename there is nothing under this name.
        let _ = fs::remove_file(&self.new);
    }
}

/// Writes a file that everybody may read, whole or not at all.
pub(crate) fn write_public(path: &Path, content: &[u8]) -> io::Result<()> {
    let file = PrivateFile::create(path)?;
    open_to_all(&file.file)?;
    file.finish(content)
}

#[cfg(unix)]
fn open_to_all(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn open_to_all(_: &File) -> io::Result<()> {
    Ok(())
}

/// Writes a file whole or not at all.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    PrivateFile::create(path)?.finish(content)
}

/// Writes a file that does not exist yet, in a directory that is made if there is none. What cannot
/// be written whole is taken away again.
///
/// # Errors
/// `AlreadyExists` if there is something under the name, a link that leads nowhere included.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_directory(directory)?;
    }
    let mut file = create_private(path)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

#[cfg(unix)]
fn create_private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// Makes a directory, and those above it, that only their user can enter.
#[cfg(unix)]
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a directory, and those above it.
#[cfg(not(unix))]
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// A new directory that only its user can enter, and that goes with this value.
#[derive(Debug)]
pub(crate) struct PrivateFolder {
    path: PathBuf,
}

impl PrivateFolder {
    /// Makes one; it must not exist.
    pub(crate) fn create(path: PathBuf) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt as _;
            builder.mode(0o700);
        }
        builder.create(&path)?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_could_read_is_replaced_by_one_they_cannot() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_takes_no_others_place() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/key.jwk");
        write_new(&path, b"first").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let link = folder.path().join("link.jwk");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &link).unwrap();
        for taken in [&path, &link] {
            let error = write_new(taken, b"second").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        }
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert!(!folder.path().join("elsewhere").exists());
    }

    #[test]
    fn what_is_not_finished_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        fs::write(&path, "old").unwrap();
        drop(PrivateFile::create(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        assert!(PrivateFile::create(folder.path()).is_err());
        assert!(PrivateFile::create(&folder.path().join("missing/record.json")).is_err());
    }

    #[test]
    fn a_folder_goes_with_its_value() {
        let parent = tempfile::tempdir().unwrap();
        let folder = PrivateFolder::create(parent.path().join("folder")).unwrap();
        let path = folder.path().to_owned();
        assert!(path.exists());
        drop(folder);
        assert!(!path.exists());
    }
}
