//! What a driver finds on the pages: each form and what is pressed in it has an identifier, or a
//! name and a value, that stays. Whoever changes one changes what others drive.

use crate::broker::Case;
use crate::browser::Browser;
use crate::support::*;

/// The identifiers on a page, in their order, each once.
fn ids(page: &Answer) -> Vec<&str> {
    let ids: Vec<_> =
        page.text.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let all: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(all.len(), ids.len(), "{ids:?}");
    ids
}

#[track_caller]
fn has(page: &Answer, expected: &[&str]) {
    assert_eq!(ids(page), expected, "{}", page.text);
    // No form without one, and nothing to press that is not told apart.
    for form in page.text.split("<form ").skip(1) {
        assert!(form.starts_with("id=\""), "{form}");
    }
    for button in page.text.split("<button ").skip(1) {
        let tag = button.split('>').next().unwrap();
        assert!(tag.contains(" id=\"") || tag.contains(" value=\""), "{tag}");
    }
}

#[tokio::test]
async fn forms_keep_their_names() {
    let world = World::new();
    let browser = Browser::new(&world);
    has(&browser.get("/account").await, &["sign-in", "username", "password", "proceed"]);
    let page = browser.authorize(&[]).await;
    has(&page, &["sign-in", "username", "password", "allow", "deny"]);
    browser.sign_in("alice", &[]).await;
    let consent = browser.authorize(&[("scope", "openid profile")]).await;
    has(&consent, &["consent", "allow", "deny", "other"]);
    has(&browser.get("/logout").await, &["sign-out", "proceed"]);
    Browser::new(&world).sign_in("alice", &[]).await;
    let account = browser.get("/account").await;
    let sessions: Vec<_> = ids(&account).into_iter().filter(|id| id.contains("session-")).collect();
    let ends: Vec<_> = sessions.iter().filter_map(|id| id.strip_prefix("end-")).collect();
    assert!(sessions.len() == 3 && ends.len() == 1 && sessions.contains(&ends[0]), "{sessions:?}");
    let kept = ids(&account).into_iter().filter(|id| !id.contains("session-")).collect::<Vec<_>>();
    let expected =
        ["end-others", "client-rqp-client", "take-back-rqp-client", "sign-out", "proceed"];
    assert_eq!(kept, expected);
}

#[tokio::test]
async fn forms_of_the_broker_keep_their_names() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    let chooser = browser.authorize(&[]).await;
    let upstreams = ["upstreams", "upstream-university", "upstream-library"];
    let passwords = ["sign-in", "username", "password", "allow", "deny"];
    has(&chooser, &[&upstreams[..], &passwords].concat());
    let navigating = browser.navigating();
    has(&navigating.submit(&chooser, &[("upstream", "library")]).await, &["continue"]);
    let alice = |token: &mut serde_json::Value| {
        token["email"] = "alice@alice.example".into();
        token["email_verified"] = true.into();
    };
    let page = case.arrives(&browser, ("university", "7"), &[], alice).await;
    has(&page, &["link-account", "password", "proceed", "deny"]);
    let page = browser.submit(&page, &[("password", PASSWORD)]).await;
    has(&page, &["confirm-link", "link", "deny"]);
    browser.submit(&page, &[("decision", "link")]).await;
    let leaving = Browser::new(&case.world);
    case.arrives(&leaving, ("library", "60"), &[], |_| {}).await;
    let last = case.linked("https://idp.library.example", "60").await;
    let token = hidden(&leaving.get("/account").await.text);
    let fields = [("form_token", token.as_str()), ("link", last.as_str())];
    let asked = leaving.post("/account/unlink", &fields).await;
    has(&asked, &["close-account", "close", "keep"]);
    let account = browser.get("/account").await;
    let link = case.linked("https://idp.university.example", "7").await;
    let (linked, unlink) = (format!("linked-{link}"), format!("unlink-{link}"));
    let found = ids(&account);
    for id in [&*linked, &*unlink, "further", "link-library"] {
        assert!(found.contains(&id), "{id}: {found:?}");
    }
}
