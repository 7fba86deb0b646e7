//! That everything of a person was taken back: what had been issued to them until then is over.
//!
//! Revocations of a person are counted, and what is issued has the count of those before it. So one
//! ends what does not know of it, whatever the clock says and within one second too: what comes
//! after it counts, and what was being issued at the same time does not, unless it came after. All
//! of them are in memory, and there are few, so that nothing is looked up as long as there is none.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use countersign_store::revoked::RevokedKey;
use countersign_store::{RevokedPeople, StoreError, finish};
use countersign_types::digest::Digest;
use countersign_types::{Lifetime, Timestamp};
use countersign_uma::{Person, Protection, Rpt};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

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
    known: Arc<OnceCell<Known>>,
}

type Known = RwLock<HashMap<RevokedKey, Timestamp>>;

impl Revocations {
    pub(crate) fn new(kept: RevokedPeople<Revocation>) -> Self {
        Self { kept, known: Arc::default() }
    }

    /// Reads what there is, once.
    async fn known(&self, now: Timestamp) -> Result<&Known, StoreError> {
        if let Some(known) = self.known.get() {
            return Ok(known);
        }
        // Boxed: once they are read, no request carries the state of that along.
        let read = async {
            let found = self.kept.list(now).await?;
            let known = found.into_iter().map(|(key, revocation)| (key, revocation.at));
            Ok(RwLock::new(known.collect()))
        };
        Box::pin(self.known.get_or_try_init(|| read)).await
    }

    /// The last revocation of a person, to be asked for before policy is: what is issued by an
    /// answer of before a revocation does not know of it.
    pub(crate) async fn last(
        &self,
        protection: &Protection,
        person: Option<&Person>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let known = self.known(now).await?.read().unwrap_or_else(PoisonError::into_inner);
        let Some(person) = person.filter(|_| !known.is_empty()) else { return Ok(None) };
        Ok(known.get(&key(protection, person)).copied())
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
        self.known(now).await?;
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
            let made = kept.revoke(&registrant, &account, now, expires, next).await?;
            let Some(known) = known.get() else { return Err(StoreError::Stopped) };
            {
                let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
                let last = known.entry(RevokedKey::of(&registrant, &account)).or_insert(made.at);
                *last = made.at.max(*last);
            }
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

fn key(protection: &Protection, person: &Person) -> RevokedKey {
    RevokedKey::of(&registrant(protection), &account(person))
}

/// Whom an issuer knows, whatever their address.
fn account(person: &Person) -> Digest {
    Digest::of_parts(&[person.iss.as_str().as_bytes(), person.sub.as_bytes()])
}
