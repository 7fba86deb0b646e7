//! A disk as the record tells it: what is certainly on it, and what may be.
//!
//! What was written is on the disk once its file was synced, and a name once its directory was.
//! Until then each change may be there or not, whatever came before it or after it; of a write,
//! each sector of 512 octets by itself; and a file may be as long as it was to be without what was
//! written there. What a failed sync of a file was to bring is never on the disk, however many
//! syncs go well after it: so Linux may have it, which takes pages for clean once it has reported
//! that they were not written.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::Path;

use crate::random::Random;
use crate::record::{Act, Call};

/// What a drive writes whole or not at all.
const SECTOR: usize = 512;

/// How much of what was not synced is on the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Extent {
    Nothing,
    Everything,
    /// Everything up to some change, and of that one some sectors.
    Torn(u64),
    /// Some changes, some sectors of others, the mere length of others.
    Some(u64),
}

/// The syncs that are taken for ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Honesty {
    /// All of them.
    Honest,
    /// Those of the log do nothing, as on a drive that keeps them in its cache.
    LogLies,
}

/// The files of one directory.
pub(crate) struct Disk {
    honesty: Honesty,
    /// Every file that there was, in the order of their creation.
    files: Vec<Contents>,
    /// Which of them has which number at the system, where another may have had it before.
    inodes: HashMap<u64, usize>,
    names: Names,
    /// Changes of names since the directory was synced.
    renamed: Vec<(String, Option<usize>)>,
    /// The names that programs see.
    seen: Names,
}

type Names = BTreeMap<String, usize>;

#[derive(Default)]
struct Contents {
    synced: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write { at: usize, octets: Vec<u8> },
    Truncate { length: usize },
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { at, octets } => {
                lengthen(to, at + octets.len());
                if let Some(place) = to.get_mut(*at..at + octets.len()) {
                    place.copy_from_slice(octets);
                }
            }
            Self::Truncate { length } => to.resize(*length, 0),
        }
    }

    /// Some sectors of it.
    fn tear(&self, to: &mut Vec<u8>, random: &mut Random) {
        let Self::Write { at, octets } = self else {
            return if random.coin() {
                self.apply(to)
            };
        };
        let mut from = 0;
        while from < octets.len() {
            let end = (((at + from) / SECTOR + 1) * SECTOR - at).min(octets.len());
            if random.coin()
                && let Some(sector) = octets.get(from..end)
            {
                Self::Write { at: at + from, octets: sector.to_vec() }.apply(to);
            }
            from = end;
        }
    }

    /// The length that it gives to the file, and nothing else.
    fn stretch(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { at, octets } => lengthen(to, at + octets.len()),
            Self::Truncate { length } => to.resize(*length, 0),
        }
    }
}

fn lengthen(octets: &mut Vec<u8>, length: usize) {
    if octets.len() < length {
        octets.resize(length, 0);
    }
}

fn set(names: &mut Names, name: &str, file: Option<usize>) {
    match file {
        Some(file) => names.insert(name.to_owned(), file),
        None => names.remove(name),
    };
}

impl Disk {
    /// A directory with nothing in it.
    pub(crate) fn new(honesty: Honesty) -> Self {
        Self {
            honesty,
            files: Vec::new(),
            inodes: HashMap::new(),
            names: Names::new(),
            renamed: Vec::new(),
            seen: Names::new(),
        }
    }

    pub(crate) fn apply(&mut self, call: &Call) {
        // The index of the log is made anew after a power cut, whatever is in it.
        if call.name.ends_with("-shm") {
            return;
        }
        let failed = call.error.is_some();
        match &call.act {
            Act::Create if !failed => {
                self.inodes.insert(call.inode, self.files.len());
                self.rename(&call.name, Some(self.files.len()));
                self.files.push(Contents::default());
            }
            Act::Unlink if !failed => self.rename(&call.name, None),
            Act::Write { at, octets } if !octets.is_empty() => {
                self.change(call.inode, Change::Write { at: *at, octets: octets.clone() });
            }
            Act::Truncate { length } if !failed => {
                self.change(call.inode, Change::Truncate { length: *length });
            }
            Act::Sync => {
                if self.honesty == Honesty::LogLies && call.name.ends_with("-wal") {
                    return;
                }
                let Some(file) = self.file(call.inode) else { return };
                for change in std::mem::take(&mut file.pending) {
                    if !failed {
                        change.apply(&mut file.synced);
                    }
                }
            }
            Act::SyncDirectory if !failed => {
                for (name, file) in std::mem::take(&mut self.renamed) {
                    set(&mut self.names, &name, file);
                }
            }
            Act::SyncDirectory => {}
            Act::Create | Act::Unlink | Act::Write { .. } | Act::Truncate { .. } | Act::Mark(_) => {
            }
        }
    }

    fn rename(&mut self, name: &str, file: Option<usize>) {
        set(&mut self.seen, name, file);
        self.renamed.push((name.to_owned(), file));
    }

    fn file(&mut self, inode: u64) -> Option<&mut Contents> {
        self.files.get_mut(*self.inodes.get(&inode)?)
    }

    fn change(&mut self, inode: u64, change: Change) {
        if let Some(file) = self.file(inode) {
            file.pending.push(change);
        }
    }

    /// What a power cut at this moment may leave.
    pub(crate) fn after_a_cut(&self, extent: Extent) -> BTreeMap<String, Vec<u8>> {
        let mut random = match extent {
            Extent::Torn(seed) | Extent::Some(seed) => Random::new(seed),
            Extent::Nothing | Extent::Everything => Random::new(0),
        };
        let names = match extent {
            Extent::Nothing => self.names.clone(),
            Extent::Everything | Extent::Torn(_) => self.seen.clone(),
            Extent::Some(_) => {
                let mut names = self.names.clone();
                for (name, file) in &self.renamed {
                    if random.coin() {
                        set(&mut names, name, *file);
                    }
                }
                names
            }
        };
        let mut files = BTreeMap::new();
        for (name, file) in names {
            let Some(file) = self.files.get(file) else { continue };
            files.insert(name, file.after_a_cut(extent, &mut random));
        }
        files
    }

    /// Whether the files are what programs should see: then the record has all that was done.
    pub(crate) fn is_what_is_seen(&self, directory: &Path) -> io::Result<bool> {
        let told = self.after_a_cut(Extent::Everything);
        let mut seen = BTreeMap::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.ends_with("-shm") {
                seen.insert(name, fs::read(entry.path())?);
            }
        }
        Ok(told == seen)
    }
}

impl Contents {
    fn after_a_cut(&self, extent: Extent, random: &mut Random) -> Vec<u8> {
        let mut octets = self.synced.clone();
        match extent {
            Extent::Nothing => {}
            Extent::Everything => self.pending.iter().for_each(|change| change.apply(&mut octets)),
            Extent::Torn(_) => {
                let whole = random.below(self.pending.len() as u64 + 1) as usize;
                self.pending.iter().take(whole).for_each(|change| change.apply(&mut octets));
                if let Some(change) = self.pending.get(whole) {
                    change.tear(&mut octets, random);
                }
            }
            Extent::Some(_) => {
                for change in &self.pending {
                    match random.below(4) {
                        0 => {}
                        1 => change.apply(&mut octets),
                        2 => change.tear(&mut octets, random),
                        _ => change.stretch(&mut octets),
                    }
                }
            }
        }
        octets
    }
}

/// Writes the files into a directory that is empty. Some have what an index of the log might have
/// after a power cut: anything.
pub(crate) fn write(
    files: &BTreeMap<String, Vec<u8>>,
    directory: &Path,
    random: &mut Random,
) -> io::Result<()> {
    for (name, octets) in files {
        fs::write(directory.join(name), octets)?;
    }
    if random.coin() {
        let junk: Vec<u8> = (0..4096).flat_map(|_| random.next().to_ne_bytes()).collect();
        fs::write(directory.join("store.db-shm"), junk)?;
    }
    Ok(())
}
