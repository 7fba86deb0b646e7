//! The library that stands between this program and its C library: see `shim.c`.

use std::error::Error;
use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A disk that has no room.
pub(crate) const NO_SPACE: i32 = 28;

/// A disk that fails.
pub(crate) const BROKEN: i32 = 5;

const SOURCE: &str = include_str!("shim.c");

/// Where everything of one run is.
#[derive(Clone)]
pub(crate) struct Place {
    root: PathBuf,
}

/// Which calls are to fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// `c`reate, `w`rite, `t`runcate, `s`ync, sync a `d`irectory, `u`nlink.
    pub(crate) kinds: &'static str,
    /// How the names of their files end; `*` for all.
    pub(crate) name: &'static str,
    /// The first of them that fails.
    pub(crate) nth: u64,
    pub(crate) error: i32,
    /// Until healed, and not once.
    pub(crate) lasts: bool,
    /// Of those that take space alone.
    pub(crate) extending: bool,
    /// A write before it ends half way.
    pub(crate) is_short: bool,
}

impl Place {
    /// In a directory that is there.
    pub(crate) fn new(root: &Path) -> std::io::Result<Self> {
        // SQLite resolves links, and the shim compares paths.
        Ok(Self { root: root.canonicalize()? })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of the store.
    pub(crate) fn disk(&self) -> PathBuf {
        self.root.join("disk")
    }

    /// Where files are put as a power cut may leave them.
    pub(crate) fn cut(&self) -> PathBuf {
        self.root.join("cut")
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.root.join("record")
    }

    fn control(&self) -> PathBuf {
        self.root.join("control")
    }

    /// This program once more, with the shim before its C library.
    pub(crate) fn program(&self) -> std::io::Result<Command> {
        let mut program = Command::new(std::env::current_exe()?);
        program
            .env("LD_PRELOAD", self.root.join("shim.so"))
            .env("POWER_DISK", self.disk())
            .env("POWER_CONTROL", self.control());
        Ok(program)
    }

    /// An empty disk, and no record.
    pub(crate) fn begin(&self) -> std::io::Result<()> {
        if self.record().exists() {
            fs::remove_file(self.record())?;
        }
        emptied(&self.disk())
    }

    /// Compiles the shim.
    pub(crate) fn build(&self) -> Result<(), Box<dyn Error>> {
        let source = self.root.join("shim.c");
        fs::write(&source, SOURCE)?;
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]);
        let built = compiler.arg(self.root.join("shim.so")).arg(source).arg("-ldl").output()?;
        if built.status.success() {
            return Ok(());
        }
        Err(format!("cc: {}", String::from_utf8_lossy(&built.stderr)).into())
    }
}

/// An empty directory in place of what was there.
pub(crate) fn emptied(directory: &Path) -> std::io::Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir(directory)
}

/// What the shim is told by.
pub(crate) struct Control(File);

impl Control {
    pub(crate) fn new(place: &Place) -> std::io::Result<Self> {
        Ok(Self(OpenOptions::new().append(true).create(true).open(place.control())?))
    }

    fn tell(&self, command: impl Display) -> std::io::Result<()> {
        (&self.0).write_all(format!("{command}\n").as_bytes())
    }

    /// Writes down from here on, behind what is there.
    pub(crate) fn record(&self, file: &Path) -> std::io::Result<()> {
        self.tell(format_args!("record {}", file.display()))
    }

    pub(crate) fn record_no_more(&self) -> std::io::Result<()> {
        self.tell("record")
    }

    pub(crate) fn mark(&self, text: impl Display) -> std::io::Result<()> {
        self.tell(format_args!("mark {text}"))
    }

    pub(crate) fn arm(&self, fault: &Fault) -> std::io::Result<()> {
        let Fault { kinds, name, nth, error, lasts, extending, is_short } = *fault;
        let (times, extending) = (if lasts { -1 } else { 1 }, i32::from(extending));
        let is_short = i32::from(is_short);
        self.tell(format_args!("arm {kinds} {name} {nth} {error} {times} {extending} {is_short}"))
    }

    /// Has the process killed at the nth such call, before it is made.
    pub(crate) fn kill_at(&self, kinds: &str, name: &str, nth: u64) -> std::io::Result<()> {
        self.tell(format_args!("arm {kinds} {name} {nth} -1 1 0 0"))
    }

    pub(crate) fn heal(&self) -> std::io::Result<()> {
        self.tell("heal")
    }
}
