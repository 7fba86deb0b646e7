//! The pages on which somebody who came from another provider, and whose address belongs to an account
//! here, shows that the account is theirs, and says that the two belong together.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, Extension, State};
use axum::response::Response;
use countersign_store::StoreError;
use countersign_store::linked_identities::Linked;
use countersign_types::secret::Password;
use countersign_types::{Params, Timestamp};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};

use super::federation;
use super::upstream::Upstream;
use crate::app::Sts;
use crate::authorize::sign_in_form::{self, signed_in};
use crate::authorize::{redirect, unavailable};
use crate::client_request::is_form;
use crate::form_token::{Arrival, Asked, Browser, Form};
use crate::pages::{self, LinkPage};
use crate::sessions::Means;

/// Asks for the password of the account.
pub(super) fn ask(
    sts: &Sts,
    upstream: &Upstream,
    asked: &Asked,
    arrival: &Arrival,
    answer: (StatusCode, Option<&str>),
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    let form = Form::Link { asked: asked.clone(), arrival: arrival.clone() };
    page(sts, upstream, (&form, asked, arrival), false, answer, headers, now)
}

/// Takes the password, and asks whether the two belong together.
pub(crate) async fn post(
    State(sts): State<Arc<Sts>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = sts.clock.now();
    let (form, opened) = match opened(&sts, &headers, body, now) {
        Ok(both) => both,
        Err(rejection) => return sign_in_form::not_taken(&sts, &rejection),
    };
    let Some(Form::Link { asked, arrival }) = opened else {
        return sign_in_form::start_over(&sts, form.as_ref(), &headers).await;
    };
    let field = |name| form.as_ref().and_then(|form| form.get(name));
    if field("decision") == Some("deny") {
        return declined(&sts, &asked, &arrival);
    }
    let Some(upstream) = sts.upstreams.find(&arrival.alias) else {
        return sign_in_form::start_over(&sts, form.as_ref(), &headers).await;
    };
    let password = Password::new(field("password").unwrap_or_default());
    let address = arrival.address.as_str();
    let source = sign_in_form::source(peer);
    let checked = sign_in_form::authenticate(&sts, address, password, source.as_deref(), now).await;
    let user = match checked.map_err(|error| error.told()) {
        Ok(user) => user,
        Err(Ok((status, text))) => {
            tracing::info!(target: "countersign::audit", upstream = %arrival.alias, "no account was linked: wrong password");
            let mut response =
                ask(&sts, upstream, &asked, &arrival, (status, Some(text)), &headers, now);
            sign_in_form::retry_later(&mut response);
            return response;
        }
        Err(Err(error)) => return unavailable(&sts, &error),
    };
    let subject = user.subject.clone();
    let form = Form::ConfirmLink {
        asked: asked.clone(),
        arrival: arrival.clone(),
        subject,
        authenticated: now,
    };
    let answer = (StatusCode::OK, None);
    page(&sts, upstream, (&form, &asked, &arrival), true, answer, &headers, now)
}

/// Takes the person's word, links the two, and signs the person in.
pub(crate) async fn confirmed(
    State(sts): State<Arc<Sts>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = sts.clock.now();
    let (form, opened) = match opened(&sts, &headers, body, now) {
        Ok(both) => both,
        Err(rejection) => return sign_in_form::not_taken(&sts, &rejection),
    };
    let decision = form.as_ref().and_then(|form| form.get("decision"));
    match (opened, decision) {
        (Some(Form::ConfirmLink { asked, arrival, subject, authenticated }), Some("link")) => {
            match link(&sts, &arrival, &subject, authenticated, now).await {
                Ok(true) => finish(&sts, asked, &subject, authenticated, &headers, now).await,
                Ok(false) => Ok(sign_in_form::start_over(&sts, form.as_ref(), &headers).await),
                Err(error) => Err(error),
            }
            .unwrap_or_else(|error| unavailable(&sts, &error))
        }
        (Some(Form::ConfirmLink { asked, arrival, .. }), _) => declined(&sts, &asked, &arrival),
        _ => sign_in_form::start_over(&sts, form.as_ref(), &headers).await,
    }
}

/// Links the two; `false` if the account or the identity is not what it was when the person was asked.
async fn link(
    sts: &Sts,
    arrival: &Arrival,
    subject: &str,
    authenticated: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(upstream) = sts.upstreams.find(&arrival.alias) else { return Ok(false) };
    let user = sts.users.by_subject(subject).await?;
    if !user.is_some_and(|user| user.stands_by(authenticated)) {
        return Ok(false);
    }
    let record = federation::link(sts, upstream, &arrival.sub, &arrival.label, now);
    let linked = Linked { subject: subject.to_owned(), record };
    let issuer = &upstream.setup.issuer;
    if !sts.linked.insert_new(issuer, &arrival.sub, &linked).await? {
        // Twice the same answer is one.
        let known = sts.linked.find(issuer, &arrival.sub).await?;
        return Ok(known.is_some_and(|known| known.subject == subject));
    }
    tracing::info!(
        target: "countersign::audit",
        upstream = %arrival.alias,
        upstream_subject = ?arrival.sub,
        subject,
        "a person linked their account to another provider",
    );
    Ok(true)
}

async fn finish(
    sts: &Sts,
    asked: Asked,
    subject: &str,
    authenticated: Timestamp,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Response, StoreError> {
    let Asked { request, subject: expected } = asked;
    let user = sts.users.by_subject(subject).await?;
    let user = user.filter(|user| expected.is_none_or(|expected| expected == user.subject));
    let Some(user) = user else {
        return Ok(redirect(&request.not_expected().location(sts.issuer())));
    };
    signed_in(sts, request, &user, Means::password(authenticated), headers, now).await
}

/// Nothing is linked, nothing is left.
fn declined(sts: &Sts, asked: &Asked, arrival: &Arrival) -> Response {
    tracing::info!(target: "countersign::audit", upstream = %arrival.alias, "no account was linked: declined");
    redirect(&asked.request.denied().location(sts.issuer()))
}

type Opened = (Option<Params>, Option<Form>);

fn opened(
    sts: &Sts,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    now: Timestamp,
) -> Result<Opened, BytesRejection> {
    let body = body?;
    let form = is_form(headers).then(|| Params::parse(&body, &[]).ok()).flatten();
    let token = form.as_ref().and_then(|form| form.get("form_token"));
    let opened = token.and_then(|token| sts.form_tokens.open(token, headers, now).ok());
    Ok((form, opened))
}

fn page(
    sts: &Sts,
    upstream: &Upstream,
    (form, asked, arrival): (&Form, &Asked, &Arrival),
    confirms: bool,
    (status, problem): (StatusCode, Option<&str>),
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    let browser = Browser::of(headers, sts.random.as_ref());
    let Ok(form_token) = sts.form_tokens.seal(form, &browser, now) else {
        return sign_in_form::not_made(sts);
    };
    let endpoints = &sts.endpoints;
    let action = if confirms { &endpoints.confirm_link } else { &endpoints.link };
    let page = LinkPage {
        provider: &sts.settings.name,
        upstream: &upstream.setup.name,
        label: &arrival.label,
        address: arrival.address.as_str(),
        confirms,
        problem,
        action: action.as_url().path(),
        stylesheet: endpoints.stylesheet.as_url().path(),
        form_token: &form_token,
        destination: &pages::destination(&asked.request),
    };
    let mut response = pages::link(status, &page, &asked.request);
    if let Some(cookie) = browser.cookie() {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
