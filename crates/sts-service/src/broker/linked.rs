//! The other providers that a person's account is linked to, on the account page, and the end of a link.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::Response;
use countersign_store::StoreError;
use countersign_types::Params;
use http::{HeaderMap, StatusCode};

use super::Link;
use crate::app::Sts;
use crate::authorize::{redirect, unavailable};
use crate::client_request::is_form;
use crate::form_token::Form;
use crate::pages::{self, LinkedIdentity};
use crate::sessions;
use crate::texts::Say;
use crate::users::User;

const LAST: Say = |t| t.last_link;
const NOT_THERE: Say = |t| t.too_old;

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
            is_last: is_last(sts, user, links, link),
        }
    };
    links.iter().map(shown).collect()
}

/// Whether the person could not sign in without this link.
fn is_last(sts: &Sts, user: &User, links: &[Link], link: &Link) -> bool {
    let mut others = links.iter().filter(|other| other.id != link.id);
    let another = others.any(|other| sts.upstreams.of(&other.issuer).is_some());
    let by_password = user.password.is_some() && sts.upstreams.offer_passwords();
    !(by_password || another)
}

/// Ends a link, and with it whatever came of signing in by it.
pub(crate) async fn unlink(
    State(sts): State<Arc<Sts>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = sts.clock.now();
    let form = body.ok().filter(|_| is_form(&headers));
    let form = form.and_then(|form| Params::parse(&form, &[]).ok());
    let field = |name| form.as_ref().and_then(|form| form.get(name));
    let opened =
        field("form_token").and_then(|token| sts.form_tokens.open(token, &headers, now).ok());
    let (Some(Form::Account { sid }), Some(id)) = (opened, field("link")) else {
        return refused(&sts, NOT_THERE);
    };
    let active = match sessions::of(&sts, &headers, now).await {
        Ok(Some(active)) if active.sign_in.sid == sid => active,
        Ok(_) => return refused(&sts, NOT_THERE),
        Err(error) => return unavailable(&sts, &error),
    };
    match end(&sts, &active.user, id).await {
        Ok(true) => redirect(sts.endpoints.account.as_str()),
        Ok(false) => refused(&sts, LAST),
        Err(error) => unavailable(&sts, &error),
    }
}

/// Ends a link of a person; `false` if they need it to sign in. One that is not there has ended.
async fn end(sts: &Sts, user: &User, id: &str) -> Result<bool, StoreError> {
    // One at a time: of the last two, either would be ended because of the other.
    let _turn = sts.upstreams.unlinking.lock().await;
    let links = of(sts, user).await?;
    let Some(link) = links.iter().find(|link| link.id == id) else { return Ok(true) };
    if is_last(sts, user, &links, link) {
        return Ok(false);
    }
    sts.linked.remove(&link.issuer, &link.sub, &user.subject).await?;
    tracing::info!(
        target: "countersign::audit",
        upstream_issuer = %link.issuer,
        upstream_subject = ?link.sub,
        subject = user.subject,
        "a person ended the link of their account to another provider",
    );
    Ok(true)
}

fn refused(sts: &Sts, explanation: Say) -> Response {
    pages::problem(StatusCode::FORBIDDEN, explanation, &sts.endpoints.stylesheet)
}
