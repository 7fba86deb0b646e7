//! What is granted on the word of another issuer.

use super::*;
use crate::decide::tests::{client_policy, server};
use crate::decide::{Facts, Grant, Product, decide};
use crate::delegation::ByRegistration;
use crate::people::Account;
use crate::policy::{ClientPolicy, ExchangePolicy};
use crate::requester::Requester;

/// What is granted on a token of [`idp`].
fn granted(change: &Value, policy: ClientPolicy, more: &str) -> Result<Grant, ExchangeError> {
    let text = token("at+jwt", &KEY, &with(access_token(), change));
    let app = client("app", true);
    let subject = read(&idp(), "jwt", &text, &Map::new())?;
    let form = format!(
        "subject_token={text}&subject_token_type=urn:ietf:params:oauth:token-type:jwt&{more}"
    );
    let request = request::parse(&Params::parse(form.as_bytes(), REPEATABLE).unwrap())?;
    let server = server();
    let policy = ExchangePolicy { server: &server, client: &policy, delegation: &ByRegistration };
    let facts = Facts {
        client: Requester::Client(&app),
        subject: &subject,
        actor: None,
        account: Account::NotAsked,
        proved: None,
        policy,
        now: NOW,
    };
    decide(&request, &facts)
}

#[test]
fn a_grant_on_another_issuers_word_is_an_access_token_of_this_server() {
    let resource = format!("resource={RS}");
    let grant = granted(&json!({}), client_policy(), &resource).unwrap();
    assert_eq!(grant.subject, idp().subject("0001"));
    assert_eq!(grant.expires, NOW.after(Lifetime::from_secs(200)), "T4: that of the token");
    let act = grant.act.unwrap();
    assert_eq!((act.current().sub.as_str(), act.prior()), ("app", &[][..]));
    let Product::AccessToken { audiences, scope, email, user_claims, derived_from, .. } =
        grant.product
    else {
        panic!("an access token")
    };
    assert_eq!(audiences, [RS]);
    assert_eq!(scope, ScopeSet::parse("get put").unwrap());
    assert_eq!(email, None);
    assert_eq!(derived_from.len(), 1);
    assert_eq!(derived_from[0].len(), 43, "a digest of the token, which is no name of ours");
    assert_eq!(json!(user_claims), json!({ "name": "Alice", "roles": ["reader"] }));

    let by_policy = ClientPolicy { email_in_access_token: true, ..client_policy() };
    let grant = granted(&json!({}), by_policy, &resource).unwrap();
    let Product::AccessToken { email: Some(email), .. } = grant.product else {
        panic!("an address")
    };
    assert_eq!(email.address().as_str(), "alice@idp.example");

    let onward = ClientPolicy { may_delegate_onward: true, ..client_policy() };
    let challenge = crate::decide::tests::CHALLENGE;
    for (name, policy, more, expected) in [
        ("more scope", client_policy(), format!("{resource}&scope=openid"), "more scope"),
        ("the issuer's scope", client_policy(), format!("{resource}&scope=admin"), "more scope"),
        ("elsewhere", client_policy(), "resource=https://x.example".to_owned(), "may not obtain"),
        ("here", onward, format!("{resource}&resource={STS}"), "denied"),
        (
            "a claims token",
            client_policy(),
            format!("ticket_challenge={challenge}&audience=https://uma.bob.example&{resource}"),
            "access tokens alone",
        ),
    ] {
        let error = granted(&json!({}), policy, &more).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
    // Taken within the skew, but there is nothing left of it to give.
    let over = json!({ "exp": NOW.as_unix() - 1 });
    assert!(granted(&over, client_policy(), &resource).is_err());
}

fn chain(length: usize) -> Value {
    (1..length).fold(json!({ "sub": "x" }), |act, _| json!({ "sub": "x", "act": act }))
}

/// T5, T6, T8, T10.
#[test]
fn who_acts_on_another_issuers_word() {
    let resource = format!("resource={RS}");
    let may_impersonate = || ClientPolicy { may_impersonate: true, ..client_policy() };
    let app = json!({ "sub": "app", "client_id": "app" });
    let nested = json!({
        "sub": "app", "client_id": "app", "act": { "sub": "dashboard", "iss": IDP,
            "act": { "sub": "x", "iss": IDP } },
    });
    let four = (1..4).fold(
        json!({ "sub": "x", "iss": IDP }),
        |act, _| json!({ "sub": "x", "iss": IDP, "act": act }),
    );
    let five = json!({ "sub": "app", "client_id": "app", "act": four });
    let theirs =
        json!({ "sub": "dashboard", "client_id": "app", "act": { "sub": "x", "iss": IDP } });
    for (name, policy, change, expected) in [
        ("nobody says", client_policy(), json!({}), Some(app.clone())),
        ("in the person's place", may_impersonate(), json!({}), None),
        ("four acted before", client_policy(), json!({ "act": chain(4) }), Some(five)),
        ("somebody acts already", client_policy(), json!({ "act": theirs }), Some(nested.clone())),
        ("and goes on doing so", may_impersonate(), json!({ "act": theirs }), Some(nested)),
        ("named", may_impersonate(), json!({ "may_act": { "sub": "app", "iss": STS } }), Some(app)),
    ] {
        let grant = granted(&change, policy, &resource).unwrap();
        assert_eq!(grant.act.map(|act| act.to_claim()), expected, "{name}");
    }
    let long = json!({ "sub": "y".repeat(2_000), "act": { "sub": "z".repeat(2_000) } });
    for (name, change) in [
        ("another may act", json!({ "may_act": { "sub": "other", "iss": STS } })),
        ("their app may act", json!({ "may_act": { "sub": "app" } })),
        ("their app, by name", json!({ "may_act": { "sub": "app", "iss": IDP } })),
        ("an actor of ours", json!({ "act": { "sub": "app", "iss": STS } })),
        (
            "an actor of a third",
            json!({ "act": { "sub": "x", "act": { "sub": "x", "iss": "y" } } }),
        ),
        ("no actor", json!({ "act": "x" })),
        ("nobody may act", json!({ "may_act": {} })),
        ("five before it", json!({ "act": chain(5) })),
        ("names without end", json!({ "act": { "sub": "x".repeat(2_000), "act": long } })),
    ] {
        for policy in [client_policy(), may_impersonate()] {
            assert!(granted(&change, policy, &resource).is_err(), "{name}");
        }
    }
}
