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

use super::story::Message;
use super::teller::{Answer, Teller};

/// The client's way out, overheard.
pub(super) struct Witness {
    fetch: Arc<dyn Fetch>,
    teller: Arc<Teller>,
    /// Where a server is whose requests are heard here, since it does not tell of them itself.
    quiet: Option<&'static str>,
}

impl Witness {
    pub(super) const fn new(
        fetch: Arc<dyn Fetch>,
        teller: Arc<Teller>,
        quiet: Option<&'static str>,
    ) -> Self {
        Self { fetch, teller, quiet }
    }

    fn heard(&self, message: Message, response: &Response<Bytes>) {
        let challenge = response.headers().get(WWW_AUTHENTICATE);
        let challenge = challenge.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let scheme = challenge.split(' ').next().unwrap_or_default().to_owned();
        self.teller.answer(Answer { status: response.status(), scheme });
        if self.quiet.is_some_and(|quiet| message.url.starts_with(quiet)) {
            self.teller.message(message);
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
pub(super) fn overheard(router: Router, teller: Arc<Teller>) -> Router {
    router.layer(middleware::from_fn_with_state(teller, tell))
}

async fn tell(State(teller): State<Arc<Teller>>, request: Incoming, next: Next) -> Outgoing {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let url = format!("https://{host}{}", request.uri());
    let method = request.method().to_string();
    let response = next.run(request).await;
    teller.message(Message { method, url, status: response.status().as_u16() });
    response
}
