//! An issuer of access tokens that is not there, for the tests of this crate.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use countersign_client_auth::Proof;
use countersign_fetch::request::BoxFuture;
use countersign_fetch::{Fetch, FetchError, Request};
use countersign_jwt::{Algorithm, KeySet, SigningKey, sign};
use countersign_types::random::Random;
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, Clock, Issuer, ResourceIdentifier, Timestamp};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::access_token::{AccessTokens, IntrospectedTokens, Introspector};

pub(crate) const ISSUER: &str = "https://as.bob.example";
pub(crate) const API: &str = "https://api.bob.example/v1";
pub(crate) const NOW: i64 = 1_800_000_000;

/// What the issuer publishes and says.
#[derive(Default)]
pub(crate) struct State {
    /// No connection succeeds.
    pub(crate) down: bool,
    /// Only the OpenID document is there.
    pub(crate) no_oauth_document: bool,
    /// The key set at `jwks_uri`.
    pub(crate) jwks: Value,
    /// Introspection responses by token; a token without one is not active.
    pub(crate) tokens: BTreeMap<String, Value>,
    /// Method and path of every request, and of introspection the `Authorization`.
    pub(crate) log: Vec<String>,
}

pub(crate) struct PretendIssuer {
    state: Mutex<State>,
    now: AtomicI64,
    pub(crate) key: SigningKey,
}

impl PretendIssuer {
    pub(crate) fn new() -> Arc<Self> {
        let key = SigningKey::generate(Algorithm::Es256, Some("one")).unwrap();
        let issuer = Self { state: Mutex::default(), now: AtomicI64::new(NOW), key };
        issuer.publish(&[&issuer.key]);
        Arc::new(issuer)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn publish(&self, keys: &[&SigningKey]) {
        let keys = keys.iter().map(|key| key.public().clone()).collect();
        self.state().jwks = KeySet::from_keys(keys).unwrap().to_json();
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.state().log.iter().filter(|line| line.contains(path)).count()
    }

    pub(crate) fn access_tokens(self: &Arc<Self>) -> AccessTokens {
        AccessTokens::new(api(), issuer(), self.clone(), self.clone())
    }

    pub(crate) fn introspected_tokens(self: &Arc<Self>) -> IntrospectedTokens {
        let introspector = Introspector {
            issuer: issuer(),
            client_id: ClientId::parse("api-bob").unwrap(),
            proof: Proof::SecretBasic(ClientSecret::new("secret")),
        };
        IntrospectedTokens::new(api(), introspector, self.clone(), self.clone(), self.clone())
    }

    /// An access token, with some claims changed; one that is `null` is left out.
    pub(crate) fn token(&self, changes: Value) -> String {
        self.token_of("at+jwt", &self.key, changes)
    }

    pub(crate) fn token_of(&self, typ: &str, key: &SigningKey, changes: Value) -> String {
        sign(typ, key, &claims(changes)).unwrap()
    }

    fn answer(&self, request: &Request) -> (StatusCode, Value) {
        let mut state = self.state();
        let path = request.url.as_url().path();
        let authorization = request.headers.get("authorization");
        let authorization = authorization.and_then(|value| value.to_str().ok()).unwrap_or_default();
        state.log.push(format!("{} {path} {authorization}", request.method));
        let metadata = json!({
            "issuer": ISSUER,
            "jwks_uri": format!("{ISSUER}/jwks"),
            "introspection_endpoint": format!("{ISSUER}/introspect"),
        });
        match path {
            "/.well-known/oauth-authorization-server" if !state.no_oauth_document => {
                (StatusCode::OK, metadata)
            }
            "/.well-known/openid-configuration" => (StatusCode::OK, metadata),
            "/jwks" => (StatusCode::OK, state.jwks.clone()),
            "/introspect" if authorization != "Basic YXBpLWJvYjpzZWNyZXQ=" => {
                (StatusCode::UNAUTHORIZED, json!({"error": "invalid_client"}))
            }
            "/introspect" => {
                let mut form = form_urlencoded::parse(&request.body);
                let token = form.find(|(name, _)| name == "token").unwrap().1;
                let answer = state.tokens.get(token.as_ref()).cloned();
                let answer = answer.unwrap_or_else(|| json!({"active": false}));
                let is_error = answer.get("error").is_some();
                (if is_error { StatusCode::BAD_REQUEST } else { StatusCode::OK }, answer)
            }
            _ => (StatusCode::NOT_FOUND, Value::Null),
        }
    }
}

pub(crate) fn issuer() -> Issuer {
    Issuer::parse(ISSUER).unwrap()
}

pub(crate) fn api() -> ResourceIdentifier {
    ResourceIdentifier::parse(API).unwrap()
}

/// The claims of an access token for the API, with some of them changed.
pub(crate) fn claims(changes: Value) -> Value {
    let claims = json!({
        "iss": ISSUER, "sub": "alice", "aud": API, "client_id": "mail", "jti": "1",
        "iat": NOW, "exp": NOW + 300, "scope": "read write",
    });
    changed(claims, &changes)
}

/// Claims with these in the place of those they had; `null` takes one away.
pub(crate) fn changed(mut claims: Value, changes: &Value) -> Value {
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    claims
}

impl Clock for PretendIssuer {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.now.load(Ordering::SeqCst))
    }
}

impl Random for PretendIssuer {
    fn fill(&self, out: &mut [u8]) {
        out.fill(7);
    }
}

impl Fetch for PretendIssuer {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(async move {
            if self.state().down {
                return Err(FetchError::Timeout);
            }
            let (status, body) = self.answer(&request);
            if status != StatusCode::OK && !request.limits.any_status {
                return Err(FetchError::Status(status));
            }
            let mut response = Response::new(Bytes::from(body.to_string()));
            *response.status_mut() = status;
            Ok(response)
        })
    }
}
