//! Bob signs out of his console, and thereby at his provider: OpenID Connect RP-Initiated Logout.

use countersign_testkit::names;

use super::bob::{Bob, CONSOLE};
use super::scene::Scene;
use crate::browser::{attribute, param};

#[tokio::test]
async fn bob_signs_out_at_his_provider_too() {
    let scene = Scene::start(&[]).await;
    let bob = Bob::signs_in(&scene.bed).await;
    let (browser, begin) = (&bob.browser, format!("{CONSOLE}/sign-in"));
    // As long as he is signed in there, nobody is asked for a password.
    let leaves = browser.get(&begin).await.location();
    assert!(browser.get(&leaves).await.location().starts_with(CONSOLE));

    let page = bob.page(CONSOLE).await;
    let fields = page.fields("sign-out");
    let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    let reply = browser.post(&format!("{CONSOLE}/sign-out"), &fields).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let text = reply.text();
    let (_, link) = text.split_once("id=\"continue\"").expect("a link");
    let url = attribute(link, "href");
    assert!(url.starts_with(&format!("{}/logout?", names::BOBS_PROVIDER)), "{url}");
    // The provider takes the ID token for what it is, and asks nobody.
    let back = browser.get(&url).await.location();
    assert!(back.starts_with(&format!("{CONSOLE}/signed-out?")), "{back}");
    assert_eq!(param(&back, "state"), param(&url, "state"));
    let done = browser.get(&back).await;
    assert!(done.text().contains("sent you back"), "{}", done.text());

    let leaves = browser.get(&begin).await.location();
    let asks = browser.get(&leaves).await;
    assert_eq!(asks.status, 200, "{}", asks.text());
    assert!(asks.text().contains("name=\"password\""), "{}", asks.text());
}
