//! An owner is told what waits for them, over TLS: the endpoint verifies it by published metadata
//! alone.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::post;
use countersign_fetch::{Limits, Request};
use countersign_host::server::{Transport, serve};
use countersign_jwt::KeySet;
use countersign_testkit::deployment::Party;
use countersign_testkit::directory::{Directory, only_for_its_owner};
use countersign_testkit::{Deployment, keys, names};
use countersign_types::{EndpointUrl, Issuer};
use countersign_uma::notice;
use http::StatusCode;
use tokio::sync::Notify;

use crate::owner::{application, ask, rs_api, waiting};

const HOST: &str = "hooks.bob.example";
const ENDPOINT: &str = "https://hooks.bob.example/uma";

/// What came to Bob's endpoint, and to where it sent somebody first.
#[derive(Default)]
struct Bobs {
    received: Mutex<Vec<String>>,
    elsewhere: Mutex<Vec<String>>,
    came: Notify,
}

async fn receive(State(bobs): State<Arc<Bobs>>, body: String) -> Response {
    let mut received = bobs.received.lock().unwrap();
    received.push(body);
    bobs.came.notify_one();
    match received.len() {
        1 => Redirect::temporary("/elsewhere").into_response(),
        _ => StatusCode::ACCEPTED.into_response(),
    }
}

async fn elsewhere(State(bobs): State<Arc<Bobs>>, body: String) -> StatusCode {
    bobs.elsewhere.lock().unwrap().push(body);
    StatusCode::ACCEPTED
}

async fn json(world: &Deployment, url: &str) -> serde_json::Value {
    let url = EndpointUrl::parse(url).unwrap();
    let response = world.http().fetch(Request::get(url, Limits::jwks())).await.unwrap();
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_verifies_by_metadata_alone_and_sends_nobody_elsewhere() {
    let directory = Directory::new().unwrap();
    let key = directory.write("uma-server.jwk", keys::ES256_C).unwrap();
    only_for_its_owner(&key).unwrap();
    let change = move |table: &mut toml::Table| {
        ask(table);
        let told = format!(
            "keys = {{ signing = {{ file = {:?} }} }}\nwebhooks = [{{ url = '{ENDPOINT}', \
             owners = ['bob'] }}]",
            key.display().to_string()
        );
        table.extend(told.parse::<toml::Table>().unwrap());
    };
    let builder = Deployment::builder().with(Party::UmaServer, change).with_host(HOST);
    let mut world = builder.start().await;
    let (listener, tls) = world.take_host(HOST);
    let bobs = Arc::new(Bobs::default());
    let router = Router::new()
        .route("/uma", post(receive))
        .route("/elsewhere", post(elsewhere))
        .with_state(Arc::clone(&bobs));
    let transport = Transport::tls(&tls).unwrap();
    tokio::spawn(serve(listener, transport, router, std::future::pending()));

    let alice = application(&world).await;
    waiting(alice.request(rs_api()).await);
    let received = loop {
        let received = bobs.received.lock().unwrap().clone();
        if received.len() > 1 {
            break received;
        }
        bobs.came.notified().await;
    };
    assert_eq!(*bobs.elsewhere.lock().unwrap(), Vec::<String>::new());

    let metadata = format!("{}/.well-known/uma2-configuration", names::UMA);
    let metadata = json(&world, &metadata).await;
    let issuer = Issuer::parse(metadata["issuer"].as_str().unwrap()).unwrap();
    let set = json(&world, metadata["jwks_uri"].as_str().unwrap()).await;
    let (set, _) = KeySet::parse_foreign(set.to_string().as_bytes()).unwrap();
    let now = world.seams().clock.now();
    let read = |token: &String| notice::verify(token, &set, &issuer, ENDPOINT, now).unwrap();
    let told: Vec<_> = received.iter().map(read).collect();
    assert_eq!((told[0].owner.as_str(), &told[0].jti), ("bob", &told[1].jti));
}
