//! The shares of all owners: on the disk, in memory before policy, and what is over.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use countersign_store::resources::Beside;
use countersign_store::{Resources, Shares as KeptShares, StoreError};
use countersign_types::{EmailAddress, Timestamp};
use countersign_uma::policy::shares::{Indexed, MAX_ALIKE, ShareId, What, Who};
use countersign_uma::policy::{Share, Shares};
use countersign_uma::resource::{ResourceDescription, ResourceId};
use countersign_uma::{Person, Policy, Protection};

use super::ShareError;
use super::past::{Over, Past, Record};
use crate::app::registrant;
use crate::moments::Moment;

/// So many claims the groups of one owner may go by: each is a name that every token for their
/// resources has to know.
const MAX_CLAIMS: usize = 64;

/// So many shares that are over are forgotten with each change: more than one adds to them, but for
/// the end of a resource.
const FORGOTTEN_AT_ONCE: usize = 16;

/// The shares of all owners.
pub(crate) struct OwnerShares {
    kept: KeptShares<Record>,
    policy: Arc<dyn Policy>,
    limit: usize,
    /// Held while what is kept of an owner and what is in memory may differ: an owner has always
    /// the same of these, and shares it with few others.
    changing: [tokio::sync::Mutex<()>; LOCKS],
    chooser: RandomState,
    /// When what was shared, and what ended.
    past: Mutex<HashMap<Protection, Past>>,
}

/// So many owners are waited for apart.
const LOCKS: usize = 64;

impl OwnerShares {
    pub(crate) fn new(kept: KeptShares<Record>, policy: Arc<dyn Policy>, limit: usize) -> Self {
        let changing = std::array::from_fn(|_| tokio::sync::Mutex::new(()));
        let (chooser, past) = (RandomState::new(), Mutex::default());
        Self { kept, policy, limit, changing, chooser, past }
    }

    async fn changing(&self, protection: &Protection) -> tokio::sync::MutexGuard<'_, ()> {
        let [first, ..] = &self.changing;
        let number = self.chooser.hash_one(protection) % LOCKS as u64;
        let chosen = usize::try_from(number).ok().and_then(|n| self.changing.get(n));
        chosen.unwrap_or(first).lock().await
    }

    fn in_memory(&self) -> Result<&RwLock<Shares>, ShareError> {
        self.policy.shares().ok_or(ShareError::NotOffered)
    }

    pub(super) fn read(&self) -> Result<RwLockReadGuard<'_, Shares>, ShareError> {
        Ok(self.in_memory()?.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self) -> Result<RwLockWriteGuard<'_, Shares>, ShareError> {
        Ok(self.in_memory()?.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads an owner's shares from the store, once, and again if the clock was set back behind the
    /// end of one.
    pub(super) async fn load(
        &self,
        protection: &Protection,
        now: Timestamp,
    ) -> Result<(), ShareError> {
        if self.read()?.is_whole(protection, now) {
            return Ok(());
        }
        // Boxed: once an owner's shares are read, no request carries the state of that along.
        Box::pin(async {
            let _changing = self.changing(protection).await;
            self.load_alone(protection, now).await
        })
        .await
    }

    /// The same, where nothing is changed meanwhile.
    async fn load_alone(&self, protection: &Protection, now: Timestamp) -> Result<(), ShareError> {
        if self.read()?.is_whole(protection, now) {
            return Ok(());
        }
        let records = self.kept.list(&registrant(protection), now).await?;
        // Before the lock, for which every request waits; and dropped after it.
        let past: Past = records.iter().collect();
        let shares: Indexed = records.into_iter().filter_map(Record::counts).collect();
        let shares = shares.without_ended(now);
        self.past().insert(protection.clone(), past);
        let before = self.write()?.load(protection.clone(), shares);
        drop(before);
        Ok(())
    }

    fn forget(&self, protection: &Protection) {
        let shares = self.write().map(|mut shares| shares.unload(protection));
        self.past().remove(protection);
        // Without the lock: it may take a while.
        drop(shares);
    }

    pub(super) async fn insert(
        &self,
        protection: &Protection,
        share: Share,
        resources: &Resources<ResourceDescription>,
        now: Timestamp,
    ) -> Result<Share, ShareError> {
        let _changing = self.changing(protection).await;
        // With the lock: whoever deletes it meanwhile waits for that, and takes this share along.
        if let What::Resource(id) = share.terms.what() {
            let found = resources.read(&registrant(protection), id.as_str()).await?;
            let description = found.ok_or(ShareError::UnknownResource)?;
            if !share.terms.scopes().is_subset(description.resource_scopes()) {
                return Err(ShareError::Scope);
            }
        }
        self.load_alone(protection, now).await?;
        {
            let mut shares = self.write()?;
            shares.end(protection, now);
            let (what, who) = (share.terms.what(), share.terms.who());
            let alike = shares.alike(protection, what, who);
            let is_new = |claim: &str| !shares.claims(protection).any(|known| known == claim);
            let too_many_claims = matches!(who, Who::Group { claim, .. } if is_new(claim))
                && shares.claims(protection).count() >= MAX_CLAIMS;
            let is_full = shares.count(protection) >= self.limit;
            if is_full || alike >= MAX_ALIKE || too_many_claims {
                return Err(ShareError::Limit);
            }
        }
        self.put(protection, &Record::Counts(share.clone())).await?;
        note(protection, &share, &share.by, "an owner shared something");
        self.make_room(protection, now).await;
        Ok(share)
    }

    /// These shares keep out this person, too.
    pub(super) async fn learn(
        &self,
        protection: &Protection,
        ids: &[ShareId],
        person: &Person,
        now: Timestamp,
    ) -> Result<(), ShareError> {
        let _changing = self.changing(protection).await;
        self.load_alone(protection, now).await?;
        for id in ids {
            let Some(found) = self.read()?.find(protection, id, now).cloned() else { continue };
            let share = Share { terms: found.terms.clone().with_account(person), ..found.clone() };
            if share == found {
                continue;
            }
            self.put(protection, &Record::Counts(share.clone())).await?;
            note(protection, &share, &share.by, "who is kept out by an address was recognised");
        }
        Ok(())
    }

    pub(super) async fn remove_of(
        &self,
        protection: &Protection,
        resource: &ResourceId,
        now: Timestamp,
    ) -> Result<(), ShareError> {
        let _changing = self.changing(protection).await;
        self.load_alone(protection, now).await?;
        let ids = self.read()?.of_resource(protection, resource);
        for id in ids {
            let Some(share) = self.read()?.find(protection, &id, now).cloned() else { continue };
            self.end(protection, Over { share: Share::clone(&share), at: now, by: None }).await?;
        }
        self.make_room(protection, now).await;
        Ok(())
    }

    pub(super) async fn remove(
        &self,
        protection: &Protection,
        id: &ShareId,
        by: &str,
        now: Timestamp,
    ) -> Result<Option<Share>, ShareError> {
        let _changing = self.changing(protection).await;
        self.load_alone(protection, now).await?;
        let found = self.read()?.find(protection, id, now).cloned();
        let Some(share) = found else { return Ok(None) };
        let by = Some(by.to_owned());
        self.end(protection, Over { share: Share::clone(&share), at: now, by }).await?;
        self.make_room(protection, now).await;
        Ok(Some(share))
    }

    /// A share counts no more, and stays as one that is over.
    async fn end(&self, protection: &Protection, over: Over) -> Result<(), ShareError> {
        let (share, by) = (over.share.clone(), over.by.clone());
        self.put(protection, &Record::Over(over)).await?;
        match by {
            Some(by) => note(protection, &share, &by, "an owner took a share back"),
            None => note(protection, &share, "", "a share ended with its resource"),
        }
        Ok(())
    }

    /// Keeps a record in place of what it was, on the disk and then in memory. It has no end in the
    /// store: what a share was is known after its time, too.
    async fn put(&self, protection: &Protection, record: &Record) -> Result<(), ShareError> {
        let (share, changing) = (record.share(), Changing { shares: Some(self), protection });
        self.kept.put(&registrant(protection), share.id.as_str(), record, None).await?;
        if let Some(past) = self.past().get_mut(protection) {
            past.note(record);
        }
        match record {
            Record::Counts(share) => self.write()?.put(protection, share.clone()),
            Record::Over(_) => self.write()?.remove(protection, &share.id),
        }
        changing.done();
        Ok(())
    }

    /// Forgets what was over first, beyond what is remembered, a few at a time: whoever made a
    /// change waits for it. What stays, because there is more or the store fails, goes with the
    /// changes that come.
    async fn make_room(&self, protection: &Protection, now: Timestamp) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            let oldest = self.past().get(protection).and_then(|past| past.beyond(now));
            let Some(id) = oldest else { return };
            let removed = self.kept.remove(&registrant(protection), id.as_str()).await;
            if let Err(error) = removed {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "a share that is over stays");
                return;
            }
            if let Some(past) = self.past().get_mut(protection) {
                past.forget(&id);
            }
        }
    }

    /// When what was shared and what ended, as far as it is known.
    pub(super) fn happened(
        &self,
        protection: &Protection,
        beside: Beside<&Moment>,
        limit: usize,
    ) -> Vec<Moment> {
        self.past().get(protection).map_or_else(Vec::new, |past| past.part(beside, limit))
    }

    /// The latest shares with who has this address, as far as they are known.
    pub(super) fn of_address(
        &self,
        protection: &Protection,
        address: &EmailAddress,
    ) -> Vec<ShareId> {
        self.past().get(protection).map_or_else(Vec::new, |past| past.of_address(address))
    }

    /// A share, or what it was.
    pub(super) async fn find(
        &self,
        protection: &Protection,
        id: &ShareId,
        now: Timestamp,
    ) -> Result<Option<Record>, StoreError> {
        self.kept.find(&registrant(protection), id.as_str(), now).await
    }

    fn past(&self) -> MutexGuard<'_, HashMap<Protection, Past>> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change that may be on the disk and not in memory. Whatever comes of it, a panic too: unless it
/// is done, whoever needs to know reads again.
struct Changing<'a> {
    shares: Option<&'a OwnerShares>,
    protection: &'a Protection,
}

impl Changing<'_> {
    /// It is on the disk and in memory.
    fn done(mut self) {
        self.shares = None;
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        if let Some(shares) = self.shares {
            shares.forget(self.protection);
        }
    }
}

fn note(protection: &Protection, share: &Share, by: &str, what: &str) {
    tracing::info!(
        target: "countersign::audit",
        owner = %protection.owner,
        resource_server = %protection.resource_server,
        by = %by.escape_debug(),
        share = %share.id,
        terms = ?share.terms,
        "{what}",
    );
}
