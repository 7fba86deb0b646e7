//! Nobody is asked while they wait: Bob shares beforehand, by each template, and the administrator
//! of his server has rules in Cedar.

use countersign_testkit::{Party, names};

use super::bob::Bob;
use super::scene::{ASKING, Branch, LETTING, READING, Scene};

/// What comes of a branch's whole way, in a word.
async fn ends(scene: &Scene, branch: Branch) -> String {
    let ticket = scene.ticket().await;
    let claims_token = scene.claims_of(branch, &ticket).await;
    let reply = scene.redeem(&ticket, Some(&claims_token), &[]).await;
    match reply.status {
        200 => {
            scene.posted(&reply.member("access_token"), "Hello Bob").await;
            "in".to_owned()
        }
        _ => reply.error(),
    }
}

async fn both_end(scene: &Scene) -> [String; 2] {
    [ends(scene, Branch::Present).await, ends(scene, Branch::Agent).await]
}

/// A share, and what both branches come to.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], [&'a str; 2]);

/// Each template, and what it comes to for Alice who is there and for her agent.
#[tokio::test]
async fn each_template_says_who_gets_in() {
    let denied = "request_denied";
    let asked = "request_submitted";
    let group = [("who", "group"), ("with", "alice.example"), ("claim", "department")];
    let rows: [Row<'_>; 9] = [
        ("a person", &[("who", "person"), ("with", names::ALICE)], ["in", "in"]),
        ("another person", &[("who", "person"), ("with", names::CAROL)], [denied, denied]),
        ("a domain", &[("who", "domain"), ("with", "alice.example")], ["in", "in"]),
        ("another domain", &[("who", "domain"), ("with", "bob.example")], [denied, denied]),
        ("a group", &[group[0], group[1], group[2], ("value", "research")], ["in", "in"]),
        ("another group", &[group[0], group[1], group[2], ("value", "sales")], [denied, denied]),
        (
            "who is there",
            &[("who", "person"), ("with", names::ALICE), ("present", "true")],
            ["in", denied],
        ),
        (
            "ask me first",
            &[("who", "domain"), ("with", "alice.example"), ("effect", "ask")],
            [asked, asked],
        ),
        ("anyone until a day", &[("who", "anyone"), ("until", "2027-01-31")], ["in", "in"]),
    ];
    let scene = Scene::start(&[READING]).await;
    let bob = Bob::signs_in(&scene.bed).await;
    assert_eq!(both_end(&scene).await, [denied, denied], "before");
    for (name, share, expected) in rows {
        let share = bob.shares(share, &[("scope", "message:create")]).await;
        assert_eq!(both_end(&scene).await, expected, "{name}");
        bob.unshares(&share).await;
        assert_eq!(both_end(&scene).await, [denied, denied], "{name}: after");
    }
}

/// With its day, a share ends: for who comes anew, and for who is in.
#[tokio::test]
async fn what_is_shared_until_a_day_ends_with_it() {
    let scene = Scene::start(&[]).await;
    let bob = Bob::signs_in(&scene.bed).await;
    let today = [("until", "2027-01-15"), ("scope", "message:create")];
    bob.shares(&[("who", "person"), ("with", names::ALICE)], &today).await;
    // 2027-01-15 08:00 UTC.
    assert_eq!(scene.bed.now(), 1_800_000_000);
    scene.bed.advance(16 * 3600 - 100);
    let ticket = scene.ticket().await;
    let claims_token = scene.claims_of(Branch::Agent, &ticket).await;
    let rpt = scene.granted(&ticket, &claims_token).await;
    assert!(scene.is_active(&rpt).await);
    scene.bed.advance(100);
    assert!(!scene.is_active(&rpt).await, "it would have lived for 200 seconds more");
    assert_eq!(both_end(&scene).await, ["request_denied", "request_denied"]);
}

/// GRANT-20: what nobody permits is denied, whichever way one comes.
#[tokio::test]
async fn grant_20_without_a_policy_nobody_leaves_anything() {
    let scene = Scene::start(&[]).await;
    assert_eq!(both_end(&scene).await, ["request_denied", "request_denied"]);
    let ticket = scene.ticket().await;
    scene.refused(&ticket, None, 403, "request_denied").await;
}

/// The administrator's rules, each alone.
#[tokio::test]
async fn an_administrators_rules_ask_need_permit_and_forbid() {
    const OF: &str = r#"(principal in Domain::"alice.example", action, resource in Owner::"bob")"#;
    const CREATE: &str = r#"context.scope == Scope::"message:create""#;
    let mut scene = Scene::start(&[]).await;
    let folder = scene.bed.deployment.directory().join("policies");
    std::fs::create_dir(&folder).unwrap();
    let [denied, asked] = ["request_denied", "request_submitted"];
    for (name, rules, expected) in [
        ("permit", format!("@id(\"a\") permit {OF} when {{ {CREATE} }};"), ["in", "in"]),
        (
            "who is there",
            format!("@id(\"a\") permit {OF} when {{ {CREATE} && principal.present }};"),
            ["in", denied],
        ),
        (
            "ask",
            format!("@id(\"a\") @ask permit {OF} when {{ {CREATE} && principal.present }};"),
            [asked, denied],
        ),
        (
            "a claim that is there",
            format!(
                "@id(\"a\") permit {OF} when {{ principal.hasTag(\"department\") && \
                 principal.getTag(\"department\").contains(\"research\") }};"
            ),
            ["in", "in"],
        ),
        (
            "a claim that is not",
            format!("@id(\"a\") @need_info(\"groups\") permit {OF} when {{ {CREATE} }};"),
            ["need_info", "need_info"],
        ),
        (
            "forbidden",
            format!(
                "@id(\"a\") permit {OF} when {{ {CREATE} }};\n\
                 @id(\"b\") forbid {OF} unless {{ principal.present }};"
            ),
            ["in", denied],
        ),
    ] {
        std::fs::write(folder.join("rules.cedar"), rules).unwrap();
        let named = |table: &mut toml::Table| {
            table.insert("policies".to_owned(), vec!["policies"].into());
        };
        scene.bed.deployment.restart(Party::UmaServer, named).await;
        // The PAT of the resource server has outlived the server.
        assert_eq!(both_end(&scene).await, expected, "{name}");
    }
}

/// What Bob forbids one person, no rule of anybody permits.
#[tokio::test]
async fn whom_bob_forbids_is_not_asked_about_either() {
    for rule in [ASKING, LETTING] {
        let scene = Scene::start(&[rule]).await;
        let bob = Bob::signs_in(&scene.bed).await;
        let alice = [("who", "person"), ("with", names::ALICE)];
        let forbid = [("effect", "forbid"), ("scope", "message:create")];
        let share = bob.shares(&alice, &forbid).await;
        assert_eq!(both_end(&scene).await, ["request_denied", "request_denied"]);
        bob.unshares(&share).await;
        assert_ne!(both_end(&scene).await, ["request_denied", "request_denied"]);
    }
}
