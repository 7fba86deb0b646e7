//! A reverse proxy behind the layer: the same checks in front of anything that speaks HTTP.
//!
//! What passes is what was judged. The path goes on in the one spelling that the rules saw, and
//! what could talk the service behind into another method, path or caller is taken out: headers
//! that override the method or the URL, every header in which this proxy or another passes a caller
//! on, and those that belong to one connection ([RFC 9110 §7.6.1]). The verified caller then goes
//! on in [`CallerHeaders`].
//!
//! Bodies stream in both directions and connections to the service are used again. A service that
//! cannot be reached is 502, one that does not go on in time 504.
//!
//! # What is left out
//!
//! `Upgrade` (WebSocket, HTTP/2), caching, and a choice among several services. The connection to
//! the service is not encrypted, and so goes to this machine's loopback only.
//!
//! [RFC 9110 §7.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1

mod alarm;
mod body;
mod connections;
mod headers;

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use countersign_types::wire::ErrorCode;
use countersign_types::{ResourceIdentifier, Wire};
use http::header::TRANSFER_ENCODING;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use hyper_util::client::legacy::connect::HttpConnector;
use tower_service::Service;

pub use self::body::ProxyBody;
use self::body::{Incoming, Outgoing};
use self::connections::{Connections, TooSlow};
pub use self::headers::CallerHeaders;
pub(crate) use self::headers::{OwnHeaders, Told};
use crate::caller::VerifiedCaller;
use crate::path::StrictPath;

type BoxError = Box<dyn Error + Send + Sync>;

/// How long the service behind may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyLimits {
    /// To accept a connection. Default 5 s.
    pub connect: Duration,
    /// To begin its answer, from the last piece of the request's body on. Default 30 s.
    pub answer: Duration,
    /// Between two pieces of its answer. Default 30 s.
    pub pause: Duration,
    /// An idle connection is kept so long. Default 30 s.
    pub idle: Duration,
}

impl Default for ProxyLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(30),
            pause: Duration::from_secs(30),
            idle: Duration::from_secs(30),
        }
    }
}

/// The service behind the proxy: an `http` origin on this machine.
///
/// ```
/// use countersign_resource::proxy::Upstream;
/// assert!(Upstream::parse("http://127.0.0.1:3000").is_ok());
/// for other in ["http://10.0.0.7:3000", "https://127.0.0.1", "http://127.0.0.1/api", "127.0.0.1"] {
///     assert!(Upstream::parse(other).is_err());
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream(Authority);

/// A text is no service that is proxied.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an http origin on a loopback address, as http://127.0.0.1:3000")]
pub struct UpstreamError;

impl Upstream {
    /// Parses an origin.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub fn parse(text: &str) -> Result<Self, UpstreamError> {
        let uri: Uri = text.parse().map_err(|_| UpstreamError)?;
        let authority = uri.authority().ok_or(UpstreamError)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let is_local = host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let is_origin = matches!(text.strip_suffix('/').unwrap_or(text).split_once("://"),
            Some(("http", rest)) if rest == authority.as_str());
        if is_local && is_origin && !authority.as_str().contains('@') {
            Ok(Self(authority.clone()))
        } else {
            Err(UpstreamError)
        }
    }
}

impl From<Upstream> for Uri {
    fn from(Upstream(authority): Upstream) -> Self {
        let mut parts = http::uri::Parts::default();
        (parts.scheme, parts.authority) = (Some(Scheme::HTTP), Some(authority));
        parts.path_and_query = Some(PathAndQuery::from_static("/"));
        // INVARIANT: a scheme, an authority and a path are a URL.
        Self::from_parts(parts).unwrap_or_default()
    }
}

impl std::fmt::Display for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

/// Sends what it is given to the service behind. It stands behind
/// [`ProtectLayer`](crate::ProtectLayer): a request without the path that a layer judged is
/// refused.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    connections: Connections,
    headers: Arc<OwnHeaders>,
    limits: ProxyLimits,
}

impl Proxy {
    /// A proxy for what the outside knows as `identifier`.
    #[must_use]
    pub fn new(
        upstream: Upstream,
        identifier: &ResourceIdentifier,
        callers: CallerHeaders,
        limits: ProxyLimits,
    ) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(limits.connect));
        connector.set_nodelay(true);
        let connections = Connections::new(connector, upstream.into(), limits.idle);
        let headers = Arc::new(OwnHeaders::new(callers, identifier));
        Self(Arc::new(Inner { connections, headers, limits }))
    }
}

impl<B> Service<Request<B>> for Proxy
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ProxyBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        // What is sent is ready before anybody waits: the future has no room for what it was.
        let request = inner.outbound(request);
        Box::pin(async move {
            let answer = match request {
                Ok(request) => inner.send(request).await,
                Err(failure) => Err(failure),
            };
            Ok(answer.unwrap_or_else(|failure| failure.into_response()))
        })
    }
}

/// Why there is no answer of the service behind.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the request was not judged by a layer")]
    NotJudged,
    #[error("the request cannot be passed on")]
    Request(#[from] http::Error),
    #[error("the request's body could not be read")]
    Body(#[source] BoxError),
    #[error("the service does not answer")]
    Upstream(#[source] BoxError),
    #[error("the service took too long")]
    TooSlow,
}

impl Inner {
    async fn send(&self, request: Request<Outgoing>) -> Result<Response<ProxyBody>, Failure> {
        let answer = self.connections.send(request).await;
        let (answer, connection) = answer.map_err(Failure::of)?;
        let (mut head, body) = answer.into_parts();
        headers::strip_connection(&mut head.headers);
        // The version is each connection's own. [RFC 9110 §2.5]
        head.version = Version::HTTP_11;
        let body = ProxyBody::new(Incoming::new(body, connection, self.limits.pause));
        Ok(Response::from_parts(head, body))
    }

    /// The request to the service.
    fn outbound<B>(&self, mut request: Request<B>) -> Result<Request<Outgoing>, Failure>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let known = std::mem::take(request.extensions_mut());
        let path = known.get::<StrictPath>().ok_or(Failure::NotJudged)?;
        if let Some(target) = target(path, request.uri())? {
            *request.uri_mut() = target;
        }
        let caller = known.get::<VerifiedCaller>();
        *request.headers_mut() = headers::passed_on(request.headers(), caller, &self.headers);
        let body = request.body();
        if !body.is_end_stream() && body.size_hint().exact().is_none() {
            // Of a GET or HEAD with a body whose length nobody knows, the client would send none.
            let chunked = HeaderValue::from_static("chunked");
            request.headers_mut().insert(TRANSFER_ENCODING, chunked);
        }
        *request.version_mut() = Version::HTTP_11;
        Ok(request.map(|body| Outgoing::new(body, self.limits.answer)))
    }
}

/// The target of the request to the service, unless it is what it was.
fn target(path: &StrictPath, uri: &Uri) -> Result<Option<Uri>, http::Error> {
    if uri.scheme().is_none() && uri.authority().is_none() && path.is_encoded(uri.path()) {
        return Ok(None);
    }
    let target = match uri.query() {
        Some(query) => format!("{}?{query}", path.to_encoded()),
        None => path.to_encoded(),
    };
    Ok(Some(Uri::from(PathAndQuery::try_from(target)?)))
}

impl Failure {
    fn of(error: BoxError) -> Self {
        if error.is::<TooSlow>() {
            Self::TooSlow
        } else if body::is_of_the_request(error.as_ref()) {
            Self::Body(error)
        } else {
            Self::Upstream(error)
        }
    }

    fn into_response(self) -> Response<ProxyBody> {
        let cause: &dyn Error = &self;
        tracing::warn!(error = cause, "not passed on");
        let unavailable = |status, description| {
            Wire::new(ErrorCode::TEMPORARILY_UNAVAILABLE, status, description)
        };
        let wire = match &self {
            Self::NotJudged => Wire::server_error(),
            Self::Request(_) => Wire::new(
                ErrorCode::INVALID_REQUEST,
                StatusCode::BAD_REQUEST,
                "the request cannot be passed on",
            ),
            Self::Body(cause) if body::is_too_large(cause.as_ref()) => Wire::new(
                ErrorCode::INVALID_REQUEST,
                StatusCode::PAYLOAD_TOO_LARGE,
                "the request body is too large",
            ),
            Self::Body(_) => Wire::new(
                ErrorCode::INVALID_REQUEST,
                StatusCode::BAD_REQUEST,
                "the request body cannot be read",
            ),
            Self::Upstream(_) => {
                unavailable(StatusCode::BAD_GATEWAY, "the service behind does not answer")
            }
            Self::TooSlow => {
                unavailable(StatusCode::GATEWAY_TIMEOUT, "the service behind took too long")
            }
        };
        wire.response().map(ProxyBody::from)
    }
}

#[cfg(test)]
mod tests;
