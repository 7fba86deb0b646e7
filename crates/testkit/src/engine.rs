//! An engine that is watched, and that fails or takes its time when a test says so.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use countersign_store::engine::{
    BoxFuture, Changer, Durability, KeyedValue, OneTime, OneTimeEntry, OneTimeTable, Part,
    RecordTable, Records, Spend,
};
use countersign_store::{MemoryEngine, StoreError};
use countersign_types::Timestamp;
use countersign_types::digest::Digest;

/// An engine in memory whose operations are counted. It works for so many more of them, then fails:
/// for good, or once.
///
/// ```
/// use std::sync::atomic::Ordering;
///
/// use countersign_store::engine::{RecordTable, Records as _};
/// use countersign_testkit::Watched;
/// use countersign_testkit::gone::let_go;
/// use countersign_types::Timestamp;
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let engine = Watched::default();
/// let read = async || engine.get(RecordTable::Cases, b"key", Timestamp::from_unix(0)).await;
/// assert!(!engine.slowly(let_go(read(), 1)).await);
/// engine.left.store(1, Ordering::SeqCst);
/// assert!(read().await.is_ok() && read().await.is_err());
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Watched {
    inner: MemoryEngine,
    /// How many operations it still does.
    pub left: AtomicUsize,
    /// Whether it works again after one failure.
    pub once: AtomicBool,
    /// How many lists were read, or parts of them.
    pub listed: AtomicUsize,
    /// How many records were read.
    pub read: AtomicUsize,
    /// How many were read at a time, at most.
    pub most: AtomicUsize,
    /// Whether a change is worked out, and then not written.
    pub torn: AtomicBool,
    /// Whether the next change panics once it is written, or worked out if it is torn.
    pub panics: AtomicBool,
    /// Whether each operation is done in one turn and answered in the next.
    pub slow: AtomicBool,
    /// How many operations were done, or failed.
    pub ended: AtomicUsize,
}

impl Default for Watched {
    fn default() -> Self {
        Self {
            inner: MemoryEngine::new(),
            left: AtomicUsize::new(usize::MAX),
            once: AtomicBool::new(false),
            listed: AtomicUsize::new(0),
            read: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            torn: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            slow: AtomicBool::new(false),
            ended: AtomicUsize::new(0),
        }
    }
}

impl Watched {
    /// What a request gives that comes while it is [slow](Self::slow).
    pub async fn slowly<T>(&self, request: impl Future<Output = T>) -> T {
        self.slow.store(true, Ordering::SeqCst);
        let given = request.await;
        self.slow.store(false, Ordering::SeqCst);
        given
    }

    /// What a request gives that comes while it works for so many more operations.
    pub async fn failing<T>(&self, left: usize, request: impl Future<Output = T>) -> T {
        self.left.store(left, Ordering::SeqCst);
        let given = request.await;
        self.left.store(usize::MAX, Ordering::SeqCst);
        given
    }

    /// Counts what a list is made of.
    fn watched<'a>(
        &'a self,
        list: BoxFuture<'a, Result<Vec<KeyedValue>, StoreError>>,
    ) -> BoxFuture<'a, Result<Vec<KeyedValue>, StoreError>> {
        self.listed.fetch_add(1, Ordering::SeqCst);
        self.unless_used_up(Box::pin(async {
            let found = list.await?;
            self.read.fetch_add(found.len(), Ordering::SeqCst);
            self.most.fetch_max(found.len(), Ordering::SeqCst);
            Ok(found)
        }))
    }

    /// Changes something, and panics after that if a test says so.
    fn changed<'a>(
        &'a self,
        change: BoxFuture<'a, Result<(), StoreError>>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let change = self.unless_used_up(change);
        Box::pin(async {
            let answer = change.await;
            self.may_panic();
            answer
        })
    }

    fn may_panic(&self) {
        if self.panics.swap(false, Ordering::SeqCst) {
            resume_unwind(Box::new("as a test says"));
        }
    }

    fn unless_used_up<'a, T: Send + 'a>(
        &'a self,
        operation: BoxFuture<'a, Result<T, StoreError>>,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        let spent = |left: usize| left.checked_sub(1);
        let works = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spent).is_ok();
        if !works && self.once.load(Ordering::SeqCst) {
            self.left.store(usize::MAX, Ordering::SeqCst);
        }
        let is_slow = self.slow.load(Ordering::SeqCst);
        Box::pin(async move {
            let full = || Arc::new(std::io::Error::from(std::io::ErrorKind::StorageFull));
            let answer = if works { operation.await } else { Err(StoreError::Unavailable(full())) };
            self.ended.fetch_add(1, Ordering::SeqCst);
            if is_slow {
                tokio::task::yield_now().await;
            }
            answer
        })
    }
}

impl OneTime for Watched {
    fn insert(
        &self,
        table: OneTimeTable,
        entry: OneTimeEntry,
        durability: Durability,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.unless_used_up(self.inner.insert(table, entry, durability))
    }

    fn insert_new(
        &self,
        key: Digest,
        expires: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.unless_used_up(self.inner.insert_new(key, expires))
    }

    fn spend<'a>(
        &'a self,
        table: OneTimeTable,
        key: Digest,
        presenter: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Spend, StoreError>> {
        self.unless_used_up(self.inner.spend(table, key, presenter, now))
    }
}

impl Records for Watched {
    fn put<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        value: Vec<u8>,
        expires: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.changed(self.inner.put(table, key, value, expires))
    }

    fn replace<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        value: Vec<u8>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.unless_used_up(self.inner.replace(table, key, value, now))
    }

    fn update<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        now: Timestamp,
        change: Changer,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        if self.torn.load(Ordering::SeqCst) {
            self.left.store(1, Ordering::SeqCst);
            let look = self.unless_used_up(self.inner.get(table, key, now));
            return Box::pin(async move {
                drop(change(look.await?.as_deref()));
                self.may_panic();
                self.unless_used_up(Box::pin(async { Ok(()) })).await
            });
        }
        self.changed(self.inner.update(table, key, now, change))
    }

    fn get<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.read.fetch_add(1, Ordering::SeqCst);
        self.unless_used_up(self.inner.get(table, key, now))
    }

    fn list<'a>(
        &'a self,
        table: RecordTable,
        prefix: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<KeyedValue>, StoreError>> {
        self.watched(self.inner.list(table, prefix, now))
    }

    fn page<'a>(
        &'a self,
        table: RecordTable,
        prefix: &'a [u8],
        part: Part<'a>,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<KeyedValue>, StoreError>> {
        self.watched(self.inner.page(table, prefix, part, limit, now))
    }

    fn count<'a>(
        &'a self,
        table: RecordTable,
        prefix: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        self.unless_used_up(self.inner.count(table, prefix, now))
    }

    fn remove<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.unless_used_up(self.inner.remove(table, key))
    }
}
