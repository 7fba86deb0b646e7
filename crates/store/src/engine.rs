//! The operations every engine offers: few, atomic, object safe.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use countersign_types::digest::Digest;
use countersign_types::{Clock, Timestamp};
use tokio::sync::SetOnce;

use crate::error::StoreError;
use crate::memory::MemoryEngine;
use crate::sqlite::{OpenError, SqliteEngine};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where single-use values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OneTimeTable {
    /// Permission tickets.
    Tickets,
    /// Authorization codes.
    Codes,
}

impl OneTimeTable {
    /// Every table of single-use values.
    pub const ALL: [Self; 2] = [Self::Tickets, Self::Codes];
}

/// Where records that are read many times are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordTable {
    /// What an opaque access token (RPT, PAT) stands for.
    AccessTokens,
    /// Identifiers of self-contained tokens that no longer count.
    Revoked,
    /// Resources registered at an authorization server.
    Resources,
    /// What a resource server registered where, so that it finds its ids again after a restart.
    Registrations,
    /// What people allowed clients.
    Grants,
    /// What a refresh token stands for.
    RefreshTokens,
    /// Where people are signed in.
    Sessions,
    /// What people allowed which client for good.
    Consents,
    /// What resource owners were asked about people, and what they said.
    Cases,
    /// Permission tickets that wait for a resource owner.
    WaitingTickets,
    /// Whose identity at another provider is whose here.
    LinkedIdentities,
    /// What was sent to somebody's inbox at a resource server.
    Messages,
    /// What resource owners share, and with whom.
    Shares,
    /// What resource owners are still to be told.
    Notices,
}

impl RecordTable {
    /// Every table of records.
    pub const ALL: [Self; 14] = [
        Self::AccessTokens,
        Self::Revoked,
        Self::Resources,
        Self::Registrations,
        Self::Grants,
        Self::RefreshTokens,
        Self::Sessions,
        Self::Consents,
        Self::Cases,
        Self::WaitingTickets,
        Self::LinkedIdentities,
        Self::Messages,
        Self::Shares,
        Self::Notices,
    ];
}

/// When an insertion may be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Once every later operation of this engine will see it. A power cut or a killed process may
    /// lose it: fit for a value whose loss only makes its holder ask again, under a key that was
    /// drawn for this insertion alone.
    Lazy,
    /// Once it would survive a power cut.
    Durable,
}

/// A single-use value to be kept.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeEntry {
    /// Digest of the handle, never the handle itself. The handle is 256 random bits of our own.
    pub key: Digest,
    /// What [`OneTime::spend`] gives to the first presenter.
    pub value: Vec<u8>,
    /// The only presenter that may spend it; `None` binds it to whoever spends it first.
    pub bound_to: Option<Vec<u8>>,
    /// From this moment on it is absent.
    pub expires: Timestamp,
}

impl std::fmt::Debug for OneTimeEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OneTimeEntry")
            .field("key", &self.key)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// What an attempt to spend a single-use value found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Spend {
    /// This call spent it. Over all callers and restarts there is one such answer.
    First(Vec<u8>),
    /// The same presenter had spent it before.
    Again(Vec<u8>),
    /// It belongs to another presenter. Nothing was changed: a stranger cannot burn it.
    Bound,
    /// There is no such value, or its time is over.
    Absent,
}

/// Values that succeed at most once: tickets, codes, `jti` values.
///
/// An engine promises that each method is atomic: of any number of concurrent calls, over all
/// tasks that share the engine, the result is that of some order of them.
pub trait OneTime: Send + Sync {
    /// Keeps a fresh single-use value. Nothing is ever overwritten, so no tombstone is lost: under
    /// a key that is taken, a durable insertion fails with [`StoreError::Exists`].
    ///
    /// `entry` is authenticated: the key comes from our own randomness, so that no two insertions
    /// under one key ever run at the same time. Of a lazy insertion its caller promises more: the
    /// key was drawn for it alone, as [`Tickets::issue`](crate::Tickets::issue) does, so that
    /// nothing ever stood under it. An engine need not look whether something does: what stands
    /// there stays, but may be hidden until the second is written.
    fn insert(
        &self,
        table: OneTimeTable,
        entry: OneTimeEntry,
        durability: Durability,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Remembers `key`; `false` if it is remembered already. Durable before it answers.
    ///
    /// It is kept until `expires` at least. The key is a digest over the kind of value, its issuer
    /// and its id, made only after the value's signature was verified: an unverified `jti` must
    /// not be burnt.
    fn insert_new(
        &self,
        key: Digest,
        expires: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Spends a value in one atomic step. Final before it answers [`Spend::First`]: no killed
    /// process and no power cut makes the value good again.
    ///
    /// What was spent stays as a tombstone until it expires; that of a value that was inserted
    /// lazily may be lost with the process, and then the value is [`Spend::Absent`]. `key` is the
    /// digest of an untrusted handle, `presenter` an authenticated or at least identified client.
    fn spend<'a>(
        &'a self,
        table: OneTimeTable,
        key: Digest,
        presenter: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Spend, StoreError>>;
}

/// A record that was handed over to be written, whether anybody waits for that or not.
#[derive(Debug)]
#[must_use = "the record may not be written yet"]
pub struct HandedOver(Option<Arc<Outcome>>);

/// What came of a commit, for all who wait for it.
pub(crate) type Outcome = SetOnce<Result<(), StoreError>>;

impl HandedOver {
    /// It is written already.
    pub const WRITTEN: Self = Self(None);

    pub(crate) const fn on_its_way(outcome: Arc<Outcome>) -> Self {
        Self(Some(outcome))
    }

    /// Waits until the record is written, and durable from then on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn written(&self) -> Result<(), StoreError> {
        match &self.0 {
            Some(outcome) => outcome.wait().await.clone(),
            None => Ok(()),
        }
    }
}

/// What becomes of a record that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Change {
    /// It stays as it is, and where none is, none comes.
    Keep,
    /// This value from now on, until this moment.
    Put(Vec<u8>, Option<Timestamp>),
    /// The same, and in the same step a record of [`RecordTable::Notices`], in place of the one of
    /// its key: both are there, or neither. Of a notice itself, nothing is told.
    PutAndTell(Vec<u8>, Option<Timestamp>, Tell),
    /// It is no more.
    Remove,
}

/// What is to be told of a change: a record of [`RecordTable::Notices`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tell {
    /// Its key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// From this moment on there is none; `None` keeps it until it is removed.
    pub expires: Option<Timestamp>,
}

/// Looks at a record, if there is a live one, and says what becomes of it.
///
/// It runs where nothing else writes meanwhile, so it has to be quick, and it waits for nothing.
pub type Changer = Box<dyn FnOnce(Option<&[u8]>) -> Change + Send>;

/// Records that are read many times. Keys and values are our own; only [`Records::get`] is asked
/// with keys that derive from untrusted input.
pub trait Records: Send + Sync {
    /// Writes a record, replacing one that stood there. Durable before it answers.
    fn put<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        value: Vec<u8>,
        expires: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Takes a record to be written as by [`put`](Self::put), and may answer before it is: what it
    /// gives is waited for instead. So whoever calls it has time to put away what is not needed
    /// until then. An engine of another crate writes first, or passes the record on to one of this.
    fn hand_over<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        value: Vec<u8>,
        expires: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<HandedOver, StoreError>> {
        Box::pin(
            async move { self.put(table, key, value, expires).await.map(|()| HandedOver::WRITTEN) },
        )
    }

    /// Gives a live record another value; `false` if there is none. Atomic: a record removed
    /// meanwhile does not come back. Durable before it answers.
    fn replace<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        value: Vec<u8>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Looks at a live record and changes it, in one atomic step: between what `change` sees and
    /// what it says, nobody writes. Durable before it answers; after an error, nothing is known of
    /// what `change` saw.
    fn update<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        now: Timestamp,
        change: Changer,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Reads a live record. Sees every write that was acknowledged before the call, and nothing
    /// that a power cut could take back.
    fn get<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>>;

    /// The live records whose keys start with `prefix`, in the order of their keys.
    fn list<'a>(
        &'a self,
        table: RecordTable,
        prefix: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<KeyedValue>, StoreError>>;

    /// Those of the records of [`list`](Self::list) that are next to a key, `limit` of them at
    /// most, in the order of their keys. It looks at no others.
    fn page<'a>(
        &'a self,
        table: RecordTable,
        prefix: &'a [u8],
        part: Part<'a>,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<KeyedValue>, StoreError>>;

    /// How many live records have keys that start with `prefix`. Reads keys, not values.
    fn count<'a>(
        &'a self,
        table: RecordTable,
        prefix: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<usize, StoreError>>;

    /// Removes a record; `false` if there was none. Durable before it answers.
    fn remove<'a>(
        &'a self,
        table: RecordTable,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
}

/// A part of a list of records. The key need not be one of theirs, but starts as theirs do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// The first after this key.
    After(&'a [u8]),
    /// The last before this key.
    Before(&'a [u8]),
}

impl Part<'_> {
    /// Whether a key of this part is `end`, or nearer than that.
    pub(crate) fn is_within(self, key: &[u8], end: &[u8]) -> bool {
        match self {
            Self::After(_) => key <= end,
            Self::Before(_) => key >= end,
        }
    }

    /// That part of a whole list.
    pub(crate) fn of(self, mut all: Vec<KeyedValue>, limit: usize) -> Vec<KeyedValue> {
        match self {
            Self::After(key) => {
                all.retain(|(known, _)| known.as_slice() > key);
                all.truncate(limit);
            }
            Self::Before(key) => {
                all.retain(|(known, _)| known.as_slice() < key);
                drop(all.drain(..all.len().saturating_sub(limit)));
            }
        }
        all
    }
}

/// A record's key and value.
pub type KeyedValue = (Vec<u8>, Vec<u8>);

/// A complete store.
///
/// It forgets expired entries by itself, and not before their time whatever the wall clock shows.
pub trait Engine: OneTime + Records {}

impl<E: OneTime + Records> Engine for E {}

/// The engine of a program: on the file at `path` or, if there is none, in memory; and what is done
/// once nobody uses it and its file is closed.
///
/// This call blocks; it belongs to a program's start.
///
/// # Errors
/// As [`SqliteEngine::open`].
pub fn open(
    path: Option<&Path>,
    clock: Arc<dyn Clock>,
) -> Result<(Arc<dyn Engine>, BoxFuture<'static, ()>), OpenError> {
    let Some(path) = path else {
        return Ok((Arc::new(MemoryEngine::new()), Box::pin(std::future::ready(()))));
    };
    let engine = SqliteEngine::open(path, clock)?;
    let closed = Box::pin(engine.closed());
    Ok((Arc::new(engine), closed))
}
