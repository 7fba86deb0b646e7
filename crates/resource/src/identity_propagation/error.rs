//! Why an identity is not accepted.

use countersign_client_auth::dpop::DpopError;
use countersign_identity_propagation::PresentationError;
use countersign_identity_propagation::presentation::Step;
use countersign_resolver::client::ClientError;
use countersign_resolver::{DiscoveryError, KeysError, ServerMetadataError};
use countersign_types::wire::ErrorCode;
use countersign_types::{Wire, WireError};
use http::StatusCode;

use super::proofs::ProofsError;

/// Why an identity is not accepted. The caller is told `invalid_token` and nothing more: every URL
/// that was fetched is one that the caller, or whoever vouches for them, chose.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The identity token or the client proof is refused.
    #[error("the presentation is refused")]
    Presentation(#[from] PresentationError),
    /// Nobody of this domain is taken.
    #[error("nobody of {domain} is taken here")]
    Domain {
        /// The domain of the address.
        domain: String,
    },
    /// The domain names no issuer.
    #[error("nobody speaks for the address")]
    Discovery(#[from] DiscoveryError),
    /// The token is of an issuer that does not speak for the domain.
    #[error("the issuer does not speak for {domain}")]
    NotEntitled {
        /// The domain of the address.
        domain: String,
    },
    /// The metadata of the domain's issuer cannot be had.
    #[error("no metadata of the issuer")]
    Metadata(#[from] ServerMetadataError),
    /// The domain's issuer publishes no keys.
    #[error("the issuer publishes no keys")]
    NoKeys,
    /// The issuer's keys cannot be had.
    #[error("no keys of the issuer")]
    IssuerKeys(#[from] KeysError),
    /// The client's document or its keys cannot be had.
    #[error("no keys of the client")]
    Client(#[from] ClientError),
    /// The proof of the key that the token is bound to was used before.
    #[error("the proof of the key is refused")]
    Dpop(#[source] DpopError),
    /// Whether the client proof is new cannot be told: our own failure.
    #[error("the memory of used proofs failed")]
    UsedProofs(#[from] ProofsError),
}

impl IdentityError {
    /// The step that failed; those before it passed. `None` where the failure is our own.
    #[must_use]
    pub const fn step(&self) -> Option<Step> {
        match self {
            Self::Presentation(error) => Some(error.step()),
            Self::Domain { .. }
            | Self::Discovery(_)
            | Self::NotEntitled { .. }
            | Self::Metadata(_)
            | Self::NoKeys => Some(Step::Issuer),
            Self::IssuerKeys(_) => Some(Step::IssuerSignature),
            Self::Client(_) => Some(Step::ClientSignature),
            Self::Dpop(_) => Some(Step::Once),
            Self::UsedProofs(_) => None,
        }
    }
}

impl WireError for IdentityError {
    fn wire(&self) -> Wire {
        match self {
            Self::UsedProofs(_) => Wire::unavailable(),
            Self::Dpop(error) => {
                let wire = error.wire();
                Wire::new(wire.code, StatusCode::UNAUTHORIZED, wire.description)
            }
            Self::Presentation(_)
            | Self::Domain { .. }
            | Self::Discovery(_)
            | Self::NotEntitled { .. }
            | Self::Metadata(_)
            | Self::NoKeys
            | Self::IssuerKeys(_)
            | Self::Client(_) => Wire::new(
                ErrorCode::INVALID_TOKEN,
                StatusCode::UNAUTHORIZED,
                "the identity token or its client proof is not accepted here",
            ),
        }
    }
}
