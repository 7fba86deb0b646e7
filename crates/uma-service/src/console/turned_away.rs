//! Who was turned away lately, and what spoke against them.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use countersign_pages::page::moment;
use countersign_pages::{Phrase, in_a_language};
use countersign_store::resources::Beside;
use countersign_types::Timestamp;
use countersign_uma::PersonId;
use countersign_uma::assessment::NotPermitted;
use countersign_uma::policy::Reason;
use http::StatusCode;

use super::desk::{Desk, Visit};
use super::held::{know, share_of};
use super::history::short;
use super::paging::{self, Asked, Cut, List};
use super::people::{self, Cards};
use super::places::{self, Place};
use super::refusal::Refusal;
use super::shell::{Pager, Shell, Tab};
use super::texts::Texts;
use super::views::ResourceName;
use crate::turned_away::Denial;

/// Those who were turned away.
pub(super) struct TurnedAwayPage {
    shell: Shell,
    denials: Vec<DenialView>,
    pager: Pager,
}

in_a_language!(Texts, TurnedAwayPage, "turned_away.html");

/// Somebody who was turned away at a resource.
pub(super) struct DenialView {
    pub(super) person: (String, String),
    pub(super) issuer: String,
    pub(super) client: String,
    pub(super) present: bool,
    pub(super) resource: ResourceName,
    pub(super) scopes: Vec<(String, Vec<Against>)>,
    pub(super) at: String,
    /// How often, and since when, if it was more than once.
    pub(super) before: Option<(String, String)>,
    pub(super) owner: String,
    pub(super) server: String,
}

/// What speaks against somebody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Against {
    /// Nothing permits it.
    Nothing,
    /// A claim is missing.
    Missing(String),
    /// A claim is another.
    Wrong(String),
    /// What the owner said beforehand.
    Shared,
    /// A rule of the server's administrator, by its name.
    Rule(String),
    /// A rule could not be evaluated.
    Failed(String),
}

impl Against {
    fn of(refused: &NotPermitted) -> Vec<Self> {
        let against: BTreeSet<_> = refused.why.iter().map(Self::of_reason).collect();
        if against.is_empty() { vec![Self::Nothing] } else { against.into_iter().collect() }
    }

    fn of_reason(reason: &Reason) -> Self {
        match reason {
            Reason::Policy(name) if share_of(name).is_some() => Self::Shared,
            Reason::Policy(name) => Self::Rule(short(name.clone())),
            Reason::Missing(claim) => Self::Missing(short(claim.clone())),
            Reason::Wrong(claim) => Self::Wrong(short(claim.clone())),
            Reason::Failed(error) => Self::Failed(short(error.clone())),
            other => Self::Rule(short(other.to_string())),
        }
    }

    pub(super) fn said(&self, t: &Texts) -> Phrase {
        match self {
            Self::Nothing => t.against_nothing.with("", ""),
            Self::Missing(claim) => t.against_missing.code("claim", claim),
            Self::Wrong(claim) => t.against_wrong.code("claim", claim),
            Self::Shared => t.against_shared.with("", ""),
            Self::Rule(name) => t.against_rule.strong("rule", name),
            Self::Failed(error) => t.against_failed.with("error", error),
        }
    }
}

pub(super) async fn get(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
    asked: Asked,
) -> Result<Response, Refusal> {
    let now = visit.now;
    let places = places::of(&desk, &visit.active).await?;
    know(&desk, now).await?;
    let lists: Vec<_> = places.iter().map(|place| Denials { desk: &desk, place, now }).collect();
    let is_meant = |denial: &Arc<Denial>| asked.finds(denial.person.email.as_str());
    let Cut { shown, pager } = paging::cut(&lists, &asked, is_meant).await?;
    let (mut cards, mut denials) = (Cards::new(&desk, now), Vec::new());
    for (number, denial) in shown {
        let Some(place) = places.get(number) else { continue };
        denials.push(view(&mut cards, &desk, place, &denial).await?);
    }
    let page = TurnedAwayPage { shell: desk.shell(&visit, Tab::TurnedAway)?, denials, pager };
    Ok(desk.show(StatusCode::OK, page, &visit))
}

/// Those who were turned away at a place, and did not get in there since.
struct Denials<'a> {
    desk: &'a Desk,
    place: &'a Place,
    now: Timestamp,
}

impl List for Denials<'_> {
    type Item = Arc<Denial>;

    const IS_NAMED: bool = false;

    fn id(&self) -> String {
        format!("d.{}", self.place.id())
    }

    async fn part(
        &self,
        beside: Beside<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Arc<Denial>)>, Refusal> {
        let key = |denial: &Denial| {
            let (since, person, resource) = denial.mark();
            format!("{since}.{person}.{resource}")
        };
        let all = of(self.desk, self.place, |_| true, self.now).await?;
        let mut part: Vec<_> = all.into_iter().map(|denial| (key(&denial), denial)).collect();
        let position = |mark: &str| part.iter().position(|(key, _)| key == mark);
        let (start, end) = match beside {
            Beside::Start => (0, limit),
            // One that came again meanwhile is at the start of the list.
            Beside::After(mark) => {
                let start = position(mark).map_or(0, |at| at + 1);
                (start, start + limit)
            }
            Beside::Before(mark) => {
                let end = position(mark).unwrap_or(0);
                (end.saturating_sub(limit), end)
            }
            Beside::End => (part.len().saturating_sub(limit), part.len()),
        };
        part.truncate(end);
        Ok(part.into_iter().skip(start).collect())
    }

    fn name(denial: &Arc<Denial>) -> (i64, String) {
        (denial.at.as_unix(), String::new())
    }
}

/// Who was turned away at a place, but for whoever got just that since.
async fn of(
    desk: &Desk,
    place: &Place,
    are_meant: impl Fn(&Denial) -> bool + Send,
    now: Timestamp,
) -> Result<Vec<Arc<Denial>>, Refusal> {
    let protection = &place.protection;
    let mut left = Vec::new();
    for denial in desk.uma.turned_away.of(protection, now) {
        if !are_meant(&denial) {
            continue;
        }
        let person = PersonId::of(&denial.person);
        let scopes = denial.scopes.iter().map(|refused| refused.scope.as_str()).collect();
        let there = (&denial.resource_id, denial.at);
        if !desk.uma.has_since(protection, &person, there, &scopes, now).await? {
            left.push(denial);
        }
    }
    Ok(left)
}

/// Where a person was turned away.
pub(super) async fn of_person(
    desk: &Desk,
    place: &Place,
    person: &PersonId,
    now: Timestamp,
) -> Result<Vec<Arc<Denial>>, Refusal> {
    of(desk, place, |denial| PersonId::of(&denial.person) == *person, now).await
}

/// As it is shown.
pub(super) async fn view(
    cards: &mut Cards<'_>,
    desk: &Desk,
    place: &Place,
    denial: &Denial,
) -> Result<DenialView, Refusal> {
    let Denial { person, client, resource_id, scopes, at, first, count } = denial;
    let before = (*count > 1).then(|| (count.to_string(), moment(*first)));
    let page = people::link(desk, place, &PersonId::of(person));
    Ok(DenialView {
        person: (page, person.email.to_string()),
        issuer: person.iss.to_string(),
        client: client.to_string(),
        present: person.present,
        resource: cards.name(place, resource_id).await?,
        scopes: scopes.iter().map(|it| (it.scope.clone(), Against::of(it))).collect(),
        at: moment(*at),
        before,
        owner: place.protection.owner.to_string(),
        server: place.name(),
    })
}
