//! Flow 003, as it is drawn: `uma-wide-ecosystem-push`. Alice, or her agent alone, leaves a message
//! with Bob, who decides beforehand or while they wait.

mod beforehand;
pub(crate) mod bob;
mod client;
mod front;
mod races;
pub(crate) mod scene;
mod signing_out;
mod unseen;
mod waiting;

use countersign_testkit::names;
use serde_json::{Value, json};

use self::bob::Bob;
use self::scene::{ASKING, Branch, READING, Scene, arrows};
use crate::bed::claims_of;

/// From the first arrow to the tenth, in the branch's own words.
const BEFORE: [&str; 2] = ["rs <- POST /incoming", "rs -> 401"];
const AFTER: [&str; 2] = ["rs <- POST /incoming", "rs -> 201"];

/// Arrows 5 and 6, with those between claims provider and AuthN server in between.
fn asked_for_claims(is_first: bool) -> Vec<&'static str> {
    let own: &[&str] = match is_first {
        true => &["authn <- POST /token client_credentials", "authn -> 200"],
        false => &[],
    };
    let query = ["authn <- GET /scim/v2/Users", "authn -> 200"];
    [&["cp <- POST /claims"], own, &query, &["cp -> 200"]].concat()
}

/// Arrow 7, and what comes of it.
fn asked_for_an_rpt(status: &'static str) -> [&'static str; 2] {
    ["as <- POST /token uma-ticket", status]
}

/// Branch A with the loop, and Bob in between: every arrow, in its order and its words.
#[tokio::test]
async fn f003_every_arrow_of_branch_a() {
    let scene = Scene::start(&[ASKING, READING]).await;
    let bed = &scene.bed;

    // 1. Request 'Bob's Incoming' resource. 2. 401 with permission ticket.
    let ticket = scene.ticket().await;
    // 3. Get access_token. 4. Return access_token.
    let access_token = scene.access_token(Branch::Present).await;
    // 5. Get claims_token. 6. Return claims_token.
    let claims_token = scene.claims_token(&access_token, &ticket, "").await;
    let (header, claims) = claims_of(&claims_token);
    assert_eq!(header["typ"], "uma-claims+jwt");
    for (name, value) in [
        ("iss", json!(names::CLAIMS_PROVIDER)),
        ("aud", json!(names::UMA)),
        ("resource", json!(names::RS)),
        ("sub", json!(names::ALICE_SUB)),
        ("email", json!(names::ALICE)),
        ("email_verified", json!(true)),
        ("department", json!("research")),
        ("ticket_challenge", json!(crate::bed::challenge_of(&ticket))),
        ("amr", json!(["pwd"])),
        ("act", Value::Null),
    ] {
        assert_eq!(claims[name], value, "{name}: {claims}");
    }
    // 7. Call token endpoint: Bob is asked, and has not answered.
    let ticket = scene.submitted(&ticket, Some(&claims_token)).await;
    bed.advance(5);
    let ticket = scene.submitted(&ticket, None).await;
    // Bob decides in his console.
    let bob = Bob::signs_in(bed).await;
    let page = bob.who_waits().await.expect("somebody who waits");
    assert_eq!(page.person(), names::ALICE);
    assert_eq!(page.asked(), ["message:create"]);
    bob.decides(&page, "approve").await;
    // The loop: a fresh claims token for the newest ticket. 8. Return RPT.
    bed.advance(5);
    let ticket = scene.need_info(&ticket, None).await;
    let claims_token = scene.claims_token(&access_token, &ticket, "").await;
    let rpt = scene.granted(&ticket, &claims_token).await;
    // 9. Post data into 'Bob's Incoming' resource. 10. 201 Created.
    let message = scene.posted(&rpt, "Hello Bob").await;

    let expected = [
        &BEFORE[..],
        &["authn <- POST /token authorization_code", "authn -> 200"],
        &asked_for_claims(true),
        &asked_for_an_rpt("as -> 403"),
        &asked_for_an_rpt("as -> 403"),
        &asked_for_an_rpt("as -> 403"),
        &asked_for_claims(false),
        &asked_for_an_rpt("as -> 200"),
        &AFTER,
    ];
    assert_eq!(arrows(&scene), expected.concat());

    // Bob reads it and takes it out; who left it may do neither.
    let reader = scene.reader().await;
    assert_eq!(
        scene.refused_to_read(&access_token, &message).await,
        (403, "request_denied".into())
    );
    assert_eq!(reader.read(&message).await, "Hello Bob");
    assert_eq!(reader.delete(&message).await, 204);

    // And he takes back what he allowed: she is out at once, at whoever asks.
    assert!(scene.is_active(&rpt).await);
    let page = bob.again(&page).await;
    bob.sends(&page, "revoke", &[("verdict", "revoke")]).await;
    assert!(!scene.is_active(&rpt).await);
    assert_eq!(scene.post(Some(&rpt)).await.status, 401);
    let ticket = scene.ticket().await;
    let claims_token = scene.claims_token(&access_token, &ticket, "").await;
    scene.refused(&ticket, Some(&claims_token), 403, "request_denied").await;
}

/// Branch B: nobody is there to be asked, so Bob has shared beforehand. Every arrow, as in branch
/// A.
#[tokio::test]
async fn f003_every_arrow_of_branch_b() {
    let scene = Scene::start(&[ASKING, READING]).await;
    let bed = &scene.bed;
    let bob = Bob::signs_in(bed).await;
    let create = [("scope", "message:create")];
    let share = bob.shares(&[("who", "person"), ("with", names::ALICE)], &create).await;
    scene.forget();

    let ticket = scene.ticket().await;
    let access_token = scene.access_token(Branch::Agent).await;
    let claims_token = scene.claims_token(&access_token, &ticket, names::ALICE).await;
    let claims = claims_of(&claims_token).1;
    assert_eq!(claims["email"], names::ALICE);
    assert_eq!(claims["act"]["sub"], names::RQP_CLIENT, "{claims}");
    assert!(claims["amr"].is_null(), "{claims}");
    let rpt = scene.granted(&ticket, &claims_token).await;
    scene.posted(&rpt, "Hello Bob, from her agent").await;

    let expected = [
        &BEFORE[..],
        &["authn <- POST /token client_credentials", "authn -> 200"],
        &asked_for_claims(true),
        &asked_for_an_rpt("as -> 200"),
        &AFTER,
    ];
    assert_eq!(arrows(&scene), expected.concat());

    // What was shared is taken back: the agent is out at once.
    bob.unshares(&share).await;
    assert!(!scene.is_active(&rpt).await);
    assert_eq!(scene.post(Some(&rpt)).await.status, 401);
}
