//! Fifty at once: clients on one ticket of the loop, and Bob who allows and takes back on fifty
//! screens.

use std::sync::Arc;

use countersign_testkit::names;
use countersign_types::ClientId;
use countersign_uma::case::{CaseError, Happened, OwnerDecision, Verdict};
use countersign_uma::protection::OwnerId;
use countersign_uma::{Case, PersonId, Protection};
use countersign_uma_service::OwnerError;
use tokio::task::JoinSet;

use super::scene::{ASKING, Branch, LETTING, Scene};

/// GRANT-21 inside the loop: a ticket that was rotated, with claims of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn grant_21_fifty_at_once_with_a_rotated_ticket() {
    let scene = Arc::new(Scene::start(&[LETTING]).await);
    for branch in Branch::ALL {
        let ticket = scene.need_info(&scene.ticket().await, None).await;
        let claims_token = scene.claims_of(branch, &ticket).await;
        let mut clients = JoinSet::new();
        for _ in 0..50 {
            let (scene, ticket) = (Arc::clone(&scene), ticket.clone());
            let claims_token = claims_token.clone();
            clients.spawn(async move {
                let reply = scene.redeem(&ticket, Some(&claims_token), &[]).await;
                (reply.status, reply.error())
            });
        }
        let mut answers = clients.join_all().await;
        answers.sort_unstable();
        assert_eq!(answers[0], (200, String::new()), "{branch:?}");
        assert_eq!(answers[1..], vec![(400, "invalid_grant".to_owned()); 49], "{branch:?}");
    }
}

fn bobs() -> Protection {
    let resource_server = ClientId::parse(names::RS_CLIENT).unwrap();
    Protection::new(OwnerId::parse("bob").unwrap(), resource_server)
}

async fn case(scene: &Scene) -> Case {
    let cases = scene.bed.deployment.bob().cases(&bobs()).await.unwrap();
    let [case] = &*cases else { unreachable!("{cases:?}") };
    case.clone()
}

/// What Bob says of all that Alice ever asked for, on what he sees.
async fn says(scene: &Scene, verdict: Verdict) -> Result<Case, OwnerError> {
    let case = case(scene).await;
    let (client, present) = case.history()[0].through.clone().unwrap();
    let (permissions, seen) = (case.history()[0].permissions.clone(), case.revision());
    let decision =
        OwnerDecision { client, present, permissions, verdict, seen, by: "bob".to_owned() };
    let person = PersonId::of(case.person());
    scene.bed.deployment.bob().decide(&bobs(), &person, decision).await
}

/// The same, until nobody is before him: whether it was to be done.
async fn takes_back(scene: &Scene) -> bool {
    let person = PersonId::of(case(scene).await.person());
    scene.bed.deployment.bob().revoke(&bobs(), &person, "bob").await.unwrap().is_some()
}

/// Alice begins anew: a token, if she gets in.
async fn comes(scene: &Scene, access_token: &str) -> Option<String> {
    let ticket = scene.ticket().await;
    let claims_token = scene.claims_token(access_token, &ticket, "").await;
    let reply = scene.redeem(&ticket, Some(&claims_token), &[]).await;
    let token = reply.member("access_token");
    match (reply.status, reply.error().as_str()) {
        (200, "") => Some(token),
        (403, "request_denied" | "request_submitted") => None,
        other => unreachable!("{other:?}"),
    }
}

/// Whatever the order, the last word counts, for every token that was given out meanwhile: none is
/// active whose approval was taken back. And of what was acknowledged nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_approvals_while_bob_takes_it_back_fifty_times() {
    let scene = Arc::new(Scene::start(&[ASKING]).await);
    let access_token = scene.access_token(Branch::Present).await;
    assert_eq!(comes(&scene, &access_token).await, None);
    for _ in 0..4 {
        let before = case(&scene).await.history().len();
        let (mut approvals, mut ends, mut clients) =
            (JoinSet::new(), JoinSet::new(), JoinSet::new());
        for number in 0..50 {
            let at = || Arc::clone(&scene);
            let (approves, takes, asks) = (at(), at(), at());
            approvals.spawn(async move { says(&approves, Verdict::Approve).await });
            ends.spawn(async move { takes_back(&takes).await });
            if number % 5 == 0 {
                let access_token = access_token.clone();
                clients.spawn(async move { comes(&asks, &access_token).await });
            }
        }
        let mut approved = 0;
        for answer in approvals.join_all().await {
            match answer {
                Ok(_) => approved += 1,
                Err(OwnerError::Case(CaseError::Changed)) => {}
                Err(error) => unreachable!("{error}"),
            }
        }
        let taken_back = ends.join_all().await.into_iter().filter(|done| *done).count();
        let mut rpts: Vec<_> = clients.join_all().await.into_iter().flatten().collect();
        let is_in = comes(&scene, &access_token).await;
        rpts.extend(is_in.clone());

        let after = case(&scene).await;
        let happened = &after.history()[before..];
        let count = |what: &Happened| happened.iter().filter(|event| event.what == *what).count();
        assert_eq!(count(&Happened::Approved), approved, "{happened:?}");
        assert_eq!(count(&Happened::Revoked), taken_back, "{happened:?}");
        let said = happened.iter().rev().find(|event| event.what != Happened::Asked);
        let stands = said.is_some_and(|event| event.what == Happened::Approved);
        assert_eq!(is_in.is_some(), stands, "{happened:?}");
        for rpt in &rpts {
            assert_eq!(scene.is_active(rpt).await, stands, "{happened:?}");
        }

        // Bob's very last word of this round, whatever came before.
        while says(&scene, Verdict::Approve).await.is_err() {}
        let rpt = comes(&scene, &access_token).await.expect("she is let in");
        rpts.push(rpt);
        assert!(takes_back(&scene).await);
        for rpt in &rpts {
            assert!(!scene.is_active(rpt).await);
            assert_eq!(scene.post(Some(rpt)).await.status, 401);
        }
    }
}
