//! Our client takes both branches: its arrows, and what it says to whom.

use std::sync::Arc;

use bytes::Bytes;
use countersign_client::{Client, ClientError, OwnAccess, SubjectToken};
use countersign_testkit::names;
use countersign_types::{EmailAddress, Issuer};

use super::bob::Bob;
use super::scene::{ASKING, Branch, READING, Scene, arrows, registration};
use crate::alice::Seen;
use crate::inbox::INBOX;

fn letter() -> http::Request<Bytes> {
    let request = http::Request::post(INBOX).header("content-type", "text/plain");
    request.body(Bytes::from_static(b"Hello Bob")).unwrap()
}

/// Alice's application, or her agent, and what is seen of it.
async fn application(scene: &Scene, branch: Branch) -> (Client, Arc<Seen>) {
    let deployment = &scene.bed.deployment;
    let (seams, seen) = (deployment.seams(), Arc::new(Seen::default()));
    let claims_provider = Issuer::parse(names::CLAIMS_PROVIDER).unwrap();
    let address = EmailAddress::parse(names::ALICE).unwrap();
    let (clock, random) = (Arc::clone(&seams.clock), Arc::clone(&seams.random));
    let subject: Arc<dyn SubjectToken> = match branch {
        Branch::Present => Arc::new(deployment.alice().await),
        Branch::Agent => {
            let known = registration(names::STS);
            let own = OwnAccess::new(known, address.clone(), deployment.http(), clock, random);
            Arc::new(own.for_claims_provider(claims_provider.clone()))
        }
    };
    let provider = registration(names::STS);
    let mut client =
        Client::builder(deployment.http(), seams.clock, seams.random, provider, subject)
            .with_claims_provider(claims_provider)
            .with_registration(registration(names::UMA))
            .with_observer(Arc::clone(&seen) as _);
    if branch == Branch::Agent {
        client = client.naming(address);
    }
    (client.build(), seen)
}

/// The waiting client of branch A: the arrows of the loop, and on the wire nothing that is not
/// drawn.
#[tokio::test]
async fn the_client_goes_round_the_loop_until_bob_lets_it_in() {
    let scene = Scene::start(&[ASKING, READING]).await;
    let (client, seen) = application(&scene, Branch::Present).await;
    scene.forget();
    let pending = match client.request(letter()).await {
        Err(ClientError::Submitted(pending)) => *pending,
        other => unreachable!("{other:?}"),
    };
    let bob = Bob::signs_in(&scene.bed).await;
    bob.decides(&bob.who_waits().await.unwrap(), "approve").await;
    scene.bed.advance(5);
    let response = client.resume(pending, letter()).await.unwrap();
    assert_eq!(response.status(), 201);
    // As flow 002 numbers them: 3 and 4 are the digest and the claims, after which the loop goes
    // round.
    assert_eq!(seen.arrows(), [1, 2, 3, 4, 5, 6, 6, 3, 4, 5, 6, 7, 8, 9], "{:?}", seen.events());
    let first = super::asked_for_claims(true);
    let again = super::asked_for_claims(false);
    let expected = [
        &super::BEFORE[..],
        &first,
        &super::asked_for_an_rpt("as -> 403"),
        &super::asked_for_an_rpt("as -> 403"),
        &again,
        &super::asked_for_an_rpt("as -> 200"),
        &super::AFTER,
    ];
    assert_eq!(arrows(&scene), expected.concat());
}

/// Branch B: what is shared lets the agent in, and one claims token is enough.
#[tokio::test]
async fn the_agent_gets_in_alone() {
    let scene = Scene::start(&[ASKING, READING]).await;
    let bob = Bob::signs_in(&scene.bed).await;
    let alice = [("who", "person"), ("with", names::ALICE)];
    let share = bob.shares(&alice, &[("scope", "message:create")]).await;
    let (agent, seen) = application(&scene, Branch::Agent).await;
    assert_eq!(agent.request(letter()).await.unwrap().status(), 201);
    assert_eq!(seen.arrows(), [1, 2, 3, 4, 5, 6, 7, 8, 9], "{:?}", seen.events());
    bob.unshares(&share).await;
    // Nothing is shared, so that Bob is asked about her as about everybody.
    let out = agent.request(letter()).await;
    assert!(matches!(out, Err(ClientError::Submitted(_))), "{out:?}");
}
