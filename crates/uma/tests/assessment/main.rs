//! Assessments from a spent ticket to the answer: the happy path, the negative table of the claims
//! token, and what a process remembers.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::type_complexity,
    reason = "a test fails by panicking, and its tables are types of their own"
)]

mod introspection;
mod owner;
mod partly;
mod process;
mod target;
mod token;
mod waiting;
mod world;

use countersign_types::{Lifetime, ScopeSet, Timestamp};
use countersign_uma::assessment::{Outcome, PartialGrants};
use countersign_uma::permission;
use countersign_uma::policy::rules::{Rule, Rules};
use countersign_uma::resource::{ResourceDescription, ResourceId};
use serde_json::json;

use crate::world::{NOW, RS, World, granted, pushed};

#[test]
fn a_ticket_claims_and_the_resource_are_worth_an_rpt() {
    let world = World::new();
    let ended = world.push(&world.claims("t1"));
    let names: Vec<&str> = ended.checks.iter().map(|check| check.name).collect();
    assert_eq!(
        names,
        [
            "the token request is well-formed",
            "the client is who it says it is",
            "the ticket is live, unspent and this client's",
            "resource is the resource server's",
            "the scopes are registered",
            "claim_token_format is understood",
            "claims_token is a compact JWS",
            "resource is the resource server of the ticket",
            "typ and alg are those of a claims token",
            "ticket_challenge = base64url(SHA-256(ticket))",
            "aud is this authorization server alone",
            "exp, nbf and iat hold now",
            "iss is an https issuer",
            "one verified e-mail address",
            "client_id is the client that pushes",
            "the issuer is not refused here",
            "the e-mail domain names an issuer",
            "iss is the issuer that the e-mail domain names",
            "the issuer's keys are at hand",
            "the issuer's signature",
            "the process has one person",
            "the owner's policy permits it",
        ]
    );
    let rpt = granted(ended);
    assert_eq!(rpt.audience.as_str(), RS);
    assert_eq!(rpt.client.as_str(), "app");
    assert_eq!(rpt.permissions[0].resource_scopes.to_string(), "get");
    assert_eq!(rpt.expires.as_unix(), NOW + 300);
}

/// A set of scopes out of a small alphabet.
fn scopes() -> impl proptest::strategy::Strategy<Value = ScopeSet> {
    use proptest::prelude::*;
    proptest::collection::btree_set("[a-d]", 0..4)
        .prop_map(|tokens| ScopeSet::from_tokens(tokens).unwrap())
}

proptest::proptest! {
    /// Granted is a subset of asked, of registered and of permitted; and under the strict setting
    /// it is all that was asked.
    #[test]
    fn granted_is_what_is_asked_registered_and_permitted(
        registered in scopes(), ticket in scopes(), requested in scopes(), permitted in scopes(),
        partial: bool,
    ) {
        let mut world = World::new();
        let ticket = ticket.intersection(&registered);
        let requested = requested.intersection(&registered);
        let description = json!({"resource_scopes": registered, "name": "RS API"}).to_string();
        let description = ResourceDescription::parse(description.as_bytes()).unwrap();
        world.registered.insert(ResourceId::parse("r1").unwrap(), description);
        world.scopes = registered.clone();
        world.settings.partial_grants =
            if partial { PartialGrants::Allow } else { PartialGrants::Refuse };
        world.rules = Rules::new();
        if !permitted.is_empty() {
            let rule = json!({"resource": "*", "scopes": permitted, "domains": ["alice.example"]});
            let rule: Rule = serde_json::from_value(rule).unwrap();
            world.rules = Rules::new().with(world.server.protection.clone(), [rule]);
        }
        let request = json!({"resource_id": "r1", "resource_scopes": ticket}).to_string();
        let now = Timestamp::from_unix(NOW);
        let process = permission::parse(request.as_bytes()).unwrap()
            .open(&world.registered, world.server.protection.clone(), "p".to_owned(), now,
                Lifetime::from_secs(300))
            .unwrap();
        let token = world.token(&world.claims("t1"));
        let scope = requested.to_string();
        let mut form = pushed(&token).to_vec();
        form.push(("scope", &scope));

        let asked = ticket.union(&requested);
        let allowed = asked.intersection(&permitted);
        match world.present(process, "t1", &form).outcome {
            Outcome::Granted(rpt) => {
                let granted = &rpt.permissions[0].resource_scopes;
                proptest::prop_assert_eq!(granted, &allowed);
                proptest::prop_assert!(partial || granted == &asked);
                proptest::prop_assert!(!granted.is_empty());
            }
            _ => proptest::prop_assert!(allowed.is_empty() || (!partial && allowed != asked)),
        }
    }
}
