//! What the tests share: a directory of their own, a clock that stands still, engines to compare.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use countersign_store::{Engine, MemoryEngine, SqliteEngine};
use countersign_types::random::Random;
use countersign_types::{Clock, Timestamp};
use tempfile::TempDir;

pub(crate) struct FixedClock(pub(crate) i64);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.0)
    }
}

/// A clock that shows what it was set to.
#[derive(Default)]
pub(crate) struct SetClock(AtomicI64);

impl SetClock {
    pub(crate) fn set(&self, now: i64) {
        self.0.store(now, Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.0.load(Ordering::Relaxed))
    }
}

/// Randomness that is none.
pub(crate) struct Sevens;

impl Random for Sevens {
    fn fill(&self, out: &mut [u8]) {
        out.fill(7);
    }
}

/// A directory that goes away with the value.
pub(crate) struct Directory(TempDir);

impl Directory {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.path().join("store.db")
    }
}

pub(crate) fn open(path: &Path) -> Arc<dyn Engine> {
    Arc::new(SqliteEngine::open(path, Arc::new(FixedClock(0))).unwrap())
}

/// Runs `test` once on each engine.
pub(crate) async fn on_both<F>(test: impl Fn(Arc<dyn Engine>) -> F)
where
    F: Future<Output = ()>,
{
    test(Arc::new(MemoryEngine::new())).await;
    let directory = Directory::new();
    test(open(&directory.file())).await;
}

pub(crate) const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}
