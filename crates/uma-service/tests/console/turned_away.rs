//! Who was turned away by policy, and why: their owner sees it, and nobody else.

use std::sync::Arc;

use countersign_types::Timestamp;
use countersign_uma::policy::rules::Rules;
use countersign_uma::policy::{Decision, PolicyRequest, Reason, Revision, Ruling};
use countersign_uma::{Policy, Protection};
use serde_json::json;

use crate::bed::Bed;
use crate::support::{Answer, need_info, refused, rpt, rules_of};

const PAGE: &str = "/console/turned-away";

/// Those of Alice's domain may `get` if they are in research and no interns.
fn rules() -> Rules {
    rules_of(json!([
        {"resource": "RS API", "scopes": ["get"], "emails": ["alice@alice.example"],
         "claims": {"department": "research"}},
    ]))
}

/// What Alice is answered of whom her provider says this.
async fn asks(bed: &Bed, pat: &str, id: &str, more: serde_json::Value) -> (Answer, String) {
    let ticket = bed.world.ticket_for(pat, id).await;
    let mut claims = bed.world.claims(&ticket);
    for (name, value) in more.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
    (bed.world.redeem(&ticket, &claims, &[]).await, ticket)
}

#[tokio::test]
async fn bob_sees_which_claims_were_missing_or_wrong_and_the_client_does_not() {
    let bed = Bed::new();
    bed.world.change_policy(rules());
    let pat = bed.world.pat("rs").await;
    let id = bed.world.register(&pat).await;
    let bob = bed.bob().await;
    assert!(bob.get(PAGE).await.text.contains("id=\"nobody-turned-away\""));
    // Before anything is known of somebody, there is nothing to tell.
    let ticket = bed.world.ticket_for(&pat, &id).await;
    need_info(&bed.world.present("app", &ticket, &[]).await, &ticket);
    assert!(bob.get(PAGE).await.text.contains("id=\"nobody-turned-away\""));

    let (answer, ticket) = asks(&bed, &pat, &id, json!({})).await;
    let again = need_info(&answer, &ticket);
    let page = bob.get(PAGE).await.text;
    assert!(page.contains("The claim <code>department</code> is missing."), "{page}");
    assert!(page.contains("<bdi>alice@alice.example</bdi>") && page.contains("<bdi>RS API</bdi>"));
    bed.world.advance(1);
    let (answer, _) = asks(&bed, &pat, &id, json!({"department": "sales"})).await;
    let told = answer.json();
    assert!(!answer.text.contains("sales") && !answer.text.contains("rule"), "{told}");
    let page = bob.get(PAGE).await.text;
    assert!(page.contains("The claim <code>department</code> says something else"), "{page}");
    assert!(page.contains("2 times since 2023-11-14 22:13 UTC"), "{page}");
    assert_eq!(
        page.matches("class=\"card denial\"").count(),
        1,
        "once for a person and a resource"
    );
    // Somebody whom nothing permits anything.
    let other = json!({"sub": "b1", "email": "bert@alice.example"});
    let (answer, _) = asks(&bed, &pat, &id, other).await;
    refused(&answer, 403, "request_denied");
    assert_eq!(answer.json().as_object().unwrap().len(), 2, "the error and its description");
    let page = bob.get(PAGE).await.text;
    assert!(page.contains("Nothing permits it."), "{page}");
    // Each of them has a page, with what they were refused, and can be kept out there.
    let bert = page.split("href=\"").find(|rest| rest.contains("bert@")).unwrap();
    let bert = bob.get(bert.split('"').next().unwrap()).await;
    assert_eq!(bert.status, 200);
    assert!(bert.text.contains("What they were refused lately"), "{}", bert.text);
    assert!(bert.text.contains("id=\"holds-nothing\""));
    // Whoever got in since is no longer among them.
    let mut claims = bed.world.claims(&again);
    claims["department"] = json!("research");
    rpt(&bed.world.redeem(&again, &claims, &[]).await);
    let page = bob.get(PAGE).await.text;
    assert!(!page.contains("alice@") && page.contains("bert@"), "{page}");
    // What somebody may do there hides nothing of what they were refused.
    bed.world.advance(1);
    let more = json!([
        {"resource": "RS API", "scopes": ["get"], "emails": ["alice@alice.example"]},
    ]);
    bed.world.change_policy(rules_of(more));
    let ticket = bed.world.ticket_for(&pat, &id).await;
    let answer = bed.world.redeem(&ticket, &bed.world.claims(&ticket), &[("scope", "put")]).await;
    refused(&answer, 403, "request_denied");
    bed.world.advance(1);
    rpt(&asks(&bed, &pat, &id, json!({})).await.0);
    let page = bob.get(PAGE).await.text;
    assert!(page.contains("alice@") && page.contains("<code class=\"scope\">put</code>"), "{page}");
    // U6, U7: it is nobody else's.
    let carol = bed.carol().await.get(PAGE).await;
    assert!(carol.status == 200 && !carol.text.contains("bert@"), "{}", carol.text);
}

/// Turns everybody away, for everything there is.
struct Against(String);

impl Policy for Against {
    fn assess(&self, _: &PolicyRequest<'_>) -> Ruling {
        let why = [Reason::Policy, Reason::Missing, Reason::Wrong, Reason::Failed];
        let why = why.map(|why| why(self.0.clone())).to_vec();
        Ruling { decision: Decision::Deny, why }
    }

    fn revision(&self, _: &Protection, _: Timestamp) -> Revision {
        Revision::of("against")
    }
}

/// What policy names is cut where it is too long, and reads in the order in which it was written.
#[tokio::test]
async fn what_policy_names_is_a_text_of_somebody_elses() {
    let bed = Bed::new();
    bed.world.decide_by(Arc::new(Against(format!("\u{202e}{}", "ä".repeat(600)))));
    let pat = bed.world.pat("rs").await;
    let id = bed.world.register(&pat).await;
    let (answer, _) = asks(&bed, &pat, &id, json!({})).await;
    refused(&answer, 403, "request_denied");
    let page = bed.bob().await.get(PAGE).await.text;
    let name = format!("\u{fffd}{}…", "ä".repeat(511));
    for said in [
        format!("A rule of this server is against it: <strong>{name}</strong>"),
        format!("The claim <code>{name}</code> is missing."),
        format!("The claim <code>{name}</code> says something else than it has to."),
        format!("A rule could not be applied: {name}"),
    ] {
        assert!(page.contains(&said), "{said}: {page}");
    }
}
