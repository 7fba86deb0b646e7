//! What the tests share: a directory of their own, a clock that stands still, engines to compare.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use countersign_store::{Engine, MemoryEngine, SqliteEngine};
use countersign_types::random::Random;
use countersign_types::{Clock, Timestamp};

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
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "countersign-store-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("store.db")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
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
