//! O13: what a provider is believed less than before counts less at once, for whoever came through
//! it, too.

use countersign_sts_service::UpstreamSetup;
use serde_json::{Value, json};

use super::{Case, both};
use crate::browser::{Browser, is_sign_in};
use crate::support::*;

const SCOPE: &[(&str, &str)] = &[("scope", "openid email profile offline_access")];

fn ada(token: &mut Value) {
    for (name, value) in [
        ("name", json!("Ada")),
        ("email", json!("ada@university.example")),
        ("email_verified", json!(true)),
        ("groups", json!(["staff", "editor"])),
        ("kind", json!(["student", "guest"])),
    ] {
        token[name] = value;
    }
}

async fn refreshed(case: &Case, tokens: &Value) -> Answer {
    let token = tokens["refresh_token"].as_str().unwrap();
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", "rqp-client"),
        ("client_secret", SECRET),
    ];
    case.world.token(&fields).await
}

/// After a restart with another mapping: `roles`, `email` and `name` of the tokens that a grant
/// gives.
async fn given(case: &Case, tokens: &Value, change: impl FnOnce(&mut UpstreamSetup)) -> [Value; 3] {
    let mut setups = both();
    change(&mut setups[0]);
    let answer = refreshed(&case.restarted(setups), tokens).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let [access, id] =
        ["access_token", "id_token"].map(|kind| claims(answer.json()[kind].as_str().unwrap()));
    let of = |claims: &countersign_jwt::Claims, name: &str| {
        claims.get(name).cloned().unwrap_or(Value::Null)
    };
    assert_eq!(of(&access, "email"), of(&id, "email"));
    assert_eq!(id.has("email_verified"), id.has("email"));
    [of(&access, "roles"), of(&id, "email"), of(&id, "name")]
}

#[tokio::test]
async fn o13_what_is_no_longer_believed_is_in_no_token() {
    let case = Case::new();
    let browser = Browser::new(&case.world);
    let tokens = case.tokens(&case.arrives(&browser, ("university", "7"), SCOPE, ada).await).await;
    let (email, name) = (json!("ada@university.example"), json!("Ada"));
    let roles = json!(["curator", "reader"]);
    let [all, fewer, mapped, nameless, homeless] = [
        given(&case, &tokens, |_| {}).await,
        given(&case, &tokens, |setup| setup.mapping.roles.clear()).await,
        given(&case, &tokens, |setup| setup.mapping.everyone.clear()).await,
        given(&case, &tokens, |setup| setup.mapping.claims.clear()).await,
        given(&case, &tokens, |setup| {
            setup.mapping.roles.clear();
            setup.mapping.everyone.clear();
            setup.mapping.email_domains.remove("university.example");
        })
        .await,
    ];
    assert_eq!(all, [roles.clone(), email.clone(), name.clone()]);
    assert_eq!(fewer, [json!(["reader"]), email.clone(), name.clone()]);
    assert_eq!(mapped, [json!(["curator"]), email.clone(), name.clone()]);
    assert_eq!(nameless, [roles, email, Value::Null]);
    assert_eq!(homeless, [Value::Null, Value::Null, name]);
    // Nothing is forgotten, so that whoever narrowed it by mistake takes that back.
    assert_eq!(given(&case, &tokens, |_| {}).await, all);
}

#[tokio::test]
async fn o13_whoever_may_not_come_in_any_more_does_not_stay_in() {
    let mut setups = both();
    let required = |setups: &mut Vec<UpstreamSetup>, name: &str, value: Value| {
        setups[0].mapping.required.insert(name.to_owned(), vec![value]);
    };
    required(&mut setups, "kind", json!("student"));
    let case = Case::with(setups.clone(), |upstreams| upstreams);
    let browser = Browser::new(&case.world);
    let tokens = case.tokens(&case.arrives(&browser, ("university", "7"), SCOPE, ada).await).await;
    let cookie = browser.cookie("__Host-session").unwrap();
    for (name, value, stays) in [
        ("kind", json!("student"), true),
        ("member", json!(true), true),
        ("member", json!("true"), false),
        // What nobody asked about then is not known now.
        ("kind", json!("guest"), false),
        ("faculty", json!("arts"), false),
    ] {
        let mut setups = setups.clone();
        required(&mut setups, name, value);
        let case = case.restarted(setups);
        let status = refreshed(&case, &tokens).await.status.as_u16();
        assert_eq!(status, if stays { 200 } else { 400 }, "{name}");
        let browser = Browser::new(&case.world);
        browser.set_cookie("__Host-session", &cookie);
        assert_eq!(is_sign_in(&browser.get("/account").await), !stays, "{name}");
    }
    // Whoever shows it comes in as who they were.
    let mut setups = setups.clone();
    required(&mut setups, "kind", json!("guest"));
    let case = case.restarted(setups);
    let browser = Browser::new(&case.world);
    case.subject(&case.arrives(&browser, ("university", "7"), &[], ada).await).await;
    assert_eq!(case.people.imported().len(), 1);
    assert_eq!(refreshed(&case, &tokens).await.status.as_u16(), 200);
}
