//! An authorization server that is not there, for the tests of this crate.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use countersign_client_auth::Proof;
use countersign_fetch::request::BoxFuture;
use countersign_fetch::{Fetch, FetchError, Request};
use countersign_resolver::{MetadataConfig, ServerMetadataCache};
use countersign_types::random::Random;
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, Clock, Issuer, ResourceIdentifier, ScopeSet, Timestamp};
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::registration::{
    MemoryRegistrations, RegistrationStore, RegistrationStoreError, ResourceDescription,
};
use crate::server::{Identity, ResourceServer, Seams};

pub(crate) const ISSUER: &str = "https://uma.bob.example";
pub(crate) const RESOURCE_SERVER: &str = "https://rs.bob.example";
pub(crate) const NAME: &str = "RS API";

/// What the server knows, and how it behaves.
#[derive(Default)]
pub(crate) struct State {
    /// No connection succeeds.
    pub(crate) down: bool,
    /// The resource server's own memory of registrations fails.
    pub(crate) forgetful: bool,
    /// The client is refused a PAT.
    pub(crate) no_pat: bool,
    /// The PAT that is accepted: the last one issued, unless a test takes it away.
    pub(crate) pat: Option<String>,
    /// How many PATs were issued.
    pub(crate) pats: u32,
    /// How many tickets were issued.
    pub(crate) tickets: u32,
    /// Resource descriptions by identifier.
    pub(crate) resources: BTreeMap<String, Value>,
    /// How many resources were ever registered.
    pub(crate) registered: u32,
    /// The identifier that the next resource gets, in the place of a good one.
    pub(crate) odd_id: Option<&'static str>,
    /// Introspection responses by token.
    pub(crate) tokens: BTreeMap<String, Value>,
    /// Method and path of every request.
    pub(crate) log: Vec<String>,
}

#[derive(Default)]
pub(crate) struct Pretend {
    state: Mutex<State>,
    now: AtomicI64,
    pub(crate) registrations: Arc<MemoryRegistrations>,
}

impl Pretend {
    pub(crate) fn new() -> Arc<Self> {
        let pretend = Self::default();
        pretend.now.store(1_800_000_000, Ordering::SeqCst);
        Arc::new(pretend)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
    }

    /// A resource server of this authorization server, as it is after a start.
    pub(crate) fn resource_server(self: &Arc<Self>) -> Arc<ResourceServer> {
        self.resource_server_called("Bob's records")
    }

    /// The same with another realm.
    pub(crate) fn resource_server_called(self: &Arc<Self>, realm: &str) -> Arc<ResourceServer> {
        let identity = Identity {
            identifier: ResourceIdentifier::parse(RESOURCE_SERVER).unwrap(),
            realm: realm.to_owned(),
            authorization_server: Issuer::parse(ISSUER).unwrap(),
            client_id: ClientId::parse("rs-bob").unwrap(),
            proof: Proof::SecretBasic(ClientSecret::new("secret")),
        };
        let seams = Seams {
            fetch: self.clone(),
            metadata: Arc::new(ServerMetadataCache::new(
                self.clone(),
                self.clone(),
                &MetadataConfig::default(),
            )),
            clock: self.clone(),
            random: self.clone(),
            registrations: self.clone(),
        };
        let scopes = ScopeSet::parse("get put").unwrap();
        Arc::new(ResourceServer::new(identity, [ResourceDescription::new(NAME, scopes)], seams))
    }

    /// Lets a token be active with these permissions at the first resource.
    pub(crate) fn grant(&self, token: &str, scopes: &[&str]) {
        let mut state = self.state();
        let id = state.resources.keys().next_back().cloned().unwrap_or_default();
        let permission = json!({"resource_id": id, "resource_scopes": scopes});
        let response = json!({
            "active": true, "iss": ISSUER, "aud": RESOURCE_SERVER, "sub": "alice",
            "client_id": "rqp-client", "permissions": [permission],
        });
        state.tokens.insert(token.to_owned(), response);
    }

    fn answer(&self, request: &Request) -> (StatusCode, Value) {
        let mut state = self.state();
        let path = request.url.as_url().path();
        state.log.push(format!("{} {path}", request.method));
        if path == "/.well-known/uma2-configuration" {
            return (StatusCode::OK, metadata());
        }
        if path == "/token" {
            return state.token();
        }
        let bearer = state.pat.as_ref().map(|pat| format!("Bearer {pat}"));
        let authorization = request.headers.get("authorization");
        if bearer.as_deref() != authorization.and_then(|value| value.to_str().ok()) {
            return (StatusCode::UNAUTHORIZED, json!({"error": "invalid_token"}));
        }
        match path {
            "/permission" => state.permission(&serde_json::from_slice(&request.body).unwrap()),
            "/introspect" => {
                let token = request.body.strip_prefix(b"token=").unwrap();
                let token = String::from_utf8(token.to_vec()).unwrap();
                let inactive = json!({"active": false});
                (StatusCode::OK, state.tokens.get(&token).cloned().unwrap_or(inactive))
            }
            _ if request.method == Method::DELETE => state.deregister(path),
            _ => state.register(path, serde_json::from_slice(&request.body).unwrap()),
        }
    }
}

impl State {
    fn token(&mut self) -> (StatusCode, Value) {
        if self.no_pat {
            return (StatusCode::UNAUTHORIZED, json!({"error": "invalid_client"}));
        }
        self.pats += 1;
        let pat = format!("pat-{}", self.pats);
        self.pat = Some(pat.clone());
        (StatusCode::OK, json!({"access_token": pat, "token_type": "bearer", "expires_in": 600}))
    }

    fn permission(&mut self, request: &Value) -> (StatusCode, Value) {
        if !self.resources.contains_key(request["resource_id"].as_str().unwrap()) {
            return (StatusCode::BAD_REQUEST, json!({"error": "invalid_resource_id"}));
        }
        self.tickets += 1;
        (StatusCode::CREATED, json!({"ticket": format!("ticket-{}", self.tickets)}))
    }

    fn deregister(&mut self, path: &str) -> (StatusCode, Value) {
        let id = path.strip_prefix("/resources/").unwrap();
        let was_there = self.resources.remove(id).is_some();
        (if was_there { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }, json!(null))
    }

    fn register(&mut self, path: &str, description: Value) -> (StatusCode, Value) {
        let id = match path.strip_prefix("/resources/") {
            Some(id) if !self.resources.contains_key(id) => {
                return (StatusCode::NOT_FOUND, json!({"error": "not_found"}));
            }
            Some(id) => id.to_owned(),
            None => {
                self.registered += 1;
                self.odd_id.map_or_else(|| format!("id-{}", self.registered), str::to_owned)
            }
        };
        let status = if path == "/resources" { StatusCode::CREATED } else { StatusCode::OK };
        self.resources.insert(id.clone(), description);
        (status, json!({"_id": id}))
    }
}

fn metadata() -> Value {
    json!({
        "issuer": ISSUER,
        "token_endpoint": format!("{ISSUER}/token"),
        "introspection_endpoint": format!("{ISSUER}/introspect"),
        "permission_endpoint": format!("{ISSUER}/permission"),
        "resource_registration_endpoint": format!("{ISSUER}/resources"),
    })
}

impl Fetch for Pretend {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(async move {
            // A connection takes a turn of the executor, so that requests overlap.
            tokio::task::yield_now().await;
            if self.state().down {
                return Err(FetchError::Timeout);
            }
            let (status, body) = self.answer(&request);
            let mut response = Response::new(Bytes::from(body.to_string()));
            *response.status_mut() = status;
            Ok(response)
        })
    }
}

impl Clock for Pretend {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.now.load(Ordering::SeqCst))
    }
}

impl Random for Pretend {
    fn fill(&self, out: &mut [u8]) {
        out.fill(7);
    }
}

/// The resource server's own memory, which may fail.
impl RegistrationStore for Pretend {
    fn find<'a>(
        &'a self,
        issuer: &'a Issuer,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, RegistrationStoreError>> {
        if self.state().forgetful {
            return Box::pin(std::future::ready(Err("the disk is gone".into())));
        }
        self.registrations.find(issuer, name)
    }

    fn keep<'a>(
        &'a self,
        issuer: &'a Issuer,
        name: &'a str,
        resource_id: &'a str,
    ) -> BoxFuture<'a, Result<(), RegistrationStoreError>> {
        Box::pin(async move {
            // A disk takes its time.
            tokio::task::yield_now().await;
            self.registrations.keep(issuer, name, resource_id).await
        })
    }

    fn list<'a>(
        &'a self,
        issuer: &'a Issuer,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, RegistrationStoreError>> {
        self.registrations.list(issuer)
    }

    fn forget<'a>(
        &'a self,
        issuer: &'a Issuer,
        name: &'a str,
    ) -> BoxFuture<'a, Result<(), RegistrationStoreError>> {
        self.registrations.forget(issuer, name)
    }
}
