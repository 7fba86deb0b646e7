//! The demo in one process, as it is drawn and with one thing changed.

use super::*;
use crate::demo::told::{differences, differs, replace, told};

#[tokio::test(flavor = "multi_thread")]
async fn the_flow_is_as_drawn() {
    let story = told::<World>(|_| {}).await;
    assert_eq!(differences(&story), [""; 0]);
    assert!(story.as_drawn());
    let arrows: Vec<_> = story.steps.iter().filter_map(|step| step.number).collect();
    assert_eq!(arrows, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let [registers, signs_in, ..] = story.steps.as_slice() else { panic!("two steps before it") };
    assert!(
        registers.words.starts_with("registers") && signs_in.words.starts_with("Alice signs in")
    );
    assert!(registers.messages.iter().any(|message| message.url == format!("{UMA}/resources")));
    assert!(signs_in.messages.iter().all(|message| message.url.starts_with(STS)), "{signs_in:#?}");
    let messages: Vec<_> = story.steps.iter().flat_map(|step| &step.messages).collect();
    for needle in [
        "https://alice.example/.well-known/webfinger?",
        "https://sts.alice.example/.well-known/openid-configuration",
        "https://uma.bob.example/.well-known/uma2-configuration",
        "https://rs.bob.example/.well-known/oauth-protected-resource",
        "https://rs.bob.example/rs-api",
    ] {
        assert!(messages.iter().any(|message| message.url.starts_with(needle)), "{messages:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_does_not_know_alice_differs_and_comes_to_its_end() {
    let story = told::<World>(|folder| {
        replace(
            folder,
            files::UMA,
            "emails = [\"alice@alice.example\"]",
            "emails = [\"eve@alice.example\"]",
        );
    })
    .await;
    differs(&story, "a check did not pass: the owner's policy permits it");
    differs(&story, "an RPT was to come");
    differs(&story, "arrow 7 was to come");
    assert_eq!(story.refusals.len(), 3);
    assert!(story.data.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn other_data_differs() {
    let story = told::<World>(|folder| replace(folder, files::RS, "[3, 1, 4]", "[2, 7, 1]")).await;
    assert_eq!(differences(&story), ["it is not what is configured at the resource server"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_issues_no_claims_token_differs() {
    let story = told::<World>(|folder| {
        let audiences = "claims_token_audiences = [\"*\"]";
        replace(
            folder,
            files::STS,
            audiences,
            "claims_token_audiences = [\"https://other.example\"]",
        );
    })
    .await;
    differs(&story, "a check did not pass: the client may obtain tokens for the audience");
    differs(&story, "arrow 5 was to come");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_signed_in_differs() {
    let story = told::<World>(|folder| {
        replace(folder, files::STS, "username = \"alice\"", "username = \"a\"")
    })
    .await;
    assert_eq!(differences(&story), ["Alice was to be signed in"]);
    assert!(!story.as_drawn());
}

#[test]
fn only_what_is_configured_is_the_data() {
    assert!(data(files::data().to_string().as_bytes()).differs.is_empty());
    for other in ["", "{}", "{\"message\":\"Hello Alice, this is Bob's data.\"}"] {
        assert!(!data(other.as_bytes()).differs.is_empty(), "{other}");
    }
}
