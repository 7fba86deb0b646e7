//! The demo in one process, as it is drawn and with one thing changed.

use super::*;
use crate::demo::told::{differences, differs, replace, told};

#[tokio::test(flavor = "multi_thread")]
async fn f004_1_the_flow_is_as_drawn_in_both_forms() {
    let story = told::<World>(|_| {}).await;
    assert_eq!(differences(&story), [""; 0]);
    assert!(story.as_drawn());
    let arrows: Vec<_> = story.steps.iter().filter_map(|step| step.number).collect();
    let once: Vec<_> = (1..=10).collect();
    assert_eq!(arrows, [once.clone(), once].concat());
    let last: Vec<_> = story.steps.iter().filter(|step| step.number == Some(10)).collect();
    assert!(last[0].words.ends_with("200 OK") && last[1].words.ends_with("201 Created"));
    assert_eq!(story.refusals.len(), 3);
    let stopped = story.refusals[2].stopped_by.as_str();
    assert!(stopped.contains("no rule permits https://news.example/client"), "{stopped}");
    let messages: Vec<_> = story.steps.iter().flat_map(|step| &step.messages).collect();
    for needle in [
        "https://alice.example/.well-known/webfinger?",
        "https://sts.alice.example/.well-known/openid-configuration",
        "https://sts.alice.example/jwks",
        "https://mail.example/client",
        "https://rp.bob.example/.well-known/oauth-protected-resource",
        LETTERS,
    ] {
        assert!(messages.iter().any(|message| message.url.starts_with(needle)), "{messages:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegation_policy_without_the_client_differs_and_comes_to_its_end() {
    let story = told::<World>(|folder| {
        let client = "principal == Client::\"https://mail.example/client\"";
        let other = "principal == Client::\"https://news.example/client\"";
        replace(folder, files::DELEGATION, client, other);
    })
    .await;
    differs(&story, "a check did not pass: the delegation policy permits who acts");
    differs(&story, "arrow 5 was to come");
    assert_eq!(story.refusals.len(), 3);
    assert!(story.data.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn party_7_a_relying_party_whose_policy_refuses_differs() {
    let story = told::<World>(|folder| {
        replace(folder, files::ACCESS, "action == Action::\"write\"", "action == Action::\"read\"");
    })
    .await;
    differs(&story, "a check did not pass: the RP's policy permits write");
    differs(&story, "201 Created was to come");
    assert_eq!(story.differences(), 2, "{:?}", differences(&story));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_takes_one_form_only_differs() {
    let story = told::<World>(|folder| {
        let rule = "id = \"https://mail.example/client\"\ngrants = [\"authorization_code\", \
                    \"token_exchange\"]\nscopes = [\"openid\", \"email\"]\n\n[url_clients.exchange]";
        let issuer_only = format!("{rule}\nactor_audience = \"issuer\"");
        replace(folder, files::STS, rule, &issuer_only);
    })
    .await;
    differs(&story, "a check did not pass: who acts may act");
    // The strict form goes through.
    assert!(story.steps.iter().any(|step| step.words.ends_with("201 Created")));
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
fn only_what_the_relying_party_has_is_the_data() {
    assert!(data(Value::from(files::letters()).to_string().as_bytes()).differs.is_empty());
    for other in ["", "[]", "{}"] {
        assert!(!data(other.as_bytes()).differs.is_empty(), "{other}");
    }
}
