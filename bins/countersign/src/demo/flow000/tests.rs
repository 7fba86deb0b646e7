//! The demo in one process, as it is drawn and with one thing changed.

use super::*;
use crate::demo::told::{differences, differs, replace, told};

#[tokio::test(flavor = "multi_thread")]
async fn f000_1_the_flow_is_as_drawn() {
    let story = told::<World>(|_| {}).await;
    assert_eq!(differences(&story), [""; 0]);
    assert!(story.as_drawn());
    let arrows: Vec<_> = story.steps.iter().filter_map(|step| step.number).collect();
    assert_eq!(arrows, (1..=LAST).collect::<Vec<_>>());
    let with_messages = |number: u8, needle: &str| {
        let mut steps = story.steps.iter().filter(|step| step.number == Some(number));
        steps.any(|step| step.messages.iter().any(|message| message.url.contains(needle)))
    };
    for (number, needle) in
        [(3, "/authorize"), (8, "/jwks"), (11, "/userinfo"), (15, "/api/v1/pbench-token")]
    {
        assert!(with_messages(number, needle), "{number}: {needle}");
    }
    let asked = story.steps.iter().find(|step| step.number == Some(3)).unwrap();
    let asked = asked.messages.last().unwrap();
    let (method, url) = (asked.method.as_str(), asked.url.as_str());
    assert_eq!((method, url), ("POST", "https://idp.university.example/authorize"));
    let given = story.steps.iter().find(|step| step.number == Some(6)).unwrap();
    let said = |name: &str| given.details.iter().any(|it| it.name == name && !it.value.is_empty());
    assert!(said("refresh_token") && said("refresh_expires_in"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_not_trusted_differs_and_comes_to_its_end() {
    let story = told::<World>(|folder| {
        let (old, new) =
            ("audiences = [\"https://results.example\"]\nrefresh", "clients = [\"x\"]\n#");
        replace(folder, files::STS, old, new);
    })
    .await;
    differs(&story, "arrow 14 was to come");
    assert_eq!(story.refusals.len(), 3);
    assert!(!story.as_drawn());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_without_the_role_differs() {
    let story =
        told::<World>(|folder| replace(folder, files::IDP, "groups = [\"staff\"]", "groups = []"))
            .await;
    differs(&story, "403 Forbidden");
    differs(&story, "it is not what the server has for Alice");
}
