//! The pages on which somebody who came from another provider, and whose address belongs to an
//! account here, shows that the account is theirs, and says that the two belong together.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, Extension, State};
use axum::response::Response;
use countersign_store::{StoreError, finish};
use countersign_types::secret::Password;
use countersign_types::{EmailAddress, Timestamp, random};
use http::{HeaderMap, StatusCode};

use super::federation;
use super::upstream::Upstream;
use crate::app::Sts;
use crate::authorize::sign_in_form::{self, SignInError, client_gone, sign_in_page, signed_in};
use crate::authorize::unavailable;
use crate::form_token::{Arrival, Form, Purpose};
use crate::forms;
use crate::pages::{self, LinkPage, Person, Told};
use crate::sessions::Means;

/// Asks for the password of the account.
pub(super) fn ask(
    sts: &Sts,
    upstream: &Upstream,
    purpose: &Purpose,
    (arrival, address): (&Arrival, &EmailAddress),
    answer: (StatusCode, Option<Told>),
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    let form =
        Form::Link { purpose: purpose.clone(), arrival: arrival.clone(), address: address.clone() };
    page(sts, upstream, &form, (purpose, arrival, address), answer, headers, now)
}

/// Takes the password, and asks whether the two belong together.
pub(crate) async fn post(
    State(sts): State<Arc<Sts>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = sts.clock.now();
    let (fields, form) = match forms::read(&sts, &headers, body, now) {
        Ok(both) => both,
        Err(answer) => return *answer,
    };
    let Some(Form::Link { purpose, arrival, address }) = form else {
        return sign_in_form::start_over(&sts, &fields, &headers).await;
    };
    if let Some(answer) = client_gone(&sts, &purpose).await {
        return answer;
    }
    if fields.get("decision") == Some("deny") {
        return declined(&sts, &purpose, &arrival).await;
    }
    let Some(upstream) = sts.upstreams.find(&arrival.alias) else {
        return sign_in_form::start_over(&sts, &fields, &headers).await;
    };
    let password = Password::new(fields.get("password").unwrap_or_default());
    let (name, source) = (address.as_str(), sign_in_form::source(&sts, peer));
    let checked = sign_in_form::authenticate(&sts, name, password, source.as_deref(), now).await;
    let user = match checked.map_err(SignInError::told_of_password) {
        Ok(user) => user,
        Err(Ok((status, say))) => {
            tracing::info!(target: "countersign::audit", upstream = %arrival.alias, "no account was linked: nobody signed in to it");
            let (who, answer) = ((&arrival, &address), (status, Some(say.into())));
            let mut response = ask(&sts, upstream, &purpose, who, answer, &headers, now);
            sign_in_form::retry_later(&mut response);
            return response;
        }
        Err(Err(error)) => return unavailable(&sts, &error),
    };
    if purpose.expected().is_some_and(|subject| subject != user.subject) {
        // The address is another account's since it was looked at.
        return sign_in_form::not_expected(&sts, &purpose).await;
    }
    let form = Form::ConfirmLink {
        id: random::identifier(sts.random.as_ref()),
        purpose: purpose.clone(),
        arrival: arrival.clone(),
        subject: user.subject.clone(),
        authenticated: now,
        credential: user.credential(),
    };
    let (who, answer) = ((&purpose, &arrival, &address), (StatusCode::OK, None));
    page(&sts, upstream, &form, who, answer, &headers, now)
}

/// Takes the person's word, links the two, and signs the person in.
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
    if let Some(Form::ConfirmLink { purpose, .. }) = &form
        && let Some(answer) = client_gone(&sts, purpose).await
    {
        return answer;
    }
    match (form, fields.get("decision")) {
        (
            Some(Form::ConfirmLink { id, purpose, arrival, subject, authenticated, credential }),
            Some("link"),
        ) => {
            let linked = {
                let (sts, subject) = (Arc::clone(&sts), subject.clone());
                async move { link_once(&sts, &id, &arrival, (&subject, &credential), now).await }
            };
            match finish(linked).await {
                Ok(true) => sign_in(&sts, purpose, &subject, authenticated, &headers, now).await,
                Ok(false) => Ok(sign_in_form::start_over(&sts, &fields, &headers).await),
                Err(error) => Err(error),
            }
            .unwrap_or_else(|error| unavailable(&sts, &error))
        }
        (Some(Form::ConfirmLink { purpose, arrival, .. }), _) => {
            declined(&sts, &purpose, &arrival).await
        }
        _ => sign_in_form::start_over(&sts, &fields, &headers).await,
    }
}

/// Links the two; `false` if the form was answered before, too. It signs in without the password,
/// so that whoever finds it later in the browser would have a session, or a link that was ended.
async fn link_once(
    sts: &Sts,
    id: &str,
    arrival: &Arrival,
    (subject, credential): (&str, &str),
    now: Timestamp,
) -> Result<bool, StoreError> {
    let is_first = federation::is_first_yes(sts, id, now).await?;
    Ok(is_first && link(sts, arrival, subject, credential, now).await?)
}

/// Links the two; `false` if the account or the identity is not what it was when the person was
/// asked.
async fn link(
    sts: &Sts,
    arrival: &Arrival,
    subject: &str,
    credential: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(upstream) = sts.upstreams.find(&arrival.alias) else { return Ok(false) };
    let user = sts.user(subject).await?.filter(|user| user.credential() == credential);
    let Some(user) = user else { return Ok(false) };
    federation::link_to(sts, upstream, arrival, &user, now).await
}

async fn sign_in(
    sts: &Arc<Sts>,
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

fn page(
    sts: &Sts,
    upstream: &Upstream,
    form: &Form,
    (purpose, arrival, address): (&Purpose, &Arrival, &EmailAddress),
    (status, problem): (StatusCode, Option<Told>),
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    let (endpoints, confirms) = (&sts.endpoints, matches!(form, Form::ConfirmLink { .. }));
    let action = if confirms { &endpoints.confirm_link } else { &endpoints.link };
    forms::page_with(sts, form, headers, now, |form_token| {
        let page = LinkPage {
            provider: sts.settings.name.clone(),
            upstream: upstream.setup.name.clone(),
            label: arrival.label.clone(),
            account: Person { name: address.to_string(), upstream: None },
            confirms,
            problem,
            action: action.as_url().path().to_owned(),
            stylesheet: endpoints.stylesheet.as_url().path().to_owned(),
            form_token,
            destination: purpose.request().map(pages::destination),
        };
        pages::link(status, page, purpose.request())
    })
}
