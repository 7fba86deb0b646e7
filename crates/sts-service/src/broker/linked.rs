//! The other providers that a person's account is linked to, on the account page, and the end of a
//! link.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::Response;
use countersign_oidc::Through;
use countersign_store::{StoreError, finish};
use countersign_types::{Issuer, Timestamp};
use http::{HeaderMap, StatusCode};

use super::further::first_sign_in;
use super::upstream::Upstream;
use super::{Link, closing, federation};
use crate::account;
use crate::app::Sts;
use crate::authorize::sign_in_form::offered;
use crate::authorize::{redirect, unavailable};
use crate::pages::{LinkedIdentity, OfferedUpstream, Told};
use crate::sessions::Active;
use crate::texts::Say;
use crate::users::User;
use crate::{form_token, forms};

/// The links of a person, the oldest first.
pub(crate) async fn of(sts: &Sts, user: &User) -> Result<Vec<Link>, StoreError> {
    let mut links = sts.linked.list(&user.subject).await?;
    links.sort_by(|one, other| (one.since, &one.id).cmp(&(other.since, &other.id)));
    Ok(links)
}

/// The links as the account page shows them to somebody who signed in `through` one of them, or by
/// a password.
pub(crate) fn shown(
    sts: &Sts,
    user: &User,
    links: &[Link],
    through: Option<&Through>,
) -> Vec<LinkedIdentity> {
    let shown = |link: &Link| {
        let without = without(sts, user, links, link, through);
        let note = match &without {
            Without::NoWay | Without::Account => {
                let say: Say = |t| t.could_not_without;
                Some(say.into())
            }
            Without::Untried(other) => Some(first(*other)),
            Without::Password => Some(first_another()),
            Without::Way(Some((_, next))) if has_the_word(user, link) => {
                let say: Say = |t| t.comes_from_it;
                Some(Told { say, upstream: Some(next.setup.name.clone()) })
            }
            Without::Way(_) => None,
        };
        LinkedIdentity {
            id: link.id.clone(),
            name: name(sts, link),
            label: link.label.clone(),
            stays: !matches!(without, Without::Way(_) | Without::Account),
            closes: matches!(without, Without::Account),
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

/// How somebody would sign in without a link.
enum Without<'a> {
    /// In the way that they came now: by this other link, or by the password.
    Way(Option<(&'a Link, &'a Upstream)>),
    /// Perhaps by the password, which they have not typed in this session and may have forgotten,
    /// or through this provider, which has let them in once and may not any more.
    Untried(Option<&'a Upstream>),
    /// By the password alone, which says nothing of who they are, as the provider of this link
    /// does.
    Password,
    /// In no way, and the account would be of nobody: it goes with the link.
    Account,
    /// In no way, and the account is not theirs to close.
    NoWay,
}

fn without<'a>(
    sts: &'a Sts,
    user: &User,
    links: &'a [Link],
    link: &Link,
    through: Option<&Through>,
) -> Without<'a> {
    let known = |other: &'a Link| Some((other, sts.upstreams.of(&other.issuer)?));
    let mut others = links.iter().filter(|other| other.id != link.id).filter_map(known);
    let oldest = others.clone().next();
    if let Some(tried) = others.find(|(other, _)| through.is_some_and(|it| it.link == other.id)) {
        return Without::Way(Some(tried));
    }
    match (by_password(sts, user, link), oldest) {
        (true, _) if through.is_none() => Without::Way(None),
        (true, _) => Without::Untried(None),
        (false, Some((_, upstream))) => Without::Untried(Some(upstream)),
        (false, None) if has_password(sts, user) => Without::Password,
        (false, None) if closing::is_theirs(user) => Without::Account,
        (false, None) => Without::NoWay,
    }
}

/// How the person signs in first, so that it is certain that they still can.
fn first(other: Option<&Upstream>) -> Told {
    match other {
        Some(upstream) => {
            Told { say: |t| t.first_through, upstream: Some(upstream.setup.name.clone()) }
        }
        None => Told { say: |t| t.first_by_password, upstream: None },
    }
}

/// What has to say who the person is first.
fn first_another() -> Told {
    let say: Say = |t| t.first_another;
    say.into()
}

/// Whether a password is a way in.
fn has_password(sts: &Sts, user: &User) -> bool {
    user.password.is_some() && sts.upstreams.offer_passwords()
}

/// Whether a password does, without this link. It says nothing of who the person is, so that it
/// takes no provider's place that does.
fn by_password(sts: &Sts, user: &User, link: &Link) -> bool {
    has_password(sts, user) && !has_the_word(user, link)
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
    let says = match fields.get("decision") {
        Some("keep") => return redirect(sts.endpoints.account.as_str()),
        Some("close") if now >= active.proved.after(form_token::LIFETIME) => {
            return first_sign_in(&sts, &active, |t| t.first_sign_in_to_close, &headers, now).await;
        }
        Some("close") => Says::Close,
        _ => Says::End,
    };
    // Apart from the request, so that a person who goes away meanwhile leaves nothing half done,
    // and lets nobody else in whose turn has not come.
    let ended = {
        let (sts, active, id) = (Arc::clone(&sts), active.clone(), id.clone());
        finish(async move { end(&sts, &active, &id, says, now).await }).await
    };
    match ended {
        Ok(End::Ended) => redirect(sts.endpoints.account.as_str()),
        Ok(End::TakesTheAccount(name)) => closing::ask(&sts, &active, (&id, name), &headers, now),
        Ok(End::Closed(name)) => closing::closed(&sts, name),
        Ok(End::Stays(told)) => {
            account::show(&sts, &active, (StatusCode::FORBIDDEN, Some(told)), &headers, now)
                .await
                .unwrap_or_else(|error| unavailable(&sts, &error))
        }
        Err(error) => unavailable(&sts, &error),
    }
}

/// What a person says of a link.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    /// That it ends.
    End,
    /// That the account may go with it.
    Close,
}

/// What became of a link.
enum End {
    /// It is no more.
    Ended,
    /// It is the last way in, through this provider: the person is asked.
    TakesTheAccount(String),
    /// It is no more, and neither is the account.
    Closed(String),
    /// It may be the last way in, which the person is told.
    Stays(Told),
}

/// Ends a link of a person who is signed in, unless it may be their last way in. One that is not
/// there has ended.
///
/// If its provider has the word on the person, the one that they came through has it first, which
/// says nothing until they come again: whatever is cut off in between leaves a link like any other,
/// and nothing of what the provider said.
async fn end(
    sts: &Sts,
    active: &Active,
    id: &str,
    says: Says,
    now: Timestamp,
) -> Result<End, StoreError> {
    let subject = active.user.subject.as_str();
    // One at a time: of the last two, either would be ended because of the other.
    let _turn = sts.upstreams.turn.lock().await;
    // As they are now. Whoever is nobody any more has to sign in first.
    let Some(user) = sts.user(subject).await? else { return Ok(End::Ended) };
    let links = of(sts, &user).await?;
    let Some(link) = links.iter().find(|link| link.id == id) else { return Ok(End::Ended) };
    let next = match without(sts, &user, &links, link, active.sign_in.through.as_ref()) {
        Without::Way(next) => next,
        Without::Untried(other) => return Ok(End::Stays(first(other))),
        Without::Password => return Ok(End::Stays(first_another())),
        Without::Account => {
            let (Some(known), name) = (sts.upstreams.known(), name(sts, link)) else {
                return Ok(End::Ended);
            };
            if says == Says::End {
                return Ok(End::TakesTheAccount(name));
            }
            // Nothing is closed from a session whose own link was ended while this one waited for
            // its turn.
            if active.sign_in.through.as_ref().is_none_or(|it| it.link != link.id) {
                return Ok(End::Ended);
            }
            return Ok(match closing::close(sts, known, &user, &links, now).await? {
                true => End::Closed(name),
                // Nobody is signed in to it.
                false => End::Ended,
            });
        }
        Without::NoWay => {
            let say: Say = |t| t.last_link;
            return Ok(End::Stays(say.into()));
        }
    };
    if has_the_word(&user, link)
        && let Some((next, upstream)) = next
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
    remove(sts, link, subject).await?;
    Ok(End::Ended)
}

/// Ends a link.
pub(super) async fn remove(sts: &Sts, link: &Link, subject: &str) -> Result<(), StoreError> {
    sts.linked.remove(&link.issuer, &link.sub, subject).await?;
    tracing::info!(
        target: "countersign::audit",
        upstream_issuer = %link.issuer,
        upstream_subject = ?link.sub,
        subject,
        "a person ended the link of their account to another provider",
    );
    Ok(())
}

/// What pages call the provider of a link.
fn name(sts: &Sts, link: &Link) -> String {
    let upstream = sts.upstreams.of(&link.issuer);
    upstream.map_or(link.issuer.as_str(), |it| &it.setup.name).to_owned()
}
