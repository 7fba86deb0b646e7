//! The demo in one process, as it is drawn and with one thing changed.

use std::ops::ControlFlow;

use super::*;
use crate::demo::story::Story;
use crate::demo::told::{InFolder as _, differences, differs, replace, told};

#[tokio::test(flavor = "multi_thread")]
async fn both_branches_are_as_drawn() {
    let story = told::<World>(|_| {}).await;
    assert_eq!(differences(&story), [""; 0]);
    assert!(story.as_drawn());
    let arrows: Vec<_> = story.steps.iter().filter_map(|step| step.number).collect();
    let loop_of_the_drawing = [1, 2, 3, 4, 5, 6, 7, 5, 6, 7, 8, 9, 10];
    let branch_b = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    assert_eq!(arrows, [&loop_of_the_drawing[..], &branch_b].concat());
    // What Bob says of Alice comes in its order: he lets her in, takes it back, and shares before
    // her agent.
    let place = |words: &str| {
        let told = story.steps.iter().position(|step| step.words.starts_with(words));
        told.unwrap_or_else(|| panic!("{words}"))
    };
    let order = [
        "registers what it protects",
        "403 request_denied: carol@bob.example",
        "request_submitted",
        "pushes a signed notice",
        "approves",
        "201",
        "reads it",
        "takes back",
        "403 request_denied: Alice is out",
        "keeps Alice out no more",
        "shares beforehand",
        "Get claims_token (access_token, Alice's email_address",
    ];
    assert!(order.map(place).is_sorted(), "{:?}", order.map(place));
    let messages: Vec<_> = story.steps.iter().flat_map(|step| &step.messages).collect();
    for needle in [
        "https://sts.alice.example/token",
        "https://sts.alice.example/scim/v2/Users?filter=",
        "https://alice.example/claims",
        "https://alice.example/.well-known/claims-provider-configuration",
        "https://uma.bob.example/console/people/",
        "https://rs.bob.example/incoming",
    ] {
        assert!(messages.iter().any(|message| message.url.starts_with(needle)), "{messages:#?}");
    }
    assert_eq!(story.refusals.len(), 3);
    assert_eq!(story.refusals[0].answer, story.refusals[1].answer, "no oracle");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_for_somebody_else_differs() {
    let story = told::<World>(|folder| {
        let audience = "requesting_party = true\naudience = \"https://hooks.eve.example\"";
        replace(folder, files::UMA, "requesting_party = true", audience);
    })
    .await;
    differs(&story, "the notice cannot be verified: the token is for another audience");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claims_provider_that_may_not_ask_differs() {
    let story = told::<World>(|folder| {
        replace(folder, files::AUTHN, "scopes = [\"query-users\"]", "scopes = [\"other\"]");
        replace(
            folder,
            files::CLAIMS,
            "verified_addresses = true",
            "verified_addresses = true\nscope = [\"other\"]",
        );
    })
    .await;
    differs(&story, "arrow 6 was to come");
    assert!(story.data.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_nobody_listed_differs() {
    let story = told::<World>(|folder| {
        let people = "people = { addresses = [\"alice@alice.example\"] }";
        replace(folder, files::CLAIMS, people, "people = { addresses = [\"eve@alice.example\"] }");
    })
    .await;
    differs(&story, "arrow 6 was to come");
    assert!(story.data.is_some(), "branch A is as drawn");
}

/// The demo with Bob at the keyboard, who looks at what waits, takes his time, so that the client
/// asks more than once, and says this.
async fn live(verdict: &str) -> Story {
    let grounds = Live::prepare().unwrap();
    replace(grounds.folder(), files::UMA, "[store]", "[lifetimes]\npoll_interval = 1\n\n[store]");
    let teller = Arc::new(Teller::new(<Live as Flow>::NUMBER, None));
    let mut live = Live::start(grounds, Arc::clone(&teller)).unwrap();
    let (fetch, uma) = (live.0.servers.fetch(), live.0.places.uma.url.clone());
    let password = Password::new(live.0.secrets.bobs_password.as_str());
    let credentials = Credentials { username: "bob".to_owned(), password };
    let bob = async {
        let mut browser = Browser::sign_in(fetch, &uma, &credentials).await.unwrap();
        let page = until(async || match browser.who_waits().await.unwrap() {
            Some(page) => ControlFlow::Break(page),
            None => ControlFlow::Continue(()),
        })
        .await;
        drop(teller.take_messages());
        // Asked twice more, and told to wait.
        let polled = (format!("{uma}/token"), 403);
        let mut polls = 0;
        until(async || {
            let heard = teller.take_messages().into_iter().map(|it| (it.url, it.status));
            polls += heard.filter(|message| *message == polled).count();
            if polls < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .await;
        browser.say(&page, "decide-1", verdict).await.unwrap();
    };
    let (told, ()) = tokio::join!(live.tell(), bob);
    told.unwrap();
    live.into_servers().stop().await;
    teller.story().unwrap()
}

/// However long he takes, this is no difference, and what he decides counts.
#[tokio::test(flavor = "multi_thread")]
async fn who_sits_at_the_keyboard_may_take_their_time() {
    let story = live("approve").await;
    assert_eq!(differences(&story), [""; 0]);
    assert!(story.as_drawn());
    let asked = story.steps.iter().filter(|step| step.words.starts_with("Ask how it stands"));
    assert_eq!(asked.count(), 1, "it is told once");
}

/// A no is none, either; there is no letter then, and the agent gets in by what is shared
/// afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn who_sits_at_the_keyboard_may_say_no() {
    let story = live("deny").await;
    assert_eq!(differences(&story), [""; 0]);
    assert!(story.data.is_none() && !story.as_drawn());
    let words: Vec<_> = story.steps.iter().map(|step| step.words.as_str()).collect();
    let place = |text: &str| words.iter().position(|words| words.starts_with(text));
    let said = place("request_denied: Bob said no").unwrap();
    assert!(said < place("shares beforehand").unwrap(), "{words:#?}");
    assert!(words.last().unwrap().starts_with("201"), "{words:#?}");
}

/// What comes of trying until it is done; a minute at most.
async fn until<T>(mut attempt: impl AsyncFnMut() -> ControlFlow<T>) -> T {
    for _ in 0..1200 {
        if let ControlFlow::Break(done) = attempt().await {
            return done;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("it does not come to its end");
}
