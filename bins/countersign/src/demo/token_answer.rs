//! What a token endpoint answered, as it came: with the members that the specifications do not
//! name.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use countersign_fetch::request::BoxFuture;
use countersign_fetch::{Fetch, FetchError, Request};
use http::Response;
use serde_json::Value;

use super::teller::locked;

/// A way out that keeps the last answer of a token endpoint.
pub(super) struct TokenAnswer {
    fetch: Arc<dyn Fetch>,
    last: Mutex<Value>,
}

impl TokenAnswer {
    pub(super) fn heard_by(fetch: Arc<dyn Fetch>) -> Arc<Self> {
        Arc::new(Self { fetch, last: Mutex::default() })
    }

    /// What the last answer says; nothing if there was none.
    pub(super) fn last(&self) -> Value {
        locked(&self.last).clone()
    }
}

impl Fetch for TokenAnswer {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(async move {
            let is_tokens = request.url.as_url().path() == "/token";
            let response = self.fetch.fetch(request).await?;
            if is_tokens {
                *locked(&self.last) = serde_json::from_slice(response.body()).unwrap_or_default();
            }
            Ok(response)
        })
    }
}
