//! The other providers that a person's account is linked to, on the account page, and the end of a link.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::Response;
use countersign_store::StoreError;
use countersign_types::Issuer;
use http::{HeaderMap, StatusCode};

use super::Link;
use crate::app::Sts;
use crate::authorize::sign_in_form::offered;
use crate::authorize::{redirect, unavailable};
use crate::forms;
use crate::pages::{self, LinkedIdentity, OfferedUpstream};
use crate::texts::Say;
use crate::users::User;

/// Why a link stays: what the account page says beside it, and whoever would end it is told.
struct Stays {
    note: Say,
    refusal: Say,
}

/// The person could not sign in without it.
const LAST: Stays = Stays { note: |t| t.could_not_without, refusal: |t| t.last_link };

/// The account was made by it: who the person is, the provider says, each time they sign in there. Whoever
/// came through it after the end of the link would be somebody new, beside an account that nobody answers
/// for.
const ORIGIN: Stays = Stays { note: |t| t.account_came_from, refusal: |t| t.origin_link };

/// The links of a person, the oldest first.
pub(crate) async fn of(sts: &Sts, user: &User) -> Result<Vec<Link>, StoreError> {
    let mut links = sts.linked.list(&user.subject).await?;
    links.sort_by(|one, other| (one.since, &one.id).cmp(&(other.since, &other.id)));
    Ok(links)
}

/// The links as the account page shows them.
pub(crate) fn shown(sts: &Sts, user: &User, links: &[Link]) -> Vec<LinkedIdentity> {
    let shown = |link: &Link| {
        let upstream = sts.upstreams.of(&link.issuer);
        LinkedIdentity {
            id: link.id.clone(),
            name: upstream.map_or(link.issuer.as_str(), |it| &it.setup.name).to_owned(),
            label: link.label.clone(),
            stays: stays(sts, user, links, link).map(|stays| stays.note),
        }
    };
    links.iter().map(shown).collect()
}

/// The providers that the account could be linked to, too.
pub(crate) fn further(sts: &Sts, links: &[Link]) -> Vec<OfferedUpstream> {
    let is_linked = |issuer: &Issuer| links.iter().any(|link| link.issuer == *issuer);
    let all = sts.upstreams.iter().filter(|upstream| !is_linked(&upstream.setup.issuer));
    all.map(offered).collect()
}

/// Why the person cannot end this link, if so.
fn stays(sts: &Sts, user: &User, links: &[Link], link: &Link) -> Option<Stays> {
    let mut others = links.iter().filter(|other| other.id != link.id);
    let another = others.any(|other| sts.upstreams.of(&other.issuer).is_some());
    let by_password = user.password.is_some() && sts.upstreams.offer_passwords();
    if !(by_password || another) {
        return Some(LAST);
    }
    link.imported.then_some(ORIGIN)
}

/// Ends a link, and with it whatever came of signing in by it.
pub(crate) async fn unlink(
    State(sts): State<Arc<Sts>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = sts.clock.now();
    let (fields, active) = match forms::of_account(&sts, &headers, body, now).await {
        Ok(both) => both,
        Err(answer) => return *answer,
    };
    let Some(id) = fields.get("link") else { return forms::too_old(&sts) };
    match end(&sts, &active.user, id).await {
        Ok(None) => redirect(sts.endpoints.account.as_str()),
        Ok(Some(Stays { refusal, .. })) => {
            pages::problem(StatusCode::FORBIDDEN, refusal, &sts.endpoints.stylesheet)
        }
        Err(error) => unavailable(&sts, &error),
    }
}

/// Ends a link of a person, unless it stays. One that is not there has ended.
async fn end(sts: &Sts, user: &User, id: &str) -> Result<Option<Stays>, StoreError> {
    // One at a time: of the last two, either would be ended because of the other.
    let _turn = sts.upstreams.unlinking.lock().await;
    let links = of(sts, user).await?;
    let Some(link) = links.iter().find(|link| link.id == id) else { return Ok(None) };
    if let Some(stays) = stays(sts, user, &links, link) {
        return Ok(Some(stays));
    }
    sts.linked.remove(&link.issuer, &link.sub, &user.subject).await?;
    tracing::info!(
        target: "countersign::audit",
        upstream_issuer = %link.issuer,
        upstream_subject = ?link.sub,
        subject = user.subject,
        "a person ended the link of their account to another provider",
    );
    Ok(None)
}
