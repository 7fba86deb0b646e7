//! Who has what at the moment, whoever let them in: the owner, what they share, or a rule that
//! asked nobody.
//!
//! What somebody holds is an RPT, or what a refresh token stands for with the RPTs that come of it.
//! The records of these are all there is: they are written anyway, stand in the order of their
//! issue, and say whose it is. Nothing is written or noted for an owner's sake while a ticket
//! becomes an RPT. Whoever looks reads on where the look before ended, and an [`index`] in memory
//! has of each no more than where it is, so that what a page shows is the record itself, and what
//! policy says of it now.
//!
//! INVARIANT: the owner is part of every key. What is found is shown and ended only for the
//! [`Protection`] that its own record names.

mod index;
mod reading;

use std::collections::BTreeSet;

use countersign_store::StoreError;
use countersign_store::access_tokens::TokenKey;
use countersign_store::resources::Beside;
use countersign_types::Timestamp;
use countersign_types::digest::Digest;
use countersign_uma::resource::ResourceId;
use countersign_uma::rpt::{Current, Held};
use countersign_uma::{Person, PersonId, Protection, Rpt};

use crate::app::Uma;
use crate::pat::{Refreshable, StoredToken};
pub(crate) use index::{Found, Mark, Of};
pub(crate) use reading::Holds;

/// So many of what one person holds are looked at to find one that counts, and so many of them at a
/// time.
const LOOKED_AT: usize = 1024;
const AT_A_TIME: usize = 64;

/// What somebody holds, by where its record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HoldId {
    /// An RPT without a refresh token.
    Rpt(TokenKey),
    /// What a refresh token stands for, by the digest of the token.
    Grant(Digest),
}

/// Neither begins with the other.
const RPT: char = 't';
const GRANT: char = 'g';

impl HoldId {
    /// What [`Display`](std::fmt::Display) wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix(RPT) {
            Some(key) => TokenKey::parse(key).map(Self::Rpt),
            None => Digest::from_base64url(text.strip_prefix(GRANT)?).map(Self::Grant),
        }
    }
}

impl std::fmt::Display for HoldId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rpt(key) => write!(f, "{RPT}{key}"),
            Self::Grant(digest) => write!(f, "{GRANT}{}", digest.to_base64url()),
        }
    }
}

/// What somebody holds, as it counts now.
pub(crate) struct Hold {
    pub(crate) id: HoldId,
    /// The RPT, or the first that came with the refresh token.
    pub(crate) rpt: Rpt,
    /// When the last of it ends.
    pub(crate) until: Timestamp,
    /// What it permits; never nothing.
    pub(crate) held: Vec<Held>,
}

impl Uma {
    /// Everything ends that was issued to a person until now for this owner's resources at this
    /// resource server: RPTs and refresh tokens, by whatever they were let in, and under whichever
    /// address. Introspection knows of it at once. It keeps nobody out: what lets them in does so
    /// again, and what is issued after that counts.
    ///
    /// # Errors
    /// [`StoreError`]; the end must then not be acknowledged.
    pub async fn revoke_tokens(
        &self,
        protection: &Protection,
        person: &Person,
        by: &str,
    ) -> Result<(), StoreError> {
        let now = self.seams.clock.now();
        let longest = self.refresh_lifetime.max(Some(self.settings.rpt_lifetime));
        self.revocations.revoke(protection, person, by, now, longest).await
    }

    /// Whether everything of its person was revoked after it was issued.
    pub(crate) async fn is_revoked(&self, rpt: &Rpt, now: Timestamp) -> Result<bool, StoreError> {
        self.revocations.end(rpt, now).await
    }

    /// Reads on what is held; `false` if there is so much of it that it is still being read.
    pub(crate) async fn know_holds(&self, now: Timestamp) -> Result<bool, StoreError> {
        self.holds.look(now).await
    }

    /// What somebody holds of this owner's, if it counts; what is gone is forgotten.
    pub(crate) async fn hold(
        &self,
        protection: &Protection,
        mark: &Mark,
        now: Timestamp,
    ) -> Result<Option<Hold>, StoreError> {
        let (_, id) = mark;
        let Some((rpt, until)) = self.record_of(protection, id, now).await? else {
            self.holds.forget(protection, mark);
            return Ok(None);
        };
        if self.is_revoked(&rpt, now).await? {
            // It never counts again.
            self.holds.forget(protection, mark);
            return Ok(None);
        }
        if !self.may_hold_rpts(&rpt.client).await? {
            return Ok(None);
        }
        self.load_shares(protection, now).await?;
        let registered = self.registered(protection, &rpt.permissions).await?;
        let case = match rpt.person.as_ref().filter(|_| rpt.asked) {
            Some(person) => self.case_at(protection, &PersonId::of(person), now).await?,
            None => None,
        };
        let (policy, settings) = (&*self.seams.policy, &self.settings);
        let current =
            Current { registered: &registered, case: case.as_ref(), policy, settings, now };
        let held = rpt.held(current);
        Ok((!held.is_empty()).then_some(Hold { id: *id, rpt, until, held }))
    }

    /// The record of what somebody holds of this owner's at this resource server, and when it ends.
    async fn record_of(
        &self,
        protection: &Protection,
        id: &HoldId,
        now: Timestamp,
    ) -> Result<Option<(Rpt, Timestamp)>, StoreError> {
        let found = match id {
            HoldId::Rpt(key) => match self.tokens.find_by(key, now).await? {
                Some(StoredToken::Rpt(rpt)) => Some((rpt.expires, *rpt)),
                _ => None,
            },
            HoldId::Grant(digest) => match self.refresh_tokens.find_by(digest, now).await? {
                Some(Refreshable::Rpt(grant)) => Some((grant.expires, grant.rpt)),
                _ => None,
            },
        };
        let found = found.filter(|(until, rpt)| now < *until && rpt.protection == *protection);
        Ok(found.map(|(until, rpt)| (rpt, until)))
    }

    /// Some of what is held of this owner's, the latest first.
    pub(crate) fn found_holds(
        &self,
        protection: &Protection,
        of: Of<'_>,
        beside: Beside<&Mark>,
        limit: usize,
        now: Timestamp,
    ) -> Vec<Found> {
        self.holds.part(protection, of, beside, limit, now)
    }

    /// Whether a person got all of these scopes at a resource at this moment or after, and has them
    /// still, as far as it is known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn has_since(
        &self,
        protection: &Protection,
        person: &PersonId,
        (resource, at): (&ResourceId, Timestamp),
        scopes: &BTreeSet<&str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut left = scopes.clone();
        for id in self.holds.since(protection, person, (resource, at), LOOKED_AT, now) {
            let Some((rpt, _)) = self.record_of(protection, &id, now).await? else { continue };
            let here = rpt.permissions.iter().filter(|held| held.resource_id == *resource);
            for held in here {
                left.retain(|scope| !held.resource_scopes.contains(scope));
            }
        }
        Ok(left.is_empty())
    }

    /// The latest that counts of what its holder holds, and is meant.
    pub(crate) async fn latest_hold(
        &self,
        protection: &Protection,
        of: Of<'_>,
        found: &Found,
        now: Timestamp,
    ) -> Result<Option<Hold>, StoreError> {
        let mut last = None;
        for _ in 0..LOOKED_AT / AT_A_TIME {
            let marks = self.holds.like(protection, of, found, last.as_ref(), AT_A_TIME, now);
            for mark in &marks {
                if let Some(hold) = self.hold(protection, mark, now).await? {
                    return Ok(Some(hold));
                }
            }
            if marks.len() < AT_A_TIME {
                break;
            }
            last = marks.last().copied();
        }
        Ok(None)
    }

    /// Who somebody is of whom there is a record, whether or not it counts at the moment.
    pub(crate) async fn holder(
        &self,
        protection: &Protection,
        person: &PersonId,
        now: Timestamp,
    ) -> Result<Option<Person>, StoreError> {
        let of = Of::Person(person);
        for found in self.holds.part(protection, of, Beside::Start, AT_A_TIME, now) {
            let (_, id) = &found.mark;
            if let Some((rpt, _)) = self.record_of(protection, id, now).await? {
                return Ok(rpt.person);
            }
        }
        Ok(None)
    }

    /// Ends one of what somebody holds of this owner's, with everything that came of it, at the
    /// next use of any token; `None` if there is no such thing, or it is another owner's.
    pub(crate) async fn end_hold(
        &self,
        protection: &Protection,
        id: &HoldId,
        by: &str,
    ) -> Result<Option<Rpt>, StoreError> {
        let now = self.seams.clock.now();
        let Some((rpt, _)) = self.record_of(protection, id, now).await? else { return Ok(None) };
        let ended = match id {
            HoldId::Rpt(key) => self.tokens.revoke_by(key).await?,
            HoldId::Grant(digest) => self.refresh_tokens.remove_by(digest).await?,
        };
        if !ended {
            return Ok(None);
        }
        tracing::info!(
            target: "countersign::audit",
            owner = %protection.owner,
            resource_server = %protection.resource_server,
            by = %by.escape_debug(),
            client_id = %rpt.client,
            issuer = rpt.person.as_ref().map(|person| person.iss.as_str()),
            subject = rpt.person.as_ref().map(|person| person.sub.as_str()),
            "an owner ended what somebody was let in with",
        );
        if let Some(person) = &rpt.person {
            let through = Some((rpt.client.clone(), person.present));
            let permissions = rpt.permissions.clone();
            self.note_end(protection, person, through, permissions, by, now).await?;
        }
        Ok(Some(rpt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_found_by_what_it_is_called() {
        let key = TokenKey::at(Timestamp::from_unix(1_800_000_000));
        let digest = Digest::of(b"refresh token");
        for id in [HoldId::Rpt(key), HoldId::Grant(digest)] {
            assert_eq!(HoldId::parse(&id.to_string()), Some(id));
        }
        for other in ["", "t!", "g", "x", "gAAAA", &digest.to_base64url()] {
            assert_eq!(HoldId::parse(other), None, "{other}");
        }
    }
}
