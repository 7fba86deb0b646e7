//! What survives a restart, and which files are refused.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::common::{Directory, FixedClock, SetClock, Sevens, at, open};
use countersign_store::engine::{
    Durability, OneTime as _, OneTimeEntry, OneTimeTable, RecordTable, Records as _, Spend,
};
use countersign_store::sqlite::OpenError;
use countersign_store::{AccessTokens, Codes, SqliteEngine, StoreError, Tickets};
use countersign_types::ClientId;
use countersign_types::digest::Digest;
use countersign_types::secret::{AccessToken, AuthorizationCode};

fn entry(handle: &[u8]) -> OneTimeEntry {
    let key = Digest::of(handle);
    OneTimeEntry { key, value: handle.to_vec(), bound_to: None, expires: at(1000) }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_reopening() {
    let directory = Directory::new();
    let engine = open(&directory.file());
    engine.insert(OneTimeTable::Tickets, entry(b"live"), Durability::Durable).await.unwrap();
    engine.insert(OneTimeTable::Tickets, entry(b"spent"), Durability::Lazy).await.unwrap();
    let spent = engine.spend(OneTimeTable::Tickets, Digest::of(b"spent"), b"c", at(1)).await;
    assert_eq!(spent.unwrap(), Spend::First(b"spent".to_vec()));
    assert!(engine.insert_new(Digest::of(b"jti"), at(1000)).await.unwrap());
    engine.put(RecordTable::Resources, b"r", b"resource".to_vec(), None).await.unwrap();
    engine.put(RecordTable::Resources, b"gone", b"resource".to_vec(), None).await.unwrap();
    assert!(engine.remove(RecordTable::Resources, b"gone").await.unwrap());
    drop(engine);

    let engine = open(&directory.file());
    let live = engine.spend(OneTimeTable::Tickets, Digest::of(b"live"), b"c", at(1)).await;
    assert_eq!(live.unwrap(), Spend::First(b"live".to_vec()));
    let spent = engine.spend(OneTimeTable::Tickets, Digest::of(b"spent"), b"c", at(1)).await;
    assert_eq!(spent.unwrap(), Spend::Again(b"spent".to_vec()));
    assert!(!engine.insert_new(Digest::of(b"jti"), at(1000)).await.unwrap());
    let resource = engine.get(RecordTable::Resources, b"r", at(1)).await.unwrap();
    assert_eq!(resource.as_deref(), Some(b"resource".as_slice()));
    assert_eq!(engine.get(RecordTable::Resources, b"gone", at(1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_copy_of_the_files_taken_at_any_moment_has_what_was_acknowledged() {
    // What a killed process leaves: the files as they are, without a clean end.
    let (directory, killed) = (Directory::new(), Directory::new());
    let engine = open(&directory.file());
    for round in 0..20_u8 {
        engine.put(RecordTable::Resources, &[round], vec![round], None).await.unwrap();
        engine.put(RecordTable::AccessTokens, &[round], vec![round], None).await.unwrap();
        engine.insert(OneTimeTable::Tickets, entry(&[round]), Durability::Durable).await.unwrap();
        let key = Digest::of(&[round]);
        let first = engine.spend(OneTimeTable::Tickets, key, b"c", at(1)).await.unwrap();
        assert_eq!(first, Spend::First(vec![round]));
    }
    copy(&directory, &killed);
    let recovered = open(&killed.file());
    for round in 0..20_u8 {
        for table in [RecordTable::Resources, RecordTable::AccessTokens] {
            let value = recovered.get(table, &[round], at(1)).await.unwrap();
            assert_eq!(value, Some(vec![round]));
        }
        let key = Digest::of(&[round]);
        let again = recovered.spend(OneTimeTable::Tickets, key, b"c", at(1)).await.unwrap();
        assert_eq!(again, Spend::Again(vec![round]));
    }
}

#[tokio::test]
async fn a_value_spent_before_it_was_written_never_comes_back() {
    // A killed process: the files as they are when the value was live, and after it was spent.
    let (directory, live, spent) = (Directory::new(), Directory::new(), Directory::new());
    let engine = SqliteEngine::open(&directory.file(), Arc::new(FixedClock(0))).unwrap();
    let key = Digest::of(b"young");
    engine.insert(OneTimeTable::Tickets, entry(b"young"), Durability::Lazy).await.unwrap();
    engine.put(RecordTable::Resources, b"a", Vec::new(), None).await.unwrap();
    copy(&directory, &live);
    let first = engine.spend(OneTimeTable::Tickets, key, b"c", at(1)).await.unwrap();
    assert_eq!(first, Spend::First(b"young".to_vec()));
    engine.put(RecordTable::Resources, b"b", Vec::new(), None).await.unwrap();
    engine.write_recent().await.unwrap();
    copy(&directory, &spent);

    for killed in [live, spent] {
        let recovered = open(&killed.file());
        let spend = recovered.spend(OneTimeTable::Tickets, key, b"c", at(1)).await.unwrap();
        assert_eq!(spend, Spend::Absent);
    }
}

#[tokio::test]
async fn a_live_value_that_was_written_is_spent_on_the_disk() {
    let (directory, spent) = (Directory::new(), Directory::new());
    let engine = SqliteEngine::open(&directory.file(), Arc::new(FixedClock(0))).unwrap();
    let key = Digest::of(b"old");
    engine.insert(OneTimeTable::Tickets, entry(b"old"), Durability::Lazy).await.unwrap();
    engine.write_recent().await.unwrap();
    let first = engine.spend(OneTimeTable::Tickets, key, b"c", at(1)).await.unwrap();
    assert_eq!(first, Spend::First(b"old".to_vec()));
    copy(&directory, &spent);

    let again = open(&spent.file()).spend(OneTimeTable::Tickets, key, b"c", at(1)).await.unwrap();
    assert_eq!(again, Spend::Again(b"old".to_vec()));
}

/// What is inserted under a key that is taken, wherever what took it is and whatever became of it,
/// is refused and changes nothing.
#[tokio::test]
async fn a_key_that_is_taken_stays_taken_in_every_state() {
    for (is_lazy, is_written, is_spent, is_reopened) in
        (0..16).map(|n| (n & 1 != 0, n & 2 != 0, n & 4 != 0, n & 8 != 0))
    {
        let (directory, key) = (Directory::new(), Digest::of(b"taken"));
        let open = || SqliteEngine::open(&directory.file(), Arc::new(FixedClock(0))).unwrap();
        let mut engine = open();
        let durability = if is_lazy { Durability::Lazy } else { Durability::Durable };
        for table in OneTimeTable::ALL {
            engine.insert(table, entry(b"taken"), durability).await.unwrap();
        }
        if is_written {
            engine.write_recent().await.unwrap();
        }
        if is_spent {
            for table in OneTimeTable::ALL {
                let first = engine.spend(table, key, b"c", at(1)).await.unwrap();
                assert_eq!(first, Spend::First(b"taken".to_vec()));
            }
        }
        if is_reopened {
            drop(engine);
            engine = open();
        }
        let state = format!(
            "lazy {is_lazy}, written {is_written}, spent {is_spent}, reopened {is_reopened}"
        );
        for table in OneTimeTable::ALL {
            let other = OneTimeEntry { value: b"other".to_vec(), ..entry(b"taken") };
            let refused = engine.insert(table, other, Durability::Durable).await;
            assert!(matches!(refused, Err(StoreError::Exists)), "{state}: {refused:?}");
            assert_eq!(engine.spend(table, key, b"c", at(1000)).await.unwrap(), Spend::Absent);
            let before = engine.spend(table, key, b"c", at(1)).await.unwrap();
            let (first, again) = (Spend::First(b"taken".to_vec()), Spend::Again(b"taken".to_vec()));
            assert_eq!(before, if is_spent { again } else { first }, "{state}");
        }
    }
}

/// Whatever randomness that repeats itself inserts, what is on the disk outlasts it.
#[tokio::test]
async fn a_lazy_insertion_under_a_taken_key_overwrites_nothing() {
    let directory = Directory::new();
    let open = || SqliteEngine::open(&directory.file(), Arc::new(FixedClock(0))).unwrap();
    let mut engine = open();
    let (table, key) = (OneTimeTable::Tickets, Digest::of(b"twice"));
    engine.insert(table, entry(b"twice"), Durability::Durable).await.unwrap();
    let first = engine.spend(table, key, b"c", at(1)).await.unwrap();
    assert_eq!(first, Spend::First(b"twice".to_vec()));
    for is_ended in [false, true] {
        let other = OneTimeEntry { value: b"other".to_vec(), ..entry(b"twice") };
        engine.insert(table, other, Durability::Lazy).await.unwrap();
        if is_ended {
            drop(engine);
            engine = open();
        }
        engine.write_recent().await.unwrap();
        let spend = engine.spend(table, key, b"c", at(1)).await.unwrap();
        assert_eq!(spend, Spend::Again(b"twice".to_vec()), "ended {is_ended}");
    }
}

/// Where there is nothing that could be asked, a ticket is kept all the same.
#[tokio::test]
async fn the_disk_is_not_asked_about_a_fresh_ticket() {
    let directory = Directory::new();
    let engine = open(&directory.file());
    let tables = rusqlite::Connection::open(directory.file()).unwrap();
    tables.execute_batch("DROP TABLE tickets").unwrap();
    engine.insert(OneTimeTable::Tickets, entry(b"fresh"), Durability::Lazy).await.unwrap();
}

/// Whoever gets the files gets nothing that could be presented, wherever in them it stands.
#[tokio::test]
async fn the_files_hold_digests_and_no_handle() {
    let directory = Directory::new();
    let engine = SqliteEngine::open(&directory.file(), Arc::new(FixedClock(0))).unwrap();
    let engine = Arc::new(engine);
    let client = ClientId::parse("a client").unwrap();
    let (code, token) = ("a code of ours", "a token of ours");
    let record = "what they stand for".to_owned();
    let tickets: Tickets<String> = Tickets::new(Arc::clone(&engine) as _);
    let ticket = tickets.issue(&Sevens, &record, None, at(1000)).await.unwrap();
    engine.write_recent().await.unwrap();
    let codes: Codes<String> = Codes::new(Arc::clone(&engine) as _);
    codes.issue(&AuthorizationCode::new(code), &record, &client, at(1000)).await.unwrap();
    let tokens: AccessTokens<String> = AccessTokens::new(Arc::clone(&engine) as _);
    tokens.insert(&AccessToken::new(token), &record, at(1000)).await.unwrap();

    let files = ["", "-wal"].map(|suffix| format!("{}{suffix}", directory.file().display()));
    let octets = files.map(|file| std::fs::read(file).unwrap()).concat();
    let count = |text: &str| octets.windows(text.len()).filter(|o| *o == text.as_bytes()).count();
    assert_eq!([ticket.expose(), code, token].map(count), [0; 3]);
    // The records are there, so they were looked for in the right place.
    assert!(count(&record) >= 3);
}

/// The files as a killed process leaves them.
pub(crate) fn copy(from: &Directory, to: &Directory) {
    for suffix in ["", "-wal"] {
        let name = |path: std::path::PathBuf| format!("{}{suffix}", path.display());
        std::fs::copy(name(from.file()), name(to.file())).unwrap();
    }
}

/// Records that are alike take a part of their room in the file, and every one is what it was.
#[tokio::test]
async fn records_of_one_commit_are_packed_and_read_back() {
    const TABLE: RecordTable = RecordTable::AccessTokens;
    let record = |number: u16| format!(r#"{{"client":"https://client.example/","n":{number}}}"#);
    let directory = Directory::new();
    let engine = Arc::new(open(&directory.file()));
    let mut puts = tokio::task::JoinSet::new();
    for number in 0..500 {
        let (engine, value) = (Arc::clone(&engine), record(number).into_bytes());
        puts.spawn(
            async move { engine.put(TABLE, &number.to_be_bytes(), value, Some(at(1000))).await },
        );
    }
    while let Some(put) = puts.join_next().await {
        put.unwrap().unwrap();
    }
    drop(engine);

    let connection = rusqlite::Connection::open(directory.file()).unwrap();
    let sum = "SELECT sum(length(records)) FROM journal";
    let size: isize = connection.query_row(sum, [], |row| row.get(0)).unwrap();
    let plain: usize = (0..500).map(|number| record(number).len()).sum();
    assert!(size.unsigned_abs() < plain, "{size} of {plain}");
    drop(connection);
    let engine = open(&directory.file());
    for number in 0..500_u16 {
        let found = engine.get(TABLE, &number.to_be_bytes(), at(1)).await.unwrap();
        assert_eq!(found, Some(record(number).into_bytes()));
    }
}

/// A record that expired is the last word on its key: what it replaced does not come back with it.
#[tokio::test]
async fn what_an_expired_record_replaced_stays_away() {
    const TABLE: RecordTable = RecordTable::AccessTokens;
    let (directory, clock) = (Directory::new(), Arc::new(SetClock::default()));
    clock.set(10_000);
    let engine = SqliteEngine::open(&directory.file(), Arc::clone(&clock) as _).unwrap();
    engine.put(TABLE, b"k", b"first".to_vec(), None).await.unwrap();
    assert!(engine.replace(TABLE, b"k", b"in the table".to_vec(), at(10_000)).await.unwrap());
    engine.put(TABLE, b"k", b"in the journal".to_vec(), Some(at(1))).await.unwrap();
    assert_eq!(engine.get(TABLE, b"k", at(10_000)).await.unwrap(), None);
    // A commit a while later moves what expired out of the journal.
    for moment in [10_010, 10_020] {
        clock.set(moment);
        engine.put(RecordTable::Resources, b"occasion", Vec::new(), None).await.unwrap();
        assert_eq!(engine.get(TABLE, b"k", at(moment)).await.unwrap(), None);
    }
    drop(engine);
    assert_eq!(open(&directory.file()).get(TABLE, b"k", at(10_020)).await.unwrap(), None);
}

/// Keeps a spent code and a `jti` that expire at 1000, lets the clock show these `moments`, and
/// opens the store again, after so much time as `passed` says. Whether both are still there.
async fn is_kept(moments: &[i64], passed: Option<i64>) -> bool {
    let directory = Directory::new();
    let (clock, key) = (Arc::new(SetClock::default()), Digest::of(b"jti"));
    let open = || SqliteEngine::open(&directory.file(), Arc::clone(&clock) as _).unwrap();
    let engine = open();
    engine.insert(OneTimeTable::Codes, entry(b"old"), Durability::Durable).await.unwrap();
    let spent = engine.spend(OneTimeTable::Codes, Digest::of(b"old"), b"c", at(1)).await.unwrap();
    assert!(matches!(spent, Spend::First(_)), "{spent:?}");
    assert!(engine.insert_new(key, at(1000)).await.unwrap());
    for moment in moments {
        clock.set(*moment);
        // Any commit at a moment far from the last one looks for what expired.
        engine.put(RecordTable::Resources, b"occasion", Vec::new(), None).await.unwrap();
    }
    drop(engine);
    if let Some(passed) = passed {
        // No test waits: the file says that the time has passed.
        let connection = rusqlite::Connection::open(directory.file()).unwrap();
        assert_eq!(connection.execute("UPDATE horizon SET past = ?1", [passed]).unwrap(), 1);
        clock.set(passed);
    }

    let engine = open();
    engine.put(RecordTable::Resources, b"occasion", Vec::new(), None).await.unwrap();
    let spent = engine.spend(OneTimeTable::Codes, Digest::of(b"old"), b"c", at(1)).await.unwrap();
    let is_new = engine.insert_new(key, at(1000)).await.unwrap();
    assert_eq!(matches!(spent, Spend::Absent), is_new, "{spent:?}");
    !is_new
}

#[tokio::test]
async fn expired_rows_go_by_themselves_after_the_grace_and_not_before() {
    assert!(is_kept(&[], Some(1299)).await);
    assert!(!is_kept(&[], Some(1300)).await);
}

/// R6: an early purge would make a replayed `jti` look new.
#[tokio::test]
async fn r6_a_clock_that_jumps_makes_nothing_go_early() {
    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;
    for moments in [
        &[HOUR, 0][..],
        &[DAY, 0],
        &[-HOUR, 0],
        &[DAY, 0, -DAY, DAY, 0],
        &[1 << 31, 0],
        &[i64::MAX, i64::MIN, 0],
        // Over a restart: wrong when the program ends, and when it starts.
        &[DAY],
        &[i64::MAX],
    ] {
        assert!(is_kept(moments, None).await, "{moments:?}");
    }
}

#[tokio::test]
async fn what_is_in_a_file_of_an_older_schema_is_still_there() {
    // What each step of the schema made.
    let steps = [
        "DROP TABLE horizon;",
        "DROP TABLE grants; DROP TABLE refresh_tokens; DROP TABLE sessions; DROP TABLE consents;",
        "DROP TABLE journal;",
        "DROP TABLE cases; DROP TABLE waiting_tickets;",
        "DROP TABLE linked_identities;",
        "DROP TABLE messages;",
        "DROP TABLE shares;",
        "DROP TABLE notices;",
        "DROP TABLE shelf;",
        "",
    ];
    for (version, later) in (1..).zip((0..steps.len()).map(|done| steps[done..].concat())) {
        let directory = Directory::new();
        let engine = open(&directory.file());
        engine.put(RecordTable::Resources, b"r", b"resource".to_vec(), None).await.unwrap();
        drop(engine);
        let connection = rusqlite::Connection::open(directory.file()).unwrap();
        let older = format!("{later} PRAGMA user_version = {version}");
        connection.execute_batch(&older).unwrap();
        drop(connection);

        let engine = open(&directory.file());
        let resource = engine.get(RecordTable::Resources, b"r", at(1)).await.unwrap();
        assert_eq!(resource.as_deref(), Some(b"resource".as_slice()), "{version}");
        assert!(engine.insert_new(Digest::of(b"jti"), at(1000)).await.unwrap(), "{version}");
        engine.put(RecordTable::Grants, b"g", b"grant".to_vec(), None).await.unwrap();
    }
}

/// Records of access tokens that an older version wrote are found, replaced and removed.
#[tokio::test]
async fn access_tokens_from_before_the_journal_are_still_good() {
    let directory = Directory::new();
    drop(open(&directory.file()));
    // The file as the third version of the schema has it.
    let connection = rusqlite::Connection::open(directory.file()).unwrap();
    connection
        .execute_batch(
            "DROP TABLE journal; DROP TABLE cases; DROP TABLE waiting_tickets; \
             DROP TABLE linked_identities; \
             DROP TABLE messages; DROP TABLE shares; DROP TABLE notices; DROP TABLE shelf; \
             PRAGMA user_version = 3; \
             INSERT INTO access_tokens (key, value, expires) VALUES \
             (x'01', x'0a', 1000), (x'02', x'0b', NULL), (x'03', x'0c', 1000)",
        )
        .unwrap();
    drop(connection);

    let table = RecordTable::AccessTokens;
    let engine = open(&directory.file());
    let get = async |key: u8| engine.get(table, &[key], at(1)).await.unwrap();
    assert_eq!(get(1).await, Some(vec![10]));
    assert!(engine.replace(table, &[2], vec![20], at(1)).await.unwrap());
    assert_eq!(get(2).await, Some(vec![20]));
    engine.put(table, &[3], vec![30], Some(at(1000))).await.unwrap();
    assert_eq!(get(3).await, Some(vec![30]));
    assert!(engine.remove(table, &[3]).await.unwrap());
    assert_eq!(get(3).await, None);
    assert_eq!(engine.count(table, &[], at(1)).await.unwrap(), 2);
}

#[tokio::test]
async fn a_store_is_closed_once_nobody_holds_it() {
    let directory = Directory::new();
    let engine = SqliteEngine::open(&directory.file(), Arc::new(FixedClock(0)));
    let engine = Arc::new(engine.unwrap());
    let mut closed = pin!(engine.closed());
    let other = Arc::clone(&engine);
    engine.insert_new(Digest::of(b"jti"), at(1000)).await.unwrap();
    drop(engine);
    assert_eq!(now(closed.as_mut()), None, "one more holds it");
    drop(other);
    assert_eq!(now(closed), Some(()));
    let engine = open(&directory.file());
    assert!(!engine.insert_new(Digest::of(b"jti"), at(1000)).await.unwrap());
}

/// What a future has at its next look.
fn now<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[test]
fn a_store_is_opened_once_at_a_time() {
    let directory = Directory::new();
    let engine = open(&directory.file());
    let mut paths = vec![directory.file()];
    #[cfg(unix)]
    {
        let link = directory.file().with_file_name("link.db");
        std::os::unix::fs::symlink(directory.file(), &link).unwrap();
        paths.push(link);
    }
    for path in paths {
        let Err(error) = SqliteEngine::open(&path, Arc::new(FixedClock(0))) else {
            panic!("opened twice")
        };
        assert!(matches!(error, OpenError::InUse { .. }), "{error}");
        assert!(error.to_string().contains("only one process"), "{error}");
    }
    drop(engine);
    drop(open(&directory.file()));
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = Directory::new();
    let engine = open(&directory.file());
    engine.put(RecordTable::Resources, b"k", b"v".to_vec(), None).await.unwrap();
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let path = format!("{}{suffix}", directory.file().display());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{path}");
    }
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let directory = Directory::new();
    drop(open(&directory.file()));
    let connection = rusqlite::Connection::open(directory.file()).unwrap();
    connection.pragma_update(None, "user_version", 12).unwrap();
    drop(connection);
    let before = std::fs::read(directory.file()).unwrap();

    let Err(error) = SqliteEngine::open(&directory.file(), Arc::new(FixedClock(0))) else {
        panic!("opened")
    };
    assert!(matches!(error, OpenError::NewerSchema { found: 12, known: 11, .. }), "{error}");
    assert!(error.to_string().contains("newer version"), "{error}");
    assert_eq!(std::fs::read(directory.file()).unwrap(), before);
}

#[test]
fn a_file_of_something_else_is_refused_and_left_alone() {
    let directory = Directory::new();
    let connection = rusqlite::Connection::open(directory.file()).unwrap();
    connection.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").unwrap();
    drop(connection);
    let text = Directory::new();
    std::fs::write(text.file(), "not a database at all, but long enough to be read as one\n")
        .unwrap();

    for file in [directory.file(), text.file()] {
        let before = std::fs::read(&file).unwrap();
        let opened = SqliteEngine::open(&file, Arc::new(FixedClock(0)));
        let Err(error) = opened else { panic!("opened") };
        assert!(matches!(error, OpenError::NotAStore { .. }), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), before);
    }
}

#[test]
fn a_missing_directory_is_named() {
    let directory = Directory::new();
    let path = directory.file().join("store.db");
    let Err(error) = SqliteEngine::open(&path, Arc::new(FixedClock(0))) else { panic!("opened") };
    assert!(matches!(error, OpenError::File { .. }), "{error}");
    assert!(error.to_string().contains("store.db"), "{error}");
}
