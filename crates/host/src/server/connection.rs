//! One connection, from handshake to end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use countersign_types::random;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

use super::alarm::Alarm;
use super::aside::Aside;
use super::framing::Framed;
use super::request::{self, Around, Caller, RequestId};
use super::transport::Kind;
use super::{Bodies, Limits, Served, Transport};
use crate::seams::SystemRandom;

/// So many header fields the library has room for if it is told of no limit. If it is, it makes
/// room at every request, and empties it first: [`request`] keeps a lower limit for less.
const LIBRARY_FIELDS: usize = 100;

/// What all connections of a server share.
pub(super) struct Shared {
    served: Served,
    limits: Limits,
    bodies: Bodies,
    transport: Transport,
    stopping: watch::Receiver<bool>,
    /// Request ids are this start's prefix and a number.
    id_prefix: String,
    next_id: AtomicU64,
}

impl Shared {
    pub(super) fn new(
        served: Served,
        limits: Limits,
        bodies: Bodies,
        transport: Transport,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let mut id_prefix = random::identifier(&SystemRandom);
        id_prefix.truncate(8);
        Self { served, limits, bodies, transport, stopping, id_prefix, next_id: AtomicU64::new(1) }
    }

    pub(super) const fn limits(&self) -> &Limits {
        &self.limits
    }

    fn request_id(&self) -> RequestId {
        RequestId::new(&self.id_prefix, self.next_id.fetch_add(1, Ordering::Relaxed))
    }
}

/// Waits until a connection is `old`, and then for as long as its peer may take to ask again.
///
/// An idle connection that was closed at its age would often meet a request on its way, and nobody
/// could say whether that was heard.
async fn grow_old(limits: &Limits, old: &AtomicBool) {
    tokio::time::sleep(limits.connection).await;
    old.store(true, Ordering::Relaxed);
    tokio::time::sleep(limits.head).await;
}

/// Serves one connection to its end.
pub(super) async fn run(stream: TcpStream, peer: SocketAddr, shared: &Shared) {
    // An answer is one write; waiting to fill a packet only delays it.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    // Below TLS, so that what counts is whether the peer takes octets, however slowly.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(shared.limits.write));
    let stream = Box::pin(stream);
    match &shared.transport.0 {
        Kind::Plain => serve(stream, peer, shared).await,
        Kind::Tls(tls) => {
            let handshake = TlsAcceptor::from(tls.server()).accept(stream);
            match timeout(shared.limits.handshake, handshake).await {
                Ok(Ok(stream)) => serve(stream, peer, shared).await,
                Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => tracing::debug!("TLS handshake took too long"),
            }
        }
    }
}

async fn serve<S>(stream: S, peer: SocketAddr, shared: &Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (limits, alarm, old) = (&shared.limits, Alarm::default(), AtomicBool::new(false));
    let around = Around { served: &shared.served, limits, bodies: shared.bodies, alarm: &alarm };
    let service = service_fn(|request| {
        let answer = around.answer(request, Caller { peer, id: shared.request_id() });
        async {
            let answer = answer.await;
            Ok::<_, Infallible>(match old.load(Ordering::Relaxed) {
                true => request::closing(answer),
                false => answer,
            })
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(alarm.clone()).header_read_timeout(limits.head);
    builder.max_header_size(limits.head_size).half_close(false);
    if limits.head_fields > LIBRARY_FIELDS {
        builder.max_headers(limits.head_fields);
    }
    let connection = builder.serve_connection(TokioIo::new(Framed::new(stream)), service);
    let mut connection = std::pin::pin!(connection);
    let mut stopping = shared.stopping.clone();
    let end = Aside::new(async {
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => {}
            () = grow_old(limits, &old) => {}
        }
    });

    let ended = tokio::select! {
        // Whichever is first: the connection comes to rest as often as its peer does.
        biased;
        ended = connection.as_mut() => Some(ended),
        () = end => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            // A peer that does not take its answer is not waited for any longer.
            timeout(limits.drain.max(Duration::from_secs(1)), connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
