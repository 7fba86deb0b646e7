//! Who may act for whom at a security token service, in Cedar.
//!
//! ```cedar
//! @id("mail speaks for us at Bob's")
//! permit (
//!     principal == Client::"https://mail.example/client",
//!     action == Action::"delegate",
//!     resource
//! ) when {
//!     resource.host like "*.bob.example" && context.issued == "identity_token" &&
//!     context.subject has domain && context.subject.domain == "alice.example"
//! };
//! ```

use std::sync::Arc;

use countersign_token_exchange::delegation::{Delegation, DelegationPolicy, Verdict};
use countersign_types::EndpointUrl;
use serde_json::{Value, json};

use crate::files::PolicyFiles;
use crate::policies::{Decision, Question};

/// What rules about delegations may speak of.
pub const SCHEMA: &str = include_str!("../schemas/delegation.cedarschema");

/// Decides about delegations by the rules of files.
#[derive(Clone, Debug)]
pub struct CedarDelegation(Arc<PolicyFiles>);

impl CedarDelegation {
    /// Rules that were opened with [`SCHEMA`].
    #[must_use]
    pub const fn new(rules: Arc<PolicyFiles>) -> Self {
        Self(rules)
    }
}

impl DelegationPolicy for CedarDelegation {
    /// Every target has to be permitted.
    fn assess(&self, delegation: &Delegation<'_>) -> Verdict {
        let policies = self.0.current();
        let mut rules = Vec::new();
        let mut permitted = !delegation.targets.is_empty();
        for target in delegation.targets {
            let decision = policies.decide(&question(delegation, target));
            report(delegation, target, &decision);
            if !decision.permitted {
                // What refuses is what is to be read, not what another target was permitted by.
                return Verdict { permitted: false, rules: decision.rules };
            }
            permitted &= decision.permitted;
            rules.extend(decision.rules);
        }
        rules.sort_unstable();
        rules.dedup();
        Verdict { permitted, rules }
    }
}

fn report(delegation: &Delegation<'_>, target: &str, decision: &Decision) {
    for error in &decision.errors {
        tracing::error!(client_id = %delegation.client, target, error, "no delegation decision");
    }
}

fn question<'a>(delegation: &'a Delegation<'_>, target: &'a str) -> Question<'a> {
    let (action, principal, prior, depth) = match delegation.act {
        Some(act) => ("delegate", act.current().sub.as_str(), act.prior(), act.depth()),
        None => ("impersonate", delegation.client.as_str(), &[][..], 0),
    };
    let subject = match delegation.email {
        Some(email) => json!({
            "sub": delegation.subject, "email": email.as_str(), "domain": email.domain(),
        }),
        None => json!({ "sub": delegation.subject }),
    };
    let chain = prior.iter().map(|actor| actor.sub.as_str()).collect::<Vec<_>>();
    let scope = delegation.scope.iter().map(|scope| scope.as_str()).collect::<Vec<_>>();
    Question {
        principal: ("Client", principal),
        action,
        resource: ("Target", target),
        context: json!({
            "client": delegation.client.as_str(),
            "subject": subject,
            "issued": delegation.issued.as_str(),
            "scope": scope,
            "chain": chain,
            "depth": depth,
        }),
        entities: json!([known("Client", principal), known("Target", target)]),
    }
}

fn known(kind: &str, id: &str) -> Value {
    let url = EndpointUrl::parse(id).ok();
    let host = url.as_ref().and_then(|url| url.as_url().host_str()).unwrap_or_default();
    json!({ "uid": { "type": kind, "id": id }, "attrs": { "host": host }, "parents": [] })
}

#[cfg(test)]
mod tests;
