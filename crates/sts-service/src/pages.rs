//! The pages a person sees, and the headers that protect them.

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use countersign_oidc::{AuthorizationRequest, PageError};
use countersign_types::{EndpointUrl, ScopeSet};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use url::{Host, Url};

use crate::broker::UpstreamSetup;
use crate::browser::BrowserKind;
use crate::form_token::Purpose;

/// The stylesheet of the pages.
pub(crate) const STYLE: &str = include_str!("../assets/style.css");

/// The page on which a person signs in, and by that allows what the client asks for.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(crate) struct SignInPage<'a> {
    pub(crate) provider: &'a str,
    pub(crate) asking: Option<AskingClient<'a>>,
    pub(crate) problem: Option<&'a str>,
    pub(crate) action: &'a str,
    /// The other providers that one may sign in through, and where the choice goes.
    pub(crate) upstreams: Vec<&'a UpstreamSetup>,
    pub(crate) upstream_action: &'a str,
    /// Whether one signs in by password, too.
    pub(crate) passwords: bool,
    pub(crate) stylesheet: &'a str,
    pub(crate) form_token: &'a str,
    pub(crate) username: &'a str,
}

/// Whoever asks for something on a sign-in page.
pub(crate) struct AskingClient<'a> {
    pub(crate) name: String,
    pub(crate) scopes: Vec<Scope<'a>>,
    /// Where the answer goes.
    pub(crate) destination: String,
}

/// The page that leads on to another provider.
#[derive(Template)]
#[template(path = "continue.html")]
pub(crate) struct ContinuePage<'a> {
    pub(crate) provider: &'a str,
    pub(crate) upstream: &'a str,
    pub(crate) url: &'a str,
    pub(crate) stylesheet: &'a str,
}

/// The page that leads back to whoever asked, from another provider.
#[derive(Template)]
#[template(path = "back.html")]
pub(crate) struct BackPage<'a> {
    pub(crate) provider: &'a str,
    pub(crate) destination: &'a str,
    pub(crate) url: &'a str,
    pub(crate) stylesheet: &'a str,
}

/// The pages on which somebody who came from another provider links the account that they have here.
#[derive(Template)]
#[template(path = "link.html")]
pub(crate) struct LinkPage<'a> {
    pub(crate) provider: &'a str,
    pub(crate) upstream: &'a str,
    pub(crate) label: &'a str,
    pub(crate) address: &'a str,
    /// Whether the password was right, so that only the person's word is left to be asked for.
    pub(crate) confirms: bool,
    pub(crate) problem: Option<&'a str>,
    pub(crate) action: &'a str,
    pub(crate) stylesheet: &'a str,
    pub(crate) form_token: &'a str,
    /// Where the answer goes, if a client asks.
    pub(crate) destination: Option<String>,
}

/// An identity at another provider, which the account is linked to.
pub(crate) struct LinkedIdentity<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) label: &'a str,
    /// Whether the person could not sign in without it.
    pub(crate) is_last: bool,
}

/// The page on which somebody who is signed in allows what a client asks for.
#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct ConsentPage<'a> {
    pub(crate) provider: &'a str,
    pub(crate) client: &'a str,
    pub(crate) username: &'a str,
    pub(crate) scopes: Vec<Scope<'a>>,
    pub(crate) action: &'a str,
    pub(crate) stylesheet: &'a str,
    pub(crate) form_token: &'a str,
    pub(crate) destination: &'a str,
}

/// The page on which a person signs out, or is told that they have.
#[derive(Template)]
#[template(path = "sign_out.html")]
pub(crate) struct SignOutPage<'a> {
    pub(crate) provider: &'a str,
    /// Who is to be asked; nobody is signed in without.
    pub(crate) username: Option<&'a str>,
    pub(crate) action: &'a str,
    pub(crate) stylesheet: &'a str,
    pub(crate) form_token: &'a str,
}

/// The page on which a person sees where they are signed in, and what they allowed.
#[derive(Template)]
#[template(path = "account.html")]
pub(crate) struct AccountPage<'a> {
    pub(crate) provider: &'a str,
    pub(crate) username: &'a str,
    pub(crate) sessions: Vec<KnownSession<'a>>,
    pub(crate) clients: Vec<AllowedClient<'a>>,
    pub(crate) linked: Vec<LinkedIdentity<'a>>,
    pub(crate) unlink: &'a str,
    pub(crate) action: &'a str,
    pub(crate) sign_out: &'a str,
    pub(crate) stylesheet: &'a str,
    pub(crate) form_token: &'a str,
}

/// Where somebody is signed in.
pub(crate) struct KnownSession<'a> {
    pub(crate) sid: &'a str,
    pub(crate) browser: BrowserKind,
    pub(crate) begun: String,
    /// When they proved themselves for the last time, if that was later.
    pub(crate) again: Option<String>,
    /// Whether it is the session of the browser that the page is for.
    pub(crate) is_this: bool,
}

/// What a client was allowed.
pub(crate) struct AllowedClient<'a> {
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
    pub(crate) scopes: Vec<Scope<'a>>,
    /// Whether it goes on while the person is away.
    pub(crate) is_lasting: bool,
}

/// A scope, and what it means for the person.
pub(crate) struct Scope<'a> {
    pub(crate) name: &'a str,
    pub(crate) meaning: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    title: &'a str,
    explanation: &'a str,
    stylesheet: &'a str,
}

/// The scopes of a request in the person's words.
pub(crate) fn scopes(request: &AuthorizationRequest) -> Vec<Scope<'_>> {
    meanings(&request.scope)
}

/// Scopes in the person's words.
pub(crate) fn meanings(scope: &ScopeSet) -> Vec<Scope<'_>> {
    let meaning = |name: &str| match name {
        "openid" => Some("know which account you signed in with"),
        "profile" => Some("see your name"),
        "email" => Some("see your e-mail address"),
        "offline_access" => Some("keep all of this while you are away"),
        "claims-provider" => {
            Some("speak for you elsewhere: tell the servers you visit who you are")
        }
        _ => None,
    };
    scope.iter().map(|name| Scope { name, meaning: meaning(name) }).collect()
}

/// The host that the answer goes to, for the person to see.
pub(crate) fn destination(request: &AuthorizationRequest) -> String {
    origin(&request.redirect_uri)
}

/// A sign-in page. Its form may lead to this server and on to the client, and nowhere else.
pub(crate) fn sign_in(status: StatusCode, page: &SignInPage<'_>, purpose: &Purpose) -> Response {
    html(status, page.render(), &leads(purpose))
}

/// The page that leads on to another provider. It has no form.
pub(crate) fn on_the_way(page: &ContinuePage<'_>) -> Response {
    html(StatusCode::OK, page.render(), "'none'")
}

/// The page that leads back from another provider. It has no form.
pub(crate) fn back(page: &BackPage<'_>) -> Response {
    html(StatusCode::OK, page.render(), "'none'")
}

/// A page about linking an account. Its form may lead where that of a sign-in page may.
pub(crate) fn link(status: StatusCode, page: &LinkPage<'_>, purpose: &Purpose) -> Response {
    html(status, page.render(), &leads(purpose))
}

/// Where a form may lead by which somebody signs in.
fn leads(purpose: &Purpose) -> String {
    match purpose.request() {
        Some(request) => format!("'self' {}", form_action(&request.redirect_uri)),
        None => "'self'".to_owned(),
    }
}

/// A page that asks. Its form may lead where that of a sign-in page may.
pub(crate) fn consent(page: &ConsentPage<'_>, request: &AuthorizationRequest) -> Response {
    let leads = format!("'self' {}", form_action(&request.redirect_uri));
    html(StatusCode::OK, page.render(), &leads)
}

/// A page about signing out. Its form may lead to this server, and on to where the browser is sent.
pub(crate) fn sign_out(page: &SignOutPage<'_>, destination: Option<&str>) -> Response {
    let leads = destination.map(|url| format!(" {}", form_action(url)));
    html(StatusCode::OK, page.render(), &format!("'self'{}", leads.unwrap_or_default()))
}

/// The page on which a person sees what they allowed.
pub(crate) fn account(page: &AccountPage<'_>) -> Response {
    html(StatusCode::OK, page.render(), "'self'")
}

/// A page for a request that leads nowhere.
pub(crate) fn problem(status: StatusCode, explanation: &str, stylesheet: &EndpointUrl) -> Response {
    let page = ProblemPage {
        title: "This did not work",
        explanation,
        stylesheet: stylesheet.as_url().path(),
    };
    html(status, page.render(), "'none'")
}

/// The page for an authorization request that must not be redirected.
pub(crate) fn refused(error: PageError, stylesheet: &EndpointUrl) -> Response {
    let explanation = match error {
        PageError::Client => "The application that sent you here is not known to this server.",
        PageError::RedirectUri => {
            "The application that sent you here wants the answer at a place that is not registered \
             for it."
        }
        _ => "The request that brought you here is malformed.",
    };
    problem(StatusCode::BAD_REQUEST, explanation, stylesheet)
}

fn html(
    status: StatusCode,
    rendered: Result<String, askama::Error>,
    form_action: &str,
) -> Response {
    let Ok(body) = rendered else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return response;
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
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
