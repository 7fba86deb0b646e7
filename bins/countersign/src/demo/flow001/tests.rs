//! The demo in one process, as it is drawn and with one thing changed.

use super::*;
use crate::demo::told::{differences, differs, replace, told};

#[tokio::test(flavor = "multi_thread")]
async fn f001_1_the_flow_is_as_drawn() {
    let story = told::<World>(|_| {}).await;
    assert_eq!(differences(&story), [""; 0]);
    assert!(story.as_drawn());
    let given = story.steps.iter().find(|step| step.number == Some(8)).unwrap();
    let said = |name: &str| given.details.iter().any(|it| it.name == name && !it.value.is_empty());
    assert!(said("refresh_expires_in") && said("session_state"));
    let arrows: Vec<_> = story.steps.iter().filter_map(|step| step.number).collect();
    assert_eq!(arrows, (1..=LAST).collect::<Vec<_>>());
    let urls = |number: u8| {
        let of = story.steps.iter().filter(move |step| step.number == Some(number));
        of.flat_map(|step| &step.messages).map(|message| message.url.as_str()).collect::<Vec<_>>()
    };
    let has = |number: u8, needle: &str| urls(number).iter().any(|url| url.starts_with(needle));
    assert!(has(3, &format!("{BROKER}/authorize?")), "{:?}", urls(3));
    assert!(has(4, &format!("{IDP}/authorize?")), "{:?}", urls(4));
    assert!(has(7, &format!("{BROKER}/token")), "{:?}", urls(7));
    assert!(!urls(9).iter().chain(&urls(10)).any(|url| url.starts_with(IDP)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_another_than_the_broker_knows_differs() {
    let story = told::<World>(|folder| {
        replace(
            folder,
            files::BROKER,
            &format!("issuer = \"{IDP}\""),
            "issuer = \"https://idp.example\"",
        );
    })
    .await;
    differs(&story, "arrow 3 was to come");
    assert_eq!(story.refusals.len(), 3);
    assert!(story.data.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_without_the_role_differs() {
    let change = |folder: &Path| {
        replace(folder, files::BROKER, "[\"curator\", \"reader\"]", "[\"reader\"]");
    };
    differs(&told::<World>(change).await, "403 Forbidden");
}
