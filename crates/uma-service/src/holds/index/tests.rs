use countersign_store::access_tokens::TokenKey;
use countersign_types::ScopeSet;
use countersign_types::digest::Digest;
use countersign_uma::permission::Permission;
use serde_json::json;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn protection(owner: &str) -> Protection {
    serde_json::from_value(json!({"owner": owner, "resource_server": "rs"})).unwrap()
}

/// What this person was given at this moment, for these resources.
fn rpt(owner: &str, person: Option<&str>, resources: &[&str], issued: i64) -> Rpt {
    let person = person.map(|sub| {
        json!({
            "iss": "https://sts.a.example", "sub": sub, "email": format!("{sub}@a.example"),
            "present": true, "claims": {},
        })
    });
    let permissions = resources.iter().map(|id| Permission {
        resource_id: ResourceId::parse(id).unwrap(),
        resource_scopes: ScopeSet::parse("get").unwrap(),
    });
    let permissions: Vec<_> = permissions.collect();
    serde_json::from_value(json!({
        "protection": protection(owner), "audience": "https://rs.example", "client": "app",
        "person": person, "basis": "b", "permissions": permissions,
        "issued": issued, "expires": issued + 300,
    }))
    .unwrap()
}

fn id(number: u8) -> HoldId {
    HoldId::Grant(Digest::of(&[number]))
}

fn person(sub: &str) -> PersonId {
    PersonId::of(&rpt("bob", Some(sub), &["r"], 0).person.unwrap())
}

/// The numbers of what is found.
fn found(
    index: &Index,
    owner: &str,
    of: Of<'_>,
    beside: Beside<&Mark>,
    limit: usize,
    now: i64,
) -> Vec<u8> {
    let part = index.part(&protection(owner), of, beside, limit, at(now));
    let number = |found: Found| (0..=u8::MAX).find(|number| id(*number) == found.mark.1).unwrap();
    part.into_iter().map(number).collect()
}

#[test]
fn everybody_stands_there_once_by_what_they_got_last() {
    let mut index = Index::default();
    for (number, sub, issued) in [(1, "a", 10), (2, "b", 20), (3, "a", 30), (4, "c", 40)] {
        let rpt = rpt("bob", Some(sub), &["r", "s"], issued);
        // Whoever looks twice notes it twice.
        index.note(id(number), &rpt, rpt.expires);
        index.note(id(number), &rpt, rpt.expires);
    }
    let everybody = |beside: Beside<Mark>, limit, now| {
        let beside = match &beside {
            Beside::Start => Beside::Start,
            Beside::After(mark) => Beside::After(mark),
            Beside::Before(mark) => Beside::Before(mark),
            Beside::End => Beside::End,
        };
        found(&index, "bob", Of::Everybody, beside, limit, now)
    };
    assert_eq!(everybody(Beside::Start, 9, 50), [4, 3, 2]);
    assert_eq!(everybody(Beside::Start, 2, 50), [4, 3]);
    let mark = |number, issued: i64| (-issued, id(number));
    assert_eq!(everybody(Beside::After(mark(3, 30)), 9, 50), [2]);
    assert_eq!(everybody(Beside::After(mark(3, 31)), 9, 50), [3, 2], "a mark that is gone");
    assert_eq!(everybody(Beside::Before(mark(2, 20)), 1, 50), [3]);
    assert_eq!(everybody(Beside::End, 2, 50), [3, 2]);
    assert_eq!(everybody(Beside::End, 0, 50), [0_u8; 0]);
    assert_eq!(everybody(Beside::Start, 9, 320), [4, 3], "the others are over");
    let a = person("a");
    assert_eq!(found(&index, "bob", Of::Person(&a), Beside::Start, 9, 50), [3, 1]);
    let first = index.part(&protection("bob"), Of::Person(&a), Beside::Start, 1, at(50))[0];
    let theirs = |after: Option<Mark>, limit| {
        index.like(&protection("bob"), Of::Everybody, &first, after.as_ref(), limit, at(50))
    };
    assert_eq!(theirs(None, 9), [mark(3, 30), mark(1, 10)]);
    assert_eq!(theirs(None, 1), [mark(3, 30)]);
    assert_eq!(theirs(Some(mark(3, 30)), 9), [mark(1, 10)]);
    index.forget(&protection("bob"), &mark(3, 30));
    assert_eq!(found(&index, "bob", Of::Everybody, Beside::Start, 9, 50), [4, 2, 1]);
}

#[test]
fn what_is_held_of_a_resource_is_told_apart() {
    let mut index = Index::default();
    for (number, sub, resources) in
        [(1, Some("a"), &["r"][..]), (2, Some("a"), &["s"]), (3, None, &["r", "s"])]
    {
        let rpt = rpt("bob", sub, resources, i64::from(number));
        index.note(id(number), &rpt, rpt.expires);
    }
    let (r, s, t) = ("r", "s", "t");
    let at_resource = |name: &str| {
        let resource = ResourceId::parse(name).unwrap();
        found(&index, "bob", Of::Resource(&resource), Beside::Start, 9, 50)
    };
    assert_eq!((at_resource(r), at_resource(s)), (vec![3, 1], vec![3, 2]));
    assert!(at_resource(t).is_empty());
}

/// U6, U7: owners and resources of the same names are others.
#[test]
fn what_is_held_of_one_owner_is_no_other_owners() {
    let mut index = Index::default();
    let held = rpt("bob", Some("a"), &["r"], 10);
    index.note(id(1), &held, held.expires);
    let (r, a) = (ResourceId::parse("r").unwrap(), person("a"));
    for of in [Of::Everybody, Of::Resource(&r), Of::Person(&a)] {
        assert_eq!(found(&index, "bob", of, Beside::Start, 9, 50), [1]);
        for other in ["bo", "bobr", "eve"] {
            assert!(found(&index, other, of, Beside::Start, 9, 50).is_empty());
        }
    }
    index.forget(&protection("eve"), &(-10, id(1)));
    index.sweep(at(309));
    assert_eq!(found(&index, "bob", Of::Everybody, Beside::Start, 9, 50), [1]);
    assert_eq!(index.places[&protection("bob")].theirs.len(), 1);
    index.sweep(at(310));
    assert!(index.places.is_empty());
}

#[test]
fn a_key_of_a_token_stands_there_as_well() {
    let id = HoldId::Rpt(TokenKey::at(at(1_800_000_000)));
    let mut index = Index::default();
    let held = rpt("bob", Some("a"), &["r"], 1_800_000_000);
    index.note(id, &held, held.expires);
    let part = index.part(&protection("bob"), Of::Everybody, Beside::Start, 9, at(1_800_000_001));
    assert_eq!(part.first().map(|found| found.mark.1), Some(id));
}
