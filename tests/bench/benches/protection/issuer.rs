//! The issuer of the tokens: what it publishes is answered from memory.

use std::sync::Arc;

use bytes::Bytes;
use countersign_fetch::request::BoxFuture;
use countersign_fetch::{Fetch, FetchError, Request};
use countersign_host::Seams;
use countersign_jwt::{Algorithm, KeySet, SigningKey, sign};
use countersign_resource::AccessTokens;
use countersign_types::{Lifetime, ResourceIdentifier, random};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use serde_json::json;

const ISSUER: &str = "https://sts.alice.example";
const API: &str = "https://api.bob.example";

/// An issuer with one ES256 key.
pub(crate) struct Issuer {
    pub(crate) key: SigningKey,
    seams: Seams,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let key = SigningKey::generate(Algorithm::Es256, Some("2026-11")).unwrap();
        Self { key, seams: Seams::system() }
    }

    /// Verifies its tokens; the keys are asked for once.
    pub(crate) fn access_tokens(&self) -> AccessTokens {
        let keys = KeySet::from_keys(vec![self.key.public().clone()]).unwrap().to_json();
        let metadata = json!({ "issuer": ISSUER, "jwks_uri": format!("{ISSUER}/jwks") });
        let published = Published { metadata: metadata.to_string(), keys: keys.to_string() };
        let issuer = countersign_types::Issuer::parse(ISSUER).unwrap();
        let clock = Arc::clone(&self.seams.clock);
        AccessTokens::new(identifier(), issuer, Arc::new(published), clock)
    }

    /// An access token of RFC 9068 with an identifier of its own.
    pub(crate) fn token(&self) -> String {
        let now = self.seams.clock.now();
        let claims = json!({
            "iss": ISSUER, "sub": "248289761001", "aud": API, "client_id": "rqp-client",
            "iat": now, "exp": now.after(Lifetime::from_secs(3600)),
            "jti": random::identifier(&*self.seams.random), "scope": "albums.read albums.write",
        });
        sign("at+jwt", &self.key, &claims).unwrap()
    }
}

/// The API, as tokens name it.
pub(crate) fn identifier() -> ResourceIdentifier {
    ResourceIdentifier::parse(API).unwrap()
}

struct Published {
    metadata: String,
    keys: String,
}

impl Fetch for Published {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        let is_keys = request.url.as_url().path() == "/jwks";
        let text = if is_keys { &self.keys } else { &self.metadata };
        let mut response = Response::new(Bytes::from(text.clone()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Box::pin(std::future::ready(Ok(response)))
    }
}
