//! The store as a client sees it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use countersign_store::engine::{
    Change, Durability, OneTime as _, OneTimeEntry, OneTimeTable, RecordTable, Records as _, Spend,
    Tell,
};
use countersign_store::sqlite::OpenError;
use countersign_store::{SqliteEngine, StoreError};
use countersign_types::digest::Digest;
use countersign_types::{Clock, Timestamp};

use crate::model::{Action, Answer, Found};
use crate::random::Random;

/// What the clock shows at first, and what is asked about all along.
const NOW: Timestamp = Timestamp::from_unix(2_000_000_000);

/// When everything expires that is not expired.
const LATER: Timestamp = Timestamp::from_unix(2_100_000_000);

/// When the rest did: so long ago that it may be forgotten.
const LONG_AGO: Timestamp = Timestamp::from_unix(1_999_000_000);

/// Longer than the store waits before it looks for what expired again.
const PURGE: i64 = 6;

/// Lengths of values; the last two are for filling the log.
const LENGTHS: [usize; 8] = [16, 24, 60, 200, 1500, 9000, 1024 * 1024, 12 * 1024 * 1024];

/// What a number of a value says of its length.
const LENGTH: u32 = LENGTHS.len() as u32;

/// Lengths of values that are ordinary.
pub(crate) const ORDINARY: u64 = 6;

/// The number of a value of this length.
pub(crate) const fn numbered(number: u32, length: u32) -> u32 {
    number * LENGTH + length
}

/// A clock that is set.
#[derive(Default)]
pub(crate) struct Hand(AtomicI64);

impl Hand {
    /// Far enough for the store to look for what expired.
    pub(crate) fn advance(&self) {
        self.0.fetch_add(PURGE, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(NOW.as_unix() + self.0.load(Ordering::Relaxed))
    }
}

/// A store that is open.
pub(crate) struct Store {
    pub(crate) engine: SqliteEngine,
    pub(crate) clock: Arc<Hand>,
}

/// The octets of a value: its number, and what follows from it. They are the same again after so
/// many that pages and sectors of a value differ.
fn value(number: u32) -> Vec<u8> {
    let length = LENGTHS.get((number % LENGTH) as usize).copied().unwrap_or_default();
    let mut random = Random::new(number.into());
    let pattern: Vec<u8> = (0..length.min(1021)).map(|_| random.next() as u8).collect();
    let mut octets = pattern.repeat(length.div_ceil(1021));
    octets.truncate(length);
    [number.to_be_bytes().as_slice(), &octets].concat()
}

/// The number of a value that is whole.
fn number(octets: &[u8]) -> Option<u32> {
    let number = u32::from_be_bytes(octets.get(..4)?.try_into().ok()?);
    (value(number) == octets).then_some(number)
}

fn key(client: u8, key: u32) -> Vec<u8> {
    [&[client], key.to_be_bytes().as_slice()].concat()
}

fn digest(kind: &str, client: u8, key: u32) -> Digest {
    Digest::of(format!("{kind} {client} {key}").as_bytes())
}

fn record_table(table: usize) -> RecordTable {
    RecordTable::ALL.get(table).copied().unwrap_or(RecordTable::Resources)
}

fn one_time_table(table: usize) -> OneTimeTable {
    OneTimeTable::ALL.get(table).copied().unwrap_or(OneTimeTable::Codes)
}

impl Store {
    pub(crate) fn open(directory: &Path) -> Result<Self, OpenError> {
        let clock = Arc::<Hand>::default();
        let engine = SqliteEngine::open(&directory.join("store.db"), clock.clone())?;
        Ok(Self { engine, clock })
    }

    /// Does what a client asks for.
    pub(crate) async fn ask(&self, client: u8, action: Action) -> Result<Answer, StoreError> {
        let store = &self.engine;
        let key = |number| key(client, number);
        Ok(match action {
            Action::Put(table, of, number) => {
                store.put(record_table(table), &key(of), value(number), Some(LATER)).await?;
                Answer::Done
            }
            Action::PutExpired(table, of, number) => {
                store.put(record_table(table), &key(of), value(number), Some(LONG_AGO)).await?;
                Answer::Done
            }
            Action::Replace(table, of, number) => {
                let table = record_table(table);
                Answer::Was(store.replace(table, &key(of), value(number), NOW).await?)
            }
            Action::Tell(table, of, number) => {
                let tell = Tell { key: key(of), value: value(number), expires: None };
                let change = move |_: Option<&[u8]>| Change::PutAndTell(value(number), None, tell);
                store.update(record_table(table), &key(of), NOW, Box::new(change)).await?;
                Answer::Done
            }
            Action::Remove(table, of) => {
                Answer::Was(store.remove(record_table(table), &key(of)).await?)
            }
            Action::Get(table, of) => {
                let got = store.get(record_table(table), &key(of), NOW).await?;
                Answer::Is(got.map_or(Found::Absent, |got| found(&got)))
            }
            Action::Insert(table, of) => {
                self.insert(client, table, of, Durability::Durable).await?
            }
            Action::InsertLazily(table, of) => {
                self.insert(client, table, of, Durability::Lazy).await?
            }
            Action::Flush => {
                store.write_recent().await?;
                Answer::Done
            }
            Action::Spend(table, of) => {
                let digest = digest("one-time", client, of);
                let presenter = [client];
                let spend = store.spend(one_time_table(table), digest, &presenter, NOW).await?;
                Answer::Is(match spend {
                    Spend::First(value) if number(&value) == Some(of) => Found::Live,
                    Spend::Again(value) if number(&value) == Some(of) => Found::Spent,
                    Spend::First(_) | Spend::Again(_) | Spend::Bound => Found::Value(u32::MAX),
                    Spend::Absent => Found::Absent,
                })
            }
            Action::InsertNew(of) => {
                Answer::Was(store.insert_new(digest("jti", client, of), LATER).await?)
            }
        })
    }

    async fn insert(
        &self,
        client: u8,
        table: usize,
        of: u32,
        durability: Durability,
    ) -> Result<Answer, StoreError> {
        let key = digest("one-time", client, of);
        let entry = OneTimeEntry { key, value: value(of), bound_to: None, expires: LATER };
        self.engine.insert(one_time_table(table), entry, durability).await?;
        Ok(Answer::Done)
    }

    /// All records of a table: their clients and keys, and what they are.
    pub(crate) async fn records(&self, table: usize) -> Result<Vec<(u8, u32, Found)>, StoreError> {
        let listed = self.engine.list(record_table(table), &[], NOW).await?;
        let record = |(key, value): (Vec<u8>, Vec<u8>)| {
            let (client, key) = key.split_first()?;
            let key = u32::from_be_bytes(key.try_into().ok()?);
            Some((*client, key, found(&value)))
        };
        // A key that nobody has is one that no model knows.
        let stray = (u8::MAX, u32::MAX, Found::Value(u32::MAX));
        Ok(listed.into_iter().map(|listed| record(listed).unwrap_or(stray)).collect())
    }
}

/// What a value is; what is not whole is no value of anybody.
fn found(octets: &[u8]) -> Found {
    Found::Value(number(octets).unwrap_or(u32::MAX))
}
