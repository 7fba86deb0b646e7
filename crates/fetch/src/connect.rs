//! The connector: resolve, vet, connect to a vetted address and to no other.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::danger::ConnectTo;
use crate::guard::{AddressPolicy, is_localhost};
use crate::request::{BoxFuture, FetchError};
use crate::shares::Shares;

/// One address gets so long, so that a dead one leaves time for the next.
const ATTEMPT: Duration = Duration::from_secs(2);
/// One connection gets so long, its TLS handshake included.
const CONNECTION: Duration = Duration::from_secs(10);
/// No more addresses than this are tried.
const MAX_ATTEMPTS: usize = 4;

/// Resolves names. Addresses it returns are untrusted.
pub(crate) trait Resolve: Send + Sync {
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// So many names are resolved at a time.
///
/// The system's resolver works on a thread until it has an answer or gives up, which nobody can
/// hasten: what hangs keeps its thread, long after the request that asked has had its answer.
const LOOKUPS: usize = 64;

/// A resolver that leaves every domain its share of its places.
#[derive(Clone)]
struct Lookups {
    resolver: Arc<dyn Resolve>,
    places: Arc<Shares>,
}

impl Lookups {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let place = self.places.take(host).await;
        let resolving = self.resolver.resolve(host, port);
        // A task of its own, which nobody cancels: the place is taken until the lookup has ended.
        let lookup = tokio::spawn(async move {
            let found = resolving.await;
            drop(place);
            found
        });
        lookup.await.unwrap_or_else(|ended| Err(io::Error::other(ended)))
    }
}

/// The operating system's resolver.
pub(crate) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let host = host.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("{0} has no address that may be reached")]
    Refused(String),
    #[error("name resolution failed")]
    Resolve(#[source] io::Error),
    #[error("connecting failed")]
    Connect(#[source] io::Error),
}

impl ConnectError {
    /// Finds what the connector, TLS or HTTP said first in a chain of errors.
    pub(crate) fn classify(error: hyper_util::client::legacy::Error) -> FetchError {
        let mut current: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(cause) = current {
            if let Some(connect) = cause.downcast_ref::<Self>() {
                return match connect {
                    Self::Refused(host) => FetchError::Refused { host: host.clone() },
                    Self::Resolve(io) => {
                        FetchError::Resolve(io::Error::new(io.kind(), io.to_string()))
                    }
                    Self::Connect(_) => FetchError::Connect(Box::new(error)),
                };
            }
            if is_tls(cause) {
                return FetchError::Tls(Box::new(error));
            }
            current = cause.source();
        }
        if error.is_connect() {
            FetchError::Connect(Box::new(error))
        } else {
            FetchError::Protocol(Box::new(error))
        }
    }
}

/// Whether a cause is of TLS: `io::Error` hides what it wraps from `source`.
fn is_tls(cause: &(dyn Error + 'static)) -> bool {
    let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    cause.is::<rustls::Error>() || wrapped.is_some_and(|inner| is_tls(inner))
}

/// Connects to vetted addresses only.
#[derive(Clone)]
pub(crate) struct GuardedConnector {
    policy: Arc<AddressPolicy>,
    connect_to: Arc<ConnectTo>,
    lookups: Lookups,
}

impl GuardedConnector {
    pub(crate) fn new(
        policy: AddressPolicy,
        connect_to: ConnectTo,
        resolver: Arc<dyn Resolve>,
    ) -> Self {
        let lookups = Lookups { resolver, places: Shares::new(LOOKUPS) };
        Self { policy: Arc::new(policy), connect_to: Arc::new(connect_to), lookups }
    }

    async fn connect(self, uri: Uri) -> Result<TokioIo<TcpStream>, ConnectError> {
        let host = uri.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let port = uri.port_u16().unwrap_or(443);
        let addresses = match self.connect_to.get(host, port) {
            Some(address) => vec![address],
            None => self.vetted(host, port).await?,
        };
        let stream = connect_to_first(&addresses).await.map_err(ConnectError::Connect)?;
        stream.set_nodelay(true).map_err(ConnectError::Connect)?;
        Ok(TokioIo::new(stream))
    }

    /// The addresses of a host that may be reached; at least one.
    async fn vetted(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
        let refused = || ConnectError::Refused(host.to_owned());
        let mut addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) if is_localhost(host) => return Err(refused()),
            Err(_) => self.lookups.resolve(host, port).await.map_err(ConnectError::Resolve)?,
        };
        addresses.retain(|address| self.policy.permits(address.ip()));
        addresses.truncate(MAX_ATTEMPTS);
        if addresses.is_empty() { Err(refused()) } else { Ok(addresses) }
    }
}

async fn connect_to_first(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match tokio::time::timeout(ATTEMPT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = error,
            Err(_) => failure = io::Error::from(io::ErrorKind::TimedOut),
        }
    }
    Err(failure)
}

impl Service<Uri> for GuardedConnector {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// Connects in time or not at all.
///
/// A request's own deadline does not reach everything: where another connection to the host becomes
/// free first, the pool goes on making the new one in the background. A peer that never finishes
/// its handshakes would collect such sockets.
#[derive(Clone)]
pub(crate) struct Bounded<S> {
    connector: S,
    within: Duration,
}

impl<S> Bounded<S> {
    pub(crate) const fn new(connector: S) -> Self {
        Self { connector, within: CONNECTION }
    }
}

impl<S> Service<Uri> for Bounded<S>
where
    S: Service<Uri>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = BoxFuture<'static, Result<S::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connector.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, within) = (self.connector.call(uri), self.within);
        Box::pin(async move {
            match tokio::time::timeout(within, connecting).await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => {
                    let late = io::Error::from(io::ErrorKind::TimedOut);
                    Err(ConnectError::Connect(late).into())
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer that accepts and then says nothing.
    #[derive(Clone)]
    struct Silent;

    impl Service<Uri> for Silent {
        type Response = ();
        type Error = io::Error;
        type Future = std::future::Pending<Result<(), io::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Uri) -> Self::Future {
            std::future::pending()
        }
    }

    #[tokio::test]
    async fn a_handshake_that_never_ends_is_given_up() {
        let mut connector = Bounded { within: Duration::from_millis(10), ..Bounded::new(Silent) };
        let refused = connector.call(Uri::from_static("https://peer.example")).await.unwrap_err();
        let refused = refused.downcast_ref::<ConnectError>();
        assert!(
            matches!(refused, Some(ConnectError::Connect(e)) if e.kind() == io::ErrorKind::TimedOut)
        );
    }
}
