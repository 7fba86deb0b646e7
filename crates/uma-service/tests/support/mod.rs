//! A server on a memory engine, with a clock that is set and an identity provider that is made up.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use countersign_client_auth::{Credentials, RegisteredClient, SecretDigest};
use countersign_jwt::{Algorithm, KeySet, SigningKey, jws};
use countersign_permission_ticket::TicketChallenge;
use countersign_store::engine::BoxFuture;
use countersign_store::{Engine, MemoryEngine};
use countersign_types::random::Random;
use countersign_types::secret::{ClientSecret, TicketHandle};
use countersign_types::{
    ClientId, Clock, EmailAddress, EndpointUrl, Issuer, ResourceIdentifier, ScopeSet, Timestamp,
};
use countersign_uma::NamedBy;
use countersign_uma::policy::rules::{Rule, Rules};
use countersign_uma::policy::{Policy, PolicyRequest, Revision, Ruling, Shares};
use countersign_uma::protection::{OwnerId, Protection, ResourceParameter, ResourceServer};
use countersign_uma_service::audit::AssessmentRecord;
use countersign_uma_service::discovery::{DiscoveredIssuer, Discovery, NotDiscovered};
use countersign_uma_service::{Audit, Client, Limits, Seams, StaticClients, Uma, UmaConfig, app};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) const NOW: i64 = 1_700_000_000;
pub(crate) const AS: &str = "https://uma.bob.example";
pub(crate) const RS: &str = "https://rs.bob.example";
pub(crate) const STS: &str = "https://sts.alice.example";
pub(crate) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
pub(crate) const UMA_TICKET: &str = "urn:ietf:params:oauth:grant-type:uma-ticket";

#[derive(Default)]
pub(crate) struct SetClock {
    time: AtomicI64,
    /// How often it was asked.
    pub(crate) asked: AtomicU64,
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Timestamp::from_unix(self.time.load(Ordering::SeqCst))
    }
}

/// Never the same twice, over restarts of the server too, which is all these tests ask of
/// randomness.
struct Counter;

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Random for Counter {
    fn fill(&self, out: &mut [u8]) {
        let count = NEXT.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        for (index, octet) in out.iter_mut().enumerate() {
            *octet = count[index % count.len()];
        }
    }
}

/// Alice's domain names her identity provider, and Dave's his; no other domain names any.
struct Known(Arc<KeySet>);

/// Whose word counts for this address: what follows a `+` in it has an issuer of its own.
pub(crate) fn issuer_of(email: &str) -> String {
    let (local, domain) = email.split_once('@').unwrap();
    match local.split_once('+') {
        Some((_, path)) => format!("https://sts.{domain}/{path}"),
        None => format!("https://sts.{domain}"),
    }
}

impl Discovery for Known {
    fn issuer<'a>(
        &'a self,
        email: &'a EmailAddress,
    ) -> BoxFuture<'a, Result<DiscoveredIssuer, NotDiscovered>> {
        let named = ["alice.example", "a.alice.example", "dave.example"].contains(&email.domain());
        let found = named.then(|| {
            let issuer = issuer_of(email.as_str());
            DiscoveredIssuer {
                issuer: Issuer::parse(&issuer).unwrap(),
                jwks_uri: EndpointUrl::parse(&format!("{issuer}/jwks")).unwrap(),
                named_by: NamedBy::WebFinger,
            }
        });
        Box::pin(async { found.ok_or_else(|| NotDiscovered("no issuer".to_owned())) })
    }

    fn host<'a>(
        &'a self,
        issuer: &'a Issuer,
    ) -> BoxFuture<'a, Result<DiscoveredIssuer, NotDiscovered>> {
        let jwks_uri = EndpointUrl::parse(&format!("{issuer}/jwks")).unwrap();
        let (issuer, named_by) = (issuer.clone(), NamedBy::Administrator);
        Box::pin(async move { Ok(DiscoveredIssuer { issuer, jwks_uri, named_by }) })
    }

    fn keys<'a>(
        &'a self,
        _: &'a DiscoveredIssuer,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<KeySet>, NotDiscovered>> {
        Box::pin(async { Ok(Arc::clone(&self.0)) })
    }
}

#[derive(Default)]
struct Kept(Mutex<Vec<AssessmentRecord>>);

impl Audit for Kept {
    fn record(&self, record: &AssessmentRecord) {
        self.0.lock().unwrap().push(record.clone());
    }
}

/// Rules that can be replaced while the server runs, and the count of what they were asked.
/// Owners share
/// nothing under them unless a test has it so.
pub(crate) struct Changing(
    Mutex<Rules>,
    AtomicU64,
    OnceLock<RwLock<Shares>>,
    /// Another policy in the place of these rules.
    OnceLock<Arc<dyn Policy>>,
    /// What each rule says of itself.
    OnceLock<&'static str>,
);

impl Policy for Changing {
    fn assess(&self, request: &PolicyRequest<'_>) -> Ruling {
        self.1.fetch_add(1, Ordering::SeqCst);
        if let Some(other) = self.3.get() {
            return other.assess(request);
        }
        self.0.lock().unwrap().assess(request)
    }

    fn revision(&self, protection: &Protection, now: Timestamp) -> Revision {
        match self.3.get() {
            Some(other) => other.revision(protection, now),
            None => self.0.lock().unwrap().revision(protection, now),
        }
    }

    fn claims(&self, protection: &Protection) -> BTreeSet<String> {
        match self.3.get() {
            Some(other) => other.claims(protection),
            None => self.0.lock().unwrap().claims(protection),
        }
    }

    fn describe(&self, _: &str) -> Option<String> {
        self.4.get().map(|text| (*text).to_owned())
    }

    fn shares(&self) -> Option<&RwLock<Shares>> {
        match self.3.get() {
            Some(other) => other.shares(),
            None => self.2.get(),
        }
    }
}

/// The server under test and its surroundings.
pub(crate) struct World {
    pub(crate) router: Router,
    pub(crate) uma: Arc<Uma>,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) key: SigningKey,
    audit: Arc<Kept>,
    policy: Arc<Changing>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

fn client(id: &str, credentials: Credentials) -> Client {
    let id = ClientId::parse(id).unwrap();
    let registered = RegisteredClient { id, credentials };
    Client { registered, uma_grant: None, resource_server: None }
}

fn secret(text: &str) -> Credentials {
    Credentials::secret(SecretDigest::of(&ClientSecret::new(text)))
}

fn resource_server(id: &str, owner: &str, identifier: &str) -> Client {
    let owner = OwnerId::parse(owner).unwrap();
    let server = ResourceServer {
        protection: Protection::new(owner, ClientId::parse(id).unwrap()),
        resource_identifiers: vec![ResourceIdentifier::parse(identifier).unwrap()],
        resource_parameter: ResourceParameter::Required,
    };
    Client { resource_server: Some(server), ..client(id, secret(id)) }
}

/// Alice may `get`, and `put` if she is in the right department.
pub(crate) fn rules() -> Rules {
    rules_of(json!([
        {"resource": "RS API", "scopes": ["get"], "emails": ["alice@alice.example"]},
        {"resource": "RS API", "scopes": ["put"], "emails": ["alice@alice.example"],
         "claims": {"department": "research"}},
    ]))
}

/// What `rs` holds of Bob's.
pub(crate) fn bob() -> Protection {
    Protection::new(OwnerId::parse("bob").unwrap(), ClientId::parse("rs").unwrap())
}

/// Bob's rules for it.
pub(crate) fn rules_of(rules: Value) -> Rules {
    let rules: Vec<Rule> = serde_json::from_value(rules).unwrap();
    Rules::new().with(bob(), rules)
}

impl World {
    pub(crate) fn new() -> Self {
        Self::on(Arc::new(MemoryEngine::new()), Limits::default())
    }

    pub(crate) fn on(engine: Arc<dyn Engine>, limits: Limits) -> Self {
        Self::without(&[], engine, limits)
    }

    /// The server after these clients' registrations were taken back.
    pub(crate) fn without(gone: &[&str], engine: Arc<dyn Engine>, limits: Limits) -> Self {
        Self::configured(gone, engine, |config| config.limits = limits)
    }

    /// The same, under another configuration.
    pub(crate) fn configured(
        gone: &[&str],
        engine: Arc<dyn Engine>,
        configure: impl FnOnce(&mut UmaConfig),
    ) -> Self {
        Self::built(gone, engine, configure, |uma| uma)
    }

    /// The server under a policy of its own.
    pub(crate) fn under(
        policy: Arc<dyn Policy>,
        engine: Arc<dyn Engine>,
        configure: impl FnOnce(&mut UmaConfig),
    ) -> Self {
        let world = Self::configured(&[], engine, configure);
        world.decide_by(policy);
        world
    }

    /// This policy decides from now on.
    pub(crate) fn decide_by(&self, policy: Arc<dyn Policy>) {
        drop(self.policy.3.set(policy));
    }

    /// The same, with what belongs to a server beside its configuration.
    pub(crate) fn built(
        gone: &[&str],
        engine: Arc<dyn Engine>,
        configure: impl FnOnce(&mut UmaConfig),
        finish: impl FnOnce(Uma) -> Uma,
    ) -> Self {
        let stays = |client: &Client| !gone.contains(&client.registered.id.as_str());
        Self::registering(|client| Some(client).filter(stays), engine, configure, finish)
    }

    /// The server after `rs` was registered for Carol instead of Bob.
    pub(crate) fn given_to_carol(engine: Arc<dyn Engine>) -> Self {
        let given = |client: Client| {
            let is_it = client.registered.id.as_str() == "rs";
            Some(if is_it { resource_server("rs", "carol", RS) } else { client })
        };
        Self::registering(given, engine, |_| {}, |uma| uma)
    }

    /// The server after a client was registered without what it authenticates with.
    pub(crate) fn with_public(
        id: &str,
        engine: Arc<dyn Engine>,
        configure: impl FnOnce(&mut UmaConfig),
    ) -> Self {
        let made_public = |mut client: Client| {
            if client.registered.id.as_str() == id {
                client.registered.credentials = Credentials::Public;
            }
            Some(client)
        };
        Self::registering(made_public, engine, configure, |uma| uma)
    }

    fn registering(
        registered: impl FnMut(Client) -> Option<Client>,
        engine: Arc<dyn Engine>,
        configure: impl FnOnce(&mut UmaConfig),
        finish: impl FnOnce(Uma) -> Uma,
    ) -> Self {
        let clock = Arc::new(SetClock { time: AtomicI64::new(NOW), ..SetClock::default() });
        let key = SigningKey::generate(Algorithm::Es256, Some("k1")).unwrap();
        let keys = KeySet::from_keys(vec![key.public().clone()]).unwrap();
        let audit = Arc::new(Kept::default());
        let policy = Arc::new(Changing(
            Mutex::new(rules()),
            AtomicU64::new(0),
            OnceLock::new(),
            OnceLock::new(),
            OnceLock::new(),
        ));
        let scopes = || Some(ScopeSet::parse("put").unwrap());
        let clients = [
            resource_server("rs", "bob", RS),
            resource_server("rs2", "carol", "https://rs.carol.example"),
            resource_server("rs3", "bob", "https://rs3.bob.example"),
            Client { uma_grant: scopes(), ..client("app", secret("app")) },
            Client { uma_grant: scopes(), ..client("app2", secret("app2")) },
            Client { uma_grant: scopes(), ..client("public", Credentials::Public) },
            Client {
                registered: client("public-rs", Credentials::Public).registered,
                ..resource_server("public-rs", "bob", "https://public.bob.example")
            },
            client("no-grant", secret("no-grant")),
            Client { uma_grant: scopes(), ..client("keys", Credentials::Keys(keys.clone())) },
        ];
        let clients = StaticClients::from_iter(clients.into_iter().filter_map(registered));
        let mut config = UmaConfig::new(Issuer::parse(AS).unwrap());
        configure(&mut config);
        let seams = Seams {
            engine,
            clients: Arc::new(clients),
            policy: Arc::clone(&policy) as Arc<dyn Policy>,
            discovery: Arc::new(Known(Arc::new(keys))),
            audit: Arc::clone(&audit) as Arc<dyn Audit>,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            random: Arc::new(Counter),
        };
        let uma = Arc::new(finish(Uma::new(config, seams).unwrap()));
        let router = app(Arc::clone(&uma));
        Self { router, uma, clock, key, audit, policy }
    }

    /// Other rules from now on.
    pub(crate) fn change_policy(&self, rules: Rules) {
        *self.policy.0.lock().unwrap() = rules;
    }

    /// Each rule says this of itself from now on.
    pub(crate) fn describe_rules(&self, text: &'static str) {
        self.policy.4.get_or_init(|| text);
    }

    /// Owners share from now on.
    pub(crate) fn offer_shares(&self) {
        self.policy.2.get_or_init(RwLock::default);
    }

    /// How often policy was asked so far.
    pub(crate) fn policy_asked(&self) -> u64 {
        self.policy.1.load(Ordering::SeqCst)
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.time.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now().as_unix()
    }

    /// The last record of the audit trail.
    pub(crate) fn recorded(&self) -> AssessmentRecord {
        self.audit.0.lock().unwrap().last().unwrap().clone()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: head.status, headers: head.headers, text }
    }

    /// A request to the protection API.
    pub(crate) async fn protect(
        &self,
        method: Method,
        path: &str,
        pat: &str,
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !pat.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {pat}"));
        }
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    pub(crate) async fn form(&self, path: &str, pat: &str, form: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded;charset=UTF-8");
        if !pat.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {pat}"));
        }
        self.send(request.body(Body::from(encode(form))).unwrap()).await
    }

    /// A PAT for a resource server, whose secret is its name.
    pub(crate) async fn pat(&self, server: &str) -> String {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", server),
            ("client_secret", server),
            ("scope", "uma_protection"),
        ];
        let answer = self.form("/token", "", &form).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// Registers a resource, and gives its identifier.
    pub(crate) async fn register(&self, pat: &str) -> String {
        let body = r#"{"resource_scopes":["get","put"],"name":"RS API"}"#;
        let answer = self.protect(Method::POST, "/resources", pat, body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["_id"].as_str().unwrap().to_owned()
    }

    /// Asks for a ticket for `get`.
    pub(crate) async fn ticket_for(&self, pat: &str, id: &str) -> String {
        let body = json!({"resource_id": id, "resource_scopes": ["get"]}).to_string();
        let answer = self.protect(Method::POST, "/permission", pat, &body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["ticket"].as_str().unwrap().to_owned()
    }

    /// A ticket for a resource of Bob's.
    pub(crate) async fn ticket(&self) -> String {
        let pat = self.pat("rs").await;
        let id = self.register(&pat).await;
        self.ticket_for(&pat, &id).await
    }

    /// The claims of Alice's claims token for this ticket.
    pub(crate) fn claims(&self, ticket: &str) -> Value {
        json!({
            "iss": STS, "sub": "a1", "aud": AS, "jti": "j1",
            "iat": self.now(), "exp": self.now() + 120,
            "email": "alice@alice.example", "email_verified": true, "resource": RS,
            "ticket_challenge": TicketChallenge::of(&TicketHandle::new(ticket)).to_string(),
        })
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        jws::sign("uma-claims+jwt", &self.key, claims).unwrap()
    }

    /// Redeems a ticket with these claims, as the confidential client `app`.
    pub(crate) async fn redeem(
        &self,
        ticket: &str,
        claims: &Value,
        more: &[(&str, &str)],
    ) -> Answer {
        let token = self.sign(claims);
        let mut form = vec![("claim_token", &*token), ("claim_token_format", JWT)];
        form.extend(more);
        self.present("app", ticket, &form).await
    }

    /// Presents a ticket as a client whose secret is its name, or `public`.
    pub(crate) async fn present(
        &self,
        client: &str,
        ticket: &str,
        more: &[(&str, &str)],
    ) -> Answer {
        let mut form = vec![("grant_type", UMA_TICKET), ("ticket", ticket), ("client_id", client)];
        if client != "public" {
            form.push(("client_secret", client));
        }
        if !more.iter().any(|(name, _)| *name == "resource") {
            form.push(("resource", RS));
        }
        form.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        self.form("/token", "", &form).await
    }
}

pub(crate) fn encode(form: &[(&str, &str)]) -> String {
    let octet = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(b).to_string(),
        _ => format!("%{b:02X}"),
    };
    let escape = |text: &str| text.bytes().map(octet).collect::<String>();
    let pairs = form.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// An error answer: JSON, not to be cached, with this status and code.
#[track_caller]
pub(crate) fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.json()["error"], code, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store", "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json", "{answer:?}");
}

/// A `need_info` answer: a new ticket, and what is required.
#[track_caller]
pub(crate) fn need_info(answer: &Answer, old: &str) -> String {
    refused(answer, 403, "need_info");
    let body = answer.json();
    let required = body["required_claims"].as_array().unwrap();
    assert!(!required.is_empty());
    for claim in required {
        assert!(claim["name"].is_string());
        assert_eq!(claim["claim_token_format"], json!([JWT]));
        assert!(claim.get("issuer").is_none_or(Value::is_array));
    }
    let ticket = body["ticket"].as_str().unwrap().to_owned();
    assert_ne!(ticket, old);
    ticket
}

/// A `request_submitted` answer: a new ticket, and how long to wait.
#[track_caller]
pub(crate) fn submitted(answer: &Answer, old: &str) -> (String, i64) {
    refused(answer, 403, "request_submitted");
    let body = answer.json();
    let ticket = body["ticket"].as_str().unwrap().to_owned();
    assert_ne!(ticket, old);
    (ticket, body["interval"].as_i64().unwrap())
}

/// An RPT.
#[track_caller]
pub(crate) fn rpt(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    let body = answer.json();
    assert!(body.get("scope").is_none());
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 300);
    body["access_token"].as_str().unwrap().to_owned()
}
