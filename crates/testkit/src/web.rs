//! Hosts that say whatever a test makes them say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use countersign_types::EndpointUrl;
use http::header::{CONTENT_TYPE, HOST, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

/// Some hosts of the deployment's web, over TLS like everybody else: what is not published is 404.
#[derive(Clone, Debug, Default)]
pub struct Web(Arc<Mutex<Published>>);

/// A request that was received.
#[derive(Clone, Debug)]
pub struct Received {
    /// The method.
    pub method: Method,
    /// The URL, query included.
    pub url: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// What is said at a URL.
#[derive(Clone, Debug)]
pub struct Page {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    silent: bool,
}

#[derive(Debug, Default)]
struct Published {
    pages: HashMap<String, Page>,
    received: Vec<Received>,
}

impl Page {
    /// A page of a status and a content type.
    ///
    /// # Panics
    /// If they are none.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test stops at once")]
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().expect("a content type"));
        let status = StatusCode::from_u16(status).expect("a status");
        Self { status, headers, body: body.into(), silent: false }
    }

    /// A JSON document.
    #[must_use]
    pub fn json(document: &serde_json::Value) -> Self {
        Self::new(200, "application/json", document.to_string())
    }

    /// No answer, ever.
    #[must_use]
    pub fn silence() -> Self {
        Self { silent: true, ..Self::new(200, "text/plain", "") }
    }

    /// A redirect.
    #[must_use]
    pub fn redirect(to: &str) -> Self {
        Self::new(302, "text/plain", "").with_header(LOCATION.as_str(), to)
    }

    /// With one more header.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test stops at once")]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        let name: http::HeaderName = name.parse().expect("a header name");
        self.headers.append(name, HeaderValue::from_str(value).expect("a header value"));
        self
    }
}

impl Web {
    /// Publishes a page at a URL, whatever the query and the method; an earlier one is replaced.
    ///
    /// # Panics
    /// If the URL is none.
    #[expect(clippy::expect_used, reason = "a test stops at once")]
    pub fn publish(&self, url: &str, page: Page) {
        let url = EndpointUrl::parse(url).expect("a URL");
        let key = key(url.as_url().host_str().unwrap_or_default(), url.as_url().path());
        self.state().pages.insert(key, page);
    }

    /// Every request received so far, in order.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.state().received.clone()
    }

    /// Forgets what was received.
    pub fn forget(&self) {
        self.state().received.clear();
    }

    pub(crate) fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }

    fn state(&self) -> MutexGuard<'_, Published> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(host: &str, path: &str) -> String {
    format!("{}{path}", host.to_ascii_lowercase())
}

async fn answer(State(web): State<Web>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default().to_owned();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let page = {
        let mut state = web.state();
        state.received.push(Received {
            method: parts.method,
            url: format!("https://{host}{target}"),
            headers: parts.headers,
            body,
        });
        state.pages.get(&key(&host, parts.uri.path())).cloned()
    };
    let mut response = Response::default();
    match page {
        Some(page) if page.silent => std::future::pending().await,
        Some(page) => {
            *response.status_mut() = page.status;
            *response.headers_mut() = page.headers;
            *response.body_mut() = Body::from(page.body);
        }
        None => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    response
}
