//! The seam: what is asked for, what is taken as an answer, and how it can fail.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign_types::EndpointUrl;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

/// A boxed future, so that [`Fetch`] is object safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sends a request and returns the whole response.
///
/// The URL is untrusted: whoever implements this for real must keep the request's [`Limits`] and
/// reach public addresses only. What comes back has been checked against the limits and nothing
/// else; its content is untrusted.
pub trait Fetch: Send + Sync {
    /// Sends `request`.
    ///
    /// # Errors
    /// Any [`FetchError`]; [`FetchError::is_temporary`] tells what may be tried again later.
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>>;
}

/// One outbound request. `Debug` shows neither header values nor the body.
#[derive(Clone)]
#[non_exhaustive]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Where it goes.
    pub url: EndpointUrl,
    /// Headers. `Host` and those that frame the message are made from the URL and the body; on a
    /// redirect none of the others is sent along.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// What is taken as an answer.
    pub limits: Limits,
}

impl Request {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: Method, url: EndpointUrl, limits: Limits) -> Self {
        let mut headers = HeaderMap::new();
        if let Some(accept) = limits.accept() {
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
        }
        Self { method, url, headers, body: Bytes::new(), limits }
    }

    /// A `GET`.
    #[must_use]
    pub fn get(url: EndpointUrl, limits: Limits) -> Self {
        Self::new(Method::GET, url, limits)
    }

    /// A `POST` of `application/x-www-form-urlencoded` parameters.
    #[must_use]
    pub fn post_form<N, V>(url: EndpointUrl, params: &[(N, V)], limits: Limits) -> Self
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(params.iter().map(|(name, value)| (name.as_ref(), value.as_ref())))
            .finish();
        Self::new(Method::POST, url, limits)
            .with_header(
                CONTENT_TYPE,
                HeaderValue::from_static("application/x-www-form-urlencoded"),
            )
            .with_body(form)
    }

    /// With one more header; a header of that name that was there is replaced.
    #[must_use]
    pub fn with_header(mut self, name: http::HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// With a body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &self.url.as_str())
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("body", &format_args!("{} bytes", self.body.len()))
            .field("limits", &self.limits)
            .finish()
    }
}

/// What a request takes as an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most bytes of a body.
    pub max_body: usize,
    /// How long everything together may take: resolving, connecting, TLS, redirects, body.
    pub total: Duration,
    /// How many redirects are followed, by `GET` only.
    pub redirects: u8,
    /// Media types of a successful answer's body; `+json` stands for every `application` type of
    /// that suffix. Empty means any type. A 200 has to be of such a type, any other success if it
    /// has a body that is read.
    pub content_types: &'static [&'static str],
    /// Whether answers with a status other than 200 are returned, too: errors to be read, and
    /// redirects, which are not followed then.
    pub any_status: bool,
    /// The only status whose body is read; the body of any other answer is left where it is,
    /// however large it may be. `None` reads every body.
    pub body_of: Option<StatusCode>,
}

const JSON: &[&str] = &["application/json", "+json"];

impl Limits {
    const fn document(max_body: usize) -> Self {
        Self {
            max_body,
            total: Duration::from_secs(5),
            redirects: 0,
            content_types: JSON,
            any_status: false,
            body_of: None,
        }
    }

    /// For metadata documents: 64 KiB of JSON in 5 seconds.
    #[must_use]
    pub const fn metadata() -> Self {
        Self::document(64 * 1024)
    }

    /// For JWK sets: 64 KiB of JSON in 5 seconds.
    #[must_use]
    pub const fn jwks() -> Self {
        Self::document(64 * 1024)
    }

    /// For client metadata documents: 5 KiB of JSON in 5 seconds.
    #[must_use]
    pub const fn client_document() -> Self {
        Self::document(5 * 1024)
    }

    /// For WebFinger: 64 KiB of JSON in 5 seconds, over up to two redirects.
    #[must_use]
    pub const fn webfinger() -> Self {
        let mut limits = Self::document(64 * 1024);
        limits.redirects = 2;
        limits
    }

    /// For our own requests to token, introspection and protection endpoints: 256 KiB of JSON in
    /// 10 seconds, with any status.
    #[must_use]
    pub const fn token_endpoint() -> Self {
        let mut limits = Self::document(256 * 1024);
        limits.total = Duration::from_secs(10);
        limits.any_status = true;
        limits
    }

    /// For a resource its user chose: 16 MiB of anything in 30 seconds, with any status.
    #[must_use]
    pub const fn resource() -> Self {
        Self {
            max_body: 16 * 1024 * 1024,
            total: Duration::from_secs(30),
            redirects: 0,
            content_types: &[],
            any_status: true,
            body_of: None,
        }
    }

    /// With another bound on the body.
    #[must_use]
    pub const fn with_max_body(mut self, max_body: usize) -> Self {
        self.max_body = max_body;
        self
    }

    /// With the bodies of answers of this status alone.
    #[must_use]
    pub const fn with_body_of(mut self, status: StatusCode) -> Self {
        self.body_of = Some(status);
        self
    }

    /// With another bound on the time.
    #[must_use]
    pub const fn with_total(mut self, total: Duration) -> Self {
        self.total = total;
        self
    }

    const fn accept(&self) -> Option<&'static str> {
        if self.content_types.is_empty() {
            None
        } else if self.redirects > 0 {
            Some("application/jrd+json, application/json")
        } else {
            Some("application/json")
        }
    }
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The URL cannot be put into a request.
    #[error("the URL cannot be requested")]
    Url,
    /// The host has no address that may be reached.
    #[error("{host} has no address that may be reached")]
    Refused {
        /// The host of the URL.
        host: String,
    },
    /// The host's name could not be resolved.
    #[error("the host's name could not be resolved")]
    Resolve(#[source] std::io::Error),
    /// No connection could be made.
    #[error("no connection could be made")]
    Connect(#[source] Box<dyn Error + Send + Sync>),
    /// The TLS handshake failed, or the certificate is not valid for the host.
    #[error("the TLS handshake failed")]
    Tls(#[source] Box<dyn Error + Send + Sync>),
    /// The time was up.
    #[error("the response did not arrive in time")]
    Timeout,
    /// The connection broke, or what came is not HTTP.
    #[error("the response could not be read")]
    Protocol(#[source] Box<dyn Error + Send + Sync>),
    /// The response is larger than the limit.
    #[error("the response is too large")]
    TooLarge,
    /// A redirect that is not followed: one too many, or to something that is not `https`.
    #[error("the response is a redirect that is not followed")]
    Redirect,
    /// The content type or encoding of the body is not one that was asked for.
    #[error("the response's content type is not acceptable")]
    ContentType,
    /// The status is not 200.
    #[error("the response's status is {0}")]
    Status(StatusCode),
}

impl FetchError {
    /// Whether the same request may succeed later: the peer or the network failed, and nothing
    /// authenticated was said. Such a failure is not cached.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Resolve(_)
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::Timeout
            | Self::Protocol(_) => true,
            Self::Status(status) => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Url
            | Self::Refused { .. }
            | Self::TooLarge
            | Self::Redirect
            | Self::ContentType => false,
        }
    }
}

/// What a call of an [`http_client`] comes to.
pub type HttpClientFuture = BoxFuture<'static, Result<Response<Vec<u8>>, FetchError>>;

/// An HTTP client for the `oauth2` and `openidconnect` crates, which take any such function.
///
/// Requests to what is not an [`EndpointUrl`] fail with [`FetchError::Url`].
pub fn http_client(
    fetch: Arc<dyn Fetch>,
    limits: Limits,
) -> impl Fn(http::Request<Vec<u8>>) -> HttpClientFuture {
    move |request| {
        let fetch = Arc::clone(&fetch);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let url = EndpointUrl::parse(&head.uri.to_string()).map_err(|_| FetchError::Url)?;
            let mut outbound = Request::new(head.method, url, limits).with_body(body);
            outbound.headers.extend(head.headers);
            let response = fetch.fetch(outbound).await?;
            Ok(response.map(|body| body.to_vec()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_values() {
        let url = EndpointUrl::parse("https://as.example/token").unwrap();
        let request = Request::post_form(url, &[("code", "c0de")], Limits::token_endpoint())
            .with_header(http::header::AUTHORIZATION, HeaderValue::from_static("Basic s3cret"));
        let shown = format!("{request:?}");
        assert!(shown.contains("authorization") && shown.contains("9 bytes"), "{shown}");
        assert!(!shown.contains("s3cret") && !shown.contains("c0de"), "{shown}");
    }
}
