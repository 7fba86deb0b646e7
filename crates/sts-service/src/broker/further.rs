//! A further provider, through which the person of an account can sign in as well: from the account
//! page, by signing in there, and by a yes.
//!
//! It is for good, so that a session which somebody left open, or took, does not do: the person has
//! just signed in. And what the page asks about names who they are at the provider, since somebody
//! else may have signed in there, in this browser.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, Extension, State};
use axum::response::Response;
use countersign_login::Pending;
use countersign_store::{StoreError, finish};
use countersign_types::{Timestamp, random};
use http::{HeaderMap, StatusCode};

use super::callback;
use super::called;
use super::choose;
use super::error::BrokerError;
use super::federation;
use super::pending::Aim;
use super::upstream::Upstream;
use crate::account;
use crate::app::Sts;
use crate::authorize::sign_in_form::sign_in_page;
use crate::authorize::{redirect, unavailable};
use crate::form_token::{self, Arrival, Form, Purpose};
use crate::forms;
use crate::pages::{self, LinkPage, Told};
use crate::sessions::{self, Active};
use crate::texts::Say;

/// Takes the choice of a provider, and leads there.
pub(crate) async fn post(
    State(sts): State<Arc<Sts>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = sts.clock.now();
    let (fields, active) = match forms::of_account(&sts, &headers, body, now).await {
        Ok(both) => both,
        Err(answer) => return *answer,
    };
    let upstream = fields.get("upstream").and_then(|alias| sts.upstreams.find(alias));
    let Some(upstream) = upstream else { return forms::too_old(&sts) };
    if now >= active.proved.after(form_token::LIFETIME) {
        return first_sign_in(&sts, &active, |t| t.first_sign_in, &headers, now).await;
    }
    let subject = active.user.subject.clone();
    let aim = Aim::Link { subject, sid: active.sign_in.sid.clone() };
    match choose::begin(&sts, upstream, aim, peer, &headers, now).await {
        Ok(response) => response,
        Err(error) => refused(&sts, upstream, &active, &error, &headers, now).await,
    }
}

/// The page for whoever signed in a while ago.
pub(super) async fn first_sign_in(
    sts: &Sts,
    active: &Active,
    say: Say,
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    let answer = (StatusCode::FORBIDDEN, Some(say.into()));
    let by_password = active.user.password.is_some();
    let username = if by_password { active.user.username.as_str() } else { "" };
    sign_in_page(sts, &Purpose::Account, answer, username, headers, now).await
}

/// Whoever came back from the provider is asked, if they are signed in as they were.
pub(super) async fn arrived(
    sts: &Sts,
    upstream: &Upstream,
    (subject, sid): (&str, &str),
    pending: Pending,
    query: &str,
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    let active = match sessions::of(sts, headers, now).await {
        Ok(active) => active,
        Err(error) => return unavailable(sts, &error),
    };
    let is_same = |it: &Active| it.sign_in.sid == sid && it.user.subject == subject;
    let Some(active) = active.filter(is_same) else { return forms::too_old(sts) };
    let asked = async {
        let arrived = upstream.finish(sts, pending, query, now).await?;
        let linked = sts.linked.find(&upstream.setup.issuer, &arrived.sub).await?;
        Ok((arrived.arrival(upstream), linked.map(|linked| linked.subject)))
    };
    match asked.await {
        Ok((arrival, None)) => ask(sts, upstream, &active, arrival, headers, now),
        // There is nothing left to do.
        Ok((_, Some(known))) if known == subject => redirect(sts.endpoints.account.as_str()),
        Ok((arrival, Some(_))) => {
            belongs_to_another(sts, upstream, &active, &arrival, headers, now).await
        }
        Err(error) => refused(sts, upstream, &active, &error, headers, now).await,
    }
}

/// Asks whether the two belong together.
fn ask(
    sts: &Sts,
    upstream: &Upstream,
    active: &Active,
    arrival: Arrival,
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    let label = arrival.label.clone();
    let form = Form::ConfirmFurther {
        id: random::identifier(sts.random.as_ref()),
        sid: active.sign_in.sid.clone(),
        arrival,
    };
    forms::page_with(sts, &form, headers, now, |form_token| {
        let page = LinkPage {
            provider: sts.settings.name.clone(),
            upstream: upstream.setup.name.clone(),
            label,
            account: called(sts, &active.user),
            confirms: true,
            problem: None,
            action: sts.endpoints.confirm_further.as_url().path().to_owned(),
            stylesheet: sts.endpoints.stylesheet.as_url().path().to_owned(),
            form_token,
            destination: None,
        };
        pages::link(StatusCode::OK, page, None)
    })
}

/// Takes the person's word.
pub(crate) async fn confirmed(
    State(sts): State<Arc<Sts>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = sts.clock.now();
    let (fields, form) = match forms::read(&sts, &headers, body, now) {
        Ok(both) => both,
        Err(answer) => return *answer,
    };
    let Some(Form::ConfirmFurther { id, sid, arrival }) = form else {
        return forms::too_old(&sts);
    };
    let says_yes = fields.get("decision") == Some("link");
    // Apart from the request, so that a person who goes away meanwhile leaves no yes that counted
    // and linked nothing, and lets nobody else in whose turn has not come.
    let answered = {
        let sts = Arc::clone(&sts);
        finish(async move {
            // The link that the person came by is not ended while they make another.
            let _turn = sts.upstreams.turn.lock().await;
            let active = match sessions::of(&sts, &headers, now).await? {
                Some(active) if active.sign_in.sid == sid => active,
                _ => return Ok(forms::too_old(&sts)),
            };
            if !says_yes {
                tracing::info!(target: "countersign::audit", upstream = %arrival.alias, "no account was linked: declined");
                return Ok(redirect(sts.endpoints.account.as_str()));
            }
            linked(&sts, &active, &id, &arrival, &headers, now).await
        })
        .await
    };
    answered.unwrap_or_else(|error| unavailable(&sts, &error))
}

async fn linked(
    sts: &Sts,
    active: &Active,
    id: &str,
    arrival: &Arrival,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Response, StoreError> {
    let Some(upstream) = sts.upstreams.find(&arrival.alias) else { return Ok(forms::too_old(sts)) };
    if !federation::is_first_yes(sts, id, now).await? {
        return Ok(forms::too_old(sts));
    }
    if federation::link_to(sts, upstream, arrival, &active.user, now).await? {
        return Ok(redirect(sts.endpoints.account.as_str()));
    }
    Ok(belongs_to_another(sts, upstream, active, arrival, headers, now).await)
}

/// The account page, which says that the identity at the provider is another account's.
async fn belongs_to_another(
    sts: &Sts,
    upstream: &Upstream,
    active: &Active,
    arrival: &Arrival,
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    tracing::warn!(
        target: "countersign::audit",
        upstream = %arrival.alias,
        upstream_subject = ?arrival.sub,
        subject = active.user.subject,
        "no account was linked: the identity is linked to another one",
    );
    let problem = Told { say: |t| t.linked_elsewhere, upstream: Some(upstream.setup.name.clone()) };
    show(sts, active, (StatusCode::CONFLICT, problem), headers, now).await
}

/// The account page again, with what went wrong.
async fn refused(
    sts: &Sts,
    upstream: &Upstream,
    active: &Active,
    error: &BrokerError,
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    match callback::told(upstream, None, error) {
        Ok(told) => show(sts, active, told, headers, now).await,
        Err(error) => unavailable(sts, error),
    }
}

async fn show(
    sts: &Sts,
    active: &Active,
    (status, problem): (StatusCode, Told),
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    account::show(sts, active, (status, Some(problem)), headers, now)
        .await
        .unwrap_or_else(|error| unavailable(sts, &error))
}
