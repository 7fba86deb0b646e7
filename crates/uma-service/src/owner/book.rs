//! The cases as they are kept, and what is known of them: for changes that run apart from who asked
//! for them.

use std::sync::Arc;

use countersign_store::cases::Kept;
use countersign_store::resources::Beside;
use countersign_store::{Cases, StoreError};
use countersign_types::Timestamp;
use countersign_uma::{Case, Person, PersonId, Protection};

use super::kept;
use super::room::{CaseRoom, Place};
use crate::app::{Uma, registrant};

/// So many cases are in memory at a time where all of them are looked at.
const AT_A_TIME: usize = 250;

/// The cases of all owners.
#[derive(Clone)]
pub(super) struct CaseBook {
    cases: Cases<Case>,
    room: Arc<CaseRoom>,
}

impl CaseBook {
    pub(super) fn of(uma: &Uma) -> Self {
        Self { cases: uma.cases.clone(), room: Arc::clone(&uma.case_room) }
    }

    pub(super) async fn find(
        &self,
        protection: &Protection,
        person: &PersonId,
        now: Timestamp,
    ) -> Result<Option<Case>, StoreError> {
        self.cases.find(&registrant(protection), person.digest(), now).await
    }

    pub(super) fn place(&self, protection: &Protection, person: &PersonId) -> Place {
        Place::new(Arc::clone(&self.room), protection.clone(), *person)
    }

    /// Changes a case, and who has a place with it. After an error, or a panic, nothing is known of
    /// either. The caller sees to it that this runs to its end.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        protection: &Protection,
        person: &PersonId,
        now: Timestamp,
        change: impl FnOnce(Option<Case>) -> (Option<Kept<Case>>, T) + Send + 'static,
    ) -> Result<T, StoreError> {
        let (registrant, changing) = (registrant(protection), self.room.changing(protection));
        let outcome = self.cases.change(&registrant, person.digest(), now, change).await?;
        changing.kept();
        Ok(outcome)
    }

    /// Shows every case of an owner, with few of them in memory at a time.
    pub(super) async fn each(
        &self,
        protection: &Protection,
        now: Timestamp,
        mut show: impl FnMut(Case) + Send,
    ) -> Result<(), StoreError> {
        let (registrant, mut last) = (registrant(protection), None::<PersonId>);
        loop {
            let beside = last.as_ref().map_or(Beside::Start, |id| Beside::After(id.digest()));
            let part = self.cases.page(&registrant, beside, AT_A_TIME, now).await?;
            let is_last = part.len() < AT_A_TIME;
            last = part.last().map(|case| PersonId::of(case.person()));
            part.into_iter().for_each(&mut show);
            if is_last {
                return Ok(());
            }
        }
    }

    /// Takes back everything from a person, in each case of the same issuer and subject, and writes
    /// it into the audit log. The caller sees to it that this runs to its end.
    pub(super) async fn revoke(
        &self,
        protection: &Protection,
        person: &PersonId,
        by: &str,
        now: Timestamp,
    ) -> Result<Option<Case>, StoreError> {
        let Some(named) = self.find(protection, person, now).await? else { return Ok(None) };
        let mut revoked = self.revoke_one(protection, person, by, now).await?;
        let (named, mut others) = (named.person(), Vec::new());
        let is_theirs = |other: &Person| other.iss == named.iss && other.sub == named.sub;
        let look = |case: Case| {
            others.extend(is_theirs(case.person()).then(|| PersonId::of(case.person())));
        };
        self.each(protection, now, look).await?;
        for id in others.into_iter().filter(|id| id != person) {
            let other = self.revoke_one(protection, &id, by, now).await?;
            revoked = revoked.or(other);
        }
        Ok(revoked)
    }

    async fn revoke_one(
        &self,
        protection: &Protection,
        person: &PersonId,
        by: &str,
        now: Timestamp,
    ) -> Result<Option<Case>, StoreError> {
        let who = by.to_owned();
        let place = self.place(protection, person);
        let change = move |found| {
            let revoked = Case::revoke(found, &who, now);
            if let Some(case) = &revoked {
                place.note(case, now);
            }
            (revoked.as_ref().map(kept), revoked)
        };
        let revoked = self.change(protection, person, now, change).await?;
        if let Some(case) = &revoked {
            tracing::info!(
                target: "countersign::audit",
                owner = %protection.owner,
                resource_server = %protection.resource_server,
                by = %by.escape_debug(),
                issuer = %case.person().iss,
                subject = %case.person().sub.escape_debug(),
                "an owner took everything back",
            );
        }
        Ok(revoked)
    }
}
