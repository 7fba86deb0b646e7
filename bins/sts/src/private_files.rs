//! Files that only their owner can read, written whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use countersign_types::random::{self, Random};

/// Writes a file unless there is one: then that stays, and the answer is `false`.
pub(crate) fn write_new(path: &Path, content: &[u8], random: &dyn Random) -> io::Result<bool> {
    drafted(path, content, random, |draft| match fs::hard_link(draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        linked => linked.map(|()| true),
    })
}

/// Writes a file in place of the one that is there.
pub(crate) fn replace(path: &Path, content: &[u8], random: &dyn Random) -> io::Result<()> {
    // What the draft was renamed to stays; its own name is gone then.
    drafted(path, content, random, |draft| fs::rename(draft, path))
}

/// Writes a draft beside the file, lets `take_place` give it the file's name, and sees to it that
/// the name survives a power cut.
fn drafted<T>(
    path: &Path,
    content: &[u8],
    random: &dyn Random,
    take_place: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    let draft = path.with_extension(random::identifier(random));
    let placed = write_draft(&draft, content).and_then(|()| take_place(&draft));
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let placed = placed?;
    File::open(directory)?.sync_all()?;
    Ok(placed)
}

fn write_draft(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = private(OpenOptions::new().write(true).create_new(true)).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// For its owner alone.
#[cfg(unix)]
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

/// Nothing is known here of who can read a file.
#[cfg(not(unix))]
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Makes a directory for its owner alone, unless it is there, but not the one that it is in: a path
/// that is mistyped would lead to a new place.
#[cfg(unix)]
pub(crate) fn make_directory(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    unless_there(fs::DirBuilder::new().mode(0o700).create(directory))
}

/// Makes a directory, unless it is there, but not the one that it is in.
#[cfg(not(unix))]
pub(crate) fn make_directory(directory: &Path) -> io::Result<()> {
    unless_there(fs::create_dir(directory))
}

fn unless_there(made: io::Result<()>) -> io::Result<()> {
    made.or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Ok(()),
        _ => Err(error),
    })
}
