//! The resource owner's part: what waits for them, and what they decide.
//!
//! Everything about one person before one owner at one resource server is one record, and each of the
//! operations here changes it in one atomic step that is durable before it answers: of a decision and a
//! revocation, one comes first, and the other sees what it left. Whoever calls them has made sure that
//! it is the owner who decides; the [`Protection`] they pass is part of every key.

mod room;

use countersign_store::StoreError;
use countersign_store::cases::Kept;
use countersign_types::Timestamp;
use countersign_uma::assessment::AwaitingOwner;
use countersign_uma::case::{CaseError, OwnerDecision, Said};
use countersign_uma::{Case, PersonId, Protection};

use crate::app::{Uma, registrant};
pub(crate) use room::CaseRoom;

/// Why a decision has no effect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnerError {
    /// It does not fit what stands there; nothing was changed.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// The store; whether anything was changed is unknown.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl Uma {
    /// Every case before this owner at this resource server: what waits for them
    /// ([`Case::is_waiting`]), what they decided, and the history of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn cases(&self, protection: &Protection) -> Result<Vec<Case>, StoreError> {
        self.cases.list(&registrant(protection), self.seams.clock.now()).await
    }

    /// One person's case.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn case(
        &self,
        protection: &Protection,
        person: &PersonId,
    ) -> Result<Option<Case>, StoreError> {
        self.case_at(protection, person, self.seams.clock.now()).await
    }

    /// The owner decides about a person, whole or not at all. What they approve is granted to whom the
    /// decision names as soon as their client comes back with fresh claims; what they deny is gone at
    /// the next use of a token, whatever was issued for it before.
    ///
    /// # Errors
    /// [`OwnerError`].
    pub async fn decide(
        &self,
        protection: &Protection,
        person: &PersonId,
        decision: OwnerDecision,
    ) -> Result<Case, OwnerError> {
        let now = self.seams.clock.now();
        let (by, client) = (decision.by.clone(), decision.client.clone());
        let change = move |found| match Case::decide(found, &decision, now) {
            Ok(case) => (Some(kept(&case)), Ok(case)),
            Err(error) => (None, Err(error)),
        };
        let registrant = registrant(protection);
        let case = self.cases.change(&registrant, person.digest(), now, change).await??;
        self.case_room.count_anew(protection);
        tracing::info!(
            target: "countersign::audit",
            owner = %protection.owner,
            resource_server = %protection.resource_server,
            by = %by.escape_debug(),
            client_id = %client,
            issuer = %case.person().iss,
            subject = %case.person().sub.escape_debug(),
            decided = ?case.history().last().map(|event| &event.what),
            "an owner decided",
        );
        Ok(case)
    }

    /// The owner takes back everything from a person; `None` if there is nothing to take back. No
    /// decision that was made on what was before has any effect after that.
    ///
    /// # Errors
    /// [`StoreError`]; the end must then not be acknowledged.
    pub async fn revoke(
        &self,
        protection: &Protection,
        person: &PersonId,
        by: &str,
    ) -> Result<Option<Case>, StoreError> {
        let now = self.seams.clock.now();
        let who = by.to_owned();
        let change = move |found| {
            let revoked = Case::revoke(found, &who, now);
            (revoked.as_ref().map(kept), revoked)
        };
        let registrant = registrant(protection);
        let revoked = self.cases.change(&registrant, person.digest(), now, change).await?;
        if let Some(case) = &revoked {
            self.case_room.count_anew(protection);
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

    pub(crate) async fn case_at(
        &self,
        protection: &Protection,
        person: &PersonId,
        now: Timestamp,
    ) -> Result<Option<Case>, StoreError> {
        self.cases.find(&registrant(protection), person.digest(), now).await
    }
}

/// Asks the owner, unless they were asked before or have more before them than they may, and says what
/// they said.
pub(crate) async fn ask(
    uma: &Uma,
    awaiting: &AwaitingOwner<'_>,
    now: Timestamp,
) -> Result<Said, StoreError> {
    let (question, registrant) = (awaiting.question(), registrant(awaiting.protection()));
    let person = PersonId::of(&question.person);
    let found = uma.cases.find(&registrant, person.digest(), now).await?;
    let has_place = found.as_ref().is_some_and(|case| case.is_open(now) || case.held_approval());
    // Who asks for nothing new takes no place. Two that come at once may both be let in; that the
    // owner has a few more does not matter.
    if !has_place
        && Case::ask(found, &question, now).0.is_some()
        && !room::is_left(uma, awaiting.protection(), &question.person.email, now).await?
    {
        return Ok(Said { unasked: true, ..Said::default() });
    }
    let change = move |found| {
        let (case, said) = Case::ask(found, &question, now);
        (case.as_ref().map(kept), said)
    };
    uma.cases.change(&registrant, person.digest(), now, change).await
}

fn kept(case: &Case) -> Kept<Case> {
    Kept { record: case.clone(), expires: case.kept_until() }
}
