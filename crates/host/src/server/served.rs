//! What a server serves: a router, or any other service.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::{BoxError, Router};
use bytes::Bytes;
use http::{Request, Response};
use tower_service::Service;

/// A router, or a service that answers at every path and so needs no route to be looked for. A
/// clone is the same one.
#[derive(Clone)]
pub struct Served(Kind);

#[derive(Clone)]
enum Kind {
    Router(Router),
    Service(Shared),
}

impl Served {
    /// By this service; each request gets a clone of its own.
    #[must_use]
    pub fn by<S, B>(service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let answer = move |request| -> Answer {
            let mut service = service.clone();
            Box::pin(async move {
                let Ok(()) = poll_fn(|cx| service.poll_ready(cx)).await;
                let Ok(response) = service.call(request).await;
                Ok(response.map(Body::new))
            })
        };
        Self(Kind::Service(Shared(Arc::new(answer))))
    }

    /// As a router that other routes can be added to.
    pub fn into_router(self) -> Router {
        match self.0 {
            Kind::Router(router) => router,
            Kind::Service(shared) => Router::new().fallback_service(shared),
        }
    }

    /// Whether there are routes, and handlers of some kind or other behind them.
    pub(super) const fn is_router(&self) -> bool {
        matches!(self.0, Kind::Router(_))
    }

    /// Nothing happens before it is polled.
    pub(super) fn answer(&self, request: Request<Body>) -> Answer {
        match &self.0 {
            Kind::Router(router) => {
                let mut router = router.clone();
                Box::pin(async move { router.call(request).await })
            }
            Kind::Service(Shared(answer)) => answer(request),
        }
    }
}

impl From<Router> for Served {
    fn from(router: Router) -> Self {
        Self(Kind::Router(router))
    }
}

/// What comes of a request.
pub(super) type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

#[derive(Clone)]
struct Shared(Arc<dyn Fn(Request<Body>) -> Answer + Send + Sync>);

impl Service<Request<Body>> for Shared {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        (self.0)(request)
    }
}
