//! Flow 003's last arrows: Alice posts into 'Bob's Incoming', and Bob reads it. RS-6

use std::sync::Arc;

use bytes::Bytes;
use countersign_client::{Client, ClientError, Registration};
use countersign_client_auth::Proof;
use countersign_testkit::deployment::Party;
use countersign_testkit::{Deployment, names};
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, Issuer};
use http::{Method, Response};
use serde_json::Value;
use toml::Table;

pub(crate) const INBOX: &str = "https://rs.bob.example/incoming";

/// 'Bob's Incoming' in the configuration of his resource server.
const RESOURCE: &str = r#"
    path = "/incoming"
    name = "Bob's Incoming"
    scopes = ["message:create", "message:view", "message:delete"]
    methods = { POST = ["message:create"], GET = ["message:view"], DELETE = ["message:delete"] }
    inbox = { max_message = 100000, max_messages = 2 }
"#;

/// Bob has an inbox.
pub(crate) fn add(resource_server: &mut Table) {
    let inbox: Table = RESOURCE.parse().unwrap();
    resource_server["resources"].as_array_mut().unwrap().push(inbox.into());
}

/// Bob has an inbox. Alice has these scopes at it.
async fn with_inbox(scopes: &'static str) -> Deployment {
    Deployment::builder()
        .with(Party::ResourceServer, add)
        .with(Party::UmaServer, move |table| permit(table, scopes))
        .start()
        .await
}

fn permit(table: &mut Table, scopes: &str) {
    let rule = format!(
        "policy = [{{ resource = \"Bob's Incoming\", scopes = {scopes}, domains = ['*'] }}]"
    );
    let rule: Table = rule.parse().unwrap();
    table["resource_servers"][0]["policy"] = rule["policy"].clone();
}

async fn application(world: &Deployment) -> Client {
    let known_at = |issuer: &str| Registration {
        issuer: Issuer::parse(issuer).unwrap(),
        client_id: ClientId::parse(names::RQP_CLIENT).unwrap(),
        proof: Proof::SecretBasic(ClientSecret::new(names::RQP_SECRET)),
    };
    let (seams, alice) = (world.seams(), Arc::new(world.alice().await));
    Client::builder(world.http(), seams.clock, seams.random, known_at(names::STS), alice)
        .with_registration(known_at(names::UMA))
        .build()
}

async fn ask(
    client: &Client,
    method: Method,
    url: &str,
    body: &'static [u8],
) -> Result<Response<Bytes>, ClientError> {
    let request = http::Request::builder().method(method).uri(url);
    let request = request.header("content-type", "text/plain").body(Bytes::from_static(body));
    client.request(request.unwrap()).await
}

#[tokio::test]
async fn rs_6_a_message_is_left_and_stays_over_a_restart() {
    let mut world = with_inbox("['message:create']").await;
    let client = application(&world).await;
    let created = ask(&client, Method::POST, INBOX, b"Hello Bob").await.unwrap();
    assert_eq!(created.status(), 201);
    assert!(created.body().is_empty());
    let location = created.headers()["location"].to_str().unwrap();
    let message = format!("https://rs.bob.example{location}");
    assert!(message.starts_with(&format!("{INBOX}/")), "{message}");

    // Who may leave a message may not look into the inbox.
    for url in [INBOX, &*message] {
        let refused = ask(&client, Method::GET, url, b"").await;
        assert!(matches!(refused, Err(ClientError::Denied { .. })), "{refused:?}");
    }

    world.restart(Party::ResourceServer, |_| {}).await;
    world
        .restart(Party::UmaServer, |table| {
            permit(table, "['message:create', 'message:view', 'message:delete']");
        })
        .await;
    let client = application(&world).await;
    let list = ask(&client, Method::GET, INBOX, b"").await.unwrap();
    let list: Value = serde_json::from_slice(list.body()).unwrap();
    assert_eq!(list["messages"].as_array().unwrap().len(), 1);
    assert_eq!(list["messages"][0]["location"], location);
    assert_eq!(list["messages"][0]["client_id"], names::RQP_CLIENT);
    let read = ask(&client, Method::GET, &message, b"").await.unwrap();
    assert_eq!((read.status().as_u16(), &read.body()[..]), (200, &b"Hello Bob"[..]));
    assert_eq!(read.headers()["content-type"], "text/plain");
    assert_eq!(read.headers()["content-disposition"], "attachment");

    assert_eq!(ask(&client, Method::DELETE, &message, b"").await.unwrap().status(), 204);
    assert_eq!(ask(&client, Method::GET, &message, b"").await.unwrap().status(), 404);
}

#[tokio::test]
async fn an_inbox_has_an_end() {
    let world = with_inbox("['message:create']").await;
    let client = application(&world).await;
    static LARGE: [u8; 100_001] = [b'x'; 100_001];
    let (large, largest) = (&LARGE[..], &LARGE[1..]);
    assert_eq!(ask(&client, Method::POST, INBOX, largest).await.unwrap().status(), 201);
    let refused = ask(&client, Method::POST, INBOX, large).await.unwrap();
    assert_eq!(refused.status(), 413);
    assert_eq!(ask(&client, Method::POST, INBOX, b"second").await.unwrap().status(), 201);
    assert_eq!(ask(&client, Method::POST, INBOX, b"third").await.unwrap().status(), 507);
    assert_eq!(ask(&client, Method::PUT, INBOX, b"x").await.unwrap().status(), 405);
}

/// Nobody learns from the answers which messages there are.
#[tokio::test]
async fn a_message_that_is_there_looks_like_one_that_is_not() {
    let world = with_inbox("['message:create']").await;
    let client = application(&world).await;
    let created = ask(&client, Method::POST, INBOX, b"Hello Bob").await.unwrap();
    let location = created.headers()["location"].to_str().unwrap();
    let is = ask(&client, Method::GET, &format!("https://rs.bob.example{location}"), b"").await;
    let is_not = ask(&client, Method::GET, &format!("{INBOX}/AAAAAAAAAAAAAAAAAAAAAA"), b"").await;
    for refused in [is, is_not] {
        assert!(matches!(refused, Err(ClientError::Denied { .. })), "{refused:?}");
    }
}
