//! What really went over the wire: the requests that the parties answered, and the answers that
//! reached the client.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request as Incoming, State};
use axum::middleware::{self, Next};
use axum::response::Response as Outgoing;
use bytes::Bytes;
use countersign_fetch::request::BoxFuture;
use countersign_fetch::{Fetch, FetchError, Request};
use http::Response;
use http::header::{HOST, WWW_AUTHENTICATE};

use super::arrows::Answer;
use super::narrator::Narrator;
use super::story::Message;
use super::world::RS;

/// The client's way out, overheard. The two authorization servers tell of what they answer
/// themselves; the resource server's answers are heard here.
pub(super) struct Witness {
    fetch: Arc<dyn Fetch>,
    narrator: Arc<Narrator>,
}

impl Witness {
    pub(super) const fn new(fetch: Arc<dyn Fetch>, narrator: Arc<Narrator>) -> Self {
        Self { fetch, narrator }
    }

    fn heard(&self, message: Message, response: &Response<Bytes>) {
        let challenge = response.headers().get(WWW_AUTHENTICATE);
        let challenge = challenge.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let scheme = challenge.split(' ').next().unwrap_or_default().to_owned();
        self.narrator.answer(Answer { status: response.status(), scheme });
        if message.url.starts_with(RS) {
            self.narrator.message(message);
        }
    }
}

impl Fetch for Witness {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(async move {
            let (method, url) = (request.method.to_string(), request.url.to_string());
            let response = self.fetch.fetch(request).await?;
            let status = response.status().as_u16();
            self.heard(Message { method, url, status }, &response);
            Ok(response)
        })
    }
}

/// A router that tells of every request it answers.
pub(super) fn overheard(router: Router, narrator: Arc<Narrator>) -> Router {
    router.layer(middleware::from_fn_with_state(narrator, tell))
}

async fn tell(State(narrator): State<Arc<Narrator>>, request: Incoming, next: Next) -> Outgoing {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let url = format!("https://{host}{}", request.uri());
    let method = request.method().to_string();
    let response = next.run(request).await;
    narrator.message(Message { method, url, status: response.status().as_u16() });
    response
}
