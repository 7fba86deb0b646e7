//! Signing out. [OpenID Connect RP-Initiated Logout §2, §3]
//!
//! A client that shows an ID token of the very session has it ended at once. Everybody else gets a page
//! that asks the person, since a link anywhere can lead here. What ends with the session is what was
//! allowed in it, but for what goes on while the person is away.
//!
//! [OpenID Connect RP-Initiated Logout §2, §3]: https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_oidc::PageError;
use countersign_oidc::logout::{self, Asker, LogoutRequest};
use countersign_store::StoreError;
use countersign_types::{Params, Timestamp};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};

use crate::app::Sts;
use crate::authorize::{redirect, unavailable};
use crate::client_request::is_form;
use crate::form_token::{self, Browser, Form};
use crate::hint::Hint;
use crate::pages::{self, SignOutPage};
use crate::sessions::{self, Active};
use crate::texts::Say;

/// The longest form that is sent on in a URL, in octets.
const MAX_QUERY: usize = 8 * 1024;

pub(crate) async fn get(
    State(sts): State<Arc<Sts>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let now = sts.clock.now();
    match logout::parse(query.unwrap_or_default().as_bytes()) {
        Ok(request) => begin(&sts, request, &headers, now)
            .await
            .unwrap_or_else(|error| unavailable(&sts, &error)),
        Err(_) => pages::refused(PageError::Malformed, &sts.endpoints.stylesheet),
    }
}

/// The same by POST. A browser keeps the session's cookie back from a form of another site, and sends
/// it along to where it is sent next. What is no form, or more than servers take in a URL, goes nowhere.
pub(crate) async fn post(
    State(sts): State<Arc<Sts>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let form = body.ok().filter(|_| is_form(&headers));
    let query = form.as_deref().and_then(|form| std::str::from_utf8(form).ok());
    match query {
        Some(query) if query.len() <= MAX_QUERY && query.chars().all(|c| c.is_ascii_graphic()) => {
            redirect(&format!("{}?{query}", sts.endpoints.end_session.as_str()))
        }
        _ => pages::refused(PageError::Malformed, &sts.endpoints.stylesheet),
    }
}

async fn begin(
    sts: &Sts,
    request: LogoutRequest,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Response, StoreError> {
    let active = sessions::of(sts, headers, now).await?;
    let hint = request.id_token_hint.as_deref();
    let hint = hint.and_then(|token| Hint::verify(sts, token, now));
    let is_of_session = match (&hint, &active) {
        (Some(hint), Some(active)) => hint.is_of(active),
        _ => false,
    };
    // One whose time is over proves nothing but of the session that is there.
    let hint = hint.filter(|hint| is_of_session || !hint.has_expired);
    let destination = destination(sts, &request, hint.as_ref()).await?;
    match active {
        Some(active) if is_of_session => end(sts, &active, destination).await,
        Some(active) => Ok(ask(sts, &active, destination, headers, now)),
        None => Ok(gone(sts, destination)),
    }
}

/// Where the client may have the browser sent, if it has shown who it is.
async fn destination(
    sts: &Sts,
    request: &LogoutRequest,
    hint: Option<&Hint>,
) -> Result<Option<String>, StoreError> {
    let Some(hint) = hint else { return Ok(None) };
    let client = sts.clients.find(&hint.client_id).await?;
    let asker = client.as_deref().map(|client| Asker {
        client_id: &client.registered.id,
        post_logout_redirect_uris: &client.post_logout_redirect_uris,
    });
    Ok(request.destination(asker))
}

/// Asks the person.
fn ask(
    sts: &Sts,
    active: &Active,
    destination: Option<String>,
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    let browser = Browser::of(headers, sts.random.as_ref());
    let sid = active.sign_in.sid.clone();
    let form = Form::SignOut { sid, destination: destination.clone() };
    let Ok(form_token) = sts.form_tokens.seal(&form, &browser, now) else {
        let explanation: Say = |t| t.not_made;
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return pages::problem(status, explanation, &sts.endpoints.stylesheet);
    };
    let page = SignOutPage {
        provider: sts.settings.name.clone(),
        username: Some(active.user.username.clone()),
        action: sts.endpoints.sign_out.as_url().path().to_owned(),
        stylesheet: sts.endpoints.stylesheet.as_url().path().to_owned(),
        form_token,
    };
    let mut response = pages::sign_out(page, destination.as_deref());
    if let Some(cookie) = browser.cookie(form_token::LIFETIME) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// Takes the person's word.
pub(crate) async fn confirmed(
    State(sts): State<Arc<Sts>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = sts.clock.now();
    let form = body.ok().filter(|_| is_form(&headers));
    let form = form.and_then(|form| Params::parse(&form, &[]).ok());
    let token = form.as_ref().and_then(|form| form.get("form_token"));
    let opened = token.and_then(|token| sts.form_tokens.open(token, &headers, now).ok());
    let Some(Form::SignOut { sid, destination }) = opened else { return too_old(&sts) };
    let ended = match sessions::of(&sts, &headers, now).await {
        Ok(Some(active)) if active.sign_in.sid == sid => end(&sts, &active, destination).await,
        // Another session is none of this form's business.
        Ok(Some(_)) => Ok(too_old(&sts)),
        Ok(None) => Ok(gone(&sts, destination)),
        Err(error) => Err(error),
    };
    ended.unwrap_or_else(|error| unavailable(&sts, &error))
}

fn too_old(sts: &Sts) -> Response {
    let explanation: Say = |t| t.too_old;
    pages::problem(StatusCode::FORBIDDEN, explanation, &sts.endpoints.stylesheet)
}

/// Ends a session, and what was allowed in it for as long as it lasts.
async fn end(
    sts: &Sts,
    active: &Active,
    destination: Option<String>,
) -> Result<Response, StoreError> {
    let subject = &active.user.subject;
    sessions::end(sts, subject, &active.sign_in.sid).await?;
    tracing::info!(target: "countersign::audit", subject = %subject, "signed out");
    let mut response = gone(sts, destination);
    if let Some(cookie) = sessions::forgotten(sts) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Nobody is signed in any more.
fn gone(sts: &Sts, destination: Option<String>) -> Response {
    if let Some(destination) = destination {
        return redirect(&destination);
    }
    let page = SignOutPage {
        provider: sts.settings.name.clone(),
        username: None,
        action: String::new(),
        stylesheet: sts.endpoints.stylesheet.as_url().path().to_owned(),
        form_token: String::new(),
    };
    pages::sign_out(page, None)
}
