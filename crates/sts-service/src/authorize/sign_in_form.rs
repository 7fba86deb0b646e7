//! The page on which a person signs in, and by that allows what the client asks for, if one does.
//! [OpenID Connect Core §3.1.2.3]
//!
//! [OpenID Connect Core §3.1.2.3]: https://openid.net/specs/openid-connect-core-1_0.html#Authenticates

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, Extension, State};
use axum::response::Response;
use countersign_login::under_way;
use countersign_oidc::{AuthorizationRequest, ErrorResponse, PageError};
use countersign_store::StoreError;
use countersign_types::secret::Password;
use countersign_types::{EmailAddress, Timestamp};
use http::header::{RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::answer::{issue_code, redirect, unavailable};
use crate::app::Sts;
use crate::attempts::{Attempt, Refused};
use crate::broker::{Upstream, UpstreamSetup};
use crate::form_token::{self, Asked, Form, Purpose};
use crate::forms::{self, Fields};
use crate::pages::{self, AskingClient, OfferedUpstream, SignInPage, Told};
use crate::passwords::MAX_PASSWORD;
use crate::sessions::Means;
use crate::texts::Say;
use crate::users::User;
use crate::{consent, onward, sessions};

/// The longest user name that is looked at.
const MAX_USERNAME: usize = 256;

/// Why nobody was signed in.
pub(crate) enum SignInError {
    /// Unknown user or wrong password: the same answer after the same work.
    Wrong,
    TooMany,
    Busy,
    Store(StoreError),
}

impl From<StoreError> for SignInError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl SignInError {
    /// What the person is told where they typed the password alone, or the failure of ours.
    pub(crate) fn told_of_password(self) -> Result<(StatusCode, Say), StoreError> {
        match self {
            Self::Wrong => Ok((StatusCode::FORBIDDEN, |t| t.wrong_password)),
            other => other.told(),
        }
    }

    /// What the person is told, or the failure of ours.
    pub(crate) fn told(self) -> Result<(StatusCode, Say), StoreError> {
        Ok(match self {
            Self::Wrong => (StatusCode::FORBIDDEN, |t| t.wrong),
            Self::TooMany => (StatusCode::TOO_MANY_REQUESTS, |t| t.too_many),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, |t| t.busy),
            Self::Store(error) => return Err(error),
        })
    }
}

/// Takes the submitted form: signs the person in, and sends the client its code.
pub(crate) async fn post(
    State(sts): State<Arc<Sts>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = sts.clock.now();
    let (fields, purpose) = match opened(&sts, &headers, body, now).await {
        Ok(both) => both,
        Err(answer) => return *answer,
    };
    let username = fields.get("username").unwrap_or_default();
    if !sts.upstreams.offer_passwords() {
        let say: Say = |t| t.no_passwords;
        let answer = (StatusCode::FORBIDDEN, Some(say.into()));
        return sign_in_page(&sts, &purpose, answer, shortened(username), &headers, now).await;
    }
    let password = Password::new(fields.get("password").unwrap_or_default());
    let source = source(&sts, peer);
    let user = match authenticate(&sts, username, password, source.as_deref(), now).await {
        Ok(user) => user,
        Err(error) => return sign_in_failed(&sts, &purpose, error, username, &headers, now).await,
    };
    match signed_in(&sts, purpose, &user, Means::password(now), &headers, now).await {
        Ok(response) => response,
        Err(error) => unavailable(&sts, &error),
    }
}

/// What somebody filled in on a sign-in page, and what they sign in for, if anybody still is to
/// sign in; otherwise what is to be done instead.
pub(crate) async fn opened(
    sts: &Sts,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    now: Timestamp,
) -> Result<(Fields, Purpose), Box<Response>> {
    let (fields, form) = forms::read(sts, headers, body, now)?;
    let Some(Form::SignIn(purpose)) = form else {
        return Err(Box::new(start_over(sts, &fields, headers).await));
    };
    if let Some(answer) = client_gone(sts, &purpose).await {
        return Err(Box::new(answer));
    }
    if fields.get("decision") == Some("deny") {
        return Err(Box::new(denied(sts, &purpose).await));
    }
    Ok((fields, purpose))
}

/// The page for whoever signs in for a client that was refused meanwhile: it gets nothing any more,
/// and nobody is sent there. `None` while it is known, and where there is no client.
pub(crate) async fn client_gone(sts: &Sts, purpose: &Purpose) -> Option<Response> {
    match sts.clients.is_known(&purpose.request()?.client_id).await {
        Ok(true) => None,
        Ok(false) => Some(pages::refused(PageError::Client, &sts.endpoints.stylesheet)),
        Err(error) => Some(unavailable(sts, &error)),
    }
}

/// Where somebody is sent who does not want to sign in.
pub(crate) async fn denied(sts: &Sts, purpose: &Purpose) -> Response {
    back(sts, purpose, AuthorizationRequest::denied).await
}

/// Where somebody is sent who is not whom the client means.
pub(crate) async fn not_expected(sts: &Sts, purpose: &Purpose) -> Response {
    tracing::info!(for_client = purpose.client_id(), "somebody else signed in than was meant");
    back(sts, purpose, AuthorizationRequest::not_expected).await
}

/// Back to the client with an error, if it is still known.
async fn back(
    sts: &Sts,
    purpose: &Purpose,
    error: impl FnOnce(&AuthorizationRequest) -> ErrorResponse,
) -> Response {
    if let Some(answer) = client_gone(sts, purpose).await {
        return answer;
    }
    match purpose.request() {
        Some(request) => onward::to_client(request, &error(request).location(sts.issuer())),
        None => redirect(sts.endpoints.account.as_str()),
    }
}

/// Begins the person's session. A client has its answer then, and it is remembered what they
/// allowed it by signing in.
pub(crate) async fn signed_in(
    sts: &Arc<Sts>,
    purpose: Purpose,
    user: &Arc<User>,
    means: Means,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Response, StoreError> {
    if purpose.expected().is_some_and(|subject| subject != user.subject) {
        return Ok(not_expected(sts, &purpose).await);
    }
    // Signing in takes a while, elsewhere most of all.
    if let Some(answer) = client_gone(sts, &purpose).await {
        return Ok(answer);
    }
    let (session, cookie) = sessions::begin(sts, user, means, headers, now).await?;
    let mut response = match purpose {
        Purpose::Client(Asked { request, .. }) => {
            if let Some(client) = sts.clients.find(&request.client_id).await? {
                consent::remember(sts, &session, &client, &request, now).await?;
            }
            let ui_locales = request.ui_locales.clone();
            onward::redirect(&issue_code(sts, request, &session, now).await?, ui_locales)
        }
        Purpose::Account => redirect(sts.endpoints.account.as_str()),
    };
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Answers a form that cannot be trusted. If it says what it was for, that is a request like any
/// other: whoever cancelled it goes back to the client, and everybody else gets a fresh form with
/// the name that they typed.
pub(crate) async fn start_over(sts: &Sts, fields: &Fields, headers: &HeaderMap) -> Response {
    let Some((query, subject)) = fields.get("form_token").and_then(form_token::claimed) else {
        return forms::too_old(sts);
    };
    let request = match super::checked(sts, query.as_bytes()).await {
        Ok(checked) => checked.request,
        Err(answer) => return *answer,
    };
    if fields.get("decision") == Some("deny") {
        return onward::to_client(&request, &request.denied().location(sts.issuer()));
    }
    tracing::info!(client_id = %request.client_id, "sign-in starts over");
    let say: Say = |t| t.start_over;
    let shown = (StatusCode::FORBIDDEN, Some(say.into()));
    let username = fields.get("username").or(request.login_hint.as_deref());
    let username = shortened(username.unwrap_or_default()).to_owned();
    let purpose = Purpose::Client(Asked { request, subject });
    sign_in_page(sts, &purpose, shown, &username, headers, sts.clock.now()).await
}

/// As much of a user name as is shown again.
fn shortened(username: &str) -> &str {
    username.get(..username.len().min(MAX_USERNAME)).unwrap_or_default()
}

/// Where a request comes from, as far as attempts are counted by that. The address of a proxy, and
/// a loopback address is that of one on this machine, tells nobody from anybody else: who guesses
/// there would lock all others out.
pub(crate) fn source(
    sts: &Sts,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
) -> Option<String> {
    let address = peer?.0.0.ip().to_canonical();
    let of_proxy = address.is_loopback() || sts.proxies.iter().any(|it| it.contain(address));
    (!of_proxy).then(|| under_way::source(address))
}

/// The person of a name and a password, both untrusted. Every attempt counts.
pub(crate) async fn authenticate(
    sts: &Sts,
    username: &str,
    password: Password,
    source: Option<&str>,
    now: Timestamp,
) -> Result<Arc<User>, SignInError> {
    if username.len() > MAX_USERNAME || password.expose().len() > MAX_PASSWORD {
        return Err(SignInError::Wrong);
    }
    let user = sts.user_named(username).await?;
    // Counted by the name that was typed, not by the account: that two names share a count would
    // tell that they are names of one. An address has one spelling, so that it has one count.
    let address = EmailAddress::parse(username).ok();
    let name = address.as_ref().map_or(username, EmailAddress::as_str);
    let attempt = Attempt::of(name, source);
    let begun = sts.attempts.begin(attempt, now).map_err(|refused| match refused {
        Refused::TooMany => SignInError::TooMany,
        Refused::Full => SignInError::Busy,
    })?;
    let hash = user.as_ref().and_then(|user| user.password.as_ref());
    let turn = sts.passwords.turn(source).await.map_err(|_| SignInError::Busy)?;
    // Who goes away from here on does not take a guess back.
    begun.made();
    let right = turn.check(hash, password).await;
    match user {
        Some(user) if right => {
            sts.attempts.succeeded(attempt);
            Ok(user)
        }
        _ => Err(SignInError::Wrong),
    }
}

async fn sign_in_failed(
    sts: &Sts,
    purpose: &Purpose,
    error: SignInError,
    username: &str,
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    let (status, say) = match error.told() {
        Ok(answer) => answer,
        Err(error) => return unavailable(sts, &error),
    };
    tracing::info!(for_client = purpose.client_id(), %status, "sign-in failed");
    let (username, answer) = (shortened(username), (status, Some(say.into())));
    let mut response = sign_in_page(sts, purpose, answer, username, headers, now).await;
    retry_later(&mut response);
    response
}

/// Says when, if there were too many attempts.
pub(crate) fn retry_later(response: &mut Response) {
    if response.status() == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("600"));
    }
}

pub(crate) async fn sign_in_page(
    sts: &Sts,
    purpose: &Purpose,
    (status, problem): (StatusCode, Option<Told>),
    username: &str,
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    let asking = match asking(sts, purpose).await {
        Ok(asking) => asking,
        Err(error) => return unavailable(sts, &error),
    };
    let form = Form::SignIn(purpose.clone());
    forms::page_with(sts, &form, headers, now, |form_token| {
        let page = SignInPage {
            provider: sts.settings.name.clone(),
            asking,
            problem,
            action: sts.endpoints.sign_in.as_url().path().to_owned(),
            upstreams: sts.upstreams.iter().map(offered).collect(),
            upstream_action: sts.endpoints.upstream.as_url().path().to_owned(),
            passwords: sts.upstreams.offer_passwords(),
            stylesheet: sts.endpoints.stylesheet.as_url().path().to_owned(),
            form_token,
            username: username.to_owned(),
        };
        pages::sign_in(status, page, purpose)
    })
}

pub(crate) fn offered(upstream: &Upstream) -> OfferedUpstream {
    let UpstreamSetup { alias, name, .. } = &upstream.setup;
    OfferedUpstream { alias: alias.clone(), name: name.clone() }
}

/// What the page says of the client that asks, if one does.
async fn asking(sts: &Sts, purpose: &Purpose) -> Result<Option<AskingClient>, StoreError> {
    let Some(request) = purpose.request() else { return Ok(None) };
    let client = sts.clients.find(&request.client_id).await?;
    Ok(Some(AskingClient {
        name: client.map_or_else(|| request.client_id.to_string(), |client| client.name.clone()),
        scopes: pages::scopes(request),
        destination: pages::destination(request),
    }))
}
