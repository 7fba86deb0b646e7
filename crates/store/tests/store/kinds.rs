//! Each kind of thing kept, on both engines.

use std::sync::Arc;

use crate::common::{Sevens, at, on_both};
use countersign_store::cases::Kept;
use countersign_store::engine::{Change, RecordTable};
use countersign_store::linked_identities::Linked;
use countersign_store::resources::Registrant;
use countersign_store::{
    AccessTokens, Cases, Codes, Consents, Grants, LinkedIdentities, Messages, RefreshTokens,
    Registrations, Replay, Resources, RevokedTokens, Sessions, Shares, StoreError, Taken, Tickets,
};
use countersign_types::digest::Digest;
use countersign_types::replay::Seen;
use countersign_types::secret::{
    AccessToken, AuthorizationCode, RefreshToken, SessionHandle, TicketHandle,
};
use countersign_types::{ClientId, Issuer};

fn client(id: &str) -> ClientId {
    ClientId::parse(id).unwrap()
}

#[tokio::test]
async fn a_ticket_is_taken_once_by_its_first_presenter() {
    on_both(async |engine| {
        let tickets: Tickets<String> = Tickets::new(engine);
        let (alice, mallory) = (client("a"), client("m"));
        let record = "process".to_owned();
        let ticket = tickets.issue(&Sevens, &record, None, at(100)).await.unwrap();

        let first = tickets.take(&ticket, &alice, at(10)).await.unwrap();
        assert_eq!(first, Taken::First("process".into()));
        let again = tickets.take(&ticket, &alice, at(11)).await.unwrap();
        assert_eq!(again, Taken::Again("process".into()));
        assert_eq!(tickets.take(&ticket, &mallory, at(11)).await.unwrap(), Taken::Bound);
        assert_eq!(tickets.take(&ticket, &alice, at(100)).await.unwrap(), Taken::Absent);
    })
    .await;
}

#[tokio::test]
async fn a_stranger_does_not_burn_a_bound_ticket() {
    on_both(async |engine| {
        let tickets: Tickets<u8> = Tickets::new(engine);
        let (alice, mallory) = (client("a"), client("m"));
        let ticket = tickets.issue(&Sevens, &7, Some(&alice), at(100)).await.unwrap();

        assert_eq!(tickets.take(&ticket, &mallory, at(10)).await.unwrap(), Taken::Bound);
        assert_eq!(tickets.take(&ticket, &alice, at(10)).await.unwrap(), Taken::First(7));
    })
    .await;
}

#[tokio::test]
async fn an_expired_or_unknown_ticket_is_absent() {
    on_both(async |engine| {
        let tickets: Tickets<u8> = Tickets::new(engine);
        let alice = client("a");
        let ticket = tickets.issue(&Sevens, &7, None, at(100)).await.unwrap();

        assert_eq!(tickets.take(&ticket, &alice, at(100)).await.unwrap(), Taken::Absent);
        let other = TicketHandle::new(ticket.expose().to_uppercase());
        assert_eq!(tickets.take(&other, &alice, at(10)).await.unwrap(), Taken::Absent);
    })
    .await;
}

#[tokio::test]
async fn a_ticket_that_waits_is_its_clients_and_leaves_nothing_behind() {
    on_both(async |engine| {
        let tickets: Tickets<String> = Tickets::new(Arc::clone(&engine));
        let (alice, mallory) = (client("a"), client("m"));
        for round in 0..3 {
            let ticket = TicketHandle::new(format!("w{round}"));
            tickets.issue_waiting(&ticket, &"process".into(), &alice, at(100)).await.unwrap();
            assert_eq!(tickets.take(&ticket, &mallory, at(10)).await.unwrap(), Taken::Bound);
            assert_eq!(tickets.take(&ticket, &alice, at(100)).await.unwrap(), Taken::Absent);
            let first = tickets.take(&ticket, &alice, at(99)).await.unwrap();
            assert_eq!(first, Taken::First("process".into()));
            assert_eq!(tickets.take(&ticket, &alice, at(99)).await.unwrap(), Taken::Absent);
        }
        let left = engine.count(RecordTable::WaitingTickets, &[], at(10)).await.unwrap();
        assert_eq!(left, 0);
    })
    .await;
}

#[tokio::test]
async fn a_case_is_changed_where_it_stands() {
    on_both(async |engine| {
        let cases: Cases<String> = Cases::new(engine);
        let bob = Registrant { owner: "bob".into(), resource_server: client("rs") };
        let carol = Registrant { owner: "carol".into(), resource_server: client("rs") };
        let (alice, eve) = (Digest::of(b"alice"), Digest::of(b"eve"));
        let add = |more: &'static str, expires: Option<i64>| {
            move |found: Option<String>| {
                let before = found.clone().unwrap_or_default();
                let kept = Kept { record: before + more, expires: expires.map(at) };
                (Some(kept), found.is_some())
            }
        };
        assert!(!cases.change(&bob, &alice, at(1), add("asked", None)).await.unwrap());
        assert!(cases.change(&bob, &alice, at(1), add(", approved", None)).await.unwrap());
        let found = cases.find(&bob, &alice, at(1)).await.unwrap();
        assert_eq!(found.as_deref(), Some("asked, approved"));
        assert_eq!(cases.find(&bob, &eve, at(1)).await.unwrap(), None);
        assert_eq!(cases.find(&carol, &alice, at(1)).await.unwrap(), None);

        // One that looks and says nothing changes nothing.
        let seen = cases.change(&bob, &alice, at(1), |found| (None, found)).await.unwrap();
        assert_eq!(seen.as_deref(), Some("asked, approved"));
        assert_eq!(cases.change(&bob, &eve, at(1), |found| (None, found)).await.unwrap(), None);
        assert_eq!(cases.count(&bob, at(1)).await.unwrap(), 1);

        // What expired is as if it had never been.
        assert!(!cases.change(&bob, &eve, at(1), add("asked", Some(100))).await.unwrap());
        assert_eq!(cases.list(&bob, at(99)).await.unwrap().len(), 2);
        assert_eq!(cases.list(&bob, at(100)).await.unwrap(), ["asked, approved"]);
        assert!(!cases.change(&bob, &eve, at(100), add("again", None)).await.unwrap());
        assert_eq!(cases.find(&bob, &eve, at(100)).await.unwrap().as_deref(), Some("again"));
        assert!(cases.list(&carol, at(1)).await.unwrap().is_empty());
    })
    .await;
}

fn registrant(owner: &str, resource_server: &str) -> Registrant {
    let resource_server = ClientId::parse(resource_server).unwrap();
    Registrant { owner: owner.to_owned(), resource_server }
}

#[tokio::test]
async fn a_share_is_its_owners_at_one_resource_server() {
    on_both(async |engine| {
        let shares: Shares<String> = Shares::new(engine);
        let (bob, carol) = (registrant("bob", "rs"), registrant("carol", "rs"));
        shares.put(&bob, "s1", &"with alice".into(), None).await.unwrap();
        shares.put(&bob, "s2", &"with anyone".into(), Some(at(100))).await.unwrap();
        shares.put(&carol, "s1", &"with bob".into(), None).await.unwrap();
        assert_eq!(shares.list(&bob, at(99)).await.unwrap(), ["with alice", "with anyone"]);
        assert_eq!(shares.list(&bob, at(100)).await.unwrap(), ["with alice"]);
        assert!(shares.list(&registrant("bob", "rs2"), at(1)).await.unwrap().is_empty());
        let found = shares.find(&carol, "s1", at(1)).await.unwrap();
        assert_eq!(found.as_deref(), Some("with bob"));
        assert_eq!(shares.find(&carol, "s2", at(1)).await.unwrap(), None);
        assert!(shares.remove(&bob, "s1").await.unwrap());
        assert!(!shares.remove(&bob, "s1").await.unwrap());
        assert_eq!(shares.list(&carol, at(1)).await.unwrap(), ["with bob"]);
    })
    .await;
}

#[tokio::test]
async fn a_message_stays_in_its_inbox_until_it_is_removed() {
    on_both(async |engine| {
        let messages: Messages<String> = Messages::new(engine);
        messages.insert("Bob's Incoming", "m1", &"hello".into()).await.unwrap();
        messages.insert("Bob's Incoming", "m2", &"again".into()).await.unwrap();
        messages.insert("another", "m3", &"other".into()).await.unwrap();
        let found = messages.find("Bob's Incoming", "m1").await.unwrap();
        assert_eq!(found.as_deref(), Some("hello"));
        for (inbox, id) in [("another", "m1"), ("Bob's Incoming", "m"), ("Bob's Incomingm1", "")] {
            assert_eq!(messages.find(inbox, id).await.unwrap(), None, "{inbox} {id}");
        }
        let all = messages.list("Bob's Incoming").await.unwrap();
        assert_eq!(all, [("m1".into(), "hello".to_owned()), ("m2".into(), "again".to_owned())]);
        assert!(messages.remove("Bob's Incoming", "m1").await.unwrap());
        assert!(!messages.remove("Bob's Incoming", "m1").await.unwrap());
        assert_eq!(messages.count("Bob's Incoming").await.unwrap(), 1);
    })
    .await;
}

/// Every table is changed in place, those of access tokens too, which may stand in a journal.
#[tokio::test]
async fn a_record_of_any_table_is_looked_at_and_changed_in_one_step() {
    on_both(async |engine| {
        for table in RecordTable::ALL {
            let update = async |change: Change| {
                let (tell, told) = std::sync::mpsc::channel();
                let changer = move |found: Option<&[u8]>| {
                    tell.send(found.map(<[u8]>::to_vec)).unwrap();
                    change
                };
                engine.update(table, b"key", at(1), Box::new(changer)).await.unwrap();
                told.recv().unwrap()
            };
            assert_eq!(update(Change::Keep).await, None, "{table:?}");
            assert_eq!(update(Change::Put(b"one".to_vec(), Some(at(9)))).await, None);
            assert_eq!(update(Change::Keep).await.as_deref(), Some(b"one".as_slice()));
            engine.put(table, b"key", b"two".to_vec(), Some(at(9))).await.unwrap();
            let seen = update(Change::Put(b"three".to_vec(), None)).await;
            assert_eq!(seen.as_deref(), Some(b"two".as_slice()), "{table:?}");
            let found = engine.get(table, b"key", at(99)).await.unwrap();
            assert_eq!(found.as_deref(), Some(b"three".as_slice()));
            assert_eq!(update(Change::Remove).await.as_deref(), Some(b"three".as_slice()));
            assert_eq!(engine.get(table, b"key", at(1)).await.unwrap(), None, "{table:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_code_and_a_ticket_of_the_same_text_are_two_things() {
    on_both(async |engine| {
        let tickets: Tickets<u8> = Tickets::new(Arc::clone(&engine));
        let codes: Codes<u8> = Codes::new(engine);
        let alice = client("a");
        let ticket = tickets.issue(&Sevens, &1, None, at(100)).await.unwrap();
        let code = AuthorizationCode::new(ticket.expose());
        codes.issue(&code, &2, &alice, at(100)).await.unwrap();

        assert_eq!(codes.take(&code, &alice, at(1)).await.unwrap(), Taken::First(2));
        assert_eq!(codes.take(&code, &client("m"), at(1)).await.unwrap(), Taken::Bound);
        assert_eq!(tickets.take(&ticket, &alice, at(1)).await.unwrap(), Taken::First(1));
    })
    .await;
}

#[tokio::test]
async fn what_was_seen_is_remembered() {
    on_both(async |engine| {
        let replay = Replay::new(engine);
        let key = Digest::of(b"client assertion, client, jti");
        assert_eq!(replay.insert_new(key, at(100)).await.unwrap(), Seen::First);
        assert_eq!(replay.insert_new(key, at(200)).await.unwrap(), Seen::Again);
        let other = Digest::of(b"client assertion, client, another jti");
        assert_eq!(replay.insert_new(other, at(100)).await.unwrap(), Seen::First);
    })
    .await;
}

#[tokio::test]
async fn an_access_token_is_found_until_it_expires_or_is_revoked() {
    on_both(async |engine| {
        let tokens: AccessTokens<String> = AccessTokens::new(engine);
        let (one, two) = (AccessToken::new("one"), AccessToken::new("two"));
        tokens.insert(&one, &"rpt".into(), at(100)).await.unwrap();
        tokens.insert(&two, &"pat".into(), at(100)).await.unwrap();

        assert_eq!(tokens.find(&one, at(99)).await.unwrap().as_deref(), Some("rpt"));
        assert_eq!(tokens.find(&one, at(100)).await.unwrap(), None);
        assert!(tokens.revoke(&two).await.unwrap());
        assert_eq!(tokens.find(&two, at(1)).await.unwrap(), None);
        assert!(!tokens.revoke(&two).await.unwrap());
    })
    .await;
}

/// A record is kept whether anybody waits for that or not: one that was handed over is written with
/// the next at the latest.
#[tokio::test]
async fn an_access_token_that_was_handed_over_is_kept() {
    on_both(async |engine| {
        let tokens: AccessTokens<String> = AccessTokens::new(engine);
        let (one, two) = (AccessToken::new("one"), AccessToken::new("two"));
        drop(tokens.hand_over(&one, &"rpt".into(), at(100)).await.unwrap());
        let handed_over = tokens.hand_over(&two, &"rpt".into(), at(100)).await.unwrap();
        handed_over.written().await.unwrap();
        for token in [one, two] {
            assert_eq!(tokens.find(&token, at(99)).await.unwrap().as_deref(), Some("rpt"));
        }
    })
    .await;
}

/// The moment in a token helps nobody who does not have the rest, and nobody gains by changing it.
#[tokio::test]
async fn a_generated_token_is_found_as_it_is_and_not_under_another_moment() {
    on_both(async |engine| {
        let tokens: AccessTokens<String> = AccessTokens::new(engine);
        let (one, two) = (tokens.generate(&Sevens, at(50)), "A".repeat(51));
        tokens.insert(&one, &"rpt".into(), at(100)).await.unwrap();
        assert_eq!(tokens.find(&one, at(99)).await.unwrap().as_deref(), Some("rpt"));

        let rest = &one.expose()[8..];
        for forged in [rest.to_owned(), format!("AAAAAAAA{rest}"), format!("________{rest}"), two] {
            let forged = AccessToken::new(forged);
            assert_eq!(tokens.find(&forged, at(99)).await.unwrap(), None);
            assert!(!tokens.revoke(&forged).await.unwrap());
        }
        assert!(tokens.revoke(&one).await.unwrap());
        assert_eq!(tokens.find(&one, at(99)).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_revoked_jti_stays_revoked_until_its_token_is_dead() {
    on_both(async |engine| {
        let revoked = RevokedTokens::new(engine);
        assert!(!revoked.is_revoked("jti", at(1)).await.unwrap());
        revoked.revoke("jti", at(100)).await.unwrap();
        assert!(revoked.is_revoked("jti", at(99)).await.unwrap());
        assert!(!revoked.is_revoked("Jti", at(1)).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_grant_is_one_persons_and_does_not_come_back() {
    on_both(async |engine| {
        let grants: Grants<String> = Grants::new(engine);
        grants.insert("alice", "g1", &"read".into(), at(100)).await.unwrap();
        grants.insert("alice", "g2", &"write".into(), at(100)).await.unwrap();
        assert_eq!(grants.find("alice", "g1", at(99)).await.unwrap().as_deref(), Some("read"));
        assert_eq!(grants.find("mallory", "g1", at(1)).await.unwrap(), None);
        assert_eq!(grants.find("alice", "g", at(1)).await.unwrap(), None);
        assert_eq!(grants.find("aliceg", "1", at(1)).await.unwrap(), None);

        assert_eq!(grants.list("alice", at(99)).await.unwrap(), ["read", "write"]);
        for (subject, now) in [("alice", 100), ("ali", 1), ("mallory", 1)] {
            assert!(grants.list(subject, at(now)).await.unwrap().is_empty(), "{subject}");
        }
        assert!(grants.replace("alice", "g1", &"used".into(), at(50)).await.unwrap());
        assert_eq!(grants.find("alice", "g1", at(99)).await.unwrap().as_deref(), Some("used"));
        assert_eq!(grants.find("alice", "g1", at(100)).await.unwrap(), None, "its end is its end");
        assert!(!grants.replace("alice", "g1", &"late".into(), at(100)).await.unwrap());
        assert!(!grants.remove("mallory", "g2").await.unwrap());
        assert!(grants.remove("alice", "g2").await.unwrap());
        assert!(!grants.replace("alice", "g2", &"again".into(), at(1)).await.unwrap());
        assert_eq!(grants.find("alice", "g2", at(1)).await.unwrap(), None);
        assert!(!grants.remove("alice", "g2").await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_refresh_token_is_found_until_it_expires() {
    on_both(async |engine| {
        let tokens: RefreshTokens<String> = RefreshTokens::new(Arc::clone(&engine));
        let one = RefreshToken::new("one");
        tokens.insert(&one, &"grant".into(), at(100)).await.unwrap();
        tokens.insert(&one, &"grant".into(), at(110)).await.unwrap();
        assert_eq!(tokens.find(&one, at(109)).await.unwrap().as_deref(), Some("grant"));
        assert_eq!(tokens.find(&one, at(110)).await.unwrap(), None);
        let found = tokens.find_by(&one.digest(), at(109)).await.unwrap();
        assert_eq!(found.as_deref(), Some("grant"));
        assert_eq!(tokens.find(&RefreshToken::new("One"), at(1)).await.unwrap(), None);
        let access_tokens: AccessTokens<String> = AccessTokens::new(engine);
        let same = access_tokens.find(&AccessToken::new("one"), at(1)).await.unwrap();
        assert_eq!(same, None, "one text, two things");
        assert!(tokens.remove(&one).await.unwrap());
        assert_eq!(tokens.find(&one, at(1)).await.unwrap(), None);
        assert!(!tokens.remove(&one).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_session_lasts_until_it_expires_or_is_ended() {
    on_both(async |engine| {
        let sessions: Sessions<String> = Sessions::new(engine.clone());
        let [one, two, three] = ["one", "two", "three"].map(SessionHandle::new);
        sessions.put(&one, ("alice", "1"), &"first".into(), at(100)).await.unwrap();
        sessions.put(&two, ("alice", "2"), &"second".into(), at(200)).await.unwrap();
        sessions.put(&three, ("bob", "1"), &"his".into(), at(100)).await.unwrap();
        let found = async |handle, now| sessions.find(handle, at(now)).await.unwrap();
        assert_eq!(found(&one, 99).await.as_deref(), Some("first"));
        assert_eq!(found(&one, 100).await, None);
        assert_eq!(sessions.list("alice", at(99)).await.unwrap(), ["first", "second"]);
        assert_eq!(sessions.list("alice", at(100)).await.unwrap(), ["second"]);
        assert_eq!(sessions.list("nobody", at(1)).await.unwrap(), [""; 0]);

        // Another handle, and the session goes on.
        let four = SessionHandle::new("four");
        sessions.put(&four, ("alice", "1"), &"renewed".into(), at(300)).await.unwrap();
        assert!(sessions.forget(&one).await.unwrap() && !sessions.forget(&one).await.unwrap());
        assert_eq!(
            (found(&one, 1).await, found(&four, 1).await.as_deref()),
            (None, Some("renewed"))
        );
        // Every handle ends with its session.
        assert!(sessions.is_live("alice", "1", at(299)).await.unwrap());
        assert!(sessions.remove("alice", "1").await.unwrap());
        assert!(!sessions.remove("alice", "1").await.unwrap());
        assert!(!sessions.is_live("alice", "1", at(1)).await.unwrap());
        assert_eq!(found(&four, 1).await, None);
        assert!(found(&two, 1).await.is_some() && found(&three, 1).await.is_some());
        // As versions before this one kept it.
        let old = SessionHandle::new("old");
        let value = br#"{"subject":"alice","sign_in":{}}"#.to_vec();
        let key = old.digest();
        engine.put(RecordTable::Sessions, key.as_bytes(), value, Some(at(100))).await.unwrap();
        assert_eq!(found(&old, 1).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_consent_is_of_one_person_to_one_client() {
    on_both(async |engine| {
        let consents: Consents<String> = Consents::new(engine);
        let (app, other) = (client("app"), client("other"));
        consents.put("alice", &app, &"openid".into(), at(100)).await.unwrap();
        consents.put("alice", &app, &"email".into(), at(200)).await.unwrap();
        let found = async |subject, client, now| consents.find(subject, client, at(now)).await;
        assert_eq!(found("alice", &app, 199).await.unwrap().as_deref(), Some("email"));
        assert_eq!(found("alice", &app, 200).await.unwrap(), None);
        assert_eq!(found("alice", &other, 1).await.unwrap(), None);
        assert_eq!(found("bob", &app, 1).await.unwrap(), None);
        consents.put("alice", &other, &"get".into(), at(100)).await.unwrap();
        let mut all = consents.list("alice", at(1)).await.unwrap();
        all.sort();
        assert_eq!(all, ["email", "get"]);
        assert_eq!(consents.list("alice", at(100)).await.unwrap(), ["email"]);
        assert!(!consents.remove("bob", &app).await.unwrap());
        assert!(consents.remove("alice", &app).await.unwrap());
        assert_eq!(consents.list("alice", at(1)).await.unwrap(), ["get"]);
    })
    .await;
}

#[tokio::test]
async fn resources_of_one_registrant_are_unknown_to_another() {
    on_both(async |engine| {
        let resources: Resources<String> = Resources::new(engine);
        let ours = Registrant { owner: "admin".into(), resource_server: client("rs") };
        let owner = Registrant { owner: "eve".into(), ..ours.clone() };
        let server = Registrant { resource_server: client("rs2"), ..ours.clone() };
        resources.create(&ours, "id2", &"RS API".into()).await.unwrap();
        resources.create(&ours, "id1", &"other".into()).await.unwrap();

        for stranger in [&owner, &server] {
            assert_eq!(resources.read(stranger, "id1").await.unwrap(), None);
            assert!(!resources.replace(stranger, "id1", &"mine".into()).await.unwrap());
            assert!(!resources.remove(stranger, "id1").await.unwrap());
            assert_eq!(resources.list(stranger).await.unwrap(), []);
            assert_eq!(resources.count(stranger).await.unwrap(), 0);
        }
        assert!(resources.replace(&ours, "id1", &"another".into()).await.unwrap());
        let listed = resources.list(&ours).await.unwrap();
        assert_eq!(listed, [("id1".into(), "another".into()), ("id2".into(), "RS API".into())]);
        assert_eq!(resources.count(&ours).await.unwrap(), 2);
        assert!(resources.remove(&ours, "id1").await.unwrap());
        assert_eq!(resources.count(&ours).await.unwrap(), 1);
        assert!(!resources.replace(&ours, "id1", &"back again".into()).await.unwrap());
        assert_eq!(resources.read(&ours, "id1").await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn registrations_are_found_by_issuer_and_name() {
    on_both(async |engine| {
        let registrations: Registrations<String> = Registrations::new(engine);
        let uma = Issuer::parse("https://uma.bob.example").unwrap();
        let other = Issuer::parse("https://uma.bob.example/").unwrap();
        registrations.put(&uma, "RS API", &"id1".into()).await.unwrap();
        registrations.put(&uma, "RS API", &"id2".into()).await.unwrap();

        assert_eq!(registrations.find(&uma, "RS API").await.unwrap().as_deref(), Some("id2"));
        assert_eq!(registrations.find(&other, "RS API").await.unwrap(), None);
        assert_eq!(registrations.list(&uma).await.unwrap(), [("RS API".into(), "id2".into())]);
        assert!(registrations.remove(&uma, "RS API").await.unwrap());
        assert_eq!(registrations.find(&uma, "RS API").await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_value_of_another_shape_is_an_error_and_not_absence() {
    on_both(async |engine| {
        let token = AccessToken::new("t");
        let texts: AccessTokens<String> = AccessTokens::new(Arc::clone(&engine));
        texts.insert(&token, &"text".into(), at(100)).await.unwrap();
        let numbers: AccessTokens<u32> = AccessTokens::new(engine);
        let found = numbers.find(&token, at(1)).await;
        assert!(matches!(found, Err(StoreError::Corrupt(_))), "{found:?}");
    })
    .await;
}

#[tokio::test]
async fn an_identity_is_linked_to_one_subject() {
    on_both(async |engine| {
        let links: LinkedIdentities<String> = LinkedIdentities::new(engine);
        let one = Issuer::parse("https://idp.example").unwrap();
        let two = Issuer::parse("https://idp.example/a").unwrap();
        let link = |subject: &str, record: &str| Linked {
            subject: subject.to_owned(),
            record: record.to_owned(),
        };
        assert!(links.insert_new(&one, "alice", &link("s1", "first")).await.unwrap());
        assert!(!links.insert_new(&one, "alice", &link("s2", "again")).await.unwrap());
        assert!(links.insert_new(&two, "alice", &link("s1", "second")).await.unwrap());
        assert!(links.insert_new(&two, "/aalice", &link("s2", "third")).await.unwrap());
        assert_eq!(links.find(&one, "alice").await.unwrap(), Some(link("s1", "first")));
        // F001-10: neither another spelling nor another issuer's is the same.
        for (issuer, sub) in [(&one, "Alice"), (&one, "alice "), (&one, "/aalice"), (&two, "")] {
            assert_eq!(links.find(issuer, sub).await.unwrap(), None, "{issuer} {sub}");
        }
        let mut listed = links.list("s1").await.unwrap();
        listed.sort();
        assert_eq!(listed, ["first", "second"]);
        assert_eq!(links.list("s2").await.unwrap(), ["third"]);

        assert!(!links.remove(&one, "alice", "s2").await.unwrap(), "it is another's");
        assert!(links.remove(&one, "alice", "s1").await.unwrap());
        assert!(!links.remove(&one, "alice", "s1").await.unwrap());
        assert_eq!(links.find(&one, "alice").await.unwrap(), None);
        assert_eq!(links.list("s1").await.unwrap(), ["second"]);
        assert!(links.insert_new(&one, "alice", &link("s2", "anew")).await.unwrap());
    })
    .await;
}
