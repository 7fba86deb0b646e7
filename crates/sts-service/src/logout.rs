//! Signing out. [OpenID Connect RP-Initiated Logout §2, §3]
//!
//! A client that shows an ID token of the very session has it ended at once. Everybody else gets a
//! page that asks the person, since a link anywhere can lead here. What ends with the session is
//! what was allowed in it, but for what goes on while the person is away.
//!
//! A client that has no ID token at hand may say which one it is. Its place is registered, but
//! nobody has proved that it asks, so that the browser goes there when the person says so, and by
//! itself never.
//!
//! [OpenID Connect RP-Initiated Logout §2, §3]: https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_oidc::PageError;
use countersign_oidc::logout::{self, Asker, LogoutRequest};
use countersign_store::{StoreError, finish};
use countersign_types::{ClientId, Lifetime, Timestamp};
use http::HeaderMap;
use http::header::SET_COOKIE;
use serde::{Deserialize, Serialize};

use crate::app::Sts;
use crate::authorize::{redirect, unavailable};
use crate::broker;
use crate::client_request::is_form;
use crate::form_token::Form;
use crate::forms;
use crate::hint::Hint;
use crate::onward;
use crate::pages::{self, Onward, SignOutPage};
use crate::posted::{self, Posted};
use crate::sessions::{self, Active};

/// So long a browser may take to where it is sent.
const AT_ONCE: Lifetime = Lifetime::from_secs(60);

/// A request, and what its ID token says.
#[derive(Serialize, Deserialize)]
struct Asked {
    hint: Option<Hint>,
    /// The rest.
    request: LogoutRequest,
}

/// Where the browser goes afterwards.
struct Destination {
    url: String,
    /// Whether the client has shown who it is. Otherwise the person has the word.
    is_proven: bool,
}

/// Where the browser goes, and the languages that the client wishes on the way.
type Onwards = (Option<String>, Option<String>);

impl Asked {
    /// Takes the ID token out of a request. If it is none of ours, the client has the browser sent
    /// nowhere, whoever it says it is. [OpenID Connect RP-Initiated Logout §4]
    ///
    /// [OpenID Connect RP-Initiated Logout §4]: https://openid.net/specs/openid-connect-rpinitiated-1_0.html#ValidationAndErrorHandling
    fn verified(sts: &Sts, mut request: LogoutRequest, now: Timestamp) -> Self {
        let Some(token) = request.id_token_hint.take() else { return Self { hint: None, request } };
        let hint = Hint::verify(sts, &token, now);
        Self { request: if hint.is_some() { request } else { nowhere(request) }, hint }
    }

    /// Where its client may have the browser sent.
    async fn destination(&self, sts: &Sts) -> Result<Option<Destination>, StoreError> {
        let claimed = || ClientId::parse(self.request.client_id.as_deref()?).ok();
        let shown = self.hint.as_ref().map(|hint| hint.client_id.clone());
        let is_proven = shown.is_some();
        let Some(client_id) = shown.or_else(claimed) else { return Ok(None) };
        let client = sts.clients.find(&client_id).await?;
        let asker = client.as_deref().map(|client| Asker {
            client_id: &client.registered.id,
            post_logout_redirect_uris: &client.post_logout_redirect_uris,
        });
        Ok(self.request.destination(asker).map(|url| Destination { url, is_proven }))
    }
}

/// The same request, with nowhere to send the browser.
fn nowhere(request: LogoutRequest) -> LogoutRequest {
    LogoutRequest { ui_locales: request.ui_locales, ..LogoutRequest::default() }
}

pub(crate) async fn get(
    State(sts): State<Arc<Sts>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let now = sts.clock.now();
    let query = query.unwrap_or_default();
    let asked = match posted::taken(&sts, &sts.endpoints.end_session, &query, now) {
        Posted::There(asked) => asked,
        // Whoever comes late is asked, as everybody is who shows nothing.
        _ => match logout::parse(query.as_bytes()) {
            Ok(request) => Asked::verified(&sts, request, now),
            Err(_) => return pages::refused(PageError::Malformed, &sts.endpoints.stylesheet),
        },
    };
    begin(&sts, asked, &headers, now).await.unwrap_or_else(|error| unavailable(&sts, &error))
}

/// The same by POST: the browser is sent on with what was verified, and brings its session then. No
/// ID token goes into the URL, nor what one says.
pub(crate) async fn post(
    State(sts): State<Arc<Sts>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = sts.clock.now();
    let form = body.ok().filter(|_| is_form(&headers));
    let Some(Ok(request)) = form.map(|form| logout::parse(&form)) else {
        return pages::refused(PageError::Malformed, &sts.endpoints.stylesheet);
    };
    let asked = Asked::verified(&sts, request, now);
    let ui_locales = asked.request.ui_locales.clone();
    // What leads nowhere is left behind, so that nobody makes long URLs here.
    let asked = match asked.destination(&sts).await {
        Ok(Some(_)) => asked,
        Ok(None) => Asked { request: nowhere(asked.request), ..asked },
        Err(error) => return unavailable(&sts, &error),
    };
    let says_something = asked.hint.is_some() || asked.request.client_id.is_some();
    let what = (says_something.then_some(&asked), AT_ONCE);
    redirect(&posted::sent_on(&sts, &sts.endpoints.end_session, what, ui_locales, now))
}

async fn begin(
    sts: &Arc<Sts>,
    asked: Asked,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Response, StoreError> {
    let active = sessions::of(sts, headers, now).await?;
    let is_of_session = match (&asked.hint, &active) {
        (Some(hint), Some(active)) => hint.is_of(active),
        _ => false,
    };
    // One whose time is over proves nothing but of the session that is there.
    let is_over = asked.hint.as_ref().is_some_and(|hint| hint.has_expired(now));
    let destination = if is_over && !is_of_session { None } else { asked.destination(sts).await? };
    let (ui_locales, url) = (asked.request.ui_locales, |it: Destination| it.url);
    match active {
        Some(active) if is_of_session => end(sts, active, (destination.map(url), ui_locales)).await,
        Some(active) => Ok(ask(sts, &active, (destination.map(url), ui_locales), headers, now)),
        None => Ok(gone(sts, destination, ui_locales)),
    }
}

/// Asks the person.
fn ask(
    sts: &Sts,
    active: &Active,
    (destination, ui_locales): Onwards,
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    let sid = active.sign_in.sid.clone();
    let form =
        Form::SignOut { sid, destination: destination.clone(), ui_locales: ui_locales.clone() };
    forms::page_with(sts, &form, headers, now, |form_token| {
        let page = SignOutPage {
            provider: sts.settings.name.clone(),
            person: Some(broker::called(sts, &active.user)),
            onward: destination.map(Onward::to),
            action: sts.endpoints.sign_out.as_url().path().to_owned(),
            stylesheet: sts.endpoints.stylesheet.as_url().path().to_owned(),
            form_token,
        };
        pages::sign_out(page, ui_locales)
    })
}

/// Takes the person's word.
pub(crate) async fn confirmed(
    State(sts): State<Arc<Sts>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = sts.clock.now();
    let (sid, onwards) = match forms::read(&sts, &headers, body, now) {
        Ok((_, Some(Form::SignOut { sid, destination, ui_locales }))) => {
            (sid, (destination, ui_locales))
        }
        Ok(_) => return forms::too_old(&sts),
        Err(answer) => return *answer,
    };
    let ended = match sessions::of(&sts, &headers, now).await {
        Ok(Some(active)) if active.sign_in.sid == sid => end(&sts, active, onwards).await,
        // Another session is none of this form's business.
        Ok(Some(_)) => Ok(forms::too_old(&sts)),
        Ok(None) => Ok(left(&sts, onwards)),
        Err(error) => Err(error),
    };
    ended.unwrap_or_else(|error| unavailable(&sts, &error))
}

/// Ends a session, and what was allowed in it for as long as it lasts.
async fn end(sts: &Arc<Sts>, active: Active, onwards: Onwards) -> Result<Response, StoreError> {
    let ended = {
        let sts = Arc::clone(sts);
        async move {
            let subject = &active.user.subject;
            sessions::end(&sts, subject, &active.sign_in.sid).await?;
            tracing::info!(target: "countersign::audit", subject = %subject, "signed out");
            Ok::<_, StoreError>(())
        }
    };
    finish(ended).await?;
    let mut response = left(sts, onwards);
    if let Some(cookie) = sessions::forgotten(sts) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Sends whoever is not signed in any more where they go.
fn left(sts: &Sts, (destination, ui_locales): Onwards) -> Response {
    match destination {
        Some(url) => onward::redirect(&url, ui_locales),
        None => nobody(sts, (None, ui_locales)),
    }
}

/// Nobody was signed in. Where a client has not shown who it is, the person is not sent, but may
/// go.
fn gone(sts: &Sts, destination: Option<Destination>, ui_locales: Option<String>) -> Response {
    match destination {
        Some(Destination { url, is_proven: true }) => onward::redirect(&url, ui_locales),
        other => nobody(sts, (other.map(|destination| destination.url), ui_locales)),
    }
}

/// The page for whoever is signed in no more.
fn nobody(sts: &Sts, (destination, ui_locales): Onwards) -> Response {
    let page = SignOutPage {
        provider: sts.settings.name.clone(),
        person: None,
        onward: destination.map(Onward::to),
        action: String::new(),
        stylesheet: sts.endpoints.stylesheet.as_url().path().to_owned(),
        form_token: String::new(),
    };
    pages::sign_out(page, ui_locales)
}
