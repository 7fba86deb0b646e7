//! What an owner shared, and took back, among everything that happened.

use std::sync::Arc;

use countersign_store::resources::Registrant;
use countersign_store::{Shares, SqliteEngine};
use countersign_types::{ClientId, Clock, ScopeSet, Timestamp};
use countersign_uma::policy::Share;
use countersign_uma::policy::shares::{Effect, Terms, What, Who};
use http::Method;
use serde_json::{Value, json};

use crate::bed::{Bed, Browser, fields, leads_to};
use crate::lists::{all, link, people};
use crate::sharing::{offer, share, shared};
use crate::support::bob;

const HISTORY: &str = "/console/history";

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(0)
    }
}

/// The events of a page, the first first.
fn events(page: &str) -> Vec<&str> {
    all(page, "<p><time>", "<ul>")
}

/// Takes back the only thing that is shared, on the page of its resource.
async fn unshare(bed: &Bed, bob: &Browser<'_>, path: &str) {
    let one = shared(bed).await[0].id.to_string();
    let token = fields(&bob.get(path).await.text, &format!("unshare-{one}"))[0].1.clone();
    leads_to(&bob.post(path, &[("form_token", &token), ("unshare", &one)]).await, path);
}

/// Sharing, its end, keeping somebody out and the end of that: each is a line, among the others by
/// its time, and still one after a restart.
#[tokio::test]
async fn what_was_shared_and_taken_back_stands_in_the_history() {
    let directory = tempfile::tempdir().unwrap();
    let start = || {
        let engine = SqliteEngine::open(&directory.path().join("uma.db"), Arc::new(Still)).unwrap();
        Bed::on(Arc::new(engine))
    };
    let bed = start();
    let path = offer(&bed).await;
    {
        let bob = bed.bob().await;
        let shares = [
            [("with", "alice@alice.example"), ("effect", "permit"), ("until", "2023-12-24")],
            [("with", "mallory@evil.example"), ("effect", "forbid"), ("what", "everything")],
        ];
        for fill in shares {
            leads_to(&share(&bob, &path, &fill).await, &path);
            bed.world.advance(1);
            bed.alice_asks().await;
            bed.world.advance(1);
            unshare(&bed, &bob, &path).await;
            bed.world.advance(1);
        }
    }
    let expected = [
        ("No longer kept out: taken back by b1", "<strong>mallory@evil.example</strong>"),
        ("Asked", "<bdi>alice@alice.example</bdi>"),
        ("Kept out", "<strong>mallory@evil.example</strong>"),
        ("Share taken back by b1", "<strong>alice@alice.example</strong>"),
        ("Asked", "<bdi>alice@alice.example</bdi>"),
        ("Shared beforehand", "<strong>alice@alice.example</strong>"),
    ];
    let check = |page: &str| {
        let events = events(page);
        assert_eq!(events.len(), expected.len(), "{page}");
        for (event, (what, who)) in events.iter().zip(expected) {
            assert!(event.contains(what) && event.contains(who), "{what}, {who}: {event}");
        }
        for event in [events[3], events[5]] {
            assert!(event.contains("<code class=\"scope\">get</code>"), "{event}");
            assert!(event.contains("<bdi>RS API</bdi>"), "{event}");
            assert!(event.contains("until the end of 2023-12-24 (UTC)"), "{event}");
            assert!(event.contains("by b1 at 2023-11-14 22:13 UTC"), "{event}");
        }
    };
    let page = bed.bob().await.get(HISTORY).await.text;
    check(&page);
    let before: Vec<_> = events(&page).into_iter().map(str::to_owned).collect();
    drop(bed);

    let bed = start();
    bed.world.offer_shares();
    bed.world.advance(10);
    let bob = bed.bob().await;
    let page = bob.get(HISTORY).await.text;
    assert_eq!(events(&page), before, "after a restart");
    assert_eq!(shared(&bed).await, []);
    let german = bob.in_german(HISTORY).await.text;
    for text in ["Im Voraus geteilt", "Geteiltes zurückgenommen von b1", "Ausgesperrt"] {
        assert!(german.contains(text), "{text}: {german}");
    }
    assert!(events(&bed.carol().await.get(HISTORY).await.text).is_empty(), "it is Bob's");

    // What ends by itself leaves its line, and so does what ends with its resource.
    let fill = [("with", "alice@alice.example"), ("until", "2023-11-20"), ("x", "")];
    leads_to(&share(&bob, &path, &fill).await, &path);
    bed.world.advance(7 * 86_400);
    let fill = [("who", "domain"), ("with", "alice.example"), ("x", "")];
    let bob = bed.bob().await;
    leads_to(&share(&bob, &path, &fill).await, &path);
    bed.world.advance(1);
    let pat = bed.world.pat("rs").await;
    let own = format!("/resources/{}", path.rsplit('/').next().unwrap());
    assert_eq!(bed.world.protect(Method::DELETE, &own, &pat, "").await.status, 204);
    drop(bob);
    drop(bed);
    let bed = start();
    bed.world.offer_shares();
    bed.world.advance(8 * 86_400);
    let page = bed.bob().await.get(HISTORY).await.text;
    let events = events(&page);
    assert!(events[0].contains("Ended with its resource"), "{page}");
    assert!(events[1].contains("<strong>alice.example</strong>"), "{page}");
    assert!(events[2].contains("until the end of 2023-11-20 (UTC)"), "{page}");
}

/// So many shares that are over are kept.
const REMEMBERED: usize = 10_000;

fn registrant() -> Registrant {
    Registrant { owner: "bob".to_owned(), resource_server: ClientId::parse("rs").unwrap() }
}

async fn share_with_all(bed: &Bed) -> Share {
    let get = ScopeSet::parse("get").unwrap();
    let terms = Terms::new(What::Everything, get, Who::Anyone, Effect::Permit).unwrap();
    bed.world.uma.share(&bob(), terms, "b1").await.unwrap()
}

async fn take_back(bed: &Bed, share: &Share) {
    bed.world.uma.unshare(&bob(), &share.id, "b1").await.unwrap().unwrap();
}

/// Bob has shared something so often, and taken it back: one second after the other, `s1` last.
async fn over(count: usize) -> (Bed, Shares<Value>, Timestamp) {
    let bed = Bed::new();
    offer(&bed).await;
    let first = share_with_all(&bed).await;
    take_back(&bed, &first).await;
    let kept: Shares<Value> = Shares::new(Arc::clone(&bed.engine));
    let now = Timestamp::from_unix(bed.world.now());
    let over = kept.find(&registrant(), first.id.as_str(), now).await.unwrap().unwrap();
    for number in 1..count {
        let (mut other, id) = (over.clone(), format!("s{number}"));
        other["share"]["id"] = json!(id);
        other["at"] = json!(now.as_unix() - i64::try_from(number).unwrap());
        kept.put(&registrant(), &id, &other, None).await.unwrap();
    }
    let bed = Bed::on(bed.engine);
    bed.world.offer_shares();
    (bed, kept, now)
}

/// Of one more than are kept, what was over first goes.
#[tokio::test]
async fn what_was_over_first_is_forgotten() {
    let (bed, kept, now) = over(REMEMBERED).await;
    let one = share_with_all(&bed).await;
    let oldest = format!("s{}", REMEMBERED - 1);
    assert!(kept.find(&registrant(), &oldest, now).await.unwrap().is_some());
    take_back(&bed, &one).await;
    assert!(kept.find(&registrant(), &oldest, now).await.unwrap().is_none());
    assert_eq!(kept.list(&registrant(), now).await.unwrap().len(), REMEMBERED);
}

/// Many more than are kept may be over at the same moment. Whoever makes a change next does not
/// wait until all of them are gone.
#[tokio::test]
async fn of_many_that_are_over_a_few_are_forgotten_at_a_time() {
    let (bed, kept, now) = over(REMEMBERED + 50).await;
    let mut left = vec![REMEMBERED + 50];
    while *left.last().unwrap() > REMEMBERED {
        let one = share_with_all(&bed).await;
        take_back(&bed, &one).await;
        left.push(kept.list(&registrant(), now).await.unwrap().len());
        assert!(left.len() < 10, "{left:?}");
    }
    let forgotten = left.windows(2).map(|two| two[0] + 1 - two[1]);
    assert_eq!(forgotten.collect::<Vec<_>>(), [32, 20], "two changes, and then what was left");
}

/// Questions of many and what the owner shared stand in one list, and each of them once, from
/// either end.
#[tokio::test]
async fn shares_and_cases_are_paged_together() {
    let bed = Bed::new();
    bed.world.offer_shares();
    people(Arc::clone(&bed.engine), "rs", 60).await;
    bed.world.advance(-60);
    for _ in 0..60 {
        let get = ScopeSet::parse("get").unwrap();
        let terms = Terms::new(What::Everything, get, Who::Anyone, Effect::Permit).unwrap();
        let share = bed.world.uma.share(&bob(), terms, "b1").await.unwrap();
        bed.world.uma.unshare(&bob(), &share.id, "b1").await.unwrap();
        bed.world.advance(1);
    }
    let bob = bed.bob().await;
    let (mut forth, mut query) = (Vec::new(), Some(String::new()));
    let mut last = String::new();
    while let Some(asked) = query {
        last = bob.get(&format!("{HISTORY}{asked}")).await.text;
        forth.extend(events(&last).into_iter().map(str::to_owned));
        query = link(&last, "next");
        assert!(forth.len() <= 180);
    }
    assert_eq!(forth.len(), 180);
    let kinds = ["Asked", "Share taken back by b1", "Shared beforehand"];
    for (number, event) in forth.iter().enumerate() {
        assert!(event.contains(kinds[number % 3]), "{number}: {event}");
    }
    let mut back: Vec<String> = events(&last).into_iter().map(str::to_owned).collect();
    while let Some(asked) = link(&last, "previous") {
        last = bob.get(&format!("{HISTORY}{asked}")).await.text;
        back.splice(..0, events(&last).into_iter().map(str::to_owned));
        assert!(back.len() <= 230);
    }
    back.truncate(180);
    assert_eq!(back, forth);
}

/// A person's page has what was shared with them, that they were kept out, and the end of either,
/// among what they asked and what was said to it.
#[tokio::test]
async fn a_persons_page_has_what_was_shared_with_them() {
    let bed = Bed::new();
    let path = offer(&bed).await;
    let bob = bed.bob().await;
    bed.alice_asks().await;
    let person = bob.only_person().await;
    for fill in [
        [("with", "alice@alice.example"), ("effect", "permit")],
        [("with", "Alice@alice.example"), ("effect", "forbid")],
    ] {
        bed.world.advance(1);
        leads_to(&share(&bob, &path, &fill).await, &path);
        bed.world.advance(1);
        unshare(&bed, &bob, &path).await;
    }
    leads_to(&share(&bob, &path, &[("with", "carol@alice.example")]).await, &path);
    let page = bob.get(&person).await.text;
    let expected = [
        "No longer kept out: taken back by b1",
        "Kept out",
        "Share taken back by b1",
        "Shared beforehand",
        "Asked",
    ];
    let events = events(&page);
    assert_eq!(events.len(), expected.len(), "{page}");
    for (event, what) in events.iter().zip(expected) {
        assert!(event.contains(what), "{what}: {event}");
    }
    assert!(!page.contains("carol"), "{page}");
}
