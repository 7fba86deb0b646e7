//! Why nobody came back from another provider, and what the person is told.

use countersign_fetch::FetchError;
use countersign_login::LoginError;
use countersign_resolver::{KeysError, ServerMetadataError};
use countersign_store::StoreError;
use http::StatusCode;

use super::mapping::MappingError;
use crate::foreign::{IssuerError, outages};
use crate::texts::Say;

/// Why nobody is signed in through a provider.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokerError {
    #[error("no metadata of the provider")]
    Metadata(#[from] ServerMetadataError),
    #[error("no keys of the provider")]
    Keys(#[from] KeysError),
    #[error("the provider publishes no {0}")]
    NotPublished(&'static str),
    #[error("the login did not succeed")]
    Login(#[from] LoginError),
    #[error("UserInfo could not be asked")]
    UserInfo(#[from] IssuerError),
    #[error("the provider did not take its own access token")]
    AccessToken,
    #[error("what the provider says of the person is not accepted")]
    Mapping(#[from] MappingError),
    #[error("the account cannot be used")]
    Account,
    #[error("the address belongs to an account without a password")]
    Taken,
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl BrokerError {
    /// What the person is told, with the status of the page.
    pub(crate) fn told(&self) -> (StatusCode, Say) {
        use StatusCode as Status;
        match self {
            Self::Metadata(error) if error.is_temporary() => UNREACHABLE,
            Self::Keys(error) if error.is_temporary() => UNREACHABLE,
            Self::Login(LoginError::Exchange(cause)) if is_outage(cause.as_ref()) => UNREACHABLE,
            Self::UserInfo(IssuerError::Fetch { .. } | IssuerError::LeftAlone) => UNREACHABLE,
            Self::UserInfo(error) if outages::is_down(error) => UNREACHABLE,
            Self::Login(LoginError::Refused { error }) if error == "access_denied" => {
                (Status::FORBIDDEN, |t| t.upstream_declined)
            }
            Self::Login(LoginError::Refused { .. }) => {
                (Status::BAD_GATEWAY, |t| t.upstream_refused)
            }
            Self::Login(LoginError::AuthTime) => (Status::FORBIDDEN, |t| t.upstream_auth_time),
            Self::Mapping(MappingError::Required(_)) => {
                (Status::FORBIDDEN, |t| t.upstream_required)
            }
            Self::Account => (Status::FORBIDDEN, |t| t.upstream_account),
            Self::Taken => (Status::CONFLICT, |t| t.upstream_taken),
            _ => (Status::BAD_GATEWAY, |t| t.upstream_unbelievable),
        }
    }
}

const UNREACHABLE: (StatusCode, Say) =
    (StatusCode::SERVICE_UNAVAILABLE, |t| t.upstream_unreachable);

/// Whether the provider's token endpoint gave no answer at all.
fn is_outage(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<FetchError>().is_some_and(FetchError::is_temporary)
}
