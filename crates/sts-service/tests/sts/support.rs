//! A service with a fixed clock, counted randomness and a memory store, called without a socket.

mod clients;
mod requests;
mod seams;

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use axum::body::Body;
use countersign_claims_token::VerifiedEmail;
use countersign_client_auth::Credentials;
use countersign_jwt::{Algorithm, Claims, KeySet, SigningKey, SigningRing, Unverified};
use countersign_store::{Engine, MemoryEngine};
use countersign_sts_service::{
    Audit, Client, Clients, Origin, Parts, PasswordHash, Settings, StaticClients, StaticUsers, Sts,
    TrustedIssuers, User, Users, app,
};
use countersign_token_exchange::policy::RegisteredTarget;
use countersign_token_exchange::{ByRegistration, ClientPolicy, ServerPolicy};
use countersign_types::secret::Password;
use countersign_types::{
    ClientId, Clock, EmailAddress, Issuer, Lifetime, ResourceIdentifier, ScopeSet, UrlPattern,
};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

pub(crate) use countersign_testkit::gone::let_go;
pub(crate) use countersign_testkit::{Log, Watched};
pub(crate) use requests::{
    Answer, authorization, changed, encoded, form_request, hidden, redemption,
};
pub(crate) use seams::{Directory, Documents, Records, TestClock};

use clients::{Refusing, client, secret, url_clients};
use requests::form;
use seams::Counting;

pub(crate) const NOW: i64 = 1_800_000_000;
/// How long a grant is refreshed, and how long it may rest, in seconds.
pub(crate) const REFRESH: u32 = 5000;
pub(crate) const IDLE: u32 = 1000;
/// How long somebody stays signed in, in seconds.
pub(crate) const SESSION: u32 = 3600;
pub(crate) const STS: &str = "https://sts.alice.example";
pub(crate) const UMA: &str = "https://uma.bob.example";
pub(crate) const OTHER_RS: &str = "https://other.bob.example";
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

/// The key that signs access tokens.
pub(crate) static ES256: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Es256, None).unwrap());
static RS256: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256, None).unwrap());

/// The key of the client `service`.
pub(crate) static SERVICE: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Es256, None).unwrap());
static HASH: LazyLock<PasswordHash> =
    LazyLock::new(|| PasswordHash::of(&Password::new(PASSWORD), &Counting::default()).unwrap());

/// The hash of [`PASSWORD`].
pub(crate) fn password_hash() -> PasswordHash {
    HASH.clone()
}

pub(crate) struct World {
    pub(crate) sts: Arc<Sts>,
    pub(crate) router: Router,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) audit: Arc<Records>,
    pub(crate) documents: Arc<Documents>,
    clients: Arc<Refusing>,
}

pub(crate) fn user(name: &str, verified: bool) -> User {
    let email = EmailAddress::parse(&format!("{name}@alice.example")).unwrap();
    User {
        subject: format!("sub-of-{name}"),
        username: name.to_owned(),
        name: Some("Alice Liddell".into()),
        email: verified.then(|| VerifiedEmail::of_own_account(email)),
        password: Some(password_hash()),
        claims: Map::from_iter([
            ("groups".to_owned(), json!(["staff"])),
            ("salary".to_owned(), json!(1)),
        ]),
        origin: None,
    }
}

/// Alice and, under no address that counts: Mallory, whose address was not verified; Dora, whose
/// user name reads like somebody else's; Ida, who came through a provider that is trusted no more.
pub(crate) fn people() -> StaticUsers {
    let named = |username: &str, name| User { username: username.to_owned(), ..user(name, true) };
    let issuer = Issuer::parse("https://idp.gone.example").unwrap();
    let origin = Origin { issuer, sub: "ida".to_owned(), required: Map::new() };
    StaticUsers::new([
        user("alice", true),
        user("mallory", false),
        named("eve@alice.example", "dora"),
        User { origin: Some(origin), ..named("ida@alice.example", "ida") },
    ])
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

    /// With an engine that can be slow.
    pub(crate) fn slowly() -> (Arc<Watched>, Self) {
        let engine = Arc::new(Watched::default());
        (Arc::clone(&engine), Self::on(server_policy(), engine))
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
        let users = Arc::new(people());
        let finish = |sts: Sts, clock| sts.with_trusted_issuers(issuers(clock));
        Self::built(policy, engine, users, finish, change)
    }

    pub(crate) fn built(
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
        api.exchange.access_token_audiences.push(UrlPattern::parse(OTHER_RS).unwrap());
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
        let scopes: Vec<_> = clients.iter().map(|client| client.scopes.clone()).collect();
        let listed = scopes.iter().fold(ScopeSet::empty(), |all, own| all.union(own));
        let clients = Arc::new(Refusing {
            scopes,
            all: url_clients(StaticClients::new(clients), &documents, &clock),
            refused: Mutex::default(),
        });
        let random = Arc::new(Counting::default());
        let sts = finish(
            Sts::new(Parts {
                settings: Settings {
                    name: "alice.example".into(),
                    email_domains: ["alice.example".to_owned()].into(),
                    scopes: listed,
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

    /// What each client may ask for.
    pub(crate) fn scopes_of_clients(&self) -> &[ScopeSet] {
        &self.clients.scopes
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
