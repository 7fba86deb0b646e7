//! Whoever decides and goes away has decided, and the audit log says so, or nothing has happened.

use std::sync::Arc;

use countersign_store::Engine;
use countersign_testkit::gone::let_go;
use countersign_testkit::{Log, Watched};
use countersign_uma::case::{Standing, Verdict};
use countersign_uma::{Case, PersonId};
use serde_json::{Value, json};

use crate::support::{World, rpt, rules_of, submitted};
use crate::{ask_for, asking, bob, case, decision, say, scopes};

const ALICE: &str = "alice@alice.example";

/// Alice and others wait for Bob, at a server whose operations take a turn each when it is said.
async fn waiting(addresses: &[&str]) -> (World, Arc<Watched>) {
    let engine = Arc::new(Watched::default());
    let world = asking(Arc::clone(&engine) as Arc<dyn Engine>, 100);
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    for address in addresses {
        let (answer, ticket) = ask_for(&world, &pat, &id, address).await;
        submitted(&answer, &ticket);
    }
    (world, engine)
}

/// Lets a request go after so many turns: whether it had been answered, and how often the audit log
/// says this.
async fn cut_off<T>(
    engine: &Watched,
    request: impl Future<Output = T>,
    turns: usize,
    said: &str,
) -> (bool, usize) {
    let log = Log::default();
    let heard = log.hear();
    let is_answered = engine.slowly(let_go(request, turns)).await;
    drop(heard);
    (is_answered, log.audited(said).len())
}

fn is_approved(case: &Case) -> bool {
    case.entries().iter().any(|entry| entry.standing == Standing::Approved)
}

/// Cases of the same person end together.
#[tokio::test]
async fn everything_is_taken_back_by_every_address_though_the_owner_goes_away() {
    for turns in 0.. {
        let (world, engine) = waiting(&[ALICE, "alice.a@alice.example"]).await;
        for case in world.uma.cases(&bob()).await.unwrap() {
            let person = PersonId::of(case.person());
            let decision = decision(&case, Verdict::Approve);
            world.uma.decide(&bob(), &person, decision).await.unwrap();
        }
        let cases = world.uma.cases(&bob()).await.unwrap();
        let person = PersonId::of(cases[0].person());
        let request = async { world.uma.revoke(&bob(), &person, "bob").await };
        let (is_answered, said) =
            cut_off(&engine, request, turns, "an owner took everything back").await;
        let cases = world.uma.cases(&bob()).await.unwrap();
        let over = cases.iter().filter(|case| !is_approved(case)).count();
        assert_eq!(said, over, "after {turns} turns");
        assert!(over == 0 || over == 2, "after {turns} turns: {over}");
        if is_answered {
            assert!(over == 2 && turns > 2, "{turns}");
            break;
        }
    }
}

#[tokio::test]
async fn a_decision_is_in_the_audit_log_though_the_owner_goes_away() {
    for turns in 0.. {
        let (world, engine) = waiting(&[ALICE]).await;
        let before = case(&world).await;
        let person = PersonId::of(before.person());
        let decision = decision(&before, Verdict::Approve);
        let request = async { world.uma.decide(&bob(), &person, decision).await };
        let (is_answered, said) = cut_off(&engine, request, turns, "an owner decided").await;
        assert_eq!(said, usize::from(is_approved(&case(&world).await)), "after {turns} turns");
        if is_answered {
            assert!(said == 1 && turns > 0, "{turns}");
            break;
        }
    }
}

#[tokio::test]
async fn the_end_of_what_was_issued_is_in_the_audit_log_though_the_owner_goes_away() {
    for turns in 0.. {
        let (world, engine) = waiting(&[ALICE]).await;
        say(&world, Verdict::Approve).await;
        let pat = world.pat("rs").await;
        let approved = case(&world).await;
        let id = approved.entries()[0].resource_id.to_string();
        let token = rpt(&ask_for(&world, &pat, &id, ALICE).await.0);
        let request = async { world.uma.revoke_tokens(&bob(), approved.person(), "bob").await };
        let (is_answered, said) =
            cut_off(&engine, request, turns, "an owner ended all that was issued").await;
        let is_over = scopes(&world, &pat, &token).await == Value::Null;
        assert_eq!(said, usize::from(is_over), "after {turns} turns");
        if is_answered {
            assert!(said == 1 && turns > 0, "{turns}");
            break;
        }
    }
}

#[tokio::test]
async fn who_waits_no_more_by_a_rule_is_in_the_audit_log_though_they_go_away() {
    for turns in 0.. {
        let (world, engine) = waiting(&[ALICE]).await;
        let rule = json!({"resource": "*", "scopes": ["get"], "domains": ["alice.example"]});
        world.change_policy(rules_of(json!([rule])));
        let asked = case(&world).await;
        let pat = world.pat("rs").await;
        let id = asked.history()[0].permissions[0].resource_id.to_string();
        let request = ask_for(&world, &pat, &id, ALICE);
        let (is_answered, said) = cut_off(&engine, request, turns, "rules let somebody in").await;
        let is_over = !case(&world).await.is_waiting(crate::at(world.now()));
        assert_eq!(said, usize::from(is_over), "after {turns} turns");
        if is_answered {
            assert!(said == 1 && turns > 5, "{turns}");
            break;
        }
    }
}
