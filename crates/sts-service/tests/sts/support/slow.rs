//! An engine that takes its time, or fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use countersign_store::engine::{
    BoxFuture, Changer, Durability, KeyedValue, OneTime, OneTimeEntry, OneTimeTable, Part,
    RecordTable, Records, Spend,
};
use countersign_store::{MemoryEngine, StoreError};
use countersign_types::Timestamp;
use countersign_types::digest::Digest;

/// Does each operation in one turn, and while it is slow, answers in the next. Works for so many
/// more of them, then fails.
pub(crate) struct Slow {
    inner: MemoryEngine,
    is_slow: AtomicBool,
    operations: AtomicUsize,
    left: AtomicUsize,
}

impl Default for Slow {
    fn default() -> Self {
        Self {
            inner: MemoryEngine::new(),
            is_slow: AtomicBool::new(false),
            operations: AtomicUsize::new(0),
            left: AtomicUsize::new(usize::MAX),
        }
    }
}

impl Slow {
    /// What a request gives that comes while so many more operations work.
    pub(crate) async fn failing<T>(&self, left: usize, request: impl Future<Output = T>) -> T {
        self.left.store(left, Ordering::SeqCst);
        let given = request.await;
        self.left.store(usize::MAX, Ordering::SeqCst);
        given
    }

    /// What a request gives that comes while it is slow, and how many operations that took.
    pub(crate) async fn during<T>(&self, request: impl Future<Output = T>) -> (T, usize) {
        let before = self.operations.load(Ordering::SeqCst);
        self.is_slow.store(true, Ordering::SeqCst);
        let given = request.await;
        self.is_slow.store(false, Ordering::SeqCst);
        (given, self.operations.load(Ordering::SeqCst) - before)
    }

    fn slowly<'a, T: Send + 'a>(
        &'a self,
        operation: BoxFuture<'a, Result<T, StoreError>>,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        let spent = |left: usize| left.checked_sub(1);
        let works = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spent).is_ok();
        Box::pin(async move {
            let full = || Arc::new(std::io::Error::from(std::io::ErrorKind::StorageFull));
            let answer = if works { operation.await } else { Err(StoreError::Unavailable(full())) };
            self.operations.fetch_add(1, Ordering::SeqCst);
            if self.is_slow.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
            answer
        })
    }
}

impl OneTime for Slow {
    fn insert(
        &self,
        table: OneTimeTable,
        entry: OneTimeEntry,
        durability: Durability,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.slowly(self.inner.insert(table, entry, durability))
    }

    fn insert_new(
        &self,
        key: Digest,
        expires: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.slowly(self.inner.insert_new(key, expires))
    }

    fn spend<'a>(
        &'a self,
        table: OneTimeTable,
        key: Digest,
        presenter: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Spend, StoreError>> {
        self.slowly(self.inner.spend(table, key, presenter, now))
    }
}

impl Records for Slow {
    fn put<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        value: Vec<u8>,
        expires: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.slowly(self.inner.put(table, key, value, expires))
    }

    fn replace<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        value: Vec<u8>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.slowly(self.inner.replace(table, key, value, now))
    }

    fn update<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        now: Timestamp,
        change: Changer,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.slowly(self.inner.update(table, key, now, change))
    }

    fn get<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.slowly(self.inner.get(table, key, now))
    }

    fn list<'a>(
        &'a self,
        table: RecordTable,
        prefix: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<KeyedValue>, StoreError>> {
        self.slowly(self.inner.list(table, prefix, now))
    }

    fn page<'a>(
        &'a self,
        table: RecordTable,
        prefix: &'a [u8],
        part: Part<'a>,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<KeyedValue>, StoreError>> {
        self.slowly(self.inner.page(table, prefix, part, limit, now))
    }

    fn count<'a>(
        &'a self,
        table: RecordTable,
        prefix: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        self.slowly(self.inner.count(table, prefix, now))
    }

    fn remove<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.slowly(self.inner.remove(table, key))
    }
}
