//! Both engines give the same answers to any sequence of operations, and SQLite gives them over
//! any number of restarts.

use std::collections::HashSet;
use std::sync::Arc;

use crate::common::{Directory, FixedClock, at};
use countersign_store::engine::{Durability, OneTimeEntry, OneTimeTable, Part, RecordTable};
use countersign_store::{Engine, MemoryEngine, SqliteEngine};
use countersign_types::digest::Digest;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Operation {
    Insert {
        table: OneTimeTable,
        key: u8,
        bound_to: Option<u8>,
        expires: i64,
        durable: bool,
    },
    InsertNew {
        key: u8,
        expires: i64,
    },
    Spend {
        table: OneTimeTable,
        key: u8,
        presenter: u8,
    },
    Put {
        table: RecordTable,
        key: Vec<u8>,
        value: u8,
        expires: Option<i64>,
    },
    Replace {
        table: RecordTable,
        key: Vec<u8>,
        value: u8,
    },
    Get {
        table: RecordTable,
        key: Vec<u8>,
    },
    List {
        table: RecordTable,
        prefix: Vec<u8>,
    },
    Page {
        table: RecordTable,
        prefix: Vec<u8>,
        rest: Vec<u8>,
        back: bool,
        limit: usize,
    },
    Count {
        table: RecordTable,
        prefix: Vec<u8>,
    },
    Remove {
        table: RecordTable,
        key: Vec<u8>,
    },
    Advance(i64),
    /// SQLite writes what it has in memory alone.
    Write,
    Reopen,
}

/// Few keys, so that operations meet.
fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let single = || proptest::sample::select(OneTimeTable::ALL.to_vec());
    let record = || proptest::sample::select(RecordTable::ALL[..2].to_vec());
    let key = || proptest::collection::vec(prop_oneof![Just(0_u8), Just(7), Just(255)], 0..3);
    prop_oneof![
        6 => (single(), 0..8_u8, proptest::option::of(0..2_u8), 0..40_i64, any::<bool>()).prop_map(
            |(table, key, bound_to, expires, durable)| Insert {
                table, key, bound_to, expires, durable
            }
        ),
        2 => (0..3_u8, 0..40_i64).prop_map(|(key, expires)| InsertNew { key, expires }),
        8 => (single(), 0..8_u8, 0..2_u8)
            .prop_map(|(table, key, presenter)| Spend { table, key, presenter }),
        4 => (record(), key(), any::<u8>(), proptest::option::of(0..40_i64))
            .prop_map(|(table, key, value, expires)| Put { table, key, value, expires }),
        2 => (record(), key(), any::<u8>())
            .prop_map(|(table, key, value)| Replace { table, key, value }),
        4 => (record(), key()).prop_map(|(table, key)| Get { table, key }),
        2 => (record(), key()).prop_map(|(table, prefix)| List { table, prefix }),
        4 => (record(), key(), key(), any::<bool>(), 0..4_usize).prop_map(
            |(table, prefix, rest, back, limit)| Page { table, prefix, rest, back, limit }
        ),
        2 => (record(), key()).prop_map(|(table, prefix)| Count { table, prefix }),
        2 => (record(), key()).prop_map(|(table, key)| Remove { table, key }),
        2 => (0..8_i64).prop_map(Advance),
        2 => Just(Write),
        1 => Just(Reopen),
    ]
}

/// What an engine answers, as text.
async fn answer(engine: &dyn Engine, operation: &Operation, now: i64) -> String {
    let now = at(now);
    match operation.clone() {
        Operation::Insert { table, key, bound_to, expires, durable } => {
            let entry = OneTimeEntry {
                key: Digest::of(&[key]),
                value: vec![key, 1],
                bound_to: bound_to.map(|client| vec![client]),
                expires: at(expires),
            };
            let durability = if durable { Durability::Durable } else { Durability::Lazy };
            format!("{:?}", engine.insert(table, entry, durability).await)
        }
        Operation::InsertNew { key, expires } => {
            format!("{:?}", engine.insert_new(Digest::of(&[key]), at(expires)).await)
        }
        Operation::Spend { table, key, presenter } => {
            format!("{:?}", engine.spend(table, Digest::of(&[key]), &[presenter], now).await)
        }
        Operation::Put { table, key, value, expires } => {
            format!("{:?}", engine.put(table, &key, vec![value], expires.map(at)).await)
        }
        Operation::Replace { table, key, value } => {
            format!("{:?}", engine.replace(table, &key, vec![value], now).await)
        }
        Operation::Get { table, key } => format!("{:?}", engine.get(table, &key, now).await),
        Operation::List { table, prefix } => {
            format!("{:?}", engine.list(table, &prefix, now).await)
        }
        Operation::Page { table, prefix, rest, back, limit } => {
            let key = [prefix.as_slice(), &rest].concat();
            let part = if back { Part::Before(&key) } else { Part::After(&key) };
            format!("{:?}", engine.page(table, &prefix, part, limit, now).await)
        }
        Operation::Count { table, prefix } => {
            format!("{:?}", engine.count(table, &prefix, now).await)
        }
        Operation::Remove { table, key } => format!("{:?}", engine.remove(table, &key).await),
        Operation::Advance(_) | Operation::Write | Operation::Reopen => String::new(),
    }
}

async fn compare(operations: Vec<Operation>) -> Result<(), TestCaseError> {
    let directory = Directory::new();
    let memory = MemoryEngine::new();
    let reopen = || SqliteEngine::open(&directory.file(), Arc::new(FixedClock(0))).unwrap();
    let mut sqlite = reopen();
    let mut now = 0;
    let mut taken = HashSet::new();
    for operation in operations {
        match operation {
            // A lazy insertion is of a key that was drawn for it alone.
            Operation::Insert { table, key, durable, .. }
                if !taken.insert((table, key)) && !durable =>
            {
                continue;
            }
            Operation::Advance(seconds) => now += seconds,
            Operation::Reopen => {
                drop(sqlite);
                sqlite = reopen();
            }
            Operation::Write => sqlite.write_recent().await.unwrap(),
            _ => {}
        }
        let expected = answer(&memory, &operation, now).await;
        let found = answer(&sqlite, &operation, now).await;
        prop_assert_eq!(found, expected, "{:?} at {}", operation, now);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn memory_and_sqlite_agree(operations in proptest::collection::vec(operation(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(compare(operations))?;
    }
}
