//! What a logout does first, as its store sees it.

use std::sync::{Arc, Mutex};

use countersign_store::engine::{
    BoxFuture, Changer, Durability, KeyedValue, OneTime, OneTimeEntry, OneTimeTable, RecordTable,
    Records, Spend,
};
use countersign_store::{MemoryEngine, StoreError};
use countersign_types::Timestamp;
use countersign_types::digest::Digest;
use http::StatusCode;

use crate::browser::Browser;
use crate::support::*;

/// A store that notes how many sessions there are whenever somebody's grants are listed.
struct Watched {
    inner: MemoryEngine,
    sessions: Mutex<Vec<usize>>,
}

impl OneTime for Watched {
    fn insert(
        &self,
        table: OneTimeTable,
        entry: OneTimeEntry,
        durability: Durability,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.insert(table, entry, durability)
    }

    fn insert_new(
        &self,
        key: Digest,
        expires: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.inner.insert_new(key, expires)
    }

    fn spend<'a>(
        &'a self,
        table: OneTimeTable,
        key: Digest,
        presenter: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Spend, StoreError>> {
        self.inner.spend(table, key, presenter, now)
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
        self.inner.put(table, key, value, expires)
    }

    fn replace<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        value: Vec<u8>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.inner.replace(table, key, value, now)
    }

    fn update<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        now: Timestamp,
        change: Changer,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.update(table, key, now, change)
    }

    fn get<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.inner.get(table, key, now)
    }

    fn list<'a>(
        &'a self,
        table: RecordTable,
        prefix: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<KeyedValue>, StoreError>> {
        Box::pin(async move {
            if table == RecordTable::Grants {
                let left = self.inner.count(RecordTable::Sessions, &[], now).await?;
                self.sessions.lock().unwrap().push(left);
            }
            self.inner.list(table, prefix, now).await
        })
    }

    fn count<'a>(
        &'a self,
        table: RecordTable,
        prefix: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        self.inner.count(table, prefix, now)
    }

    fn remove<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.inner.remove(table, key)
    }
}

/// What a session still allows while it is being ended would not be ended with it.
#[tokio::test]
async fn a_session_is_gone_before_its_grants_are_looked_for() {
    let store = Arc::new(Watched { inner: MemoryEngine::new(), sessions: Mutex::default() });
    let world = World::on(server_policy(), store.clone());
    let browser = Browser::new(&world);
    let code = browser.sign_in("alice", &[]).await.location("code").unwrap();
    let tokens = world.redeem(&code).await.json();
    assert_eq!(*store.sessions.lock().unwrap(), Vec::<usize>::new());
    let hint = [("id_token_hint", tokens["id_token"].as_str().unwrap())];
    let answer = browser.get(&format!("/logout?{}", encoded(&hint))).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(*store.sessions.lock().unwrap(), [0], "sessions that were left");
}
