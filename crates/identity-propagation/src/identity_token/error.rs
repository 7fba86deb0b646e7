//! Why an identity token was refused.

use countersign_jwt::act::ActError;
use countersign_jwt::{ClaimError, Malformed, VerifyError};
use countersign_types::email::EmailError;
use countersign_types::identifier::IdentifierError;

/// Why an identity token was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityTokenError {
    /// Not a compact JWS with a JSON object as payload.
    #[error("not a signed JWT")]
    Malformed(#[from] Malformed),
    /// A registered claim or the header is not as it must be.
    #[error("a claim of the identity token is refused")]
    Claim(#[from] ClaimError),
    /// `iss` is no issuer.
    #[error("iss is not an issuer")]
    IssuerForm(#[source] IdentifierError),
    /// `sub` is no e-mail address.
    #[error("sub is not an e-mail address")]
    Subject(#[source] EmailError),
    /// `email` names another person than `sub`, or an unverified address.
    #[error("sub and email name two persons")]
    Ambiguous,
    /// There is no `act`.
    #[error("nobody acts")]
    NoActor,
    /// `act` is malformed.
    #[error("act is refused")]
    Act(#[source] ActError),
    /// The actor is no client that is known by a URL.
    #[error("the actor is not a client with a URL")]
    ActorForm,
    /// `act.sub` and `client_id` name two clients, or another than the client itself.
    #[error("the identity token was given to another client")]
    Client,
    /// `cnf` is not understood, or another binding than the client asked for.
    #[error("the binding of the identity token is refused")]
    Confirmation,
    /// The person is not the one of the client's session.
    #[error("the identity token speaks of another person")]
    Person,
    /// `iss` is not the issuer that is entitled to speak for the address, or that was asked.
    #[error("iss is not the issuer of the e-mail domain")]
    Issuer,
    /// The signature did not verify with the issuer's keys.
    #[error("the signature did not verify")]
    Signature(#[from] VerifyError),
}
