//! One request: identified, its body bounded, handled under a guard.

use std::future::Future;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
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
use super::served::Answer;
use super::{Bodies, Limits, Served};

/// Names one request in the log, and as `x-request-id` in its answer. The handlers of a router have
/// it among the request's extensions.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId {
    octets: [u8; Self::ROOM],
    length: usize,
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl RequestId {
    /// A prefix of eight octets, a hyphen, and a number of up to twenty digits.
    const ROOM: usize = 29;

    /// This start's prefix, of base64url, and the number of a request.
    pub(super) fn new(prefix: &str, number: u64) -> Self {
        let mut octets = [b'-'; Self::ROOM];
        let digits = number.checked_ilog10().unwrap_or_default() as usize + 1;
        let length = prefix.len() + 1 + digits;
        octets.iter_mut().zip(prefix.bytes()).for_each(|(octet, of_prefix)| *octet = of_prefix);
        // INVARIANT: there is room for it.
        let places = octets.get_mut(..length).unwrap_or_default().iter_mut().rev();
        let mut left = number;
        for place in places.take(digits) {
            *place = b'0' + (left % 10) as u8;
            left /= 10;
        }
        Self { octets, length }
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let octets = self.octets.get(..self.length).unwrap_or_default();
        std::str::from_utf8(octets).unwrap_or_default()
    }

    fn header(&self) -> HeaderValue {
        // INVARIANT: it is visible ASCII.
        HeaderValue::from_str(self.as_str()).unwrap_or(HeaderValue::from_static(""))
    }
}

impl std::fmt::Debug for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RequestId").field(&self.as_str()).finish()
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

/// What is around every handler of a connection.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) served: &'a Served,
    pub(super) limits: &'a Limits,
    pub(super) bodies: Bodies,
    pub(super) alarm: &'a Alarm,
}

/// A request on its way to its handler.
enum Begun<'a> {
    /// It is there.
    Handled(Answer),
    /// Its body has to be read first.
    Reading(Pin<Box<dyn Future<Output = Result<Request<Body>, Wire>> + Send + 'a>>),
    Refused(Wire),
}

impl<'a> Around<'a> {
    /// Answers one request, whatever happens.
    ///
    /// It is in its place before anybody waits: a future has room for whatever it is given, and
    /// this one is moved.
    pub(super) fn answer(
        self,
        request: Request<Incoming>,
        caller: Caller,
    ) -> impl Future<Output = Response<Body>> + use<'a> {
        let id = caller.id;
        // The path alone: a query may carry a code or a state.
        let span = tracing::info_span!("request", %id, method = %request.method(), path = request.uri().path());
        let is_chunked = request.headers().contains_key(TRANSFER_ENCODING);
        let begun = self.begin(request, caller);
        async move {
            let answered = async {
                let handled = match begun {
                    Begun::Handled(handling) => Ok(handling),
                    Begun::Reading(reading) => reading.await.map(|whole| self.served.answer(whole)),
                    Begun::Refused(wire) => Err(wire),
                };
                let response = match handled {
                    Ok(handling) => self.within_limit(handling).await,
                    Err(wire) => closing(refuse(&wire)),
                };
                tracing::debug!(status = response.status().as_u16(), "answered");
                response
            };
            let mut response = answered.instrument(span).await;
            if is_chunked {
                // INVARIANT: no request follows a chunked one on its connection; `framing` relies
                // on it.
                response = closing(response);
            }
            response.headers_mut().insert(X_REQUEST_ID, id.header());
            response
        }
    }

    /// The request with its body, bounded in size and time: read whole, so that no handler waits
    /// for a peer, or to be read piece by piece.
    fn begin(self, request: Request<Incoming>, caller: Caller) -> Begun<'a> {
        if request.headers().len() > self.limits.head_fields {
            return Begun::Refused(TOO_MANY_FIELDS);
        }
        let (mut head, body) = request.into_parts();
        if self.served.is_router() {
            head.extensions.insert(caller.id);
        }
        head.extensions.insert(ConnectInfo(caller.peer));
        let handled =
            |head, body| Begun::Handled(self.served.answer(Request::from_parts(head, body)));
        if hyper::body::Body::is_end_stream(&body) {
            return handled(head, Body::empty());
        }
        let limits = self.limits;
        let declared = hyper::body::Body::size_hint(&body).lower();
        if declared > limits.body_size as u64 {
            return Begun::Refused(TOO_LARGE);
        }
        let body = Limited::new(body, limits.body_size);
        if self.bodies == Bodies::Streamed {
            return handled(head, Body::new(Paced::new(body, limits.body)));
        }
        Begun::Reading(Box::pin(async move {
            match self.alarm.within(limits.body, body.collect()).await {
                Some(Ok(body)) => Ok(Request::from_parts(head, Body::from(body.to_bytes()))),
                Some(Err(error)) if error.is::<LengthLimitError>() => Err(TOO_LARGE),
                Some(Err(_)) => Err(BROKEN),
                None => Err(TOO_SLOW),
            }
        }))
    }

    async fn within_limit(self, handling: Answer) -> Response<Body> {
        match self.alarm.within(self.limits.handler, Guarded(handling)).await {
            Some(Some(response)) => response,
            // The hook of `logging` has said where.
            Some(None) => refuse(&Wire::server_error()),
            None => {
                tracing::error!("the handler took too long");
                refuse(&Wire::unavailable())
            }
        }
    }
}

const TOO_MANY_FIELDS: Wire = Wire::new(
    ErrorCode::INVALID_REQUEST,
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    "the request has too many header fields",
);
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

fn refuse(wire: &Wire) -> Response<Body> {
    wire.response().map(Body::from)
}

/// Says that it is the last answer of its connection, and makes it so.
pub(super) fn closing(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A handler's work, whose panic is `None`. Nobody polls it again then, and whatever it left half
/// done ends with it: what outlives a request is behind locks that tolerate poison, or in the
/// store.
struct Guarded(Answer);

impl Future for Guarded {
    type Output = Option<Response<Body>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(poll) => poll.map(|Ok(response)| Some(response)),
            Err(_) => Poll::Ready(None),
        }
    }
}
