//! Why a person is not signed in.

use std::error::Error;

use countersign_fetch::FetchError;
use countersign_jwt::SignError;
use countersign_jwt::jwks::KeySetError;
use countersign_metadata::MetadataError;
use countersign_types::identifier::IdentifierError;
use countersign_types::params::ParamsError;
use openidconnect::ClaimsVerificationError;

/// Why a person is not signed in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// A URL or identifier is none.
    #[error("the URL of the {what} is malformed")]
    Url {
        /// Which one.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: IdentifierError,
    },
    /// The provider's metadata or keys could not be fetched.
    #[error("the provider's {what} could not be fetched")]
    Fetch {
        /// Metadata or keys.
        what: &'static str,
        /// Why not.
        #[source]
        source: FetchError,
    },
    /// The provider's metadata is malformed or names another issuer.
    #[error("the provider's metadata was refused")]
    Metadata(#[source] MetadataError),
    /// The provider publishes no such endpoint.
    #[error("the provider publishes no {0}")]
    NoEndpoint(&'static str),
    /// The provider supports PKCE, but not `S256`.
    #[error("the provider does not support the PKCE method S256")]
    NoPkce,
    /// The provider's key set is malformed.
    #[error("the provider's key set was refused")]
    Keys(#[source] KeySetError),
    /// The answer's parameters are malformed, or `code` is missing.
    #[error("the authorization response is malformed")]
    Response(#[from] ParamsError),
    /// The answer's `state` is not the one that was sent: it belongs to another login, or to
    /// someone else's. RFC 6749 §10.12
    #[error("the authorization response belongs to another request")]
    State,
    /// The answer's `iss` names another issuer, or is missing although the provider promises it.
    /// RFC 9207 §2.4
    #[error("the authorization response is from another issuer")]
    Issuer,
    /// The provider refused: `access_denied` if the person did.
    #[error("the provider refused: {error}")]
    Refused {
        /// The error code, in characters that are safe to show.
        error: String,
    },
    /// The client's key did not sign its authentication.
    #[error("the client could not prove itself")]
    Sign(#[source] SignError),
    /// The code could not be exchanged for tokens.
    #[error("the code could not be exchanged")]
    Exchange(#[source] Box<dyn Error + Send + Sync>),
    /// The token response lacks something, or is not what was asked for.
    #[error("the token response is not usable: {0}")]
    Tokens(&'static str),
    /// The ID token does not say when the person signed in, or says that it was too long ago, where
    /// that was asked. OpenID Core §3.1.2.1, §3.1.3.7
    #[error("the person did not sign in as lately as was asked")]
    AuthTime,
    /// The ID token did not verify.
    #[error("the ID token was refused")]
    IdToken(#[source] Box<ClaimsVerificationError>),
}
