//! Whose word a share goes by: what a provider signs, as far as it is heard.

use std::sync::Arc;

use countersign_store::MemoryEngine;
use countersign_uma::issuers::{IssuerRule, Issuers};
use countersign_uma::policy::shares::{Effect, MailDomain, Who};
use serde_json::{Value, json};

use crate::support::{self, JWT, need_info, refused, rpt};
use crate::{ask, one, share, terms, world, world_on};

/// A14: what comes unsigned beside the claims token satisfies no policy, wherever it stands.
#[tokio::test]
async fn a14_unsigned_hints_satisfy_no_policy() {
    let world = world();
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    let domain = MailDomain::parse("alice.example").unwrap();
    let research = Who::Group { claim: "department".into(), value: "research".into(), domain };
    share(&world, terms(one(&id), "get", research, Effect::Permit)).await;
    let hints = json!({"department": "research", "email": "alice@alice.example"}).to_string();
    for name in [
        "department",
        "metadata",
        "pushed_claims",
        "claims",
        "user_claims",
        "authorization_details",
        "required_claims",
        "email_address",
        "client_metadata",
    ] {
        let value = if name == "department" { "research" } else { &hints };
        let ticket = world.ticket_for(&pat, &id).await;
        let answer = world.redeem(&ticket, &world.claims(&ticket), &[(name, value)]).await;
        refused(&answer, 403, "request_denied");
        // And without any token there is nobody.
        let ticket = world.ticket_for(&pat, &id).await;
        let answer = world.present("app", &ticket, &[(name, value)]).await;
        need_info(&answer, &ticket);
        assert!(world.recorded().person.is_none(), "{name}");
    }
    // An envelope around the token, an unsigned token, and one with the hints in its header.
    let ticket = world.ticket_for(&pat, &id).await;
    let token = world.sign(&world.claims(&ticket));
    let envelope =
        json!({"claims_token": [token], "metadata": {"department": "research"}}).to_string();
    let [_, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let b64 = |value: &Value| base64url(value.to_string().as_bytes());
    let header = b64(
        &json!({"alg": "ES256", "kid": "k1", "typ": "uma-claims+jwt", "department": "research"}),
    );
    let none = b64(&json!({"alg": "none", "typ": "uma-claims+jwt"}));
    let mut claims = world.claims(&ticket);
    claims["department"] = json!("research");
    for token in [
        base64url(envelope.as_bytes()),
        envelope,
        format!("{header}.{payload}.{signature}"),
        format!("{none}.{}.", b64(&claims)),
        format!("{none}.{}.{signature}", b64(&claims)),
    ] {
        let ticket = world.ticket_for(&pat, &id).await;
        let form = [("claim_token", &*token), ("claim_token_format", JWT)];
        need_info(&world.present("app", &ticket, &form).await, &ticket);
    }
    // What her provider signs does satisfy it.
    let said = json!({"department": ["research"]});
    rpt(&ask(&world, &pat, &id, "alice@alice.example", &said).await.0);
}

fn base64url(octets: &[u8]) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, octets)
}

/// An administrator limits what issuers may say, and names the host of a domain.
#[tokio::test]
async fn what_issuers_may_say_is_policy_too() {
    let rule = |value: Value| -> IssuerRule { serde_json::from_value(value).unwrap() };
    let limited = |rules: Vec<IssuerRule>, only_these| {
        world_on(Arc::new(MemoryEngine::new()), move |config| {
            config.settings.issuers = Issuers::new(rules, only_these).unwrap();
        })
    };
    let domain = || MailDomain::parse("alice.example").unwrap();
    let research =
        || Who::Group { claim: "department".into(), value: "research".into(), domain: domain() };
    let said = json!({"department": "research"});
    let sts = support::STS;
    for (name, rules, only_these, code) in [
        ("not limited", vec![], false, ""),
        ("not listed", vec![], true, "request_denied"),
        ("listed", vec![json!({"issuer": sts})], true, ""),
        ("heard", vec![json!({"issuer": sts, "claims": ["department"]})], false, ""),
        ("not heard", vec![json!({"issuer": sts, "claims": ["team"]})], false, "request_denied"),
        (
            "of another domain",
            vec![json!({"issuer": sts, "domains": ["b.example"]})],
            false,
            "request_denied",
        ),
        (
            "its domain is another's",
            vec![json!({"issuer": "https://b.example", "domains": ["alice.example"]})],
            false,
            "request_denied",
        ),
    ] {
        let world = limited(rules.into_iter().map(rule).collect(), only_these);
        let pat = world.pat("rs").await;
        let id = world.register(&pat).await;
        share(&world, terms(one(&id), "get", research(), Effect::Permit)).await;
        let (answer, _) = ask(&world, &pat, &id, "alice@alice.example", &said).await;
        if code.is_empty() {
            rpt(&answer);
        } else {
            assert_eq!(answer.json()["error"], code, "{name}");
        }
    }
    // A domain that names nobody, and has a host: that one speaks for it, and nobody else does.
    let host =
        json!({"issuer": "https://host.example", "domains": ["silent.example"], "hosted": true});
    let world = limited(vec![rule(host)], false);
    let pat = world.pat("rs").await;
    let id = world.register(&pat).await;
    share(&world, terms(one(&id), "get", Who::Anyone, Effect::Permit)).await;
    let from = async |issuer: &str, email: &str| {
        let ticket = world.ticket_for(&pat, &id).await;
        let mut claims = world.claims(&ticket);
        (claims["email"], claims["iss"]) = (json!(email), json!(issuer));
        world.redeem(&ticket, &claims, &[]).await
    };
    rpt(&from("https://host.example", "x@silent.example").await);
    for (issuer, email) in [
        ("https://host.example", "alice@alice.example"),
        ("https://silent.example", "x@silent.example"),
        ("https://host.example/", "x@silent.example"),
    ] {
        refused(&from(issuer, email).await, 403, "request_denied");
    }
}
