//! The broker's pages are as much in a language as the others (`crate::languages`).

use serde_json::{Value, json};

use super::linking::as_alice;
use super::provider::{Provider, Trouble, answer};
use super::{Case, on_the_way};
use crate::browser::Browser;
use crate::languages::wholly_translated;
use crate::support::*;

type Pages = Vec<(&'static str, Answer)>;

/// The pages on which somebody signs in through a provider, or does not.
async fn signing_in(case: &Case, wish: (&'static str, &'static str)) -> Pages {
    let browser = Browser::new(&case.world);
    let chooser = browser.authorize(&[wish]).await;
    let nothing = browser.submit(&chooser, &[]).await;
    let on = browser.navigating().submit(&chooser, &[("upstream", "university")]).await;
    let password = case.arrives(&browser, ("university", "7"), &[wish], as_alice).await;
    let wrong = browser.submit(&password, &[("password", "wrong")]).await;
    let yes = browser.submit(&password, &[("password", PASSWORD)]).await;
    let mut pages = vec![
        ("chooser", chooser),
        ("nothing chosen", nothing),
        ("on the way", on),
        ("the account's password", password),
        ("wrong", wrong),
        ("do they belong together", yes),
    ];
    for (name, error) in [("declined", "access_denied"), ("refused", "server_error")] {
        let request = case.chosen(&browser, "university", &[wish]).await;
        let query = answer(&request, &[("error", error)]);
        pages.push((name, browser.get(&format!("/login/callback/university?{query}")).await));
    }
    let lies = |token: &mut Value| token["nonce"] = json!("another");
    let stranger = |token: &mut Value| token["member"] = json!(false);
    let who = ("university", "8");
    pages.push(("a lie", case.arrives(&browser, who, &[wish], lies).await));
    pages.push(("not let in", case.arrives(&browser, who, &[wish], stranger).await));
    pages
        .push(("not again", case.arrives(&browser, who, &[wish, ("max_age", "60")], |_| {}).await));
    case.provider.fails("/token", Trouble::Silent);
    pages.push(("down", case.arrives(&browser, who, &[wish], |_| {}).await));
    case.provider.recovers();
    let ada = |token: &mut Value| {
        token["email"] = json!("ada@university.example");
        token["email_verified"] = json!(true);
    };
    let first = Browser::new(&case.world);
    let subject = case.subject(&case.arrives(&first, ("library", "9"), &[], ada).await).await;
    pages.push(("taken", case.arrives(&browser, who, &[wish], ada).await));
    case.people.disable(&subject);
    pages.push(("disabled", case.arrives(&browser, ("library", "9"), &[wish], ada).await));
    let nobody = format!("/login/callback/university?state=x&code=y&{}", encoded(&[wish]));
    pages.push(("nobody began", browser.get(&nobody).await));
    let unknown = format!("/login/callback/nobody?{}", encoded(&[wish]));
    pages.push(("an unknown provider", browser.get(&unknown).await));
    pages
}

/// The pages on which somebody who is signed in links and ends links.
async fn linking(case: &Case, wish: (&'static str, &'static str)) -> Pages {
    let locales = encoded(&[wish]);
    let at = |path: &str| format!("{path}?{locales}");
    let browser = Browser::new(&case.world);
    case.arrives(&browser, ("university", "20"), &[], |_| {}).await;
    let last = browser.get(&at("/account")).await;
    let post = async |path: &str, page: &Answer, fields: &[(&str, &str)]| {
        let token = hidden(&page.text);
        browser.post(&at(path), &[&[("form_token", token.as_str())], fields].concat()).await
    };
    let origin = case.linked("https://idp.university.example", "20").await;
    let stays = post("/account/unlink", &last, &[("link", &origin)]).await;
    let chosen = async |alias: &str, sub: &str| {
        let request = on_the_way(&post("/account/link", &last, &[("upstream", alias)]).await);
        let mut token = Provider::claims(&request, sub);
        token["member"] = json!(true);
        let query = case.provider.lets_in(&request, token);
        browser.get(&format!("/login/callback/{alias}?{query}&{locales}")).await
    };
    let stranger = Browser::new(&case.world);
    case.arrives(&stranger, ("library", "30"), &[], |_| {}).await;
    let taken = chosen("library", "30").await;
    let token = hidden(&last.text);
    let fields = [("form_token", token.as_str()), ("upstream", "library")];
    let on = browser.navigating().post(&at("/account/link"), &fields).await;
    let yes = chosen("library", "31").await;
    post("/account/link/confirm", &yes, &[("decision", "link")]).await;
    let both = browser.get(&at("/account")).await;
    let late = post("/account/link/confirm", &yes, &[("decision", "link")]).await;
    case.world.clock.advance(599);
    let again = browser.get("/account").await;
    case.world.clock.advance(1);
    let first = post("/account/link", &again, &[("upstream", "library")]).await;
    let close = [("link", origin.as_str()), ("decision", "close")];
    let first_to_close = post("/account/unlink", &again, &close).await;
    let leaving = Browser::new(&case.world);
    case.arrives(&leaving, ("university", "60"), &[], |token| {
        token["exp"] = json!(NOW + 1200);
    })
    .await;
    let own = case.linked("https://idp.university.example", "60").await;
    let token = hidden(&leaving.get("/account").await.text);
    let close = [("form_token", token.as_str()), ("link", own.as_str()), ("decision", "close")];
    let closed = leaving.post(&at("/account/unlink"), &close).await;
    vec![
        ("the last way in", last),
        ("another's", taken),
        ("on the way to a further one", on),
        ("link a further one", yes),
        ("two ways in", both),
        ("the account goes with it", stays),
        ("first sign in to close", first_to_close),
        ("closed", closed),
        ("answered before", late),
        ("sign in first", first),
    ]
}

/// The page that leads back to the client.
async fn back(case: &Case, wish: (&'static str, &'static str)) -> Pages {
    let browser = Browser::new(&case.world);
    let request = case.chosen(&browser, "university", &[wish]).await;
    let mut token = Provider::claims(&request, "40");
    token["member"] = json!(true);
    let query = case.provider.lets_in(&request, token);
    let path = format!("/login/callback/university?{query}&{}", encoded(&[wish]));
    vec![("back", browser.navigating().get(&path).await)]
}

async fn pages(language: &'static str) -> Pages {
    let wish = ("ui_locales", language);
    let mut pages = signing_in(&Case::new(), wish).await;
    pages.extend(linking(&Case::new(), wish).await);
    pages.extend(back(&Case::new(), wish).await);
    pages
}

#[tokio::test]
async fn a_page_of_the_broker_in_german_is_wholly_german() {
    let names = [
        "alice.example",
        "the &#60;University&#62;",
        "the Library",
        "alice@alice.example",
        "20",
        "31",
    ];
    wholly_translated(&pages("en").await, &pages("de").await, &names);
}
