//! What becomes of a notice that nobody takes, and of what a server that was stopped had not told.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign_fetch::FetchError;
use countersign_store::cases::Kept;
use countersign_store::engine::{Change, Changer, Part, RecordTable};
use countersign_store::resources::Registrant;
use countersign_store::{Cases, Engine, MemoryEngine, SqliteEngine};
use countersign_testkit::{Log, Watched};
use countersign_types::{ClientId, Clock, EmailAddress, Issuer, Lifetime, ScopeSet, Timestamp};
use countersign_uma::case::Question;
use countersign_uma::permission::Permission;
use countersign_uma::policy::rules::Rule;
use countersign_uma::resource::ResourceId;
use countersign_uma::{Case, Notice, Person, PersonId, Protection};
use serde_json::json;

use super::bed::{BOBS, Bed, Does, OTHERS, ended, left};
use super::panics::panics;
use super::support::{bob, rules_of, submitted};

const ALICE: &str = "alice@alice.example";

fn broken() -> FetchError {
    FetchError::Connect("nobody listens".into())
}

#[tokio::test]
async fn whatever_fails_is_tried_again_under_the_same_jti() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let bed = Bed::telling(Arc::clone(&engine));
    let trouble = [
        Does::Fail(broken()),
        Does::Fail(FetchError::Timeout),
        Does::Fail(FetchError::Tls("another name".into())),
        Does::Fail(FetchError::TooLarge),
        Does::Fail(FetchError::Refused { host: "hooks.bob.example".to_owned() }),
        Does::Answer(500, ""),
        Does::Answer(503, "later"),
        Does::Answer(302, ""),
        Does::Answer(404, ""),
        // What RFC 8935 §2.2 does not know is no word that it arrived.
        Does::Answer(200, ""),
        Does::Answer(204, ""),
        Does::Answer(400, "no JSON"),
        Does::Answer(400, r#"{"err":"invalid_key","description":"not there yet"}"#),
        Does::Answer(400, r#"{"err":"authentication_failed"}"#),
        Does::Answer(400, r#"{"err":"access_denied"}"#),
    ];
    let count = trouble.len() + 1;
    bed.endpoints.script(BOBS, trouble);
    bed.asks(ALICE).await;
    let received = bed.endpoints.wait_for(BOBS, count).await;
    let mut told = Vec::new();
    for request in &received {
        told.push(bed.read(request, BOBS).await);
    }
    assert!(told.iter().all(|notice| *notice == told[0]), "{told:?}");
    bed.settled(&*engine).await;
    assert_eq!(bed.endpoints.at(BOBS).len(), count);
}

/// It is on the disk by then, and nobody would look there before the next start.
#[tokio::test]
async fn what_was_kept_is_told_though_whoever_kept_it_panics() {
    let engine = Arc::new(Watched::default());
    let bed = Bed::telling(Arc::clone(&engine) as Arc<dyn Engine>);
    let (pat, id) = bed.resource().await;
    let ticket = bed.world.ticket_for(&pat, &id).await;
    let claims = bed.world.claims(&ticket);
    engine.panics.store(true, Ordering::SeqCst);
    assert!(panics(bed.world.redeem(&ticket, &claims, &[])).await);
    let received = bed.endpoints.wait_for(BOBS, 1).await;
    assert_eq!(bed.read(&received[0], BOBS).await.permissions[0].resource_id.as_str(), id);
    bed.settled(&*engine).await;
}

/// It would be so whenever it is tried: it is said once, and nobody else waits for it.
#[tokio::test]
async fn a_notice_that_cannot_be_read_is_set_aside_once() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let mut bed = Bed::on(Arc::clone(&engine), |_| {});
    let (pat, id) = bed.resource().await;
    bed.asks_at(&pat, &id, "eve@alice.example").await;
    let (table, now) = (RecordTable::Notices, Timestamp::from_unix(bed.world.now()));
    let all = engine.page(table, b"", Part::After(b""), 9, now).await.unwrap();
    let [(key, _)] = &*all else { panic!("{all:?}") };
    let garbage: Changer = Box::new(|_| Change::Put(b"{".to_vec(), None));
    engine.update(table, key, now, garbage).await.unwrap();
    bed.asks_at(&pat, &id, ALICE).await;
    let log = Log::default();
    let heard = log.hear();
    bed.start();
    bed.endpoints.wait_for(BOBS, 1).await;
    bed.settled(&*engine).await;
    bed.stop().await;
    drop(heard);
    assert_eq!(bed.endpoints.at(BOBS).len(), 1, "Alice's");
    let said = log.text();
    assert_eq!(said.matches("is set aside").count(), 1, "{said}");
}

/// What is told after it is told by the same server, and so is what it was about.
#[tokio::test]
async fn an_attempt_that_panics_has_failed_like_any_other() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let mut bed = Bed::on(Arc::clone(&engine), |_| {});
    let (pat, id) = bed.resource().await;
    bed.asks_at(&pat, &id, ALICE).await;
    bed.asks_at(&pat, &id, "eve@alice.example").await;
    bed.endpoints.script(BOBS, [Does::Panic, Does::Panic, Does::Panic]);
    bed.start();
    bed.endpoints.wait_for(BOBS, 5).await;
    bed.settled(&*engine).await;
}

/// The endpoint says when, within the longest pause.
#[tokio::test]
async fn an_endpoint_is_left_alone_for_as_long_as_it_says() {
    let mut bed = Bed::on(Arc::new(MemoryEngine::new()), |setup| {
        setup.longest_pause = Duration::from_millis(1500);
    });
    bed.endpoints.script(BOBS, [Does::Later("1"), Does::Later("86400"), Does::Later("now")]);
    bed.asks(ALICE).await;
    let begun = tokio::time::Instant::now();
    bed.start();
    bed.endpoints.wait_for(BOBS, 2).await;
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    bed.endpoints.wait_for(BOBS, 4).await;
    assert!(begun.elapsed() >= Duration::from_millis(2500), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_the_endpoint_refuses_for_what_it_is_is_not_sent_again() {
    for err in ["invalid_request", "invalid_issuer", "invalid_audience"] {
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let log = Log::default();
        let _heard = log.hear();
        let bed = Bed::telling(Arc::clone(&engine));
        let answer = json!({"err": err, "description": "no"}).to_string().leak();
        bed.endpoints.script(BOBS, [Does::Answer(400, answer)]);
        bed.asks(ALICE).await;
        bed.endpoints.wait_for(BOBS, 1).await;
        bed.settled(&*engine).await;
        assert_eq!(bed.endpoints.at(BOBS).len(), 1, "{err}");
        assert_eq!(ended(&log, "WARN"), ["refused"]);
    }
}

/// That nobody answered in time is known as well: its owner may never have heard of it.
#[tokio::test]
async fn a_notice_that_expires_ends_in_the_log() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let mut bed = Bed::on(Arc::clone(&engine), |_| {});
    let log = Log::default();
    let _heard = log.hear();
    bed.asks(ALICE).await;
    bed.endpoints.script(BOBS, [Does::Fail(broken())]);
    bed.world.advance(7 * 86_400);
    bed.start();
    bed.settled(&*engine).await;
    assert!(bed.endpoints.at(BOBS).is_empty());
    assert_eq!(ended(&log, "WARN"), ["expired"]);
    // What was told, or answered before, is no warning.
    bed.asks(ALICE).await;
    bed.settled(&*engine).await;
    bed.stop().await;
    bed.asks("eve@alice.example").await;
    let cases = bed.world.uma.cases(&bob()).await.unwrap();
    let eve = cases.iter().find(|case| case.person().email.as_str().starts_with("eve")).unwrap();
    let person = PersonId::of(eve.person());
    bed.world.uma.revoke(&bob(), &person, "bob").await.unwrap();
    bed.start();
    bed.settled(&*engine).await;
    assert_eq!(ended(&log, "WARN"), ["expired"]);
    assert_eq!(ended(&log, "INFO"), ["told", "answered"]);
}

#[tokio::test]
async fn a_notice_is_given_up_when_it_is_too_old() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let mut bed = Bed::on(Arc::clone(&engine), |_| {});
    let log = Log::default();
    let _heard = log.hear();
    bed.asks(ALICE).await;
    bed.world.advance(3 * 86_400 - 1);
    bed.endpoints.script(BOBS, [Does::Fail(broken()), Does::Fail(broken())]);
    bed.start();
    bed.endpoints.wait_for(BOBS, 1).await;
    assert_eq!(left(&*engine).await, 1, "it is young enough for another attempt");
    bed.stop().await;
    bed.world.advance(1);
    bed.endpoints.script(BOBS, [Does::Fail(broken())]);
    bed.start();
    bed.settled(&*engine).await;
    let attempts = bed.endpoints.at(BOBS).len();
    assert!((2..=3).contains(&attempts), "{attempts}");
    assert_eq!(ended(&log, "WARN"), ["given up"]);
    // Its request waits on, and can be answered.
    assert!(bed.case().await.is_waiting(bed.world.clock.now()));
}

/// Bob's endpoint hangs, Carol's answers.
#[tokio::test]
async fn an_endpoint_that_hangs_is_only_its_owners_trouble() {
    let bed = Bed::telling(Arc::new(MemoryEngine::new()));
    bed.endpoints.script(BOBS, [Does::Hang]);
    bed.asks(ALICE).await;
    bed.endpoints.wait_for(BOBS, 1).await;
    let rule = json!({"resource": "*", "scopes": ["get"], "domains": ["*"], "ask": true});
    let carol = countersign_uma::Protection::new(
        super::bed::owner("carol"),
        countersign_types::ClientId::parse("rs2").unwrap(),
    );
    let rules: Vec<Rule> = serde_json::from_value(json!([rule])).unwrap();
    bed.world.change_policy(rules_of(json!([rule])).with(carol, rules));
    let pat = bed.world.pat("rs2").await;
    let id = bed.world.register(&pat).await;
    for _ in 0..3 {
        let ticket = bed.world.ticket_for(&pat, &id).await;
        let mut claims = bed.world.claims(&ticket);
        let resource = "https://rs.carol.example";
        claims["resource"] = json!(resource);
        submitted(&bed.world.redeem(&ticket, &claims, &[("resource", resource)]).await, &ticket);
    }
    let received = bed.endpoints.wait_for(OTHERS, 1).await;
    assert_eq!(bed.read(&received[0], OTHERS).await.owner.as_str(), "carol");
    // And a second one of Bob's does not come before the first has ended.
    bed.asks("eve@alice.example").await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(bed.endpoints.at(BOBS).len(), 1);
}

/// One endpoint for everybody else hangs, and has the places of four; Bob's own has its own.
#[tokio::test]
async fn an_endpoint_of_many_owners_that_hangs_leaves_the_others_their_places() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let mut bed = Bed::on(Arc::clone(&engine), |_| {});
    bed.endpoints.script(OTHERS, (0..17).map(|_| Does::Hang));
    for number in 0..17 {
        waits(&engine, &format!("owner{number}"), bed.world.clock.now()).await;
    }
    bed.start();
    bed.endpoints.wait_for(OTHERS, 4).await;
    bed.asks(ALICE).await;
    bed.endpoints.wait_for(BOBS, 1).await;
    assert_eq!(bed.endpoints.at(OTHERS).len(), 4);
}

/// Somebody asked this owner, who has not been told.
async fn waits(engine: &Arc<dyn Engine>, owner: &str, now: Timestamp) {
    let rs = ClientId::parse("rs").unwrap();
    let protection = Protection::new(super::bed::owner(owner), rs.clone());
    let person = Person {
        iss: Issuer::parse("https://sts.alice.example").unwrap(),
        sub: "a1".to_owned(),
        email: EmailAddress::parse(ALICE).unwrap(),
        present: true,
        claims: serde_json::Map::new(),
        unheard: serde_json::Map::new(),
        vouching: Default::default(),
    };
    let permission = Permission {
        resource_id: ResourceId::parse("r1").unwrap(),
        resource_scopes: ScopeSet::parse("get").unwrap(),
    };
    let question = Question {
        person,
        client: ClientId::parse("app").unwrap(),
        permissions: vec![permission],
        why: Vec::new(),
        lifetime: Lifetime::from_secs(3600),
    };
    let case = Case::ask(None, &question, now).0.unwrap();
    let id = PersonId::of(case.person());
    let notice = Notice::of(&case, &protection, |_| None, format!("of {owner}")).unwrap();
    let registrant = Registrant { owner: owner.to_owned(), resource_server: rs };
    let cases = Cases::<Case>::new(Arc::clone(engine));
    let expires = case.open_until(now);
    let change = move |_| {
        let notice = Kept { record: notice, expires };
        (Some(Kept { record: case, expires: None }), Some(notice), ())
    };
    cases.change_and_tell(&registrant, id.digest(), now, change).await.unwrap();
}

/// What fails once does not hold up what comes after it.
#[tokio::test]
async fn the_next_one_has_its_turn_before_what_failed() {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let mut bed = Bed::on(Arc::clone(&engine), |_| {});
    let (pat, id) = bed.resource().await;
    bed.asks_at(&pat, &id, ALICE).await;
    bed.world.advance(1);
    bed.asks_at(&pat, &id, "eve@alice.example").await;
    bed.endpoints.script(BOBS, [Does::Answer(500, "")]);
    bed.start();
    bed.settled(&*engine).await;
    let mut told = Vec::new();
    for request in bed.endpoints.at(BOBS) {
        told.push(bed.read(&request, BOBS).await.at.as_unix() - super::support::NOW);
    }
    assert_eq!(told, [0, 1, 0], "the oldest first, and again at the end");
}

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> countersign_types::Timestamp {
        countersign_types::Timestamp::from_unix(super::support::NOW)
    }
}

/// The answer was out, and the notice was not: a server that starts again on the same file tells
/// it, and one that was stopped amid an attempt tells it again.
#[tokio::test]
async fn what_was_not_told_is_told_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let open = || -> Arc<dyn Engine> {
        Arc::new(SqliteEngine::open(&directory.path().join("uma.db"), Arc::new(Fixed)).unwrap())
    };
    Bed::on(open(), |_| {}).asks(ALICE).await;

    let mut bed = Bed::telling(open());
    bed.endpoints.script(BOBS, [Does::Hang]);
    let received = bed.endpoints.wait_for(BOBS, 1).await;
    let first = bed.read(&received[0], BOBS).await;
    bed.stop().await;
    drop(bed);

    let engine = open();
    let mut bed = Bed::telling(Arc::clone(&engine));
    let received = bed.endpoints.wait_for(BOBS, 1).await;
    assert_eq!(bed.read(&received[0], BOBS).await, first);
    bed.settled(&*engine).await;
    bed.stop().await;
    drop((bed, engine));

    let engine = open();
    assert_eq!(left(&*engine).await, 0);
}

/// Pauses grow, and stop growing.
#[tokio::test]
async fn it_pauses_between_attempts_and_longer_each_time() {
    let mut bed = Bed::on(Arc::new(MemoryEngine::new()), |setup| {
        setup.first_pause = Duration::from_millis(20);
        setup.longest_pause = Duration::from_millis(80);
    });
    bed.endpoints.script(BOBS, (0..5).map(|_| Does::Answer(500, "")));
    bed.asks(ALICE).await;
    let begun = tokio::time::Instant::now();
    bed.start();
    bed.endpoints.wait_for(BOBS, 6).await;
    // Half of 20, 40, 80, 80 and 80 ms at least.
    assert!(begun.elapsed() >= Duration::from_millis(150), "{:?}", begun.elapsed());
}
