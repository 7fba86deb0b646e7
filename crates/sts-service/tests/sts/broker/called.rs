//! What pages call somebody who came through another provider: as people do, and by whose word.

use http::Request;
use http::header::ACCEPT_LANGUAGE;
use serde_json::{Value, json};

use super::Case;
use crate::browser::{Browser, is_consent};
use crate::support::*;

const FROM: &str = "(by the &#60;University&#62;)";

/// What a provider says of somebody.
type Says = fn(&mut Value);

/// Every page that calls whoever is signed in by a name.
async fn pages(browser: &Browser<'_>) -> Vec<(&'static str, Answer)> {
    let account = browser.get("/account").await;
    let consent = browser.authorize(&[("prompt", "consent")]).await;
    assert!(is_consent(&consent), "{}", consent.text);
    let sign_out = browser.get("/logout").await;
    vec![("account", account), ("consent", consent), ("sign out", sign_out)]
}

/// The page that asks whether the account may go with its last link.
async fn closing(browser: &Browser<'_>, account: &Answer) -> Answer {
    let [link] = &super::further::links(account)[..] else { unreachable!("{}", account.text) };
    let fields = [("form_token", hidden(&account.text)), ("link", link.clone())];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    browser.post("/account/unlink", &fields).await
}

#[tokio::test]
async fn an_imported_person_is_called_as_people_are() {
    let named = |token: &mut Value| {
        token["name"] = json!("Ada Lovelace");
        token["preferred_username"] = json!("ada");
        token["email"] = json!("ada@university.example");
        token["email_verified"] = json!(true);
    };
    let address = |token: &mut Value| {
        token["email"] = json!("ada@university.example");
        token["email_verified"] = json!(true);
    };
    let nothing = |_: &mut Value| {};
    let rows: [(&str, Says); 3] =
        [("Ada Lovelace", named), ("ada@university.example", address), ("7", nothing)];
    for (name, claims) in rows {
        let case = Case::new();
        let browser = Browser::new(&case.world);
        case.arrives(&browser, ("university", "7"), &[], claims).await;
        let mut all = pages(&browser).await;
        all.push(("close", closing(&browser, &all[0].1).await));
        for (page, answer) in &all {
            let called = format!("<strong>{name} {FROM}</strong>");
            assert!(answer.text.contains(&called), "{page}: {}", answer.text);
            assert!(!answer.text.contains("university:"), "{page}: {}", answer.text);
        }
        let german = Request::get("/account").header(ACCEPT_LANGUAGE, "de");
        let german = browser.send(german, String::new()).await.text;
        assert!(german.contains(&format!("{name} (von „the &#60;University&#62;“)")), "{german}");
    }
}

/// Somebody of this server is called by their user name, linked or not.
#[tokio::test]
async fn somebody_of_this_server_is_called_by_their_user_name() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    browser.sign_in("alice", &[]).await;
    super::further::links_further(&case, &browser, "university", "7").await;
    for (page, answer) in pages(&browser).await {
        assert!(answer.text.contains("<strong>alice</strong>"), "{page}: {}", answer.text);
    }
}
