//! That everything of a person was taken back: what had been issued to them until then is over.
//!
//! Revocations of a person are counted, and what is issued has the count of those before it. So one
//! ends what does not know of it, whatever the clock says and within one second too: what comes
//! after it counts, and what was being issued at the same time does not, unless it came after. All
//! of them are in memory, and there are few, so that nothing is looked up as long as there is none.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use countersign_store::revoked::RevokedKey;
use countersign_store::{RevokedPeople, StoreError, finish};
use countersign_types::digest::Digest;
use countersign_types::{Lifetime, Timestamp};
use countersign_uma::{Person, Protection, Rpt};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::app::registrant;

/// A revocation is known for so long, or for as long as a token lives, if that is more.
const REMEMBERED: Lifetime = Lifetime::from_secs(400 * 86_400);

/// That everything a person had was revoked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Revocation {
    /// When, or a second after the one before it: another count each time, whatever the clock
    /// shows.
    at: Timestamp,
    /// Who revoked it.
    by: String,
}

/// The revocations of all people, by the owner whose resources it is about.
pub(crate) struct Revocations {
    kept: RevokedPeople<Revocation>,
    known: Arc<RwLock<Known>>,
    /// Held while all are read: one request does it for those that wait.
    reading: Mutex<()>,
}

/// What is in memory.
#[derive(Default)]
struct Known {
    /// On the disk, each of them.
    last: HashMap<RevokedKey, Timestamp>,
    extent: Extent,
}

/// How much of what is on the disk is in memory.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Extent {
    /// Perhaps not all: before anything is believed, all is read.
    #[default]
    Part,
    /// All, once what is being read is there, too.
    Reading,
    All,
}

impl Known {
    /// Revocations only come later, so that it does not matter which is noted first.
    fn note(&mut self, key: RevokedKey, at: Timestamp) {
        let last = self.last.entry(key).or_insert(at);
        *last = at.max(*last);
    }
}

impl Revocations {
    pub(crate) fn new(kept: RevokedPeople<Revocation>) -> Self {
        Self { kept, known: Arc::default(), reading: Mutex::default() }
    }

    /// Reads what there is.
    async fn read_all(&self, now: Timestamp) -> Result<(), StoreError> {
        let _reading = self.reading.lock().await;
        {
            let mut known = write(&self.known);
            if known.extent == Extent::All {
                return Ok(());
            }
            known.extent = Extent::Reading;
        }
        let found = self.kept.list(now).await?;
        let mut known = write(&self.known);
        for (key, revocation) in found {
            known.note(key, revocation.at);
        }
        // Unless another change may be on the disk alone meanwhile.
        if known.extent == Extent::Reading {
            known.extent = Extent::All;
        }
        Ok(())
    }

    /// The last revocation of a person, to be asked for before policy is: what is issued by an
    /// answer of before a revocation does not know of it.
    pub(crate) async fn last(
        &self,
        protection: &Protection,
        person: Option<&Person>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let look = |known: &Known| {
            let person = person.filter(|_| !known.last.is_empty())?;
            known.last.get(&key(protection, person)).copied()
        };
        {
            let known = read(&self.known);
            if known.extent == Extent::All {
                return Ok(look(&known));
            }
        }
        // Boxed: once they are read, no request carries the state of that along.
        Box::pin(self.read_all(now)).await?;
        Ok(look(&read(&self.known)))
    }

    /// Whether everything of its person was revoked after it was issued.
    pub(crate) async fn end(&self, rpt: &Rpt, now: Timestamp) -> Result<bool, StoreError> {
        Ok(rpt.since_revocation < self.last(&rpt.protection, rpt.person.as_ref(), now).await?)
    }

    /// Everything of a person is revoked that was issued until now, as long as anything lives so
    /// long, and the audit log says so. It runs to its end whether its caller waits for it or not:
    /// memory never shows another state than a restart would.
    pub(crate) async fn revoke(
        &self,
        protection: &Protection,
        person: &Person,
        by: &str,
        now: Timestamp,
        longest: Option<Lifetime>,
    ) -> Result<(), StoreError> {
        let expires = now.after(longest.map_or(REMEMBERED, |longest| longest.max(REMEMBERED)));
        let (protection, person, by) = (protection.clone(), person.clone(), by.to_owned());
        let revoked_by = by.clone();
        let next = move |found: Option<Revocation>| {
            let after = found.map(|found| found.at.after(Lifetime::from_secs(1)));
            Revocation { at: after.map_or(now, |after| after.max(now)), by: revoked_by }
        };
        let (registrant, account) = (registrant(&protection), account(&person));
        let (kept, known) = (self.kept.clone(), Arc::clone(&self.known));
        finish(async move {
            let revoking = Revoking { known, is_noted: false };
            let made = kept.revoke(&registrant, &account, now, expires, next).await?;
            revoking.note(RevokedKey::of(&registrant, &account), made.at);
            tracing::info!(
                target: "countersign::audit",
                owner = %protection.owner,
                resource_server = %protection.resource_server,
                by = %by.escape_debug(),
                issuer = %person.iss,
                subject = %person.sub.escape_debug(),
                "an owner ended all that was issued to a person",
            );
            Ok(())
        })
        .await
    }
}

/// A revocation that may be on the disk and not in memory. Whatever comes of it, a panic too:
/// unless it is noted, all are read again.
struct Revoking {
    known: Arc<RwLock<Known>>,
    is_noted: bool,
}

impl Revoking {
    /// It is on the disk.
    fn note(mut self, key: RevokedKey, at: Timestamp) {
        write(&self.known).note(key, at);
        self.is_noted = true;
    }
}

impl Drop for Revoking {
    fn drop(&mut self) {
        if !self.is_noted {
            write(&self.known).extent = Extent::Part;
        }
    }
}

/// INVARIANT: every change under the lock leaves what is so, however far it got.
fn read(known: &RwLock<Known>) -> RwLockReadGuard<'_, Known> {
    known.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(known: &RwLock<Known>) -> RwLockWriteGuard<'_, Known> {
    known.write().unwrap_or_else(PoisonError::into_inner)
}

fn key(protection: &Protection, person: &Person) -> RevokedKey {
    RevokedKey::of(&registrant(protection), &account(person))
}

/// Whom an issuer knows, whatever their address.
fn account(person: &Person) -> Digest {
    Digest::of_parts(&[person.iss.as_str().as_bytes(), person.sub.as_bytes()])
}
