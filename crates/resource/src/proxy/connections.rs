//! The connections to the service behind: made when none is to spare, and used again.
//!
//! A connection has no task of its own. Whoever sends a request over it drives it, for the head of
//! the answer and then for its body: what the service says passes from one socket to the other
//! within one task, and no other has to be woken for it.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until, timeout_at};
use tower_service::Service as _;

use super::BoxError;
use super::alarm::Alarm;
use super::body::{Outgoing, Patience};

/// The connections to one service.
pub(super) struct Connections {
    connector: HttpConnector,
    service: Uri,
    idle: Arc<Idle>,
}

impl Connections {
    /// Idle ones are kept for so long.
    pub(super) fn new(connector: HttpConnector, service: Uri, keep: Duration) -> Self {
        let idle = Idle { keep, connections: Mutex::default() };
        Self { connector, service, idle: Arc::new(idle) }
    }

    /// Sends a request and waits for the head of its answer; the rest comes by the connection.
    ///
    /// The service may have ended an idle connection meanwhile: a request that it has not seen any
    /// of goes over another one. An answer that does not begin in time is [`TooSlow`].
    pub(super) async fn send(
        &self,
        mut request: Request<Outgoing>,
    ) -> Result<(Response<Incoming>, InUse), BoxError> {
        let patience = request.body().patience();
        while let Some(mut connection) = self.idle.take(patience.begun()) {
            match connection.send(request, &patience).await? {
                Ok(answer) => return Ok((answer, self.in_use(connection))),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error().into()),
                },
            }
        }
        // Boxed: it is seldom, and whoever finds a connection has no use for its room.
        let connected = Box::pin(timeout_at(patience.end(), self.connect())).await;
        let mut connection = connected.map_err(|_| TooSlow)??;
        let answer = connection.send(request, &patience).await?;
        let answer = answer.map_err(TrySendError::into_error)?;
        Ok((answer, self.in_use(connection)))
    }

    async fn connect(&self) -> Result<Box<Connection>, BoxError> {
        let stream = self.connector.clone().call(self.service.clone()).await?;
        let (sender, driver) = http1::handshake(stream).await?;
        Ok(Box::new(Connection { sender, driver: Some(driver), alarm: Alarm::default() }))
    }

    fn in_use(&self, connection: Box<Connection>) -> InUse {
        InUse { connection, idle: Arc::clone(&self.idle) }
    }
}

/// A connection, and what drives it.
struct Connection {
    sender: SendRequest<Outgoing>,
    /// None once it has ended.
    driver: Option<http1::Connection<TokioIo<TcpStream>, Outgoing>>,
    /// For the heads of answers.
    alarm: Alarm,
}

/// The service did not begin its answer in time.
#[derive(Debug, thiserror::Error)]
#[error("the service took too long")]
pub(super) struct TooSlow;

/// What came of a request that was sent over a connection.
type Sent = Result<Response<Incoming>, TrySendError<Request<Outgoing>>>;

impl Connection {
    async fn send(
        &mut self,
        request: Request<Outgoing>,
        patience: &Patience,
    ) -> Result<Sent, TooSlow> {
        let mut answer = pin!(self.sender.try_send_request(request));
        poll_fn(|cx| {
            if let Poll::Ready(sent) = self.poll(cx, |cx| answer.as_mut().poll(cx)) {
                return Poll::Ready(Ok(sent));
            }
            self.alarm.poll_at(patience.end(), cx).map(|()| Err(TooSlow))
        })
        .await
    }

    /// What there is of what comes by this connection, and by nothing else.
    ///
    /// The task is named only once nothing is there. What the connection and the receiver of its
    /// answer tell one another would wake it for nothing, and the next request whoever sent the
    /// last.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut receive: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let nobody = &mut Context::from_waker(Waker::noop());
        if let there @ Poll::Ready(_) = receive(nobody) {
            return there;
        }
        self.drive(nobody);
        if let there @ Poll::Ready(_) = receive(nobody) {
            return there;
        }
        self.drive(cx);
        receive(nobody)
    }

    /// Reads and writes what can be.
    fn drive(&mut self, cx: &mut Context<'_>) {
        let driver = self.driver.as_mut();
        if driver.is_some_and(|driver| Pin::new(driver).poll(cx).is_ready()) {
            // Why it ended is told to whom it concerns: by the answer, or by its body.
            self.driver = None;
        }
    }
}

/// A connection that an answer comes by. Dropped before the answer is over, it is closed.
pub(super) struct InUse {
    connection: Box<Connection>,
    idle: Arc<Idle>,
}

impl InUse {
    /// What there is of the answer.
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        receive: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.connection.poll(cx, receive)
    }

    /// The answer is over. Where its request is not, the rest still goes to the service, and nobody
    /// waits for that.
    pub(super) fn release(self) {
        let Self { mut connection, idle } = self;
        if connection.sender.is_ready() {
            return idle.keep(connection);
        }
        if connection.driver.is_none() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let ready = poll_fn(|cx| {
                    connection.drive(cx);
                    connection.sender.poll_ready(cx)
                });
                if ready.await.is_ok() {
                    idle.keep(connection);
                }
            });
        }
    }
}

/// The connections without a request.
struct Idle {
    keep: Duration,
    connections: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// In the order in which they became idle. The last is used first, so that others can end.
    queue: VecDeque<(Instant, Box<Connection>)>,
    /// There is a task that closes those that are not used.
    is_watched: bool,
}

impl Idle {
    /// No code panics while it holds this lock, and every state in between is a valid one.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, now: Instant) -> Option<Box<Connection>> {
        let (since, connection) = self.kept().queue.pop_back()?;
        (now.saturating_duration_since(since) < self.keep).then_some(connection)
    }

    fn keep(self: &Arc<Self>, connection: Box<Connection>) {
        let mut kept = self.kept();
        kept.queue.push_back((Instant::now(), connection));
        if !kept.is_watched
            && let Ok(runtime) = Handle::try_current()
        {
            kept.is_watched = true;
            runtime.spawn(watch(Arc::downgrade(self)));
        }
    }

    /// Closes what was not used for too long, and says when there may be more of it.
    fn close_old(&self) -> Option<Instant> {
        let mut kept = self.kept();
        let now = Instant::now();
        while let Some((since, _)) = kept.queue.front() {
            let end = *since + self.keep;
            if now < end {
                return Some(end);
            }
            kept.queue.pop_front();
        }
        kept.is_watched = false;
        None
    }
}

/// Closes connections that are not used, until there is none.
async fn watch(idle: Weak<Idle>) {
    while let Some(next) = idle.upgrade().and_then(|idle| idle.close_old()) {
        sleep_until(next).await;
    }
}

#[cfg(test)]
mod tests;
