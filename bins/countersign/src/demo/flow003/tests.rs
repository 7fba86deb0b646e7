//! The demo in one process, as it is drawn and with one thing changed.

use super::*;
use crate::demo::told::{differences, differs, replace, told};

#[tokio::test(flavor = "multi_thread")]
async fn both_branches_are_as_drawn() {
    let story = told::<World>(|_| {}).await;
    assert_eq!(differences(&story), [""; 0]);
    assert!(story.as_drawn());
    let arrows: Vec<_> = story.steps.iter().filter_map(|step| step.number).collect();
    let loop_of_the_drawing = [1, 2, 3, 4, 5, 6, 7, 5, 6, 7, 8, 9, 10];
    let branch_b = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    assert_eq!(arrows, [&loop_of_the_drawing[..], &branch_b].concat());
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
