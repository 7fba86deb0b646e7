//! Why the authorization server could not be asked.

use countersign_fetch::FetchError;
use countersign_jwt::SignError;
use countersign_resolver::ServerMetadataError;
use countersign_types::Wire;
use countersign_types::wire::is_description;
use http::{Response, StatusCode};
use serde::Deserialize;

use crate::introspect::IntrospectionError;
use crate::registration::RegistrationStoreError;

/// Why the conversation with the authorization server came to nothing. The operator sees this. The
/// caller of a protected resource sees one and the same answer for all that is the authorization
/// server's, [`unreachable`](crate::challenge::unreachable), and 503 or 500 for what failed here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConversationError {
    /// The authorization server's metadata cannot be had, or is another server's.
    #[error("no metadata of the authorization server")]
    Metadata(#[source] ServerMetadataError),
    /// The metadata lacks an endpoint of the protection API.
    #[error("the authorization server publishes no {0}")]
    NoEndpoint(&'static str),
    /// A request got no response.
    #[error("no response from the {endpoint}")]
    Fetch {
        /// The endpoint, by its metadata name.
        endpoint: &'static str,
        /// What happened.
        #[source]
        source: FetchError,
    },
    /// A request was refused. At the `token_endpoint` this means that no PAT is given.
    #[error("the {endpoint} answered {status} {}", error.as_deref().unwrap_or("without an error code"))]
    Refused {
        /// The endpoint, by its metadata name.
        endpoint: &'static str,
        /// The status.
        status: StatusCode,
        /// The `error` member, if there was a well-formed one.
        error: Option<String>,
    },
    /// A response is not what its specification says.
    #[error("the {0} answered with something else")]
    Malformed(&'static str),
    /// An introspection response cannot be read.
    #[error("the introspection response cannot be read")]
    Introspection(#[from] IntrospectionError),
    /// No proof of who this server is could be made.
    #[error("the client authentication could not be made")]
    Proof(#[from] SignError),
    /// The memory of registrations failed.
    #[error("the memory of registrations failed")]
    Registrations(#[source] RegistrationStoreError),
    /// No resource of this name was given to the [`ResourceServer`](crate::ResourceServer).
    #[error("no resource is called {0:?}")]
    UnknownResource(String),
    /// The realm of this server's [`Identity`](crate::Identity) is no text for a challenge.
    #[error("the realm is not printable ASCII")]
    Realm,
    /// What others wait for as well did not come to its end: the runtime is ending.
    #[error("the conversation was cut off")]
    Stopped,
}

impl ConversationError {
    /// The refusal that a response stands for.
    pub(crate) fn refused(endpoint: &'static str, response: &Response<impl AsRef<[u8]>>) -> Self {
        #[derive(Deserialize)]
        struct ErrorBody {
            error: String,
        }
        let body = serde_json::from_slice::<ErrorBody>(response.body().as_ref()).ok();
        let error = body.map(|body| body.error).filter(|e| is_description(e) && e.len() <= 64);
        Self::Refused { endpoint, status: response.status(), error }
    }

    /// What the caller is told of a failure of this server itself; `None` if it is the
    /// authorization server's, or lies between the two.
    pub(crate) const fn own(&self) -> Option<Wire> {
        match self {
            Self::Registrations(_) | Self::Proof(_) | Self::Stopped => Some(Wire::unavailable()),
            Self::UnknownResource(_) | Self::Realm => Some(Wire::server_error()),
            Self::Metadata(_)
            | Self::NoEndpoint(_)
            | Self::Fetch { .. }
            | Self::Refused { .. }
            | Self::Malformed(_)
            | Self::Introspection(_) => None,
        }
    }

    /// Tells the operator.
    pub(crate) fn log(&self, resource: &str) {
        let error: &dyn std::error::Error = self;
        if self.own().is_some() {
            tracing::error!(error, resource, "this server failed");
        } else {
            tracing::warn!(error, resource, "the authorization server cannot be asked");
        }
    }

    /// The error code of a refusal.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { error, .. } => error.as_deref(),
            _ => None,
        }
    }
}
