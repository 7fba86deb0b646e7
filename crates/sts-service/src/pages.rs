//! The pages a person sees. A handler says which one it is; in which language is decided on the way
//! out ([`countersign_pages::page`]).

mod views;

use axum::response::Response;
use countersign_oidc::{AuthorizationRequest, PageError};
pub(crate) use countersign_pages::page::moment;
use countersign_pages::page::{form_action, html, origin};
use countersign_types::{EndpointUrl, ScopeSet};
use http::StatusCode;

use self::views::ProblemPage;
pub(crate) use self::views::{
    AccountPage, AllowedClient, AskingClient, ClosePage, Closing, ConsentPage, KnownSession,
    LinkPage, LinkedIdentity, OfferedUpstream, Onward, OnwardPage, Person, Scope, SignInPage,
    SignOutPage, Told,
};
use crate::form_token::Purpose;
use crate::texts::{Say, Texts};

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
    html(status, page, locales(purpose.request()), &leads(purpose.request()))
}

/// The page that leads on to another provider, or back from one. It has no form.
pub(crate) fn onward(page: OnwardPage, ui_locales: Option<String>) -> Response {
    html(StatusCode::OK, page, ui_locales, "'none'")
}

/// A page about linking an account. Its form may lead where that of a sign-in page may.
pub(crate) fn link(
    status: StatusCode,
    page: LinkPage,
    request: Option<&AuthorizationRequest>,
) -> Response {
    html(status, page, locales(request), &leads(request))
}

/// Where a form may lead by which somebody signs in.
fn leads(request: Option<&AuthorizationRequest>) -> String {
    match request {
        Some(request) => format!("'self' {}", form_action(&request.redirect_uri)),
        None => "'self'".to_owned(),
    }
}

/// A page that asks. Its form may lead where that of a sign-in page may.
pub(crate) fn consent(page: ConsentPage, request: &AuthorizationRequest) -> Response {
    html(StatusCode::OK, page, locales(Some(request)), &leads(Some(request)))
}

/// A page about signing out. Its form may lead to this server, and on to where the browser is sent.
pub(crate) fn sign_out(page: SignOutPage, ui_locales: Option<String>) -> Response {
    let leads = page.onward.as_ref().map(|onward| format!(" {}", form_action(&onward.url)));
    html(StatusCode::OK, page, ui_locales, &format!("'self'{}", leads.unwrap_or_default()))
}

impl Onward {
    pub(crate) fn to(url: String) -> Self {
        Self { place: origin(&url), url }
    }
}

/// The page on which a person sees what they allowed.
pub(crate) fn account(status: StatusCode, page: AccountPage) -> Response {
    html(status, page, None, "'self'")
}

/// The page about closing an account.
pub(crate) fn close(page: ClosePage) -> Response {
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
pub(crate) fn locales(request: Option<&AuthorizationRequest>) -> Option<String> {
    request.and_then(|request| request.ui_locales.clone())
}
