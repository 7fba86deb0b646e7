//! What a service takes from outside: time, randomness, records, stores and documents.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use countersign_fetch::request::BoxFuture;
use countersign_fetch::{Fetch, FetchError, Limits};
use countersign_store::{Engine, SqliteEngine};
use countersign_sts_service::{Audit, ExchangeRecord, LogAudit};
use countersign_types::random::Random;
use countersign_types::{Clock, Timestamp};
use http::StatusCode;
use serde_json::Value;
use tempfile::TempDir;

use super::NOW;

pub(crate) struct TestClock(pub(super) AtomicI64);

impl TestClock {
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.0.load(Ordering::Relaxed))
    }
}

/// Counts calls, differently in every world.
pub(super) struct Counting {
    world: u8,
    calls: AtomicU8,
}

impl Default for Counting {
    fn default() -> Self {
        static WORLDS: AtomicU8 = AtomicU8::new(0);
        Self { world: WORLDS.fetch_add(1, Ordering::Relaxed), calls: AtomicU8::new(0) }
    }
}

impl Random for Counting {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.calls.fetch_add(1, Ordering::Relaxed));
        out[0] = self.world;
    }
}

#[derive(Default)]
pub(crate) struct Records(pub(crate) Mutex<Vec<ExchangeRecord>>);

impl Audit for Records {
    fn record(&self, record: &ExchangeRecord) {
        LogAudit.record(record);
        self.0.lock().unwrap().push(record.clone());
    }
}

/// A directory with a store that goes away with the value.
pub(crate) struct Directory(TempDir);

impl Directory {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn open(&self) -> Arc<dyn Engine> {
        let clock = Arc::new(TestClock(AtomicI64::new(NOW)));
        Arc::new(SqliteEngine::open(&self.file("sts.db"), clock).unwrap())
    }

    /// What is in the files.
    pub(crate) fn contents(&self) -> [Vec<u8>; 2] {
        ["sts.db", "sts.db-wal"].map(|name| std::fs::read(self.file(name)).unwrap())
    }

    /// The files as a killed process leaves them.
    pub(crate) fn copy_to(&self, other: &Self) {
        for name in ["sts.db", "sts.db-wal"] {
            std::fs::copy(self.file(name), other.file(name)).unwrap();
        }
    }
}

/// What can be fetched: documents by URL; what is not there is 404.
#[derive(Default)]
pub(crate) struct Documents {
    pub(crate) answers: Mutex<std::collections::HashMap<String, Result<String, u16>>>,
    pub(crate) asked: AtomicI64,
}

impl Documents {
    pub(crate) fn set(&self, url: &str, answer: Result<Value, u16>) {
        let answer = answer.map(|document| document.to_string());
        self.answers.lock().unwrap().insert(url.to_owned(), answer);
    }
}

impl Fetch for Documents {
    fn fetch(
        &self,
        request: countersign_fetch::Request,
    ) -> BoxFuture<'_, Result<http::Response<bytes::Bytes>, FetchError>> {
        assert!(request.limits.max_body <= Limits::jwks().max_body, "{:?}", request.limits);
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.answers.lock().unwrap().get(request.url.as_str()).cloned();
        Box::pin(async move {
            match answer.unwrap_or(Err(404)) {
                Ok(text) => Ok(http::Response::new(text.into())),
                Err(301) => Err(FetchError::Redirect),
                Err(413) => Err(FetchError::TooLarge),
                Err(0) => Err(FetchError::Refused { host: "localhost".into() }),
                Err(status) => Err(FetchError::Status(StatusCode::from_u16(status).unwrap())),
            }
        })
    }
}
