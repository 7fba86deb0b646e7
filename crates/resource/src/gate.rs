//! What the layers of this crate share as tower services.

use std::future::Future;
use std::pin::Pin;

use http::request::Parts;
use http::{Request, Response};
use tower_service::Service;

/// The answer to a request: by the service behind a layer, or by the layer.
pub(crate) type Answered<R, E> = Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>;

/// What decides about a request before the service behind sees it.
pub(crate) trait Gate<R>: Send + Sync + 'static {
    /// Admits a request, and notes in its head what the service behind is to know; or answers it.
    fn admit(&self, parts: &mut Parts) -> impl Future<Output = Result<(), Response<R>>> + Send;
}

/// Hands a request on to the service behind, as the gate admits it; one that is not admitted gets
/// the gate's answer, and the service never hears of it.
pub(crate) fn pass<S, B, R, G>(
    service: &mut S,
    request: Request<B>,
    gate: G,
) -> Answered<R, S::Error>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    G: Gate<R>,
{
    // The clone is what was polled ready; a fresh one waits for the next request.
    let fresh = service.clone();
    let mut ready = std::mem::replace(service, fresh);
    let (mut parts, body) = request.into_parts();
    Box::pin(async move {
        if let Err(answer) = gate.admit(&mut parts).await {
            return Ok(answer);
        }
        ready.call(Request::from_parts(parts, body)).await
    })
}
