//! Flow 003's loop: Alice asks, Bob is asked, and Alice is out again as soon as he says so.
//! GRANT-10

use std::sync::Arc;

use bytes::Bytes;
use countersign_client::subject::AnyAudience;
use countersign_client::{Client, ClientError, Pending, Registration};
use countersign_client_auth::Proof;
use countersign_testkit::deployment::Party;
use countersign_testkit::{Deployment, names};
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, Issuer};
use countersign_uma::case::{Happened, OwnerDecision, Verdict};
use countersign_uma::protection::OwnerId;
use countersign_uma::{Case, PersonId, Protection};
use http::Response;
use toml::Table;

fn bob() -> Protection {
    let resource_server = ClientId::parse(names::RS_CLIENT).unwrap();
    Protection::new(OwnerId::parse("bob").unwrap(), resource_server)
}

/// Bob wants to be asked about everybody.
pub(crate) fn ask(table: &mut Table) {
    let rule = "policy = [{ resource = '*', scopes = ['get'], domains = ['*'], ask = true }]";
    let rule: Table = rule.parse().unwrap();
    table["resource_servers"][0]["policy"] = rule["policy"].clone();
}

/// A deployment in which he is.
async fn asking() -> Deployment {
    Deployment::builder().with(Party::UmaServer, ask).start().await
}

/// Alice's application, at both servers.
pub(crate) async fn application(world: &Deployment) -> Client {
    let known_at = |issuer: &str| Registration {
        issuer: Issuer::parse(issuer).unwrap(),
        client_id: ClientId::parse(names::RQP_CLIENT).unwrap(),
        proof: Proof::SecretBasic(ClientSecret::new(names::RQP_SECRET)),
    };
    let (seams, alice) = (world.seams(), Arc::new(world.alice().await));
    Client::builder(world.http(), seams.clock, seams.random, known_at(names::STS), alice)
        .with_registration(known_at(names::UMA))
        .with_approval(Arc::new(AnyAudience))
        .build()
}

pub(crate) fn rs_api() -> http::Request<Bytes> {
    http::Request::get(names::RS_API).body(Bytes::new()).unwrap()
}

#[track_caller]
pub(crate) fn waiting(result: Result<Response<Bytes>, ClientError>) -> Pending {
    match result {
        Err(ClientError::Submitted(pending)) => *pending,
        other => unreachable!("{other:?}"),
    }
}

async fn case(world: &Deployment) -> Case {
    let cases = world.bob().cases(&bob()).await.unwrap();
    assert_eq!(cases.len(), 1);
    cases.into_iter().next().unwrap()
}

/// Bob says this to what Alice asked.
async fn say(world: &Deployment, verdict: Verdict) {
    let case = case(world).await;
    let event = &case.history()[0];
    let (client, present) = event.through.clone().unwrap();
    let (permissions, seen) = (event.permissions.clone(), case.revision());
    let decision =
        OwnerDecision { client, present, permissions, verdict, seen, by: "bob".to_owned() };
    world.bob().decide(&bob(), &PersonId::of(case.person()), decision).await.unwrap();
}

#[tokio::test]
async fn grant_10_alice_waits_until_bob_lets_her_in_and_is_out_when_he_takes_it_back() {
    let mut world = asking().await;
    let client = application(&world).await;
    let pending = waiting(client.request(rs_api()).await);
    assert_eq!(pending.interval, Some(5));
    let seen = case(&world).await;
    assert_eq!(seen.person().email.as_str(), names::ALICE);
    assert_eq!(seen.person().iss.as_str(), names::STS);
    assert!(seen.entries()[0].present);

    world.clock().advance(5);
    let pending = waiting(client.resume(pending, rs_api()).await);
    // The server is another one by the time Bob has decided.
    world.restart(Party::UmaServer, |_| {}).await;
    say(&world, Verdict::Approve).await;
    world.clock().advance(5);
    let response = client.resume(pending, rs_api()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(client.request(rs_api()).await.unwrap().status(), 200, "with what it kept");

    let person = PersonId::of(seen.person());
    let revoked = world.bob().revoke(&bob(), &person, "bob").await.unwrap().unwrap();
    let out = client.request(rs_api()).await;
    assert!(matches!(out, Err(ClientError::Denied { .. })), "{out:?}");
    let happened: Vec<_> = revoked.history().iter().map(|event| &event.what).collect();
    assert_eq!(happened, [&Happened::Asked, &Happened::Approved, &Happened::Revoked]);
}

#[tokio::test]
async fn grant_10_bob_refuses() {
    let world = asking().await;
    let client = application(&world).await;
    let pending = waiting(client.request(rs_api()).await);
    say(&world, Verdict::Deny).await;
    world.clock().advance(5);
    let out = client.resume(pending, rs_api()).await;
    assert!(matches!(out, Err(ClientError::Denied { .. })), "{out:?}");
}

/// The application was killed while it waited: it begins anew, and Bob is not asked again.
#[tokio::test]
async fn an_application_that_forgot_what_it_waits_for_begins_anew() {
    let world = asking().await;
    waiting(application(&world).await.request(rs_api()).await);
    let client = application(&world).await;
    waiting(client.request(rs_api()).await);
    assert_eq!(case(&world).await.history().len(), 1);
    say(&world, Verdict::Approve).await;
    assert_eq!(client.request(rs_api()).await.unwrap().status(), 200);
}
