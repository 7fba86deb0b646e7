//! Answers that send somebody to another place: a 303, and for a browser that navigates a page that
//! leads there.
//!
//! A browser holds every redirect after a form to what the page with the form allows, also those
//! that others make from there on ([CSP3 form-action]): a client or a provider that leads on to
//! another host of its own would be as far as anybody gets. Nor does a page of another provider,
//! whose form's answer led here, allow more than that. A page that leads on by itself is a new
//! beginning.
//!
//! [CSP3 form-action]: https://www.w3.org/TR/CSP3/#directive-form-action

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::header::{LOCATION, SET_COOKIE};
use url::Url;

use countersign_oidc::AuthorizationRequest;

use crate::app::Sts;
use crate::pages::{self, OnwardPage};

/// The page that a redirect becomes for a browser.
#[derive(Clone, Default)]
struct AsPage {
    /// What it calls the place, if that is not where the browser came from.
    provider: Option<String>,
    /// The languages that the client wishes of it: what was asked for with the request is not asked
    /// for with the form.
    ui_locales: Option<String>,
}

/// Sends the browser to the client of a request.
pub(crate) fn to_client(request: &AuthorizationRequest, location: &str) -> Response {
    redirect(location, request.ui_locales.clone())
}

/// Sends the browser back to where it came from, in these languages.
pub(crate) fn redirect(location: &str, ui_locales: Option<String>) -> Response {
    see_other(location, AsPage { provider: None, ui_locales })
}

/// Sends the browser to another provider, which the person knows by this name.
pub(crate) fn to_provider(name: &str, location: &str, ui_locales: Option<String>) -> Response {
    see_other(location, AsPage { provider: Some(name.to_owned()), ui_locales })
}

fn see_other(location: &str, page: AsPage) -> Response {
    let mut response = crate::authorize::redirect(location);
    response.extensions_mut().insert(page);
    response
}

/// Answers a browser that navigates by a page, where the way leads out of this server.
pub(crate) async fn by_a_page(
    State(sts): State<Arc<Sts>>,
    request: Request,
    next: Next,
) -> Response {
    let navigates = navigates(request.headers());
    let response = next.run(request).await;
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let Some(location) = location.filter(|_| navigates) else { return response };
    let own = sts.endpoints.authorization.as_url().origin();
    let page = response.extensions().get::<AsPage>().cloned().unwrap_or_default();
    match Url::parse(location) {
        Ok(url) if page.provider.is_some() || url.origin() != own => {
            as_page(&sts, response.headers(), location, &url, page)
        }
        _ => response,
    }
}

/// Whether a browser says that it navigates, and no script or program asks. [Fetch Metadata]
///
/// [Fetch Metadata]: https://www.w3.org/TR/fetch-metadata/#sec-fetch-mode-header
fn navigates(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate")
}

fn as_page(
    sts: &Sts,
    headers: &HeaderMap,
    location: &str,
    url: &Url,
    AsPage { provider, ui_locales }: AsPage,
) -> Response {
    let page = OnwardPage {
        provider: sts.settings.name.clone(),
        is_back: provider.is_none(),
        place: provider.unwrap_or_else(|| place(url)),
        url: location.to_owned(),
        stylesheet: sts.endpoints.stylesheet.as_url().path().to_owned(),
    };
    let mut page = pages::onward(page, ui_locales);
    for cookie in headers.get_all(SET_COOKIE) {
        page.headers_mut().append(SET_COOKIE, cookie.clone());
    }
    page
}

/// What a person knows a place by: its host, or the scheme of an application on their machine.
fn place(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => url.scheme().to_owned(),
    }
}
