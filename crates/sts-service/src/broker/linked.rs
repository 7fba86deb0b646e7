//! The other providers that a person's account is linked to, on the account page, and the end of a link.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::Response;
use countersign_store::StoreError;
use countersign_types::Issuer;
use http::{HeaderMap, StatusCode};
use tracing::Instrument;

use super::upstream::Upstream;
use super::{Link, federation};
use crate::app::Sts;
use crate::authorize::sign_in_form::offered;
use crate::authorize::{redirect, unavailable};
use crate::forms;
use crate::pages::{self, LinkedIdentity, OfferedUpstream, Told};
use crate::texts::Say;
use crate::users::User;

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
        let stays = stays(sts, user, links, link);
        let could_not_without: Say = |t| t.could_not_without;
        let comes_from_it = |(_, next): (&Link, &Upstream)| Told {
            say: |t| t.comes_from_it,
            upstream: Some(next.setup.name.clone()),
        };
        let note = match has_the_word(user, link) {
            _ if stays => Some(could_not_without.into()),
            true => another(sts, links, link).map(comes_from_it),
            false => None,
        };
        LinkedIdentity {
            id: link.id.clone(),
            name: upstream.map_or(link.issuer.as_str(), |it| &it.setup.name).to_owned(),
            label: link.label.clone(),
            stays,
            note,
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

/// Whether the person could not sign in without this link.
fn stays(sts: &Sts, user: &User, links: &[Link], link: &Link) -> bool {
    let by_password = user.password.is_some() && sts.upstreams.offer_passwords();
    !by_password && another(sts, links, link).is_none()
}

/// The oldest other link by which the person can sign in.
fn another<'a>(sts: &'a Sts, links: &'a [Link], link: &Link) -> Option<(&'a Link, &'a Upstream)> {
    let mut others = links.iter().filter(|other| other.id != link.id);
    others.find_map(|other| Some((other, sts.upstreams.of(&other.issuer)?)))
}

/// Whether what is known of the person is what the provider of this link says.
fn has_the_word(user: &User, link: &Link) -> bool {
    user.origin.as_ref().is_some_and(|it| it.issuer == link.issuer && it.sub == link.sub)
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
    let Some(id) = fields.get("link").map(str::to_owned) else { return forms::too_old(&sts) };
    // Apart from the request, so that a person who goes away meanwhile leaves nothing half done, and lets
    // nobody else in whose turn has not come.
    let end = {
        let sts = Arc::clone(&sts);
        async move { end(&sts, &active.user.subject, &id).await }
    };
    let ended = tokio::spawn(end.in_current_span()).await;
    match ended.unwrap_or(Err(StoreError::Stopped)) {
        Ok(End::Ended) => redirect(sts.endpoints.account.as_str()),
        Ok(End::Stays) => {
            let say: Say = |t| t.last_link;
            pages::problem(StatusCode::FORBIDDEN, say, &sts.endpoints.stylesheet)
        }
        Err(error) => unavailable(&sts, &error),
    }
}

/// What became of a link.
enum End {
    /// It is no more.
    Ended,
    /// It is the last way in.
    Stays,
}

/// Ends a link of a person, unless it is their last way in. One that is not there has ended.
///
/// If its provider has the word on the person, another one has it first, who has said nothing yet: whatever
/// is cut off in between leaves a link like any other, and nothing of what the provider said.
async fn end(sts: &Sts, subject: &str, id: &str) -> Result<End, StoreError> {
    // One at a time: of the last two, either would be ended because of the other.
    let _turn = sts.upstreams.unlinking.lock().await;
    // As they are now. Whoever is nobody any more has to sign in first.
    let Some(user) = sts.user(subject).await? else { return Ok(End::Ended) };
    let links = of(sts, &user).await?;
    let Some(link) = links.iter().find(|link| link.id == id) else { return Ok(End::Ended) };
    if stays(sts, &user, &links, link) {
        return Ok(End::Stays);
    }
    if has_the_word(&user, link)
        && let Some((next, upstream)) = another(sts, &links, link)
        && let Some(known) = sts.upstreams.known()
    {
        let account = federation::entrusted(upstream, next, subject);
        known.accounts.entrust(&account).await?;
        tracing::info!(
            target: "countersign::audit",
            upstream = %upstream.setup.alias,
            upstream_subject = ?next.sub,
            subject,
            "another provider has the word on a person",
        );
    }
    sts.linked.remove(&link.issuer, &link.sub, subject).await?;
    tracing::info!(
        target: "countersign::audit",
        upstream_issuer = %link.issuer,
        upstream_subject = ?link.sub,
        subject,
        "a person ended the link of their account to another provider",
    );
    Ok(End::Ended)
}
