//! Answers that send a browser to another place, as pages that lead there.
//!
//! A browser holds every redirect after a form to what the page with the form allows, also those that
//! others make from there on ([CSP3 form-action]): a client that leads on to another host of its own would
//! be as far as anybody gets. Nor does a page of another provider, whose form's answer led here, allow
//! more than that. A page that leads on by itself is a new beginning.
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

/// The languages that the client wishes of the page that a redirect may become: what was asked for with
/// the request is not asked for with the form.
#[derive(Clone)]
struct Wished(Option<String>);

/// Sends the browser to the client of a request.
pub(crate) fn to_client(request: &AuthorizationRequest, location: &str) -> Response {
    redirect(location, request.ui_locales.clone())
}

/// Sends the browser on, in these languages.
pub(crate) fn redirect(location: &str, ui_locales: Option<String>) -> Response {
    let mut response = crate::authorize::redirect(location);
    response.extensions_mut().insert(Wished(ui_locales));
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
    match Url::parse(location) {
        Ok(url) if url.origin() != sts.endpoints.authorization.as_url().origin() => {
            let wished = response.extensions().get::<Wished>();
            let ui_locales = wished.and_then(|Wished(locales)| locales.clone());
            as_page(&sts, response.headers(), location, &url, ui_locales)
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
    ui_locales: Option<String>,
) -> Response {
    let page = OnwardPage {
        provider: sts.settings.name.clone(),
        place: place(url),
        is_back: true,
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
