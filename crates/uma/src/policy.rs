//! Who may reach a resource: the seam. [UG §3.3.4], [UG §5.6]
//!
//! [`rules`] is the implementation that reads configuration; another one may stand behind the same
//! trait.
//!
//! [UG §3.3.4]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.4
//! [UG §5.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.5.6

pub mod rules;

use std::collections::BTreeSet;

use countersign_types::digest::Digest;
use countersign_types::{ClientId, Issuer, Timestamp, TokenType};
use serde::Serialize;

use crate::person::Person;
use crate::protection::Protection;
use crate::resource::{ResourceDescription, ResourceId};

/// Decides about one scope at one resource. Same question, same answer.
///
/// What is not permitted is denied: an implementation that has no policy for a resource answers
/// [`Decision::Deny`].
pub trait Policy: Send + Sync {
    /// Decides. The person, if there is one, is verified; the client is authenticated, or
    /// identified if it is public; the resource's texts come from the resource server.
    fn assess(&self, request: &PolicyRequest<'_>) -> Decision;

    /// What the answers about this owner's resources at this resource server rest on: another value
    /// as soon as one of them may be another.
    ///
    /// An RPT is issued under a revision. While it stands, introspection only compares; once there
    /// is another, every permission of the RPT is assessed anew, so that a change of policy bites
    /// at the next use of the token. An RPT outlives a restart: a counter that begins again is no
    /// revision.
    fn revision(&self, protection: &Protection) -> Revision;

    /// The claims beside issuer, subject, e-mail address and presence that those answers may depend
    /// on. Of what a claims token said, these alone are kept with an RPT, and count when it is
    /// assessed anew; one that was not kept is one that the person does not have.
    fn claims(&self, protection: &Protection) -> BTreeSet<String> {
        let _ = protection;
        BTreeSet::new()
    }
}

/// Which policy is in force. Two are compared and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision(Digest);

impl Revision {
    /// The revision of the policy with this content, or of this name for it.
    #[must_use]
    pub fn of(content: impl AsRef<[u8]>) -> Self {
        Self(Digest::of(content.as_ref()))
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

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// They may.
    Permit,
    /// It depends on these claims, which are not there: `need_info`. Never empty.
    NeedClaims(Vec<RequiredClaim>),
    /// The owner is to be asked, about a person who is known: `request_submitted` until they answer.
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
