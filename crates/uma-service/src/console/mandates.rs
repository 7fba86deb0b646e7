//! What people allowed resource servers: to protect something in their name. A PAT that came of it
//! counts only while it is there. [UF §1.3]
//!
//! [UF §1.3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.1.3

use std::collections::HashSet;

use countersign_store::StoreError;
use countersign_types::{ClientId, Lifetime, Timestamp};
use countersign_uma::Protection;
use serde::{Deserialize, Serialize};

use super::Console;
use super::owners::Identity;

/// So long a person is not asked again: a year.
pub(crate) const LIFETIME: Lifetime = Lifetime::from_secs(365 * 86_400);

/// So often a resource server may be allowed the same by one owner: each time for another code of
/// its own.
const MAX_MANDATES: usize = 8;

/// A resource server may protect something in an owner's name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Mandate {
    pub(crate) id: String,
    pub(crate) protection: Protection,
    /// Who allowed it: it counts while they are this owner.
    pub(super) by: Identity,
    pub(super) since: Timestamp,
}

impl Console {
    /// Where a resource server may have people sent back to, if it may ask them.
    pub(crate) fn asks_people(&self, id: &ClientId) -> bool {
        self.people.contains_key(id)
    }

    /// A mandate that stands: nobody took it back, the resource server may still ask people, and
    /// whoever allowed it is still this owner.
    pub(crate) async fn mandate(
        &self,
        protection: &Protection,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<Mandate>, StoreError> {
        let found = self.mandates.find(protection.owner.as_str(), id, now).await?;
        Ok(found.filter(|mandate| mandate.protection == *protection && self.stands(mandate)))
    }

    /// Whether a resource server may protect something in an owner's name, by any mandate.
    pub(crate) async fn has_mandate(
        &self,
        protection: &Protection,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let all = self.mandates.list(protection.owner.as_str(), now).await?;
        Ok(all.iter().any(|mandate| mandate.protection == *protection && self.stands(mandate)))
    }

    /// A code was redeemed for a mandate: it stands from now on until it is taken back, a year at
    /// most. `false` if it is over.
    pub(crate) async fn redeem_mandate(
        &self,
        mandate: &Mandate,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let owner = mandate.protection.owner.as_str();
        self.mandates.prolong(owner, &mandate.id, now.after(LIFETIME), now).await
    }

    /// Ends the oldest mandates of an owner for a resource server that there is no room for beside
    /// this one.
    pub(super) async fn make_room(&self, new: &Mandate, now: Timestamp) -> Result<(), StoreError> {
        let Mandate { protection, by, id, .. } = new;
        let owner = protection.owner.as_str();
        let mut all = self.mandates.list(owner, now).await?;
        all.retain(|mandate| mandate.protection == *protection && mandate.id != *id);
        all.sort_by_key(|mandate| std::cmp::Reverse(mandate.since));
        for mandate in all.iter().skip(MAX_MANDATES - 1) {
            if self.mandates.remove(owner, &mandate.id).await? {
                tracing::info!(
                    target: "countersign::audit",
                    %owner,
                    resource_server = %protection.resource_server,
                    mandate = %mandate.id,
                    by = %by.label().escape_debug(),
                    "an owner's oldest mandate for a resource server gave way to a new one",
                );
            }
        }
        Ok(())
    }

    /// Ends all that a resource server may do in an owner's name, by whichever mandate, if this is
    /// one of the owner's: to them it is one thing that they allowed. This one goes last, so that
    /// whoever tries again after a failure finds it. The caller sees to it that this runs to its
    /// end.
    pub(super) async fn end_all_like(
        &self,
        owner: &str,
        id: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(named) = self.mandates.find(owner, id, now).await? else { return Ok(false) };
        let mut all = self.mandates.list(owner, now).await?;
        all.retain(|mandate| mandate.protection == named.protection);
        all.sort_by_key(|mandate| mandate.id == named.id);
        for mandate in all {
            if self.mandates.remove(owner, &mandate.id).await? {
                tracing::info!(
                    target: "countersign::audit",
                    %owner,
                    resource_server = %mandate.protection.resource_server,
                    mandate = %mandate.id,
                    by = %by.escape_debug(),
                    "an owner ended what a resource server may do in their name",
                );
            }
        }
        Ok(true)
    }

    /// What an owner allowed resource servers, for each of them the mandate that they gave last.
    pub(super) async fn mandates_of(
        &self,
        owner: &str,
        now: Timestamp,
    ) -> Result<Vec<Mandate>, StoreError> {
        let mut all = self.mandates.list(owner, now).await?;
        all.retain(|mandate| self.stands(mandate));
        all.sort_by_key(|mandate| std::cmp::Reverse(mandate.since));
        let mut seen = HashSet::new();
        all.retain(|mandate| seen.insert(mandate.protection.clone()));
        all.reverse();
        Ok(all)
    }

    fn stands(&self, mandate: &Mandate) -> bool {
        self.asks_people(&mandate.protection.resource_server)
            && self.owners.of(&mandate.by).contains(&mandate.protection.owner)
    }
}
