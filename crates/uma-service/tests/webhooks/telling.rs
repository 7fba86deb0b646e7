//! What is sent, and when.

use std::sync::Arc;
use std::time::Duration;

use countersign_fetch::Fetch;
use countersign_store::{Engine, MemoryEngine};
use countersign_types::Timestamp;
use countersign_uma::case::Verdict;
use countersign_uma_service::WebhookSetup;
use countersign_uma_service::webhooks::WebhookError;
use http::Method;
use http::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::bed::{BOBS, Bed, Does, Endpoints, OTHERS, left, setup, webhooks};
use super::support::{NOW, STS, World, bob, need_info, rules_of, submitted};

const ALICE: &str = "alice@alice.example";

#[tokio::test]
async fn an_owner_is_told_once_that_a_request_waits() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let bed = Bed::telling(Arc::clone(&engine));
    let ticket = bed.asks(ALICE).await;
    let received = bed.endpoints.wait_for(BOBS, 1).await;
    let [request] = &*received else { panic!("{received:?}") };
    assert_eq!(request.method, Method::POST);
    assert_eq!(request.headers[CONTENT_TYPE], "application/secevent+jwt");
    assert_eq!(request.headers[ACCEPT], "application/json");
    assert_eq!(request.limits.redirects, 0);
    assert_eq!(request.limits.body_of, Some(http::StatusCode::BAD_REQUEST));

    let told = bed.read(request, BOBS).await;
    assert_eq!((told.owner.as_str(), told.resource_server.as_str()), ("bob", "rs"));
    assert_eq!(told.at, Timestamp::from_unix(NOW));
    let shown = &told.permissions[0];
    assert_eq!(shown.name.as_deref(), Some("RS API"));
    assert_eq!(shown.resource_scopes.to_string(), "get");
    // Nothing that opens anything, and nothing of who asks.
    let text = String::from_utf8(request.body.to_vec()).unwrap();
    let claims = countersign_jwt::Unverified::parse(&text).unwrap().claims().as_map().clone();
    let claims = Value::from(claims).to_string();
    for secret in [&*ticket, ALICE, "a1", "app", STS] {
        assert!(!claims.contains(&format!("\"{secret}\"")), "{claims}");
    }
    assert_eq!((told.page, told.requesting_party), (None, None));

    // Polls tell nothing, and neither does asking for the same once more.
    bed.settled(&*engine).await;
    bed.world.advance(5);
    submitted(&bed.world.present("app", &ticket, &[]).await, &ticket);
    let id = shown.resource_id.as_str();
    let pat = bed.world.pat("rs").await;
    bed.asks_at(&pat, id, ALICE).await;
    assert_eq!(left(&*engine).await, 0);

    // Somebody else's request is another notice, and so is another one of hers.
    bed.asks_at(&pat, id, "eve@alice.example").await;
    bed.endpoints.wait_for(BOBS, 2).await;
    let other = bed.world.register(&pat).await;
    bed.asks_at(&pat, &other, ALICE).await;
    let received = bed.endpoints.wait_for(BOBS, 3).await;
    let mut jtis = std::collections::BTreeSet::new();
    for request in &received {
        jtis.insert(bed.read(request, BOBS).await.jti);
    }
    assert_eq!(jtis.len(), 3);
    assert!(bed.endpoints.at(OTHERS).is_empty());
}

#[tokio::test]
async fn who_asks_is_said_where_that_is_wanted() {
    let mut bed = Bed::on(Arc::new(MemoryEngine::new()), |setup| {
        setup.webhooks[1].requesting_party = true;
        setup.webhooks[1].audience = "https://bob.example".to_owned();
    });
    bed.start();
    bed.asks(ALICE).await;
    let received = bed.endpoints.wait_for(BOBS, 1).await;
    let party = bed.read(&received[0], "https://bob.example").await.requesting_party.unwrap();
    assert_eq!((party.email.as_str(), party.iss.as_str()), (ALICE, STS));
}

#[tokio::test]
async fn an_owner_who_wanted_to_know_more_is_told_again() {
    let bed = Bed::telling(Arc::new(MemoryEngine::new()));
    let ticket = bed.asks(ALICE).await;
    bed.endpoints.wait_for(BOBS, 1).await;
    bed.says(Verdict::AskMore(["department".to_owned()].into())).await;
    bed.world.advance(5);
    let ticket = need_info(&bed.world.present("app", &ticket, &[]).await, &ticket);
    let mut claims = bed.world.claims(&ticket);
    claims["department"] = json!("research");
    submitted(&bed.world.redeem(&ticket, &claims, &[]).await, &ticket);
    let received = bed.endpoints.wait_for(BOBS, 2).await;
    let (first, second) = (bed.read(&received[0], BOBS).await, bed.read(&received[1], BOBS).await);
    assert_ne!(first.jti, second.jti);
    assert_eq!(second.at, Timestamp::from_unix(NOW + 5));
}

#[tokio::test]
async fn what_the_owner_answered_is_not_told_any_more() {
    for verdict in [Verdict::Approve, Verdict::Deny] {
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let mut bed = Bed::on(Arc::clone(&engine), |_| {});
        bed.asks(ALICE).await;
        bed.says(verdict).await;
        bed.start();
        bed.settled(&*engine).await;
        assert!(bed.endpoints.at(BOBS).is_empty());
    }
    // Nor what nobody answered in time.
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let mut bed = Bed::on(Arc::clone(&engine), |_| {});
    bed.asks(ALICE).await;
    bed.world.advance(8 * 86_400);
    bed.start();
    bed.asks("eve@alice.example").await;
    let received = bed.endpoints.wait_for(BOBS, 1).await;
    let told = bed.read(&received[0], BOBS).await;
    assert_eq!(told.at, Timestamp::from_unix(NOW + 8 * 86_400));
    assert_eq!(bed.endpoints.at(BOBS).len(), 1);
}

/// A later question takes the place of one that was not told yet, and is told in its stead.
#[tokio::test]
async fn of_one_case_one_notice_waits() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let mut bed = Bed::on(Arc::clone(&engine), |_| {});
    let pat = bed.world.pat("rs").await;
    let mut last = String::new();
    for _ in 0..5 {
        last = bed.world.register(&pat).await;
        bed.asks_at(&pat, &last, ALICE).await;
        assert_eq!(left(&*engine).await, 1);
    }
    bed.start();
    let received = bed.endpoints.wait_for(BOBS, 1).await;
    let told = bed.read(&received[0], BOBS).await;
    assert_eq!(told.permissions[0].resource_id.as_str(), last);
    // And with it all that waited before, as it is called.
    assert_eq!(told.permissions.len(), 5);
    assert!(told.permissions.iter().all(|shown| shown.name.as_deref() == Some("RS API")));
    bed.settled(&*engine).await;
    assert_eq!(bed.endpoints.at(BOBS).len(), 1);
}

/// The answer to the later question is none to what waited before it.
#[tokio::test]
async fn what_waited_before_is_told_though_the_last_question_was_answered() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let mut bed = Bed::on(Arc::clone(&engine), |_| {});
    let (pat, first) = bed.resource().await;
    bed.asks_at(&pat, &first, ALICE).await;
    let second = bed.world.register(&pat).await;
    bed.asks_at(&pat, &second, ALICE).await;
    bed.says(Verdict::Approve).await;
    bed.start();
    bed.settled(&*engine).await;
    let received = bed.endpoints.at(BOBS);
    let [request] = &*received else { panic!("{received:?}") };
    let told = bed.read(request, BOBS).await;
    assert!(told.permissions.iter().any(|shown| shown.resource_id.as_str() == first));
}

/// One that comes while another of the case is on its way is not taken for it.
#[tokio::test]
async fn what_comes_while_another_is_on_its_way_is_told_too() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let bed = Bed::telling(Arc::clone(&engine));
    let until = Arc::new(Notify::new());
    bed.endpoints.script(BOBS, [Does::Hold(Arc::clone(&until))]);
    let (pat, id) = bed.resource().await;
    bed.asks_at(&pat, &id, ALICE).await;
    bed.endpoints.wait_for(BOBS, 1).await;
    let other = bed.world.register(&pat).await;
    bed.asks_at(&pat, &other, ALICE).await;
    until.notify_one();
    let received = bed.endpoints.wait_for(BOBS, 2).await;
    bed.settled(&*engine).await;
    let told = bed.read(&received[1], BOBS).await;
    assert_eq!(told.permissions[0].resource_id.as_str(), other);
}

/// A flood of people makes as many notices as there may be cases, and sends so many in an hour.
#[tokio::test]
async fn a_flood_reaches_an_owner_so_often_in_an_hour() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let limits = |config: &mut countersign_uma_service::UmaConfig| {
        (config.limits.cases, config.limits.notices) = (5, 4);
    };
    let mut bed = Bed::configured(Arc::clone(&engine), limits, |_| {});
    let (pat, id) = bed.resource().await;
    for number in 0..5 {
        let domain = if number % 2 == 0 { "alice.example" } else { "dave.example" };
        bed.asks_at(&pat, &id, &format!("p{number}@{domain}")).await;
    }
    // There is no room for one more, whose request is over at once.
    let ticket = bed.world.ticket_for(&pat, &id).await;
    let mut claims = bed.world.claims(&ticket);
    claims["email"] = json!("p6@alice.example");
    assert_eq!(bed.world.redeem(&ticket, &claims, &[]).await.status, 403);
    assert_eq!(left(&*engine).await, 5);
    bed.start();
    bed.endpoints.wait_for(BOBS, 3).await;
    // Two are left, since the hour has not passed: it has room for one of another domain alone.
    while left(&*engine).await > 2 {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bed.endpoints.at(BOBS).len(), 3);
    // In the next one they are told.
    bed.stop().await;
    bed.world.advance(3600);
    bed.start();
    bed.settled(&*engine).await;
    assert_eq!(bed.endpoints.at(BOBS).len(), 5);
}

/// Whoever has a domain fills no hour of an owner's with its people: another's request is told of.
#[tokio::test]
async fn one_domain_leaves_the_others_their_share_of_an_hour() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let limits = |config: &mut countersign_uma_service::UmaConfig| config.limits.notices = 4;
    let mut bed = Bed::configured(Arc::clone(&engine), limits, |_| {});
    let (pat, id) = bed.resource().await;
    for number in 0..6 {
        let below = if number % 2 == 0 { "" } else { "a." };
        bed.asks_at(&pat, &id, &format!("p{number}@{below}alice.example")).await;
    }
    bed.start();
    bed.endpoints.wait_for(BOBS, 2).await;
    bed.asks_at(&pat, &id, "dave@dave.example").await;
    bed.endpoints.wait_for(BOBS, 3).await;
    while left(&*engine).await > 4 {
        tokio::task::yield_now().await;
    }
    bed.stop().await;
    bed.world.advance(3600);
    bed.start();
    bed.endpoints.wait_for(BOBS, 5).await;
}

/// One person who asks for ever more things is told of so often in an hour, and nobody else waits
/// for them.
#[tokio::test]
async fn one_person_leaves_the_others_their_share_of_an_hour() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let limits = |config: &mut countersign_uma_service::UmaConfig| {
        (config.limits.notices, config.limits.notices_of_a_person) = (5, 2);
    };
    let mut bed = Bed::configured(Arc::clone(&engine), limits, |_| {});
    bed.start();
    let (pat, first) = bed.resource().await;
    let mut told = 0;
    for wanted in 1..5 {
        let id = bed.world.register(&pat).await;
        bed.asks_at(&pat, &id, "eve@alice.example").await;
        told = wanted.min(2);
        bed.endpoints.wait_for(BOBS, told).await;
    }
    bed.asks_at(&pat, &first, ALICE).await;
    let received = bed.endpoints.wait_for(BOBS, told + 1).await;
    let alices = bed.read(&received[told], BOBS).await;
    assert_eq!(alices.permissions[0].resource_id.as_str(), first);
    while left(&*engine).await > 1 {
        tokio::task::yield_now().await;
    }
    // Of the rest there is one notice, which says all of it in the next hour.
    bed.stop().await;
    bed.world.advance(3600);
    bed.start();
    bed.settled(&*engine).await;
    let received = bed.endpoints.at(BOBS);
    assert_eq!(received.len(), told + 2);
    assert_eq!(bed.read(&received[told + 1], BOBS).await.permissions.len(), 4);
}

#[tokio::test]
async fn without_webhooks_nothing_is_kept_and_no_key_is_published() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let world = World::on(Arc::clone(&engine), Default::default());
    let ask = json!({"resource": "*", "scopes": ["get"], "domains": ["*"], "ask": true});
    world.change_policy(rules_of(json!([ask])));
    let ticket = world.ticket().await;
    submitted(&world.redeem(&ticket, &world.claims(&ticket), &[]).await, &ticket);
    assert_eq!(world.uma.cases(&bob()).await.unwrap().len(), 1);
    assert_eq!(left(&*engine).await, 0);
    let metadata = world.protect(Method::GET, "/.well-known/uma2-configuration", "", "").await;
    assert_eq!(metadata.json().get("jwks_uri"), None);
    assert_eq!(world.protect(Method::GET, "/jwks", "", "").await.status, 404);

    // Nor is anything kept for an owner who has none.
    let mut bed = Bed::on(Arc::clone(&engine), |setup| drop(setup.webhooks.drain(1..)));
    bed.start();
    bed.asks(ALICE).await;
    bed.endpoints.wait_for(OTHERS, 1).await;
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let bed = Bed::on(Arc::clone(&engine), |setup| {
        setup.webhooks.remove(1);
        setup.webhooks[0].owners = Some([super::bed::owner("carol")].into());
    });
    bed.asks(ALICE).await;
    assert_eq!(left(&*engine).await, 0);
}

#[test]
fn nobody_has_two_webhooks_and_something_signs() {
    let refused = |change: fn(&mut WebhookSetup)| {
        let mut setup = setup(webhooks());
        change(&mut setup);
        let checked = setup.check();
        let built = std::cell::Cell::new(None);
        let fetch: Arc<dyn Fetch> = Arc::new(Endpoints::default());
        let world = std::panic::AssertUnwindSafe(|| {
            World::built(
                &[],
                Arc::new(MemoryEngine::new()),
                |_| {},
                |uma| {
                    let taken = uma.with_webhooks(setup, fetch);
                    built.set(Some(taken.is_err()));
                    panic!("as it should")
                },
            )
        });
        assert!(std::panic::catch_unwind(world).is_err());
        assert_eq!(built.get(), Some(checked.is_err()));
        checked
    };
    assert!(refused(|_| {}).is_ok());
    let twice = refused(|setup| setup.webhooks.push(setup.webhooks[1].clone()));
    assert!(matches!(twice, Err(WebhookError::Twice(2))));
    let twice = refused(|setup| setup.webhooks.push(setup.webhooks[0].clone()));
    assert!(matches!(twice, Err(WebhookError::Twice(2))));
    let none = refused(|setup| setup.keys = Default::default());
    assert!(matches!(none, Err(WebhookError::NoKey)));
    // None is no pause, and what no clock reaches is not added to one.
    for change in [
        (|setup| setup.first_pause = Duration::ZERO) as fn(&mut WebhookSetup),
        |setup| setup.longest_pause = Duration::ZERO,
        |setup| setup.first_pause = Duration::MAX,
        |setup| setup.longest_pause = Duration::MAX,
    ] {
        assert!(matches!(refused(change), Err(WebhookError::Pause)));
    }
}
