use countersign_types::{ClientId, Issuer, Lifetime, ScopeSet};
use countersign_uma::Person;
use countersign_uma::case::Question;
use countersign_uma::permission::Permission;
use countersign_uma::protection::OwnerId;
use countersign_uma::resource::ResourceId;

use super::*;

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

#[test]
fn a_domain_has_its_share_and_all_have_theirs() {
    let room = Arc::new(CaseRoom::new(3, 2));
    let open = |address: &str, until: Option<i64>| {
        place(&room, "bob", address).note(&email(address), until.map(at));
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
    assert!(!room.is_known(&protection("bob")));
    room.begin(&protection("bob"));
    place(&room, "bob", "a@a.example").note(&email("a@a.example"), None);
    place(&room, "bob", "b@b.example").note(&email("b@b.example"), Some(at(WEEK)));
    assert!(!room.is_known(&protection("bob")));
    let cases = [case("a@a.example", 0), case("c@c.example", 0), case("d@d.example", -WEEK)];
    room.read(&protection("bob"), &cases, at(1));
    assert!(room.is_known(&protection("bob")));
    assert_eq!(
        room.lock()[&protection("bob")].people.len(),
        2,
        "b and c, and not the one in the past"
    );
    // Another request that began before read the same.
    room.read(&protection("bob"), &cases, at(1));
    assert_eq!(room.lock()[&protection("bob")].people.len(), 2);
    assert!(!is_left(&room, "bob", "e@e.example", 1));
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
