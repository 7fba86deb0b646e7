//! What resource owners share: made and taken back while the server runs.
//!
//! Shares are durable, and in memory where policy finds them ([`Policy::shares`]). A change is on
//! the disk before it is in memory, and in memory before it is acknowledged; so it counts from the
//! next use of any token on. Changes of one owner come one after the other, and each runs to its
//! end whether its caller waits for it or not: memory never shows another state than a restart
//! would.
//!
//! A share that is over stays as what it was, and says who ended it and when: the owner's history.
//!
//! [`Policy::shares`]: countersign_uma::Policy::shares

mod kept;
mod past;

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_store::resources::Beside;
use countersign_store::{StoreError, finish};
use countersign_types::{EmailAddress, Timestamp};
use countersign_uma::policy::shares::{ShareId, Terms, Who, in_order};
use countersign_uma::policy::{Share, Shares};
use countersign_uma::resource::ResourceId;
use countersign_uma::{Case, Person, Protection};

use crate::app::Uma;
use crate::moments::{Moment, Subject};
pub(crate) use kept::OwnerShares;
use past::Record;
pub(crate) use past::ShareEvent;

/// Why nothing is shared, or taken back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShareError {
    /// The policy of this server goes by nothing that owners share.
    #[error("owners share nothing here")]
    NotOffered,
    /// The resource is not registered for the owner.
    #[error("no such resource")]
    UnknownResource,
    /// A scope is not available at the resource.
    #[error("a scope is not available at the resource")]
    Scope,
    /// The owner shares as much as they may, in all or with the same people.
    #[error("no more can be shared")]
    Limit,
    /// The store; whether anything was changed is unknown.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl Uma {
    /// What this owner shares at this resource server, in the order in which they did.
    ///
    /// # Errors
    /// [`ShareError::NotOffered`], [`ShareError::Store`].
    pub async fn shares(&self, protection: &Protection) -> Result<Vec<Share>, ShareError> {
        let now = self.seams.clock.now();
        self.owner_shares.load(protection, now).await?;
        let live = self.owner_shares.read()?.live(protection, now);
        Ok(in_order(&live))
    }

    /// Those of what this owner shares that are meant, in the order in which they did.
    pub(crate) async fn shares_that(
        &self,
        protection: &Protection,
        are_meant: impl Fn(&Share) -> bool,
    ) -> Result<Vec<Share>, ShareError> {
        let now = self.seams.clock.now();
        self.owner_shares.load(protection, now).await?;
        let mut live = self.owner_shares.read()?.live(protection, now);
        live.retain(|share| are_meant(share));
        Ok(in_order(&live))
    }

    /// What policy finds of the shares of this owner.
    pub(crate) async fn in_shares<T>(
        &self,
        protection: &Protection,
        look: impl FnOnce(&Shares) -> T,
    ) -> Result<T, ShareError> {
        self.owner_shares.load(protection, self.seams.clock.now()).await?;
        Ok(look(&*self.owner_shares.read()?))
    }

    /// The owner shares something more, from the next use of any token on. Whoever calls this has
    /// made sure that it is the owner; `by` names them in the record.
    ///
    /// # Errors
    /// [`ShareError`]; but for [`ShareError::Store`], nothing was changed.
    pub async fn share(
        &self,
        protection: &Protection,
        terms: Terms,
        by: &str,
    ) -> Result<Share, ShareError> {
        let now = self.seams.clock.now();
        let terms = self.with_known_accounts(protection, terms, now).await?;
        let id = ShareId::generate(&*self.seams.random);
        let share = Share { id, terms, since: now, by: by.to_owned() };
        let (shares, protection) = (Arc::clone(&self.owner_shares), protection.clone());
        let resources = self.resources.clone();
        finish(async move { shares.insert(&protection, share, &resources, now).await }).await
    }

    /// The owner takes a share back, at the next use of any token; `None` if there is no such
    /// share.
    ///
    /// # Errors
    /// [`ShareError::NotOffered`], [`ShareError::Store`]; the end must then not be acknowledged.
    pub async fn unshare(
        &self,
        protection: &Protection,
        id: &ShareId,
        by: &str,
    ) -> Result<Option<Share>, ShareError> {
        let now = self.seams.clock.now();
        let (shares, protection) = (Arc::clone(&self.owner_shares), protection.clone());
        let (id, by) = (id.clone(), by.to_owned());
        finish(async move { shares.remove(&protection, &id, &by, now).await }).await
    }

    /// Whoever is kept out by their address is so as whom the owner's cases know by it, too.
    async fn with_known_accounts(
        &self,
        protection: &Protection,
        mut terms: Terms,
        now: Timestamp,
    ) -> Result<Terms, StoreError> {
        let Who::Person(email) = terms.who() else { return Ok(terms) };
        if terms.keeps_out_by_address(&email.clone()) {
            let mut known = Vec::new();
            let is_theirs = |person: &Person| terms.keeps_out_by_address(&person.email);
            let look = |case: Case| {
                known.extend(is_theirs(case.person()).then(|| case.person().clone()));
            };
            self.each_case(protection, now, look).await?;
            for person in &known {
                terms = terms.with_account(person);
            }
        }
        Ok(terms)
    }

    /// Takes note of who somebody is that was kept out by their address: they are kept out by
    /// issuer and subject from now on, so that another address of theirs does not let them in. To
    /// be called with whoever asked for something, whatever became of it.
    ///
    /// # Errors
    /// [`StoreError`]; they are then kept out by the address alone.
    pub(crate) async fn recognise<'a>(
        &self,
        protection: &Protection,
        resources: impl Iterator<Item = &'a ResourceId>,
        person: &Person,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let unaware = match self.owner_shares.read() {
            Ok(shares) => shares.unaware(protection, resources, person),
            Err(_) => return Ok(()),
        };
        if unaware.is_empty() {
            return Ok(());
        }
        let (shares, protection) = (Arc::clone(&self.owner_shares), protection.clone());
        let person = person.clone();
        let learn = async move { shares.learn(&protection, &unaware, &person, now).await };
        // Boxed: whoever is kept out nowhere does not carry the state of it along.
        match Box::pin(finish(learn)).await {
            Err(ShareError::Store(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// A resource is no more, and what was shared of it alone counts for nothing: it is taken back,
    /// so that it takes nobody's place. The caller sees to it that this runs to its end.
    ///
    /// # Errors
    /// [`StoreError`]; some of it may stay, which does no harm: an identifier is never given again.
    pub(crate) async fn unshare_resource(
        &self,
        protection: &Protection,
        resource: &ResourceId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match self.owner_shares.remove_of(protection, resource, now).await {
            Ok(()) | Err(ShareError::NotOffered) => Ok(()),
            Err(ShareError::Store(error)) => Err(error),
            Err(_) => Err(StoreError::Stopped),
        }
    }

    /// When this owner shared something or it ended, the latest first: those next to a moment and
    /// the moment itself, `limit` at most beside it. None where owners share nothing.
    pub(crate) fn shares_happened(
        &self,
        protection: &Protection,
        beside: Beside<&Moment>,
        limit: usize,
    ) -> Vec<Moment> {
        self.owner_shares.happened(protection, beside, limit)
    }

    /// What happened to a share at such a moment; `None` if it is not known any more.
    pub(crate) async fn share_event(
        &self,
        protection: &Protection,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Option<ShareEvent>, StoreError> {
        let (Subject::Shared(id) | Subject::Unshared(id)) = subject else { return Ok(None) };
        let found = self.owner_shares.find(protection, id, now).await?;
        Ok(found.and_then(|record| ShareEvent::of(record, subject)))
    }

    /// What happened to the shares with who has this address and to these others, of the latest of
    /// them.
    pub(crate) async fn share_events_of(
        &self,
        protection: &Protection,
        address: &EmailAddress,
        others: impl Iterator<Item = ShareId>,
        now: Timestamp,
    ) -> Result<Vec<(Timestamp, ShareEvent)>, StoreError> {
        let mut ids: BTreeSet<_> = others.collect();
        ids.extend(self.owner_shares.of_address(protection, address));
        let mut events = Vec::new();
        for id in ids {
            let found = self.owner_shares.find(protection, &id, now).await?;
            events.extend(found.into_iter().flat_map(Record::events));
        }
        Ok(events)
    }

    /// Sees to it that policy has before it what the owner shares.
    pub(crate) async fn load_shares(
        &self,
        protection: &Protection,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match self.owner_shares.load(protection, now).await {
            Ok(()) | Err(ShareError::NotOffered) => Ok(()),
            Err(ShareError::Store(error)) => Err(error),
            Err(_) => Err(StoreError::Stopped),
        }
    }
}
