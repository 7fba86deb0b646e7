//! Where a request comes from.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use axum::extract::ConnectInfo;
use countersign_resource::limit::Source;
use http::Request;
use tower_layer::Layer;
use tower_service::Service;

/// Tells the layers behind it where a request comes from: the peer of the connection, whatever its
/// headers say.
#[derive(Clone, Copy, Debug)]
pub struct NoteSource;

impl<S> Layer<S> for NoteSource {
    type Service = SourceNoted<S>;

    fn layer(&self, inner: S) -> SourceNoted<S> {
        SourceNoted(inner)
    }
}

/// A service that finds a [`Source`] among the extensions of each request.
#[derive(Clone, Debug)]
pub struct SourceNoted<S>(S);

impl<S: Service<Request<B>>, B> Service<Request<B>> for SourceNoted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let source = peer.map(|ConnectInfo(peer)| Source::from(peer.ip()));
        if let Some(source) = source {
            request.extensions_mut().insert(source);
        }
        self.0.call(request)
    }
}
