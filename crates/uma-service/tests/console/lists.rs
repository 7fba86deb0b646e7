//! Long lists: what a page of them costs, in which order they stand, and how one goes through them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use countersign_store::cases::Kept;
use countersign_store::resources::Registrant;
use countersign_store::{Cases, Engine, Resources};
use countersign_testkit::Watched;
use countersign_types::{ClientId, EmailAddress, Issuer, Lifetime, ScopeSet, Timestamp};
use countersign_uma::case::Question;
use countersign_uma::permission::Permission;
use countersign_uma::person::Vouching;
use countersign_uma::resource::{ResourceDescription, ResourceId};
use countersign_uma::{Case, Person, PersonId};
use countersign_uma_service::console::Who;
use serde_json::json;

use crate::bed::{Bed, Browser, CONSOLE, person};
use crate::support::NOW;

fn registrant(owner: &str, server: &str) -> Registrant {
    Registrant { owner: owner.to_owned(), resource_server: ClientId::parse(server).unwrap() }
}

/// So many people ask for something of Bob's, one a second.
pub(crate) async fn people(engine: Arc<dyn Engine>, server: &str, count: i64) {
    let cases: Cases<Case> = Cases::new(engine);
    for number in 0..count {
        let person = Person {
            iss: Issuer::parse("https://sts.alice.example").unwrap(),
            sub: number.to_string(),
            email: EmailAddress::parse(&format!("person{number}@alice.example")).unwrap(),
            present: true,
            claims: serde_json::Map::new(),
            unheard: serde_json::Map::new(),
            vouching: Vouching::default(),
        };
        let id = PersonId::of(&person);
        let question = Question {
            person,
            client: ClientId::parse("app").unwrap(),
            permissions: vec![Permission {
                resource_id: ResourceId::parse("r0").unwrap(),
                resource_scopes: ScopeSet::parse("get").unwrap(),
            }],
            why: Vec::new(),
            lifetime: Lifetime::from_secs(7 * 86_400),
        };
        let at = Timestamp::from_unix(NOW - count + number);
        let record = Case::ask(None, &question, at).0.unwrap();
        let change = |_| (Some(Kept { record, expires: None }), ());
        cases.change(&registrant("bob", server), id.digest(), at, change).await.unwrap();
    }
}

async fn resources(engine: Arc<dyn Engine>, (owner, server): (&str, &str), count: usize) {
    let resources: Resources<ResourceDescription> = Resources::new(engine);
    for number in 0..count {
        let document = json!({"resource_scopes": ["get"], "name": format!("Letter {number}")});
        let description = serde_json::from_value(document).unwrap();
        let id = format!("r{number}");
        resources.create(&registrant(owner, server), &id, &description).await.unwrap();
    }
}

/// Where a link of a page leads.
pub(crate) fn link(page: &str, id: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("<a id=\"{id}\""))?;
    let (_, rest) = rest.split_once("href=\"")?;
    Some(rest.split('"').next().unwrap().replace("&#38;", "&"))
}

/// What stands in a page between these, again and again.
pub(crate) fn all<'a>(page: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    page.split(before).skip(1).map(|rest| rest.split(after).next().unwrap()).collect()
}

/// A page costs what it shows, wherever it is and however much there is: 10^5 resources, 10^4
/// people who wait.
#[tokio::test]
async fn a_page_reads_few_records_of_many() {
    let watched = Arc::new(Watched::default());
    let engine: Arc<dyn Engine> = Arc::clone(&watched) as _;
    // Bob is two owners, for one of which the engine of a test has not enough room.
    for place in [("bob", "rs"), ("carol", "rs2")] {
        resources(Arc::clone(&engine), place, 50_000).await;
    }
    people(Arc::clone(&engine), "rs", 10_000).await;
    let owners = ["bob", "carol"].map(|owner| person(owner, Who::Subject("b1".into())));
    let bed = Bed::with_owners(engine, owners.to_vec());
    bed.world.offer_shares();
    let bob = bed.bob().await;
    // What is known of all cases is read once, and not more of them at a time than of a page.
    bob.get(CONSOLE).await;
    let place = bob.get("/console/people").await.text;
    let place = all(&place, "class=\"person\" href=\"/console/people/", "/")[0].to_owned();
    let resource = format!("/console/resources/{place}/r0");
    for path in [CONSOLE, "/console/people", "/console/resources", "/console/history", &resource] {
        let mut query = String::new();
        for _ in 0..3 {
            watched.read.store(0, Ordering::SeqCst);
            let page = bob.get(&format!("{path}{query}")).await;
            assert_eq!(page.status, 200, "{path}{query}: {page:?}");
            let read = watched.read.load(Ordering::SeqCst);
            assert!(read <= 2600, "{path}{query}: {read} records");
            query = link(&page.text, "next").unwrap_or_else(|| panic!("{path}: {}", page.text));
        }
    }
    for (path, found) in [
        ("/console/people?find=PERSON9999@", "person9999@alice.example"),
        ("/console/resources?find=letter+49999", "Letter 49999"),
    ] {
        let mut query = path.split_once('?').map(|(_, query)| format!("?{query}")).unwrap();
        let path = path.split('?').next().unwrap();
        let mut pages = 0;
        loop {
            watched.read.store(0, Ordering::SeqCst);
            let page = bob.get(&format!("{path}{query}")).await.text;
            assert!(watched.read.load(Ordering::SeqCst) <= 2600, "{path}{query}");
            pages += 1;
            if page.contains(&format!("<bdi>{found}</bdi>")) {
                break;
            }
            assert!(page.contains("id=\"partial\""), "{path}{query}: {page}");
            query = link(&page, "next").unwrap();
        }
        assert!(pages <= 51, "{path}: {pages}");
    }
    assert!(watched.most.load(Ordering::SeqCst) <= 501, "at a time");
}

/// Goes through all pages of a list, and collects what stands between these.
async fn through(bob: &Browser<'_>, path: &str, (before, after): (&str, &str)) -> Vec<Vec<String>> {
    let (mut pages, mut query) = (Vec::new(), Some(String::new()));
    while let Some(asked) = query {
        let page = bob.get(&format!("{path}{asked}")).await.text;
        let here = all(&page, before, after).into_iter().map(str::to_owned);
        pages.push(here.collect::<Vec<_>>());
        query = link(&page, "next");
        assert!(pages.len() < 20);
    }
    pages
}

#[tokio::test]
async fn whoever_asked_first_is_answered_first_over_all_servers() {
    let bed = Bed::new();
    let engine = Arc::clone(&bed.engine);
    // Both at the same seconds, of different places.
    for server in ["rs", "rs3"] {
        people(Arc::clone(&engine), server, 60).await;
    }
    let bob = bed.bob().await;
    let pages = through(&bob, CONSOLE, ("class=\"card\">", "</h2>")).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [50, 50, 20]);
    let address = |card: &String| card.split("<bdi>").nth(1).unwrap().to_owned();
    let pages: Vec<Vec<_>> = pages.iter().map(|page| page.iter().map(address).collect()).collect();
    let expected: Vec<_> =
        (0..60).flat_map(|n| vec![format!("person{n}@alice.example</bdi>"); 2]).collect();
    assert_eq!(pages.concat(), expected);
    // Who was answered meanwhile moves nobody to another page twice.
    let first = bob.get(CONSOLE).await.text;
    let next = link(&first, "next").unwrap();
    let person = all(&first, "class=\"button decide\" href=\"", "\"")[0].to_owned();
    let page = bob.get(&person).await.text;
    assert_eq!(bob.decide(&person, &page, "approve").await.status, 303);
    let second = bob.get(&format!("{CONSOLE}{next}")).await.text;
    let shown = |page: &str| -> Vec<String> {
        let cards = all(page, "class=\"card\">", "</h2>").into_iter().map(str::to_owned);
        cards.map(|card| address(&card)).collect()
    };
    assert_eq!(shown(&second), pages[1]);
    let back = bob.get(&format!("{CONSOLE}{}", link(&second, "previous").unwrap())).await.text;
    let mut expected = pages[0][1..].to_vec();
    expected.push(pages[1][0].clone());
    assert_eq!(shown(&back), expected, "the first page is a whole one");
}

#[tokio::test]
async fn what_happened_last_is_the_first_of_the_history() {
    let bed = Bed::new();
    people(Arc::clone(&bed.engine), "rs", 70).await;
    let bob = bed.bob().await;
    let page = bob.get(CONSOLE).await.text;
    let person = all(&page, "class=\"button decide\" href=\"", "\"")[0].to_owned();
    // Two decisions of one second stand in their order.
    for verdict in ["approve", "deny"] {
        let page = bob.get(&person).await.text;
        let scope = [("scope", "r0 get")];
        assert_eq!(bob.decide_with(&person, &page, verdict, &scope).await.status, 303);
    }
    let pages = through(&bob, "/console/history", ("<p><time>", "<ul>")).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [51, 21]);
    let events = pages.concat();
    assert!(events[0].contains("Refused by b1") && events[1].contains("Allowed by b1"));
    for (event, n) in events[2..].iter().zip((0..70).rev()) {
        assert!(event.contains(&format!("<bdi>person{n}@alice.example</bdi>")), "{n}: {event}");
    }
}

#[tokio::test]
async fn people_are_found_by_a_part_of_their_address() {
    let bed = Bed::new();
    people(Arc::clone(&bed.engine), "rs", 60).await;
    let bob = bed.bob().await;
    let page = bob.get("/console/people").await.text;
    let address = |link: &&str| link.split("<bdi>").nth(1).unwrap().to_owned();
    let shown: Vec<_> =
        all(&page, "class=\"person\" href=", "</bdi>").iter().map(address).collect();
    let by_address: BTreeSet<_> = shown.iter().cloned().collect();
    assert!(shown.len() == 50 && shown.iter().eq(&by_address), "{shown:?}");
    assert!(page.contains("<form id=\"find\" method=\"get\" role=\"search\">"), "{page}");
    let page = bob.get("/console/people?find=Person5%40").await.text;
    let shown = all(&page, "class=\"person\" href=", "</bdi>");
    assert_eq!(shown.len(), 1, "{page}");
    assert!(page.contains("value=\"person5@\""), "what is looked for stays in the field");
    let page = bob.get("/console/people?find=%22%3E%3Cb%3E").await.text;
    assert!(page.contains("value=\"&#34;&#62;&#60;b&#62;\""), "{page}");
    assert!(all(&page, "class=\"person\" href=", "</bdi>").is_empty());
}
