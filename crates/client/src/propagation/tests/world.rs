//! A service, its provider and a relying party in memory.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use countersign_fetch::request::BoxFuture;
use countersign_fetch::{FetchError, Request};
use countersign_identity_propagation::IdentityToken;
use countersign_jwt::Algorithm;
use countersign_types::digest::Digest;
use countersign_types::secret::AccessToken;
use countersign_types::{EmailAddress, Timestamp, TokenType};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use super::super::*;
use super::servers::Nonces;
use crate::subject::{Person, Subject};

pub(super) const STS: &str = "https://sts.alice.example";
pub(super) const RP: &str = "https://rp.bob.example";
pub(super) const MAIL: &str = "https://mail.example/client";
pub(super) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
pub(super) const NOW: i64 = 1_800_000_000;

pub(super) type Lie = fn(&mut IdentityToken);

pub(super) struct World {
    pub(super) key: Arc<SigningKey>,
    pub(super) sts_key: SigningKey,
    pub(super) seconds: AtomicI64,
    pub(super) calls: AtomicU8,
    pub(super) sent: Mutex<Vec<Request>>,
    pub(super) rp_metadata: Option<Value>,
    pub(super) token_response: Value,
    pub(super) lie: Lie,
    /// So many requests to the relying party are refused.
    pub(super) refused: AtomicU8,
    /// Who the relying party is, and where it says so.
    pub(super) identifier: &'static str,
    pub(super) challenge: String,
    /// What is good once and was used.
    pub(super) used: Mutex<BTreeSet<Digest>>,
    /// The nonces that the provider and the relying party give, if they do.
    pub(super) provider_nonces: Option<Nonces>,
    pub(super) party_nonces: Option<Nonces>,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            key: Arc::new(SigningKey::generate(Algorithm::Es256, None).unwrap()),
            sts_key: SigningKey::generate(Algorithm::Es256, None).unwrap(),
            seconds: AtomicI64::new(NOW),
            calls: AtomicU8::new(0),
            sent: Mutex::default(),
            rp_metadata: None,
            token_response: json!({
                "issued_token_type": TokenType::JWT.as_str(), "token_type": "N_A", "expires_in": 300,
            }),
            lie: |_| {},
            refused: AtomicU8::new(0),
            identifier: RP,
            challenge: format!("{RP}{WELL_KNOWN}"),
            used: Mutex::default(),
            provider_nonces: None,
            party_nonces: None,
        }
    }

    pub(super) fn sent_to(&self, host: &str) -> Vec<Request> {
        let sent = self.sent.lock().unwrap();
        let wanted = |sent: &&Request| {
            sent.url.as_str().starts_with(host) && !sent.url.as_str().contains("/.well-known/")
        };
        sent.iter().filter(wanted).cloned().collect()
    }

    fn answer(&self, request: &Request) -> Response<Bytes> {
        let url = request.url.as_str();
        if url == format!("{STS}/.well-known/openid-configuration") {
            return json_response(
                &json!({ "issuer": STS, "token_endpoint": format!("{STS}/token") }),
            );
        }
        if url == format!("{STS}/token") {
            return self.exchange(request);
        }
        if url == format!("{RP}{WELL_KNOWN}/api") {
            return json_response(&json!({ "resource": format!("{RP}/api") }));
        }
        match (&self.rp_metadata, url.contains("/.well-known/")) {
            (Some(metadata), true) => json_response(metadata),
            (None, true) => panic!("fetched by the caller as an error"),
            (_, false) => self.relying_party(request),
        }
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.seconds.load(Ordering::Relaxed))
    }
}

impl Random for World {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.calls.fetch_add(1, Ordering::Relaxed));
    }
}

impl Fetch for World {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        self.sent.lock().unwrap().push(request.clone());
        let absent =
            self.rp_metadata.is_none() && request.url.as_str() == format!("{RP}{WELL_KNOWN}");
        let answer = if absent {
            Err(FetchError::Status(StatusCode::NOT_FOUND))
        } else {
            Ok(self.answer(&request))
        };
        Box::pin(std::future::ready(answer))
    }
}

pub(super) fn alice() -> EmailAddress {
    EmailAddress::parse("alice@alice.example").unwrap()
}

pub(super) fn json_response(body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(super) fn propagator(world: &Arc<World>) -> IdentityPropagator {
    propagator_for(world, Person::Email(alice()))
}

pub(super) fn propagator_for(world: &Arc<World>, person: Person) -> IdentityPropagator {
    let client = ActingClient { client_id: ClientId::parse(MAIL).unwrap(), key: world.key.clone() };
    let subject = Subject { access_token: AccessToken::new("at"), person };
    let issuer = Issuer::parse(STS).unwrap();
    IdentityPropagator::new(
        world.clone(),
        world.clone(),
        world.clone(),
        client,
        issuer,
        Arc::new(subject),
    )
}

pub(super) fn get(url: &str) -> http::Request<Bytes> {
    http::Request::get(url).body(Bytes::new()).unwrap()
}
