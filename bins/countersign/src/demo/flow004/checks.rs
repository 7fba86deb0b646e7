//! The checks behind arrows 4 and 9, in the drawing's order.

use countersign_client_auth::Method;
use countersign_identity_propagation::presentation::Step as Presented;
use countersign_sts_service::audit::ExchangeRecord;
use countersign_token_exchange::Step as Exchanged;

use super::arrows::Access;
use crate::demo::story::CheckLine;

/// What a policy of one's own is asked about is no specification's; the flow calls it an engine.
const LOCAL_ABAC: &str = "flow 004: a local ABAC engine";

/// One of the drawing's items, and the checks that make it.
pub(super) struct Group {
    pub(super) words: &'static str,
    /// Whether the client's authentication belongs to it, which is over before the decision begins.
    pub(super) authentication: bool,
    steps: &'static [Exchanged],
}

pub(super) const AT_THE_STS: [Group; 3] = [
    Group {
        words: "1. verify the authentication_token by the client's published keys",
        authentication: true,
        steps: &[Exchanged::Request, Exchanged::Client],
    },
    Group {
        words: "2. verify the actor_token by the client's published keys",
        authentication: false,
        steps: &[Exchanged::Actor, Exchanged::Audience, Exchanged::Resource, Exchanged::Delegation],
    },
    Group {
        words: "3. verify the access_token_with_user_claims",
        authentication: false,
        steps: &[
            Exchanged::SubjectToken,
            Exchanged::SubjectClient,
            Exchanged::Person,
            Exchanged::Narrowing,
        ],
    },
];

pub(super) const AT_THE_RP: [(&str, &[Presented]); 2] = [
    (
        "1. verify the authentication_token by the client's published keys",
        &[Presented::Proof, Presented::Ath, Presented::ClientSignature, Presented::Once],
    ),
    (
        "2. verify the identity_token and evaluate claims",
        &[
            Presented::TokenType,
            Presented::Audience,
            Presented::Lifetime,
            Presented::Subject,
            Presented::Actor,
            Presented::Binding,
            Presented::Issuer,
            Presented::IssuerSignature,
        ],
    ),
];

impl Group {
    pub(super) fn has(&self, name: &str) -> bool {
        self.steps.iter().any(|step| step.name() == name)
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        self.steps.iter().map(|step| step.name()).collect()
    }
}

/// The client's authentication: whoever the record names passed it.
pub(super) fn authentication_line(record: &ExchangeRecord) -> CheckLine {
    CheckLine {
        name: "the client is authenticated by private_key_jwt".to_owned(),
        section: "RFC 7523 §3, OpenID Connect Core §9".to_owned(),
        passed: record.client_method == Method::PrivateKeyJwt,
        note: Some(record.client_id.to_string()),
    }
}

/// The rules behind the check of the delegation policy.
pub(super) fn rules_line(check: &str, rules: &[String]) -> Option<String> {
    let is_policy = check == Exchanged::Delegation.name();
    (is_policy && !rules.is_empty()).then(|| format!("by {}", quoted(rules)))
}

/// The RP's own policy.
pub(super) fn access_line(access: &Access) -> CheckLine {
    let Access { action, permitted, rules } = access;
    let by =
        if rules.is_empty() { "by no rule".to_owned() } else { format!("by {}", quoted(rules)) };
    CheckLine {
        name: format!("the RP's policy permits {action}"),
        section: LOCAL_ABAC.to_owned(),
        passed: *permitted,
        note: Some(by),
    }
}

fn quoted(rules: &[String]) -> String {
    rules.iter().map(|rule| format!("{rule:?}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use countersign_token_exchange::request::Wanted;

    use super::*;

    #[test]
    fn every_check_has_its_place() {
        for step in Exchanged::of(Wanted::IdentityToken) {
            let places = AT_THE_STS.iter().filter(|group| group.has(step.name())).count();
            assert_eq!(places, 1, "{}", step.name());
        }
        for step in Presented::ALL {
            let places = AT_THE_RP.iter().filter(|(_, steps)| steps.contains(step)).count();
            assert_eq!(places, 1, "{}", step.name());
        }
    }
}
