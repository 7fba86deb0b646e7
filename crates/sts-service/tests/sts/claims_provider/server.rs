//! The AuthN server behind the claims provider, and what of it does not work.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use countersign_fetch::request::BoxFuture;
use countersign_fetch::{Fetch, FetchError, Request as Outbound};
use http::Response;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use super::PROVIDER;
use crate::support::*;

/// An answer that a test writes.
pub(super) type Said = Arc<dyn Fn() -> Result<Response<Bytes>, FetchError> + Send + Sync>;

/// The AuthN server: Alice and Carol have accounts there, and Bob has one without an identifier.
#[derive(Default)]
pub(super) struct Server {
    asked: Mutex<Vec<String>>,
    pub(super) fails: Mutex<Fails>,
    /// What it answers when it is asked who somebody is, and whose name that is.
    pub(super) says: Mutex<Option<(&'static str, Said)>>,
}

/// What of it does not work.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Fails {
    #[default]
    Nothing,
    Token,
    Query,
    /// It takes no token that it gave out.
    Taking,
    /// It answers what it is asked about tokens so.
    Introspection(u16),
    /// It answers nothing about tokens.
    Silent,
    /// It trips over one token.
    Tripped,
    /// It took back what it gave out.
    Revoked,
}

impl Server {
    pub(super) fn that(fails: Fails) -> Self {
        Self { fails: fails.into(), ..Self::default() }
    }

    fn answer(&self, request: &Outbound) -> (u16, Value) {
        let (url, fails) = (request.url.as_url(), *self.fails.lock().unwrap());
        self.asked.lock().unwrap().push(url.path().to_owned());
        match url.path() {
            "/.well-known/oauth-authorization-server" => {
                let mut metadata = json!({ "issuer": STS });
                for name in ["token", "introspection"] {
                    metadata[format!("{name}_endpoint")] = json!(format!("{STS}/{name}"));
                }
                (200, metadata)
            }
            "/introspection" => match (fails, &request.body[..]) {
                (Fails::Introspection(status), _) => (status, json!({})),
                (Fails::Tripped, b"token=odd&token_type_hint=access_token") => (500, json!({})),
                (Fails::Revoked, _) => (200, json!({ "active": false })),
                _ => (200, said()),
            },
            "/token" if fails == Fails::Token => (503, json!({})),
            "/token" => {
                (200, json!({ "access_token": "own", "token_type": "Bearer", "expires_in": 300 }))
            }
            "/scim/v2/Users" if fails == Fails::Query => (500, json!({})),
            "/scim/v2/Users" if fails == Fails::Taking => (401, json!({})),
            "/scim/v2/Users" => {
                let query: Vec<_> = url.query_pairs().skip(1).collect();
                let asked = [
                    ("attributes".into(), "id,emails,active".into()),
                    ("count".into(), "2".into()),
                ];
                assert_eq!(query, asked);
                assert_eq!(request.headers[AUTHORIZATION], "Bearer own");
                let (_, filter) = url.query_pairs().next().unwrap();
                let users = ["alice", "carol", "bob"].into_iter().filter(|name| {
                    filter.to_lowercase().contains(&format!("\"{name}@alice.example\""))
                });
                let users: Vec<_> = users
                    .map(|name| {
                        let id = if name == "bob" { "" } else { name };
                        json!({ "id": id, "emails": [{ "value": format!("{name}@alice.example") }] })
                    })
                    .collect();
                let schema = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
                let total = users.len();
                (200, json!({ "schemas": [schema], "totalResults": total, "Resources": users }))
            }
            path => unreachable!("{path}"),
        }
    }

    pub(super) fn count(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == path).count()
    }
}

impl Fetch for Server {
    fn fetch(&self, request: Outbound) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        let is_about_a_token = request.url.as_str().ends_with("/introspection");
        let (status, body) = self.answer(&request);
        let says = self.says.lock().unwrap();
        let is_about = |name: &str| request.url.as_str().contains(&format!("%22{name}%40"));
        if let Some((name, said)) = says.as_ref()
            && is_about(name)
        {
            return Box::pin(std::future::ready(said()));
        }
        let (status, body) = match *self.fails.lock().unwrap() {
            Fails::Silent if is_about_a_token => {
                return Box::pin(std::future::ready(Err(FetchError::Timeout)));
            }
            _ => (status, body),
        };
        let response = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
        let response = response.body(Bytes::from(body.to_string())).unwrap();
        Box::pin(std::future::ready(Ok(response)))
    }
}

/// What the server says of a good token of the agent's.
fn said() -> Value {
    json!({
        "active": true, "sub": "agent", "aud": PROVIDER, "client_id": "agent",
        "scope": "claims-provider", "iat": NOW, "exp": NOW + 300,
    })
}
