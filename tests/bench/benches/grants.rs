//! What a grant costs beside its signatures: token exchange, and permission ticket to RPT.
//!
//! Both servers run on a durable SQLite store behind the server that the programs use, loaded over
//! loopback by 64 connections. Beside each stands a bare endpoint on the same server under the same
//! load, which parses the form, verifies the token's signature, signs where the grant signs, and does
//! nothing else: what cryptography and HTTP leave at best on this machine with the load on it. The
//! two take turns; the share is the median of the rounds.
//!
//! Goal: at least 85 % of the bare endpoint.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints, or stops"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, ParsedPublicKey,
};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use countersign_bench_tests::{Effort, load, median, print_machine};
use countersign_claims_token::VerifiedEmail;
use countersign_client_auth::{Credentials, RegisteredClient, SecretDigest};
use countersign_host::{Seams, server};
use countersign_jwt::{Algorithm, KeySet, SigningKey, SigningRing, sign};
use countersign_permission_ticket::TicketChallenge;
use countersign_store::engine::BoxFuture;
use countersign_store::{Engine, SqliteEngine};
use countersign_sts_service as sts;
use countersign_token_exchange::{ClientPolicy, ServerPolicy, TargetPattern};
use countersign_types::secret::{ClientSecret, Password, TicketHandle};
use countersign_types::{
    ClientId, EmailAddress, EndpointUrl, Issuer, Lifetime, ResourceIdentifier, ScopeSet,
};
use countersign_uma::Protection;
use countersign_uma::policy::rules::{Rule, Rules};
use countersign_uma::protection::{OwnerId, ResourceParameter, ResourceServer};
use countersign_uma_service as uma;
use countersign_uma_service::discovery::{DiscoveredIssuer, Discovery, NotDiscovered};
use serde_json::{Map, Value, json};

const GOAL: f64 = 0.85;
const CONNECTIONS: usize = 64;
const STS: &str = "https://sts.alice.example";
const UMA: &str = "https://uma.bob.example";
const RS: &str = "https://rs.bob.example";
const ALICE: &str = "alice@alice.example";
const CLIENT: &str = "rqp-client";
const SECRET: &str = "a secret of forty-three characters, or more.";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const UMA_TICKET: &str = "urn:ietf:params:oauth:grant-type:uma-ticket";

fn main() {
    let effort = Effort::of_process();
    let bench = Bench::start(effort);
    print_machine();
    println!("{CONNECTIONS} connections, SQLite with every answered change on disk");
    println!("{:<18}{:>14}{:>14}{:>10}", "", "bare, per s", "grant, per s", "share");
    let exchange = bench.token_exchange();
    let rpt = bench.ticket_to_rpt();
    let worst = exchange.min(rpt);
    let verdict = if worst >= GOAL { "met" } else { "not met" };
    println!("worst {:.0} %, goal at least {:.0} %: {verdict}", worst * 100.0, GOAL * 100.0);
    std::fs::remove_dir_all(&bench.directory).unwrap();
}

/// Both servers, the bare endpoints, and what is needed to ask them for something.
struct Bench {
    rounds: usize,
    requests: usize,
    directory: PathBuf,
    seams: Seams,
    key: SigningKey,
    sts: SocketAddr,
    uma: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn start(effort: Effort) -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("grants-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let seams = Seams::system();
        let engine = |name: &str| -> Arc<dyn Engine> {
            let path = directory.join(name);
            Arc::new(SqliteEngine::open(&path, Arc::clone(&seams.clock)).unwrap())
        };
        let key = SigningKey::generate(Algorithm::Es256, None).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let sts = sts_router(&key, engine("sts.db"), &seams).merge(bare_router(&key, Bare::SIGNS));
        let uma = uma_router(&key, engine("uma.db"), &seams).merge(bare_router(&key, Bare::ONLY));
        Self {
            rounds: effort.of(9, 1),
            requests: effort.of(3000, 64),
            sts: serve(&runtime, sts),
            uma: serve(&runtime, uma),
            directory,
            seams,
            key,
            _runtime: runtime,
        }
    }

    fn token_exchange(&self) -> f64 {
        let subject = self.access_token();
        let ticket = TicketHandle::generate(&*self.seams.random);
        let challenge = TicketChallenge::of(&ticket).to_string();
        let fields = [
            ("grant_type", EXCHANGE),
            ("subject_token", &subject),
            ("subject_token_type", ACCESS_TOKEN),
            ("requested_token_type", JWT),
            ("audience", UMA),
            ("resource", RS),
            ("ticket_challenge", &challenge),
            ("client_id", CLIENT),
            ("client_secret", SECRET),
        ];
        let grants = vec![load::form("/token", &fields); self.requests];
        let bare = vec![load::form("/bare", &fields); self.requests];
        self.share("token exchange", || (self.ask(self.sts, &bare), self.ask(self.sts, &grants)))
    }

    fn ticket_to_rpt(&self) -> f64 {
        let pat = self.pat();
        let resource = json!({ "name": "RS API", "resource_scopes": ["get"] });
        let registered = load::run(self.uma, 1, &[load::json("/resources", &pat, &resource)]);
        let id = member(&registered.unwrap().answers[0].1, "_id");
        let permission = json!({ "resource_id": id, "resource_scopes": ["get"] });
        let asks = vec![load::json("/permission", &pat, &permission); self.requests];
        self.share("ticket to RPT", || {
            let tickets = load::run(self.uma, CONNECTIONS, &asks).unwrap();
            let tickets = tickets.answers.iter().map(|(_, body)| member(body, "ticket"));
            let (bare, grants): (Vec<_>, Vec<_>) =
                tickets.map(|ticket| self.redemption(&ticket)).unzip();
            (self.ask(self.uma, &bare), self.ask(self.uma, &grants))
        })
    }

    /// Compares a grant with its bare endpoint: rates, and the median of the shares.
    fn share(&self, name: &str, round: impl Fn() -> (f64, f64)) -> f64 {
        let rates: Vec<(f64, f64)> = (0..self.rounds).map(|_| round()).collect();
        let bare = median(rates.iter().map(|(bare, _)| *bare).collect());
        let grant = median(rates.iter().map(|(_, grant)| *grant).collect());
        let share = median(rates.iter().map(|(bare, grant)| grant / bare).collect());
        println!("{name:<18}{bare:>14.0}{grant:>14.0}{:>9.0} %", share * 100.0);
        share
    }

    /// Requests per second; each has to be granted.
    fn ask(&self, server: SocketAddr, requests: &[Vec<u8>]) -> f64 {
        let answers = load::run(server, CONNECTIONS, requests).unwrap();
        for (status, body) in &answers.answers {
            assert_eq!(*status, 200, "{}", String::from_utf8_lossy(body));
        }
        answers.rate()
    }

    fn pat(&self) -> String {
        let fields = [
            ("grant_type", "client_credentials"),
            ("scope", "uma_protection"),
            ("client_id", "rs"),
            ("client_secret", SECRET),
        ];
        let answers = load::run(self.uma, 1, &[load::form("/token", &fields)]).unwrap();
        member(&answers.answers[0].1, "access_token")
    }

    /// A ticket and a claims token bound to it, for the bare endpoint and for the grant.
    fn redemption(&self, ticket: &str) -> (Vec<u8>, Vec<u8>) {
        let token = self.claims_token(ticket);
        let fields = [
            ("grant_type", UMA_TICKET),
            ("ticket", ticket),
            ("claim_token", &token),
            ("claim_token_format", JWT),
            ("resource", RS),
            ("client_id", CLIENT),
            ("client_secret", SECRET),
        ];
        (load::form("/bare", &fields), load::form("/token", &fields))
    }

    fn access_token(&self) -> String {
        let now = self.seams.clock.now();
        let claims = json!({
            "iss": STS, "sub": "alice", "aud": STS, "client_id": CLIENT, "iat": now,
            "exp": now.after(Lifetime::from_secs(300)), "jti": "6R8vTGd2bJv9vXtqKqzQ1w",
            "scope": "openid email claims-provider", "auth_time": now, "amr": ["pwd"],
            "email": ALICE, "email_verified": true,
        });
        sign("at+jwt", &self.key, &claims).unwrap()
    }

    fn claims_token(&self, ticket: &str) -> String {
        let now = self.seams.clock.now();
        let claims = json!({
            "iss": STS, "sub": "alice", "aud": UMA, "resource": RS, "iat": now,
            "exp": now.after(Lifetime::from_secs(120)),
            "jti": countersign_types::random::identifier(&*self.seams.random),
            "email": ALICE, "email_verified": true, "amr": ["pwd"],
            "ticket_challenge": TicketChallenge::of(&TicketHandle::new(ticket)).to_string(),
        });
        sign("uma-claims+jwt", &self.key, &claims).unwrap()
    }
}

fn member(body: &[u8], name: &str) -> String {
    let document: Value = serde_json::from_slice(body).unwrap();
    let value = document.get(name).and_then(Value::as_str);
    value.unwrap_or_else(|| panic!("no {name}: {document}")).to_owned()
}

fn serve(runtime: &tokio::runtime::Runtime, router: Router) -> SocketAddr {
    let listener = server::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let plain = server::danger::plain_http();
    runtime.spawn(server::serve(listener, plain, router, std::future::pending()));
    address
}

fn credentials() -> Credentials {
    Credentials::secret(SecretDigest::of(&ClientSecret::new(SECRET)))
}

fn registered(id: &str) -> RegisteredClient {
    RegisteredClient { id: ClientId::parse(id).unwrap(), credentials: credentials() }
}

fn sts_router(key: &SigningKey, engine: Arc<dyn Engine>, seams: &Seams) -> Router {
    let scopes = ScopeSet::parse("openid email claims-provider").unwrap();
    let lifetime = Lifetime::from_secs(300);
    let random = Arc::clone(&seams.random);
    let client = sts::Client {
        registered: registered(CLIENT),
        name: "The client".to_owned(),
        redirect_uris: Vec::new(),
        scopes: scopes.clone(),
        authorization_code: false,
        client_credentials: false,
        exchange: ClientPolicy {
            may_exchange: true,
            claims_token_audiences: vec![TargetPattern::parse("*").unwrap()],
            scopes: scopes.clone(),
            ..ClientPolicy::default()
        },
        id_token_algorithm: Algorithm::Rs256,
    };
    let alice = sts::User {
        subject: "alice".to_owned(),
        username: "alice".to_owned(),
        name: None,
        email: Some(VerifiedEmail::of_own_account(EmailAddress::parse(ALICE).unwrap())),
        password: sts::PasswordHash::of(&Password::generate(&*random), &*random).unwrap(),
        claims: Map::new(),
    };
    let keys = vec![copy(key), SigningKey::generate(Algorithm::Rs256, None).unwrap()];
    let parts = sts::Parts {
        settings: sts::Settings {
            name: "alice.example".to_owned(),
            email_domains: ["alice.example".to_owned()].into(),
            scopes,
            access_token_lifetime: lifetime,
            id_token_lifetime: lifetime,
        },
        policy: ServerPolicy {
            public_clients: true,
            access_token_lifetime: lifetime,
            ..ServerPolicy::new(Issuer::parse(STS).unwrap())
        },
        delegation: Arc::new(countersign_token_exchange::ByRegistration),
        keys: SigningRing::from_keys(keys).unwrap(),
        clients: Arc::new(sts::StaticClients::new([client])),
        users: Arc::new(sts::StaticUsers::new([alice])),
        engine,
        clock: Arc::clone(&seams.clock),
        random,
        audit: Arc::new(sts::LogAudit),
    };
    sts::app(Arc::new(sts::Sts::new(parts).unwrap()))
}

fn copy(key: &SigningKey) -> SigningKey {
    SigningKey::from_json(key.to_jwk().unwrap().as_bytes()).unwrap()
}

/// The issuer behind every address and its keys, found already: a resolver keeps both.
struct Found(DiscoveredIssuer, Arc<KeySet>);

impl Discovery for Found {
    fn issuer<'a>(
        &'a self,
        _: &'a EmailAddress,
    ) -> BoxFuture<'a, Result<DiscoveredIssuer, NotDiscovered>> {
        Box::pin(async { Ok(self.0.clone()) })
    }

    fn keys<'a>(
        &'a self,
        _: &'a DiscoveredIssuer,
        _: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<KeySet>, NotDiscovered>> {
        Box::pin(async { Ok(Arc::clone(&self.1)) })
    }
}

fn uma_router(key: &SigningKey, engine: Arc<dyn Engine>, seams: &Seams) -> Router {
    let bob = || Protection::new(OwnerId::parse("bob").unwrap(), ClientId::parse("rs").unwrap());
    let clients = [
        uma::Client {
            registered: registered(CLIENT),
            uma_grant: Some(ScopeSet::default()),
            resource_server: None,
        },
        uma::Client {
            registered: registered("rs"),
            uma_grant: None,
            resource_server: Some(ResourceServer {
                protection: bob(),
                resource_identifiers: vec![ResourceIdentifier::parse(RS).unwrap()],
                resource_parameter: ResourceParameter::Required,
            }),
        },
    ];
    let rule = json!([{ "resource": "RS API", "scopes": ["get"], "emails": [ALICE] }]);
    let rules: Vec<Rule> = serde_json::from_value(rule).unwrap();
    let issuer = DiscoveredIssuer {
        issuer: Issuer::parse(STS).unwrap(),
        jwks_uri: EndpointUrl::parse("https://sts.alice.example/jwks").unwrap(),
    };
    let keys = KeySet::from_keys(vec![key.public().clone()]).unwrap();
    let seams = uma::Seams {
        engine,
        clients: Arc::new(uma::StaticClients::from_iter(clients)),
        policy: Arc::new(Rules::new().with(bob(), rules)),
        discovery: Arc::new(Found(issuer, Arc::new(keys))),
        audit: Arc::new(uma::LogAudit),
        clock: Arc::clone(&seams.clock),
        random: Arc::clone(&seams.random),
    };
    let config = uma::UmaConfig::new(Issuer::parse(UMA).unwrap());
    uma::app(Arc::new(uma::Uma::new(config, seams).unwrap()))
}

/// The cryptography of a grant, and nothing else of it.
struct Bare {
    public: ParsedPublicKey,
    pair: Option<EcdsaKeyPair>,
}

impl Bare {
    /// The token exchange signs what it issues.
    const SIGNS: bool = true;
    /// The UMA grant only verifies: its RPT is a random handle.
    const ONLY: bool = false;
}

fn bare_router(key: &SigningKey, signs: bool) -> Router {
    let pair = || {
        let der = key.to_pkcs8_der().unwrap();
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).unwrap()
    };
    let spki = key.public().to_spki_der().unwrap();
    let public = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, spki).unwrap();
    let bare = Bare { public, pair: signs.then(pair) };
    Router::new().route("/bare", post(bare_grant)).with_state(Arc::new(bare))
}

async fn bare_grant(State(bare): State<Arc<Bare>>, body: Bytes) -> String {
    let token = form_urlencoded::parse(&body)
        .find(|(name, _)| name == "subject_token" || name == "claim_token")
        .unwrap()
        .1;
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bare.public.verify_sig(input.as_bytes(), &signature).unwrap();
    match &bare.pair {
        Some(pair) => {
            let signature = pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
            format!("{{\"access_token\":\"{input}.{}\"}}", URL_SAFE_NO_PAD.encode(signature))
        }
        None => "{\"access_token\":\"\"}".to_owned(),
    }
}
