//! The program is killed while messages arrive in an inbox: what was answered 201 is there
//! afterwards, whole, and what was taken out is not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use countersign_client::{Client, Event, Observer, Registration, Subject};
use countersign_client_auth::Proof;
use countersign_faults_tests::process::Server;
use countersign_fetch::{Fetch, FetchError, Limits, Request};
use countersign_host::Seams;
use countersign_testkit::{Deployment, Party, names};
use countersign_types::digest::Digest;
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, EndpointUrl, Issuer};
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use http::{Method, Response};
use serde_json::Value;
use tokio::task::JoinSet;
use toml::Table;

const INBOX: &str = "https://rs.bob.example/incoming";
const TYPE: &str = "text/plain; charset=utf-8";
const KILLS: u32 = 4;
const SENDERS: u32 = 6;

/// The inbox, and a log that says when the server listens.
const MORE: &str = r#"
    log = { format = "json", filter = "error,countersign_host::server=info" }

    [[resources]]
    path = "/incoming"
    name = "Bob's Incoming"
    scopes = ["message:create", "message:view", "message:delete"]
    methods = { POST = ["message:create"], GET = ["message:view"], DELETE = ["message:delete"] }
    inbox = { max_message = 50000, max_messages = 1000 }
"#;

const POLICY: &str = r#"
    policy = [{ resource = "*", scopes = ["message:create", "message:view", "message:delete"], domains = ["*"] }]
"#;

/// What the client's requests were let in with.
#[derive(Default)]
struct Heard(Mutex<String>);

impl Observer for Heard {
    fn on(&self, event: &Event<'_>) {
        if let Event::RptReceived { rpt } = event {
            rpt.expose().clone_into(&mut self.0.lock().unwrap());
        }
    }
}

/// Requesting party tokens, one for each of the inbox's methods.
struct Tokens {
    create: String,
    view: String,
    delete: String,
}

struct World {
    deployment: Deployment,
    http: Arc<dyn Fetch>,
    alice: Arc<Subject>,
    server: Option<Server>,
}

/// What the senders were told, and what they sent.
#[derive(Default)]
struct History {
    /// By its location, which body is there.
    left: BTreeMap<String, Bytes>,
    taken: BTreeSet<String>,
    /// What may be taken out: nobody answered.
    perhaps_taken: BTreeMap<String, Bytes>,
    /// What may be there: nobody answered.
    unanswered: Vec<Bytes>,
}

impl World {
    async fn start(forgets: bool) -> Self {
        let mut deployment = Deployment::builder()
            .with_seams(Seams::system())
            .with(Party::UmaServer, |config| {
                let mut policy: Table = POLICY.parse().unwrap();
                let policy = policy.remove("policy").unwrap();
                let servers = config["resource_servers"].as_array_mut().unwrap();
                servers[0].as_table_mut().unwrap().insert("policy".to_owned(), policy);
            })
            .with(Party::ResourceServer, move |config| {
                config.extend(MORE.parse::<Table>().unwrap());
                if forgets {
                    config.remove("store");
                    let danger = config["danger"].as_table_mut().unwrap();
                    danger.insert("memory_store".to_owned(), true.into());
                }
            })
            .without(Party::ResourceServer)
            .start()
            .await;
        // The program listens there itself.
        drop(deployment.take_place(Party::ResourceServer));
        let (http, alice) = (deployment.http(), Arc::new(deployment.alice().await));
        let mut world = Self { deployment, http, alice, server: None };
        world.run().await;
        world
    }

    async fn run(&mut self) {
        let file = self.deployment.write_configuration(Party::ResourceServer);
        let program = env!("CARGO_BIN_EXE_resource-server");
        self.server = Some(Server::start(program.as_ref(), &file).await.unwrap());
    }

    async fn killed(&mut self) {
        self.server.take().unwrap().kill().await.unwrap();
    }

    /// Lets Alice in for each method; the message that it takes is gone again.
    async fn tokens(&self) -> Tokens {
        let known_at = |issuer: &str| Registration {
            issuer: Issuer::parse(issuer).unwrap(),
            client_id: ClientId::parse(names::RQP_CLIENT).unwrap(),
            proof: Proof::SecretBasic(ClientSecret::new(names::RQP_SECRET)),
        };
        let Seams { clock, random } = Seams::system();
        let (heard, alice) = (Arc::new(Heard::default()), Arc::clone(&self.alice) as _);
        let client =
            Client::builder(Arc::clone(&self.http), clock, random, known_at(names::STS), alice)
                .with_registration(known_at(names::UMA))
                .with_observer(Arc::clone(&heard) as _)
                .build();
        let let_in = async |method: Method, url: &str, status: u16| {
            let request = http::Request::builder().method(method).uri(url);
            let request = request.body(Bytes::from_static(b"first")).unwrap();
            let response = client.request(request).await.unwrap();
            assert_eq!(response.status(), status, "{response:?}");
            (heard.0.lock().unwrap().clone(), response)
        };
        let (create, created) = let_in(Method::POST, INBOX, 201).await;
        let (view, _) = let_in(Method::GET, INBOX, 200).await;
        let (delete, _) = let_in(Method::DELETE, &location(&created), 204).await;
        Tokens { create, view, delete }
    }

    async fn get(&self, url: &str, tokens: &Tokens) -> Response<Bytes> {
        send(self.http.as_ref(), Method::GET, url, &tokens.view, Bytes::new()).await.unwrap()
    }

    /// Compares the inbox with what everybody was told, and gives what is wrong with it.
    async fn compared(&self, history: &mut History, tokens: &Tokens) -> Vec<String> {
        let mut wrong = Vec::new();
        let list = self.get(INBOX, tokens).await;
        let list: Value = serde_json::from_slice(list.body()).unwrap();
        let listed: BTreeSet<_> = list["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| {
                format!("https://rs.bob.example{}", message["location"].as_str().unwrap())
            })
            .collect();
        for url in history.left.keys().filter(|url| !listed.contains(*url)) {
            wrong.push(format!("{url} was answered 201 and is not listed"));
        }
        for url in &listed {
            let read = self.get(url, tokens).await;
            if read.status() != 200 || read.headers()[CONTENT_TYPE] != TYPE {
                wrong.push(format!("{url} is listed and answers {read:?}"));
                continue;
            }
            let is_it = match history.left.get(url).or(history.perhaps_taken.get(url)) {
                Some(body) => body == read.body(),
                None => !history.taken.contains(url) && history.unanswered.contains(read.body()),
            };
            if !is_it {
                wrong.push(format!("{url} is nothing that was left there"));
            }
            // It is there, so that it stays.
            history.perhaps_taken.remove(url);
            history.left.insert(url.clone(), read.body().clone());
        }
        history.taken.extend(std::mem::take(&mut history.perhaps_taken).into_keys());
        for url in &history.taken {
            if listed.contains(url) || self.get(url, tokens).await.status() != 404 {
                wrong.push(format!("{url} was taken out and is there"));
            }
        }
        wrong
    }
}

fn location(created: &Response<Bytes>) -> String {
    format!("https://rs.bob.example{}", created.headers()[LOCATION].to_str().unwrap())
}

async fn send(
    http: &dyn Fetch,
    method: Method,
    url: &str,
    token: &str,
    body: Bytes,
) -> Result<Response<Bytes>, FetchError> {
    let url = EndpointUrl::parse(url).unwrap();
    let request = Request::new(method, url, Limits::resource())
        .with_body(body)
        .with_header(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())
        .with_header(CONTENT_TYPE, TYPE.parse().unwrap());
    http.fetch(request).await
}

/// A message like no other, of one to fifty thousand octets.
fn message(sender: u32, number: u32) -> Bytes {
    let digest = Digest::of_parts(&[&sender.to_be_bytes(), &number.to_be_bytes()]);
    let octets = digest.as_bytes();
    let length = usize::from(u16::from_be_bytes([octets[0], octets[1]])) % 50_000 + 1;
    let text = format!("{sender}/{number} {} ", digest.to_base64url());
    text.bytes().cycle().take(length.max(text.len())).collect()
}

/// Leaves messages, and takes every third out again, until the server is gone.
async fn load(
    http: Arc<dyn Fetch>,
    tokens: Arc<Tokens>,
    sender: u32,
    first: u32,
    is_over: Arc<AtomicBool>,
    left: Arc<AtomicU32>,
) -> History {
    let mut history = History::default();
    for number in first.. {
        if is_over.load(Ordering::Acquire) {
            break;
        }
        let body = message(sender, number);
        let sent = send(http.as_ref(), Method::POST, INBOX, &tokens.create, body.clone()).await;
        let Ok(created) = sent else {
            history.unanswered.push(body);
            break;
        };
        assert_eq!(created.status(), 201, "{created:?}");
        left.fetch_add(1, Ordering::Relaxed);
        let url = location(&created);
        if number % 3 != 2 {
            history.left.insert(url, body);
            continue;
        }
        match send(http.as_ref(), Method::DELETE, &url, &tokens.delete, Bytes::new()).await {
            Ok(deleted) => {
                assert_eq!(deleted.status(), 204, "{deleted:?}");
                history.taken.insert(url);
            }
            Err(_) => drop(history.perhaps_taken.insert(url, body)),
        }
    }
    history
}

/// Kills the program so often while messages arrive. Gives how many arrived, and what was wrong.
async fn killed(kills: u32, forgets: bool) -> (u32, Vec<String>) {
    let mut world = World::start(forgets).await;
    let (mut history, mut wrong) = (History::default(), Vec::new());
    let mut arrived = 0;
    let mut tokens = Arc::new(world.tokens().await);
    for kill in 0..kills {
        let (is_over, left) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let mut senders = JoinSet::new();
        for sender in 0..SENDERS {
            let (http, tokens) = (Arc::clone(&world.http), Arc::clone(&tokens));
            let (is_over, left) = (Arc::clone(&is_over), Arc::clone(&left));
            senders.spawn(load(http, tokens, sender, kill * 10_000, is_over, left));
        }
        // In the middle of it, wherever that is.
        while left.load(Ordering::Relaxed) < 12 + 7 * kill {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        world.killed().await;
        is_over.store(true, Ordering::Release);
        while let Some(told) = senders.join_next().await {
            let told = told.unwrap();
            history.left.extend(told.left);
            history.taken.extend(told.taken);
            history.perhaps_taken.extend(told.perhaps_taken);
            history.unanswered.extend(told.unanswered);
        }
        arrived += left.load(Ordering::Relaxed);
        world.run().await;
        // Those of before are of resources that a server that forgets has registered anew.
        tokens = Arc::new(world.tokens().await);
        wrong.extend(world.compared(&mut history, &tokens).await);
    }
    world.killed().await;
    (arrived, wrong)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_keeps_what_it_took() {
    let (arrived, wrong) = killed(KILLS, false).await;
    assert_eq!(wrong, Vec::<String>::new());
    assert!(arrived > KILLS, "there was something to lose");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_forgets_is_found_out() {
    let (_, wrong) = killed(1, true).await;
    assert!(wrong.iter().any(|it| it.contains("was answered 201 and is not listed")), "{wrong:?}");
}
