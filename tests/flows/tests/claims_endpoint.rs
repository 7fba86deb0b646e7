//! Flow 003 without its owner: the claims endpoint for Alice who is there, and for her agent alone.
//! STS-7 to STS-9, and what a policy that asks for a person makes of the agent.

use countersign_testkit::{Deployment, Party, keys, names};
use serde_json::{Value, json};
use toml::Table;

use crate::bed::{Bed, Credentials, Form, Reply, bearer, challenge_of, claims_of, sign};

/// Alice's application shows its tokens there, and may name Alice, and Dave, whose address nobody
/// verified.
pub(crate) fn claims_provider(config: &mut Table) {
    let client = config["clients"][0].as_table_mut().unwrap();
    client["grants"].as_array_mut().unwrap().push("client_credentials".into());
    let people = json!({ "addresses": [names::ALICE, "dave@alice.example"] });
    let exchange = client["exchange"].as_table_mut().unwrap();
    exchange.insert("claims_endpoint".to_owned(), true.into());
    exchange.insert("people".to_owned(), toml::Value::try_from(people).unwrap());
}

async fn start(present: bool) -> Bed {
    let deployment = Deployment::builder().with(Party::Sts, claims_provider).with(
        Party::UmaServer,
        move |config| {
            let rule = config["resource_servers"][0]["policy"][0].as_table_mut().unwrap();
            rule.insert("present".to_owned(), present.into());
        },
    );
    Bed::of(deployment.start().await)
}

/// Branch A: what Alice's sign-in gave the application.
pub(crate) async fn of_alice(bed: &Bed) -> String {
    let code = crate::sts::code(bed, "alice").await;
    crate::sts::redeem(bed, &code).await.member("access_token")
}

/// Branch B: what the application has of its own.
pub(crate) async fn of_agent(bed: &Bed) -> String {
    let params = [("grant_type", "client_credentials"), ("scope", "claims-provider")];
    let form = Form::new(&params, Credentials::Basic(names::RQP_CLIENT, names::RQP_SECRET));
    let reply = bed.post(&bed.sts("token_endpoint").await, &form).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.member("access_token")
}

/// Asks for a claims token for a ticket, about an address if it is not empty.
pub(crate) async fn ask(bed: &Bed, token: &str, ticket: &str, address: &str) -> Reply {
    let challenge = challenge_of(ticket);
    let params =
        [("audience", names::UMA), ("resource", names::RS), ("ticket_challenge", &challenge)];
    let mut form = Form::new(&params, Credentials::Bearer(token.to_owned()));
    if !address.is_empty() {
        form.add("email_address", address);
    }
    bed.post(&bed.sts("claims_endpoint").await, &form).await
}

/// The claims token for a fresh ticket, and what the UMA server says to it.
async fn redeemed(bed: &Bed, token: &str, address: &str) -> (Value, Reply) {
    let ticket = bed.ticket().await;
    let reply = ask(bed, token, &ticket, address).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let claims_token = reply.member("claims_token");
    let mut attempt = bed.attempt_with(&ticket);
    attempt.form.set("claim_token", &claims_token);
    (claims_of(&claims_token).1, bed.redeem(&attempt).await)
}

#[tokio::test]
async fn f003_either_branch_reaches_the_resource() {
    let bed = start(false).await;
    for (token, address) in [(of_alice(&bed).await, ""), (of_agent(&bed).await, names::ALICE)] {
        let (claims, reply) = redeemed(&bed, &token, address).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(
            (&claims["sub"], &claims["email"]),
            (&json!(names::ALICE_SUB), &json!(names::ALICE))
        );
        let acts = !address.is_empty();
        assert_eq!(claims["act"]["sub"].as_str(), acts.then_some(names::RQP_CLIENT));
        assert_eq!(claims["amr"].is_null(), acts, "{claims}");
        let (name, value) = bearer(&reply.member("access_token"));
        assert_eq!(bed.get(names::RS_API, &[(name, &value)]).await.status, 200);
    }
}

/// A policy that asks for somebody who is there does not take the agent for her.
#[tokio::test]
async fn f003_an_agent_is_nobody_who_is_present() {
    let bed = start(true).await;
    let (_, reply) = redeemed(&bed, &of_alice(&bed).await, "").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let (_, reply) = redeemed(&bed, &of_agent(&bed).await, names::ALICE).await;
    assert_eq!((reply.status, reply.error().as_str()), (403, "request_denied"), "{reply:?}");
}

#[tokio::test]
async fn sts_7_the_address_is_that_of_the_token() {
    let bed = start(false).await;
    let alice = of_alice(&bed).await;
    assert_eq!(ask(&bed, &alice, "a ticket", names::ALICE).await.status, 200);
    let reply = ask(&bed, &alice, "a ticket", names::CAROL).await;
    assert_eq!((reply.status, reply.error().as_str()), (400, "invalid_request"), "{reply:?}");
}

/// Somebody else's Carol, nobody, and Dave, whose address was not verified: the same octets.
#[tokio::test]
async fn sts_8_whom_an_agent_may_not_name_is_nobody() {
    let bed = start(false).await;
    let agent = of_agent(&bed).await;
    let mut answers = Vec::new();
    for address in [names::CAROL, "nobody@alice.example", "dave@alice.example"] {
        let reply = ask(&bed, &agent, "a ticket", address).await;
        let expected = (403, "insufficient_scope");
        assert_eq!((reply.status, reply.error().as_str()), expected, "{address}: {reply:?}");
        answers.push((reply.header("www-authenticate").to_owned(), reply.body));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn sts_9_a_token_for_others_speaks_for_nobody() {
    let bed = start(false).await;
    let two = json!([names::STS, names::RS]);
    for (name, claim, value, expected) in [
        ("as it is", "aud", json!(names::STS), (200, "")),
        ("for another", "aud", json!(names::RS), (401, "invalid_token")),
        ("for another, too", "aud", two, (401, "invalid_token")),
        ("another scope", "scope", json!("openid email"), (403, "insufficient_scope")),
        ("another client", "client_id", json!(names::OTHER_CLIENT), (403, "insufficient_scope")),
    ] {
        let mut claims = bed.subject();
        claims[claim] = value;
        let token = sign("at+jwt", keys::ES256_A, &claims);
        let reply = ask(&bed, &token, "a ticket", "").await;
        assert_eq!((reply.status, reply.error().as_str()), expected, "{name}: {reply:?}");
    }
}
