//! What nobody is to see: the ticket, outside of who asks and who answers. STS-10

use countersign_testkit::names;

use super::bob::Bob;
use super::scene::{ASKING, Branch, Scene};
use crate::bed::challenge_of;
use crate::log::Log;

/// STS-10 at the fronts of flow 003: of no ticket of the whole loop does the AuthN server, the
/// claims provider, Bob's provider or a page of his console see more than its digest, no record
/// holds one, and no log shows one at the finest level of detail, nor any token.
#[tokio::test]
async fn sts_10_no_ticket_goes_where_it_does_not_belong() {
    let log = Log::start();
    let scene = Scene::start(&[ASKING]).await;
    let first = scene.ticket().await;
    let access_token = scene.access_token(Branch::Present).await;
    let agents = scene.access_token(Branch::Agent).await;
    let claims_token = scene.claims_token(&access_token, &first, "").await;
    let about = scene.claims_token(&agents, &first, names::ALICE).await;
    let second = scene.submitted(&first, Some(&claims_token)).await;
    let bob = Bob::signs_in(&scene.bed).await;
    let page = bob.who_waits().await.unwrap();
    bob.decides(&page, "approve").await;
    let mut pages = bob.page("/console/history").await.text + &page.text;
    pages += &bob.again(&page).await.text;
    scene.bed.advance(5);
    let third = scene.need_info(&second, None).await;
    let fresh = scene.claims_token(&access_token, &third, "").await;
    let rpt = scene.granted(&third, &fresh).await;
    scene.posted(&rpt, "Hello Bob").await;
    let log = log.stop();

    let recorder = scene.bed.deployment.recorder();
    let records = format!("{:?} {:?}", recorder.exchanges(), recorder.assessments());
    // Everything that reached a server, by the server.
    let heard = scene.heard();
    let reached = |server: &str| -> String {
        let there = heard.iter().filter(|it| it.answer.is_none());
        let there = there.filter(|it| it.request.url.starts_with(server));
        there.map(|it| format!("{:?}\n", it.request)).collect()
    };
    for (ticket, asked) in [(&first, 2), (&second, 0), (&third, 1)] {
        assert!(reached(names::UMA).contains(ticket), "it is redeemed where it is from");
        for server in [names::STS, names::CLAIMS_PROVIDER, names::BOBS_PROVIDER, names::RS] {
            assert!(!reached(server).contains(ticket), "{server} sees a ticket");
        }
        for (name, text) in [("a page", &pages), ("a record", &records), ("a log", &log)] {
            assert!(!text.contains(ticket), "{name} shows a ticket");
        }
        let digests = reached(names::CLAIMS_PROVIDER).matches(&challenge_of(ticket)).count();
        assert_eq!(digests, asked);
    }
    assert!(log.contains("countersign_host") && log.contains("countersign::audit"), "{log}");
    for secret in [&access_token, &agents, &claims_token, &about, &fresh, &rpt] {
        assert!(!log.contains(secret.as_str()) && !pages.contains(secret.as_str()));
        assert!(!records.contains(secret.as_str()));
    }
    for secret in [
        names::RQP_SECRET,
        names::CONSOLE_SECRET,
        names::CLAIMS_PROVIDER_SECRET,
        names::ALICE_PASSWORD,
    ] {
        assert!(!log.contains(secret));
    }
}
