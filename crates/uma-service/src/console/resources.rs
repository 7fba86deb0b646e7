//! What is protected, and who reaches it. UMA 2.0 Federated Authorization §3.2 leads here by
//! `user_access_policy_uri`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use countersign_pages::page::{self, moment};
use countersign_store::finish;
use countersign_store::resources::Beside;
use countersign_types::{Params, Timestamp};
use countersign_uma::Case;
use countersign_uma::case::Standing;
use countersign_uma::policy::Share;
use countersign_uma::resource::ResourceId;
use http::StatusCode;

use super::access;
use super::desk::{Desk, Visit};
use super::done::Done;
use super::filled::Filled;
use super::forms::{self, Form, Submitted};
use super::held;
use super::history;
use super::in_path::InPath;
use super::notice::Notice;
use super::paging::{self, Asked, Cut, List};
use super::people::Cards;
use super::places::{self, Place};
use super::refusal::Refusal;
use super::shares;
use super::shell::Tab;
use super::views::{Card, KnownMandate, PlaceView, ResourcePage, ResourcesPage, Stands};
use crate::app::registrant;
use crate::holds::Of;

/// So many of those who are in are on the page of a resource.
const ARE_IN: usize = 5;

pub(super) async fn list(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
    asked: Asked,
) -> Result<Response, Refusal> {
    let places = places::of(&desk, &visit.active).await?;
    let lists: Vec<_> = places.iter().map(|place| Registered { desk: &desk, place }).collect();
    let is_meant =
        |(name, id): &(String, String)| asked.finds(name) || asked.find.eq_ignore_ascii_case(id);
    let Cut { shown, pager } = paging::cut(&lists, &asked, is_meant).await?;
    let mut views: Vec<(usize, PlaceView)> = Vec::new();
    for (number, (name, id)) in shown {
        let Some(place) = places.get(number) else { continue };
        let resource = (link(&desk, place, &id), name);
        match views.last_mut().filter(|(known, _)| *known == number) {
            Some((_, view)) => view.resources.push(resource),
            None => {
                let (owner, server) = (place.protection.owner.to_string(), place.name());
                views.push((number, PlaceView { owner, server, resources: vec![resource] }));
            }
        }
    }
    let places = views.into_iter().map(|(_, view)| view).collect();
    let mut mandates = Vec::new();
    for owner in &visit.active.owners {
        for mandate in desk.console.mandates_of(owner.as_str(), visit.now).await? {
            mandates.push(KnownMandate {
                id: mandate.id,
                owner: owner.to_string(),
                server: mandate.protection.resource_server.to_string(),
                by: mandate.by.label().to_owned(),
                since: moment(mandate.since),
            });
        }
    }
    let form = Form::Mandates { sid: visit.active.sid.clone() };
    let page = ResourcesPage {
        shell: desk.shell(&visit, Tab::Resources)?,
        places,
        mandates,
        form_token: desk.seal(&form, &visit)?,
        pager,
    };
    Ok(desk.show(StatusCode::OK, page, &visit))
}

/// What is registered at one place.
struct Registered<'a> {
    desk: &'a Desk,
    place: &'a Place,
}

impl List for Registered<'_> {
    /// A name and an identifier.
    type Item = (String, String);

    const IS_NAMED: bool = true;

    fn id(&self) -> String {
        self.place.id()
    }

    async fn part(
        &self,
        beside: Beside<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Self::Item)>, Refusal> {
        let registrant = registrant(&self.place.protection);
        let found = self.desk.uma.resources.page(&registrant, beside, limit).await?;
        let named = found.into_iter().map(|(id, description)| {
            (id.clone(), (history::plain(description.name().unwrap_or(&id)), id))
        });
        Ok(named.collect())
    }

    fn name((name, _): &Self::Item) -> (i64, String) {
        (0, name.clone())
    }
}

/// Ends what a resource server may do in an owner's name.
pub(super) async fn end(
    State(desk): State<Arc<Desk>>,
    request: Request,
) -> Result<Response, Refusal> {
    let Submitted { params, form, visit, .. } = forms::read(&desk, request, &[]).await?;
    let Form::Mandates { .. } = form else { return Err(Refusal::NotOurs) };
    let id = params.get("end").ok_or(Refusal::Malformed)?;
    let (console, id, Visit { active, now, .. }) =
        (Arc::clone(&desk.console), id.to_owned(), visit);
    let end = async move {
        let (mut ended, by) = (false, active.identity.label());
        for owner in &active.owners {
            // INVARIANT: mandates are found by their owner, so that nobody ends another's.
            ended |= console.end_all_like(owner.as_str(), &id, by, now).await?;
        }
        Ok::<_, Refusal>(ended)
    };
    let ended = finish(end).await?;
    let path = format!("{}/resources", desk.console.path());
    Ok(if ended {
        desk.lead(&path, Done::Ended)
    } else {
        page::see_other(&desk.console.absolute(&path))
    })
}

pub(super) async fn one(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
    InPath((place, id)): InPath<(String, String)>,
    asked: Asked,
) -> Result<Response, Refusal> {
    let place = places::named(&desk, &visit.active, &place).await?;
    let id = ResourceId::parse(&id).map_err(|_| Refusal::NotThere)?;
    show(&desk, &visit, &place, &id, &asked, None).await
}

/// The resource as it is now.
async fn show(
    desk: &Desk,
    visit: &Visit,
    place: &Place,
    id: &ResourceId,
    asked: &Asked,
    refused: Option<(Notice, Params)>,
) -> Result<Response, Refusal> {
    let found = desk.uma.resources.read(&registrant(&place.protection), id.as_str()).await?;
    let description = found.ok_or(Refusal::NotThere)?;
    let list = |what| Here { desk, place, id, what, now: visit.now };
    let lists = [list(Listed::People), list(Listed::Shares)];
    let Cut { shown, pager } = paging::cut(&lists, asked, Named::is_here).await?;
    let (mut reach_it, mut shared) = (Vec::new(), Vec::new());
    for (_, one) in shown {
        match one {
            Named::Person(case, _) => reach_it.push((place.clone(), *case)),
            Named::Share(share) => shared.push(share),
        }
    }
    let is_allowed = |stands: &Stands| matches!(stands, Stands::Allowed);
    let mut people: Vec<Card> = Cards::new(desk, visit.now).of(reach_it, is_allowed).await?;
    let prefix = format!("{id} ");
    for card in &mut people {
        card.entries.retain(|entry| entry.value.starts_with(&prefix));
    }
    let shared = if shares::are_offered(desk, place).await? {
        let shared: Vec<&Share> = shared.iter().map(|share| &**share).collect();
        Some(shares::views(&mut Cards::new(desk, visit.now), place, &shared).await?)
    } else {
        None
    };
    let form = Form::Resource {
        sid: visit.active.sid.clone(),
        place: place.id(),
        resource: id.to_string(),
    };
    let (action, form_token) = (link(desk, place, id.as_str()), desk.seal(&form, visit)?);
    let (is_whole, mut holds) = (held::know(desk, visit.now).await?, Vec::new());
    let holders = access::Holders { desk, place, of: Of::Resource(id), now: visit.now };
    let found = holders.part(Beside::Start, ARE_IN + 1).await?;
    let all_who_are_in = (found.len() > ARE_IN).then(|| access::link(desk, place, id));
    let mut cards = Cards::new(desk, visit.now);
    for hold in found.into_iter().take(ARE_IN).filter_map(|(_, hold)| hold) {
        let form = (&*action, &*form_token);
        holds.push(held::view(&mut cards, desk, place, &hold, form).await?);
    }
    let status = refused.as_ref().map_or(StatusCode::OK, |(notice, _)| notice.status);
    let say = refused.as_ref().map(|(notice, _)| notice.say);
    // What cannot be shared at the moment need not be typed again either.
    let filled =
        refused.map_or_else(Filled::default, |(notice, sent)| Filled::new(sent, notice.wrong));
    let page = ResourcePage {
        shell: desk.shell(visit, Tab::Resources)?,
        name: history::plain(description.name().unwrap_or(id.as_str())),
        kind: description.kind().map(history::plain),
        description: description.description().map(history::plain),
        owner: place.protection.owner.to_string(),
        server: place.name(),
        scopes: description.resource_scopes().iter().cloned().collect(),
        people,
        holds,
        is_whole,
        all_who_are_in,
        notice: say,
        action,
        form_token,
        filled,
        shares: shared,
        pager,
    };
    Ok(desk.show(status, page, visit))
}

/// Who reaches a resource by the owner's word, and what is shared of it.
struct Here<'a> {
    desk: &'a Desk,
    place: &'a Place,
    id: &'a ResourceId,
    what: Listed,
    now: Timestamp,
}

#[derive(Clone, Copy)]
enum Listed {
    People,
    Shares,
}

/// What is on the page of a resource.
enum Named {
    /// A person, and whether they reach it.
    Person(Box<Case>, bool),
    Share(Arc<Share>),
}

impl Named {
    const fn is_here(&self) -> bool {
        matches!(self, Self::Person(_, true) | Self::Share(_))
    }
}

impl List for Here<'_> {
    type Item = Named;

    const IS_NAMED: bool = true;

    fn id(&self) -> String {
        match self.what {
            Listed::People => "c".to_owned(),
            Listed::Shares => "s".to_owned(),
        }
    }

    async fn part(
        &self,
        beside: Beside<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Named)>, Refusal> {
        let Self { desk, place, id, what, now } = *self;
        match what {
            Listed::People => {
                let reaches_it = |case: &Case| {
                    let mut entries = case.entries().iter();
                    entries.any(|e| e.resource_id == *id && e.standing == Standing::Approved)
                };
                let found = desk.cases(place, beside, limit, now).await?.into_iter();
                let person = |(key, case): (String, Box<Case>)| {
                    let reaches_it = reaches_it(&case);
                    (key, Named::Person(case, reaches_it))
                };
                Ok(found.map(person).collect())
            }
            Listed::Shares => {
                let found = shares::here(desk, place, id, beside, limit, now).await?.into_iter();
                Ok(found.map(|share| (share.id.to_string(), Named::Share(share))).collect())
            }
        }
    }

    /// People by their addresses, shares in the order in which they were made.
    fn name(item: &Named) -> (i64, String) {
        match item {
            Named::Person(case, _) => (0, case.person().email.to_string()),
            Named::Share(share) => (share.since.as_unix(), share.id.to_string()),
        }
    }
}

/// Shares the resource, or takes that back.
pub(super) async fn change(
    State(desk): State<Arc<Desk>>,
    InPath((place, id)): InPath<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let Submitted { params, form, visit, .. } = forms::read(&desk, request, &["scope"]).await?;
    let Form::Resource { place: of_place, resource, .. } = form else {
        return Err(Refusal::NotOurs);
    };
    if (of_place, resource) != (place.clone(), id.clone()) {
        return Err(Refusal::NotOurs);
    }
    let place = places::named(&desk, &visit.active, &place).await?;
    let id = ResourceId::parse(&id).map_err(|_| Refusal::NotThere)?;
    let by = visit.active.identity.label();
    let done = match held::end(&desk, &place, &params, by).await? {
        Some(ended) => ended,
        None => shares::change(&desk, &place, &id, &params, by, visit.now).await?,
    };
    match done {
        Ok(done) => Ok(desk.lead(&link(&desk, &place, id.as_str()), done)),
        Err(notice) => {
            show(&desk, &visit, &place, &id, &Asked::parse(None), Some((notice, params))).await
        }
    }
}

/// The page of a resource.
fn link(desk: &Desk, place: &Place, id: &str) -> String {
    format!("{}/resources/{}/{id}", desk.console.path(), place.id())
}
