//! What waits for the owner.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri};

use super::desk::Desk;
use super::people::{self, Cards};
use super::refusal::Refusal;
use super::shell::{OverviewPage, Pager, Tab};

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
    let now = visit.now;
    let mut waiting = people::all(desk, &visit, |case| case.is_waiting(now)).await?;
    // Who asked first is answered first.
    waiting.sort_by_key(|(_, case)| case.history().last().map(|event| event.at));
    let (waiting, pager) = Pager::cut(waiting, query.as_deref());
    let waiting = Cards::new(desk, now).of(waiting, |stands| stands.is_open()).await?;
    let page = OverviewPage { shell: desk.shell(&visit, Tab::Requests)?, waiting, pager };
    Ok(desk.show(StatusCode::OK, page, &visit))
}
