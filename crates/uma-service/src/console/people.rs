//! Who has what, and the cases of people as they are shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use countersign_pages::page::moment;
use countersign_store::StoreError;
use countersign_store::resources::Beside;
use countersign_types::Timestamp;
use countersign_uma::case::{Entry, Happened, Standing};
use countersign_uma::policy::Share;
use countersign_uma::policy::shares::Who;
use countersign_uma::resource::ResourceId;
use countersign_uma::{Case, PersonId, Protection};
use http::StatusCode;

use super::desk::{Desk, Visit};
use super::done::Done;
use super::forms::{self, Form, Submitted};
use super::history;
use super::notice::Notice;
use super::paging::{self, Asked, Cut, List, Mark};
use super::places::{self, Place};
use super::refusal::Refusal;
use super::shares;
use super::shell::Tab;
use super::views::{Card, EntryView, PeoplePage, PersonalShare, ResourceName, Stands};
use super::vouched::Vouched;
use crate::app::registrant;

pub(super) async fn get(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
    asked: Asked,
) -> Result<Response, Refusal> {
    show(&desk, &visit, &asked, None).await
}

async fn show(
    desk: &Desk,
    visit: &Visit,
    asked: &Asked,
    notice: Option<Notice>,
) -> Result<Response, Refusal> {
    let places = places::of(desk, &visit.active).await?;
    let (now, list) = (visit.now, |place, what| People { desk, now: visit.now, place, what });
    let mut lists: Vec<_> = places.iter().map(|place| list(place, Listed::Cases)).collect();
    lists.extend(places.iter().map(|place| list(place, Listed::Shares)));
    let Cut { shown, pager } = paging::cut(&lists, asked, |one| asked.finds(one.address())).await?;
    let (mut cases, mut shared) = (Vec::new(), Vec::new());
    for (number, one) in shown {
        let Some(place) = lists.get(number).map(|list| list.place) else { continue };
        match one {
            Listing::Case(case) => cases.push((place.clone(), *case)),
            Listing::Share(share) => shared.push((place, share)),
        }
    }
    // Who shares with so many that they are on other pages finds them from here.
    let mut shares_link = None;
    if shared.is_empty() {
        for list in lists.iter().filter(|list| list.what == Listed::Shares) {
            if shares_link.is_none() && !list.part(Beside::Start, 1).await?.is_empty() {
                let mark = Mark { list: list.id(), key: String::new() };
                shares_link = Some(asked.query(&Beside::After(mark)));
            }
        }
    }
    let shares = views(desk, visit, &shared).await?;
    let people = Cards::new(desk, now).of(cases, |_| true).await?;
    let status = notice.as_ref().map_or(StatusCode::OK, |notice| notice.status);
    let page = PeoplePage {
        shell: desk.shell(visit, Tab::People)?,
        notice: notice.map(|notice| notice.say),
        people,
        shares,
        shares_link,
        action: desk.people_path(),
        pager,
    };
    Ok(desk.show(status, page, visit))
}

/// What is shared with people, as it is shown where it can be taken back.
async fn views(
    desk: &Desk,
    visit: &Visit,
    shared: &[(&Place, Arc<Share>)],
) -> Result<Vec<PersonalShare>, Refusal> {
    let (mut views, mut cards) = (Vec::new(), Cards::new(desk, visit.now));
    for (place, share) in shared {
        let form = Form::People { sid: visit.active.sid.clone(), place: place.id() };
        let form_token = desk.seal(&form, visit)?;
        for share in shares::views(&mut cards, place, &[share]).await? {
            views.push(PersonalShare {
                share,
                owner: place.protection.owner.to_string(),
                server: place.name(),
                form_token: form_token.clone(),
            });
        }
    }
    Ok(views)
}

/// Takes something back that is shared with one person.
pub(super) async fn unshare(
    State(desk): State<Arc<Desk>>,
    request: Request,
) -> Result<Response, Refusal> {
    let Submitted { params, form, visit, .. } = forms::read(&desk, request, &[]).await?;
    let Form::People { place, .. } = form else { return Err(Refusal::NotOurs) };
    let place = places::named(&desk, &visit.active, &place).await?;
    let id = params.get("unshare").ok_or(Refusal::Malformed)?;
    let by = visit.active.identity.label();
    match shares::unshare(&desk, &place.protection, id, by).await? {
        Ok(()) => Ok(desk.lead(&desk.people_path(), Done::Unshared)),
        Err(notice) => show(&desk, &visit, &Asked::parse(None), Some(notice)).await,
    }
}

/// The people of one place: those whose cases there are, and after all of these those with whom
/// something is shared or who are kept out, by their addresses.
struct People<'a> {
    desk: &'a Desk,
    now: Timestamp,
    place: &'a Place,
    what: Listed,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Listed {
    Cases,
    Shares,
}

/// Somebody in the list.
enum Listing {
    Case(Box<Case>),
    Share(Arc<Share>),
}

impl Listing {
    fn address(&self) -> &str {
        match self {
            Self::Case(case) => case.person().email.as_str(),
            Self::Share(share) => match share.terms.who() {
                Who::Person(email) => email.as_str(),
                _ => "",
            },
        }
    }
}

impl List for People<'_> {
    type Item = Listing;

    const IS_NAMED: bool = true;

    fn id(&self) -> String {
        let kind = match self.what {
            Listed::Cases => 'c',
            Listed::Shares => 's',
        };
        format!("{kind}.{}", self.place.id())
    }

    async fn part(
        &self,
        beside: Beside<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Listing)>, Refusal> {
        match self.what {
            Listed::Cases => {
                let found = self.desk.cases(self.place, beside, limit, self.now).await?;
                Ok(found.into_iter().map(|(id, case)| (id, Listing::Case(case))).collect())
            }
            Listed::Shares => {
                let found =
                    shares::of_people(self.desk, self.place, beside, limit, self.now).await?;
                let one = |share: Arc<Share>| (share.id.to_string(), Listing::Share(share));
                Ok(found.into_iter().map(one).collect())
            }
        }
    }

    fn name(item: &Listing) -> (i64, String) {
        (0, item.address().to_owned())
    }
}

impl Desk {
    fn people_path(&self) -> String {
        format!("{}/people", self.console.path())
    }

    /// Some of the cases of a place, by who they are about.
    pub(super) async fn cases(
        &self,
        place: &Place,
        beside: Beside<&str>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<(String, Box<Case>)>, StoreError> {
        let person = |key: &str| PersonId::parse(key);
        let key = match beside {
            Beside::After(key) | Beside::Before(key) => person(key),
            Beside::Start | Beside::End => None,
        };
        let beside = match (beside, &key) {
            (Beside::After(_), Some(key)) => Beside::After(key.digest()),
            (Beside::Before(_), Some(key)) => Beside::Before(key.digest()),
            (Beside::After(_) | Beside::Start, _) => Beside::Start,
            (Beside::Before(_) | Beside::End, _) => Beside::End,
        };
        let registrant = registrant(&place.protection);
        let found = self.uma.cases.page(&registrant, beside, limit, now).await?;
        let one = |case: Case| (PersonId::of(case.person()).to_string(), Box::new(case));
        Ok(found.into_iter().map(one).collect())
    }
}

/// So much of what a provider says of a person is in a list; their page has all of it.
const IN_A_LIST: usize = 4;

/// The page of a person.
pub(super) fn link(desk: &Desk, place: &Place, person: &PersonId) -> String {
    format!("{}/people/{}/{person}", desk.console.path(), place.id())
}

/// Makes people ready to be shown.
pub(super) struct Cards<'a> {
    pub(super) desk: &'a Desk,
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
