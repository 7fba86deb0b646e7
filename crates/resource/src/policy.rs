//! What this server decides by itself about a caller who has proved who they are.
//!
//! A rule of [`Routes`](crate::Routes) that names an [`Action`](crate::routes::Action) is for those
//! whom the policy permits it. The policy is asked last: with the caller established and the scopes
//! there, whatever the caller proved themselves with. It is asked at every request, and every
//! answer is logged with the rules it rests on.
//!
//! With the feature `cedar` such a policy is written in Cedar: see `CedarAccess`.

#[cfg(feature = "cedar")]
mod cedar;

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_types::Timestamp;
use http::Method;

#[cfg(feature = "cedar")]
pub use self::cedar::{CedarAccess, schema};
use crate::caller::VerifiedCaller;
use crate::path::StrictPath;

/// A question: may this caller do this, here and now?
#[derive(Clone, Copy, Debug)]
pub struct AccessRequest<'a> {
    /// Who calls: evidence, made by the layer alone.
    pub caller: &'a VerifiedCaller,
    /// What they want to do, as the rule of the table calls it.
    pub action: &'a str,
    /// The resource by its registered name, where the rule has one.
    pub resource: Option<&'a str>,
    /// What the rule says of the resource, and what the path has in the rule's placeholders. The
    /// latter is the caller's choice.
    pub attributes: &'a BTreeMap<String, String>,
    /// The method of the request, which the table has for this rule.
    pub method: &'a Method,
    /// The path of the request, in its one spelling: the caller's choice.
    pub path: &'a StrictPath,
    /// The time of the request.
    pub now: Timestamp,
}

/// The answer, and the rules it rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is permitted.
    pub permitted: bool,
    /// The names of the rules that decided; none if nothing spoke.
    pub rules: Vec<String>,
}

/// The rules of this server about who may do what.
///
/// Same question, same answer; silence is denial, and so is a question that cannot be answered.
/// Called at every request that a rule sends here, so it answers from memory.
pub trait AccessPolicy: Send + Sync {
    /// Answers a question.
    fn assess(&self, request: &AccessRequest<'_>) -> Verdict;
}

/// Is told of every decision of a policy, before its answer leaves.
pub trait Audit: Send + Sync {
    /// Records a decision.
    fn record(&self, request: &AccessRequest<'_>, verdict: &Verdict);
}

/// A policy whose every decision somebody is told of.
#[derive(Clone)]
pub struct Audited {
    policy: Arc<dyn AccessPolicy>,
    audit: Arc<dyn Audit>,
}

impl Audited {
    /// Tells `audit` what `policy` decides.
    #[must_use]
    pub fn new(policy: Arc<dyn AccessPolicy>, audit: Arc<dyn Audit>) -> Self {
        Self { policy, audit }
    }
}

impl AccessPolicy for Audited {
    fn assess(&self, request: &AccessRequest<'_>) -> Verdict {
        let verdict = self.policy.assess(request);
        self.audit.record(request, &verdict);
        verdict
    }
}

/// Asks, and logs the answer: who wanted to do what, and by which rules they may or may not. A
/// token is not part of it.
pub(crate) fn is_permitted(policy: &dyn AccessPolicy, request: &AccessRequest<'_>) -> bool {
    let verdict = policy.assess(request);
    let (caller, actors) = (request.caller, request.caller.actors());
    let outcome = if verdict.permitted { "permitted" } else { "refused" };
    tracing::info!(
        issuer = %caller.issuer(),
        subject = caller.subject(),
        client_id = caller.client_id(),
        actor = actors.map(|actors| actors.current().sub.as_str()),
        action = request.action,
        resource = request.resource,
        method = %request.method,
        path = request.path.as_str(),
        rules = ?verdict.rules,
        "{outcome} by policy",
    );
    verdict.permitted
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use countersign_jwt::Claims;
    use countersign_types::Issuer;

    use super::*;
    use crate::caller::Content;

    /// Permits reading, and says by which rule.
    struct Readers;

    impl AccessPolicy for Readers {
        fn assess(&self, request: &AccessRequest<'_>) -> Verdict {
            let permitted = request.action == "read";
            let rules = if permitted { vec!["everybody reads".to_owned()] } else { Vec::new() };
            Verdict { permitted, rules }
        }
    }

    /// Keeps what it is told.
    #[derive(Default)]
    struct Kept(Mutex<Vec<(String, Verdict)>>);

    impl Audit for Kept {
        fn record(&self, request: &AccessRequest<'_>, verdict: &Verdict) {
            self.0.lock().unwrap().push((request.action.to_owned(), verdict.clone()));
        }
    }

    fn caller() -> VerifiedCaller {
        VerifiedCaller::new(Content {
            issuer: Issuer::parse("https://as.bob.example").unwrap(),
            subject: Some("alice".to_owned()),
            email: None,
            client_id: None,
            actors: None,
            scopes: Arc::default(),
            permissions: Vec::new(),
            token_id: None,
            expires: None,
            confirmation: None,
            claims: Claims::default(),
            size: 0,
        })
    }

    #[test]
    fn somebody_is_told_of_every_decision_and_changes_none() {
        let kept = Arc::new(Kept::default());
        let audited = Audited::new(Arc::new(Readers), Arc::clone(&kept) as Arc<dyn Audit>);
        let (caller, path) = (caller(), StrictPath::parse("/letters/1").unwrap());
        let verdicts = ["read", "write", "read"].map(|action| {
            let request = AccessRequest {
                caller: &caller,
                action,
                resource: None,
                attributes: &BTreeMap::new(),
                method: &Method::GET,
                path: &path,
                now: Timestamp::from_unix(0),
            };
            let verdict = audited.assess(&request);
            assert_eq!(verdict, Readers.assess(&request), "{action}");
            (action.to_owned(), verdict)
        });
        assert_eq!(verdicts.each_ref().map(|(_, verdict)| verdict.permitted), [true, false, true]);
        // Refusals too, in their order, with the rules that each rests on, and each once.
        assert_eq!(*kept.0.lock().unwrap(), verdicts);
    }
}
