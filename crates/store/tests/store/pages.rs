//! A long list is read in parts, from either end, and no part reaches beyond one registrant.

use std::sync::Arc;

use countersign_store::access_tokens::TokenKey;
use countersign_store::cases::Kept;
use countersign_store::resources::{Beside, Registrant};
use countersign_store::revoked::RevokedKey;
use countersign_store::{
    AccessTokens, Cases, Engine, RefreshTokens, Resources, RevokedPeople, RevokedTokens,
    SqliteEngine,
};
use countersign_types::ClientId;
use countersign_types::digest::Digest;
use countersign_types::random::Random;
use countersign_types::secret::RefreshToken;

use crate::common::{Directory, SetClock, at, on_both};
use Beside::{After, Before, End, Start};

fn registrant(owner: &str) -> Registrant {
    Registrant { owner: owner.into(), resource_server: ClientId::parse("rs").unwrap() }
}

/// Always the same octet.
struct Octets(u8);

impl Random for Octets {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.0);
    }
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

/// In the order of their issue, wherever they stand: in the journal, in its table, or in neither
/// any more.
#[tokio::test]
async fn access_tokens_are_read_in_parts_in_the_order_of_their_issue() {
    let directory = Directory::new();
    let clock = Arc::new(SetClock::default());
    let engine = || SqliteEngine::open(&directory.file(), Arc::<SetClock>::clone(&clock)).unwrap();
    let mut keys = Vec::new();
    {
        let tokens = AccessTokens::new(Arc::new(engine()));
        for n in 0..9_u8 {
            let token = tokens.generate(&Octets(n), at(100 + i64::from(n)));
            tokens.insert(&token, &n, at(if n == 4 { 200 } else { 1000 })).await.unwrap();
            keys.push(TokenKey::of(&token));
        }
        assert!(tokens.revoke_by(&keys[1]).await.unwrap());
        assert_eq!(tokens.find_by(&keys[2], at(150)).await.unwrap(), Some(2));
    }
    let tokens: AccessTokens<u8> = AccessTokens::new(Arc::new(engine()));
    let page = async |after: TokenKey, limit| {
        let found = tokens.page(&after, limit, at(300)).await.unwrap();
        found.into_iter().map(|(_, n)| n).collect::<Vec<_>>()
    };
    assert_eq!(page(TokenKey::default(), 3).await, [0, 2, 3]);
    assert_eq!(page(keys[3], 3).await, [5, 6, 7], "what is over is passed");
    assert_eq!(page(keys[7], 3).await, [8]);
    assert_eq!(page(TokenKey::at(at(106)), 9).await, [6, 7, 8]);
    assert_eq!(page(TokenKey::at(at(109)), 9).await, [0_u8; 0]);
}

#[tokio::test]
async fn refresh_tokens_are_read_in_parts() {
    on_both(async |engine| {
        let tokens: RefreshTokens<u8> = RefreshTokens::new(engine);
        for n in 0..9_u8 {
            let token = RefreshToken::new(format!("t{n}"));
            tokens.insert(&token, &n, at(if n == 4 { 200 } else { 1000 })).await.unwrap();
        }
        let gone = RefreshToken::new("t5").digest();
        assert!(tokens.remove_by(&gone).await.unwrap() && !tokens.remove_by(&gone).await.unwrap());
        let (mut all, mut last) = (Vec::new(), None);
        loop {
            let part = tokens.page(last.as_ref(), 3, at(300)).await.unwrap();
            let Some((digest, _)) = part.last() else { break };
            last = Some(*digest);
            all.extend(part.into_iter().map(|(_, n)| n));
        }
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 6, 7, 8]);
    })
    .await;
}

/// Of one person at one registrant's, and of nobody else.
#[tokio::test]
async fn people_are_revoked_at_one_registrant() {
    on_both(async |engine| {
        let tokens = RevokedTokens::new(Arc::<dyn Engine>::clone(&engine));
        let people: RevokedPeople<u8> = RevokedPeople::new(engine);
        let (bob, alice) = (registrant("bob"), Digest::of(b"alice"));
        let sum = |more: u8| move |found: Option<u8>| found.unwrap_or_default() + more;
        let revoked = async |now, sum| people.revoke(&bob, &alice, at(now), at(100), sum).await;
        assert_eq!(revoked(1, sum(1)).await.unwrap(), 1);
        assert_eq!(revoked(2, sum(2)).await.unwrap(), 3);
        // A token's own revocation, which may stand in the same file, is none of these.
        tokens.revoke("jti", at(100)).await.unwrap();
        let key = RevokedKey::of(&bob, &alice);
        assert_eq!(people.list(at(3)).await.unwrap(), [(key.clone(), 3)]);
        assert_eq!(people.list(at(100)).await.unwrap(), [], "its time is over");
        let other = Registrant { resource_server: ClientId::parse("rs2").unwrap(), ..bob.clone() };
        for (registrant, person) in
            [(&registrant("eve"), &alice), (&other, &alice), (&bob, &Digest::of(b"dave"))]
        {
            assert_ne!(RevokedKey::of(registrant, person), key);
        }
    })
    .await;
}
