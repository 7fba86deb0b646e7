//! A UMA server with as much in it as is wanted, and the three requests of a grant.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use countersign_bench_tests::load;
use countersign_bench_tests::parties::{self, ALICE, CLIENT, RS, SECRET, STS, UMA};
use countersign_cedar::{CedarUma, PolicyFiles, uma as cedar};
use countersign_host::Seams;
use countersign_jwt::{Algorithm, SigningKey, sign};
use countersign_permission_ticket::TicketChallenge;
use countersign_store::resources::Registrant;
use countersign_store::{Engine, Resources, Shares, SqliteEngine};
use countersign_types::secret::TicketHandle;
use countersign_types::{ClientId, EmailAddress, Lifetime, ScopeSet, Timestamp};
use countersign_uma::policy::Share;
use countersign_uma::policy::rules::Rules;
use countersign_uma::policy::shares::{Effect, ShareId, Terms, What, Who};
use countersign_uma::resource::{ResourceDescription, ResourceId};
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower_service::Service as _;

use crate::timed;

const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const UMA_TICKET: &str = "urn:ietf:params:oauth:grant-type:uma-ticket";

/// So many writes wait for one commit.
const TOGETHER: usize = 1_000;

/// So many rules are in a file.
const RULES_OF_A_FILE: usize = 4_000;

/// What there is beside Alice's one share of the one resource.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) resources: usize,
    pub(crate) shares: usize,
    /// So many of the shares are with Alice.
    pub(crate) of_alice: usize,
    pub(crate) rules: usize,
}

impl Size {
    pub(crate) const EMPTY: Self = Self { resources: 0, shares: 0, of_alice: 0, rules: 0 };

    pub(crate) const fn by(self, part: usize) -> Self {
        let Self { resources, shares, of_alice, rules } = self;
        Self {
            resources: resources / part,
            shares: shares / part,
            of_alice: of_alice / part,
            rules: rules / part,
        }
    }
}

pub(crate) struct Server {
    router: Router,
    seams: Seams,
    key: SigningKey,
    pat: String,
    permission: Value,
    _directory: TempDir,
}

fn id(number: usize) -> ResourceId {
    ResourceId::parse(&format!("r{number}")).unwrap()
}

fn share(number: usize, what: usize, who: Who) -> Share {
    let scopes = ScopeSet::parse("get").unwrap();
    let terms = Terms::new(What::Resource(id(what)), scopes, who, Effect::Permit).unwrap();
    let id = ShareId::parse(&format!("s{number}")).unwrap();
    Share { id, terms, since: Timestamp::from_unix(0), by: "bob".to_owned() }
}

fn address(local: &str) -> Who {
    Who::Person(EmailAddress::parse(&format!("{local}@alice.example")).unwrap())
}

impl Server {
    pub(crate) async fn with(size: Size) -> Self {
        let (directory, seams) = (tempfile::tempdir().unwrap(), Seams::system());
        let path = directory.path().join("uma.db");
        let engine: Arc<dyn Engine> =
            Arc::new(SqliteEngine::open(&path, Arc::clone(&seams.clock)).unwrap());
        fill(&engine, size).await;
        let key = SigningKey::generate(Algorithm::Es256, Some("k1")).unwrap();
        let policy = policy(directory.path(), size.rules);
        let router = parties::uma(&key, engine, policy, &seams);
        let permission = json!({ "resource_id": id(0), "resource_scopes": ["get"] });
        let pat = String::new();
        let mut server = Self { router, seams, key, pat, permission, _directory: directory };
        let fields = [
            ("grant_type", "client_credentials"),
            ("scope", "uma_protection"),
            ("client_id", "rs"),
            ("client_secret", SECRET),
        ];
        let answer = server.send(&form("/token", "", &fields)).await;
        server.pat = text(&answer, "access_token");
        server
    }

    /// Permission, token, introspection: how long each took.
    pub(crate) async fn request(&mut self) -> [Duration; 3] {
        let body = self.permission.to_string();
        let ask = (String::from("/permission"), "application/json", self.pat.clone(), body);
        let (permission, answer) = timed(self.send(&ask)).await;
        let ticket = text(&answer, "ticket");
        let claims_token = self.claims_token(&ticket);
        let fields = [
            ("grant_type", UMA_TICKET),
            ("ticket", &*ticket),
            ("claim_token", &claims_token),
            ("claim_token_format", JWT),
            ("resource", RS),
            ("client_id", CLIENT),
            ("client_secret", SECRET),
        ];
        let (token, answer) = timed(self.send(&form("/token", "", &fields))).await;
        let rpt = text(&answer, "access_token");
        let ask = form("/introspect", &self.pat, &[("token", &*rpt)]);
        let (introspection, answer) = timed(self.send(&ask)).await;
        assert_eq!(answer["active"], true, "{answer}");
        [permission, token, introspection]
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

    async fn send(&mut self, (path, kind, pat, body): &Ask) -> Value {
        let mut request = Request::post(path).header("content-type", *kind);
        if !pat.is_empty() {
            request = request.header("authorization", format!("Bearer {pat}"));
        }
        let request = request.body(Body::from(body.clone())).unwrap();
        let response = self.router.call(request).await.unwrap();
        let octets = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&octets).unwrap()
    }
}

/// Path, content type, PAT and body.
type Ask = (String, &'static str, String, String);

fn form(path: &str, pat: &str, fields: &[(&str, &str)]) -> Ask {
    let kind = "application/x-www-form-urlencoded";
    (path.to_owned(), kind, pat.to_owned(), load::encoded(fields))
}

fn text(answer: &Value, member: &str) -> String {
    answer[member].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// The resources and the shares, many in one commit.
async fn fill(engine: &Arc<dyn Engine>, size: Size) {
    let resource_server = ClientId::parse("rs").unwrap();
    let bob = Registrant { owner: "bob".to_owned(), resource_server };
    let resources: Resources<ResourceDescription> = Resources::new(Arc::clone(engine));
    let shares: Shares<Share> = Shares::new(Arc::clone(engine));
    let description = br#"{"resource_scopes":["get"],"name":"RS API"}"#;
    let description = ResourceDescription::parse(description).unwrap();
    shares.put(&bob, "s0", &share(0, 0, address("alice")), None).await.unwrap();
    let most = size.resources.max(size.shares) + 1;
    for begin in (0..most).step_by(TOGETHER) {
        let mut writes = tokio::task::JoinSet::new();
        for number in begin..(begin + TOGETHER).min(most) {
            let (bob, resources, shares) = (bob.clone(), resources.clone(), shares.clone());
            let description = description.clone();
            writes.spawn(async move {
                if number <= size.resources {
                    resources.create(&bob, id(number).as_str(), &description).await.unwrap();
                }
                if (1..=size.shares).contains(&number) {
                    // Alice's are of other resources; those of this resource are of other people.
                    let share = match number <= size.of_alice {
                        true => share(number, number, address("alice")),
                        false => share(number, 0, address(&format!("p{number}"))),
                    };
                    shares.put(&bob, share.id.as_str(), &share, None).await.unwrap();
                }
            });
        }
        writes.join_all().await;
    }
}

/// Rules about other people and other owners.
fn policy(directory: &Path, rules: usize) -> Arc<CedarUma> {
    let files = directory.join("policies");
    std::fs::create_dir(&files).unwrap();
    for begin in (0..rules).step_by(RULES_OF_A_FILE) {
        let rule = |number: usize| {
            let effect = if number.is_multiple_of(2) { "permit" } else { "forbid" };
            format!(
                "@id(\"r{number}\") {effect} (principal in Address::\"p{number}@alice.example\", \
                 action, resource in Owner::\"bob\") when {{ context.scope == Scope::\"get\" }};\n"
            )
        };
        let text: String = (begin..(begin + RULES_OF_A_FILE).min(rules)).map(rule).collect();
        std::fs::write(files.join(format!("{begin:06}.cedar")), text).unwrap();
    }
    let files = Arc::new(PolicyFiles::open_as(cedar::SCHEMA, [files]).unwrap());
    Arc::new(CedarUma::new(files, Rules::new()).unwrap())
}
