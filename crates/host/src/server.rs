//! An HTTP/1.1 server for one router, or for another service that answers everything ([`Served`]).
//!
//! What a peer may take is bounded before any handler runs ([`Limits`]): time for the TLS
//! handshake, for a request's head and body and for the peer to take an answer, size of head and
//! body, number of connections, age of a connection. Request framing is stricter than the HTTP
//! library's (module `framing`). A panic in a handler is that request's 500.
//!
//! Among a request's extensions a handler finds [`ConnectInfo`](axum::extract::ConnectInfo) with
//! the peer's socket address, and a router's handler [`RequestId`].

mod alarm;
mod aside;
mod body;
mod connection;
mod framing;
mod request;
mod served;
mod transport;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use self::connection::Shared;
pub use self::request::RequestId;
pub use self::served::Served;
pub use self::transport::{TlsConfig, Transport, TransportError, danger};
use crate::reload::Reload;

/// How long to wait after a failure to accept that is likely to last: no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What one peer, and all of them together, may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// For the TLS handshake. Default 10 s.
    pub handshake: Duration,
    /// From the start of a connection, or the end of an answer, to the end of the next request's
    /// head. An idle connection ends after it. Default 10 s.
    pub head: Duration,
    /// From the end of the head to the end of the body. Default 10 s.
    pub body: Duration,
    /// For the handler. Default 30 s.
    pub handler: Duration,
    /// During which nothing of an answer can be written: a peer that stopped reading. Default 10 s.
    pub write: Duration,
    /// For a connection, however busy: the next answer is its last, and says so. One that gives
    /// none for as long as `head`, or is not at its end after `drain`, is cut off. Default 300 s.
    pub connection: Duration,
    /// For connections to end when the server stops, and as long again for what their requests
    /// began ([`Composed::with_closing`](crate::Composed::with_closing)). Default 10 s.
    pub drain: Duration,
    /// Octets of a request's head. Default 16 KiB.
    pub head_size: usize,
    /// Header fields of a request. Default 64.
    pub head_fields: usize,
    /// Octets of a request's body. Default 64 KiB.
    pub body_size: usize,
    /// Connections at a time; more wait in the listener's queue. Default 4096.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            handler: Duration::from_secs(30),
            write: Duration::from_secs(10),
            connection: Duration::from_secs(300),
            drain: Duration::from_secs(10),
            head_size: 16 * 1024,
            head_fields: 64,
            body_size: 64 * 1024,
            connections: 4096,
        }
    }
}

/// A router, or another service, and how it is served.
pub struct Service {
    served: Served,
    limits: Limits,
    reload: Reload,
    bodies: Bodies,
}

/// How a handler gets a request's body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bodies {
    /// Whole, so that no handler waits for a peer.
    #[default]
    Whole,
    /// As it arrives. [`Limits::body`] is then the longest pause between two pieces, and a body
    /// that pauses longer or grows beyond [`Limits::body_size`] ends in an error for the handler.
    Streamed,
}

impl Service {
    /// It under the default limits, with the certificate that there is at the start.
    #[must_use]
    pub fn new(served: impl Into<Served>) -> Self {
        let (limits, reload) = (Limits::default(), Reload::never());
        Self { served: served.into(), limits, bodies: Bodies::Whole, reload }
    }

    /// Under other limits.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With certificate and key read again whenever it is time to.
    #[must_use]
    pub fn with_reload(mut self, reload: Reload) -> Self {
        self.reload = reload;
        self
    }

    /// With bodies that are handed on in this way.
    #[must_use]
    pub const fn with_bodies(mut self, bodies: Bodies) -> Self {
        self.bodies = bodies;
        self
    }
}

impl From<Router> for Service {
    fn from(router: Router) -> Self {
        Self::new(router)
    }
}

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Plain http was asked for on an address that other machines can reach.
    #[error("plain http is for loopback addresses only, not for {0}")]
    PlainHttp(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The listener cannot be used.
    #[error("cannot use the listener")]
    Listener(#[source] io::Error),
}

/// Listens on an address. With port 0 the system chooses; ask the listener.
///
/// # Errors
/// [`ServeError::Bind`].
pub fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).map_err(|source| ServeError::Bind { address, source })
}

/// Serves until `shutdown` is done, then lets open requests finish (at most [`Limits::drain`]).
///
/// Runs on the tokio runtime it is called on, which needs its time and I/O drivers.
///
/// # Errors
/// [`ServeError`], before anything is served.
pub async fn serve(
    listener: TcpListener,
    transport: Transport,
    service: impl Into<Service>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let Service { served, limits, bodies, reload } = service.into();
    let address = listener.local_addr().map_err(ServeError::Listener)?;
    if transport.is_plain() {
        if !address.ip().is_loopback() {
            return Err(ServeError::PlainHttp(address));
        }
        tracing::warn!(%address, "DANGER: serving plain http, everybody on this machine can listen");
    }
    listener.set_nonblocking(true).map_err(ServeError::Listener)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(ServeError::Listener)?;
    tracing::info!(%address, "listening");

    let (stop, stopping) = watch::channel(false);
    let shared = Arc::new(Shared::new(served, limits, bodies, transport.clone(), stopping));
    let mut connections = JoinSet::new();
    tokio::select! {
        () = accept(&listener, &shared, &mut connections) => {}
        () = transport.keep_current(reload) => {}
        () = shutdown => {}
    }
    drop(listener);
    tracing::info!(open = connections.len(), "stopping");
    stop.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain, drained).await.is_err() {
        tracing::warn!(open = connections.len(), "connections cut off");
        connections.shutdown().await;
    }
    Ok(())
}

/// Accepts for ever, never more connections at a time than there are places.
async fn accept(
    listener: &tokio::net::TcpListener,
    shared: &Arc<Shared>,
    connections: &mut JoinSet<()>,
) {
    let places = Arc::new(Semaphore::new(shared.limits().connections));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, peer)) => {
                let shared = Arc::clone(shared);
                connections.spawn(async move {
                    connection::run(stream, peer, &shared).await;
                    drop(place);
                });
            }
            Err(error) => {
                if let Some(pause) = pause_after(&error) {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}

/// How long nobody is accepted after this failure; `None` if it concerns one peer, which is gone:
/// the next one need not wait for that, nor is it worth a word.
fn pause_after(error: &io::Error) -> Option<Duration> {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    let is_of_peer =
        matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset);
    (!is_of_peer).then_some(ACCEPT_PAUSE)
}

/// Done when the process is asked to end: SIGTERM or SIGINT, elsewhere Ctrl-C.
///
/// The handlers stand when this returns, so that no signal after it goes unnoticed.
///
/// # Errors
/// If the system refuses a handler.
#[cfg(unix)]
pub fn shutdown_signal() -> io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Done when the process is asked to end: SIGTERM or SIGINT, elsewhere Ctrl-C.
///
/// # Errors
/// If the system refuses a handler.
#[cfg(not(unix))]
pub fn shutdown_signal() -> io::Result<impl Future<Output = ()> + Send> {
    Ok(async {
        // Without a handler the process just runs on.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn a_peer_that_is_gone_keeps_nobody_waiting() {
        for kind in
            [ErrorKind::ConnectionAborted, ErrorKind::ConnectionRefused, ErrorKind::ConnectionReset]
        {
            assert_eq!(pause_after(&kind.into()), None, "{kind}");
        }
        for kind in [ErrorKind::OutOfMemory, ErrorKind::PermissionDenied, ErrorKind::Other] {
            assert_eq!(pause_after(&kind.into()), Some(ACCEPT_PAUSE), "{kind}");
        }
    }

    /// `EMFILE` and `ENFILE`: no file descriptors left, in the process or in the system.
    #[cfg(unix)]
    #[test]
    fn a_failure_that_lasts_is_waited_for() {
        for code in [24, 23] {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!(pause_after(&error), Some(ACCEPT_PAUSE), "{error}");
        }
    }
}
