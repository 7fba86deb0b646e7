//! What waits for the owner.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::desk::{Desk, Visit};
use super::moments::{Happening, Moments, Of, Thing};
use super::paging::{self, Asked, Cut};
use super::people::Cards;
use super::places;
use super::refusal::Refusal;
use super::shell::Tab;
use super::views::OverviewPage;

pub(super) async fn get(
    State(desk): State<Arc<Desk>>,
    visit: Visit,
    asked: Asked,
) -> Result<Response, Refusal> {
    let now = visit.now;
    let places = places::of(&desk, &visit.active).await?;
    let lists = [Moments::new(&desk, &places, Of::Waiting, now).await?];
    let Cut { shown, pager } = paging::cut(&lists, &asked, |one| one.what.is_some()).await?;
    let case = |one: Happening| match one.what? {
        Thing::Case(case) => Some((places.get(one.place)?.clone(), case)),
        Thing::Share(_) => None,
    };
    let waiting = shown.into_iter().filter_map(|(_, one)| case(one)).collect();
    let waiting = Cards::new(&desk, now).of(waiting, |stands| stands.is_open()).await?;
    let page = OverviewPage { shell: desk.shell(&visit, Tab::Requests)?, waiting, pager };
    Ok(desk.show(StatusCode::OK, page, &visit))
}
