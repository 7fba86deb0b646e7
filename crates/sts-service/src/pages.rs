//! The pages a person sees, the language of each, and the headers that protect them.
//!
//! A handler says which page it is. In which language is decided once, on the way out ([`speak`]): by the
//! locales that the client wishes, then by those that the browser does.

mod views;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use countersign_oidc::{AuthorizationRequest, PageError};
use countersign_types::{EndpointUrl, ScopeSet};
use http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use url::{Host, Url, form_urlencoded};

pub(crate) use self::views::{
    AccountPage, AllowedClient, AskingClient, BackPage, ConsentPage, ContinuePage, KnownSession,
    LinkPage, LinkedIdentity, OfferedUpstream, Scope, SignInPage, SignOutPage, Told,
};
use self::views::{Page, ProblemPage};
use crate::form_token::Purpose;
use crate::texts::{self, Say, Texts};

/// The stylesheet of the pages.
pub(crate) const STYLE: &str = include_str!("../assets/style.css");

/// A page on its way out, and the locales that a client wishes for it.
#[derive(Clone)]
struct Silent {
    page: Arc<dyn Page>,
    ui_locales: Option<String>,
}

/// Shows a page in the language that is wished for.
pub(crate) async fn speak(request: Request, next: Next) -> Response {
    let accepted = request.headers().get(ACCEPT_LANGUAGE).cloned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let response = next.run(request).await;
    let accepted = accepted.as_ref().and_then(|value| value.to_str().ok());
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let asked = pairs.find(|(name, _)| name == "ui_locales").map(|(_, value)| value.into_owned());
    spoken(response, asked, accepted)
}

/// A page in the language of its client's wish, or of these locales.
pub(crate) fn spoken(
    mut response: Response,
    asked: Option<String>,
    accepted: Option<&str>,
) -> Response {
    let Some(Silent { page, ui_locales }) = response.extensions_mut().remove::<Silent>() else {
        return response;
    };
    let texts = texts::chosen(ui_locales.or(asked).as_deref(), accepted);
    match page.speak(texts) {
        Ok(body) => {
            let language = HeaderValue::from_static(texts.tag);
            response.headers_mut().insert(CONTENT_LANGUAGE, language);
            *response.body_mut() = Body::from(body);
        }
        Err(_) => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    response
}

/// The scopes of a request in the person's words.
pub(crate) fn scopes(request: &AuthorizationRequest) -> Vec<Scope> {
    meanings(&request.scope)
}

/// Scopes in the person's words.
pub(crate) fn meanings(scope: &ScopeSet) -> Vec<Scope> {
    let meaning = |name: &str| -> Option<Say> {
        match name {
            "openid" => Some(|t: &Texts| t.scope_openid),
            "profile" => Some(|t: &Texts| t.scope_profile),
            "email" => Some(|t: &Texts| t.scope_email),
            "offline_access" => Some(|t: &Texts| t.scope_offline_access),
            "claims-provider" => Some(|t: &Texts| t.scope_claims_provider),
            _ => None,
        }
    };
    scope.iter().map(|name| Scope { name: name.to_owned(), meaning: meaning(name) }).collect()
}

/// The host that the answer goes to, for the person to see.
pub(crate) fn destination(request: &AuthorizationRequest) -> String {
    origin(&request.redirect_uri)
}

/// A sign-in page. Its form may lead to this server and on to the client, and nowhere else.
pub(crate) fn sign_in(status: StatusCode, page: SignInPage, purpose: &Purpose) -> Response {
    html(status, page, locales(purpose.request()), &leads(purpose))
}

/// The page that leads on to another provider. It has no form.
pub(crate) fn on_the_way(page: ContinuePage, purpose: &Purpose) -> Response {
    html(StatusCode::OK, page, locales(purpose.request()), "'none'")
}

/// The page that leads back from another provider. It has no form.
pub(crate) fn back(page: BackPage) -> Response {
    html(StatusCode::OK, page, None, "'none'")
}

/// A page about linking an account. Its form may lead where that of a sign-in page may.
pub(crate) fn link(status: StatusCode, page: LinkPage, purpose: &Purpose) -> Response {
    html(status, page, locales(purpose.request()), &leads(purpose))
}

/// Where a form may lead by which somebody signs in.
fn leads(purpose: &Purpose) -> String {
    match purpose.request() {
        Some(request) => format!("'self' {}", form_action(&request.redirect_uri)),
        None => "'self'".to_owned(),
    }
}

/// A page that asks. Its form may lead where that of a sign-in page may.
pub(crate) fn consent(page: ConsentPage, request: &AuthorizationRequest) -> Response {
    let leads = format!("'self' {}", form_action(&request.redirect_uri));
    html(StatusCode::OK, page, locales(Some(request)), &leads)
}

/// A page about signing out. Its form may lead to this server, and on to where the browser is sent.
pub(crate) fn sign_out(page: SignOutPage, destination: Option<&str>) -> Response {
    let leads = destination.map(|url| format!(" {}", form_action(url)));
    html(StatusCode::OK, page, None, &format!("'self'{}", leads.unwrap_or_default()))
}

/// The page on which a person sees what they allowed.
pub(crate) fn account(page: AccountPage) -> Response {
    html(StatusCode::OK, page, None, "'self'")
}

/// A page for a request that leads nowhere.
pub(crate) fn problem(status: StatusCode, explanation: Say, stylesheet: &EndpointUrl) -> Response {
    let page = ProblemPage { explanation, stylesheet: stylesheet.as_url().path().to_owned() };
    html(status, page, None, "'none'")
}

/// The page for an authorization request that must not be redirected.
pub(crate) fn refused(error: PageError, stylesheet: &EndpointUrl) -> Response {
    let explanation: Say = match error {
        PageError::Client => |t| t.unknown_client,
        PageError::RedirectUri => |t| t.unknown_place,
        _ => |t| t.malformed,
    };
    problem(StatusCode::BAD_REQUEST, explanation, stylesheet)
}

/// The locales that a client wishes, if there is one.
fn locales(request: Option<&AuthorizationRequest>) -> Option<String> {
    request.and_then(|request| request.ui_locales.clone())
}

fn html(
    status: StatusCode,
    page: impl Page + 'static,
    ui_locales: Option<String>,
    form_action: &str,
) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.extensions_mut().insert(Silent { page: Arc::new(page), ui_locales });
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action {form_action}; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    // INVARIANT: an origin is visible ASCII, so the policy is a header value.
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_str(&policy)
            .unwrap_or(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    );
    protect(headers);
    response
}

/// Headers of every answer that a browser may show.
pub(crate) fn protect(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

/// The place of a redirect URI as a source of a content security policy, which browsers hold the
/// redirect after a form to. The grammar has no IPv6 literals ([CSP3 host-source]): a browser skips
/// such a source and stops the redirect, so that the scheme has to do.
///
/// [CSP3 host-source]: https://www.w3.org/TR/CSP3/#grammardef-host-source
fn form_action(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) if matches!(url.host(), Some(Host::Ipv6(_))) => format!("{}:", url.scheme()),
        _ => origin(url),
    }
}

fn origin(url: &str) -> String {
    Url::parse(url).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization())
}
