//! What the tables of the grant say of tickets, claims and clients, at this flow's front: a POST,
//! claims of the claims endpoint, and an owner who is asked. GRANT-2, 4, 6, 8, 13, 14, 15

use countersign_testkit::{keys, names};
use serde_json::json;

use super::scene::{ASKING, Branch, LETTING, Scene};
use crate::bed::{Attempt, Credentials, JWT};

async fn check(scene: &Scene, name: &str, attempt: &Attempt, expected: (u16, &str)) {
    let reply = scene.bed.redeem(attempt).await;
    assert_eq!((reply.status, reply.error().as_str()), expected, "{name}: {reply:?}");
}

/// Without claims they are asked for; then the newest ticket takes a digest of its own, and each
/// ticket is good for one step.
#[tokio::test]
async fn grant_14_each_round_takes_a_digest_of_its_own() {
    for branch in Branch::ALL {
        let scene = Scene::start(&[LETTING]).await;
        let first = scene.ticket().await;
        let of_the_first = scene.claims_of(branch, &first).await;
        let reply = scene.refused(&first, None, 403, "need_info").await;
        let needed = &reply.json()["required_claims"][0];
        assert_eq!(
            (&needed["name"], &needed["claim_token_format"]),
            (&json!("email"), &json!([JWT])),
            "GRANT-4: {reply:?}"
        );
        let second = reply.member("ticket");
        // GRANT-2: the first is spent, whatever comes with it.
        scene.refused(&first, Some(&of_the_first), 400, "invalid_grant").await;
        // GRANT-6: claims for another ticket of the same process.
        let third = scene.need_info(&second, Some(&of_the_first)).await;
        let claims_token = scene.claims_of(branch, &third).await;
        let rpt = scene.granted(&third, &claims_token).await;
        scene.posted(&rpt, "Hello Bob").await;
        scene.refused(&third, Some(&claims_token), 400, "invalid_grant").await;
        // And one that nobody came with in its time.
        let late = scene.ticket().await;
        scene.bed.advance(301);
        let claims_token = scene.claims_of(branch, &late).await;
        scene.refused(&late, Some(&claims_token), 400, "invalid_grant").await;
    }
}

/// The domain of the address names the claims provider: the AuthN server behind it is another
/// issuer.
#[tokio::test]
async fn grant_8_the_claims_provider_speaks_for_its_domain_alone() {
    let scene = Scene::start(&[LETTING]).await;
    for branch in Branch::ALL {
        let good = scene.attempt_with(branch, &scene.ticket().await);
        check(&scene, "as the claims provider signs it", &good, (200, "")).await;
        let mut other = scene.attempt_with(branch, &scene.ticket().await);
        other.claim("iss", names::STS);
        other.key = keys::ES256_A;
        let reply = scene.bed.redeem(&other).await;
        assert_eq!((reply.status, reply.error().as_str()), (403, "need_info"), "{reply:?}");
        let hint = &reply.json()["required_claims"][0]["issuer"];
        assert_eq!(*hint, json!([names::CLAIMS_PROVIDER]), "{reply:?}");
    }
    let scene = Scene::changed(&[LETTING], |table| {
        let assessment = table["assessment"].as_table_mut().unwrap();
        assessment.insert("refused_issuers".to_owned(), vec![names::CLAIMS_PROVIDER].into());
    })
    .await;
    for branch in Branch::ALL {
        let refused = scene.attempt_with(branch, &scene.ticket().await);
        check(&scene, "refused by its name", &refused, (403, "request_denied")).await;
    }
}

/// Whoever fails to prove itself spends nobody's ticket.
#[tokio::test]
async fn grant_13_the_client_is_authenticated_first() {
    let scene = Scene::start(&[LETTING]).await;
    for branch in Branch::ALL {
        let ticket = scene.ticket().await;
        let claims_token = scene.claims_of(branch, &ticket).await;
        let mut thief = scene.attempt_with(branch, &ticket);
        thief.form.credentials = Credentials::Basic(names::RQP_CLIENT, "another-secret");
        check(&scene, "another secret", &thief, (401, "invalid_client")).await;
        scene.granted(&ticket, &claims_token).await;
    }
}

/// What waits for Bob is its client's and its person's.
#[tokio::test]
async fn grant_15_nobody_else_goes_on_with_what_waits() {
    for branch in Branch::ALL {
        let scene = Scene::start(&[ASKING]).await;
        let ticket = scene.ticket().await;
        let claims_token = scene.claims_of(branch, &ticket).await;
        let waiting = scene.submitted(&ticket, Some(&claims_token)).await;
        let mut stranger = scene.attempt_with(branch, &waiting);
        stranger.push_nothing();
        stranger.form.credentials = Credentials::Basic(names::OTHER_CLIENT, names::OTHER_SECRET);
        check(&scene, "another client", &stranger, (400, "invalid_grant")).await;
        let mut carol = scene.attempt_with(branch, &waiting);
        carol.claim("sub", names::CAROL_SUB);
        carol.claim("email", names::CAROL);
        check(&scene, "another person's claims", &carol, (403, "request_denied")).await;
        scene.refused(&waiting, None, 400, "invalid_grant").await;
    }
}
