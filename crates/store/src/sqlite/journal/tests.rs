//! The journal behind its engine: with room for few records, so that they leave memory all the
//! time, and for few spans, so that they leave the shelf.

mod meanwhile;
mod model;
mod shelf;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

use countersign_types::Clock;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::MemoryEngine;
use crate::engine::{Engine, KeyedValue, Records as _};
use crate::error::StoreError;
use crate::sqlite::{OpenError, SqliteEngine};

const TABLE: RecordTable = JOURNALLED;
const TABLE_NAME: &str = "access_tokens";

const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

/// A clock that shows what it was set to.
#[derive(Default)]
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        at(self.0.load(Ordering::Relaxed))
    }
}

/// A directory that goes away with the value.
struct Directory(TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("store.db")
    }

    /// The files as a process leaves them that is killed now.
    fn as_killed(&self) -> Self {
        let copy = Self::new();
        for suffix in ["", "-wal"] {
            let name = |path: PathBuf| format!("{}{suffix}", path.display());
            std::fs::copy(name(self.file()), name(copy.file())).unwrap();
        }
        copy
    }
}

fn open(path: &Path, room: Room) -> Result<SqliteEngine, OpenError> {
    SqliteEngine::open_with(path, Arc::<SetClock>::default(), room)
}

/// Room in memory, and for spans.
const fn room(records: usize, spans: usize) -> Room {
    Room { records, spans }
}

/// So much in memory, and all others on the shelf.
const fn memory(records: usize) -> Room {
    room(records, ROOM.spans)
}

fn rows(path: &Path, table: &str) -> i64 {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[derive(Clone, Debug)]
enum Operation {
    /// So many at the same time, under keys from this one on.
    Put {
        keys: std::ops::Range<u8>,
        value: u8,
        expires: Option<i64>,
    },
    Replace {
        key: u8,
        value: u8,
    },
    Remove {
        key: u8,
    },
    /// Both at the same time as a record is put elsewhere.
    RemoveAndPut {
        key: u8,
        put: u8,
    },
    Get {
        key: u8,
    },
    List,
    Advance(i64),
    Reopen,
    Kill,
}

/// Few keys, so that operations meet.
fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let key = || 0..6_u8;
    prop_oneof![
        6 => (key(), 1..4_u8, any::<u8>(), prop::option::of(0..40_i64)).prop_map(
            |(first, many, value, expires)| Put { keys: first..first + many, value, expires }
        ),
        3 => (key(), any::<u8>()).prop_map(|(key, value)| Replace { key, value }),
        3 => key().prop_map(|key| Remove { key }),
        1 => (key(), 6..9_u8).prop_map(|(key, put)| RemoveAndPut { key, put }),
        4 => key().prop_map(|key| Get { key }),
        2 => Just(List),
        2 => (0..8_i64).prop_map(Advance),
        1 => Just(Reopen),
        1 => Just(Kill),
    ]
}

fn text<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> String {
    format!("{answer:?}")
}

/// What an engine answers, as text.
async fn answer(engine: &dyn Engine, operation: &Operation, now: i64) -> String {
    let now = at(now);
    match operation.clone() {
        Operation::Put { keys, value, expires } => {
            let put = |key: u8| async move {
                engine.put(TABLE, &[key], vec![value, key], expires.map(at)).await
            };
            let [a, b, c] = [keys.start, keys.start + 1, keys.start + 2];
            match keys.len() {
                1 => text(&put(a).await),
                2 => format!("{:?}", tokio::join!(put(a), put(b))),
                _ => format!("{:?}", tokio::join!(put(a), put(b), put(c))),
            }
        }
        Operation::Replace { key, value } => {
            text(&engine.replace(TABLE, &[key], vec![value], now).await)
        }
        Operation::Remove { key } => text(&engine.remove(TABLE, &[key]).await),
        Operation::RemoveAndPut { key, put } => {
            let (key, other) = ([key], [key, put]);
            let put = engine.put(TABLE, &other, vec![put], None);
            format!("{:?}", tokio::join!(engine.remove(TABLE, &key), put))
        }
        Operation::Get { key } => text(&engine.get(TABLE, &[key], now).await),
        Operation::List => {
            let all = engine.list(TABLE, &[], now).await;
            let under_3 = engine.list(TABLE, &[3], now).await;
            let mut pages = Vec::new();
            for limit in [1, 2, 30] {
                for part in [Part::After(&[1]), Part::Before(&[5])] {
                    pages.push(engine.page(TABLE, &[], part, limit, now).await);
                }
            }
            format!("{all:?} {under_3:?} {pages:?} {:?}", engine.count(TABLE, &[], now).await)
        }
        Operation::Advance(_) | Operation::Reopen | Operation::Kill => String::new(),
    }
}

async fn compare(operations: Vec<Operation>, room: Room) -> Result<(), TestCaseError> {
    let mut directory = Directory::new();
    let memory = MemoryEngine::new();
    let mut sqlite = open(&directory.file(), room).unwrap();
    let mut now = 0;
    for operation in operations {
        match operation {
            Operation::Advance(seconds) => now += seconds,
            Operation::Reopen => {
                drop(sqlite);
                sqlite = open(&directory.file(), room).unwrap();
            }
            Operation::Kill => {
                let killed = directory.as_killed();
                sqlite = open(&killed.file(), room).unwrap();
                directory = killed;
            }
            _ => {}
        }
        let expected = answer(&memory, &operation, now).await;
        let found = answer(&sqlite, &operation, now).await;
        prop_assert_eq!(found, expected, "{:?} at {}", operation, now);
    }
    let listed: Vec<KeyedValue> = memory.list(TABLE, &[], at(now)).await.unwrap();
    prop_assert_eq!(sqlite.list(TABLE, &[], at(now)).await.unwrap(), listed);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    /// Wherever a record stands, over ends and kills, the answers are those of memory.
    #[test]
    fn the_journal_and_its_table_answer_as_one(
        operations in prop::collection::vec(operation(), 1..60),
        records in prop::sample::select(vec![0, 300, 1500, ROOM.records]),
        spans in prop::sample::select(vec![0, 120, 500, ROOM.spans]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(compare(operations, room(records, spans)))?;
    }
}

/// An earlier record, which was read from the table, says nothing of one that was put since and
/// then replaced.
#[tokio::test]
async fn a_replaced_record_lasts_as_long_as_it_was_put_for() {
    use Operation::*;
    let filling = Put { keys: 0..3, value: 0, expires: None };
    let operations = vec![
        Put { keys: 5..6, value: 6, expires: Some(0) },
        // There is room for nine: at the next commit the oldest are in the table.
        filling.clone(),
        filling.clone(),
        filling.clone(),
        filling,
        Advance(14),
        Get { key: 5 },
        Put { keys: 5..6, value: 0, expires: None },
        Replace { key: 5, value: 249 },
        Get { key: 5 },
    ];
    for room in [memory(1500), room(1500, 0)] {
        compare(operations.clone(), room).await.unwrap();
    }
}

/// Whoever reads while records move to the table, and are changed there, misses none.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_acknowledged_record_is_found_at_any_moment() {
    let directory = Directory::new();
    let engine = Arc::new(open(&directory.file(), room(2000, 1000)).unwrap());
    let is_over = Arc::new(AtomicBool::new(false));
    let latest = Arc::new(AtomicU32::new(0));
    engine.put(TABLE, b"changes", 0_u32.to_be_bytes().to_vec(), None).await.unwrap();
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (engine, is_over) = (Arc::clone(&engine), Arc::clone(&is_over));
            let latest = Arc::clone(&latest);
            tokio::spawn(async move {
                let mut readings = 0_u32;
                while !is_over.load(Ordering::Acquire) || readings == 0 {
                    let least = latest.load(Ordering::Acquire);
                    let found = engine.get(TABLE, b"changes", at(1)).await.unwrap().unwrap();
                    let found = u32::from_be_bytes(found.try_into().unwrap());
                    assert!(found >= least, "{found} after {least} was acknowledged");
                    readings += 1;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for number in 1..=200_u32 {
        let value = number.to_be_bytes().to_vec();
        if number % 3 == 0 {
            assert!(engine.replace(TABLE, b"changes", value, at(1)).await.unwrap());
        } else {
            engine.put(TABLE, b"changes", value, None).await.unwrap();
        }
        latest.store(number, Ordering::Release);
        // What makes it leave.
        let key = number.to_be_bytes();
        engine.put(TABLE, &key, vec![0; 700], None).await.unwrap();
        assert!(engine.get(TABLE, &key, at(1)).await.unwrap().is_some());
    }
    is_over.store(true, Ordering::Release);
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(engine.count(TABLE, &[], at(1)).await.unwrap(), 201);
}

#[tokio::test]
async fn what_is_kept_in_memory_is_bounded_and_the_rest_is_on_disk() {
    let directory = Directory::new();
    let (records, spans, value) = (20_000, 2_000, vec![0; 1000]);
    let engine = open(&directory.file(), room(records, spans)).unwrap();
    for number in 0..100_u8 {
        engine.put(TABLE, &[number], value.clone(), None).await.unwrap();
        let size = engine.memory.journal.lock().size;
        assert!(size <= records + 1000 + 25 + BESIDES + 2, "{size}");
    }
    assert_eq!(engine.count(TABLE, &[], at(1)).await.unwrap(), 100);
    drop(engine);
    let [journal, shelf, table] =
        ["journal", "shelf", TABLE_NAME].map(|table| rows(&directory.file(), table));
    assert_eq!(journal + table, 100);
    assert!((10..20).contains(&(journal - shelf)), "{journal} {shelf}");
    assert!((10..20).contains(&shelf), "{shelf}");
}

/// What was read from the table or the shelf is known, and not what the journal puts there later.
#[tokio::test]
async fn what_leaves_memory_is_read_anew() {
    for room in [memory(0), room(0, 0)] {
        let directory = Directory::new();
        let engine = open(&directory.file(), room).unwrap();
        for value in [b"old", b"new"] {
            engine.put(TABLE, b"k", value.to_vec(), None).await.unwrap();
            // With the next commits it leaves memory, and then the shelf.
            for _ in 0..2 {
                engine.put(TABLE, b"other", Vec::new(), None).await.unwrap();
                let found = engine.get(TABLE, b"k", at(1)).await.unwrap();
                assert_eq!(found.as_deref(), Some(value.as_slice()));
            }
        }
    }
}

/// A record that was revoked while it stood in the journal stays so, whenever its row leaves.
#[tokio::test]
async fn what_is_removed_does_not_come_back_from_its_row() {
    let directory = Directory::new();
    let engine = open(&directory.file(), ROOM).unwrap();
    engine.put(TABLE, b"gone", b"v".to_vec(), None).await.unwrap();
    engine.put(TABLE, b"stays", b"v".to_vec(), None).await.unwrap();
    assert!(engine.remove(TABLE, b"gone").await.unwrap());
    assert!(!engine.remove(TABLE, b"gone").await.unwrap());
    let killed = directory.as_killed();
    assert_eq!(rows(&killed.file(), "journal"), 3);
    for room in [ROOM, memory(0), memory(0), room(0, 0), room(0, 0)] {
        let engine = open(&killed.file(), room).unwrap();
        assert_eq!(engine.get(TABLE, b"gone", at(1)).await.unwrap(), None);
        assert!(!engine.remove(TABLE, b"gone").await.unwrap());
        assert!(engine.get(TABLE, b"stays", at(1)).await.unwrap().is_some());
    }
    assert_eq!(rows(&killed.file(), "journal"), 0);
}

#[tokio::test]
async fn what_expired_leaves_the_journal_and_does_not_reach_the_table() {
    let directory = Directory::new();
    let clock = Arc::<SetClock>::default();
    let engine = || SqliteEngine::open_with(&directory.file(), Arc::clone(&clock) as _, ROOM);
    let first = engine().unwrap();
    let put = async |key: &'static [u8], expires| {
        first.put(TABLE, key, b"v".to_vec(), Some(at(expires))).await.unwrap();
    };
    tokio::join!(put(b"dies", 1000), put(b"lives", 9000));
    put(b"stays", 9000).await;
    drop(first);
    // No test waits: the file says that the time has passed, and the grace.
    let connection = rusqlite::Connection::open(directory.file()).unwrap();
    assert_eq!(connection.execute("UPDATE horizon SET past = 1300", []).unwrap(), 1);
    drop(connection);
    clock.0.store(1300, Ordering::Relaxed);

    let second = engine().unwrap();
    // Any commit is an occasion to look for what expired: with one it leaves memory, with the next
    // the shelf.
    for _ in 0..2 {
        second.put(RecordTable::Resources, b"occasion", Vec::new(), None).await.unwrap();
        for live in [&b"lives"[..], b"stays"] {
            assert!(second.get(TABLE, live, at(1)).await.unwrap().is_some());
        }
    }
    assert_eq!(second.get(TABLE, b"dies", at(1)).await.unwrap(), None);
    drop(second);
    assert_eq!(rows(&directory.file(), "shelf"), 0);
    assert_eq!(rows(&directory.file(), TABLE_NAME), 1);
    assert_eq!(rows(&directory.file(), "journal"), 1);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_an_error_and_no_absence() {
    // One that stands as it is, and one that is packed.
    for octets in [1, 4000] {
        let directory = Directory::new();
        let engine = open(&directory.file(), ROOM).unwrap();
        engine.put(TABLE, b"k", vec![7; octets], None).await.unwrap();
        drop(engine);
        spoil(&directory);
        let Err(error) = open(&directory.file(), ROOM) else { panic!("opened") };
        assert!(matches!(error, OpenError::Database { .. }), "{error}");
    }
}

/// Writes an octet behind every row, which makes it none.
fn spoil(directory: &Directory) {
    let connection = rusqlite::Connection::open(directory.file()).unwrap();
    connection.execute("UPDATE journal SET records = CAST(records || x'00' AS BLOB)", []).unwrap();
}

/// A long row that an older version wrote, which did not pack, is found, goes to the shelf, and
/// loses what is removed.
#[tokio::test]
async fn a_row_from_before_rows_were_packed_is_still_good() {
    let directory = Directory::new();
    drop(open(&directory.file(), ROOM).unwrap());
    let mut row = Vec::new();
    for key in [b"k", b"l"] {
        put(&mut row, key, &[7; 4000], None);
    }
    let connection = rusqlite::Connection::open(directory.file()).unwrap();
    connection.execute("INSERT INTO journal (id, records) VALUES (1, ?1)", [&row]).unwrap();
    connection.pragma_update(None, "user_version", 10).unwrap();
    drop(connection);

    let engine = open(&directory.file(), memory(0)).unwrap();
    let found = engine.get(TABLE, b"k", at(1)).await.unwrap();
    assert_eq!(found, Some(vec![7; 4000]));
    engine.put(TABLE, b"m", b"v".to_vec(), None).await.unwrap();
    assert_eq!(engine.memory.journal.shelved(b"k"), [1]);
    assert!(engine.remove(TABLE, b"k").await.unwrap());
    drop(engine);
    let engine = open(&directory.file(), memory(0)).unwrap();
    assert_eq!(engine.get(TABLE, b"k", at(1)).await.unwrap(), None);
    assert_eq!(engine.get(TABLE, b"l", at(1)).await.unwrap(), Some(vec![7; 4000]));
}
