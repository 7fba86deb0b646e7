//! Who has what, and the cases of people as they are shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_pages::page::moment;
use countersign_store::StoreError;
use countersign_types::Timestamp;
use countersign_uma::case::{Entry, Happened, Standing};
use countersign_uma::resource::ResourceId;
use countersign_uma::{Case, PersonId, Protection};
use http::{HeaderMap, StatusCode, Uri};

use super::desk::{Desk, Visit};
use super::history;
use super::places::{self, Place};
use super::refusal::Refusal;
use super::shell::{Card, EntryView, Pager, PeoplePage, ResourceName, Stands, Tab};
use super::vouched::Vouched;
use crate::app::registrant;

pub(super) async fn get(
    State(desk): State<Arc<Desk>>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    try_get(&desk, &uri, query, &headers).await.unwrap_or_else(|error| desk.refuse(error))
}

async fn try_get(
    desk: &Desk,
    uri: &Uri,
    query: Option<String>,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let visit = desk.enter(headers, uri).await?;
    let mut people = all(desk, &visit, |_| true).await?;
    people.sort_by(|(_, one), (_, other)| {
        let key = |case: &Case| case.person().email.as_str().to_owned();
        key(one).cmp(&key(other))
    });
    let (people, pager) = Pager::cut(people, query.as_deref());
    let people = Cards::new(desk, visit.now).of(people, |_| true).await?;
    let page = PeoplePage { shell: desk.shell(&visit, Tab::People)?, people, pager };
    Ok(desk.show(StatusCode::OK, page, &visit))
}

/// Every case before the owners that somebody is, with the place of each.
pub(super) async fn all(
    desk: &Desk,
    visit: &Visit,
    is_meant: impl Fn(&Case) -> bool,
) -> Result<Vec<(Place, Case)>, StoreError> {
    let mut cases = Vec::new();
    for place in places::of(desk, &visit.active).await? {
        for case in desk.uma.cases(&place.protection).await? {
            if is_meant(&case) {
                cases.push((place.clone(), case));
            }
        }
    }
    Ok(cases)
}

/// So much of what a provider says of a person is in a list; their page has all of it.
const IN_A_LIST: usize = 4;

/// The page of a person.
pub(super) fn link(desk: &Desk, place: &Place, person: &PersonId) -> String {
    format!("{}/people/{}/{person}", desk.console.path(), place.id())
}

/// Makes people ready to be shown.
pub(super) struct Cards<'a> {
    desk: &'a Desk,
    now: Timestamp,
    names: BTreeMap<(Protection, ResourceId), ResourceName>,
}

impl<'a> Cards<'a> {
    pub(super) const fn new(desk: &'a Desk, now: Timestamp) -> Self {
        Self { desk, now, names: BTreeMap::new() }
    }

    /// These people, with those of their entries that are meant.
    pub(super) async fn of(
        mut self,
        cases: Vec<(Place, Case)>,
        is_meant: impl Fn(&Stands) -> bool,
    ) -> Result<Vec<Card>, StoreError> {
        let mut cards = Vec::new();
        for (place, case) in cases {
            let mut entries = self.entries(&place, &case).await?;
            entries.retain(|entry| is_meant(&entry.stands));
            let person = case.person();
            let mut claims = history::claims(&person.claims);
            let says_more = claims.len() > IN_A_LIST;
            claims.truncate(IN_A_LIST);
            cards.push(Card {
                link: link(self.desk, &place, &PersonId::of(person)),
                email: person.email.to_string(),
                vouched: Vouched::of(person),
                claims,
                says_more,
                owner: place.protection.owner.to_string(),
                server: place.name(),
                entries,
            });
        }
        Ok(cards)
    }

    /// What was asked about a person, and how it stands.
    pub(super) async fn entries(
        &mut self,
        place: &Place,
        case: &Case,
    ) -> Result<Vec<EntryView>, StoreError> {
        let (mut views, now) = (Vec::new(), self.now);
        for entry in case.entries().iter().filter(|entry| entry.is_live(now)) {
            let is_open = matches!(entry.standing, Standing::Waiting | Standing::More(_));
            views.push(EntryView {
                value: format!("{} {}", entry.resource_id, entry.scope),
                resource: self.name(place, &entry.resource_id).await?,
                scope: entry.scope.clone(),
                client: entry.client.to_string(),
                present: entry.present,
                stands: Stands::of(&entry.standing),
                since: moment(entry.since),
                until: is_open.then(|| moment(entry.until)),
                allowed: allowed(case, entry),
            });
        }
        Ok(views)
    }

    /// What a resource is called.
    pub(super) async fn name(
        &mut self,
        place: &Place,
        id: &ResourceId,
    ) -> Result<ResourceName, StoreError> {
        let key = (place.protection.clone(), id.clone());
        if let Some(known) = self.names.get(&key) {
            return Ok(known.clone());
        }
        let registrant = registrant(&place.protection);
        let found = self.desk.uma.resources.read(&registrant, id.as_str()).await?;
        let name = found.map_or_else(
            || ResourceName::Gone(id.to_string()),
            |found| ResourceName::Known(history::plain(found.name().unwrap_or(id.as_str()))),
        );
        self.names.insert(key, name.clone());
        Ok(name)
    }
}

impl Stands {
    fn of(standing: &Standing) -> Self {
        match standing {
            Standing::Waiting => Self::Waiting,
            Standing::More(claims) => {
                Self::More(claims.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
            }
            Standing::Approved => Self::Allowed,
            Standing::Denied => Self::Refused,
        }
    }

    /// Whether the owner or the person still has to say something.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self, Self::Waiting | Self::More(_))
    }
}

/// Who allowed this, and when: the last who did.
fn allowed(case: &Case, entry: &Entry) -> Option<(String, String)> {
    if entry.standing != Standing::Approved {
        return None;
    }
    let event = case.history().iter().rev().find(|event| {
        event.what == Happened::Approved
            && event.through.as_ref() == Some(&(entry.client.clone(), entry.present))
            && event.permissions.iter().any(|permission| {
                permission.resource_id == entry.resource_id
                    && permission.resource_scopes.contains(&entry.scope)
            })
    })?;
    Some((event.by.clone().unwrap_or_default(), moment(event.at)))
}
