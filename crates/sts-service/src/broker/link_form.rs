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
use countersign_types::digest::Digest;
use countersign_types::secret::Password;
use countersign_types::{Params, Timestamp, random};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};

use super::federation;
use super::upstream::Upstream;
use crate::app::Sts;
use crate::authorize::sign_in_form::{self, client_gone, sign_in_page, signed_in};
use crate::authorize::unavailable;
use crate::client_request::is_form;
use crate::form_token::{self, Arrival, Browser, Form, Purpose};
use crate::pages::{self, LinkPage, Told};
use crate::sessions::Means;

/// Asks for the password of the account.
pub(super) fn ask(
    sts: &Sts,
    upstream: &Upstream,
    purpose: &Purpose,
    arrival: &Arrival,
    answer: (StatusCode, Option<Told>),
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    let form = Form::Link { purpose: purpose.clone(), arrival: arrival.clone() };
    page(sts, upstream, (&form, purpose, arrival), false, answer, headers, now)
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
    let Some(Form::Link { purpose, arrival }) = opened else {
        return sign_in_form::start_over(&sts, form.as_ref(), &headers).await;
    };
    if let Some(answer) = client_gone(&sts, &purpose).await {
        return answer;
    }
    let field = |name| form.as_ref().and_then(|form| form.get(name));
    if field("decision") == Some("deny") {
        return declined(&sts, &purpose, &arrival).await;
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
        Err(Ok((status, say))) => {
            tracing::info!(target: "countersign::audit", upstream = %arrival.alias, "no account was linked: nobody signed in to it");
            let mut response =
                ask(&sts, upstream, &purpose, &arrival, (status, Some(say.into())), &headers, now);
            sign_in_form::retry_later(&mut response);
            return response;
        }
        Err(Err(error)) => return unavailable(&sts, &error),
    };
    let subject = user.subject.clone();
    let form = Form::ConfirmLink {
        id: random::identifier(sts.random.as_ref()),
        purpose: purpose.clone(),
        arrival: arrival.clone(),
        subject,
        authenticated: now,
        credential: user.credential(),
    };
    let answer = (StatusCode::OK, None);
    page(&sts, upstream, (&form, &purpose, &arrival), true, answer, &headers, now)
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
    if let Some(Form::ConfirmLink { purpose, .. }) = &opened
        && let Some(answer) = client_gone(&sts, purpose).await
    {
        return answer;
    }
    let decision = form.as_ref().and_then(|form| form.get("decision"));
    match (opened, decision) {
        (
            Some(Form::ConfirmLink { id, purpose, arrival, subject, authenticated, credential }),
            Some("link"),
        ) => match link_once(&sts, &id, &arrival, (&subject, &credential), now).await {
            Ok(true) => finish(&sts, purpose, &subject, authenticated, &headers, now).await,
            Ok(false) => Ok(sign_in_form::start_over(&sts, form.as_ref(), &headers).await),
            Err(error) => Err(error),
        }
        .unwrap_or_else(|error| unavailable(&sts, &error)),
        (Some(Form::ConfirmLink { purpose, arrival, .. }), _) => {
            declined(&sts, &purpose, &arrival).await
        }
        _ => sign_in_form::start_over(&sts, form.as_ref(), &headers).await,
    }
}

/// Links the two; `false` if the form was answered before, too. It signs in without the password, so that
/// whoever finds it later in the browser would have a session, or a link that was ended.
async fn link_once(
    sts: &Sts,
    id: &str,
    arrival: &Arrival,
    (subject, credential): (&str, &str),
    now: Timestamp,
) -> Result<bool, StoreError> {
    let key = Digest::of_parts(&[b"confirm_link", id.as_bytes()]);
    let is_first = sts.replay.insert_new(key, now.after(form_token::LIFETIME)).await?;
    Ok(is_first && link(sts, arrival, subject, credential, now).await?)
}

/// Links the two; `false` if the account or the identity is not what it was when the person was asked.
async fn link(
    sts: &Sts,
    arrival: &Arrival,
    subject: &str,
    credential: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(upstream) = sts.upstreams.find(&arrival.alias) else { return Ok(false) };
    let user = sts.user(subject).await?;
    if user.is_none_or(|user| user.credential() != credential) {
        return Ok(false);
    }
    let record = federation::link(sts, upstream, &arrival.sub, &arrival.label, now);
    let linked = Linked { subject: subject.to_owned(), record };
    let issuer = &upstream.setup.issuer;
    if !sts.linked.insert_new(issuer, &arrival.sub, &linked).await? {
        // The same answer to two pages is one.
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
    purpose: Purpose,
    subject: &str,
    authenticated: Timestamp,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Response, StoreError> {
    // The page may have been read for long since the password was typed.
    let max_age = purpose.request().and_then(|request| request.wishes.max_age());
    if max_age.is_some_and(|max| authenticated.after(max) < now) {
        return Ok(sign_in_page(sts, &purpose, (StatusCode::OK, None), "", headers, now).await);
    }
    match sts.user(subject).await? {
        Some(user) => {
            let means = Means::password(authenticated);
            signed_in(sts, purpose, &user, means, headers, now).await
        }
        None => Ok(sign_in_form::not_expected(sts, &purpose).await),
    }
}

/// Nothing is linked, nothing is left.
async fn declined(sts: &Sts, purpose: &Purpose, arrival: &Arrival) -> Response {
    tracing::info!(target: "countersign::audit", upstream = %arrival.alias, "no account was linked: declined");
    sign_in_form::denied(sts, purpose).await
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
    (form, purpose, arrival): (&Form, &Purpose, &Arrival),
    confirms: bool,
    (status, problem): (StatusCode, Option<Told>),
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
        provider: sts.settings.name.clone(),
        upstream: upstream.setup.name.clone(),
        label: arrival.label.clone(),
        address: arrival.address.to_string(),
        confirms,
        problem,
        action: action.as_url().path().to_owned(),
        stylesheet: endpoints.stylesheet.as_url().path().to_owned(),
        form_token,
        destination: purpose.request().map(pages::destination),
    };
    let mut response = pages::link(status, page, purpose);
    if let Some(cookie) = browser.cookie(form_token::LIFETIME) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
