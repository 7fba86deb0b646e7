//! Whose account it is, of whom another issuer's token speaks, where that issuer's people are the
//! accounts that are linked to them.

use std::sync::Arc;

use countersign_store::{Engine, MemoryEngine};
use countersign_sts_service::{ImportedAccounts, IssuerSetup, TrustedIssuers, Upstreams, Users};
use countersign_token_exchange::TrustedIssuer;
use countersign_token_exchange::trusted_issuer::{Accepted, Subjects};
use countersign_types::{ClientId, Issuer, ScopeSet};
use serde_json::{Value, json};

use super::linking::{as_alice, link};
use super::people::People;
use super::provider::Provider;
use super::{Case, UNIVERSITY, both};
use crate::browser::Browser;
use crate::support::*;

const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// A service at which the people of the university are the accounts that are linked to them.
fn case(subjects: Subjects) -> Case {
    let people = People::new([user("alice", true), user("mallory", false)]);
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let provider = Arc::new(Provider::new());
    let (users, accounts) = (Arc::clone(&people), Arc::clone(&people));
    let (users, accounts): (Arc<dyn Users>, Arc<dyn ImportedAccounts>) = (users, accounts);
    let accepted = Accepted { clients: ["broker".to_owned()].into(), ..Accepted::default() };
    let setup = IssuerSetup::new(TrustedIssuer {
        subjects,
        exchanges: [(ClientId::parse("rqp-client").unwrap(), accepted)].into(),
        scopes: ScopeSet::parse("get").unwrap(),
        ..TrustedIssuer::new("university", Issuer::parse(UNIVERSITY).unwrap())
    });
    let fetch = provider.clone();
    let world = World::peopled(users, Arc::clone(&engine), |sts, clock| {
        let upstreams = Upstreams::new(both(), accounts, fetch.clone(), Arc::clone(&clock));
        sts.with_upstreams(upstreams).with_trusted_issuers(TrustedIssuers::new(
            [setup],
            fetch,
            clock,
        ))
    });
    Case { world, people, provider, engine }
}

/// The exchange of an ID token of the university about `sub`, who calls themselves alice there.
async fn exchanged(case: &Case, sub: &str) -> Answer {
    exchanged_as(case, sub, &json!(true)).await
}

/// The same about somebody who is a member, or not.
async fn exchanged_as(case: &Case, sub: &str, member: &Value) -> Answer {
    let mut token = json!({
        "iss": UNIVERSITY, "sub": sub, "aud": "broker", "iat": NOW, "exp": NOW + 300,
        "preferred_username": "alice",
    });
    as_alice(&mut token);
    if !member.is_null() {
        token["member"] = member.clone();
    }
    let token = case.provider.sign(&token);
    let fields = [
        ("grant_type", EXCHANGE),
        ("subject_token", token.as_str()),
        ("subject_token_type", ID_TOKEN),
        ("requested_token_type", ACCESS_TOKEN),
        ("audience", RS),
        ("client_id", "rqp-client"),
        ("client_secret", SECRET),
    ];
    case.world.token(&fields).await
}

fn issued(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let subject = claims(&token).required_str("sub").unwrap().to_owned();
    (subject, token)
}

/// What the resource server is told of a token.
async fn is_active(case: &Case, token: &str) -> Value {
    let fields = [("client_id", "rs"), ("client_secret", SECRET), ("token", token)];
    case.world.post("/introspect", &fields).await.json()["active"].clone()
}

/// F000-13: neither a user name nor an address makes somebody an account, a link does; and whoever
/// has none is nobody.
#[tokio::test]
async fn f000_13_a_linked_issuers_people_are_the_accounts_they_are_linked_to() {
    let case = case(Subjects::Linked);
    let refused = (400, "invalid_request".to_owned());
    for sub in ["7", "8", "sub-of-alice", "alice"] {
        assert_eq!(exchanged(&case, sub).await.error(), refused, "{sub} is linked to nobody");
    }
    let browser = Browser::new(&case.world);
    link(&case, &browser).await;
    let (subject, token) = issued(&exchanged(&case, "7").await);
    assert_eq!(subject, "sub-of-alice");
    assert_eq!(is_active(&case, &token).await, json!(true));
    assert_eq!(exchanged(&case, "8").await.error(), refused, "of the same name and address");

    // Whoever came through the university and got an account is that account, and is disabled with
    // it.
    let ada = Browser::new(&case.world);
    let imported = case.subject(&case.arrives(&ada, ("university", "9"), &[], |_| {}).await).await;
    let (subject, token) = issued(&exchanged(&case, "9").await);
    assert_eq!(subject, imported);
    case.people.disable(&imported);
    assert_eq!(exchanged(&case, "9").await.error(), refused);
    assert_eq!(is_active(&case, &token).await, json!(false));

    // A link that was ended leads nowhere.
    let page = browser.get("/account").await;
    let (_, rest) = page.text.split_once("name=\"link\" value=\"").unwrap();
    let fields = [("form_token", &*hidden(&page.text)), ("link", rest.split('"').next().unwrap())];
    assert_eq!(browser.post("/account/unlink", &fields).await.status.as_u16(), 303);
    assert_eq!(exchanged(&case, "7").await.error(), refused);
}

/// Whom the provider's sign-in turns away gets into the account by no token, either.
#[tokio::test]
async fn o13_whoever_may_not_come_in_is_not_exchanged() {
    let case = case(Subjects::Linked);
    link(&case, &Browser::new(&case.world)).await;
    assert_eq!(issued(&exchanged(&case, "7").await).0, "sub-of-alice");
    for member in [Value::Null, json!(false), json!("true")] {
        let refused = exchanged_as(&case, "7", &member).await.error();
        assert_eq!(refused, (400, "invalid_request".to_owned()), "{member}");
    }
}

/// Otherwise they are people of their issuer, linked or not.
#[tokio::test]
async fn a_link_makes_nobody_an_account_unless_the_configuration_says_so() {
    let case = case(Subjects::Namespaced);
    let (before, _) = issued(&exchanged(&case, "7").await);
    link(&case, &Browser::new(&case.world)).await;
    assert!(before.starts_with("foreign-"), "{before}");
    assert_eq!(issued(&exchanged(&case, "7").await).0, before);
    assert_ne!(issued(&exchanged(&case, "8").await).0, before, "two subjects are two people");
}
