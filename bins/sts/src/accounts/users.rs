//! The people of the configuration and those with accounts, as the service asks for them.

use std::error::Error;
use std::sync::Arc;

use countersign_claims_token::VerifiedEmail;
use countersign_store::StoreError;
use countersign_store::engine::BoxFuture;
use countersign_sts_service::{StaticUsers, User, Users};

use super::{Account, AccountError, Accounts};

/// The people of the configuration, and beside them those with accounts.
pub(crate) struct People {
    listed: StaticUsers,
    accounts: Accounts,
}

impl People {
    pub(crate) const fn new(listed: StaticUsers, accounts: Accounts) -> Self {
        Self { listed, accounts }
    }
}

impl Users for People {
    fn by_username<'a>(
        &'a self,
        username: &'a str,
    ) -> BoxFuture<'a, Result<Option<Arc<User>>, StoreError>> {
        Box::pin(async move {
            match self.listed.by_username(username).await? {
                Some(user) => Ok(Some(user)),
                None => user(self.accounts.named(username)),
            }
        })
    }

    fn by_subject<'a>(
        &'a self,
        subject: &'a str,
    ) -> BoxFuture<'a, Result<Option<Arc<User>>, StoreError>> {
        Box::pin(async move {
            match self.listed.by_subject(subject).await? {
                Some(user) => Ok(Some(user)),
                None => user(self.accounts.find(subject)),
            }
        })
    }
}

/// Whoever is disabled is as good as unknown.
fn user(found: Result<Option<Account>, AccountError>) -> Result<Option<Arc<User>>, StoreError> {
    let unusable = |error: Box<dyn Error + Send + Sync>| StoreError::Unavailable(Arc::from(error));
    let found = found.map_err(|error| unusable(error.into()))?;
    let Some(account) = found.filter(|account| !account.disabled) else { return Ok(None) };
    let password = account.password().map_err(|error| unusable(error.into()))?;
    let email = account.email.filter(|_| account.email_verified);
    Ok(Some(Arc::new(User {
        subject: account.subject,
        username: account.username,
        name: account.name,
        email: email.map(VerifiedEmail::of_own_account),
        password,
        password_since: account.password_since,
        claims: account.claims,
    })))
}
