//! Who may reach a resource: the seam. [UG §3.3.4], [UG §5.6]
//!
//! [`rules`] is the implementation that reads configuration; another one may stand behind the same
//! trait. [`shares`] is what owners say themselves, for a policy that goes by it.
//!
//! [UG §3.3.4]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.4
//! [UG §5.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.5.6

pub mod rules;
pub mod shares;

use std::collections::BTreeSet;
use std::sync::RwLock;

use countersign_types::digest::Digest;
use countersign_types::{ClientId, Issuer, Timestamp, TokenType};
use serde::{Deserialize, Serialize};

use crate::person::Person;
use crate::protection::Protection;
use crate::resource::{ResourceDescription, ResourceId};

pub use self::shares::{Share, Shares};

/// Decides about one scope at one resource. Same question, same answer.
///
/// What is not permitted is denied: an implementation that has no policy for a resource answers
/// [`Decision::Deny`].
pub trait Policy: Send + Sync {
    /// Decides. The person, if there is one, is verified; the client is authenticated, or
    /// identified if it is public; the resource's texts come from the resource server.
    fn assess(&self, request: &PolicyRequest<'_>) -> Ruling;

    /// Decides about all that an assessment asks: for each request, in their order, what
    /// [`assess`](Policy::assess) answers to it. What is left without an answer is denied.
    ///
    /// The person, the client and the moment are mostly the same in all of them, so that a policy
    /// which has to prepare something for a question can do it once.
    fn assess_all(&self, requests: &[PolicyRequest<'_>]) -> Vec<Ruling> {
        requests.iter().map(|request| self.assess(request)).collect()
    }

    /// The rules by which it answers about this owner's resources at this resource server at this
    /// moment: another value as soon as others hold, by a change or because one of them has ended.
    /// Where answers become others though the rules are the same, they are
    /// [timed](Policy::is_timed).
    ///
    /// An RPT is issued under a revision. While it stands, introspection only compares; once there
    /// is another, every permission of the RPT is assessed anew, so that a change of policy bites
    /// at the next use of the token. An RPT outlives a restart: a counter that begins again is no
    /// revision.
    fn revision(&self, protection: &Protection, now: Timestamp) -> Revision;

    /// Whether an answer about this owner's resources at this resource server may be another at
    /// another moment under the same [revision](Policy::revision), as where a rule goes by the time
    /// of day. Nothing rests on the revision alone then.
    fn is_timed(&self, protection: &Protection) -> bool {
        let _ = protection;
        false
    }

    /// The claims beside issuer, subject, e-mail address and presence that those answers may depend
    /// on. Of what a claims token said, these alone are kept with an RPT, and count when it is
    /// assessed anew. Once there is one among them that was not when the RPT was issued, the RPT
    /// permits nothing more: whoever has the claim may be forbidden by it.
    fn claims(&self, protection: &Protection) -> BTreeSet<String> {
        let _ = protection;
        BTreeSet::new()
    }

    /// What the policy of this name says of itself, in one line: for owners and for the log,
    /// wherever an answer names it. `None` if it says nothing, or if there is none of that name any
    /// more.
    fn describe(&self, policy: &str) -> Option<String> {
        let _ = policy;
        None
    }

    /// Where the shares are that this policy goes by; `None` if owners share nothing under it.
    /// Whoever keeps them sees to it that an owner's are [loaded](Shares::load) before policy is
    /// asked.
    fn shares(&self) -> Option<&RwLock<Shares>> {
        None
    }
}

/// An answer, and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The answer.
    pub decision: Decision,
    /// Why, for the owner and the operator. The requesting party's side is never told.
    pub why: Vec<Reason>,
}

impl From<Decision> for Ruling {
    /// For no reason that has a name.
    fn from(decision: Decision) -> Self {
        Self { decision, why: Vec::new() }
    }
}

/// What an answer rests on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// The policy of this name decided.
    Policy(String),
    /// A claim of this name is missing.
    Missing(String),
    /// The claim of this name is not as it would have to be.
    Wrong(String),
    /// A policy could not be evaluated, which denies.
    Failed(String),
}

impl Reason {
    /// The name of the policy, for whoever says in their own words that it decided; any other
    /// reason in words.
    pub(crate) fn named(&self) -> String {
        match self {
            Self::Policy(name) => name.clone(),
            other => other.to_string(),
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Policy(name) => write!(f, "by {name:?}"),
            Self::Missing(claim) => write!(f, "claim {claim:?} is missing"),
            Self::Wrong(claim) => write!(f, "claim {claim:?} is another"),
            Self::Failed(error) => write!(f, "failed: {error}"),
        }
    }
}

/// Which policy is in force. Two are compared and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(Digest);

impl Revision {
    /// The revision of the policy with this content, or of this name for it.
    #[must_use]
    pub fn of(content: impl AsRef<[u8]>) -> Self {
        Self(Digest::of(content.as_ref()))
    }

    /// The revision of what rests on each of these.
    #[must_use]
    pub fn joined(parts: impl IntoIterator<Item = Option<Self>>) -> Self {
        let mut octets = Vec::new();
        for part in parts {
            octets.push(u8::from(part.is_some()));
            octets.extend(part.iter().flat_map(|Self(digest)| digest.as_bytes()));
        }
        Self::of(octets)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The question: may this person use this scope at this resource through this client?
#[derive(Clone, Copy, Debug)]
pub struct PolicyRequest<'a> {
    /// The owner, and the resource server that holds the resource.
    pub protection: &'a Protection,
    /// The resource.
    pub resource_id: &'a ResourceId,
    /// Its description.
    pub resource: &'a ResourceDescription,
    /// The scope.
    pub scope: &'a str,
    /// The requesting party, once claims about them are verified.
    pub person: Option<&'a Person>,
    /// The client.
    pub client: &'a ClientId,
    /// The time of the request.
    pub now: Timestamp,
}

/// Each of these requests with its answer.
pub(crate) fn answered<'r, 'a>(
    policy: &dyn Policy,
    requests: &'r [PolicyRequest<'a>],
) -> impl Iterator<Item = (&'r PolicyRequest<'a>, Ruling)> {
    let silence = std::iter::repeat_with(|| Decision::Deny.into());
    requests.iter().zip(policy.assess_all(requests).into_iter().chain(silence))
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// They may.
    Permit,
    /// It depends on these claims, which are not there: `need_info`. Never empty.
    NeedClaims(Vec<RequiredClaim>),
    /// The owner is to be asked, about a person who is known: `request_submitted` until they
    /// answer.
    AskOwner,
    /// They may not: `request_denied`.
    Deny,
}

/// An entry of `required_claims`. [UG §3.3.6]
///
/// [UG §3.3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.6
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RequiredClaim {
    /// The claim's name.
    pub name: String,
    /// The formats in which a claim token may carry it.
    pub claim_token_format: Vec<String>,
    /// Issuers that may vouch for it; empty if the person's own provider may.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issuer: Vec<Issuer>,
}

impl RequiredClaim {
    /// The claim of this name, in a claims token of whichever issuer speaks for the person.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        let claim_token_format = vec![TokenType::JWT.as_str().to_owned()];
        Self { name: name.into(), claim_token_format, issuer: Vec::new() }
    }

    /// The person's verified e-mail address, which every claims token carries.
    #[must_use]
    pub fn email() -> Self {
        Self::named("email")
    }

    /// From one of these issuers.
    #[must_use]
    pub fn with_issuers(mut self, issuers: impl IntoIterator<Item = Issuer>) -> Self {
        self.issuer = issuers.into_iter().collect();
        self
    }

    /// Adds `claim` to `claims`. Where the claim is asked for already, the issuers of both will do,
    /// and any issuer if any will for one of them.
    pub fn join(claims: &mut Vec<Self>, claim: Self) {
        let Some(known) = claims.iter_mut().find(|known| known.name == claim.name) else {
            claims.push(claim);
            return;
        };
        if known.issuer.is_empty() || claim.issuer.is_empty() {
            known.issuer.clear();
            return;
        }
        for issuer in claim.issuer {
            if !known.issuer.contains(&issuer) {
                known.issuer.push(issuer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protection::OwnerId;

    /// Answers the first of all questions, and no other.
    struct Short;

    impl Policy for Short {
        fn assess(&self, _: &PolicyRequest<'_>) -> Ruling {
            Decision::Permit.into()
        }

        fn assess_all(&self, requests: &[PolicyRequest<'_>]) -> Vec<Ruling> {
            requests.first().map(|request| self.assess(request)).into_iter().collect()
        }

        fn revision(&self, _: &Protection, _: Timestamp) -> Revision {
            Revision::of("")
        }
    }

    #[test]
    fn what_is_left_without_an_answer_is_denied() {
        let resource = ResourceDescription::parse(br#"{"resource_scopes":["get","put"]}"#).unwrap();
        let client = ClientId::parse("app").unwrap();
        let first = PolicyRequest {
            protection: &Protection::new(OwnerId::parse("bob").unwrap(), client.clone()),
            resource_id: &ResourceId::parse("r1").unwrap(),
            resource: &resource,
            scope: "get",
            person: None,
            client: &client,
            now: Timestamp::from_unix(0),
        };
        let requests = [first, PolicyRequest { scope: "put", ..first }];
        let answers = answered(&Short, &requests);
        let answers: Vec<_> = answers.map(|(asked, it)| (asked.scope, it.decision)).collect();
        assert_eq!(answers, [("get", Decision::Permit), ("put", Decision::Deny)]);
    }
}
