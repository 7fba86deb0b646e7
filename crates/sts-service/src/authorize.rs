//! The authorization endpoint. [RFC 6749 §3.1], [OpenID Connect Core §3.1.2]
//!
//! [RFC 6749 §3.1]: https://www.rfc-editor.org/rfc/rfc6749#section-3.1
//! [OpenID Connect Core §3.1.2]: https://openid.net/specs/openid-connect-core-1_0.html#AuthorizationEndpoint

mod answer;
pub(crate) mod consent_form;
pub(crate) mod sign_in_form;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_oidc::interaction::{self, Next, Present};
use countersign_oidc::{AuthorizationError, AuthorizationRequest, PageError, authorize};
use countersign_store::StoreError;
use countersign_types::{ScopeSet, Timestamp};
use http::{HeaderMap, StatusCode};

use self::answer::issue_code;
pub(crate) use self::answer::{redirect, unavailable};
use self::sign_in_form::sign_in_page;
use crate::app::Sts;
use crate::client_request::is_form;
use crate::clients::Client;
use crate::form_token::{Asked, LIFETIME, Purpose};
use crate::forms;
use crate::hint::Hint;
use crate::posted::{self, Posted};
use crate::sessions::{self, Active};
use crate::{consent, pages};

pub(crate) async fn get(
    State(sts): State<Arc<Sts>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = query.unwrap_or_default();
    match posted::taken::<String>(&sts, &sts.endpoints.authorization, &query, sts.clock.now()) {
        Posted::There(form) => begin(&sts, form.as_bytes(), &headers).await,
        Posted::Absent => begin(&sts, query.as_bytes(), &headers).await,
        Posted::Over => forms::too_old(&sts),
    }
}

/// The longest form that is sent on, in octets: its text in a URL is a third longer.
const MAX_FORM: usize = 4 * 1024;

/// The same with the parameters in the body. [OpenID Connect Core §3.1.2.1]. A browser that shows
/// no session is sent on with them, and shows it then, if it has one. What is longer than servers
/// take in a URL is answered as it is: whoever is signed in signs in once more.
///
/// [OpenID Connect Core §3.1.2.1]: https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest
pub(crate) async fn post(
    State(sts): State<Arc<Sts>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match body {
        Ok(body) if is_form(&headers) => {
            let form = std::str::from_utf8(&body).ok().filter(|form| form.len() <= MAX_FORM);
            match form.filter(|_| !sessions::is_shown(&headers)) {
                Some(form) => {
                    let (what, endpoint) = ((Some(&form), LIFETIME), &sts.endpoints.authorization);
                    redirect(&posted::sent_on(&sts, endpoint, what, None, sts.clock.now()))
                }
                None => begin(&sts, &body, &headers).await,
            }
        }
        Ok(_) => pages::refused(PageError::Malformed, &sts.endpoints.stylesheet),
        Err(rejection) => forms::not_taken(&sts, &rejection),
    }
}

/// Answers an authorization request: with a code, a page, or an error.
async fn begin(sts: &Sts, form: &[u8], headers: &HeaderMap) -> Response {
    let now = sts.clock.now();
    match checked(sts, form).await {
        Ok(checked) => proceed(sts, checked, headers, now)
            .await
            .unwrap_or_else(|error| unavailable(sts, &error)),
        Err(answer) => *answer,
    }
}

/// What is to be done about a request that is in order.
async fn proceed(
    sts: &Sts,
    checked: Checked,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Response, StoreError> {
    let Checked { request, client, id_token_hint } = checked;
    let hinted = id_token_hint.map(|token| {
        Hint::verify(sts, &token, now).filter(|hint| hint.client_id == request.client_id)
    });
    let active = sessions::of(sts, headers, now).await?;
    let allowed = match &active {
        Some(active) if consent::spares_the_page(&client, &request) => {
            consent::allowed(sts, &active.user, &client, now).await?
        }
        _ => ScopeSet::empty(),
    };
    let present = active.as_ref().map(|active| Present {
        sign_in: &active.sign_in,
        is_expected: is_expected(&request, hinted.as_ref(), active, now),
        allowed: &allowed,
    });
    let next = match interaction::next(&request, present, now) {
        Ok(next) => next,
        Err(error) => return Ok(redirect(&error.location(sts.issuer()))),
    };
    let asked = Asked { request, subject: hinted.flatten().map(|hint| hint.subject) };
    Ok(match (next, active) {
        (Next::Answer, Some(active)) => {
            redirect(&issue_code(sts, asked.request, &active, now).await?)
        }
        (Next::Consent, Some(active)) => {
            consent_form::page(sts, &asked, &client, &active, headers, now)
        }
        _ => {
            let username = asked.request.login_hint.clone().unwrap_or_default();
            let purpose = Purpose::Client(asked);
            sign_in_page(sts, &purpose, (StatusCode::OK, None), &username, headers, now).await
        }
    })
}

/// Whether whoever is signed in is whom the client means, if it says whom. A hint that nobody here
/// gave, or that was given to another client, says nothing (`Some(None)`), and so means somebody
/// else.
fn is_expected(
    request: &AuthorizationRequest,
    hinted: Option<&Option<Hint>>,
    active: &Active,
    now: Timestamp,
) -> bool {
    let user = &active.user;
    let by_name = request.login_hint.as_deref().is_none_or(|hint| {
        let email = user.email.as_ref().map(|email| email.address().as_str());
        hint == user.username || email == Some(hint)
    });
    let means = |hint: &Hint| hint.means(active, now);
    let by_token = hinted.is_none_or(|hint| hint.as_ref().is_some_and(means));
    by_name && by_token
}

/// A request that is in order, and whose it is.
struct Checked {
    request: AuthorizationRequest,
    client: Arc<Client>,
    id_token_hint: Option<String>,
}

/// The authorization request, if there is nothing wrong with it; otherwise an error page or an
/// error redirect.
async fn checked(sts: &Sts, form: &[u8]) -> Result<Checked, Box<Response>> {
    let received = authorize::read(form).map_err(|error| Box::new(refused(sts, error.into())))?;
    let found = sts.clients.find(received.client_id()).await;
    let client = found.map_err(|error| Box::new(unavailable(sts, &error)))?;
    let id_token_hint = received.id_token_hint().map(str::to_owned);
    let resources = client.as_deref().map(|client| client.resources(&sts.policy));
    let resources = resources.unwrap_or_default();
    let request = received
        .check(client.as_deref().map(|client| client.registration(&resources)))
        .map_err(|error| Box::new(refused(sts, error)))?;
    // INVARIANT: a request in order is a known client's.
    let client = client.ok_or_else(|| Box::new(refused(sts, PageError::Client.into())))?;
    Ok(Checked { request, client, id_token_hint })
}

fn refused(sts: &Sts, error: AuthorizationError) -> Response {
    match error {
        AuthorizationError::Page(error) => {
            tracing::info!(%error, "authorization request refused");
            pages::refused(error, &sts.endpoints.stylesheet)
        }
        AuthorizationError::Redirect(error) => {
            tracing::info!(code = %error.code(), "authorization request refused");
            redirect(&error.location(sts.issuer()))
        }
    }
}
