//! The resource owner's part: what waits for them, and what they decide.
//!
//! Everything about one person before one owner at one resource server is one record, and each of
//! the operations here changes it in one atomic step that is durable before it answers: of a
//! decision and a revocation, one comes first, and the other sees what it left. Whoever calls them
//! has made sure that it is the owner who decides; the [`Protection`] they pass is part of every
//! key.

mod book;
mod room;

use std::sync::Arc;

use countersign_store::cases::Kept;
use countersign_store::{StoreError, Tickets, finish};
use countersign_types::digest::Digest;
use countersign_types::random::identifier;
use countersign_types::secret::TicketHandle;
use countersign_types::{ClientId, Timestamp};
use countersign_uma::assessment::AwaitingOwner;
use countersign_uma::case::{CaseError, OwnerDecision, Question, Said};
use countersign_uma::permission::{Permission, Registered};
use countersign_uma::process::Waiting;
use countersign_uma::resource::ResourceId;
use countersign_uma::rpt::Current;
use countersign_uma::{Case, Notice, Person, PersonId, Process, Protection, Rpt};

use crate::app::{Uma, registrant};
use book::CaseBook;
use room::Note;
pub(crate) use room::{CaseRoom, domain_of};

/// So often all cases are read where changes fail meanwhile, so that nothing is known of what was
/// read.
const READINGS: usize = 3;

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

    /// The owner decides about a person, whole or not at all. What they approve is granted to whom
    /// the decision names as soon as their client comes back with fresh claims; what they deny is
    /// gone at the next use of a token, whatever was issued for it before.
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
        let (book, protection, person) = (CaseBook::of(self), protection.clone(), *person);
        let place = book.place(&protection, &person);
        finish(async move {
            let (by, client) = (decision.by.clone(), decision.client.clone());
            let change = move |found| match Case::decide(found, &decision, now) {
                Ok(case) => {
                    place.note(&case, now);
                    (Some(kept(&case)), Ok(case))
                }
                Err(error) => (None, Err(error)),
            };
            let case = book.change(&protection, &person, now, change).await??;
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
        })
        .await
    }

    /// The owner takes back everything from a person, whichever of their addresses they asked by:
    /// cases of the same issuer and subject end with the one that is named. `None` if there is
    /// nothing to take back. No decision that was made on what was before has any effect after
    /// that.
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
        let (book, protection) = (CaseBook::of(self), protection.clone());
        let (person, by) = (*person, by.to_owned());
        finish(async move { book.revoke(&protection, &person, &by, now).await }).await
    }

    /// Writes into a person's history that their owner ended what they had: something, through this
    /// client, or everything.
    pub(crate) async fn note_end(
        &self,
        protection: &Protection,
        person: &Person,
        through: Option<(ClientId, bool)>,
        permissions: Vec<Permission>,
        by: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (id, person, by) = (PersonId::of(person), person.clone(), by.to_owned());
        let (book, protection) = (CaseBook::of(self), protection.clone());
        let place = book.place(&protection, &id);
        let change = move |found| {
            let case = Case::ended(found, &person, through, permissions, &by, now);
            place.note(&case, now);
            (Some(kept(&case)), ())
        };
        finish(async move { book.change(&protection, &id, now, change).await }).await
    }

    /// Reads what has to be known of all of an owner's cases, once.
    pub(crate) async fn know_cases(
        &self,
        protection: &Protection,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for _ in 0..READINGS {
            if self.case_room.is_known(protection, now) {
                return Ok(());
            }
            let begun = self.case_room.begin(protection);
            let mut notes = Vec::new();
            self.each_case(protection, now, |case| notes.push(Note::of(&case, now))).await?;
            if self.case_room.read(protection, &begun, notes, now) {
                return Ok(());
            }
        }
        // It is the store that fails, again and again, whenever they are read.
        Err(StoreError::Stopped)
    }

    /// Shows every case of an owner, with few of them in memory at a time.
    pub(crate) async fn each_case(
        &self,
        protection: &Protection,
        now: Timestamp,
        show: impl FnMut(Case) + Send,
    ) -> Result<(), StoreError> {
        CaseBook::of(self).each(protection, now, show).await
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

/// Asks the owner, unless they were asked before or have more before them than they may, and says
/// what they said.
pub(crate) async fn ask(
    uma: &Uma,
    awaiting: &AwaitingOwner<'_>,
    now: Timestamp,
) -> Result<Said, StoreError> {
    let (question, protection) = (awaiting.question(), awaiting.protection());
    let registrant = registrant(protection);
    let person = PersonId::of(&question.person);
    let found = uma.cases.find(&registrant, person.digest(), now).await?;
    let waited = found.as_ref().map(|case| case.waiting(now)).unwrap_or_default();
    let (new, said) = Case::ask(found, &question, now);
    if new.is_none() {
        // Who asks for nothing new, as with every poll, changes nothing and takes no place.
        return Ok(said);
    }
    uma.know_cases(protection, now).await?;
    let place = CaseBook::of(uma).place(protection, &person);
    let webhooks = uma.webhooks.as_ref().filter(|webhooks| webhooks.serves(&protection.owner));
    let mut tells = webhooks.map(|_| Telling::new(uma, awaiting, &question));
    if let Some(tells) = &mut tells {
        tells.know(&uma.registered(protection, &waited).await?);
    }
    let kept_after = webhooks.map(|webhooks| webhooks.kept_after());
    let (cases, room) = (uma.cases.clone(), Arc::clone(&uma.case_room));
    let change = move |found: Option<Case>| {
        let has_place =
            found.as_ref().is_some_and(|case| case.is_open(now) || case.held_approval());
        let (case, said) = Case::ask(found, &question, now);
        let Some(case) = case else { return (None, None, (said, false)) };
        if !has_place && !place.is_left(&question.person.email, now) {
            return (None, None, (Said { unasked: true, ..Said::default() }, false));
        }
        place.note(&case, now);
        let notice = tells.and_then(|tells| tells.of(&case));
        // What nobody answers in time is not told after that, and ends in the log.
        let until = case.open_until(now).zip(kept_after).map(|(until, more)| until.after(more));
        let notice = notice.map(|record| Kept { record, expires: until });
        let is_told = notice.is_some();
        (Some(kept(&case)), notice, (said, is_told))
    };
    let its = protection.clone();
    let changed = async move {
        let changing = room.changing(&its);
        let outcome = cases.change_and_tell(&registrant, person.digest(), now, change).await?;
        changing.kept();
        Ok(outcome)
    };
    match webhooks {
        Some(webhooks) => webhooks.follow(protection, person, changed).await,
        None => finish(changed).await.map(|(said, _)| said),
    }
}

/// What waits for the owner of what an RPT permits by rules alone waits for nobody any more. To be
/// called with what is granted to whoever may have asked before.
pub(crate) async fn let_in(
    uma: &Uma,
    rpt: &Rpt,
    person: &Person,
    registered: &Registered,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (protection, id) = (&rpt.protection, PersonId::of(person));
    let Some(found) = uma.case_at(protection, &id, now).await? else { return Ok(()) };
    let (policy, settings) = (&*uma.seams.policy, &uma.settings);
    // Without the case, since what rests on the owner's word is not meant.
    let held = rpt.held(Current { registered, case: None, policy, settings, now });
    let (client, present) = (rpt.client.clone(), person.present);
    if Case::let_in(Some(found), (&client, present), &held, now).is_none() {
        return Ok(());
    }
    let (book, protection, person) = (CaseBook::of(uma), protection.clone(), person.clone());
    let place = book.place(&protection, &id);
    let through = client.clone();
    let change = move |found| {
        let case = Case::let_in(found, (&client, present), &held, now);
        if let Some(case) = &case {
            place.note(case, now);
        }
        (case.as_ref().map(kept), case)
    };
    finish(async move {
        if let Some(case) = book.change(&protection, &id, now, change).await? {
            tracing::info!(
                target: "countersign::audit",
                owner = %protection.owner,
                resource_server = %protection.resource_server,
                client_id = %through,
                issuer = %person.iss,
                subject = %person.sub.escape_debug(),
                why = ?case.history().last().map(|event| &event.why),
                "rules let somebody in who waited for an owner",
            );
        }
        Ok(())
    })
    .await
}

/// What an owner is told of a question, but for what the step that asks it decides.
struct Telling {
    protection: Protection,
    names: Vec<(ResourceId, String)>,
    jti: String,
}

impl Telling {
    fn new(uma: &Uma, awaiting: &AwaitingOwner<'_>, question: &Question) -> Self {
        let registered = awaiting.registered();
        let named =
            question.permissions.iter().filter_map(|Permission { resource_id: id, .. }| {
                Some((id.clone(), registered.get(id)?.name()?.to_owned()))
            });
        let (names, jti) = (named.collect(), identifier(&*uma.seams.random));
        Self { protection: awaiting.protection().clone(), names, jti }
    }

    /// What waited before is called so.
    fn know(&mut self, registered: &Registered) {
        let named = registered.iter();
        self.names.extend(named.filter_map(|(id, it)| Some((id.clone(), it.name()?.to_owned()))));
    }

    fn of(self, case: &Case) -> Option<Notice> {
        let Self { protection, names, jti } = self;
        let name = |id: &ResourceId| names.iter().find(|(known, _)| known == id);
        Notice::of(case, &protection, |id| name(id).map(|(_, name)| name.clone()), jti)
    }
}

/// Keeps a ticket that waits, with a place in its case, and forgets those whose places are taken.
/// To its end: nothing else forgets a ticket that has no place.
pub(crate) async fn wait(
    uma: &Uma,
    process: Process,
    client: &ClientId,
    ticket: &TicketHandle,
    shown: &Digest,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (client, ticket, shown) = (client.clone(), ticket.clone(), *shown);
    let soon = now.after(uma.settings.ticket_lifetime);
    let tickets = Tickets::<Process>::new(Arc::clone(&uma.seams.engine));
    let cases = uma.cases.clone();
    finish(async move {
        let (digest, expires) = (ticket.digest(), process.expires());
        // Before it has a place, so that it is there to be forgotten when that is taken.
        tickets.issue_waiting(&ticket, &process, &client, expires).await?;
        let placed = match process.waiting() {
            Some(&Waiting { person, present, .. }) => {
                let client = client.clone();
                let change = move |found: Option<Case>| match found {
                    None => (None, None),
                    Some(case) => {
                        let (case, forgotten) = case.wait(&client, present, digest, &shown);
                        (Some(kept(&case)), Some(forgotten))
                    }
                };
                cases.change(&registrant(process.protection()), person.digest(), now, change).await
            }
            None => Ok(None),
        };
        let (forgotten, mut outcome) = match placed {
            Ok(Some(forgotten)) => (forgotten, Ok(())),
            // Without a case there is nothing to wait for, as the client is told when it comes
            // back.
            Ok(None) => {
                let soon = expires.min(soon);
                return tickets.issue_waiting(&ticket, &process, &client, soon).await;
            }
            // The client is told of no ticket.
            Err(error) => (vec![digest], Err(error)),
        };
        // Each of them, whatever becomes of the others: none is found again.
        for ticket in forgotten {
            outcome = outcome.and(tickets.forget_waiting(&ticket).await);
        }
        outcome
    })
    .await
}

fn kept(case: &Case) -> Kept<Case> {
    Kept { record: case.clone(), expires: case.kept_until() }
}
