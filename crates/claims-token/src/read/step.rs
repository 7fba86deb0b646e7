//! The checks of a claims token, and why one failed.

use countersign_jwt::act::ActError;
use countersign_jwt::{ClaimError, Malformed, VerifyError};
use countersign_permission_ticket::challenge::ChallengeError;

use crate::email::EmailClaimError;

/// The checks of a claims token in their order.
///
/// A failed check says that those before it passed, which is what a decision log prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// It is a compact JWS with a JSON object as payload.
    Syntax,
    /// `resource` is the resource server that the ticket was issued to.
    Resource,
    /// `typ` and `alg` are those of a claims token.
    TokenType,
    /// `ticket_challenge` is the challenge of this ticket.
    TicketChallenge,
    /// `aud` is this authorization server alone.
    Audience,
    /// `exp`, `nbf` and `iat` hold now, the life is short, and `jti` and `sub` are there.
    Lifetime,
    /// `iss` is an issuer.
    Issuer,
    /// There is one verified e-mail address.
    Email,
    /// `client_id`, if there, is the client that pushes; `act` is well formed.
    Client,
    /// `iss` is the issuer that the e-mail address's domain names.
    DiscoveredIssuer,
    /// The issuer signed it.
    Signature,
}

impl Step {
    /// Every step in order.
    pub const ALL: &'static [Self] = &[
        Self::Syntax,
        Self::Resource,
        Self::TokenType,
        Self::TicketChallenge,
        Self::Audience,
        Self::Lifetime,
        Self::Issuer,
        Self::Email,
        Self::Client,
        Self::DiscoveredIssuer,
        Self::Signature,
    ];

    /// What it checks, in the words of the claims.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syntax => "claims_token is a compact JWS",
            Self::Resource => "resource is the resource server of the ticket",
            Self::TokenType => "typ and alg are those of a claims token",
            Self::TicketChallenge => "ticket_challenge = base64url(SHA-256(ticket))",
            Self::Audience => "aud is this authorization server alone",
            Self::Lifetime => "exp, nbf and iat hold now",
            Self::Issuer => "iss is an https issuer",
            Self::Email => "one verified e-mail address",
            Self::Client => "client_id is the client that pushes",
            Self::DiscoveredIssuer => "iss is the issuer that the e-mail domain names",
            Self::Signature => "the issuer's signature",
        }
    }

    /// The specification that demands it.
    #[must_use]
    pub const fn section(self) -> &'static str {
        match self {
            Self::Syntax => "RFC 7519 §7.2",
            Self::Resource => "PROFILE §6.2, RFC 8707 §2",
            Self::TokenType => "RFC 8725 §3.1, §3.11",
            Self::TicketChallenge => "PROFILE §3.1",
            Self::Audience => "RFC 8725 §3.9",
            Self::Lifetime => "RFC 7519 §4.1.4-4.1.6",
            Self::Issuer => "RFC 8414 §2",
            Self::Email => "OpenID Connect Core §5.1",
            Self::Client => "PROFILE §4.2, RFC 8693 §4.3",
            Self::DiscoveredIssuer => "RFC 8725 §3.8, OpenID Connect Discovery §4.3",
            Self::Signature => "RFC 7515 §5.2",
        }
    }
}

/// Why a claims token was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimsTokenError {
    /// Not a compact JWS with a JSON object as payload.
    #[error("not a signed JWT")]
    Malformed(#[from] Malformed),
    /// `resource` names another resource server: `invalid_target`, where everything else is a
    /// reason for `need_info`.
    #[error("the claims token is for another resource server")]
    Resource,
    /// There is no `resource` claim.
    #[error("the claims token names no resource server")]
    ResourceMissing,
    /// `ticket_challenge` is missing or has another form.
    #[error("no well-formed ticket_challenge")]
    ChallengeForm(#[source] Option<ChallengeError>),
    /// `ticket_challenge` is another ticket's.
    #[error("the claims token is bound to another ticket")]
    Challenge,
    /// A registered claim or the header is not as it must be.
    #[error("a claim of the claims token is refused")]
    Claim(#[from] ClaimError),
    /// `iss` is no issuer.
    #[error("iss is not an issuer")]
    IssuerForm(#[source] countersign_types::identifier::IdentifierError),
    /// There is no verified e-mail address.
    #[error("no verified e-mail address")]
    Email(#[from] EmailClaimError),
    /// `client_id` names another client.
    #[error("the claims token was given to another client")]
    Client,
    /// `act` is malformed, or names another party than the client itself.
    #[error("act is refused")]
    Act(#[source] Option<ActError>),
    /// The person is not the one of the client's session.
    #[error("the claims token speaks of another person")]
    Person,
    /// `iss` is not the issuer that the e-mail address leads to.
    #[error("iss is not the issuer of the e-mail domain")]
    DiscoveredIssuer,
    /// The signature did not verify with the issuer's keys.
    #[error("the signature did not verify")]
    Signature(#[from] VerifyError),
}

impl ClaimsTokenError {
    /// The step that failed; those before it in [`Step::ALL`] passed.
    #[must_use]
    pub const fn step(&self) -> Step {
        match self {
            Self::Malformed(_) => Step::Syntax,
            Self::Resource | Self::ResourceMissing => Step::Resource,
            Self::ChallengeForm(_) | Self::Challenge => Step::TicketChallenge,
            Self::Claim(ClaimError::Typ | ClaimError::Algorithm(_)) => Step::TokenType,
            Self::Claim(ClaimError::Audience) => Step::Audience,
            Self::Claim(_) => Step::Lifetime,
            Self::IssuerForm(_) => Step::Issuer,
            Self::Email(_) | Self::Person => Step::Email,
            Self::Client | Self::Act(_) => Step::Client,
            Self::DiscoveredIssuer => Step::DiscoveredIssuer,
            Self::Signature(_) => Step::Signature,
        }
    }
}
