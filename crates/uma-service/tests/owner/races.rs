//! Decisions and polls at the same time.

use std::sync::Arc;

use countersign_store::{Engine, MemoryEngine};
use countersign_uma::case::{CaseError, Verdict};
use countersign_uma::{Case, PersonId};
use countersign_uma_service::OwnerError;

use crate::support::{refused, submitted};
use crate::{Directory, ask, asking, bob, case, decision, world};

/// Fifty approvals of what is before them and a revocation, at once: whatever the order, in the end
/// nothing is approved, and no approval after the revocation was acknowledged.
async fn race(engine: Arc<dyn Engine>) {
    let world = Arc::new(asking(engine, 100));
    let pat = world.pat("rs").await;
    for _ in 0..10 {
        let id = world.register(&pat).await;
        ask(&world, &pat, &id).await;
        let before = case(&world).await;
        let person = PersonId::of(before.person());
        let decide = |case: &Case| {
            let mut decision = decision(case, Verdict::Approve);
            let last = case.history().last().unwrap();
            decision.permissions = last.permissions.clone();
            decision
        };
        let approvals: Vec<_> = (0..50)
            .map(|_| {
                let (world, decision) = (Arc::clone(&world), decide(&before));
                tokio::spawn(async move { world.uma.decide(&bob(), &person, decision).await })
            })
            .collect();
        let revocation = {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.uma.revoke(&bob(), &person, "bob").await })
        };
        let mut approved = 0;
        for approval in approvals {
            match approval.await.unwrap() {
                Ok(_) => approved += 1,
                Err(OwnerError::Case(CaseError::Changed)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let revoked = revocation.await.unwrap().unwrap().unwrap();
        assert!(approved <= 1, "{approved} decided on one state");
        let after = case(&world).await;
        assert_eq!(after.revision(), revoked.revision(), "nothing came after it");
        assert_eq!(after.revision(), before.revision() + approved + 1);
        let ticket = world.ticket_for(&pat, &id).await;
        let answer = world.redeem(&ticket, &world.claims(&ticket), &[]).await;
        refused(&answer, 403, "request_denied");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_approvals_and_a_revocation_in_memory() {
    race(Arc::new(MemoryEngine::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_approvals_and_a_revocation_in_sqlite() {
    let directory = Directory::new();
    race(directory.engine()).await;
}

/// Fifty polls with one ticket, while Bob approves: one of them goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_polls_with_one_ticket_and_one_goes_on() {
    let world = Arc::new(world());
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let (mut ticket, _) = ask(&world, &pat, &id).await;
    for _ in 0..10 {
        world.advance(300);
        let polls: Vec<_> = (0..50)
            .map(|_| {
                let (world, ticket) = (Arc::clone(&world), ticket.clone());
                tokio::spawn(async move { world.present("app", &ticket, &[]).await })
            })
            .collect();
        let mut next = Vec::new();
        for poll in polls {
            let answer = poll.await.unwrap();
            if answer.status == 403 {
                next.push(submitted(&answer, &ticket).0);
            } else {
                refused(&answer, 400, "invalid_grant");
            }
        }
        let [only] = &*next else { panic!("{next:?}") };
        ticket = only.clone();
    }
}
