//! Why nobody came back from another provider, and what the person is told.

use countersign_fetch::FetchError;
use countersign_login::LoginError;
use countersign_resolver::{KeysError, ServerMetadataError};
use countersign_store::StoreError;
use http::StatusCode;

use super::mapping::MappingError;
use crate::foreign::IssuerError;

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
    /// What the person is told, with the status of the page. The name of the provider goes before it.
    pub(crate) fn told(&self) -> (StatusCode, &'static str) {
        use StatusCode as Status;
        match self {
            Self::Metadata(error) if error.is_temporary() => UNREACHABLE,
            Self::Keys(error) if error.is_temporary() => UNREACHABLE,
            Self::Login(LoginError::Exchange(cause)) if is_outage(cause.as_ref()) => UNREACHABLE,
            Self::UserInfo(IssuerError::Fetch { .. }) => UNREACHABLE,
            Self::Login(LoginError::Refused { error }) if error == "access_denied" => {
                (Status::FORBIDDEN, "did not let you in, or you declined there.")
            }
            Self::Login(LoginError::Refused { .. }) => {
                (Status::BAD_GATEWAY, "could not sign you in. You can try again.")
            }
            Self::Login(LoginError::AuthTime) => {
                let text = "did not ask you to sign in again, which the application wants.";
                (Status::FORBIDDEN, text)
            }
            Self::Mapping(MappingError::Required(_)) => {
                (Status::FORBIDDEN, "knows you, but your account there may not be used here.")
            }
            Self::Account => {
                (Status::FORBIDDEN, "knows you, but your account here cannot be used.")
            }
            Self::Taken => {
                let text = "knows you by an address that belongs to an account here already, which \
                            is reached in another way. Sign in as you did before.";
                (Status::CONFLICT, text)
            }
            _ => (Status::BAD_GATEWAY, "answered with something that cannot be believed."),
        }
    }
}

const UNREACHABLE: (StatusCode, &str) =
    (StatusCode::SERVICE_UNAVAILABLE, "cannot be reached at the moment. Try again soon.");

/// Whether the provider's token endpoint gave no answer at all.
fn is_outage(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<FetchError>().is_some_and(FetchError::is_temporary)
}
