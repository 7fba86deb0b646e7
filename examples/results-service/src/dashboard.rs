//! The dashboard: files that are read once, at the start.
//!
//! Its policy for browsers allows what it does and nothing else: scripts and styles of this very
//! origin, requests to this origin and to where people sign in.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use countersign::types::Issuer;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The one module that is not here: the OpenID client.
const LIBRARY: &str = "oauth4webapi/build/index.js";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

struct Site {
    files: BTreeMap<&'static str, (&'static str, Bytes)>,
    headers: HeaderMap,
}

/// Its routes. `modules` is where `npm ci` has put the library.
///
/// # Errors
/// The library is not there.
pub fn router(modules: &Path, provider: &Issuer) -> Result<Router, Box<dyn Error>> {
    let library = modules.join(LIBRARY);
    let library = std::fs::read(&library)
        .map_err(|error| format!("{}: {error} (`start` installs it)", library.display()))?;
    let page = Bytes::from_static(include_bytes!("../dashboard/index.html"));
    let own = |text: &'static str| Bytes::from_static(text.as_bytes());
    let files = BTreeMap::from([
        ("/", (HTML, page.clone())),
        // Where the provider sends people back to.
        ("/callback", (HTML, page)),
        ("/style.css", ("text/css; charset=utf-8", own(include_str!("../dashboard/style.css")))),
        ("/icon.svg", ("image/svg+xml", own(include_str!("../dashboard/icon.svg")))),
        ("/app.js", (SCRIPT, own(include_str!("../dashboard/app.js")))),
        ("/session.js", (SCRIPT, own(include_str!("../dashboard/session.js")))),
        ("/view.js", (SCRIPT, own(include_str!("../dashboard/view.js")))),
        ("/oauth4webapi.js", (SCRIPT, Bytes::from(library))),
    ]);
    let paths: Vec<_> = files.keys().copied().collect();
    let site = Arc::new(Site { files, headers: headers(provider)? });
    let routes =
        paths.into_iter().fold(Router::new(), |router, path| router.route(path, get(file)));
    Ok(routes.with_state(site))
}

async fn file(State(site): State<Arc<Site>>, request: Request) -> Response {
    // INVARIANT: a path with a route has its file.
    let found = site.files.get(request.uri().path());
    let (kind, content) = found.cloned().unwrap_or((HTML, Bytes::new()));
    let mut response = Response::new(Body::from(content));
    response.headers_mut().clone_from(&site.headers);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn headers(provider: &Issuer) -> Result<HeaderMap, Box<dyn Error>> {
    let provider = provider.as_str().split('/').take(3).collect::<Vec<_>>().join("/");
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self' {provider}; base-uri 'none'; form-action 'self' {provider}; \
         frame-ancestors 'none'; require-trusted-types-for 'script'"
    );
    let mut headers = HeaderMap::from_iter([
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        // The answer of the provider stands in the address of the page.
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ]);
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::try_from(policy)?);
    Ok(headers)
}
