//! What is protected, and who reaches it. UMA 2.0 Federated Authorization §3.2 leads here by
//! `user_access_policy_uri`.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, Request, State};
use axum::response::Response;
use countersign_pages::page::{self, moment};
use countersign_types::Params;
use countersign_uma::case::Standing;
use countersign_uma::policy::Share;
use countersign_uma::policy::shares::What;
use countersign_uma::resource::ResourceId;
use http::{HeaderMap, StatusCode, Uri};

use super::desk::{Desk, Visit};
use super::done::Done;
use super::filled::Filled;
use super::forms::{self, Form, Submitted};
use super::history;
use super::notice::Notice;
use super::people::Cards;
use super::places::{self, Place};
use super::refusal::Refusal;
use super::shares;
use super::shell::{
    Card, KnownMandate, Pager, PlaceView, ResourcePage, ResourcesPage, Stands, Tab,
};
use crate::app::registrant;

pub(super) async fn list(
    State(desk): State<Arc<Desk>>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    try_list(&desk, &uri, query, &headers).await.unwrap_or_else(|error| desk.refuse(error))
}

async fn try_list(
    desk: &Desk,
    uri: &Uri,
    query: Option<String>,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let visit = desk.enter(headers, uri).await?;
    let mut all: Vec<(Place, String, String)> = Vec::new();
    for place in places::of(desk, &visit.active).await? {
        let registered = desk.uma.resources.list(&registrant(&place.protection)).await?;
        let mut named: Vec<(String, String)> = registered
            .into_iter()
            .map(|(id, description)| (history::plain(description.name().unwrap_or(&id)), id))
            .collect();
        named.sort();
        all.extend(named.into_iter().map(|(name, id)| (place.clone(), name, id)));
    }
    let (all, pager) = Pager::cut(all, query.as_deref());
    let mut shown: Vec<(String, PlaceView)> = Vec::new();
    for (place, name, id) in all {
        let place_id = place.id();
        let resource = (link(desk, &place, &id), name);
        match shown.last_mut().filter(|(known, _)| *known == place_id) {
            Some((_, view)) => view.resources.push(resource),
            None => {
                let (owner, server) = (place.protection.owner.to_string(), place.name());
                shown.push((place_id, PlaceView { owner, server, resources: vec![resource] }));
            }
        }
    }
    let places = shown.into_iter().map(|(_, view)| view).collect();
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

/// Ends what a resource server may do in an owner's name.
pub(super) async fn end(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    try_end(&desk, request).await.unwrap_or_else(|error| desk.refuse(error))
}

async fn try_end(desk: &Desk, request: Request) -> Result<Response, Refusal> {
    let now = desk.uma.seams.clock.now();
    let Submitted { params, form, active, .. } = forms::read(desk, request, &[], now).await?;
    let Form::Mandates { .. } = form else { return Err(Refusal::NotOurs) };
    let id = params.get("end").ok_or(Refusal::Malformed)?;
    let mut ended = false;
    for owner in &active.owners {
        // INVARIANT: mandates are found by their owner, so that nobody ends another's.
        if desk.console.end_all_like(owner.as_str(), id, now).await? {
            ended = true;
            tracing::info!(
                target: "countersign::audit",
                %owner,
                mandate = %id.escape_debug(),
                by = %active.identity.label().escape_debug(),
                "an owner ended what a resource server may do in their name",
            );
        }
    }
    let path = format!("{}/resources", desk.console.path());
    Ok(if ended {
        desk.lead(&path, Done::Ended)
    } else {
        page::see_other(&desk.console.absolute(&path))
    })
}

pub(super) async fn one(
    State(desk): State<Arc<Desk>>,
    Path(named): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    try_one(&desk, named, &uri, &headers).await.unwrap_or_else(|error| desk.refuse(error))
}

async fn try_one(
    desk: &Desk,
    (place, id): (String, String),
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let visit = desk.enter(headers, uri).await?;
    let place = places::named(desk, &visit.active, &place).await?;
    let id = ResourceId::parse(&id).map_err(|_| Refusal::NotThere)?;
    show(desk, &visit, &place, &id, None).await
}

/// The resource as it is now.
async fn show(
    desk: &Desk,
    visit: &Visit,
    place: &Place,
    id: &ResourceId,
    refused: Option<(Notice, Params)>,
) -> Result<Response, Refusal> {
    let found = desk.uma.resources.read(&registrant(&place.protection), id.as_str()).await?;
    let description = found.ok_or(Refusal::NotThere)?;
    let cases = desk.uma.cases(&place.protection).await?;
    let reach_it = cases.into_iter().filter(|case| {
        let mut entries = case.entries().iter();
        entries.any(|entry| entry.resource_id == *id && entry.standing == Standing::Approved)
    });
    let reach_it = reach_it.map(|case| (place.clone(), case)).collect();
    let is_allowed = |stands: &Stands| matches!(stands, Stands::Allowed);
    let mut people: Vec<Card> = Cards::new(desk, visit.now).of(reach_it, is_allowed).await?;
    let prefix = format!("{id} ");
    for card in &mut people {
        card.entries.retain(|entry| entry.value.starts_with(&prefix));
    }
    let shared = match shares::of(desk, &place.protection).await? {
        None => None,
        Some(shared) => {
            let is_here = |share: &&Share| match share.terms.what() {
                What::Resource(other) => other == id,
                What::Everything => true,
            };
            let shared: Vec<_> = shared.iter().filter(is_here).collect();
            Some(shares::views(&mut Cards::new(desk, visit.now), place, &shared).await?)
        }
    };
    let form = Form::Resource {
        sid: visit.active.sid.clone(),
        place: place.id(),
        resource: id.to_string(),
    };
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
        notice: say,
        action: link(desk, place, id.as_str()),
        form_token: desk.seal(&form, visit)?,
        filled,
        shares: shared,
    };
    Ok(desk.show(status, page, visit))
}

/// Shares the resource, or takes that back.
pub(super) async fn change(
    State(desk): State<Arc<Desk>>,
    Path(named): Path<(String, String)>,
    request: Request,
) -> Response {
    try_change(&desk, named, request).await.unwrap_or_else(|error| desk.refuse(error))
}

async fn try_change(
    desk: &Desk,
    (place, id): (String, String),
    request: Request,
) -> Result<Response, Refusal> {
    let now = desk.uma.seams.clock.now();
    let Submitted { params, form, active, headers } =
        forms::read(desk, request, &["scope"], now).await?;
    let Form::Resource { place: of_place, resource, .. } = form else {
        return Err(Refusal::NotOurs);
    };
    if (of_place, resource) != (place.clone(), id.clone()) {
        return Err(Refusal::NotOurs);
    }
    let place = places::named(desk, &active, &place).await?;
    let id = ResourceId::parse(&id).map_err(|_| Refusal::NotThere)?;
    let by = active.identity.label();
    match shares::change(desk, &place, &id, &params, by, now).await? {
        Ok(done) => Ok(desk.lead(&link(desk, &place, id.as_str()), done)),
        Err(notice) => {
            let visit = desk.visit(active, &headers, now);
            show(desk, &visit, &place, &id, Some((notice, params))).await
        }
    }
}

/// The page of a resource.
fn link(desk: &Desk, place: &Place, id: &str) -> String {
    format!("{}/resources/{}/{id}", desk.console.path(), place.id())
}
