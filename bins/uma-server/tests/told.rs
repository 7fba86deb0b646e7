//! Owners are told by the program itself, over TLS: it is killed amid its attempts, and its keys
//! are replaced.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use countersign_host::server::{Transport, serve};
use countersign_jwt::{KeySet, Unverified};
use countersign_testkit::{Deployment, keys, names};
use countersign_types::Issuer;
use countersign_uma::notice::{self, Received};
use http::StatusCode;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use toml::Table;

use self::world::{World, refused};

const HOST: &str = "hooks.bob.example";
const ENDPOINT: &str = "https://hooks.bob.example/uma";

/// Where Bob is told of whom.
const TOLD: &str = r#"
    keys = { signing = { file = "signing.jwk" }, published = "others.jwks" }
    webhooks = [{ url = "https://hooks.bob.example/uma", owners = ["bob"], requesting_party = true }]
"#;

/// What Bob's endpoint does with what comes.
#[derive(Clone, Copy, Default)]
enum Does {
    /// It has it, and its answer is lost with the server that waits for it.
    #[default]
    Hang,
    Fail,
    Take,
}

#[derive(Default)]
struct Bobs {
    does: Mutex<Does>,
    received: Mutex<Vec<(String, StatusCode)>>,
    came: Notify,
}

async fn receive(State(bobs): State<Arc<Bobs>>, token: String) -> StatusCode {
    let does = *bobs.does.lock().unwrap();
    let status = match does {
        Does::Take => StatusCode::ACCEPTED,
        Does::Fail | Does::Hang => StatusCode::SERVICE_UNAVAILABLE,
    };
    bobs.received.lock().unwrap().push((token, status));
    bobs.came.notify_one();
    if let Does::Hang = does {
        std::future::pending::<()>().await;
    }
    status
}

impl Bobs {
    fn now(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    /// All that came, once this is true of it.
    async fn wait_for(
        &self,
        enough: impl Fn(&[(String, StatusCode)]) -> bool,
    ) -> Vec<(String, StatusCode)> {
        let came = async {
            loop {
                let received = self.received.lock().unwrap().clone();
                if enough(&received) {
                    return received;
                }
                self.came.notified().await;
            }
        };
        timeout(Duration::from_secs(60), came).await.unwrap()
    }
}

/// A key set of these keys' public halves.
fn set(jwks: &[&str]) -> String {
    let public = |jwk: &&str| keys::signing(jwk).public().clone();
    let set = KeySet::from_keys(jwks.iter().map(public).collect()).unwrap();
    set.to_json().to_string()
}

/// The program, and Bob's endpoint.
async fn start() -> (World, Arc<Bobs>) {
    let more = |config: &mut Table| config.extend(TOLD.parse::<Table>().unwrap());
    let files = [("signing.jwk", keys::ES256_C.to_owned()), ("others.jwks", set(&[]))];
    let mut world = World::start(Deployment::builder().with_host(HOST), more, &files).await;
    let (listener, tls) = world.deployment.take_host(HOST);
    let bobs = Arc::new(Bobs::default());
    let router = Router::new().route("/uma", post(receive)).with_state(Arc::clone(&bobs));
    let transport = Transport::tls(&tls).unwrap();
    tokio::spawn(serve(listener, transport, router, std::future::pending()));
    (world, bobs)
}

async fn published(world: &World) -> KeySet {
    let metadata = world.document("/.well-known/uma2-configuration").await;
    assert_eq!(metadata["jwks_uri"], format!("{}/jwks", names::UMA));
    let set = world.document("/jwks").await.to_string();
    KeySet::parse_foreign(set.as_bytes()).unwrap().0
}

/// Waits until the key of this name is the first of so many.
async fn published_first(world: &World, kid: &str, count: usize) {
    let is_first = |set: &Value| {
        let keys = set["keys"].as_array().unwrap();
        keys.len() == count && keys[0]["kid"] == kid
    };
    let replaced = async {
        while !is_first(&world.document("/jwks").await) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(60), replaced).await.unwrap();
}

fn read(world: &World, set: &KeySet, token: &str) -> Received {
    let issuer = Issuer::parse(names::UMA).unwrap();
    notice::verify(token, set, &issuer, ENDPOINT, world.seams.clock.now()).unwrap()
}

fn about(told: &Received) -> String {
    told.requesting_party.as_ref().unwrap().email.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_tells_what_it_acknowledged_under_one_jti() {
    let (mut world, bobs) = start().await;
    let pat = world.pat().await;
    let resource = world.resource(&pat).await;
    let set = published(&world).await;
    let mut acknowledged = BTreeSet::new();

    // Killed when it has answered: before or after an attempt, whose answer never comes.
    for round in 0..4 {
        bobs.now(if round % 2 == 0 { Does::Hang } else { Does::Fail });
        let email = format!("p{round}@alice.example");
        let before = bobs.received.lock().unwrap().len();
        let ticket = world.ticket(&pat, &resource).await;
        refused(&world.redeem(&ticket, Some(&email)).await, 403, "request_submitted");
        acknowledged.insert(email);
        if round % 2 == 0 {
            bobs.wait_for(|received| received.len() > before).await;
        }
        world.lost(()).await;
    }
    // Killed while it answers, or a little later.
    for milliseconds in [10, 30, 60, 100, 150, 250] {
        let email = format!("after{milliseconds}@alice.example");
        let ticket = world.ticket(&pat, &resource).await;
        let server = world.server.take().unwrap();
        let killed = async {
            sleep(Duration::from_millis(milliseconds)).await;
            server.kill().await.unwrap();
        };
        let (answer, ()) = tokio::join!(world.try_to_redeem(&ticket, Some(&email)), killed);
        if let Ok(answer) = answer {
            refused(&answer, 403, "request_submitted");
            acknowledged.insert(email);
        }
        world.run().await;
    }

    bobs.now(Does::Take);
    world.lost(()).await;
    let received = bobs
        .wait_for(|received| {
            let taken = received.iter().filter(|(_, status)| *status == StatusCode::ACCEPTED);
            let told = taken.map(|(token, _)| about(&read(&world, &set, token)));
            acknowledged.is_subset(&told.collect())
        })
        .await;
    // Whatever the attempt and the process, each request has one.
    let mut jtis = BTreeMap::<String, BTreeSet<String>>::new();
    for (token, _) in &received {
        let told = read(&world, &set, token);
        jtis.entry(about(&told)).or_default().insert(told.jti);
    }
    assert!(jtis.values().all(|of_one| of_one.len() == 1), "{jtis:?}");
    assert!(received.len() > jtis.len(), "nothing had to be tried again");
    let all: BTreeSet<_> = jtis.values().flatten().collect();
    assert_eq!(all.len(), jtis.len(), "two requests have one jti");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r9_the_keys_are_replaced_on_a_hangup() {
    let (world, bobs) = start().await;
    bobs.now(Does::Take);
    let pat = world.pat().await;
    let resource = world.resource(&pat).await;
    let asks = async |email: &str| {
        let ticket = world.ticket(&pat, &resource).await;
        refused(&world.redeem(&ticket, Some(email)).await, 403, "request_submitted");
    };
    let kid = |jwk: &str| keys::signing(jwk).public().kid().unwrap().to_owned();
    let (former, next) = (kid(keys::ES256_C), kid(keys::ES256_B));
    asks("p0@alice.example").await;
    bobs.wait_for(|received| received.len() == 1).await;

    // The next one is announced before it signs.
    world.write("others.jwks", &set(&[keys::ES256_B]));
    world.hang_up().await;
    published_first(&world, &former, 2).await;
    let announced = published(&world).await;
    world.write("others.jwks", &set(&[keys::ES256_C]));
    world.write("signing.jwk", keys::ES256_B);
    world.hang_up().await;
    published_first(&world, &next, 2).await;

    // Who keeps the set from before the change can verify what comes after it.
    asks("p1@alice.example").await;
    let received = bobs.wait_for(|received| received.len() == 2).await;
    for ((token, _), expected) in received.iter().zip([&former, &next]) {
        let header = Unverified::parse(token).unwrap().header().kid().map(ToOwned::to_owned);
        assert_eq!(header.as_ref(), Some(expected));
        read(&world, &announced, token);
    }
}
