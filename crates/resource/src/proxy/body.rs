//! Bodies on their way through, and the time they may take.

use std::error::Error;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, LengthLimitError};
use tokio::time::{Instant, Sleep, sleep};

use super::BoxError;
use super::connections::InUse;

/// Until when the service behind is to begin its answer.
#[derive(Clone)]
pub(super) struct Patience {
    limit: Duration,
    begun: Instant,
    /// When a piece of the request's body was last sent on, if it has one.
    noted: Option<Arc<Mutex<Instant>>>,
}

impl Patience {
    fn note(&self) {
        if let Some(noted) = &self.noted {
            *noted.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }

    pub(super) const fn begun(&self) -> Instant {
        self.begun
    }

    /// When it ends, if no more of the body is sent on until then.
    pub(super) fn end(&self) -> Instant {
        let noted = self.noted.as_ref();
        let last = noted.map(|noted| *noted.lock().unwrap_or_else(PoisonError::into_inner));
        last.unwrap_or(self.begun) + self.limit
    }
}

/// The body of a request to the service behind.
pub(super) struct Outgoing {
    /// None where there is nothing to send.
    inner: Option<UnsyncBoxBody<Bytes, RequestBody>>,
    patience: Patience,
}

/// The request's own body failed, and not the service behind.
#[derive(Debug, thiserror::Error)]
#[error("the request's body could not be read")]
pub(super) struct RequestBody(#[source] BoxError);

impl Outgoing {
    /// From now on, so much time may go by without a piece of it and without an answer.
    pub(super) fn new<B>(body: B, limit: Duration) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let boxed = |body: B| body.map_err(|error| RequestBody(error.into())).boxed_unsync();
        let (inner, begun) = ((!body.is_end_stream()).then(|| boxed(body)), Instant::now());
        let noted = inner.is_some().then(|| Arc::new(Mutex::new(begun)));
        Self { inner, patience: Patience { limit, begun, noted } }
    }

    pub(super) fn patience(&self) -> Patience {
        self.patience.clone()
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = RequestBody;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBody>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let polled = Pin::new(inner).poll_frame(cx);
        if polled.is_ready() {
            self.patience.note();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

/// Whether it is the request's own body that failed.
pub(super) fn is_of_the_request(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| cause.is::<RequestBody>())
}

/// Whether a limit on the request's body was reached.
pub(super) fn is_too_large(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| cause.is::<LengthLimitError>())
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        error.source()
    })
}

/// The body of an answer, cut off if the service behind pauses for too long. Time in which nobody
/// takes what is there does not count.
pub(super) struct Incoming {
    inner: hyper::body::Incoming,
    /// What it comes by, until it is over.
    connection: Option<InUse>,
    pause: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Incoming {
    pub(super) fn new(inner: hyper::body::Incoming, connection: InUse, pause: Duration) -> Self {
        let mut new = Self { inner, connection: Some(connection), pause, waiting: None };
        new.release_at_end(false);
        new
    }

    /// What is there, or can be read now.
    fn poll_inner(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut receive = |cx: &mut Context<'_>| Pin::new(&mut self.inner).poll_frame(cx);
        match &mut self.connection {
            Some(connection) => connection.poll(cx, receive),
            None => receive(cx),
        }
    }

    fn release_at_end(&mut self, has_ended: bool) {
        if !has_ended && !self.inner.is_end_stream() {
            return;
        }
        if let Some(connection) = self.connection.take() {
            connection.release();
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = self.poll_inner(cx) {
            self.waiting = None;
            self.release_at_end(frame.is_none());
            return Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)));
        }
        let pause = self.pause;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(pause)));
        waiting.as_mut().poll(cx).map(|()| {
            tracing::warn!("the service behind stopped in the middle of its answer");
            Some(Err("the service behind stopped in the middle of its answer".into()))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The body of an answer that comes through a [`Proxy`](super::Proxy), piece by piece.
pub struct ProxyBody(Answered);

enum Answered {
    /// By the service behind.
    There(Incoming),
    /// Here.
    Here(Full<Bytes>),
}

impl ProxyBody {
    pub(super) const fn new(body: Incoming) -> Self {
        Self(Answered::There(body))
    }
}

impl Default for ProxyBody {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl From<Vec<u8>> for ProxyBody {
    fn from(octets: Vec<u8>) -> Self {
        Self(Answered::Here(Full::from(octets)))
    }
}

impl Body for ProxyBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Answered::There(body) => Pin::new(body).poll_frame(cx),
            Answered::Here(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Answered::There(body) => body.is_end_stream(),
            Answered::Here(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Answered::There(body) => body.size_hint(),
            Answered::Here(body) => body.size_hint(),
        }
    }
}
