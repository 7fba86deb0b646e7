//! Who may act for whom, towards whom: the policy seam behind an exchange in which somebody acts.
//!
//! The registrations bound what a client may ask for. This is asked last, about what would be
//! granted, and can only refuse.

use countersign_jwt::act::ActorChain;
use countersign_types::{ClientId, EmailAddress, ScopeSet};

/// What would be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Issued {
    /// An access token.
    AccessToken,
    /// A claims token for a UMA authorization server.
    ClaimsToken,
    /// An identity token for a relying party.
    IdentityToken,
}

impl Issued {
    /// A name for policies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::ClaimsToken => "claims_token",
            Self::IdentityToken => "identity_token",
        }
    }
}

/// An exchange about to be granted. Everything here was verified or decided before.
#[derive(Clone, Copy, Debug)]
pub struct Delegation<'a> {
    /// The client that asks.
    pub client: &'a ClientId,
    /// On whose behalf, in the name space of this server.
    pub subject: &'a str,
    /// The person's verified address, where the subject token carries it.
    pub email: Option<&'a EmailAddress>,
    /// Who acts now, and who did before; `None` if the client takes the subject's place without
    /// saying so (impersonation, [RFC 8693 §1.1]). Only the current actor is a ground to permit;
    /// those before it are history.
    ///
    /// [RFC 8693 §1.1]: https://www.rfc-editor.org/rfc/rfc8693#section-1.1
    pub act: Option<&'a ActorChain>,
    /// What would be issued.
    pub issued: Issued,
    /// For whom.
    pub targets: &'a [String],
    /// With what scope.
    pub scope: &'a ScopeSet,
}

/// A policy's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it permits.
    pub permitted: bool,
    /// The rules that decided, by name; empty if none spoke.
    pub rules: Vec<String>,
}

/// Decides about delegations. Same question, same answer; silence is denial.
pub trait DelegationPolicy: std::fmt::Debug + Send + Sync {
    /// Whether this may be issued.
    fn assess(&self, delegation: &Delegation<'_>) -> Verdict;
}

/// What the clients' registrations allow is allowed.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByRegistration;

impl DelegationPolicy for ByRegistration {
    fn assess(&self, _: &Delegation<'_>) -> Verdict {
        Verdict { permitted: true, rules: Vec::new() }
    }
}
