use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use countersign_types::Timestamp;
use countersign_types::digest::Digest;

use super::super::committer::Committer;
use super::super::queue::Batch;
use super::super::statements;
use super::*;
use crate::engine::{OneTimeTable, Spend};
use crate::horizon::steady_now;
use crate::one_time::Single;
use crate::sqlite::statements::PURGE;

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(0)
    }
}

fn connection() -> Connection {
    prepared(Connection::open_in_memory().unwrap())
}

fn prepared(connection: Connection) -> Connection {
    connection.execute_batch("CREATE TABLE t (v BLOB)").unwrap();
    // Every table that is cleared has what is cleared by.
    for table in PURGE.map(|sql| sql.split(' ').nth(2).unwrap()) {
        connection.execute_batch(&format!("CREATE TABLE {table} (id, expires)")).unwrap();
    }
    connection.execute_batch("CREATE TABLE horizon (id PRIMARY KEY, past)").unwrap();
    connection.execute_batch("CREATE TABLE journal (id, records)").unwrap();
    connection.execute_batch("CREATE TABLE shelf (id, first, last, expires)").unwrap();
    connection
}

/// The same with a table of tickets that takes some.
fn with_tickets() -> Connection {
    let connection = connection();
    connection
        .execute_batch(
            "DROP TABLE tickets; CREATE TABLE tickets (id INTEGER PRIMARY KEY, \
             key BLOB UNIQUE, value BLOB, bound_to BLOB, spent INTEGER, expires INTEGER)",
        )
        .unwrap();
    connection
}

fn ticket() -> Single {
    let expires = Timestamp::from_unix(100);
    Single { value: b"v".to_vec(), bound_to: None, spent: false, expires }
}

fn start(connection: Connection) -> Writer {
    Writer::start(connection, Arc::new(StoppedClock), horizon(), Arc::default(), None).unwrap()
}

fn horizon() -> Horizon {
    Horizon::new(None, StoppedClock.now(), steady_now())
}

fn write(octets: usize) -> impl FnOnce(&Connection) -> rusqlite::Result<usize> {
    move |connection| connection.execute("INSERT INTO t VALUES (zeroblob(?1))", [octets as i64])
}

async fn put(writer: &Writer) -> Result<(), StoreError> {
    writer.hand_over(b"k", b"v", None).await?.written().await
}

fn count(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0))
}

/// Whoever queued to spend a value while it was being written finds it, even if that write
/// failed and the next one is the one both are in.
#[test]
fn a_value_is_on_the_disk_before_the_jobs_of_its_commit() {
    let connection = with_tickets();
    let memory = Arc::<Memory>::default();
    let recent = &memory.recent;
    let (clock, line) = (Arc::new(StoppedClock), Arc::default());
    let mut committer = Committer::new(connection, clock, horizon(), Arc::clone(&memory), line);
    let (table, key) = (OneTimeTable::Tickets, Digest::of(b"ticket"));
    assert!(recent.insert((table, key), ticket(), steady_now()).is_ok());
    let due = recent.take_due(steady_now(), 1);
    let (answer_to, mut answered) = oneshot::channel();
    let spend = move |c: &Connection| {
        let now = Timestamp::from_unix(1);
        Ok((statements::spend(c, table, &key, b"client", now)?, None))
    };
    let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    let job: Box<dyn Job> = Box::new(Write::new(spend, None, Some(answer_to), place));
    let mut batch = Batch { jobs: vec![job], ..Batch::default() };
    committer.commit(&mut batch, &due).unwrap();
    committer.answer(batch, &Ok(()));
    assert_eq!(answered.try_recv().unwrap().unwrap(), Spend::First(b"v".to_vec()));
}

/// Whoever wants everything on the disk waits for what is on its way there as well.
#[tokio::test]
async fn what_is_being_written_is_waited_for() {
    let writer = start(with_tickets());
    let key = (OneTimeTable::Tickets, Digest::of(b"ticket"));
    assert!(writer.memory.recent.insert(key, ticket(), steady_now()).is_ok());
    writer.line.hurries.store(true, Ordering::Release);
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let (begin, begun) = oneshot::channel();
    let hold = move |_: &Connection| Ok(begin.send(()).is_ok() && gate.recv().is_ok());
    let written = async {
        begun.await.unwrap();
        let mut written = pin!(writer.write_recent());
        let is_waiting = poll_fn(|cx| Poll::Ready(written.as_mut().poll(cx).is_pending())).await;
        assert!(is_waiting, "the commit with the ticket is still under way");
        open.send(()).unwrap();
        written.await
    };
    let (held, written) = tokio::join!(writer.commit(hold), written);
    assert!(held.unwrap() && written.is_ok());
}

#[tokio::test]
async fn a_full_disk_fails_the_commit_and_not_the_writer() {
    let connection = connection();
    let pages: i64 =
        connection.pragma_update_and_check(None, "max_page_count", 40, |row| row.get(0)).unwrap();
    assert_eq!(pages, 40);
    let writer = start(connection);
    let full = writer.commit(write(1024 * 1024)).await;
    assert!(matches!(full, Err(StoreError::Unavailable(_))), "{full:?}");
    assert!(!writer.has_stopped());
    assert_eq!(writer.commit(write(10)).await.unwrap(), 1);
    assert_eq!(writer.commit(count).await.unwrap(), 1);
}

#[tokio::test]
async fn a_failed_commit_answers_every_waiter_with_an_error_and_ends_writing() {
    let mut connection = connection();
    // The commit fails, as it does when the sync does.
    connection.commit_hook(Some(|| true)).unwrap();
    let writer = start(connection);
    let (one, two, three) =
        tokio::join!(writer.commit(write(1)), writer.commit(write(1)), writer.commit(write(1)));
    for outcome in [one, two, three] {
        let is_error = matches!(&outcome, Err(StoreError::Unavailable(_) | StoreError::Stopped));
        assert!(is_error, "{outcome:?}");
    }
    assert!(writer.has_stopped());
    let later = writer.commit(count).await;
    assert!(matches!(later, Err(StoreError::Stopped)), "{later:?}");
    let lazy = writer.enqueue(write(1)).await;
    assert!(matches!(lazy, Err(StoreError::Stopped)), "{lazy:?}");
    let put = put(&writer).await;
    assert!(matches!(put, Err(StoreError::Stopped)), "{put:?}");
}

#[tokio::test]
async fn one_failed_write_takes_its_whole_commit_back() {
    let connection = connection();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let (begin, begun) = tokio::sync::oneshot::channel();
    let hold = move |_: &Connection| Ok(begin.send(()).is_ok() && gate.recv().is_ok());
    let failing = |c: &Connection| c.execute("INSERT INTO no_such_table VALUES (1)", []);
    let writer = start(connection);
    // While the first write holds the thread, the other three gather into one commit.
    let gathered = async {
        begun.await.unwrap();
        tokio::join!(writer.commit(write(1)), put(&writer), writer.commit(failing), async {
            open.send(()).unwrap()
        })
    };
    let (_, (good, put, bad, ())) = tokio::join!(writer.commit(hold), gathered);
    assert!(matches!(good, Err(StoreError::Unavailable(_))), "{good:?}");
    assert!(matches!(put, Err(StoreError::Unavailable(_))), "{put:?}");
    assert!(writer.memory.journal.find(RecordTable::AccessTokens, b"k").is_none());
    assert!(matches!(bad, Err(StoreError::Unavailable(_))), "{bad:?}");
    assert!(writer.has_stopped());
}

#[tokio::test]
async fn a_panic_on_the_thread_is_an_error_for_every_caller() {
    let writer = start(connection());
    let panics = |_: &Connection| -> rusqlite::Result<()> { panic!("in a write") };
    let (panicked, put) = tokio::join!(writer.commit(panics), put(&writer));
    assert!(matches!(panicked, Err(StoreError::Stopped)), "{panicked:?}");
    assert!(matches!(put, Err(StoreError::Stopped)), "{put:?}");
    let later = writer.commit(count).await;
    assert!(matches!(later, Err(StoreError::Stopped)), "{later:?}");
}

#[tokio::test]
async fn dropping_the_writer_finishes_what_is_queued() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let writer = start(prepared(Connection::open(&path).unwrap()));
    for _ in 0..100 {
        writer.enqueue(write(1)).await.unwrap();
    }
    drop(writer);
    assert_eq!(count(&Connection::open(&path).unwrap()).unwrap(), 100);
}
