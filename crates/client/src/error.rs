//! Why a request did not get in.

use countersign_claims_token::ClaimsTokenError;
use countersign_fetch::FetchError;
use countersign_jwt::SignError;
use countersign_resolver::{ResourceMetadataError, ServerMetadataError};
use countersign_types::secret::TicketHandle;
use countersign_types::{EndpointUrl, Issuer, ResourceIdentifier};
use http::StatusCode;

use crate::challenge::ChallengeError;
use crate::grant::NeedInfo;
use crate::retry::RetryError;
use crate::subject::Person;
use crate::token_endpoint::{TokenError, TokenErrorResponse};

/// Why a [`Client`](crate::Client) returns no response of the resource server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The request cannot be sent: its URL is not an absolute `https` one, or it brings an
    /// `Authorization` header, which is the client's to set.
    #[error("the request cannot be sent: {0}")]
    Request(&'static str),
    /// No response came.
    #[error("{party} did not answer")]
    Fetch {
        /// Who was asked.
        party: String,
        /// What happened.
        #[source]
        source: FetchError,
    },
    /// The resource server's challenge cannot be answered.
    #[error("the resource server's challenge is refused")]
    Challenge(#[from] ChallengeError),
    /// A server's metadata could not be had or is about another issuer. A resource server that
    /// names an authorization server whose metadata lies is stopped here.
    #[error("the metadata of {issuer} cannot be used")]
    Metadata {
        /// The server.
        issuer: Issuer,
        /// What is wrong with it.
        #[source]
        source: ServerMetadataError,
    },
    /// The resource server's metadata is malformed, or could not be had and is not known to be
    /// absent: whom it lists as its authorization servers cannot be told.
    #[error("the resource server's metadata at {document} cannot be used")]
    ResourceMetadata {
        /// Where the document is.
        document: EndpointUrl,
        /// What is wrong with it.
        #[source]
        source: ResourceMetadataError,
    },
    /// A server's metadata names no token endpoint.
    #[error("{0} publishes no token endpoint")]
    NoTokenEndpoint(Issuer),
    /// The resource server's metadata does not list the authorization server of its challenge.
    #[error("the metadata of {resource} does not list {as_uri}")]
    AuthorizationServer {
        /// The resource server.
        resource: ResourceIdentifier,
        /// What the challenge said.
        as_uri: Issuer,
    },
    /// The client is not known at this authorization server.
    #[error("the client has no registration at {0}")]
    NotRegistered(Issuer),
    /// Nobody approved that claims go to this authorization server.
    #[error("sending claims to {0} was not approved")]
    NotApproved(Issuer),
    /// The application has no access token of the person.
    #[error("there is no access token to exchange")]
    SubjectToken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The security token service issued nothing.
    #[error("{issuer} did not issue a claims token")]
    Exchange {
        /// The security token service.
        issuer: Issuer,
        /// What it said.
        #[source]
        source: Box<TokenError<FetchError>>,
    },
    /// A claims provider's metadata names no claims endpoint.
    #[error("{0} publishes no claims endpoint")]
    NoClaimsEndpoint(Issuer),
    /// The claims provider issued nothing.
    #[error("{issuer} did not issue a claims token: {status}")]
    Claims {
        /// The claims provider.
        issuer: Issuer,
        /// The status of its answer.
        status: StatusCode,
        /// What it said, if that was an error response.
        #[source]
        source: Option<Box<Said>>,
    },
    /// The security token service issued something else than a JWT that is no access token.
    #[error("{0} issued a token of another type than the one asked for")]
    IssuedType(Issuer),
    /// The claims token says something else than was asked for. It is not pushed.
    #[error("the claims token of {issuer} is not what was asked for")]
    ClaimsToken {
        /// The security token service.
        issuer: Issuer,
        /// What is wrong with it.
        #[source]
        source: ClaimsTokenError,
    },
    /// The authorization server answered with an error that ends the request.
    #[error("{issuer} did not issue a requesting party token")]
    Grant {
        /// The authorization server.
        issuer: Issuer,
        /// What it said.
        #[source]
        source: Box<TokenError<FetchError>>,
    },
    /// The authorization server issued a token that is not a bearer token.
    #[error("{0} issued a token that cannot be used")]
    TokenType(Issuer),
    /// `request_denied`.
    #[error("{issuer} denied the request")]
    Denied {
        /// The authorization server.
        issuer: Issuer,
        /// What it said.
        #[source]
        source: Box<Said>,
    },
    /// `need_info`, and the client has nothing more to give.
    #[error("{issuer} needs more information")]
    NeedInfo {
        /// The authorization server.
        issuer: Issuer,
        /// What it needs.
        info: Box<NeedInfo>,
    },
    /// `redirect_user` is not the claims interaction endpoint of the server's own metadata. Nobody
    /// is sent there.
    #[error("{0} wants to send the person somewhere else than its metadata says")]
    RedirectUser(Issuer),
    /// `request_submitted`: the resource owner is asked.
    #[error("{} asks the resource owner", .0.as_uri)]
    Submitted(Box<Pending>),
    /// The request went round too often, or with an old ticket.
    #[error(transparent)]
    Retry(#[from] RetryError),
    /// The client's key did not sign its authentication.
    #[error("the client could not prove itself")]
    Sign(#[from] SignError),
}

/// An error response, as the source of another error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Said(pub TokenErrorResponse);

/// A request that waits for the resource owner. [`Client::resume`](crate::Client::resume) goes on
/// with it.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The authorization server.
    pub as_uri: Issuer,
    /// The resource server.
    pub resource: ResourceIdentifier,
    /// About whom its owner is asked.
    pub person: Person,
    /// The ticket to go on with, if the server gave one.
    pub ticket: Option<TicketHandle>,
    /// How many seconds to wait before going on.
    pub interval: Option<u32>,
}
