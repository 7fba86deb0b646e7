//! O13: a client that is refused while somebody signs in for it through a provider.

use http::StatusCode;

use super::linking::as_alice;
use super::provider::Provider;
use super::{Case, is_nobody};
use crate::browser::Browser;
use crate::disabled::led_nowhere;
use crate::support::*;

#[tokio::test]
async fn o13_no_door_is_open_by_way_of_a_provider() {
    let case = Case::new();
    let world = &case.world;
    let browser = || Browser::new(world);
    let (choosing, away, meant, linking, confirming) =
        (browser(), browser(), browser(), browser(), browser());
    let sign_in = choosing.authorize(&[]).await;
    let request = case.chosen(&away, "library", &[]).await;
    let returning = case.provider.lets_in(&request, Provider::claims(&request, "7"));
    let ada = case.arrives(&browser(), ("library", "8"), &[], |_| {}).await;
    let hint = case.tokens(&ada).await["id_token"].as_str().unwrap().to_owned();
    let request = case.chosen(&meant, "library", &[("id_token_hint", &hint)]).await;
    let another = case.provider.lets_in(&request, Provider::claims(&request, "9"));
    let ask = case.arrives(&linking, ("university", "7"), &[], as_alice).await;
    let page = case.arrives(&confirming, ("university", "7"), &[], as_alice).await;
    let confirm = confirming.submit(&page, &[("password", PASSWORD)]).await;
    assert!(confirm.text.contains("Do the two belong together?"), "{}", confirm.text);
    case.provider.count("");

    world.refuse("rqp-client", true);
    for fields in [("upstream", "library"), ("upstream", "nobody"), ("decision", "deny")] {
        led_nowhere("choose", &choosing.submit(&sign_in, &[fields]).await);
    }
    for fields in [("password", PASSWORD), ("password", "wrong"), ("decision", "deny")] {
        led_nowhere("link", &linking.submit(&ask, &[fields]).await);
    }
    for decision in ["link", "deny"] {
        led_nowhere("confirm", &confirming.submit(&confirm, &[("decision", decision)]).await);
    }
    for (at, query) in [(&away, returning), (&meant, another)] {
        let path = format!("/login/callback/library?{query}");
        led_nowhere("callback", &at.get(&path).await);
        assert_eq!(at.get(&path).await.status, StatusCode::FORBIDDEN, "and it is used up");
    }
    assert_eq!(case.provider.count("/token"), 0, "nobody is asked for it either");
    for at in [&choosing, &away, &meant, &linking, &confirming] {
        assert!(is_nobody(at).await);
    }
    assert_eq!(case.people.imported().len(), 1, "nobody came");
    world.refuse("rqp-client", false);
    let page = case.arrives(&linking, ("university", "7"), &[], as_alice).await;
    assert!(page.text.contains("You have an account here already"), "nothing was linked");
}

/// The client goes while the provider is asked, which takes a while.
#[tokio::test]
async fn o13_a_client_that_goes_meanwhile_gets_nothing() {
    let case = Case::new();
    let ada = case.arrives(&Browser::new(&case.world), ("library", "8"), &[], |_| {}).await;
    let hint = case.tokens(&ada).await["id_token"].as_str().unwrap().to_owned();
    for (sub, hint) in [("7", ""), ("9", hint.as_str())] {
        let browser = Browser::new(&case.world);
        let request = case.chosen(&browser, "library", &[("id_token_hint", hint)]).await;
        let query = case.provider.lets_in(&request, Provider::claims(&request, sub));
        case.provider.count("");
        let path = format!("/login/callback/library?{query}");
        let goes = async { case.world.refuse("rqp-client", true) };
        let (answer, ()) = tokio::join!(browser.get(&path), goes);
        assert_eq!(case.provider.count("/token"), 1, "{sub}");
        led_nowhere(sub, &answer);
        assert!(is_nobody(&browser).await, "{sub}");
        case.world.refuse("rqp-client", false);
    }
}
