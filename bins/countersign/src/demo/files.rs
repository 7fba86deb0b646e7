//! Files as they would be written by hand, but for what only a run knows.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::servers::Failure;
use crate::private_file::PrivateFolder;

/// A file is there already, perhaps somebody's own: with `--write` nothing is written over.
#[derive(Debug, thiserror::Error)]
#[error("{} exists; nothing is overwritten", .0.display())]
pub(super) struct Exists(PathBuf);

/// Puts what `write` writes into a folder, which may be there already: all of it, or nothing if one
/// of the files is there.
///
/// # Errors
/// [`Exists`], or whatever keeps the files from being written.
pub(super) fn write_new(
    folder: &Path,
    write: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    fs::create_dir_all(folder)?;
    let made = PrivateFolder::create(folder.join(format!(".{}.new", std::process::id())))?;
    write(made.path())?;
    let names = fs::read_dir(made.path())?.map(|entry| entry.map(|entry| entry.file_name()));
    let names = names.collect::<io::Result<Vec<_>>>()?;
    if let Some(name) = names.iter().find(|name| folder.join(name).symlink_metadata().is_ok()) {
        return Err(Exists(folder.join(name)).into());
    }
    for name in names {
        fs::rename(made.path().join(&name), folder.join(&name))?;
    }
    Ok(())
}

/// Writes files into a folder. In their texts `@NAME@` is replaced by the value of that name, and
/// `@CONNECT_TO@` by the list of which names lead where.
pub(super) fn write(
    folder: &Path,
    connect_to: &[String],
    values: &[(&str, String)],
    files: &[(&str, &str)],
) -> io::Result<()> {
    let connect_to = connect_to.iter().map(|to| format!("    {to:?},\n")).collect::<String>();
    let connect_to = format!("[\n{connect_to}]");
    for (file, text) in files {
        let text = text.replace("@CONNECT_TO@", &connect_to);
        let fill = |text: String, (name, value): &(&str, String)| {
            text.replace(&format!("@{name}@"), value)
        };
        fs::write(folder.join(file), values.iter().fold(text, fill))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("by/hand");
        let write = |made: &Path| {
            fs::write(made.join("a.toml"), "new")?;
            fs::write(made.join("b.toml"), "new")?;
            Ok(())
        };
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("b.toml"), "mine").unwrap();
        let error = write_new(&folder, write).unwrap_err();
        assert!(error.is::<Exists>() && error.to_string().contains("b.toml"), "{error}");
        let names = || fs::read_dir(&folder).unwrap().count();
        assert_eq!(
            (fs::read_to_string(folder.join("b.toml")).unwrap().as_str(), names()),
            ("mine", 1)
        );
        fs::rename(folder.join("b.toml"), folder.join("c.toml")).unwrap();
        write_new(&folder, write).unwrap();
        assert_eq!(
            (fs::read_to_string(folder.join("b.toml")).unwrap().as_str(), names()),
            ("new", 3)
        );
    }
}
