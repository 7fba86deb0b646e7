//! What the layers of this crate share as tower services.

use std::future::Future;
use std::pin::Pin;

use http::request::Parts;
use http::{Request, Response};
use tower_service::Service;

/// The answer to a request: by the service behind a layer, or by the layer.
pub(crate) type Answered<R, E> = Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>;

/// Hands a request on to the service behind, as the layer admits it; one that is not admitted gets the
/// layer's answer, and the service never hears of it.
pub(crate) fn pass<S, B, R, F>(
    service: &mut S,
    request: Request<B>,
    admit: impl FnOnce(Parts) -> F + Send + 'static,
) -> Answered<R, S::Error>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    F: Future<Output = Result<Parts, Response<R>>> + Send + 'static,
{
    // The clone is what was polled ready; a fresh one waits for the next request.
    let fresh = service.clone();
    let mut ready = std::mem::replace(service, fresh);
    Box::pin(async move {
        let (parts, body) = request.into_parts();
        let parts = match admit(parts).await {
            Ok(parts) => parts,
            Err(answer) => return Ok(answer),
        };
        ready.call(Request::from_parts(parts, body)).await
    })
}
