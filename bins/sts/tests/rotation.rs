//! R9: signing keys are replaced while the server serves, and no verifier notices.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_host::reload::{Cause, Trigger};
use countersign_host::{Reload, Seams, server};
use countersign_jwt::{KeySet, Policy, Typ, Unverified, verify};
use countersign_sts::{announce_keys, compose, load};
use countersign_sts_service::LogAudit;
use countersign_testkit::Directory;
use countersign_types::{Clock, Lifetime, Timestamp};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const ISSUER: &str = "https://sts.alice.example";

const CONFIG: &str = r#"
issuer = "https://sts.alice.example"
name = "alice.example"
email_domains = ["alice.example"]
listen = "127.0.0.1:0"
users = []

[[clients]]
id = "service"
name = "Service"
secret = { file = "service.secret" }
redirect_uris = []
grants = ["client_credentials"]
scopes = ["api"]

[danger]
plain_http = true
memory_store = true

[keys]
directory = "keys"
"#;

const SECRET: &str = "a-secret-of-thirty-two-characters";

const START: i64 = 1_800_000_000;

/// A key of the past is published for a day and ten minutes.
const RETAIN: i64 = 86_400 + 600;

struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.0.load(Ordering::Relaxed))
    }
}

/// A server with a clock of its own, which looks at its keys when it is told to.
struct World {
    file: PathBuf,
    seams: Seams,
    clock: Arc<TestClock>,
    trigger: Trigger,
    address: SocketAddr,
    /// Ends with this value.
    _serving: JoinSet<()>,
    _place: Directory,
}

impl World {
    fn start(periods: &str) -> Self {
        let place = Directory::new().unwrap();
        place.write("service.secret", SECRET).unwrap();
        let file = place.write("sts.toml", &format!("{CONFIG}{periods}")).unwrap();

        let clock = Arc::new(TestClock(AtomicI64::new(START)));
        let seams = Seams { clock: Arc::clone(&clock) as _, random: Seams::system().random };
        let (trigger, reload) = Reload::manual();
        let composed = compose(load(&file).unwrap(), &seams, Arc::new(LogAudit)).unwrap();
        let composed = composed.with_reload(reload);
        let listener = server::bind(composed.listen()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(async { composed.serve(listener, std::future::pending()).await.unwrap() });
        Self { file, seams, clock, trigger, address, _serving: serving, _place: place }
    }

    fn set_clock(&self, now: i64, cause: Cause) {
        self.clock.0.store(now, Ordering::Relaxed);
        self.trigger.pull(cause);
    }

    fn key_files(&self) -> usize {
        fs::read_dir(self.file.with_file_name("keys")).unwrap().count()
    }

    /// Waits until so many keys are published.
    async fn published_are(&self, count: usize) -> KeySet {
        soon(async || Some(published(self.address).await).filter(|set| set.len() == count)).await
    }
}

/// What comes at some time, and soon.
async fn soon<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = attempt().await {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), found).await.unwrap()
}

/// The body of the answer to a request on a connection of its own.
async fn exchange(address: SocketAddr, head: &str, body: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{head} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    body.as_bytes().to_vec()
}

async fn published(address: SocketAddr) -> KeySet {
    KeySet::parse_own(&exchange(address, "GET /jwks", "").await).unwrap()
}

async fn token(address: SocketAddr) -> String {
    let form =
        format!("grant_type=client_credentials&scope=api&client_id=service&client_secret={SECRET}");
    let answer: Value =
        serde_json::from_slice(&exchange(address, "POST /token", &form).await).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

fn kids(set: &KeySet) -> Vec<&str> {
    set.iter().map(|key| key.kid().unwrap()).collect()
}

fn kid(token: &str) -> String {
    Unverified::parse(token).unwrap().header().kid().unwrap().to_owned()
}

/// Whether the token was good when it was issued, by these keys.
fn was_good(token: &str, keys: &KeySet) -> bool {
    let issued = Unverified::parse(token).unwrap().claims().required_timestamp("iat").unwrap();
    let policy = Policy::new(Typ::Is("at+jwt")).issuer(ISSUER).audience_sole(ISSUER);
    let policy = policy.max_lifetime(Lifetime::from_secs(300));
    verify::verify(token, &policy, keys, issued).is_ok()
}

/// Keeps a key set for five minutes, as it is told, and asks for no key before.
struct Verifier {
    keys: KeySet,
    asked: i64,
}

impl Verifier {
    async fn accepts(&mut self, token: &str, world: &World) -> bool {
        let now = world.clock.now().as_unix();
        if now - self.asked >= 300 {
            *self = Self { keys: published(world.address).await, asked: now };
        }
        was_good(token, &self.keys)
    }
}

/// Several clients get a token each at the same time, and every verifier is shown them.
async fn round(world: &World, verifiers: &mut [Verifier]) -> Vec<String> {
    let mut clients: JoinSet<String> = (0..4).map(|_| token(world.address)).collect();
    let mut tokens = Vec::new();
    while let Some(token) = clients.join_next().await {
        tokens.push(token.unwrap());
    }
    for token in &tokens {
        for verifier in verifiers.iter_mut() {
            let since = world.clock.now().as_unix() - START;
            assert!(verifier.accepts(token, world).await, "refused after {since} s");
        }
    }
    tokens
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_replaced_thirty_times_under_load() {
    const TURNS: i64 = 30;
    const EVERY: i64 = 3600;
    const ANNOUNCE: i64 = 600;
    let world = World::start("announce = 600\nrotate_every = 3600\n");
    let mut set = world.published_are(2).await;
    let verifier = |age| Verifier { keys: set.clone(), asked: START - age };
    let mut verifiers = [0, 90, 180, 270].map(verifier);
    // A token by each key.
    let mut samples: Vec<String> = Vec::new();
    for turn in 1..=TURNS {
        let begins = START + turn * EVERY;
        for now in (begins - EVERY..begins - ANNOUNCE).step_by(600) {
            world.set_clock(now, Cause::Timer);
            let tokens = round(&world, &mut verifiers).await;
            if samples.last().is_none_or(|last| kid(last) != kid(&tokens[0])) {
                samples.extend(tokens.into_iter().next());
            }
        }
        world.set_clock(begins - ANNOUNCE, Cause::Timer);
        set = soon(async || {
            round(&world, &mut verifiers).await;
            let now = published(world.address).await;
            let new = kids(&now).iter().filter(|kid| !set.contains_kid(kid)).count();
            (new == 2).then_some(now)
        })
        .await;
        for now in [begins - 301, begins - 299, begins - 1] {
            world.set_clock(now, Cause::Timer);
            round(&world, &mut verifiers).await;
        }
        world.set_clock(begins, Cause::Timer);
        let old = kid(samples.last().unwrap());
        soon(async || {
            let tokens = round(&world, &mut verifiers).await;
            tokens.iter().any(|token| kid(token) != old).then_some(())
        })
        .await;
    }
    assert_eq!(samples.len() as i64, TURNS, "each turn had a key of its own");

    // Whose key stopped signing long ago is refused, and nobody else.
    let set = published(world.address).await;
    let is_over = |turn: i64| turn * EVERY + RETAIN <= TURNS * EVERY;
    for (turn, token) in (1..).zip(&samples) {
        assert_eq!(was_good(token, &set), !is_over(turn), "the key of turn {turn}");
    }
    assert!(is_over(1) && !is_over(TURNS), "there are keys of both kinds");
}

#[tokio::test]
async fn keys_are_rotated_while_the_server_serves() {
    let world = World::start("announce = 600\n");
    let first = world.published_are(2).await;

    // What `sts rotate-keys` does, in another process.
    let announced = announce_keys(&load(&world.file).unwrap(), &world.seams).unwrap();
    assert!(announced.iter().all(|(_, begins)| begins.as_unix() == START + 660), "{announced:?}");
    let again = announce_keys(&load(&world.file).unwrap(), &world.seams).unwrap();
    assert_eq!(again, announced, "once is enough");
    assert_eq!(kids(&published(world.address).await), kids(&first));
    world.trigger.pull(Cause::Asked);
    let both = world.published_are(4).await;
    assert!(kids(&first).iter().all(|kid| both.contains_kid(kid)));

    // A day and ten minutes after the new ones began to sign, the old ones are gone from the set
    // and from the directory.
    world.set_clock(START + 660 + RETAIN, Cause::Timer);
    let second = world.published_are(2).await;
    let is_second = |kid: &&str| both.contains_kid(kid) && !first.contains_kid(kid);
    assert!(kids(&second).iter().all(is_second));
    assert_eq!(world.key_files(), 2);
}
