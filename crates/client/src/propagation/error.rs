//! Why nothing came back.

use countersign_fetch::FetchError;
use countersign_identity_propagation::IdentityTokenError;
use countersign_jwt::SignError;
use countersign_types::Issuer;

use crate::error::ClientError;
use crate::token_endpoint::TokenError;

/// Why there is no response of the relying party.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PropagationError {
    /// The request cannot be sent: its URL is not an absolute `https` one, or it brings headers
    /// that are the client's to set.
    #[error("the request cannot be sent: {0}")]
    Request(&'static str),
    /// Whom the request is for, or where the provider is, cannot be told.
    #[error(transparent)]
    Discovery(Box<ClientError>),
    /// The application has no access token of the person.
    #[error("there is no access token to exchange")]
    SubjectToken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The session does not know the person's e-mail address, so that nobody could tell whether an
    /// identity token is about this person.
    #[error("the person's e-mail address is not known")]
    NoEmail,
    /// The security token service issued nothing.
    #[error("{issuer} did not issue an identity token")]
    Exchange {
        /// The service.
        issuer: Issuer,
        /// What it said.
        #[source]
        source: Box<TokenError<FetchError>>,
    },
    /// The security token service issued something else than a JWT that is no access token.
    #[error("{0} issued a token of another type than the one asked for")]
    IssuedType(Issuer),
    /// The identity token says something else than was asked for. It is shown to nobody.
    #[error("the identity token of {issuer} is not what was asked for")]
    IdentityToken {
        /// The service.
        issuer: Issuer,
        /// What is wrong with it.
        #[source]
        source: IdentityTokenError,
    },
    /// The client's key did not sign.
    #[error("the client could not prove itself")]
    Sign(#[from] SignError),
    /// No response came.
    #[error("the relying party did not answer")]
    Fetch(#[source] FetchError),
}
