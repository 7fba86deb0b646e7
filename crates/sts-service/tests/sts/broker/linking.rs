//! F001-9: an address that an account here has links nothing by itself.

use countersign_sts_service::Upstreams;
use http::StatusCode;
use serde_json::{Value, json};

use super::further::{ends, links};
use super::people::People;
use super::provider::Provider;
use super::{Case, both, is_nobody};
use crate::browser::{Browser, is_consent, is_sign_in};
use crate::support::*;

/// O27: whoever is not whom the client means links nothing, with the right password and a yes
/// either.
#[tokio::test]
async fn o27_a_hint_for_somebody_else_leaves_no_link() {
    let case = Case::new();
    let mallory = Browser::new(&case.world);
    let tokens = case.tokens(&mallory.sign_in("mallory", &[]).await).await;
    let hint = tokens["id_token"].as_str().unwrap();
    let browser = Browser::new(&case.world);
    let meant = [("id_token_hint", hint)];
    let answer = case.arrives(&browser, ("university", "7"), &meant, as_alice).await;
    assert_eq!(answer.location("error").as_deref(), Some("login_required"), "{}", answer.text);
    assert!(is_nobody(&browser).await);
    // The same identity is still nobody's.
    let page = case.arrives(&browser, ("university", "7"), &[], as_alice).await;
    asks_for_the_password(&page);
    assert!(case.people.imported().is_empty());
}

/// Claims about somebody whose address is Alice's here.
pub(super) fn as_alice(token: &mut Value) {
    token["email"] = json!("alice@alice.example");
    token["email_verified"] = json!(true);
}

#[track_caller]
fn asks_for_the_password(page: &Answer) {
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("You have an account here already"), "{}", page.text);
}

/// Links Alice's account at a browser, which is signed in then.
pub(super) async fn link(case: &Case, browser: &Browser<'_>) -> Answer {
    let page = case.arrives(browser, ("university", "7"), &[], as_alice).await;
    asks_for_the_password(&page);
    let page = browser.submit(&page, &[("password", PASSWORD)]).await;
    assert!(page.text.contains("Do the two belong together?"), "{}", page.text);
    browser.submit(&page, &[("decision", "link")]).await
}

#[tokio::test]
async fn f001_9_an_account_is_linked_by_its_password_and_a_yes() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    let page = case.arrives(&browser, ("university", "7"), &[], as_alice).await;
    asks_for_the_password(&page);
    assert!(is_nobody(&browser).await, "not yet");
    let page = browser.submit(&page, &[("password", PASSWORD), ("decision", "sign_in")]).await;
    assert!(page.text.contains("Do the two belong together?"), "{}", page.text);
    assert!(is_nobody(&browser).await, "not yet either");
    let answer = browser.submit(&page, &[("decision", "link")]).await;
    let tokens = case.tokens(&answer).await;
    let id_token = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!(id_token.required_str("sub").unwrap(), "sub-of-alice");
    assert_eq!(id_token.get("amr"), Some(&json!(["pwd"])), "it was the password");

    // From now on the provider does, whatever address it names, and the account's own word stands.
    let later = Browser::new(&case.world);
    let answer = case
        .arrives(&later, ("university", "7"), &[("scope", "openid email profile")], |token| {
            token["email"] = json!("else@university.example");
            token["email_verified"] = json!(true);
            token["name"] = json!("Mallory");
        })
        .await;
    let tokens = case.tokens(&answer).await;
    let id_token = claims(tokens["id_token"].as_str().unwrap());
    for (name, value) in [
        ("sub", json!("sub-of-alice")),
        ("email", json!("alice@alice.example")),
        ("name", json!("Alice Liddell")),
    ] {
        assert_eq!(id_token.get(name), Some(&value), "{name}");
    }
    assert!(!id_token.has("amr") && !id_token.has("acr"), "no password was typed: {id_token:?}");
    assert!(case.people.imported().is_empty());
}

/// Nothing is linked without the password, the yes, and the browser.
#[tokio::test]
async fn f001_9_nothing_is_linked_otherwise() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    let page = case.arrives(&browser, ("university", "7"), &[], as_alice).await;
    let wrong = browser.submit(&page, &[("password", "wrong")]).await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    assert!(wrong.text.contains("role=\"alert\">The password is wrong.<"), "{}", wrong.text);
    // O18: from another browser, as another form, or skipping the password.
    let token = hidden(&page.text);
    let stranger = Browser::new(&case.world);
    stranger.authorize(&[]).await;
    let fields = [("form_token", token.as_str()), ("password", PASSWORD), ("decision", "link")];
    for (name, at, path) in [
        ("another browser", &stranger, "/login/link"),
        ("without the password", &browser, "/login/link/confirm"),
        ("to sign in", &browser, "/login"),
        ("to choose", &browser, "/login/upstream"),
    ] {
        let answer = at.post(path, &fields).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}: {}", answer.text);
        assert!(is_nobody(at).await, "{name}");
    }
    // No, on either page.
    let declined = browser.submit(&page, &[("decision", "deny")]).await;
    assert_eq!(declined.location("error").as_deref(), Some("access_denied"));
    let page = browser.submit(&page, &[("password", PASSWORD)]).await;
    for decision in [&[("decision", "deny")][..], &[]] {
        let declined = browser.submit(&page, decision).await;
        assert_eq!(declined.location("error").as_deref(), Some("access_denied"));
    }
    assert!(is_nobody(&browser).await, "declining leaves nothing");
    let again = case.arrives(&browser, ("university", "7"), &[], as_alice).await;
    asks_for_the_password(&again);
    assert!(case.people.imported().is_empty());
}

/// H15: a password is guessed here no more often than on the sign-in page, and the two count
/// together.
#[tokio::test]
async fn f001_9_wrong_passwords_count() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    let page = case.arrives(&browser, ("university", "7"), &[], as_alice).await;
    for _ in 0..10 {
        let wrong = browser.submit(&page, &[("password", "wrong")]).await;
        assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    }
    let right = browser.submit(&page, &[("password", PASSWORD)]).await;
    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(right.header(http::header::RETRY_AFTER), "600");
    let page = browser.authorize(&[]).await;
    let fields = [
        ("form_token", hidden(&page.text)),
        ("username", "alice@alice.example".to_owned()),
        ("password", PASSWORD.to_owned()),
    ];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(browser.post("/login", &fields).await.status, StatusCode::TOO_MANY_REQUESTS);
}

/// An address that nobody verified, or that the provider is not believed, means nothing: neither
/// does it lead to the account, nor is it anybody's verified address.
#[tokio::test]
async fn f001_9_an_address_that_is_not_believed_means_nothing() {
    let case = Case::new();
    for (name, address, verified) in [
        ("not verified", "alice@alice.example", json!(false)),
        ("nothing said", "alice@alice.example", Value::Null),
        ("another domain", "alice@elsewhere.example", json!(true)),
        ("a domain below", "alice@sub.alice.example", json!(true)),
    ] {
        let browser = Browser::new(&case.world);
        let answer = case
            .arrives(&browser, ("library", name), &[], |token| {
                token["email"] = json!(address);
                if !verified.is_null() {
                    token["email_verified"] = verified;
                }
            })
            .await;
        let tokens = case.tokens(&answer).await;
        for kind in ["access_token", "id_token"] {
            let claims = claims(tokens[kind].as_str().unwrap());
            assert!(!claims.has("email") && !claims.has("email_verified"), "{name} {claims:?}");
            assert_ne!(claims.required_str("sub").unwrap(), "sub-of-alice", "{name}");
        }
    }
    assert!(case.people.imported().iter().all(|it| it.account.email.is_none()));
}

/// O13: somebody who is disabled does not come back as somebody new, nor does anyone take an
/// address that an imported person has.
#[tokio::test]
async fn f001_9_an_address_that_cannot_be_asked_about() {
    let case = Case::new();
    let ada = |token: &mut Value| {
        token["email"] = json!("ada@university.example");
        token["email_verified"] = json!(true);
    };
    let first = Browser::new(&case.world);
    let subject = case.subject(&case.arrives(&first, ("university", "7"), &[], ada).await).await;
    let second = Browser::new(&case.world);
    let page = case.arrives(&second, ("library", "7"), &[], ada).await;
    assert_eq!(page.status, StatusCode::CONFLICT, "{}", page.text);
    assert!(page.text.contains("reached in another way"), "{}", page.text);
    case.people.disable(&subject);
    for (alias, sub) in [("library", "7"), ("university", "7")] {
        let page = case.arrives(&second, (alias, sub), &[], ada).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{alias} {}", page.text);
        assert!(is_nobody(&second).await);
    }
    // An imported person whose address becomes that of an account here is without one.
    let third = Browser::new(&case.world);
    let before = case.subject(&case.arrives(&third, ("library", "9"), &[], |_| {}).await).await;
    let fourth = Browser::new(&case.world);
    let answer = case.arrives(&fourth, ("library", "9"), &[], as_alice).await;
    assert_eq!(case.subject(&answer).await, before);
    let imported = case.people.imported();
    let nine = imported.iter().find(|it| it.account.sub == "9").unwrap();
    assert!(nine.account.email.is_none());
    assert_eq!(imported.len(), 2);
}

/// The account page shows the links and ends them: what came of signing in by one ends with it.
#[tokio::test]
async fn a_link_is_ended_with_what_it_gave() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    link(&case, &browser).await;
    let scope = [("scope", "openid offline_access"), ("prompt", "login")];
    let through = Browser::new(&case.world);
    let now = |token: &mut Value| token["auth_time"] = json!(NOW);
    let answer = case.arrives(&through, ("university", "7"), &scope, now).await;
    let tokens = case.tokens(&answer).await;
    let by_password = case.tokens(&browser.sign_in("alice", &scope).await).await;
    let refresh = async |tokens: &Value| {
        let token = tokens["refresh_token"].as_str().unwrap().to_owned();
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token.as_str()),
            ("client_id", "rqp-client"),
            ("client_secret", SECRET),
        ];
        case.world.token(&fields).await.status.as_u16()
    };
    let user_info = async |tokens: &Value| {
        let token = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        let request = http::Request::get("/userinfo").header("authorization", token);
        case.world.send(request.body(axum::body::Body::empty()).unwrap()).await.status.as_u16()
    };
    assert_eq!((refresh(&tokens).await, user_info(&tokens).await), (200, 200));

    let page = browser.get("/account").await;
    for text in ["How else you sign in", "the &#60;University&#62;", "action=\"/account/unlink\""] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let (_, rest) = page.text.split_once("name=\"link\" value=\"").unwrap();
    let id = rest.split('"').next().unwrap();
    let token = hidden(&page.text);
    let fields = [("form_token", token.as_str()), ("link", id)];
    // O18
    assert_eq!(through.post("/account/unlink", &fields).await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.post("/account/unlink", &fields[1..]).await.status, StatusCode::FORBIDDEN);
    let mallory = Browser::new(&case.world);
    mallory.sign_in("mallory", &[]).await;
    let own = hidden(&mallory.get("/account").await.text);
    let answer = mallory.post("/account/unlink", &[("form_token", &own), ("link", id)]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "not one of hers");
    assert_eq!(refresh(&tokens).await, 200);

    let answer = browser.post("/account/unlink", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert!(!browser.get("/account").await.text.contains("name=\"link\""));
    assert_eq!((refresh(&tokens).await, user_info(&tokens).await), (400, 401));
    assert!(is_sign_in(&through.get("/account").await), "signed out there");
    assert_eq!((refresh(&by_password).await, user_info(&by_password).await), (200, 200));

    // Linked anew, it is another link: what ended stays ended.
    link(&case, &Browser::new(&case.world)).await;
    assert_eq!((refresh(&tokens).await, user_info(&tokens).await), (400, 401));
    assert!(is_sign_in(&through.get("/account").await));
}

/// A password that nobody typed in this session may be forgotten: whoever came by the link that
/// they would end signs in with the password first.
#[tokio::test]
async fn f001_9_the_password_is_tried_first_too() {
    let case = Case::new();
    link(&case, &Browser::new(&case.world)).await;
    let id = case.linked(super::UNIVERSITY, "7").await;
    let through = Browser::new(&case.world);
    case.arrives(&through, ("university", "7"), &[], as_alice).await;
    let account = through.get("/account").await;
    let note = "sign in with your password first";
    assert_eq!(account.text.matches(note).count(), 1, "{}", account.text);
    assert!(links(&account).is_empty(), "{}", account.text);
    // Nor by a form of one's own.
    let fields = [("form_token", &*hidden(&account.text)), ("link", &*id)];
    let answer = through.post("/account/unlink", &fields).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
    assert_eq!(answer.text.matches(note).count(), 2, "{}", answer.text);

    let browser = Browser::new(&case.world);
    browser.sign_in("alice", &[]).await;
    let account = browser.get("/account").await;
    assert_eq!(links(&account), [id.as_str()]);
    assert_eq!(ends(&browser, &account, &id).await, StatusCode::SEE_OTHER);
    assert!(is_sign_in(&through.get("/account").await), "it has ended");
}

/// What somebody allowed for good at a session through a link is forgotten with the link: it may
/// have been whoever had taken over the identity there.
#[tokio::test]
async fn o30_a_consent_ends_with_the_link_through_which_it_was_given() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    link(&case, &browser).await;
    let other = [("client_id", "other")];
    assert!(is_consent(&browser.authorize(&other).await), "not yet allowed");
    let through = Browser::new(&case.world);
    let answer = case.arrives(&through, ("university", "7"), &other, |_| {}).await;
    assert!(answer.location("code").is_some(), "{}", answer.text);
    assert!(through.authorize(&other).await.location("code").is_some(), "allowed");

    // What was allowed by the password does not come to be of the link.
    let own = [("scope", "openid")];
    assert!(through.authorize(&own).await.location("code").is_some());

    let page = browser.get("/account").await;
    assert!(page.text.contains("value=\"other\""), "{}", page.text);
    let (_, rest) = page.text.split_once("name=\"link\" value=\"").unwrap();
    let fields = [("form_token", &*hidden(&page.text)), ("link", rest.split('"').next().unwrap())];
    let answer = browser.post("/account/unlink", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    assert!(is_consent(&browser.authorize(&other).await), "asked anew");
    assert!(!browser.get("/account").await.text.contains("value=\"other\""));
    assert!(browser.authorize(&own).await.location("code").is_some());

    // Linked anew, it is another link.
    link(&case, &Browser::new(&case.world)).await;
    assert!(is_consent(&browser.authorize(&other).await), "asked anew");
}

/// So it is while the provider is not one of the configuration: nobody speaks for its people then.
#[tokio::test]
async fn o30_a_consent_does_not_count_without_the_provider_through_which_it_was_given() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    link(&case, &browser).await;
    let (other, own) = ([("client_id", "other")], [("scope", "openid")]);
    let through = Browser::new(&case.world);
    let answer = case.arrives(&through, ("university", "7"), &other, |_| {}).await;
    assert!(answer.location("code").is_some(), "{}", answer.text);
    let session = browser.cookie("__Host-session").unwrap().to_owned();
    let is_asked = async |case: &Case| {
        let browser = Browser::new(&case.world);
        browser.set_cookie("__Host-session", &session);
        assert!(browser.authorize(&own).await.location("code").is_some(), "by the password");
        let page = browser.authorize(&other).await;
        assert_eq!(is_consent(&page), page.location("code").is_none(), "{}", page.text);
        is_consent(&page)
    };
    assert!(!is_asked(&case).await, "allowed");
    let mut left = both();
    left.retain(|upstream| upstream.alias != "university");
    let case = case.restarted(left);
    assert!(is_asked(&case).await);
}

/// A consent at the page is of the session that it was given in, and adds nothing to what came
/// another way.
#[tokio::test]
async fn o30_consents_of_two_ways_of_signing_in_are_not_one() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    link(&case, &browser).await;
    let through = Browser::new(&case.world);
    let openid = [("client_id", "other"), ("scope", "openid")];
    let answer = case.arrives(&through, ("university", "7"), &openid, |_| {}).await;
    assert!(answer.location("code").is_some(), "{}", answer.text);
    let profile = [("client_id", "other"), ("scope", "profile")];
    let page = browser.authorize(&profile).await;
    assert!(is_consent(&page), "{}", page.text);
    let allowed = browser.submit(&page, &[("decision", "allow")]).await;
    assert!(allowed.location("code").is_some(), "{}", allowed.text);
    assert!(browser.authorize(&profile).await.location("code").is_some());
    assert!(is_consent(&browser.authorize(&openid).await), "it was allowed through the link");
}

/// The last way in to an account of the operator's stays where passwords are not offered any more:
/// it is not its person's to close.
#[tokio::test]
async fn the_last_way_in_is_not_ended() {
    let case = Case::new();
    let people = People::new([user("alice", true)]);
    let engine = std::sync::Arc::clone(&case.engine);
    let provider = std::sync::Arc::clone(&case.provider);
    let case =
        Case::of(people, engine, provider, both(), |upstreams| upstreams.without_passwords());
    let browser = Browser::new(&case.world);
    link(&case, &browser).await;
    let page = browser.get("/account").await;
    assert!(page.text.contains("You could not sign in without it"), "{}", page.text);
    assert!(!page.text.contains("name=\"link\""), "{}", page.text);
    // Nor by a form of one's own.
    let id = case.linked(super::UNIVERSITY, "7").await;
    let fields = [("form_token", &*hidden(&page.text)), ("link", &*id), ("decision", "close")];
    let answer = browser.post("/account/unlink", &fields).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
    assert_eq!(case.linked(super::UNIVERSITY, "7").await, id);
}

/// Nor are two at once, each of which would leave the other.
#[tokio::test]
async fn the_last_two_ways_in_are_not_ended_at_once() {
    let directory = Directory::new();
    let (people, provider) = (People::new([user("alice", true)]), Provider::new().into());
    let without = |upstreams: Upstreams| upstreams.without_passwords();
    let case = Case::of(people, directory.open(), provider, both(), without);
    let browser = Browser::new(&case.world);
    link(&case, &browser).await;
    let anew = [("prompt", "login")];
    let page = case
        .arrives(&browser, ("library", "8"), &anew, |token| {
            as_alice(token);
            token["auth_time"] = json!(NOW);
        })
        .await;
    let page = browser.submit(&page, &[("password", PASSWORD)]).await;
    browser.submit(&page, &[("decision", "link")]).await;
    let one = case.linked(super::UNIVERSITY, "7").await;
    let other = case.linked(super::LIBRARY, "8").await;
    // Either from a session that came by the other.
    let first = Browser::new(&case.world);
    case.arrives(&first, ("university", "7"), &[], as_alice).await;
    let unlink = async |browser: &Browser<'_>, id: &str| {
        let token = hidden(&browser.get("/account").await.text);
        let fields = [("form_token", token.as_str()), ("link", id)];
        browser.post("/account/unlink", &fields).await.status.as_u16()
    };
    let (one, other) = tokio::join!(unlink(&browser, &one), unlink(&first, &other));
    assert_eq!(one.min(other), 303);
    assert_eq!(one.max(other), 403, "one stays");
    let page = browser.get("/account").await;
    assert!(page.text.contains("You could not sign in without it"), "{}", page.text);
}
