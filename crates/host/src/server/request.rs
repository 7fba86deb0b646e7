//! One request: identified, its body bounded, handled under a guard.

use std::future::Future;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::ConnectInfo;
use countersign_types::Wire;
use countersign_types::wire::ErrorCode;
use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use tracing::Instrument as _;

use super::alarm::Alarm;
use super::body::Paced;
use super::{Bodies, Limits, Served};

/// Names one request in the log: an extension of the request, and `x-request-id` of its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(HeaderValue);

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl RequestId {
    /// This start's prefix, of base64url, and the number of a request.
    pub(super) fn new(prefix: &str, number: u64) -> Self {
        // INVARIANT: both are visible ASCII.
        let id = HeaderValue::try_from(format!("{prefix}-{number}"));
        Self(id.unwrap_or(HeaderValue::from_static("")))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a handler is told beside the request itself.
pub(super) struct Caller {
    pub(super) peer: SocketAddr,
    pub(super) id: RequestId,
}

/// Answers one request, whatever happens.
pub(super) async fn answer(
    request: Request<Incoming>,
    caller: Caller,
    served: &Served,
    limits: &Limits,
    bodies: Bodies,
    alarm: &Alarm,
) -> Response<Body> {
    let id = caller.id.clone();
    // The path alone: a query may carry a code or a state.
    let span = tracing::info_span!("request", %id, method = %request.method(), path = request.uri().path());
    let is_chunked = request.headers().contains_key(TRANSFER_ENCODING);
    let mut response = async {
        let response = match body_of(request, limits, bodies, alarm).await {
            Ok(request) => handle(request, caller, served, limits, alarm).await,
            Err(wire) => closing(refuse(&wire)),
        };
        tracing::debug!(status = response.status().as_u16(), "answered");
        response
    }
    .instrument(span)
    .await;
    if is_chunked {
        // INVARIANT: no request follows a chunked one on its connection; `framing` relies on it.
        response = closing(response);
    }
    response.headers_mut().insert(X_REQUEST_ID, id.0);
    response
}

/// The request with its body, bounded in size and time: read whole, so that no handler waits for a
/// peer, or to be read piece by piece.
async fn body_of(
    request: Request<Incoming>,
    limits: &Limits,
    bodies: Bodies,
    alarm: &Alarm,
) -> Result<Request<Body>, Wire> {
    let (head, body) = request.into_parts();
    if hyper::body::Body::is_end_stream(&body) {
        return Ok(Request::from_parts(head, Body::empty()));
    }
    let declared = hyper::body::Body::size_hint(&body).lower();
    if declared > limits.body_size as u64 {
        return Err(TOO_LARGE);
    }
    let body = Limited::new(body, limits.body_size);
    if bodies == Bodies::Streamed {
        return Ok(Request::from_parts(head, Body::new(Paced::new(body, limits.body))));
    }
    match alarm.within(limits.body, body.collect()).await {
        Some(Ok(body)) => Ok(Request::from_parts(head, Body::from(body.to_bytes()))),
        Some(Err(error)) if error.is::<LengthLimitError>() => Err(TOO_LARGE),
        Some(Err(_)) => Err(BROKEN),
        None => Err(TOO_SLOW),
    }
}

const TOO_LARGE: Wire = Wire::new(
    ErrorCode::INVALID_REQUEST,
    StatusCode::PAYLOAD_TOO_LARGE,
    "the request body is too large",
);
const TOO_SLOW: Wire = Wire::new(
    ErrorCode::INVALID_REQUEST,
    StatusCode::REQUEST_TIMEOUT,
    "the request body did not arrive in time",
);
const BROKEN: Wire = Wire::new(
    ErrorCode::INVALID_REQUEST,
    StatusCode::BAD_REQUEST,
    "the request body cannot be read",
);

async fn handle(
    mut request: Request<Body>,
    caller: Caller,
    served: &Served,
    limits: &Limits,
    alarm: &Alarm,
) -> Response<Body> {
    request.extensions_mut().insert(caller.id);
    request.extensions_mut().insert(ConnectInfo(caller.peer));
    let handling = pin!(served.answer(request));
    match alarm.within(limits.handler, Guarded(handling)).await {
        Some(Some(response)) => response,
        // The hook of `logging` has said where.
        Some(None) => refuse(&Wire::server_error()),
        None => {
            tracing::error!("the handler took too long");
            refuse(&Wire::unavailable())
        }
    }
}

fn refuse(wire: &Wire) -> Response<Body> {
    wire.response().map(Body::from)
}

/// Says that it is the last answer of its connection, and makes it so.
pub(super) fn closing(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A future whose panic is `None`. Nobody polls it again then, and whatever it left half done ends with
/// it: what outlives a request is behind locks that tolerate poison, or in the store.
struct Guarded<'a, F>(Pin<&'a mut F>);

impl<F: Future> Future for Guarded<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    }
}
