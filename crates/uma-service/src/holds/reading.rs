//! What is held is read when somebody looks, from where the look before ended.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_store::access_tokens::TokenKey;
use countersign_store::resources::Beside;
use countersign_store::{AccessTokens, RefreshTokens, StoreError};
use countersign_types::digest::Digest;
use countersign_types::{Lifetime, Timestamp};
use countersign_uma::resource::ResourceId;
use countersign_uma::{PersonId, Protection};

use super::HoldId;
use super::index::{Found, Index, Mark, Of};
use crate::pat::{Refreshable, StoredToken};

/// So many records are read at a time.
const AT_A_TIME: usize = 500;

/// A look begins so long before the end of the one before it: a token has the moment at which it
/// was made, and its record comes when the disk has it.
const OVERLAP: Lifetime = Lifetime::from_secs(30);

/// What is over is forgotten so often at most.
const SWEPT: Lifetime = Lifetime::from_secs(60);

/// So long somebody who looks waits for what is read; after that, they see what there is so far.
const PATIENCE: Duration = Duration::from_secs(2);

/// So many refresh tokens are noted between two looks. If there are more, all of them are read
/// again.
const MAX_NOTED: usize = 16_384;

/// What is held, as far as somebody looked.
pub(crate) struct Holds(Arc<Inner>);

struct Inner {
    tokens: AccessTokens<StoredToken>,
    refresh_tokens: RefreshTokens<Refreshable>,
    index: Mutex<Index>,
    /// How far was read.
    reading: tokio::sync::Mutex<Reading>,
    /// How often it was begun to read.
    begun: AtomicU64,
    /// Whether somebody ever looked: before that, nothing is noted.
    is_looked_at: AtomicBool,
    noted: Mutex<Noted>,
    /// Whether the server has ended: nobody looks any more.
    is_over: AtomicBool,
}

impl Drop for Holds {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

/// How far was read.
#[derive(Default)]
struct Reading {
    /// The last time that was read to the end, by how often it was begun.
    done: u64,
    /// The last access token.
    last: Option<TokenKey>,
    has_grants: bool,
    swept: Option<Timestamp>,
}

/// Refresh tokens that were given out since the last look: their records are in no order of time.
#[derive(Default)]
struct Noted {
    given: Vec<Digest>,
    /// There were more.
    are_more: bool,
}

impl Holds {
    pub(crate) fn new(
        tokens: AccessTokens<StoredToken>,
        refresh_tokens: RefreshTokens<Refreshable>,
    ) -> Self {
        Self(Arc::new(Inner {
            tokens,
            refresh_tokens,
            index: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
            begun: AtomicU64::default(),
            is_looked_at: AtomicBool::new(false),
            noted: Mutex::default(),
            is_over: AtomicBool::new(false),
        }))
    }

    /// A refresh token was given out, and its record is on the disk.
    pub(crate) fn granted(&self, digest: Digest) {
        // Whoever begins to look after this reads the record.
        if !self.0.is_looked_at.load(Ordering::SeqCst) {
            return;
        }
        let mut noted = lock(&self.0.noted);
        if noted.given.len() < MAX_NOTED {
            noted.given.push(digest);
        } else {
            noted.are_more = true;
        }
    }

    /// Reads on; `false` if that takes longer than one waits for it. It is read to its end then,
    /// too. All who come while somebody reads share what is read after that.
    pub(super) async fn look(&self, now: Timestamp) -> Result<bool, StoreError> {
        let inner = Arc::clone(&self.0);
        let before = inner.begun.load(Ordering::SeqCst);
        let reading = tokio::spawn(async move { inner.read_on(before, now).await });
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(read) => read.unwrap_or(Err(StoreError::Stopped)).map(|()| true),
            Err(_) => Ok(false),
        }
    }

    pub(super) fn part(
        &self,
        protection: &Protection,
        of: Of<'_>,
        beside: Beside<&Mark>,
        limit: usize,
        now: Timestamp,
    ) -> Vec<Found> {
        lock(&self.0.index).part(protection, of, beside, limit, now)
    }

    pub(super) fn like(
        &self,
        protection: &Protection,
        of: Of<'_>,
        found: &Found,
        after: Option<&Mark>,
        limit: usize,
        now: Timestamp,
    ) -> Vec<Mark> {
        lock(&self.0.index).like(protection, of, found, after, limit, now)
    }

    pub(super) fn since(
        &self,
        protection: &Protection,
        person: &PersonId,
        there: (&ResourceId, Timestamp),
        limit: usize,
        now: Timestamp,
    ) -> Vec<HoldId> {
        lock(&self.0.index).since(protection, person, there, limit, now)
    }

    pub(super) fn forget(&self, protection: &Protection, mark: &Mark) {
        lock(&self.0.index).forget(protection, mark);
    }
}

impl Inner {
    /// Reads on, unless another did who began later than this look: `before` it, it had been begun
    /// so often.
    async fn read_on(&self, before: u64, now: Timestamp) -> Result<(), StoreError> {
        let mut reading = self.reading.lock().await;
        if reading.done > before {
            return Ok(());
        }
        let begun = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        self.is_looked_at.store(true, Ordering::SeqCst);
        if reading.swept.is_none_or(|swept| now < swept || now >= swept.after(SWEPT)) {
            lock(&self.index).sweep(now);
            reading.swept = Some(now);
        }
        self.read_grants(&mut reading, now).await?;
        self.read_tokens(&mut reading, now).await?;
        reading.done = begun;
        Ok(())
    }

    async fn read_tokens(&self, reading: &mut Reading, now: Timestamp) -> Result<(), StoreError> {
        let mut last = match reading.last {
            None => TokenKey::default(),
            // A clock that was set back issues before what was read.
            Some(last) => TokenKey::at(last.issued().min(now).before(OVERLAP)),
        };
        loop {
            let part = self.tokens.page(&last, AT_A_TIME, now).await?;
            let is_last = part.len() < AT_A_TIME;
            {
                let mut index = lock(&self.index);
                for (key, token) in &part {
                    // One that came with a refresh token, or by it, is that one's.
                    if let StoredToken::Rpt(rpt) = token
                        && rpt.grant.is_none()
                    {
                        index.note(HoldId::Rpt(*key), rpt, rpt.expires);
                    }
                    last = *key;
                }
            }
            reading.last = Some(last);
            if is_last {
                return Ok(());
            }
            self.pause().await?;
        }
    }

    /// Lets others have their turn; a reading ends here once nobody needs it.
    async fn pause(&self) -> Result<(), StoreError> {
        tokio::task::yield_now().await;
        if self.is_over.load(Ordering::Relaxed) { Err(StoreError::Stopped) } else { Ok(()) }
    }

    async fn read_grants(&self, reading: &mut Reading, now: Timestamp) -> Result<(), StoreError> {
        let noted = std::mem::take(&mut *lock(&self.noted));
        if reading.has_grants && !noted.are_more {
            // Unless each of them is noted, all are read again the next time.
            reading.has_grants = false;
            for digest in noted.given {
                if let Some(token) = self.refresh_tokens.find_by(&digest, now).await? {
                    self.note_grant(digest, &token);
                }
            }
            reading.has_grants = true;
            return Ok(());
        }
        reading.has_grants = false;
        let mut last = None;
        loop {
            let part = self.refresh_tokens.page(last.as_ref(), AT_A_TIME, now).await?;
            for (digest, token) in &part {
                self.note_grant(*digest, token);
                last = Some(*digest);
            }
            if part.len() < AT_A_TIME {
                reading.has_grants = true;
                return Ok(());
            }
            self.pause().await?;
        }
    }

    fn note_grant(&self, digest: Digest, token: &Refreshable) {
        if let Refreshable::Rpt(grant) = token {
            lock(&self.index).note(HoldId::Grant(digest), &grant.rpt, grant.expires);
        }
    }
}

/// INVARIANT: every change under a lock leaves something whole, however far it got.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::task::Poll;

    use countersign_store::{Engine, MemoryEngine};
    use countersign_types::ClientId;
    use countersign_types::secret::AccessToken;
    use countersign_uma::protection::{OwnerId, Pat};

    use super::*;

    #[tokio::test]
    async fn who_comes_while_somebody_reads_shares_what_is_read_next() {
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let tokens = AccessTokens::new(Arc::clone(&engine));
        let holds = Arc::new(Holds::new(tokens, RefreshTokens::new(engine)));
        let now = Timestamp::from_unix(1_800_000_000);
        let begun = || holds.0.begun.load(Ordering::SeqCst);
        let somebody = holds.0.reading.lock().await;
        let looks: Vec<_> = (0..50)
            .map(|_| {
                let holds = Arc::clone(&holds);
                tokio::spawn(async move { holds.look(now).await })
            })
            .collect();
        tokio::task::yield_now().await;
        drop(somebody);
        for look in looks {
            assert!(look.await.unwrap().unwrap());
        }
        assert_eq!(begun(), 1, "one for all of them");
        assert!(holds.look(now).await.unwrap());
        assert_eq!(begun(), 2, "who comes after that does not know it yet");
    }

    /// It holds the store, which has to be closed for the server to end.
    #[tokio::test]
    async fn a_reading_ends_with_the_server() {
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let tokens = AccessTokens::new(Arc::clone(&engine));
        let now = Timestamp::from_unix(1_800_000_000);
        let expires = now.after(Lifetime::from_secs(60));
        let owner = OwnerId::parse("bob").unwrap();
        let protection = Protection::new(owner, ClientId::parse("rs").unwrap());
        let pat = StoredToken::Pat(Pat { protection, expires, mandate: None });
        for number in 0..10 * AT_A_TIME {
            let token = AccessToken::new(format!("{number:0>51}"));
            tokens.insert(&token, &pat, expires).await.unwrap();
        }
        let holds = Holds::new(tokens, RefreshTokens::new(Arc::clone(&engine)));
        let mut look = Box::pin(holds.look(now));
        let begun = std::future::poll_fn(|cx| Poll::Ready(look.as_mut().poll(cx)));
        assert!(begun.await.is_pending());
        tokio::task::yield_now().await;
        assert_eq!(holds.0.begun.load(Ordering::SeqCst), 1);
        drop(look);
        drop(holds);
        for _ in 0..2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(Arc::strong_count(&engine), 1);
    }
}
