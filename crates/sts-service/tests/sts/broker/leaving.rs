//! F001-9: the link to the provider that an account was made by is ended as any other, where
//! another way in is left.

use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use countersign_store::LinkedIdentities;
use countersign_sts_service::Users as _;
use countersign_types::Issuer;
use http::StatusCode;
use serde_json::{Value, json};

use super::further::{ends, links, links_further};
use super::people::People;
use super::provider::Provider;
use super::{Case, LIBRARY, UNIVERSITY, both, is_nobody};
use crate::browser::{Browser, is_consent, is_sign_in};
use crate::support::*;

/// Ada as the university knows her.
fn ada(token: &mut Value) {
    token["name"] = json!("Ada");
    token["email"] = json!("ada@university.example");
    token["email_verified"] = json!(true);
    token["groups"] = json!(["staff"]);
}

/// The claims of the access token of whoever arrives through a provider in a fresh browser.
async fn access(case: &Case, (alias, sub): (&str, &str), claims_of: fn(&mut Value)) -> Value {
    let browser = Browser::new(&case.world);
    let answer = case.arrives(&browser, (alias, sub), &[], claims_of).await;
    let tokens = case.tokens(&answer).await;
    let access = claims(tokens["access_token"].as_str().unwrap());
    let of = |name: &str| access.get(name).cloned().unwrap_or_default();
    json!({ "sub": of("sub"), "roles": of("roles"), "email": of("email") })
}

/// Ada with two ways in, the university first, at a browser where she came through the second one.
async fn ada_with_two(case: &Case) -> (Browser<'_>, Value) {
    let browser = Browser::new(&case.world);
    let before = access(case, ("university", "7"), ada).await;
    assert_eq!(before["roles"], json!(["curator", "reader"]));
    assert_eq!(before["email"], "ada@university.example");
    let first = Browser::new(&case.world);
    case.arrives(&first, ("university", "7"), &[], ada).await;
    links_further(case, &first, "library", "9").await;
    case.arrives(&browser, ("library", "9"), &[], |_| {}).await;
    (browser, before)
}

#[tokio::test]
async fn f001_9_an_account_outlives_the_provider_it_came_from() {
    let case = Case::new();
    let (browser, before) = ada_with_two(&case).await;
    let through = Browser::new(&case.world);
    let offline = [("scope", "openid offline_access")];
    let answer = case.arrives(&through, ("university", "7"), &offline, ada).await;
    let refresh = case.tokens(&answer).await["refresh_token"].as_str().unwrap().to_owned();
    // What the university says of her counts, whichever way she came.
    assert_eq!(access(&case, ("library", "9"), |_| {}).await, before);

    let account = browser.get("/account").await;
    let note = "If you end this link, they end with it, and from then on the Library says";
    assert_eq!(account.text.matches(note).count(), 1, "{}", account.text);
    let [first] = links(&account).try_into().unwrap();
    assert_eq!(first, case.linked(UNIVERSITY, "7").await, "and not the one that she came by");
    assert_eq!(ends(&browser, &account, &first).await, StatusCode::SEE_OTHER);

    // What came of signing in there has ended, and so has what was said there.
    assert!(is_sign_in(&through.get("/account").await), "signed out there");
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.as_str()),
        ("client_id", "rqp-client"),
        ("client_secret", SECRET),
    ];
    assert_eq!(case.world.token(&fields).await.status, StatusCode::BAD_REQUEST);
    let page = browser.get("/account").await;
    assert!(page.text.contains("<strong>called-9 (by the Library)</strong>"), "{}", page.text);
    assert!(page.text.contains("You could not sign in without it"), "{}", page.text);
    let page = browser.authorize(&[]).await;
    assert!(is_consent(&page), "what she allowed when she came through it: {}", page.text);
    let tokens = case.tokens(&browser.submit(&page, &[("decision", "allow")]).await).await;
    let bare = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!(bare.required_str("sub").unwrap(), before["sub"]);
    assert!(!bare.has("roles") && !bare.has("email"), "{bare:?}");
    // The library has the word from now on.
    let after = access(&case, ("library", "9"), |_| {}).await;
    assert_eq!(after, json!({ "sub": before["sub"], "roles": ["reader"], "email": null }));
    // Whoever signs in at the university is somebody new, with an address that is free.
    let new = access(&case, ("university", "7"), ada).await;
    assert_ne!(new["sub"], before["sub"]);
    assert_eq!(new["email"], "ada@university.example");
    assert_eq!(access(&case, ("library", "9"), |_| {}).await, after, "and takes nothing along");
}

/// Whoever signs in at the provider whose link was ended never gets the account silently, by its
/// address either.
#[tokio::test]
async fn f001_9_an_ended_link_leads_to_nobodys_account() {
    let case = Case::new();
    let (browser, before) = ada_with_two(&case).await;
    let account = browser.get("/account").await;
    let first = case.linked(UNIVERSITY, "7").await;
    assert_eq!(ends(&browser, &account, &first).await, StatusCode::SEE_OTHER);
    // The library speaks for the address, too.
    let after = access(&case, ("library", "9"), ada).await;
    assert_eq!((&after["sub"], &after["email"]), (&before["sub"], &before["email"]));
    let stranger = Browser::new(&case.world);
    let page = case.arrives(&stranger, ("university", "7"), &[], ada).await;
    assert_eq!(page.status, StatusCode::CONFLICT, "{}", page.text);
    assert!(page.text.contains("reached in another way"), "{}", page.text);
    assert!(is_nobody(&stranger).await);
    // She links it again herself, and the library keeps the word.
    links_further(&case, &browser, "university", "7").await;
    let again = access(&case, ("university", "7"), |token| {
        ada(token);
        token["groups"] = json!([]);
        token["email"] = json!("other@university.example");
    })
    .await;
    assert_eq!(again, after);
    assert_eq!(case.people.imported().len(), 1);
}

/// A way in that nobody has just come by may be none: the other provider let her in once, and does
/// not any more.
#[tokio::test]
async fn f001_9_the_other_way_in_is_tried_first() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    case.arrives(&browser, ("library", "9"), &[], |_| {}).await;
    links_further(&case, &browser, "university", "7").await;
    let first = case.linked(LIBRARY, "9").await;
    let account = browser.get("/account").await;
    let note = "sign in through the &#60;University&#62; first";
    assert_eq!(account.text.matches(note).count(), 1, "{}", account.text);
    assert!(!links(&account).contains(&first), "{}", account.text);
    // Nor by a form of one's own.
    let fields = [("form_token", &*hidden(&account.text)), ("link", &*first)];
    let answer = browser.post("/account/unlink", &fields).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
    assert_eq!(answer.text.matches(note).count(), 2, "{}", answer.text);
    let subject = case.people.imported()[0].account.subject.clone();
    assert_eq!(access(&case, ("library", "9"), |_| {}).await["sub"], subject, "and nothing ended");
}

/// A provider that requires something has to be asked before the person is in again.
#[tokio::test]
async fn f001_9_what_the_other_provider_requires_is_shown_first() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    case.arrives(&browser, ("library", "9"), &[], |_| {}).await;
    links_further(&case, &browser, "university", "7").await;
    let through = Browser::new(&case.world);
    case.arrives(&through, ("university", "7"), &[], |_| {}).await;
    let first = case.linked(LIBRARY, "9").await;
    let account = through.get("/account").await;
    assert_eq!(ends(&through, &account, &first).await, StatusCode::SEE_OTHER);
    assert!(is_sign_in(&browser.get("/account").await), "she came through it");
    assert!(is_sign_in(&through.get("/account").await), "nobody said that she may come in");
    let subject = case.people.imported()[0].account.subject.clone();
    assert_eq!(access(&case, ("university", "7"), |_| {}).await["sub"], subject);
}

/// A link of a former version says that its provider never has the word. It gets it as any other
/// does.
#[tokio::test]
async fn f001_9_a_link_of_a_former_version_gets_the_word_too() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    case.arrives(&browser, ("library", "9"), &[], |_| {}).await;
    links_further(&case, &browser, "university", "7").await;
    let subject = case.people.imported()[0].account.subject.clone();
    let store = LinkedIdentities::<Value>::new(Arc::clone(&case.engine));
    let issuer = Issuer::parse(UNIVERSITY).unwrap();
    let mut former = store.find(&issuer, "7").await.unwrap().unwrap();
    former.record["imported"] = json!(false);
    assert!(store.remove(&issuer, "7", &subject).await.unwrap());
    assert!(store.insert_new(&issuer, "7", &former).await.unwrap());

    let through = Browser::new(&case.world);
    case.arrives(&through, ("university", "7"), &[], ada).await;
    let first = case.linked(LIBRARY, "9").await;
    let account = through.get("/account").await;
    assert_eq!(ends(&through, &account, &first).await, StatusCode::SEE_OTHER);
    let after = access(&case, ("university", "7"), ada).await;
    assert_eq!(after["sub"], subject);
    assert_eq!(after["email"], "ada@university.example");
}

/// The last way in stays, whichever two are ended at once, and if the person goes away meanwhile.
#[tokio::test]
async fn the_last_of_two_links_stays_whoever_asks() {
    for gone in [false, true] {
        let directory = Directory::new();
        let (people, provider) = (People::new([]), Provider::new().into());
        let case = Case::of(people, directory.open(), provider, both(), |upstreams| upstreams);
        let (browser, before) = ada_with_two(&case).await;
        let account = browser.get("/account").await;
        let one = case.linked(UNIVERSITY, "7").await;
        let other = case.linked(LIBRARY, "9").await;
        if gone {
            // As far as it gets at once: the store has been asked, and has not answered.
            let mut ended = pin!(ends(&browser, &account, &one));
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..2 {
                assert!(ended.as_mut().poll(&mut context).is_pending());
                tokio::task::yield_now().await;
            }
        } else {
            // Either from a session that came by the other.
            let first = Browser::new(&case.world);
            case.arrives(&first, ("university", "7"), &[], ada).await;
            let page = first.get("/account").await;
            let (one, other) =
                tokio::join!(ends(&browser, &account, &one), ends(&first, &page, &other));
            let codes = [one.as_u16(), other.as_u16()];
            assert_eq!(
                (codes.iter().min(), codes.iter().max()),
                (Some(&200), Some(&303)),
                "asked first"
            );
        }
        let _ = ends(&browser, &account, &other).await;
        let store = LinkedIdentities::<Value>::new(Arc::clone(&case.engine));
        let left = store.list(before["sub"].as_str().unwrap()).await.unwrap();
        assert_eq!(left.len(), 1, "gone: {gone}, {left:?}");
        // And the account is that provider's.
        let user = case.people.by_subject(before["sub"].as_str().unwrap()).await.unwrap().unwrap();
        let origin = user.origin.as_ref().unwrap();
        assert_eq!(left[0]["issuer"], origin.issuer.as_str(), "gone: {gone}");
        let there = if origin.issuer == Issuer::parse(LIBRARY).unwrap() {
            ("library", "9")
        } else {
            ("university", "7")
        };
        assert_eq!(access(&case, there, |_| {}).await["sub"], before["sub"]);
    }
}

/// A process that ends between the two steps leaves a link like any other, which is ended by asking
/// again.
#[tokio::test]
async fn what_is_cut_off_in_between_leaves_a_link_like_any_other() {
    use countersign_sts_service::{ImportedAccount, ImportedAccounts as _};
    let case = Case::new();
    let (browser, before) = ada_with_two(&case).await;
    let [found] = case.people.imported().try_into().ok().unwrap();
    let account = ImportedAccount {
        username: "library:9".to_owned(),
        name: None,
        email: None,
        claims: Default::default(),
        required: Default::default(),
        alias: "library".to_owned(),
        issuer: Issuer::parse(LIBRARY).unwrap(),
        sub: "9".to_owned(),
        ..found.account
    };
    assert!(case.people.entrust(&account).await.unwrap());
    let case = case.restarted(both());
    drop(browser);
    // Either way leads to the account, and the university says nothing of it any more.
    for (alias, sub) in [("university", "7"), ("library", "9")] {
        let after = access(&case, (alias, sub), ada_of(alias)).await;
        assert_eq!(after["sub"], before["sub"], "{alias}");
        assert!(after["email"].is_null(), "{alias}: {after}");
    }
    let browser = Browser::new(&case.world);
    case.arrives(&browser, ("library", "9"), &[], |_| {}).await;
    let account = browser.get("/account").await;
    assert!(
        account.text.contains("sign in through the &#60;University&#62; first"),
        "{}",
        account.text
    );
    let first = case.linked(UNIVERSITY, "7").await;
    assert_eq!(ends(&browser, &account, &first).await, StatusCode::SEE_OTHER);
    assert_eq!(access(&case, ("library", "9"), |_| {}).await["sub"], before["sub"]);
    assert_ne!(access(&case, ("university", "7"), ada).await["sub"], before["sub"]);
}

/// Of a person who has a password as well (of an embedder's server), no other provider says who
/// they are: the link stays, and is not the last way in with which the account would be closed,
/// until they come by another.
#[tokio::test]
async fn f001_9_a_password_takes_no_providers_place() {
    let case = Case::new();
    case.people.gives_passwords.store(true, Ordering::Relaxed);
    let browser = Browser::new(&case.world);
    case.arrives(&browser, ("university", "7"), &[], ada).await;
    let by_password = Browser::new(&case.world);
    by_password.sign_in("ada@university.example", &[]).await;
    let first = case.linked(UNIVERSITY, "7").await;
    for browser in [&browser, &by_password] {
        let account = browser.get("/account").await;
        assert!(account.text.contains("link another provider and sign in"), "{}", account.text);
        assert!(!account.text.contains("close the account"), "{}", account.text);
        assert_eq!(links(&account), Vec::<String>::new());
        let token = hidden(&account.text);
        for decision in ["", "close"] {
            let fields = [("form_token", token.as_str()), ("link", &first), ("decision", decision)];
            let answer = browser.post("/account/unlink", &fields).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
        }
        assert_eq!(case.linked(UNIVERSITY, "7").await, first);
    }
    links_further(&case, &browser, "library", "9").await;
    let through = Browser::new(&case.world);
    case.arrives(&through, ("library", "9"), &[], |_| {}).await;
    let account = through.get("/account").await;
    assert_eq!(ends(&through, &account, &first).await, StatusCode::SEE_OTHER);
    assert_eq!(case.people.imported().len(), 1);
    // The password says nothing of who it is, and is a way in as before, if anybody finds the
    // account.
    let account = through.get("/account").await;
    assert!(account.text.contains("link another provider and sign in"), "{}", account.text);
}

/// What a provider says of her: the university as it knows her.
fn ada_of(alias: &str) -> fn(&mut Value) {
    if alias == "university" { ada } else { |_| {} }
}
