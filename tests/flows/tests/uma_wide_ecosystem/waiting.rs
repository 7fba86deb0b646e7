//! Bob is asked: he refuses, wants to know more, lets a part be, and takes it back. GRANT-10, 12,
//! 18

use countersign_testkit::names;
use serde_json::{Value, json};

use super::bob::{Bob, Page};
use super::scene::{ASKING, ASKING_ABOUT_ALL, Branch, Scene, application};
use crate::bed::Form;

/// Alice asks for these scopes beside what posting takes, and waits: her ticket, and her access
/// token.
async fn asks(scene: &Scene, branch: Branch, more: &[(&str, &str)]) -> (String, String) {
    let access_token = scene.access_token(branch).await;
    let ticket = scene.ticket().await;
    let claims_token = scene.claims_token(&access_token, &ticket, branch.address()).await;
    let reply = scene.redeem(&ticket, Some(&claims_token), more).await;
    assert_eq!((reply.status, reply.error().as_str()), (403, "request_submitted"), "{reply:?}");
    (reply.member("ticket"), access_token)
}

async fn who_waits(bob: &Bob) -> Page {
    bob.who_waits().await.expect("somebody who waits")
}

#[tokio::test]
async fn grant_10_bob_refuses_in_his_console() {
    for branch in Branch::ALL {
        let scene = Scene::start(&[ASKING]).await;
        let (ticket, access_token) = asks(&scene, branch, &[]).await;
        let bob = Bob::signs_in(&scene.bed).await;
        bob.decides(&who_waits(&bob).await, "deny").await;
        scene.bed.advance(5);
        scene.refused(&ticket, None, 403, "request_denied").await;
        scene.refused(&ticket, None, 400, "invalid_grant").await;
        // Whoever begins anew is refused as well, and Bob is not asked again.
        let ticket = scene.ticket().await;
        let claims_token = scene.claims_token(&access_token, &ticket, branch.address()).await;
        scene.refused(&ticket, Some(&claims_token), 403, "request_denied").await;
        assert!(bob.who_waits().await.is_none());
    }
}

/// Whoever comes early is told to wait for longer, and nothing else.
#[tokio::test]
async fn grant_10_who_comes_early_waits_for_longer() {
    let scene = Scene::start(&[ASKING]).await;
    let (mut ticket, _) = asks(&scene, Branch::Present, &[]).await;
    let mut intervals = Vec::new();
    for _ in 0..3 {
        let reply = scene.refused(&ticket, None, 403, "request_submitted").await;
        intervals.push(reply.json()["interval"].as_u64().unwrap());
        ticket = reply.member("ticket");
    }
    assert!(intervals.is_sorted_by(|one, next| one < next), "{intervals:?}");
}

/// Bob would like to know where she works: her claims provider says so, and he is asked again.
#[tokio::test]
async fn grant_10_bob_wants_to_know_more_first() {
    let scene = Scene::start(&[ASKING]).await;
    let (ticket, access_token) = asks(&scene, Branch::Present, &[]).await;
    let bob = Bob::signs_in(&scene.bed).await;
    let page = who_waits(&bob).await;
    let more = [("verdict", "more"), ("claims", "department")];
    bob.sends(&page, "decide-1", &more).await;
    assert!(bob.who_waits().await.is_none(), "it is Alice's turn");

    scene.bed.advance(5);
    let reply = scene.refused(&ticket, None, 403, "need_info").await;
    assert_eq!(reply.json()["required_claims"][0]["name"], "department", "{reply:?}");
    let ticket = reply.member("ticket");
    let claims_token = scene.claims_token(&access_token, &ticket, "").await;
    let ticket = scene.submitted(&ticket, Some(&claims_token)).await;
    let page = who_waits(&bob).await;
    assert!(page.text.contains("<dd><bdi>research</bdi></dd>"), "{}", page.text);
    bob.decides(&page, "approve").await;

    scene.bed.advance(5);
    let ticket = scene.need_info(&ticket, None).await;
    let claims_token = scene.claims_token(&access_token, &ticket, "").await;
    let rpt = scene.granted(&ticket, &claims_token).await;
    scene.posted(&rpt, "Hello Bob").await;
}

/// Scope by scope: of two that she asked for, Bob lets her have one. What comes of it is
/// configuration.
#[tokio::test]
async fn grant_12_bob_allows_a_part() {
    for (partial_grants, granted) in [("allow", json!(["message:create"])), ("refuse", Value::Null)]
    {
        let scene = Scene::changed(&[ASKING_ABOUT_ALL], move |table| {
            let assessment = table["assessment"].as_table_mut().unwrap();
            assessment.insert("partial_grants".to_owned(), partial_grants.into());
            let client = table["clients"][0].as_table_mut().unwrap();
            client.insert("scopes".to_owned(), vec!["message:create", "message:view"].into());
        })
        .await;
        let more = [("scope", "message:create message:view")];
        let (ticket, access_token) = asks(&scene, Branch::Present, &more).await;
        let bob = Bob::signs_in(&scene.bed).await;
        let page = who_waits(&bob).await;
        assert_eq!(page.asked(), ["message:create", "message:view"]);
        let fields = page.fields("decide-1");
        let of = |scope: &str| {
            let ticked = fields.iter().find(|(name, it)| name == "scope" && it.ends_with(scope));
            ticked.unwrap().1.clone()
        };
        for (scope, verdict) in [("message:create", "approve"), ("message:view", "deny")] {
            let page = bob.again(&page).await;
            bob.sends(&page, "decide-1", &[("verdict", verdict), ("scope", &of(scope))]).await;
        }

        scene.bed.advance(5);
        if granted.is_null() {
            scene.refused(&ticket, None, 403, "request_denied").await;
            continue;
        }
        let ticket = scene.need_info(&ticket, None).await;
        let claims_token = scene.claims_token(&access_token, &ticket, "").await;
        let rpt = scene.granted(&ticket, &claims_token).await;
        assert_eq!(scene.permissions(&rpt).await, granted);
        scene.posted(&rpt, "Hello Bob").await;
        let read = scene.call(http::Method::GET, crate::inbox::INBOX, Some(&rpt), "").await;
        assert_eq!(read.status, 401, "{read:?}");
    }
}

/// A refresh makes no assessment, and there is none of what Bob took back.
#[tokio::test]
async fn grant_18_a_refresh_is_no_way_around_bob() {
    let scene = Scene::changed(&[ASKING], |table| {
        table.insert(
            "lifetimes".to_owned(),
            toml::Table::from_iter([("refresh".to_owned(), 3600.into())]).into(),
        );
    })
    .await;
    let (ticket, access_token) = asks(&scene, Branch::Present, &[]).await;
    let bob = Bob::signs_in(&scene.bed).await;
    let page = who_waits(&bob).await;
    bob.decides(&page, "approve").await;
    scene.bed.advance(5);
    let ticket = scene.need_info(&ticket, None).await;
    let claims_token = scene.claims_token(&access_token, &ticket, "").await;
    let reply = scene.redeem(&ticket, Some(&claims_token), &[]).await;
    let refresh_token = reply.member("refresh_token");

    let refresh = async || {
        let params = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
        let endpoint = scene.bed.uma("token_endpoint").await;
        scene.bed.post(&endpoint, &Form::new(&params, application())).await
    };
    let assessed = scene.bed.deployment.recorder().assessments().len();
    let reply = refresh().await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(scene.bed.deployment.recorder().assessments().len(), assessed);
    let rpt = reply.member("access_token");
    scene.posted(&rpt, "Hello Bob").await;

    let page = bob.again(&page).await;
    bob.sends(&page, "revoke", &[("verdict", "revoke")]).await;
    assert!(!scene.is_active(&rpt).await);
    assert_eq!(scene.post(Some(&rpt)).await.status, 401);
    let reply = refresh().await;
    assert_eq!((reply.status, reply.error().as_str()), (400, "invalid_grant"), "{reply:?}");

    // Whoever gives it up now is told what is true: it is gone (RFC 7009 §2.2).
    let params = [("token", refresh_token.as_str())];
    let endpoint = scene.bed.uma("revocation_endpoint").await;
    let revoked = scene.bed.post(&endpoint, &Form::new(&params, application())).await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
}

/// The forms of the console are Bob's, in this browser, for this page.
#[tokio::test]
async fn nobody_but_bob_decides() {
    let scene = Scene::start(&[ASKING]).await;
    let (ticket, _) = asks(&scene, Branch::Present, &[]).await;
    let (bob, elsewhere) = (Bob::signs_in(&scene.bed).await, Bob::signs_in(&scene.bed).await);
    let page = who_waits(&bob).await;
    let approve = ("verdict", "approve");
    for (name, browser, changes) in [
        ("without a form token", &bob, [approve, ("form_token", "")]),
        ("with another", &bob, [approve, ("form_token", "x.y")]),
        ("in another browser", &elsewhere, [approve, approve]),
    ] {
        let reply = browser.tries(&page, "decide-1", &changes[..]).await;
        assert!(matches!(reply.status, 400 | 403), "{name}: {reply:?}");
    }
    // Somebody else of his provider is no owner.
    let carol = crate::browser::Browser::new(&scene.bed);
    assert_eq!(carol.signs_in_at_console("carol").await.status, 403);
    assert!(!carol.get(&page.url).await.text().contains(names::ALICE));
    scene.bed.advance(5);
    scene.refused(&ticket, None, 403, "request_submitted").await;
}
