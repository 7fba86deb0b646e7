//! What stands on the shelf behind its engine.

use countersign_types::digest::Digest;

use super::*;
use crate::sqlite::statements;

/// A start reads what has room in memory, and of the others where they stand.
#[tokio::test]
async fn a_start_leaves_on_the_shelf_what_was_there() {
    let directory = Directory::new();
    for number in 0..50_u8 {
        let engine = open(&directory.file(), memory(5000)).unwrap();
        engine.put(TABLE, &[number], vec![number; 1000], None).await.unwrap();
        let size = engine.memory.journal.lock().size;
        assert!(size <= 5000 + 1000 + 25 + BESIDES + 2, "{size}");
        for earlier in 0..=number {
            let found = engine.get(TABLE, &[earlier], at(1)).await.unwrap();
            assert_eq!(found, Some(vec![earlier; 1000]));
        }
    }
    assert_eq!(rows(&directory.file(), TABLE_NAME), 0);
    assert!(rows(&directory.file(), "shelf") > 40);
}

/// To put a record on the shelf writes nothing of the record.
#[tokio::test]
async fn a_record_is_written_once() {
    let directory = Directory::new();
    let engine = open(&directory.file(), memory(100_000)).unwrap();
    let log = || std::fs::metadata(directory.0.path().join("store.db-wal")).unwrap().len();
    // Nothing in it is there twice, so that no packing makes it less.
    let value = |number: u32| {
        let part = |part| *Digest::of(&u64::from(number * 250 + part).to_be_bytes()).as_bytes();
        (0..250).flat_map(part).collect::<Vec<u8>>()
    };
    let mut written = Vec::new();
    for number in 0..300_u32 {
        let before = log();
        engine.put(TABLE, &number.to_be_bytes(), value(number), None).await.unwrap();
        written.push(log() - before);
    }
    let pages = |octets: &[u64]| octets.iter().sum::<u64>() / 4096;
    // Twelve have room: of the first none left, of the last all did.
    let (first, last) = (pages(&written[1..11]), pages(&written[290..]));
    assert!(first >= 20, "{first}");
    assert!(last <= first + 10, "{last} pages after {first}");
}

/// The same for one that stood on the shelf, beside others and under an earlier one of its own key.
#[tokio::test]
async fn what_is_removed_does_not_come_back_from_the_shelf() {
    let directory = Directory::new();
    let engine = open(&directory.file(), memory(0)).unwrap();
    let put = async |key: &'static [u8], value: &[u8]| {
        engine.put(TABLE, key, value.to_vec(), None).await.unwrap();
    };
    tokio::join!(put(b"gone", b"first"), put(b"stays", b"v"), put(b"changes", b"v"));
    tokio::join!(put(b"gone", b"second"), put(b"other", b"v"));
    put(b"last", b"v").await;
    assert_eq!(engine.get(TABLE, b"gone", at(1)).await.unwrap().as_deref(), Some(&b"second"[..]));
    assert!(engine.remove(TABLE, b"gone").await.unwrap());
    assert!(engine.replace(TABLE, b"changes", b"new".to_vec(), at(1)).await.unwrap());
    let killed = directory.as_killed();
    assert_eq!(rows(&killed.file(), TABLE_NAME), 1);
    for room in [ROOM, memory(0), room(0, 0), room(0, 0)] {
        let engine = open(&killed.file(), room).unwrap();
        for (key, value) in [("gone", None), ("changes", Some("new")), ("stays", Some("v"))] {
            let found = engine.get(TABLE, key.as_bytes(), at(1)).await.unwrap();
            assert_eq!(found.as_deref(), value.map(str::as_bytes), "{key}");
        }
        assert!(!engine.remove(TABLE, b"gone").await.unwrap());
    }
    assert_eq!(rows(&killed.file(), "journal"), 0);
    assert_eq!(rows(&killed.file(), "shelf"), 0);
}

/// Over many more rows than are read at once, with gaps where records were removed.
#[tokio::test]
async fn a_list_is_read_in_parts_over_the_shelf() {
    let directory = Directory::new();
    let engine = open(&directory.file(), memory(0)).unwrap();
    let keys: Vec<[u8; 1]> = (0..4 * NEAR as u8).map(|key| [key]).collect();
    for key in &keys {
        engine.put(TABLE, key, vec![1], None).await.unwrap();
    }
    let (first, last) = (10, 10 + 2 * NEAR);
    for key in &keys[first..last] {
        assert!(engine.remove(TABLE, key).await.unwrap());
    }
    let left: Vec<_> = keys[..first].iter().chain(&keys[last..]).map(|key| key.to_vec()).collect();
    let page = async |part, limit| {
        let page = engine.page(TABLE, &[], part, limit, at(1)).await.unwrap();
        page.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    for limit in [1, 5, 100] {
        for (number, key) in left.iter().enumerate() {
            let after = &left[number + 1..];
            assert_eq!(page(Part::After(key), limit).await, after[..limit.min(after.len())]);
            let before = &left[..number];
            assert_eq!(
                page(Part::Before(key), limit).await,
                before[before.len().saturating_sub(limit)..]
            );
        }
    }
}

/// Of memory and of the table no more is read at a time than of the shelf.
#[tokio::test]
async fn a_part_of_a_list_is_read_as_far_as_the_shelf_is() {
    let directory = Directory::new();
    let engine = open(&directory.file(), memory(5000)).unwrap();
    let keys: Vec<[u8; 1]> = (0..4 * NEAR as u8).map(|key| [key]).collect();
    for key in &keys {
        engine.put(TABLE, key, vec![1; 100], None).await.unwrap();
    }
    let journal = &engine.memory.journal;
    assert!((NEAR..2 * NEAR).contains(&journal.lock().places.len()), "the last of them");
    let next = |part| journal.page(&[], part, NEAR, keys.len());
    let (near, in_memory) = next(Part::After(&[]));
    assert!(near.others.is_some() && in_memory.is_empty());
    let (near, in_memory) = next(Part::After(&keys[2 * NEAR]));
    assert!(near.others.is_none());
    assert_eq!(in_memory.len(), journal.lock().places.len());
    let (_, in_memory) = next(Part::Before(&[255]));
    assert_eq!(in_memory.len(), journal.lock().places.len());

    for key in &keys {
        assert!(engine.replace(TABLE, key, vec![2], at(1)).await.unwrap());
    }
    let tabled = |part, end: &[u8]| {
        let read = |c: &_| statements::page(c, TABLE, &[], part, Some(end), keys.len(), at(1));
        engine.read(read).unwrap().into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(tabled(Part::After(&keys[3]), &keys[5]), [keys[4], keys[5]]);
    assert_eq!(tabled(Part::Before(&keys[5]), &keys[3]), [keys[3], keys[4]]);
}

/// A record that expired on the shelf takes along what it replaced in the table.
#[tokio::test]
async fn what_an_expired_record_of_the_shelf_replaced_stays_away() {
    let directory = Directory::new();
    let engine = open(&directory.file(), room(0, 0)).unwrap();
    engine.put(TABLE, b"k", b"old".to_vec(), None).await.unwrap();
    for _ in 0..3 {
        engine.put(TABLE, b"other", Vec::new(), None).await.unwrap();
    }
    engine.put(TABLE, b"k", b"new".to_vec(), Some(at(1000))).await.unwrap();
    drop(engine);
    let connection = rusqlite::Connection::open(directory.file()).unwrap();
    let table = "SELECT count(*) FROM access_tokens WHERE key = CAST('k' AS BLOB)";
    let is_in_table = || connection.query_row(table, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(is_in_table(), 1);
    let past = "INSERT INTO horizon VALUES (0, 1300) ON CONFLICT (id) DO UPDATE SET past = 1300";
    connection.execute(past, []).unwrap();
    let clock = Arc::new(SetClock(AtomicI64::new(1300)));
    let engine = SqliteEngine::open_with(&directory.file(), clock, ROOM).unwrap();
    for _ in 0..2 {
        engine.put(RecordTable::Resources, b"occasion", Vec::new(), None).await.unwrap();
        assert_eq!(engine.get(TABLE, b"k", at(1300)).await.unwrap(), None);
    }
    assert_eq!(is_in_table(), 0);
}

#[tokio::test]
async fn a_row_of_the_shelf_that_cannot_be_read_is_an_error_and_no_absence() {
    // Rows that stand as they are, and rows that are packed.
    for octets in [1, 4000] {
        let directory = Directory::new();
        let engine = open(&directory.file(), memory(0)).unwrap();
        for key in [b"k", b"l"] {
            engine.put(TABLE, key, vec![7; octets], None).await.unwrap();
        }
        spoil(&directory);
        let error = engine.get(TABLE, b"k", at(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        assert!(engine.list(TABLE, b"k", at(1)).await.is_err());
        assert!(engine.remove(TABLE, b"k").await.is_err());
        assert!(engine.has_stopped());
    }
}
