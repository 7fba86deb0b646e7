//! A server whose owners have webhooks, and endpoints that answer as a test says.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use countersign_fetch::request::BoxFuture;
use countersign_fetch::{Fetch, FetchError, Request};
use countersign_jwt::{Algorithm, KeySet, SigningKey, SigningRing};
use countersign_store::Engine;
use countersign_testkit::Log;
use countersign_types::{EndpointUrl, Issuer, Timestamp};
use countersign_uma::case::{OwnerDecision, Verdict};
use countersign_uma::notice::{self, Received};
use countersign_uma::protection::OwnerId;
use countersign_uma::{Case, PersonId};
use countersign_uma_service::{UmaConfig, Webhook, WebhookSetup};
use http::header::RETRY_AFTER;
use http::{Method, Response, StatusCode};
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::support::{AS, World, bob, issuer_of, rules_of, submitted};

pub(crate) const BOBS: &str = "https://hooks.bob.example/uma";
pub(crate) const OTHERS: &str = "https://hooks.example/uma";

/// What an endpoint does with what is pushed to it.
pub(crate) enum Does {
    /// It answers with this status and text.
    Answer(u16, &'static str),
    /// Nothing comes of it, for this reason.
    Fail(FetchError),
    /// It takes it once this is notified.
    Hold(Arc<Notify>),
    /// It never answers.
    Hang,
    /// It answers 503, and that it wants to be left alone for so long.
    Later(&'static str),
    /// Whoever asks it panics.
    Panic,
}

/// The endpoints: each does once what was scripted for it, and takes everything after that.
#[derive(Default)]
pub(crate) struct Endpoints {
    scripts: Mutex<HashMap<String, VecDeque<Does>>>,
    received: Mutex<Vec<(String, Request)>>,
    came: Notify,
}

impl Fetch for Endpoints {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        let url = request.url.to_string();
        let does = self.scripts.lock().unwrap().get_mut(&url).and_then(VecDeque::pop_front);
        self.received.lock().unwrap().push((url, request));
        self.came.notify_one();
        Box::pin(async move {
            let answer = |status: u16, text: &'static str| {
                let mut response = Response::new(Bytes::from_static(text.as_bytes()));
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                response
            };
            match does {
                None => Ok(answer(202, "")),
                Some(Does::Answer(status, text)) => Ok(answer(status, text)),
                Some(Does::Fail(error)) => Err(error),
                Some(Does::Hold(until)) => {
                    until.notified().await;
                    Ok(answer(202, ""))
                }
                Some(Does::Hang) => std::future::pending().await,
                Some(Does::Later(retry_after)) => {
                    let mut response = answer(503, "");
                    response.headers_mut().insert(RETRY_AFTER, retry_after.parse().unwrap());
                    Ok(response)
                }
                Some(Does::Panic) => panic!("as it should"),
            }
        })
    }
}

impl Endpoints {
    pub(crate) fn script(&self, url: &str, does: impl IntoIterator<Item = Does>) {
        let mut scripts = self.scripts.lock().unwrap();
        scripts.entry(url.to_owned()).or_default().extend(does);
    }

    /// What came to this endpoint so far.
    pub(crate) fn at(&self, url: &str) -> Vec<Request> {
        let received = self.received.lock().unwrap();
        received.iter().filter(|(to, _)| to == url).map(|(_, request)| request.clone()).collect()
    }

    /// Waits until so much came to this endpoint.
    pub(crate) async fn wait_for(&self, url: &str, count: usize) -> Vec<Request> {
        let wait = async {
            loop {
                let received = self.at(url);
                if received.len() >= count {
                    return received;
                }
                self.came.notified().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap()
    }
}

pub(crate) struct Bed {
    pub(crate) world: World,
    pub(crate) endpoints: Arc<Endpoints>,
    /// Who tells, and how often the server was held before.
    telling: Option<(JoinHandle<()>, usize)>,
}

pub(crate) fn owner(name: &str) -> OwnerId {
    OwnerId::parse(name).unwrap()
}

pub(crate) fn webhooks() -> Vec<Webhook> {
    let url = |text: &str| EndpointUrl::parse(text).unwrap();
    let bobs = Webhook::new(url(BOBS), Some(BTreeSet::from([owner("bob")])));
    vec![Webhook::new(url(OTHERS), None), bobs]
}

/// The setup of a test: pauses that nobody notices.
pub(crate) fn setup(webhooks: Vec<Webhook>) -> WebhookSetup {
    let key = SigningKey::generate(Algorithm::Es256, Some("w1")).unwrap();
    let ring = SigningRing::from_keys(vec![key]).unwrap();
    let mut setup = WebhookSetup::new(webhooks, ring);
    setup.first_pause = Duration::from_millis(1);
    setup.longest_pause = Duration::from_millis(4);
    setup
}

impl Bed {
    /// A server that tells nobody yet.
    pub(crate) fn on(engine: Arc<dyn Engine>, change: impl FnOnce(&mut WebhookSetup)) -> Self {
        Self::configured(engine, |_| {}, change)
    }

    pub(crate) fn configured(
        engine: Arc<dyn Engine>,
        configure: impl FnOnce(&mut UmaConfig),
        change: impl FnOnce(&mut WebhookSetup),
    ) -> Self {
        let endpoints = Arc::new(Endpoints::default());
        let mut setup = setup(webhooks());
        change(&mut setup);
        let fetch = Arc::clone(&endpoints) as Arc<dyn Fetch>;
        let finish = |uma: countersign_uma_service::Uma| uma.with_webhooks(setup, fetch).unwrap();
        let world = World::built(&[], engine, configure, finish);
        let ask = json!({"resource": "*", "scopes": ["get", "put"], "domains": ["*"], "ask": true});
        world.change_policy(rules_of(json!([ask])));
        Self { world, endpoints, telling: None }
    }

    /// A server that tells.
    pub(crate) fn telling(engine: Arc<dyn Engine>) -> Self {
        let mut bed = Self::on(engine, |_| {});
        bed.start();
        bed
    }

    pub(crate) fn start(&mut self) {
        let held = Arc::strong_count(&self.world.uma);
        let telling = tokio::spawn(Arc::clone(&self.world.uma).tell_owners());
        self.telling = Some((telling, held));
    }

    /// It tells nobody any more, whatever it is doing.
    pub(crate) async fn stop(&mut self) {
        let Some((telling, held)) = self.telling.take() else { return };
        telling.abort();
        assert!(telling.await.unwrap_err().is_cancelled());
        // What it had begun ends with it.
        while Arc::strong_count(&self.world.uma) > held {
            tokio::task::yield_now().await;
        }
    }

    /// A resource of Bob's, and a PAT for it.
    pub(crate) async fn resource(&self) -> (String, String) {
        let pat = self.world.pat("rs").await;
        let id = self.world.register(&pat).await;
        (pat, id)
    }

    /// Somebody asks for `get` at a resource of Bob's, and waits: their ticket.
    pub(crate) async fn asks(&self, email: &str) -> String {
        let (pat, id) = self.resource().await;
        self.asks_at(&pat, &id, email).await
    }

    pub(crate) async fn asks_at(&self, pat: &str, id: &str, email: &str) -> String {
        let world = &self.world;
        let ticket = world.ticket_for(pat, id).await;
        let mut claims = world.claims(&ticket);
        (claims["email"], claims["iss"]) = (json!(email), json!(issuer_of(email)));
        submitted(&world.redeem(&ticket, &claims, &[]).await, &ticket).0
    }

    pub(crate) async fn case(&self) -> Case {
        let cases = self.world.uma.cases(&bob()).await.unwrap();
        let [case] = &*cases else { panic!("{cases:?}") };
        case.clone()
    }

    /// Bob says this to what was asked last.
    pub(crate) async fn says(&self, verdict: Verdict) {
        let case = self.case().await;
        let event = case.history().last().unwrap();
        let (client, present) = event.through.clone().unwrap();
        let (permissions, seen) = (event.permissions.clone(), case.revision());
        let decision =
            OwnerDecision { client, present, permissions, verdict, seen, by: "bob".to_owned() };
        let person = PersonId::of(case.person());
        self.world.uma.decide(&bob(), &person, decision).await.unwrap();
    }

    /// What the server publishes of its keys.
    pub(crate) async fn published(&self) -> KeySet {
        let metadata = self.world.protect(Method::GET, "/.well-known/uma2-configuration", "", "");
        let metadata = metadata.await.json();
        assert_eq!(metadata["jwks_uri"], format!("{AS}/jwks"));
        let set = self.world.protect(Method::GET, "/jwks", "", "").await;
        assert_eq!(set.status, 200);
        assert!(!set.text.contains("\"d\""), "{}", set.text);
        KeySet::parse_own(set.text.as_bytes()).unwrap()
    }

    /// What was pushed, as who receives it verifies it.
    pub(crate) async fn read(&self, request: &Request, audience: &str) -> Received {
        let token = std::str::from_utf8(&request.body).unwrap();
        let issuer = Issuer::parse(AS).unwrap();
        let now = Timestamp::from_unix(self.world.now());
        notice::verify(token, &self.published().await, &issuer, audience, now).unwrap()
    }

    /// Waits until nobody is to be told anything any more.
    pub(crate) async fn settled(&self, engine: &dyn Engine) {
        let empty = async {
            while left(engine).await > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), empty).await.unwrap();
    }
}

/// How many notices are kept.
pub(crate) async fn left(engine: &dyn Engine) -> usize {
    let table = countersign_store::engine::RecordTable::Notices;
    engine.count(table, b"", Timestamp::from_unix(0)).await.unwrap()
}

/// How notices ended, by the audit log, at this level.
pub(crate) fn ended(log: &Log, level: &str) -> Vec<String> {
    let lines = log.audited("jti=").into_iter().filter(|line| line.contains(level));
    lines.map(|line| line.split('"').nth(3).unwrap().to_owned()).collect()
}
