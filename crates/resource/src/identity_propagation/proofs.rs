//! Which proofs were used, of clients and of keys.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_types::digest::Digest;
use countersign_types::replay::Seen;
use countersign_types::{Clock, Lifetime, Timestamp};

use crate::registration::BoxFuture;

/// The memory of used proofs, of clients and of keys.
///
/// One atomic step: of two calls with one key, however close, exactly one is told [`Seen::First`].
/// The answer is given once it would outlive a restart, or the restart takes longer than a proof
/// lives.
pub trait UsedProofs: Send + Sync {
    /// Notes a key until a moment, and says whether it was there. Both are of a verified proof.
    ///
    /// # Errors
    /// [`ProofsError`] if nothing was noted, or if that is not known.
    fn insert_new(&self, key: Digest, until: Timestamp)
    -> BoxFuture<'_, Result<Seen, ProofsError>>;
}

/// The memory of used proofs failed.
#[derive(Debug, thiserror::Error)]
#[error("the memory of used proofs failed")]
pub struct ProofsError(#[source] Box<dyn Error + Send + Sync>);

impl ProofsError {
    /// A failure of this cause.
    #[must_use]
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// What has ended stays this much longer, as in the stores: a clock that is ahead for a while makes
/// no proof new.
const GRACE: Lifetime = Lifetime::from_secs(300);

/// Proofs live for two minutes with the leeway, and their keys are 32 octets: so many are 64 MiB at
/// most, even while the table grows.
const MAX_PROOFS: usize = 900_000;

/// Used proofs in memory, for one process. A restart forgets them, so that a proof of the last two
/// minutes could be shown again: keep them in a store where that matters.
pub struct MemoryProofs {
    used: Mutex<Used>,
    max: usize,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Used {
    until: HashMap<Digest, Timestamp>,
    purged: Option<Timestamp>,
}

impl MemoryProofs {
    /// No proof was used.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { used: Mutex::default(), max: MAX_PROOFS, clock }
    }

    fn insert(&self, key: Digest, until: Timestamp) -> Result<Seen, ProofsError> {
        // No code panics while it holds this lock, and every state in between is a valid one.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.until.len() >= self.max {
            // At most once a second: looking at all of them for each request would be the next
            // thing to flood.
            let now = self.clock.now();
            if used.purged != Some(now) {
                used.until.retain(|_, until| now < until.after(GRACE));
                used.purged = Some(now);
            }
            if used.until.len() >= self.max {
                return Err(ProofsError::new("too many proofs within their life"));
            }
        }
        let noted = used.until.insert(key, until);
        Ok(if noted.is_none() { Seen::First } else { Seen::Again })
    }
}

impl UsedProofs for MemoryProofs {
    fn insert_new(
        &self,
        key: Digest,
        until: Timestamp,
    ) -> BoxFuture<'_, Result<Seen, ProofsError>> {
        Box::pin(std::future::ready(self.insert(key, until)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[derive(Default)]
    struct Watch(AtomicI64);

    impl Clock for Watch {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix(self.0.load(Ordering::SeqCst))
        }
    }

    #[test]
    fn a_full_memory_refuses_and_looks_for_room_once_a_second() {
        let watch = Arc::new(Watch::default());
        let proofs = MemoryProofs { max: 3, ..MemoryProofs::new(watch.clone()) };
        let insert = |text: &str, until| {
            proofs.insert(Digest::of(text.as_bytes()), Timestamp::from_unix(until))
        };
        for text in ["a", "b"] {
            assert_eq!(insert(text, 10).unwrap(), Seen::First);
        }
        assert_eq!(insert("c", 2).unwrap(), Seen::First);
        assert!(insert("d", 10).is_err());
        let set = |now| watch.0.store(now, Ordering::SeqCst);
        set(1 + i64::from(GRACE.as_secs()));
        assert!(insert("d", 10).is_err(), "a clock that is ahead for a while makes nothing new");
        set(2 + i64::from(GRACE.as_secs()));
        assert_eq!(insert("d", 10).unwrap(), Seen::First, "c has ended for good");
        // What ends now is found in the next second.
        proofs.used.lock().unwrap().until.insert(Digest::of(b"b"), Timestamp::from_unix(1));
        assert!(insert("e", 10).is_err());
        set(3 + i64::from(GRACE.as_secs()));
        assert_eq!(insert("e", 10).unwrap(), Seen::First);
        assert!(
            insert("a", 10).is_err(),
            "and never takes a proof for new that it has no room for"
        );
    }
}
