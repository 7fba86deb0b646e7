//! The authorization endpoint and the sign-in form. [RFC 6749 §3.1], [OpenID Connect Core §3.1.2]
//!
//! [RFC 6749 §3.1]: https://www.rfc-editor.org/rfc/rfc6749#section-3.1
//! [OpenID Connect Core §3.1.2]: https://openid.net/specs/openid-connect-core-1_0.html#AuthorizationEndpoint

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, Extension, RawQuery, State};
use axum::response::Response;
use countersign_oidc::refresh::OFFLINE_ACCESS;
use countersign_oidc::{
    AuthorizationError, AuthorizationRequest, CodeGrant, Grant, PageError, SignIn, authorize, code,
};
use countersign_store::StoreError;
use countersign_types::digest::Digest;
use countersign_types::secret::{AuthorizationCode, Password};
use countersign_types::{EmailAddress, Params, Timestamp, random};
use http::header::{LOCATION, RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::app::Sts;
use crate::attempts::{self, Refused};
use crate::client_request::is_form;
use crate::form_token::{self, Browser};
use crate::pages::{self, SignInPage};
use crate::passwords::MAX_PASSWORD;
use crate::users::User;

/// The longest user name that is looked at.
const MAX_USERNAME: usize = 256;

const WRONG: &str = "The user name or the password is wrong.";

const START_OVER: &str = "You were not signed in: this page was too old, this server was restarted, \
     or your browser keeps no cookies. Please try again.";

/// Why nobody was signed in.
enum SignInError {
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

pub(crate) async fn get(
    State(sts): State<Arc<Sts>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    begin(&sts, query.unwrap_or_default().as_bytes(), &headers).await
}

/// The same with the parameters in the body. [OpenID Connect Core §3.1.2.1]
///
/// [OpenID Connect Core §3.1.2.1]: https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest
pub(crate) async fn post(
    State(sts): State<Arc<Sts>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match body {
        Ok(body) if is_form(&headers) => begin(&sts, &body, &headers).await,
        Ok(_) => pages::refused(PageError::Malformed, &sts.endpoints.stylesheet),
        Err(rejection) => not_taken(&sts, &rejection),
    }
}

/// Answers an authorization request with the sign-in page, an error page or an error redirect.
async fn begin(sts: &Sts, form: &[u8], headers: &HeaderMap) -> Response {
    let now = sts.clock.now();
    match checked(sts, form).await {
        Ok(request) => {
            let username = request.login_hint.as_deref().unwrap_or_default();
            sign_in_page(sts, &request, (StatusCode::OK, None), username, headers, now).await
        }
        Err(answer) => *answer,
    }
}

/// The authorization request, if there is nothing wrong with it; otherwise an error page or an error
/// redirect.
async fn checked(sts: &Sts, form: &[u8]) -> Result<AuthorizationRequest, Box<Response>> {
    let checked = match authorize::read(form) {
        Err(error) => Err(error.into()),
        Ok(received) => match sts.clients.find(received.client_id()).await {
            Err(error) => return Err(Box::new(unavailable(sts, &error))),
            Ok(client) => received.check(client.as_deref().map(|client| client.registration())),
        },
    };
    checked.map_err(|error| match error {
        AuthorizationError::Page(error) => {
            tracing::info!(%error, "authorization request refused");
            Box::new(pages::refused(error, &sts.endpoints.stylesheet))
        }
        AuthorizationError::Redirect(error) => {
            tracing::info!(code = %error.code(), "authorization request refused");
            Box::new(redirect(&error.location(sts.issuer())))
        }
    })
}

/// Takes the submitted form: signs the person in, and sends the client its code.
pub(crate) async fn sign_in(
    State(sts): State<Arc<Sts>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = sts.clock.now();
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return not_taken(&sts, &rejection),
    };
    let form = is_form(&headers).then(|| Params::parse(&body, &[]).ok()).flatten();
    let opened = form.as_ref().and_then(|form| {
        let token = form.get("form_token")?;
        sts.form_tokens.open(token, &headers, now).ok()
    });
    let (form, request) = match (form, opened) {
        (Some(form), Some(request)) => (form, request),
        (form, _) => return start_over(&sts, form.as_ref(), &headers).await,
    };
    if form.get("decision") == Some("deny") {
        return redirect(&request.denied().location(sts.issuer()));
    }
    let username = form.get("username").unwrap_or_default();
    let password = Password::new(form.get("password").unwrap_or_default());
    let source = peer.map(|Extension(ConnectInfo(address))| attempts::source(address.ip()));
    let user = match authenticate(&sts, username, password, source.as_deref(), now).await {
        Ok(user) => user,
        Err(error) => return sign_in_failed(&sts, &request, error, username, &headers, now).await,
    };
    match issue_code(&sts, request, &user, now).await {
        Ok(location) => redirect(&location),
        Err(error) => unavailable(&sts, &error),
    }
}

/// Answers a form that cannot be trusted. If it says what it was for, that is a request like any
/// other: whoever cancelled it goes back to the client, and everybody else gets a fresh form with the
/// name that they typed.
async fn start_over(sts: &Sts, form: Option<&Params>, headers: &HeaderMap) -> Response {
    let field = |name| form.and_then(|form| form.get(name));
    let Some(query) = field("form_token").and_then(form_token::claimed) else {
        let explanation = "This page is too old, or it was not opened in this browser.";
        return pages::problem(StatusCode::FORBIDDEN, explanation, &sts.endpoints.stylesheet);
    };
    let request = match checked(sts, query.as_bytes()).await {
        Ok(request) => request,
        Err(answer) => return *answer,
    };
    if field("decision") == Some("deny") {
        return redirect(&request.denied().location(sts.issuer()));
    }
    tracing::info!(client_id = %request.client_id, "sign-in starts over");
    let shown = (StatusCode::FORBIDDEN, Some(START_OVER));
    let username = field("username").or(request.login_hint.as_deref());
    let username = shortened(username.unwrap_or_default());
    sign_in_page(sts, &request, shown, username, headers, sts.clock.now()).await
}

/// As much of a user name as is shown again.
fn shortened(username: &str) -> &str {
    username.get(..username.len().min(MAX_USERNAME)).unwrap_or_default()
}

/// The page for a body that did not arrive, or is too large.
fn not_taken(sts: &Sts, rejection: &BytesRejection) -> Response {
    let explanation = "The request that brought you here is malformed.";
    pages::problem(rejection.status(), explanation, &sts.endpoints.stylesheet)
}

async fn authenticate(
    sts: &Sts,
    username: &str,
    password: Password,
    source: Option<&str>,
    now: Timestamp,
) -> Result<Arc<User>, SignInError> {
    if username.len() > MAX_USERNAME || password.expose().len() > MAX_PASSWORD {
        return Err(SignInError::Wrong);
    }
    let user = sts.users.by_username(username).await?;
    // Counted by the name that was typed, not by the account: that two names share a count would
    // tell that they are names of one. An address has one spelling, so that it has one count.
    let address = EmailAddress::parse(username).ok();
    let name = address.as_ref().map_or(username, EmailAddress::as_str);
    let attempt = Digest::of_parts(&[name.as_bytes(), source.unwrap_or_default().as_bytes()]);
    sts.attempts.begin(attempt, now).map_err(|refused| match refused {
        Refused::TooMany => SignInError::TooMany,
        Refused::Full => SignInError::Busy,
    })?;
    let hash = user.as_ref().map(|user| &user.password);
    let right = sts.passwords.check(hash, password).await.map_err(|_| {
        sts.attempts.not_made(attempt);
        SignInError::Busy
    })?;
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
    request: &AuthorizationRequest,
    error: SignInError,
    username: &str,
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    let answer = match error {
        SignInError::Wrong => (StatusCode::FORBIDDEN, WRONG),
        SignInError::TooMany => {
            (StatusCode::TOO_MANY_REQUESTS, "Too many attempts. Try again in ten minutes.")
        }
        SignInError::Busy => {
            (StatusCode::SERVICE_UNAVAILABLE, "Too many people are signing in. Try again soon.")
        }
        SignInError::Store(error) => return unavailable(sts, &error),
    };
    tracing::info!(client_id = %request.client_id, status = %answer.0, "sign-in failed");
    let (username, answer) = (shortened(username), (answer.0, Some(answer.1)));
    let mut response = sign_in_page(sts, request, answer, username, headers, now).await;
    if answer.0 == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("600"));
    }
    response
}

async fn sign_in_page(
    sts: &Sts,
    request: &AuthorizationRequest,
    (status, problem): (StatusCode, Option<&str>),
    username: &str,
    headers: &HeaderMap,
    now: Timestamp,
) -> Response {
    let client = match sts.clients.find(&request.client_id).await {
        Ok(client) => client,
        Err(error) => return unavailable(sts, &error),
    };
    let name = client.as_ref().map_or(request.client_id.as_str(), |client| client.name.as_str());
    let browser = Browser::of(headers, sts.random.as_ref());
    let Ok(form_token) = sts.form_tokens.seal(request, &browser, now) else {
        let explanation = "This server could not make the page.";
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return pages::problem(status, explanation, &sts.endpoints.stylesheet);
    };
    let page = SignInPage {
        provider: &sts.settings.name,
        client: name,
        scopes: pages::scopes(request),
        problem,
        action: sts.endpoints.sign_in.as_url().path(),
        stylesheet: sts.endpoints.stylesheet.as_url().path(),
        form_token: &form_token,
        username,
        destination: &pages::destination(request),
    };
    let mut response = pages::sign_in(status, &page, request);
    if let Some(cookie) = browser.cookie() {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// Keeps what the person allowed with a fresh code for it, and gives the URL that carries the code to
/// the client.
async fn issue_code(
    sts: &Sts,
    request: AuthorizationRequest,
    user: &User,
    now: Timestamp,
) -> Result<String, StoreError> {
    let random = sts.random.as_ref();
    let code = AuthorizationCode::generate(random);
    let location = request.success_location(code.expose(), sts.issuer());
    let code_expires = now.after(code::LIFETIME);
    let lasts = if request.scope.contains(OFFLINE_ACCESS) {
        now.after(sts.settings.refresh_token_lifetime)
    } else {
        now
    };
    let grant = Grant {
        id: random::identifier(random),
        subject: user.subject.clone(),
        client_id: request.client_id.clone(),
        scope: request.scope.clone(),
        sign_in: SignIn {
            sid: random::identifier(random),
            auth_time: now,
            amr: vec!["pwd".to_owned()],
        },
        expires: lasts.max(code_expires.after(sts.settings.access_token_lifetime)),
        renewal: None,
    };
    let kept = CodeGrant {
        request,
        expires: code_expires,
        subject: user.subject.clone(),
        grant_id: grant.id.clone(),
    };
    // The code is kept as long as the grant, so that a replay is noticed all that time.
    tokio::try_join!(
        sts.grants.insert(&grant.subject, &grant.id, &grant, grant.expires),
        sts.codes.issue(&code, &kept, &grant.client_id, grant.expires),
    )?;
    tracing::info!(client_id = %grant.client_id, subject = %user.subject, "authorization code issued");
    Ok(location)
}

/// After a POST it must be 303: any other redirect may send the password on. [RFC 9700 §4.12]
///
/// [RFC 9700 §4.12]: https://www.rfc-editor.org/rfc/rfc9700#section-4.12
fn redirect(location: &str) -> Response {
    let mut response = Response::new(Body::empty());
    match HeaderValue::try_from(location) {
        Ok(location) => {
            *response.status_mut() = StatusCode::SEE_OTHER;
            response.headers_mut().insert(LOCATION, location);
        }
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    pages::protect(response.headers_mut());
    response
}

fn unavailable(sts: &Sts, error: &StoreError) -> Response {
    tracing::error!(error = error as &dyn std::error::Error, "the store failed");
    let explanation = "This server cannot sign you in at the moment.";
    let status = StatusCode::SERVICE_UNAVAILABLE;
    pages::problem(status, explanation, &sts.endpoints.stylesheet)
}
