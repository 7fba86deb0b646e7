//! The user directory, behind a seam: one person by one exact address, and nothing else.

use countersign_store::StoreError;
use countersign_store::engine::BoxFuture;
use countersign_token_exchange::DirectoryPerson;
use countersign_types::EmailAddress;

use crate::app::Sts;
use crate::foreign::IssuerError;

/// Why a directory did not say whom it has. It is no statement about anybody.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The accounts cannot be read.
    #[error("the accounts cannot be read")]
    Store(#[from] StoreError),
    /// The server that has them did not say.
    #[error("the server that has the accounts did not say")]
    Unavailable(#[from] IssuerError),
    /// What it said about this address is no answer. Another address it may answer for, so that
    /// this may depend on who there is: whoever names somebody is told of it as of nobody.
    #[error("what was said about this address is no answer")]
    Unclear(#[source] IssuerError),
}

/// Where a claims provider finds people. Nobody can be listed or searched for.
pub trait Directory: Send + Sync {
    /// Whoever is known under exactly this verified address, which is untrusted. Who does not
    /// exist, who may not sign in and whose address was not verified are alike: nobody.
    fn by_address<'a>(
        &'a self,
        address: &'a EmailAddress,
    ) -> BoxFuture<'a, Result<Option<DirectoryPerson>, DirectoryError>>;
}

/// The person of this provider who has this address, if there is one.
pub(crate) async fn own_account(
    sts: &Sts,
    address: &EmailAddress,
) -> Result<Option<DirectoryPerson>, StoreError> {
    // One signs in by address, too; somebody's user name that looks like one is nobody's address.
    let user = sts.user_named(address.as_str()).await?;
    Ok(user.and_then(|user| {
        let email = user.email.clone().filter(|email| email.address() == address)?;
        Some(DirectoryPerson { subject: user.subject.clone(), email, claims: user.claims.clone() })
    }))
}
