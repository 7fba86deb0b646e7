//! What somebody holds, as it is shown where its owner can end it.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_pages::page::moment;
use countersign_store::finish;
use countersign_types::{Params, Timestamp};
use countersign_uma::policy::Reason;
use countersign_uma::policy::shares::{ShareId, Who};
use countersign_uma::rpt::Held;
use countersign_uma::{PersonId, Protection};

use super::desk::Desk;
use super::done::Done;
use super::history::{rule, short};
use super::notice::Notice;
use super::people::{self, Cards};
use super::places::Place;
use super::refusal::Refusal;
use super::views::ResourceName;
use crate::holds::{Hold, HoldId};

/// What somebody holds.
pub(super) struct HoldView {
    pub(super) id: String,
    /// Their page and their address, where it was asked for.
    pub(super) person: Option<(String, String)>,
    pub(super) issuer: Option<String>,
    pub(super) client: String,
    /// Whether they are there themselves, where that is known.
    pub(super) present: Option<bool>,
    pub(super) permissions: Vec<Permitted>,
    pub(super) since: String,
    pub(super) until: String,
    /// Whether it can be renewed until then, without anybody being asked.
    pub(super) is_renewed: bool,
    pub(super) owner: String,
    pub(super) server: String,
    pub(super) action: String,
    pub(super) form_token: String,
}

/// What is permitted at a resource for the same reasons.
pub(super) struct Permitted {
    pub(super) resource: ResourceName,
    pub(super) scopes: Vec<String>,
    pub(super) why: Vec<Grounds>,
}

/// Why somebody may do something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grounds {
    /// The owner allowed it when they were asked.
    Approved,
    /// The owner shares it beforehand, with these people.
    Shared(Option<WithWhom>),
    /// A rule of the server's administrator, by its name.
    Rule(String),
    /// A policy that has no name.
    Nameless,
}

/// With whom something is shared, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WithWhom {
    Person(String),
    Domain(String),
    Group(String, String, String),
    Anyone,
}

impl From<&Who> for WithWhom {
    fn from(who: &Who) -> Self {
        match who {
            Who::Person(email) => Self::Person(email.to_string()),
            Who::Domain(domain) => Self::Domain(domain.to_string()),
            Who::Group { claim, value, domain } => {
                Self::Group(domain.to_string(), short(claim.clone()), short(value.clone()))
            }
            Who::Anyone => Self::Anyone,
        }
    }
}

impl Grounds {
    /// What decided, each of it once.
    async fn of(desk: &Desk, protection: &Protection, held: &Held) -> Result<Vec<Self>, Refusal> {
        if held.approved {
            return Ok(vec![Self::Approved]);
        }
        let mut all = BTreeSet::new();
        for reason in &held.why {
            all.insert(match reason {
                Reason::Policy(name) => match share_of(name) {
                    Some(id) => Self::Shared(with_whom(desk, protection, &id).await?),
                    None => Self::Rule(rule(desk, name)),
                },
                other => Self::Rule(short(other.to_string())),
            });
        }
        if all.is_empty() {
            all.insert(Self::Nameless);
        }
        Ok(all.into_iter().collect())
    }
}

/// The share that a policy of this name is.
pub(super) fn share_of(name: &str) -> Option<ShareId> {
    // INVARIANT: no rule of an administrator has such a name.
    ShareId::parse(name.strip_prefix("share ")?)
}

async fn with_whom(
    desk: &Desk,
    protection: &Protection,
    id: &ShareId,
) -> Result<Option<WithWhom>, Refusal> {
    let is_it = |share: &countersign_uma::policy::Share| share.id == *id;
    let found = super::shares::that(desk, protection, is_it).await?;
    Ok(found.first().map(|share| share.terms.who().into()))
}

/// What somebody holds, with a form of this page by which it can be ended.
pub(super) async fn view(
    cards: &mut Cards<'_>,
    desk: &Desk,
    place: &Place,
    hold: &Hold,
    (action, form_token): (&str, &str),
) -> Result<HoldView, Refusal> {
    let rpt = &hold.rpt;
    let mut permissions: Vec<Permitted> = Vec::new();
    let mut last = None;
    for held in &hold.held {
        let why = Grounds::of(desk, &place.protection, held).await?;
        match permissions
            .last_mut()
            .filter(|known| last == Some(&held.resource_id) && known.why == why)
        {
            Some(known) => known.scopes.push(held.scope.clone()),
            None => {
                let resource = cards.name(place, &held.resource_id).await?;
                permissions.push(Permitted { resource, scopes: vec![held.scope.clone()], why });
            }
        }
        last = Some(&held.resource_id);
    }
    let person = rpt.person.as_ref();
    let page = |person| people::link(desk, place, &PersonId::of(person));
    Ok(HoldView {
        id: hold.id.to_string(),
        person: person.map(|person| (page(person), person.email.to_string())),
        issuer: person.map(|person| person.iss.to_string()),
        client: rpt.client.to_string(),
        present: person.map(|person| person.present),
        permissions,
        since: moment(rpt.issued),
        until: moment(hold.until),
        is_renewed: matches!(hold.id, HoldId::Grant(_)),
        owner: place.protection.owner.to_string(),
        server: place.name(),
        action: action.to_owned(),
        form_token: form_token.to_owned(),
    })
}

/// Ends what a form names, if it names something that is held; `None` if it is another form.
pub(super) async fn end(
    desk: &Desk,
    place: &Place,
    params: &Params,
    by: &str,
) -> Result<Option<Result<Done, Notice>>, Refusal> {
    let Some(id) = params.get("end") else { return Ok(None) };
    let id = HoldId::parse(id).ok_or(Refusal::Malformed)?;
    let (uma, protection) = (Arc::clone(&desk.uma), place.protection.clone());
    let by = by.to_owned();
    let ended = finish(async move { uma.end_hold(&protection, &id, &by).await }).await?;
    Ok(Some(ended.map(|_| Done::LetGo).ok_or(Notice::NOTHING_LEFT)))
}

/// Reads on what is held; whether all of it is known.
pub(super) async fn know(desk: &Desk, now: Timestamp) -> Result<bool, Refusal> {
    Ok(desk.uma.know_holds(now).await?)
}
