//! What reaches the servers of a deployment, and what they answer: the arrows of a drawing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use http::StatusCode;
use http::header::HOST;

use crate::web::Received;

/// A request, when it reached a server or when it was answered.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The request.
    pub request: Received,
    /// What came of it; `None` as it arrives.
    pub answer: Option<StatusCode>,
}

/// Listens to all servers alike.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ear(Arc<Mutex<Vec<Heard>>>);

impl Ear {
    /// Everything so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.all().clone()
    }

    /// A server with somebody who listens at its door.
    pub(crate) fn at(&self, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(self.clone(), listen))
    }

    fn all(&self) -> MutexGuard<'_, Vec<Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn listen(State(ear): State<Ear>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let request = Received {
        method: parts.method.clone(),
        url: format!("https://{host}{}", parts.uri),
        headers: parts.headers.clone(),
        body: body.clone(),
    };
    ear.all().push(Heard { request: request.clone(), answer: None });
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    ear.all().push(Heard { request, answer: Some(response.status()) });
    response
}
