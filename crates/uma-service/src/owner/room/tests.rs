use countersign_types::{ClientId, Issuer, Lifetime, ScopeSet};
use countersign_uma::Person;
use countersign_uma::case::Question;
use countersign_uma::permission::Permission;
use countersign_uma::protection::OwnerId;
use countersign_uma::resource::ResourceId;

use super::*;
use crate::moments::MAX_MOMENTS;

const WEEK: i64 = 7 * 86_400;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn protection(owner: &str) -> Protection {
    Protection::new(OwnerId::parse(owner).unwrap(), ClientId::parse("rs").unwrap())
}

fn email(address: &str) -> EmailAddress {
    EmailAddress::parse(address).unwrap()
}

fn person(address: &str) -> Person {
    Person {
        iss: Issuer::parse("https://sts.example").unwrap(),
        sub: "1".to_owned(),
        email: email(address),
        present: true,
        claims: serde_json::Map::new(),
        unheard: serde_json::Map::new(),
        vouching: countersign_uma::person::Vouching::default(),
    }
}

/// The case of who has this address, opened at this moment.
fn case(address: &str, seconds: i64) -> Case {
    let permissions = vec![Permission {
        resource_id: ResourceId::parse("inbox").unwrap(),
        resource_scopes: ScopeSet::parse("create").unwrap(),
    }];
    let question = Question {
        person: person(address),
        client: ClientId::parse("app").unwrap(),
        permissions,
        why: Vec::new(),
        lifetime: Lifetime::from_secs(7 * 86_400),
    };
    Case::ask(None, &question, at(seconds)).0.unwrap()
}

fn place(room: &Arc<CaseRoom>, owner: &str, address: &str) -> Place {
    Place::new(Arc::clone(room), protection(owner), PersonId::of(&person(address)))
}

fn is_left(room: &Arc<CaseRoom>, owner: &str, address: &str, seconds: i64) -> bool {
    place(room, owner, address).is_left(&email(address), at(seconds))
}

/// What was read before the store failed says nothing of what changed since, though the change may
/// be there.
#[test]
fn a_reading_of_before_a_failure_is_none() {
    let room = Arc::new(CaseRoom::new(3, 2));
    let (bob, before) = (protection("bob"), case("a@a.example", 0));
    let begun = room.begin(&bob);
    let mut denied = before.clone();
    denied = Case::revoke(Some(denied), "bob", at(1)).unwrap();
    place(&room, "bob", "a@a.example").note(&denied, at(1));
    room.forget(&bob);
    let other = room.begin(&bob);
    assert!(!room.read(&bob, &begun, vec![Note::of(&before, at(0))], at(1)));
    assert!(!room.is_known(&bob, at(1)));
    assert!(room.read(&bob, &other, vec![Note::of(&denied, at(1))], at(1)));
    assert!(room.read(&bob, &other, vec![Note::of(&before, at(0))], at(1)), "once is enough");
    assert!(room.is_known(&bob, at(1)));
    assert_eq!(room.waiting(&bob, Beside::Start, 9, at(1)), []);
}

/// Nor does what was read after it have a change that was still on its way then.
#[test]
fn a_change_that_outlasts_a_failure_has_the_cases_read_again() {
    let room = Arc::new(CaseRoom::new(3, 2));
    let (bob, case) = (protection("bob"), case("a@a.example", 0));
    for fails in [false, true] {
        let (changing, other) = (room.changing(&bob), room.changing(&bob));
        place(&room, "bob", "a@a.example").note(&case, at(0));
        if fails {
            drop(other);
            let begun = room.begin(&bob);
            assert!(room.read(&bob, &begun, vec![], at(1)));
            assert_eq!(room.waiting(&bob, Beside::Start, 9, at(1)), []);
        } else {
            assert!(room.read(&bob, &room.begin(&bob), vec![], at(1)));
            other.kept();
        }
        changing.kept();
        assert_eq!(room.is_known(&bob, at(1)), !fails);
    }
}

/// R6: whose question is over by a clock that is set back then waits still.
#[test]
fn r6_a_clock_that_is_set_back_has_the_cases_read_again() {
    let room = Arc::new(CaseRoom::new(3, 2));
    let (bob, case) = (protection("bob"), case("a@a.example", 0));
    let read = |now: i64| {
        let begun = room.begin(&bob);
        assert!(room.read(&bob, &begun, vec![Note::of(&case, at(now))], at(now)));
        assert!(room.is_known(&bob, at(now)));
        room.waiting(&bob, Beside::Start, 9, at(now)).len()
    };
    assert_eq!(read(0), 1);
    assert_eq!(room.waiting(&bob, Beside::Start, 9, at(WEEK)), []);
    assert!(room.is_known(&bob, at(WEEK - 60)), "clocks of two requests differ a little");
    assert!(!room.is_known(&bob, at(0)));
    assert_eq!(read(WEEK), 0, "read by a clock that is ahead");
    assert!(!room.is_known(&bob, at(0)));
    assert_eq!(read(0), 1);
}

#[test]
fn a_domain_has_its_share_and_all_have_theirs() {
    let room = Arc::new(CaseRoom::new(3, 2));
    let open = |address: &str, until: Option<i64>| {
        let domain = domain_of(&email(address)).to_owned();
        let stands = until.map(|until| Stands { domain, until: at(until), since: None });
        let mut room = room.lock();
        room.entry(protection("bob")).or_default().note(PersonId::of(&person(address)), stands);
    };
    open("a@a.example", Some(100));
    open("b@x.a.example", Some(200));
    assert!(!is_left(&room, "bob", "c@a.example", 99));
    assert!(is_left(&room, "bob", "c@b.example", 99) && is_left(&room, "carol", "c@a.example", 99));
    assert!(is_left(&room, "bob", "c@a.example", 100), "whose question is over counts no more");
    open("c@a.example", Some(300));
    open("c@b.example", Some(300));
    assert!(!is_left(&room, "bob", "d@c.example", 101), "all have had their share");
    open("c@b.example", Some(400));
    assert!(!is_left(&room, "bob", "d@c.example", 101), "who asks again is counted once");
    open("c@b.example", None);
    assert!(is_left(&room, "bob", "d@c.example", 101), "what the owner answered makes room");
    assert!(!is_left(&room, "bob", "d@a.example", 101));
    let room = room.lock();
    assert_eq!(
        (room[&protection("bob")].domains.len(), room[&protection("bob")].ends.len()),
        (1, 2)
    );
}

/// A case may change while all are read: what is noted then is newer than what was read.
#[test]
fn what_changes_meanwhile_counts() {
    let room = Arc::new(CaseRoom::new(2, 2));
    assert!(!room.is_known(&protection("bob"), at(1)));
    let begun = room.begin(&protection("bob"));
    let answered = Case::revoke(Some(case("a@a.example", 0)), "bob", at(1)).unwrap();
    place(&room, "bob", "a@a.example").note(&answered, at(1));
    place(&room, "bob", "b@b.example").note(&case("b@b.example", 0), at(0));
    assert!(!room.is_known(&protection("bob"), at(1)));
    let cases = [case("a@a.example", 0), case("c@c.example", 0), case("d@d.example", -WEEK)];
    let notes = || cases.iter().map(|case| Note::of(case, at(1))).collect();
    assert!(room.read(&protection("bob"), &begun, notes(), at(1)));
    assert!(room.is_known(&protection("bob"), at(1)));
    assert_eq!(
        room.lock()[&protection("bob")].people.len(),
        2,
        "b and c, and not the one in the past"
    );
    // Another request that began before read the same.
    assert!(room.read(&protection("bob"), &begun, notes(), at(1)));
    assert_eq!(room.lock()[&protection("bob")].people.len(), 2);
    assert!(!is_left(&room, "bob", "e@e.example", 1));
    // What had happened before is known of both, too.
    let id = |address: &str| PersonId::of(&person(address));
    let waiting = room.waiting(&protection("bob"), Beside::Start, 9, at(1));
    assert_eq!(waiting.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 0]);
    assert!(!waiting.contains(&(0, Subject::Person(id("a@a.example")))));
    let over = room.waiting(&protection("bob"), Beside::Start, 9, at(WEEK));
    assert!(over.is_empty(), "whose question is over does not wait");
    let happened = room.happened(&protection("bob"), Beside::Start, 9);
    assert_eq!(happened[0], (-1, Subject::Person(id("a@a.example"))), "the latest first");
    assert_eq!(happened.iter().map(|(at, _)| -at).collect::<Vec<_>>(), [1, 0, 0, 0, -WEEK]);
}

#[test]
fn what_happened_is_listed_from_either_end_and_only_so_far_back() {
    let room = Arc::new(CaseRoom::new(2, 2));
    let (bob, id) = (protection("bob"), PersonId::of(&person("a@a.example")));
    let count = i64::try_from(MAX_MOMENTS).unwrap() + 10;
    let happened = |what, seconds| {
        room.lock().entry(bob.clone()).or_default().happened(id, what, at(seconds));
    };
    for seconds in 0..count {
        happened(Happening::Said, seconds);
    }
    let part = |beside, limit| {
        let part = room.happened(&bob, beside, limit);
        part.into_iter().map(|(at, _)| -at).collect::<Vec<_>>()
    };
    let moment = (-50, Subject::Person(id));
    assert_eq!(part(Beside::Start, 2), [count - 1, count - 2]);
    assert_eq!(part(Beside::End, 2), [11, 10], "what was before that is in the cases");
    assert_eq!(part(Beside::After(&moment), 2), [50, 49, 48], "with the moment itself");
    assert_eq!(part(Beside::Before(&moment), 2), [52, 51, 50]);
    room.is_over(&bob, &moment);
    assert_eq!(part(Beside::After(&moment), 1), [49, 48]);
    // However often strangers ask, what the owner said stays.
    for seconds in count..2 * count {
        happened(Happening::Asked, seconds);
    }
    assert_eq!(part(Beside::End, 1)[1..], [10], "beside the first question that is remembered");
    assert_eq!(part(Beside::Start, 1)[0], 2 * count - 1);
    assert!(room.happened(&protection("carol"), Beside::Start, 9).is_empty());
}

#[test]
fn names_below_a_domain_share_with_it() {
    for (address, domain) in [
        ("eve@evil.example", "evil.example"),
        ("eve@a.evil.example", "evil.example"),
        ("eve@b.a.evil.example", "evil.example"),
        ("eve@notevil.example", "notevil.example"),
    ] {
        assert_eq!(domain_of(&email(address)), domain);
    }
}
