//! What is protected, and who reaches it. UMA 2.0 Federated Authorization §3.2 leads here by
//! `user_access_policy_uri`.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use countersign_uma::case::Standing;
use countersign_uma::resource::ResourceId;
use http::{HeaderMap, StatusCode, Uri};

use super::desk::Desk;
use super::people::Cards;
use super::places::{self, Place};
use super::refusal::Refusal;
use super::shell::{Card, Pager, PlaceView, ResourcePage, ResourcesPage, Stands, Tab};
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
            .map(|(id, description)| (description.name().unwrap_or(&id).to_owned(), id))
            .collect();
        named.sort();
        all.extend(named.into_iter().map(|(name, id)| (place.clone(), name, id)));
    }
    let (all, pager) = Pager::cut(all, query.as_deref());
    let mut shown: Vec<(String, PlaceView)> = Vec::new();
    for (place, name, id) in all {
        let place_id = place.id();
        let resource = (format!("{}/resources/{place_id}/{id}", desk.console.path()), name);
        match shown.last_mut().filter(|(known, _)| *known == place_id) {
            Some((_, view)) => view.resources.push(resource),
            None => {
                let (owner, server) = (place.protection.owner.to_string(), place.name());
                shown.push((place_id, PlaceView { owner, server, resources: vec![resource] }));
            }
        }
    }
    let places = shown.into_iter().map(|(_, view)| view).collect();
    let page = ResourcesPage { shell: desk.shell(&visit, Tab::Resources)?, places, pager };
    Ok(desk.show(StatusCode::OK, page, &visit))
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
    let found = desk.uma.resources.read(&registrant(&place.protection), id.as_str()).await?;
    let description = found.ok_or(Refusal::NotThere)?;
    let cases = desk.uma.cases(&place.protection).await?;
    let reach_it = cases.into_iter().filter(|case| {
        let mut entries = case.entries().iter();
        entries.any(|entry| entry.resource_id == id && entry.standing == Standing::Approved)
    });
    let reach_it = reach_it.map(|case| (place.clone(), case)).collect();
    let is_allowed = |stands: &Stands| matches!(stands, Stands::Allowed);
    let mut people: Vec<Card> = Cards::new(desk, visit.now).of(reach_it, is_allowed).await?;
    let prefix = format!("{id} ");
    for card in &mut people {
        card.entries.retain(|entry| entry.value.starts_with(&prefix));
    }
    let page = ResourcePage {
        shell: desk.shell(&visit, Tab::Resources)?,
        name: description.name().unwrap_or(id.as_str()).to_owned(),
        kind: description.kind().map(str::to_owned),
        description: description.description().map(str::to_owned),
        owner: place.protection.owner.to_string(),
        server: place.name(),
        scopes: description.resource_scopes().iter().cloned().collect(),
        people,
    };
    Ok(desk.show(StatusCode::OK, page, &visit))
}
