//! Why an exchange was refused, and in which step. [RFC 8693 §2.2.2]
//!
//! [RFC 8693 §2.2.2]: https://www.rfc-editor.org/rfc/rfc8693#section-2.2.2

use countersign_claims_token::email::EmailClaimError;
use countersign_identity_propagation::actor_token::ActorError;
use countersign_jwt::act::ActError;
use countersign_permission_ticket::challenge::ChallengeError;
use countersign_types::params::ParamsError;
use countersign_types::scope::ScopeError;
use countersign_types::wire::ErrorCode;
use countersign_types::{ClientId, Wire, WireError};
use http::StatusCode;

use crate::foreign::ForeignError;
use crate::request::Wanted;
use crate::subject::SubjectError;

/// The checks of an exchange in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The request is well formed.
    Request,
    /// The client may exchange tokens.
    Client,
    /// The subject token is a live one of this server or of an issuer that it trusts.
    SubjectToken,
    /// The client may exchange this subject token.
    SubjectClient,
    /// Who acts may act.
    Actor,
    /// The person agreed that this client may speak for them.
    Consent,
    /// The person has one verified e-mail address.
    Person,
    /// The client may obtain tokens for the audience.
    Audience,
    /// The resource is well formed and not denied.
    Resource,
    /// Scope and lifetime stay within what everybody allows.
    Narrowing,
    /// The delegation policy permits it.
    Delegation,
    /// The proof of the key that the token is to be bound to, if there is one, was not used before.
    Proof,
}

/// The two halves of the authorization process at a security token service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// "1. evaluate the user_claims from access_token"
    UserClaims,
    /// "2. evaluate the resource"
    Resource,
}

impl Phase {
    /// The phase in the words of the flow.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserClaims => "1. evaluate the user_claims from access_token",
            Self::Resource => "2. evaluate the resource",
        }
    }
}

impl Step {
    /// Every step of a request without the proof of a key, in order.
    pub const ALL: &'static [Self] = &[
        Self::Request,
        Self::Client,
        Self::SubjectToken,
        Self::SubjectClient,
        Self::Actor,
        Self::Consent,
        Self::Person,
        Self::Audience,
        Self::Resource,
        Self::Narrowing,
        Self::Delegation,
    ];

    /// The steps of a request for this product.
    #[must_use]
    pub const fn of(wanted: Wanted) -> &'static [Self] {
        match wanted {
            Wanted::ClaimsToken => Self::ALL,
            Wanted::IdentityToken => &[
                Self::Request,
                Self::Client,
                Self::SubjectToken,
                Self::SubjectClient,
                Self::Actor,
                Self::Person,
                Self::Audience,
                Self::Resource,
                Self::Narrowing,
                Self::Delegation,
            ],
            Wanted::AccessToken | Wanted::TargetProfile => &[
                Self::Request,
                Self::Client,
                Self::SubjectToken,
                Self::SubjectClient,
                Self::Actor,
                Self::Audience,
                Self::Resource,
                Self::Narrowing,
                Self::Delegation,
            ],
        }
    }

    /// Which half of the process it belongs to.
    #[must_use]
    pub const fn phase(self) -> Phase {
        match self {
            Self::Audience | Self::Resource | Self::Narrowing | Self::Delegation | Self::Proof => {
                Phase::Resource
            }
            _ => Phase::UserClaims,
        }
    }

    /// What it checks.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "the request is well formed",
            Self::Client => "the client may exchange tokens",
            Self::SubjectToken => "subject_token is live, of this server or an issuer it trusts",
            Self::SubjectClient => "the client may exchange this subject_token",
            Self::Actor => "who acts may act",
            Self::Consent => "the person lets the client speak for them (scope claims-provider)",
            Self::Person => "the person has a verified e-mail address",
            Self::Audience => "the client may obtain tokens for the audience",
            Self::Resource => "resource is an absolute URI that is not denied",
            Self::Narrowing => "scope and lifetime stay within the subject_token and the policies",
            Self::Delegation => "the delegation policy permits who acts",
            Self::Proof => "the DPoP proof was not used before",
        }
    }

    /// The specification that demands it.
    #[must_use]
    pub const fn section(self) -> &'static str {
        match self {
            Self::Request => "RFC 8693 §2.1",
            Self::Client => "RFC 6749 §5.2",
            Self::SubjectToken => "RFC 8693 §2.1, RFC 9068 §4",
            Self::SubjectClient => "PROFILE §5.3, RFC 8693 §5",
            Self::Actor => "RFC 8693 §4.1, §4.4",
            Self::Consent => "PROFILE §5.3",
            Self::Person => "PROFILE §5.3, OpenID Connect Core §5.1",
            Self::Audience => "RFC 8693 §2.2.2",
            Self::Resource => "RFC 8707 §2",
            Self::Narrowing => "RFC 8693 §2.1",
            Self::Delegation => "RFC 8693 §1.1, §2.2.2",
            Self::Proof => "RFC 9449 §11.1",
        }
    }
}

/// Why an exchange was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// A parameter is missing, repeated or malformed.
    #[error("the request is malformed")]
    Params(#[from] ParamsError),
    /// `ticket_challenge` or its method is malformed, or two names have two values.
    #[error("the ticket challenge is refused")]
    Challenge(#[from] ChallengeError),
    /// `ticket_challenge` beside a token type that cannot carry it.
    #[error("ticket_challenge beside another token type than jwt")]
    ChallengeMisplaced,
    /// A `subject_token_type` that is no subject token here.
    #[error("subject_token_type is not supported")]
    SubjectTokenType {
        /// Whether it is one of RFC 8693 §3.
        registered: bool,
    },
    /// `subject_issuer` beside another token type than `…:access_token`.
    #[error("subject_issuer beside another token type than access_token")]
    SubjectIssuerMisplaced,
    /// An `actor_token_type` other than `…:jwt`.
    #[error("actor_token_type is not supported")]
    ActorTokenType {
        /// Whether it is one of RFC 8693 §3.
        registered: bool,
    },
    /// One of `actor_token` and `actor_token_type` without the other.
    #[error("actor_token and actor_token_type belong together")]
    ActorPair,
    /// A `requested_token_type` that is not issued here.
    #[error("requested_token_type is not supported")]
    RequestedTokenType {
        /// Whether it is one of RFC 8693 §3.
        registered: bool,
    },
    /// `…:jwt` was requested and nothing says which one.
    #[error("no profile is configured for a jwt for this target")]
    NoProfile,
    /// `scope` is malformed.
    #[error("scope is malformed")]
    ScopeSyntax(#[source] ScopeError),
    /// More than [`crate::request::MAX_TARGETS`] targets of one kind.
    #[error("too many targets")]
    TooManyTargets,
    /// A DPoP proof beside a request for a token that nobody could ask the proof of.
    #[error("a claims token cannot be bound to a key")]
    BindingMisplaced,
    /// The client may not exchange tokens.
    #[error("client {0} may not exchange tokens")]
    Client(ClientId),
    /// A public client, where the policy wants a confidential one.
    #[error("public client {0} may not exchange tokens")]
    PublicClient(ClientId),
    /// `subject_token` is no live access token of this server.
    #[error("subject_token rejected")]
    SubjectToken(#[from] SubjectError),
    /// `subject_token` is no live token of an issuer that is trusted.
    #[error("subject_token of another issuer rejected")]
    ForeignToken(#[from] ForeignError),
    /// Another issuer's word is no ground for what was asked for.
    #[error("another issuer's subject_token gives access tokens alone")]
    ForeignProduct,
    /// `subject_token` belongs to another client.
    #[error("client {0} may not exchange this subject_token")]
    SubjectClient(ClientId),
    /// `actor_token` did not verify.
    #[error("actor_token rejected")]
    ActorToken(#[from] ActorError),
    /// The client may not name an actor.
    #[error("client {0} may not present an actor_token")]
    ActorNotAllowed(ClientId),
    /// `may_act` names somebody else.
    #[error("may_act does not name the actor")]
    MayAct,
    /// `actor_token` is made out to another target than the request's.
    #[error("actor_token is for another target")]
    ActorTarget,
    /// `actor_token` is made out to this server, and no target stands beside it.
    #[error("nothing says which target the actor acts at")]
    NoActorTarget,
    /// The chain of actors is too long.
    #[error("the chain of actors is refused")]
    Act(#[source] ActError),
    /// The names in the chain of actors are too long.
    #[error("the chain of actors is too large")]
    ActSize,
    /// The delegation policy does not permit it.
    #[error("the delegation policy refuses by {rules:?}")]
    Delegation {
        /// The rules that forbid, by name; none if no rule permits.
        rules: Vec<String>,
        /// Whether the client is told of them.
        explained: bool,
        /// Whether the client named the person: then the answer is that for somebody who does not
        /// exist.
        named: bool,
    },
    /// The subject token has not the scope that lets the client speak for the person.
    #[error("subject_token has not the scope claims-provider")]
    Consent,
    /// The subject is a client and not a person.
    #[error("the subject is a client")]
    NotAPerson,
    /// The client may name nobody, or not this person, or there is no such person.
    #[error("client {0} may not name this person, or there is none")]
    Impersonation(ClientId),
    /// The subject token names no verified e-mail address.
    #[error("subject_token names no verified e-mail address")]
    Email(#[source] EmailClaimError),
    /// `email_address` is not the subject's.
    #[error("email_address is not the one of the subject_token")]
    OtherEmail,
    /// `audience` or `resource` is missing, given too often, or no absolute URI and not registered.
    #[error("the target is missing or malformed")]
    TargetForm,
    /// Two targets that do not belong together.
    #[error("audience and resource contradict each other")]
    TargetConflict,
    /// The client may not obtain tokens for this audience.
    #[error("client {client} may not obtain tokens for {audience}")]
    Audience {
        /// The client.
        client: ClientId,
        /// What it asked for.
        audience: String,
    },
    /// The resource is denied to everybody.
    #[error("resource {0} is denied")]
    ResourceDenied(String),
    /// More scope than the subject token, the client and the policy allow.
    #[error("more scope than allowed")]
    Scope,
}

impl ExchangeError {
    /// The step that failed; those before it in [`Step::of`] the product passed.
    #[must_use]
    pub const fn step(&self) -> Step {
        match self {
            Self::Params(_)
            | Self::Challenge(_)
            | Self::ChallengeMisplaced
            | Self::SubjectTokenType { .. }
            | Self::SubjectIssuerMisplaced
            | Self::ActorTokenType { .. }
            | Self::ActorPair
            | Self::RequestedTokenType { .. }
            | Self::NoProfile
            | Self::ScopeSyntax(_)
            | Self::TooManyTargets
            | Self::BindingMisplaced => Step::Request,
            Self::Client(_) | Self::PublicClient(_) => Step::Client,
            Self::SubjectToken(_) | Self::ForeignToken(_) | Self::ForeignProduct => {
                Step::SubjectToken
            }
            Self::SubjectClient(_) => Step::SubjectClient,
            Self::ActorToken(_)
            | Self::ActorNotAllowed(_)
            | Self::MayAct
            | Self::Act(_)
            | Self::ActSize => Step::Actor,
            Self::NoActorTarget | Self::ActorTarget => Step::Audience,
            Self::Delegation { .. } => Step::Delegation,
            Self::Consent => Step::Consent,
            Self::NotAPerson | Self::Impersonation(_) | Self::Email(_) | Self::OtherEmail => {
                Step::Person
            }
            Self::TargetForm | Self::TargetConflict | Self::Audience { .. } => Step::Audience,
            Self::ResourceDenied(_) => Step::Resource,
            Self::Scope => Step::Narrowing,
        }
    }
}

/// The error table. [RFC 8693 §2.2.2](https://www.rfc-editor.org/rfc/rfc8693#section-2.2.2)
impl WireError for ExchangeError {
    fn wire(&self) -> Wire {
        let invalid_request = |description| (ErrorCode::INVALID_REQUEST, description);
        let (code, description) = match self {
            Self::Params(error) => return error.wire(),
            Self::Challenge(_) => invalid_request("the ticket challenge is not acceptable"),
            Self::ChallengeMisplaced => {
                invalid_request("ticket_challenge needs requested_token_type jwt")
            }
            Self::SubjectTokenType { .. } => invalid_request("subject_token_type is not supported"),
            Self::ActorTokenType { .. } => invalid_request("actor_token_type is not supported"),
            Self::ActorPair => invalid_request("actor_token and actor_token_type belong together"),
            Self::RequestedTokenType { .. } => {
                invalid_request("the requested token is not issued here")
            }
            Self::NoProfile => invalid_request("nothing says which kind of jwt is wanted"),
            Self::BindingMisplaced => invalid_request("a claims token is not bound to a key here"),
            Self::SubjectIssuerMisplaced => {
                invalid_request("subject_issuer needs subject_token_type access_token")
            }
            Self::ForeignProduct => {
                invalid_request("subject_token of another issuer gives access tokens alone")
            }
            Self::SubjectToken(_) | Self::ForeignToken(_) | Self::SubjectClient(_) => {
                invalid_request("subject_token is not acceptable")
            }
            Self::ActorTarget => (ErrorCode::INVALID_TARGET, "actor_token is for another target"),
            Self::NoActorTarget => {
                invalid_request("actor_token for this server needs resource or audience")
            }
            // RFC 8693 §2.2.2: what is "unacceptable based on policy" is an invalid request, too.
            Self::ActorToken(_)
            | Self::ActorNotAllowed(_)
            | Self::MayAct
            | Self::Act(_)
            | Self::ActSize
            | Self::Delegation { named: false, .. } => {
                invalid_request("the actor is not acceptable")
            }
            Self::Consent => invalid_request("subject_token has not the scope claims-provider"),
            // One answer, so that nobody learns which addresses exist.
            Self::Delegation { named: true, .. }
            | Self::NotAPerson
            | Self::Impersonation(_)
            | Self::Email(_)
            | Self::OtherEmail => invalid_request("subject_token names no such person"),
            Self::ScopeSyntax(_) | Self::Scope => {
                (ErrorCode::INVALID_SCOPE, "the scope exceeds what may be granted")
            }
            Self::Client(_) | Self::PublicClient(_) => {
                (ErrorCode::UNAUTHORIZED_CLIENT, "the client may not use this grant")
            }
            Self::TooManyTargets | Self::TargetForm | Self::TargetConflict => {
                (ErrorCode::INVALID_TARGET, "the target is not acceptable")
            }
            Self::Audience { .. } | Self::ResourceDenied(_) => {
                (ErrorCode::INVALID_TARGET, "the target is not allowed")
            }
        };
        Wire::new(code, StatusCode::BAD_REQUEST, description)
    }
}
