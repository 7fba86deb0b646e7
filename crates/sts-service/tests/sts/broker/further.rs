//! A further provider for an account: from its page, by a sign-in there and a yes, and never
//! silently.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Waker};

use countersign_sts_service::Upstreams;
use http::StatusCode;
use http::header::LOCATION;
use serde_json::{Value, json};
use url::Url;

use super::linking::as_alice;
use super::people::People;
use super::provider::{Provider, Trouble, answer};
use super::{Case, both, is_nobody, on_the_way};
use crate::browser::Browser;
use crate::support::*;

const YES: &[(&str, &str)] = &[("decision", "link")];

/// Wishes a link to a provider on the account page: what is answered.
async fn wished(browser: &Browser<'_>, alias: &str) -> Answer {
    let token = hidden(&browser.get("/account").await.text);
    browser.post("/account/link", &[("form_token", &token), ("upstream", alias)]).await
}

/// The same, as far as the provider.
async fn leaves(browser: &Browser<'_>, alias: &str) -> Url {
    on_the_way(&wished(browser, alias).await)
}

/// Comes back from there as somebody.
async fn comes_back(case: &Case, browser: &Browser<'_>, request: &Url, sub: &str) -> Answer {
    let mut token = Provider::claims(request, sub);
    token["member"] = json!(true);
    token["preferred_username"] = json!(format!("called-{sub}"));
    let query = case.provider.lets_in(request, token);
    let alias = request.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1;
    let alias = alias.rsplit('/').next().unwrap().to_owned();
    browser.get(&format!("/login/callback/{alias}?{query}")).await
}

#[track_caller]
fn asks(page: &Answer) {
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("Do the two belong together?"), "{}", page.text);
}

/// The links that the account page offers to end.
pub(super) fn links(account: &Answer) -> Vec<String> {
    let found = account.text.split("name=\"link\" value=\"").skip(1);
    found.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// Ends a link by the form of an account page.
pub(super) async fn ends(browser: &Browser<'_>, account: &Answer, link: &str) -> StatusCode {
    let token = hidden(&account.text);
    browser.post("/account/unlink", &[("form_token", &token), ("link", link)]).await.status
}

/// Links the account of whoever is signed in to a further provider.
pub(super) async fn links_further(case: &Case, browser: &Browser<'_>, alias: &str, sub: &str) {
    let request = leaves(browser, alias).await;
    let page = comes_back(case, browser, &request, sub).await;
    asks(&page);
    assert_eq!(browser.submit(&page, YES).await.status, StatusCode::SEE_OTHER);
}

/// The subject that signing in through a provider leads to, in a fresh browser.
async fn subject_of(case: &Case, alias: &str, sub: &str) -> String {
    let browser = Browser::new(&case.world);
    case.subject(&case.arrives(&browser, (alias, sub), &[], |_| {}).await).await
}

#[tokio::test]
async fn f001_9_whoever_is_signed_in_links_a_further_provider() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    browser.sign_in("alice", &[]).await;
    let page = browser.get("/account").await;
    for text in [
        "id=\"link-university\" name=\"upstream\" value=\"university\"",
        "Link the &#60;University&#62;, to sign in through it as well",
        "id=\"link-library\"",
    ] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let request = leaves(&browser, "university").await;
    let page = comes_back(&case, &browser, &request, "7").await;
    asks(&page);
    for text in ["the &#60;University&#62;", "called-7", "<strong>alice</strong>"] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let account = browser.get("/account").await;
    assert!(!account.text.contains("name=\"link\""), "not yet: {}", account.text);
    let done = browser.submit(&page, YES).await;
    assert_eq!(done.header(LOCATION), format!("{STS}/account"), "{}", done.text);
    let account = browser.get("/account").await;
    assert!(account.text.contains("As <strong>called-7</strong>."), "{}", account.text);
    assert!(!account.text.contains("id=\"link-university\""), "{}", account.text);
    assert_eq!(subject_of(&case, "university", "7").await, "sub-of-alice");
    assert!(case.people.imported().is_empty());

    // Once more there is nothing to be asked, and nothing to be done twice.
    let again = browser.submit(&page, YES).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN, "{}", again.text);
    let request = leaves(&browser, "university").await;
    let back = comes_back(&case, &browser, &request, "7").await;
    assert_eq!(back.header(LOCATION), format!("{STS}/account"), "{}", back.text);
}

/// A yes counts once, so that it is not half done if the person goes away meanwhile.
#[tokio::test]
async fn f001_9_a_yes_is_done_whole() {
    let directory = Directory::new();
    let (people, provider) = (People::new([user("alice", true)]), Provider::new().into());
    let case = Case::of(people, directory.open(), provider, both(), |upstreams| upstreams);
    let browser = Browser::new(&case.world);
    browser.sign_in("alice", &[]).await;
    let request = leaves(&browser, "university").await;
    let page = comes_back(&case, &browser, &request, "7").await;
    asks(&page);
    {
        // As far as it gets at once: the store has been asked, and has not answered.
        let mut answered = pin!(browser.submit(&page, YES));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..2 {
            assert!(answered.as_mut().poll(&mut context).is_pending());
            tokio::task::yield_now().await;
        }
    }
    // Whoever has the next turn finds it done.
    let account = browser.get("/account").await;
    assert_eq!(ends(&browser, &account, "no link of hers").await, StatusCode::SEE_OTHER);
    let account = browser.get("/account").await;
    assert!(account.text.contains("As <strong>called-7</strong>."), "{}", account.text);
}

/// An account that one provider alone led to gets another way in, and either can be ended then.
#[tokio::test]
async fn f001_9_an_imported_account_gets_a_second_way_in() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    let answer = case.arrives(&browser, ("university", "7"), &[], |_| {}).await;
    let subject = case.subject(&answer).await;
    let account = browser.get("/account").await;
    assert!(account.text.contains("End this link and close the account"), "it is the only one");
    let request = leaves(&browser, "library").await;
    let page = comes_back(&case, &browser, &request, "7").await;
    asks(&page);
    browser.submit(&page, YES).await;
    assert_eq!(subject_of(&case, "library", "7").await, subject);
    assert_eq!(case.people.imported().len(), 1, "nobody else came to be");
    let account = browser.get("/account").await;
    let [second] = links(&account).try_into().unwrap();
    // The second one ends, and with it what it gave.
    assert_eq!(ends(&browser, &account, &second).await, StatusCode::SEE_OTHER);
    assert_ne!(subject_of(&case, "library", "7").await, subject);
    assert_eq!(subject_of(&case, "university", "7").await, subject);
}

/// F001-10: an identity is one account's.
#[tokio::test]
async fn f001_10_an_identity_of_another_account_is_not_linked() {
    let case = Case::new();
    let other = subject_of(&case, "university", "7").await;
    let browser = Browser::new(&case.world);
    browser.sign_in("alice", &[]).await;
    let request = leaves(&browser, "university").await;
    let page = comes_back(&case, &browser, &request, "7").await;
    assert_eq!(page.status, StatusCode::CONFLICT, "{}", page.text);
    assert!(page.text.contains("has another account here"), "{}", page.text);
    assert!(page.text.contains("role=\"alert\""), "{}", page.text);
    assert_eq!(subject_of(&case, "university", "7").await, other);

    // Nor one that comes to be another's while the page is read.
    let request = leaves(&browser, "library").await;
    let page = comes_back(&case, &browser, &request, "9").await;
    asks(&page);
    let other = subject_of(&case, "library", "9").await;
    let late = browser.submit(&page, YES).await;
    assert_eq!(late.status, StatusCode::CONFLICT, "{}", late.text);
    assert!(late.text.contains("has another account here"), "{}", late.text);
    assert_eq!(subject_of(&case, "library", "9").await, other);
    assert!(!browser.get("/account").await.text.contains("name=\"link\""));
}

/// O18: it takes the session of the page, its browser, and the yes.
#[tokio::test]
async fn o18_nothing_is_linked_silently() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    browser.sign_in("alice", &[]).await;
    let token = hidden(&browser.get("/account").await.text);
    let mallory = Browser::new(&case.world);
    mallory.sign_in("mallory", &[]).await;
    let own = hidden(&mallory.get("/account").await.text);
    for (name, at, fields) in [
        ("no token", &browser, vec![("upstream", "university")]),
        ("another's", &browser, vec![("form_token", own.as_str()), ("upstream", "university")]),
        ("another browser", &mallory, vec![("form_token", &token), ("upstream", "university")]),
        ("no provider", &browser, vec![("form_token", &token)]),
        ("an unknown one", &browser, vec![("form_token", &token), ("upstream", "x")]),
    ] {
        let answer = at.post("/account/link", &fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}: {}", answer.text);
    }
    // Mallory's answer in Alice's browser, and Alice's in Mallory's: neither began there.
    let request = leaves(&mallory, "university").await;
    let page = comes_back(&case, &browser, &request, "7").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text);
    // Whoever signs in meanwhile as somebody else is not asked about it.
    let request = leaves(&browser, "university").await;
    browser.sign_in("mallory", &[("prompt", "login")]).await;
    let page = comes_back(&case, &browser, &request, "7").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text);

    let browser = Browser::new(&case.world);
    browser.sign_in("alice", &[]).await;
    let request = leaves(&browser, "university").await;
    let page = comes_back(&case, &browser, &request, "7").await;
    asks(&page);
    assert_eq!(mallory.submit(&page, YES).await.status, StatusCode::FORBIDDEN);
    for decision in [&[("decision", "deny")][..], &[]] {
        let declined = browser.submit(&page, decision).await;
        assert_eq!(declined.header(LOCATION), format!("{STS}/account"));
    }
    // As another form of the same browser: to sign in, and to link by an address.
    let token = hidden(&page.text);
    for path in ["/login", "/login/upstream", "/login/link", "/login/link/confirm", "/account"] {
        let fields = [("form_token", token.as_str()), ("decision", "link"), ("others", "end")];
        let answer = browser.post(path, &fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}: {}", answer.text);
    }
    // Signed out, it says nothing any more.
    let fields = [("form_token", hidden(&browser.get("/logout").await.text))];
    browser.post("/logout/confirm", &[("form_token", &fields[0].1)]).await;
    assert!(is_nobody(&browser).await);
    assert_eq!(browser.submit(&page, YES).await.status, StatusCode::FORBIDDEN);
    assert_eq!(subject_of(&case, "university", "7").await.len(), 22, "somebody new");
}

/// A session that somebody left open, or took, does not do.
#[tokio::test]
async fn whoever_signed_in_a_while_ago_does_so_again_first() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    browser.sign_in("alice", &[]).await;
    case.world.clock.advance(600);
    let page = wished(&browser, "university").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text);
    assert!(page.text.contains("sign in once more first"), "{}", page.text);
    assert!(page.text.contains("value=\"alice\""), "{}", page.text);
    let fields = [("username", "alice"), ("password", PASSWORD)];
    let back = browser.submit(&page, &fields).await;
    assert_eq!(back.header(LOCATION), format!("{STS}/account"), "{}", back.text);
    leaves(&browser, "university").await;
    // To come from a provider is to sign in, whenever that was there.
    let through = Browser::new(&case.world);
    case.arrives(&through, ("library", "7"), &[], |token| {
        token["iat"] = json!(NOW + 600);
        token["exp"] = json!(NOW + 900);
        token["auth_time"] = json!(NOW - 5000);
    })
    .await;
    leaves(&through, "university").await;
}

/// What goes wrong is said on the account page, and the session stays.
#[tokio::test]
async fn what_goes_wrong_at_the_provider_is_said_on_the_account_page() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    browser.sign_in("alice", &[]).await;
    let request = leaves(&browser, "university").await;
    let declined = answer(&request, &[("error", "access_denied")]);
    let page = browser.get(&format!("/login/callback/university?{declined}")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text);
    assert!(page.text.contains("or you declined there"), "{}", page.text);
    assert!(page.text.contains("You are signed in as"), "{}", page.text);

    // Who is not let in here is not linked either.
    let request = leaves(&browser, "university").await;
    let query = case.provider.lets_in(&request, Provider::claims(&request, "7"));
    let page = browser.get(&format!("/login/callback/university?{query}")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text);
    assert!(page.text.contains("may not be used here"), "{}", page.text);

    case.provider.fails("/token", Trouble::Silent);
    let request = leaves(&browser, "library").await;
    let page = comes_back(&case, &browser, &request, "7").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{}", page.text);
    assert!(page.text.contains("cannot be reached"), "{}", page.text);
    assert!(!browser.get("/account").await.text.contains("name=\"link\""));
}

/// Where nobody signs in by a password, the address that two providers name is a way to a second
/// one, too.
#[tokio::test]
async fn a_second_way_in_can_be_ended_where_passwords_are_not_offered() {
    let case = Case::with(both(), Upstreams::without_passwords);
    let browser = Browser::new(&case.world);
    let page =
        case.arrives(&browser, ("university", "7"), &[], |token: &mut Value| as_alice(token));
    let page = browser.submit(&page.await, &[("password", PASSWORD)]).await;
    browser.submit(&page, YES).await;
    let account = browser.get("/account").await;
    assert!(account.text.contains("You could not sign in without it"), "{}", account.text);
    let request = leaves(&browser, "library").await;
    browser.submit(&comes_back(&case, &browser, &request, "8").await, YES).await;
    // She proved her password to link them, which lets nobody in.
    let account = browser.get("/account").await;
    assert_eq!(links(&account), [""; 0], "{}", account.text);
    assert_eq!(
        account.text.matches(" first, so that it is certain").count(),
        2,
        "{}",
        account.text
    );
    case.arrives(&browser, ("university", "7"), &[("prompt", "login")], |token: &mut Value| {
        as_alice(token);
        token["auth_time"] = json!(NOW);
    })
    .await;
    let account = browser.get("/account").await;
    let [second] = links(&account).try_into().unwrap();
    assert_eq!(ends(&browser, &account, &second).await, StatusCode::SEE_OTHER);
}
