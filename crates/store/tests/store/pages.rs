//! A long list is read in parts, from either end, and no part reaches beyond one registrant.

use countersign_store::cases::Kept;
use countersign_store::resources::{Beside, Registrant};
use countersign_store::{Cases, Resources};
use countersign_types::ClientId;
use countersign_types::digest::Digest;

use crate::common::{at, on_both};
use Beside::{After, Before, End, Start};

fn registrant(owner: &str) -> Registrant {
    Registrant { owner: owner.into(), resource_server: ClientId::parse("rs").unwrap() }
}

#[tokio::test]
async fn resources_are_read_in_parts_in_the_order_of_their_ids() {
    on_both(async |engine| {
        let resources: Resources<u8> = Resources::new(engine);
        let (bob, carol) = (registrant("bob"), registrant("carol"));
        for (n, id) in ["a", "b", "ba", "c", "ÿÿ"].into_iter().enumerate() {
            resources.create(&bob, id, &u8::try_from(n).unwrap()).await.unwrap();
            resources.create(&carol, id, &9).await.unwrap();
        }
        let page = async |beside, limit| {
            let found = resources.page(&bob, beside, limit).await.unwrap();
            found.into_iter().map(|(id, n)| format!("{id}{n}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(page(Start, 2).await, "a0 b1");
        assert_eq!(page(After("b"), 2).await, "ba2 c3");
        assert_eq!(page(After("c"), 2).await, "ÿÿ4");
        assert_eq!(page(After("ÿÿ"), 2).await, "");
        assert_eq!(page(After("bb"), 1).await, "c3", "one that is gone has its place still");
        assert_eq!(page(Before("c"), 2).await, "b1 ba2");
        assert_eq!(page(Before("b"), 2).await, "a0");
        assert_eq!(page(Before("a"), 2).await, "");
        assert_eq!(page(End, 2).await, "c3 ÿÿ4");
        assert_eq!(page(End, 9).await, "a0 b1 ba2 c3 ÿÿ4");
        assert_eq!(page(Start, 0).await, "");
        let nobodys = resources.page(&registrant("eve"), Start, 9).await.unwrap();
        assert!(nobodys.is_empty());
    })
    .await;
}

#[tokio::test]
async fn cases_are_read_in_parts_but_for_those_that_are_over() {
    on_both(async |engine| {
        let cases: Cases<u8> = Cases::new(engine);
        let (bob, carol) = (registrant("bob"), registrant("carol"));
        let mut people: Vec<_> = (0..9_u8).map(|n| (Digest::of(&[n]), n)).collect();
        people.sort_by_key(|(person, _)| *person.as_bytes());
        for (person, n) in &people {
            let expires = (n % 3 == 0).then_some(at(100));
            let put = |record| move |_| (Some(Kept { record, expires }), ());
            cases.change(&bob, person, at(1), put(*n)).await.unwrap();
            cases.change(&carol, person, at(1), put(99)).await.unwrap();
        }
        let left: Vec<u8> = people.iter().map(|(_, n)| *n).filter(|n| n % 3 != 0).collect();
        let (mut forth, mut from) = (Vec::new(), Start);
        loop {
            let part = cases.page(&bob, from, 4, at(100)).await.unwrap();
            let Some(last) = part.last().copied() else { break };
            forth.extend(part);
            from =
                After(people.iter().find(|(_, n)| *n == last).map(|(person, _)| person).unwrap());
        }
        assert_eq!(forth, left);
        assert_eq!(cases.page(&bob, End, 4, at(100)).await.unwrap(), left[2..]);
        let third = people.iter().find(|(_, n)| *n == left[2]).unwrap();
        assert_eq!(cases.page(&bob, Before(&third.0), 4, at(100)).await.unwrap(), left[..2]);
    })
    .await;
}
