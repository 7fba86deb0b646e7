//! Why an identity is not accepted.

use std::sync::Arc;

use countersign_fetch::FetchError;
use countersign_identity_propagation::PresentationError;
use countersign_identity_propagation::presentation::Step;
use countersign_resolver::client::ClientError;
use countersign_resolver::{DiscoveryError, KeysError, ServerMetadataError};
use countersign_types::wire::ErrorCode;
use countersign_types::{Wire, WireError};
use http::StatusCode;

use super::proofs::ProofsError;

/// Why an identity is not accepted. The caller is told `invalid_token`, what is wrong with a DPoP
/// proof, or 503 where nothing is known, and nothing more: every URL that was fetched is one that
/// the caller, or whoever vouches for them, chose.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The identity token or one of its proofs is refused.
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
    /// Whether the proofs are new cannot be told: our own failure.
    #[error("the memory of used proofs failed")]
    UsedProofs(#[from] ProofsError),
}

impl IdentityError {
    /// The step at which it ended; those before it passed.
    #[must_use]
    pub fn step(&self) -> Step {
        match self {
            Self::Presentation(error) => error.step(),
            Self::Domain { .. }
            | Self::Discovery(_)
            | Self::NotEntitled { .. }
            | Self::Metadata(_)
            | Self::NoKeys => Step::Issuer,
            Self::IssuerKeys(_) => Step::IssuerSignature,
            Self::Client(_) => Step::ClientSignature,
            Self::UsedProofs(_) => Step::Once,
        }
    }

    /// Whether nothing is known about the caller: somebody could not be asked, or not yet, or this
    /// server's own memory failed.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        match self {
            Self::UsedProofs(_) => true,
            Self::Discovery(error) => error.is_temporary() || is_out_of_reach(error),
            Self::Metadata(error) => error.is_temporary() || is_out_of_reach(error),
            Self::IssuerKeys(error) => error.is_temporary() || is_out_of_reach(error),
            Self::Client(error) => error.is_temporary() || is_out_of_reach(error),
            Self::Presentation(_)
            | Self::Domain { .. }
            | Self::NotEntitled { .. }
            | Self::NoKeys => false,
        }
    }
}

/// Whether a host was not asked because of its address. Strangers choose the hosts: told apart from
/// one that has no address, it would say which names this server's network knows.
fn is_out_of_reach(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| {
        let fetch = cause.downcast_ref::<Arc<FetchError>>();
        fetch.is_some_and(|fetch| matches!(**fetch, FetchError::Refused { .. }))
    })
}

impl WireError for IdentityError {
    fn wire(&self) -> Wire {
        if self.is_undecided() {
            return Wire::unavailable();
        }
        match self {
            Self::Presentation(PresentationError::KeyProof(error)) => {
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
            | Self::Client(_)
            | Self::UsedProofs(_) => Wire::new(
                ErrorCode::INVALID_TOKEN,
                StatusCode::UNAUTHORIZED,
                "the identity token or its client proof is not accepted here",
            ),
        }
    }
}
