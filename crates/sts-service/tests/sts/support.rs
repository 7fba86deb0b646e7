//! A service with a fixed clock, counted randomness and a memory store, called without a socket.

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use axum::body::Body;
use countersign_claims_token::VerifiedEmail;
use countersign_client_auth::{CheckedCredentials, Credentials, RegisteredClient, SecretDigest};
use countersign_fetch::request::BoxFuture;
use countersign_fetch::{Fetch, FetchError, Limits};
use countersign_jwt::{Algorithm, Claims, KeySet, SigningKey, SigningRing, Unverified};
use countersign_resolver::{ClientDocuments, ClientDocumentsConfig, UrlClientRule, UrlClientRules};
use countersign_store::{Engine, MemoryEngine, SqliteEngine, StoreError};
use countersign_sts_service::{
    Audit, Client, Clients, ExchangeRecord, LogAudit, Parts, PasswordHash, Settings, StaticClients,
    StaticUsers, Sts, TrustedIssuers, UrlClientTerms, UrlClients, User, Users, app,
};
use countersign_token_exchange::policy::RegisteredTarget;
use countersign_token_exchange::{ByRegistration, ClientPolicy, ServerPolicy};
use countersign_types::random::Random;
use countersign_types::secret::{ClientSecret, Password};
use countersign_types::{
    ClientId, Clock, EmailAddress, Issuer, Lifetime, RedirectUri, ResourceIdentifier, ScopeSet,
    Timestamp, UrlPattern,
};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

pub(crate) const NOW: i64 = 1_800_000_000;
/// How long a grant is refreshed, and how long it may rest, in seconds.
pub(crate) const REFRESH: u32 = 5000;
pub(crate) const IDLE: u32 = 1000;
/// How long somebody stays signed in, in seconds.
pub(crate) const SESSION: u32 = 3600;
pub(crate) const STS: &str = "https://sts.alice.example";
pub(crate) const UMA: &str = "https://uma.bob.example";
pub(crate) const RS: &str = "https://rs.bob.example";
pub(crate) const TICKET: &str = "016f84e8-f9b9-11e0-bd6f-0021cc6004de";
pub(crate) const CHALLENGE: &str = "Pn3swUIhNUiYFpJdpL67uuVdjcbI1CPRsm04Z-Q77_c";
pub(crate) const CALLBACK: &str = "https://app.example/cb";
pub(crate) const SECRET: &str = "the secret of rqp-client";
pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CODE_CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
pub(crate) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.0.load(Ordering::Relaxed))
    }
}

/// Counts calls, differently in every world.
struct Counting {
    world: u8,
    calls: AtomicU8,
}

impl Default for Counting {
    fn default() -> Self {
        static WORLDS: AtomicU8 = AtomicU8::new(0);
        Self { world: WORLDS.fetch_add(1, Ordering::Relaxed), calls: AtomicU8::new(0) }
    }
}

impl Random for Counting {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.calls.fetch_add(1, Ordering::Relaxed));
        out[0] = self.world;
    }
}

/// What every test of this program logs.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// The one log, listening from the first call on.
    pub(crate) fn open() -> &'static Self {
        static LOG: LazyLock<Log> = LazyLock::new(|| {
            let log = Log::default();
            let writer = log.clone();
            tracing_subscriber::fmt()
                .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
                .with_ansi(false)
                .with_writer(move || writer.clone())
                .init();
            log
        });
        &LOG
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[derive(Default)]
pub(crate) struct Records(pub(crate) Mutex<Vec<ExchangeRecord>>);

impl Audit for Records {
    fn record(&self, record: &ExchangeRecord) {
        LogAudit.record(record);
        self.0.lock().unwrap().push(record.clone());
    }
}

static ES256: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Es256, None).unwrap());
static RS256: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256, None).unwrap());
/// The key of the client `service`.
pub(crate) static SERVICE: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Es256, None).unwrap());
static HASH: LazyLock<PasswordHash> =
    LazyLock::new(|| PasswordHash::of(&Password::new(PASSWORD), &Counting::default()).unwrap());

/// A directory with a store that goes away with the value.
pub(crate) struct Directory(std::path::PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("countersign-sts-service-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn open(&self) -> Arc<dyn Engine> {
        let clock = Arc::new(TestClock(AtomicI64::new(NOW)));
        Arc::new(SqliteEngine::open(&self.0.join("sts.db"), clock).unwrap())
    }

    /// What is in the files.
    pub(crate) fn contents(&self) -> [Vec<u8>; 2] {
        ["sts.db", "sts.db-wal"].map(|name| std::fs::read(self.0.join(name)).unwrap())
    }

    /// The files as a killed process leaves them.
    pub(crate) fn copy_to(&self, other: &Self) {
        for name in ["sts.db", "sts.db-wal"] {
            std::fs::copy(self.0.join(name), other.0.join(name)).unwrap();
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

pub(crate) struct World {
    pub(crate) sts: Arc<Sts>,
    pub(crate) router: Router,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) audit: Arc<Records>,
    pub(crate) documents: Arc<Documents>,
    clients: Arc<Refusing>,
}

/// Clients of which some may be refused.
struct Refusing {
    all: UrlClients,
    refused: Mutex<std::collections::BTreeSet<ClientId>>,
}

impl Refusing {
    fn refuses(&self, id: &ClientId) -> bool {
        self.refused.lock().unwrap().contains(id)
    }
}

type Found<'a> = BoxFuture<'a, Result<Option<Arc<Client>>, StoreError>>;

impl Clients for Refusing {
    fn find<'a>(&'a self, id: &'a ClientId) -> Found<'a> {
        Box::pin(async move { if self.refuses(id) { Ok(None) } else { self.all.find(id).await } })
    }

    fn find_with_key<'a>(&'a self, id: &'a ClientId, kid: Option<&'a str>) -> Found<'a> {
        Box::pin(async move {
            if self.refuses(id) { Ok(None) } else { self.all.find_with_key(id, kid).await }
        })
    }

    fn find_presenting<'a>(&'a self, credentials: &'a CheckedCredentials) -> Found<'a> {
        Box::pin(async move {
            if self.refuses(credentials.client_id()) {
                return Ok(None);
            }
            self.all.find_presenting(credentials).await
        })
    }

    fn is_known<'a>(&'a self, id: &'a ClientId) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { Ok(!self.refuses(id) && self.all.is_known(id).await?) })
    }

    fn reads_documents(&self) -> bool {
        self.all.reads_documents()
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The error code of a JSON answer and its status.
    pub(crate) fn error(&self) -> (u16, String) {
        let code = self.json()["error"].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), code)
    }

    /// A query parameter of the `Location`.
    pub(crate) fn location(&self, name: &str) -> Option<String> {
        let location = url::Url::parse(self.header(header::LOCATION)).ok()?;
        let found = location.query_pairs().find(|(known, _)| known == name);
        found.map(|(_, value)| value.into_owned())
    }
}

fn client(id: &str, credentials: Credentials) -> Client {
    Client {
        registered: RegisteredClient { id: ClientId::parse(id).unwrap(), credentials },
        name: format!("The {id} <app>"),
        redirect_uris: vec![
            RedirectUri::parse(CALLBACK).unwrap(),
            RedirectUri::parse("http://127.0.0.1/cb").unwrap(),
            RedirectUri::parse("http://[::1]/cb").unwrap(),
        ],
        scopes: ScopeSet::parse("openid email profile offline_access claims-provider get").unwrap(),
        authorization_code: true,
        refresh_token: true,
        client_credentials: true,
        exchange: ClientPolicy {
            may_exchange: true,
            claims_token_audiences: vec![UrlPattern::parse("https://*.bob.example").unwrap()],
            access_token_audiences: vec![UrlPattern::parse(RS).unwrap()],
            scopes: ScopeSet::parse("openid email profile claims-provider get").unwrap(),
            ..ClientPolicy::default()
        },
        post_logout_redirect_uris: vec![RedirectUri::parse("https://app.example/bye").unwrap()],
        audiences: Vec::new(),
        introspects: Vec::new(),
        id_token_algorithm: Algorithm::Rs256,
        dpop_bound_access_tokens: false,
        opaque_access_tokens: false,
    }
}

/// What can be fetched: documents by URL; what is not there is 404.
#[derive(Default)]
pub(crate) struct Documents {
    pub(crate) answers: Mutex<std::collections::HashMap<String, Result<String, u16>>>,
    pub(crate) asked: AtomicI64,
}

impl Documents {
    pub(crate) fn set(&self, url: &str, answer: Result<Value, u16>) {
        let answer = answer.map(|document| document.to_string());
        self.answers.lock().unwrap().insert(url.to_owned(), answer);
    }
}

impl Fetch for Documents {
    fn fetch(
        &self,
        request: countersign_fetch::Request,
    ) -> BoxFuture<'_, Result<http::Response<bytes::Bytes>, FetchError>> {
        assert!(request.limits.max_body <= Limits::jwks().max_body, "{:?}", request.limits);
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.answers.lock().unwrap().get(request.url.as_str()).cloned();
        Box::pin(async move {
            match answer.unwrap_or(Err(404)) {
                Ok(text) => Ok(http::Response::new(text.into())),
                Err(301) => Err(FetchError::Redirect),
                Err(413) => Err(FetchError::TooLarge),
                Err(0) => Err(FetchError::Refused { host: "localhost".into() }),
                Err(status) => Err(FetchError::Status(StatusCode::from_u16(status).unwrap())),
            }
        })
    }
}

/// Clients of `*.mail.example` may act, at the relying parties of Bob.
fn url_clients(
    registered: StaticClients,
    documents: &Arc<Documents>,
    clock: &Arc<TestClock>,
) -> UrlClients {
    let (fetch, clock): (Arc<dyn Fetch>, Arc<dyn Clock>) = (documents.clone(), clock.clone());
    let documents = ClientDocuments::new(fetch, clock, &ClientDocumentsConfig::default());
    let exchange = ClientPolicy {
        may_act: true,
        identity_token_audiences: vec![UrlPattern::parse("https://*.bob.example").unwrap()],
        access_token_audiences: vec![
            UrlPattern::parse(RS).unwrap(),
            UrlPattern::parse("https://*.mail.example/client").unwrap(),
        ],
        email_in_access_token: true,
        may_delegate_onward: true,
        ..client("url", Credentials::Public).exchange
    };
    let rule = UrlClientRule {
        clients: UrlPattern::parse("https://*.mail.example/client").unwrap(),
        public: false,
        terms: UrlClientTerms {
            scopes: exchange.scopes.clone(),
            authorization_code: true,
            refresh_token: true,
            client_credentials: true,
            exchange,
            opaque_access_tokens: false,
        },
    };
    UrlClients::new(Arc::new(registered), UrlClientRules::new(documents, vec![rule]))
}

fn secret(text: &str) -> Credentials {
    Credentials::secret(SecretDigest::of(&ClientSecret::new(text)))
}

pub(crate) fn user(name: &str, verified: bool) -> User {
    let email = EmailAddress::parse(&format!("{name}@alice.example")).unwrap();
    User {
        subject: format!("sub-of-{name}"),
        username: name.to_owned(),
        name: Some("Alice Liddell".into()),
        email: verified.then(|| VerifiedEmail::of_own_account(email)),
        password: Some(HASH.clone()),
        claims: Map::from_iter([
            ("groups".to_owned(), json!(["staff"])),
            ("salary".to_owned(), json!(1)),
        ]),
        origin: None,
    }
}

pub(crate) fn server_policy() -> ServerPolicy {
    ServerPolicy {
        public_clients: true,
        targets: vec![RegisteredTarget {
            name: "RS API".into(),
            audience: Issuer::parse(UMA).unwrap(),
            resource: ResourceIdentifier::parse(RS).unwrap(),
            jwt_profile: None,
        }],
        denied: vec![UrlPattern::parse("https://rs.denied.example").unwrap()],
        user_claims: ["groups".to_owned()].into(),
        ..ServerPolicy::new(Issuer::parse(STS).unwrap())
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(server_policy())
    }

    pub(crate) fn with(policy: ServerPolicy) -> Self {
        Self::on(policy, Arc::new(MemoryEngine::new()))
    }

    pub(crate) fn on(policy: ServerPolicy, engine: Arc<dyn Engine>) -> Self {
        Self::trusting(policy, engine, |_| TrustedIssuers::default())
    }

    /// With another `rqp-client`.
    pub(crate) fn changing(change: impl FnOnce(&mut Client)) -> Self {
        Self::of(server_policy(), change)
    }

    /// The same under other rules.
    pub(crate) fn of(policy: ServerPolicy, change: impl FnOnce(&mut Client)) -> Self {
        let engine = Arc::new(MemoryEngine::new());
        Self::whole(policy, engine, |_| TrustedIssuers::default(), change)
    }

    /// With a `rqp-client` whose access tokens are opaque.
    pub(crate) fn opaque(engine: Arc<dyn Engine>) -> Self {
        let change = |client: &mut Client| client.opaque_access_tokens = true;
        Self::whole(server_policy(), engine, |_| TrustedIssuers::default(), change)
    }

    /// A world that trusts other issuers, which know its clock.
    pub(crate) fn trusting(
        policy: ServerPolicy,
        engine: Arc<dyn Engine>,
        issuers: impl FnOnce(Arc<dyn Clock>) -> TrustedIssuers,
    ) -> Self {
        Self::whole(policy, engine, issuers, |_| {})
    }

    /// A world of these people, with what `finish` adds to the service.
    pub(crate) fn peopled(
        users: Arc<dyn Users>,
        engine: Arc<dyn Engine>,
        finish: impl FnOnce(Sts, Arc<dyn Clock>) -> Sts,
    ) -> Self {
        Self::built(server_policy(), engine, users, finish, |_| {})
    }

    pub(crate) fn whole(
        policy: ServerPolicy,
        engine: Arc<dyn Engine>,
        issuers: impl FnOnce(Arc<dyn Clock>) -> TrustedIssuers,
        change: impl FnOnce(&mut Client),
    ) -> Self {
        let users = Arc::new(StaticUsers::new([user("alice", true), user("mallory", false)]));
        let finish = |sts: Sts, clock| sts.with_trusted_issuers(issuers(clock));
        Self::built(policy, engine, users, finish, change)
    }

    fn built(
        policy: ServerPolicy,
        engine: Arc<dyn Engine>,
        users: Arc<dyn Users>,
        finish: impl FnOnce(Sts, Arc<dyn Clock>) -> Sts,
        change: impl FnOnce(&mut Client),
    ) -> Self {
        Log::open();
        let clock = Arc::new(TestClock(AtomicI64::new(NOW)));
        let audit = Arc::new(Records::default());
        let documents = Arc::new(Documents::default());
        let mut idle = client("idle", secret(SECRET));
        idle.exchange = ClientPolicy::default();
        idle.authorization_code = false;
        idle.refresh_token = false;
        idle.client_credentials = false;
        let mut rqp_client = client("rqp-client", secret(SECRET));
        change(&mut rqp_client);
        let mut rs = client("rs", secret(SECRET));
        rs.introspects = vec![UrlPattern::parse(RS).unwrap()];
        let mut own = client("own", secret(SECRET));
        own.introspects = vec![UrlPattern::parse(STS).unwrap()];
        let mut bound = client("rqp-bound", secret(SECRET));
        bound.dpop_bound_access_tokens = true;
        let own_keys = KeySet::from_keys(vec![SERVICE.public().clone()]).unwrap();
        let mut service = client("service", Credentials::Keys(own_keys));
        service.exchange.may_act = true;
        service.exchange.subjects_of = [ClientId::parse("rqp-client").unwrap()].into();
        let mut gateway = client("gateway", secret(SECRET));
        gateway.exchange.subjects_of = [ClientId::parse("rqp-client").unwrap()].into();
        gateway.exchange.may_delegate_onward = true;
        let mut api = client("api", secret(SECRET));
        api.exchange.may_impersonate = true;
        let clients = [
            service,
            api,
            gateway,
            rqp_client,
            client("rqp-public", Credentials::Public),
            client("other", secret(SECRET)),
            idle,
            rs,
            own,
            bound,
        ];
        let keys = vec![
            SigningKey::from_json(ES256.to_jwk().unwrap().as_bytes()).unwrap(),
            SigningKey::from_json(RS256.to_jwk().unwrap().as_bytes()).unwrap(),
        ];
        let clients = Arc::new(Refusing {
            all: url_clients(StaticClients::new(clients), &documents, &clock),
            refused: Mutex::default(),
        });
        let random = Arc::new(Counting::default());
        let sts = finish(
            Sts::new(Parts {
                settings: Settings {
                    name: "alice.example".into(),
                    email_domains: ["alice.example".to_owned()].into(),
                    scopes: ScopeSet::parse("openid email profile claims-provider").unwrap(),
                    session_lifetime: Lifetime::from_secs(SESSION),
                    access_token_lifetime: Lifetime::from_secs(300),
                    id_token_lifetime: Lifetime::from_secs(300),
                    refresh_token_lifetime: Lifetime::from_secs(REFRESH),
                    refresh_token_idle: Lifetime::from_secs(IDLE),
                },
                policy,
                delegation: Arc::new(ByRegistration),
                keys: SigningRing::from_keys(keys).unwrap(),
                clients: Arc::clone(&clients) as Arc<dyn Clients>,
                users,
                engine,
                clock: Arc::clone(&clock) as Arc<dyn Clock>,
                random,
                audit: Arc::clone(&audit) as Arc<dyn Audit>,
            })
            .unwrap(),
            clock.clone(),
        );
        let sts = Arc::new(sts);
        Self { router: app(Arc::clone(&sts)), sts, clock, audit, documents, clients }
    }

    /// Refuses a client from now on, or takes it back.
    pub(crate) fn refuse(&self, id: &str, refused: bool) {
        let (id, mut all) = (ClientId::parse(id).unwrap(), self.clients.refused.lock().unwrap());
        assert!(if refused { all.insert(id) } else { all.remove(&id) });
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(form_request(path, encoded(fields))).await
    }

    pub(crate) async fn token(&self, fields: &[(&str, &str)]) -> Answer {
        self.post("/token", fields).await
    }

    /// The sign-in page of a request, its form token and its cookie.
    pub(crate) async fn page(&self, change: &[(&str, &str)]) -> (Answer, String, String) {
        let answer = self.get(&format!("/authorize?{}", authorization(change))).await;
        let token = hidden(&answer.text);
        let cookie = answer.header(header::SET_COOKIE).split(';').next().unwrap().to_owned();
        (answer, token, cookie)
    }

    pub(crate) async fn submit(&self, cookie: &str, fields: &[(&str, &str)]) -> Answer {
        let request = form("/login").header(header::COOKIE, cookie);
        self.send(request.body(Body::from(encoded(fields))).unwrap()).await
    }

    /// Signs somebody in for a client and gives the code.
    pub(crate) async fn code(&self, username: &str, change: &[(&str, &str)]) -> String {
        let (_, token, cookie) = self.page(change).await;
        let fields =
            [("form_token", token.as_str()), ("username", username), ("password", PASSWORD)];
        let answer = self.submit(&cookie, &fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        answer.location("code").unwrap()
    }

    pub(crate) async fn redeem(&self, code: &str) -> Answer {
        self.token(&redemption(code)).await
    }

    /// An access token of somebody for `rqp-client`.
    pub(crate) async fn access_token(&self, username: &str, scope: &str) -> String {
        let code = self.code(username, &[("scope", scope)]).await;
        self.redeem(&code).await.json()["access_token"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn keys() -> KeySet {
    KeySet::from_keys(vec![ES256.public().clone(), RS256.public().clone()]).unwrap()
}

pub(crate) fn sign(typ: &str, claims: &Value) -> String {
    countersign_jwt::sign(typ, &*ES256, claims).unwrap()
}

pub(crate) fn claims(token: &str) -> Claims {
    Claims::from_map(Unverified::parse(token).unwrap().claims().as_map().clone())
}

pub(crate) fn redemption(code: &str) -> [(&str, &str); 6] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", "rqp-client"),
        ("client_secret", SECRET),
    ]
}

/// A good authorization request, changed; an empty value takes a parameter away.
pub(crate) fn authorization(change: &[(&str, &str)]) -> String {
    let good = [
        ("response_type", "code"),
        ("client_id", "rqp-client"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid email claims-provider"),
        ("state", "s&t"),
        ("nonce", "n"),
        ("code_challenge", CODE_CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    changed(&good, change)
}

pub(crate) fn changed(good: &[(&str, &str)], change: &[(&str, &str)]) -> String {
    let kept = good.iter().filter(|(name, _)| !change.iter().any(|(other, _)| other == name));
    let fields = kept.chain(change.iter().filter(|(_, value)| !value.is_empty()));
    encoded(&fields.copied().collect::<Vec<_>>())
}

pub(crate) fn encoded(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn form(path: &str) -> http::request::Builder {
    Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
}

pub(crate) fn form_request(path: &str, body: String) -> Request<Body> {
    form(path).body(Body::from(body)).unwrap()
}

pub(crate) fn hidden(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"form_token\" value=\"").unwrap_or_default();
    rest.split('"').next().unwrap_or_default().to_owned()
}
