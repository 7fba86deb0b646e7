//! The people of the configuration and those with accounts, as the service asks for them.

use std::error::Error;
use std::sync::Arc;

use countersign_claims_token::VerifiedEmail;
use countersign_store::StoreError;
use countersign_store::engine::BoxFuture;
use countersign_sts_service::{
    ImportedAccount, ImportedAccounts, Origin, StaticUsers, User, Users,
};
use countersign_types::EmailAddress;
use countersign_types::random::Random;

use super::{Account, AccountError, Accounts, Imported};

/// The people of the configuration, and beside them those with accounts.
pub(crate) struct People {
    listed: StaticUsers,
    accounts: Accounts,
    random: Arc<dyn Random>,
}

impl People {
    pub(crate) fn new(listed: StaticUsers, accounts: Accounts, random: Arc<dyn Random>) -> Self {
        Self { listed, accounts, random }
    }

    /// A person of the configuration, unless they are refused.
    fn unless_refused(&self, user: Arc<User>) -> Result<Option<Arc<User>>, StoreError> {
        let is_refused = self.accounts.is_refused(&user.subject);
        let is_refused = is_refused.map_err(|error| unusable(error.into()))?;
        Ok((!is_refused).then_some(user))
    }

    /// Changes files, off the event loop: whoever changes them waits for the lock and for the disk.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Accounts, &dyn Random) -> Result<T, AccountError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (accounts, random) = (self.accounts.clone(), Arc::clone(&self.random));
        let changed = tokio::task::spawn_blocking(move || change(&accounts, random.as_ref())).await;
        changed.map_err(|error| unusable(error.into()))?.map_err(|error| unusable(error.into()))
    }
}

impl ImportedAccounts for People {
    fn make<'a>(&'a self, account: &'a ImportedAccount) -> BoxFuture<'a, Result<(), StoreError>> {
        let account = account.clone();
        Box::pin(self.change(move |accounts, random| accounts.import(&account, random)))
    }

    fn refresh<'a>(
        &'a self,
        account: &'a ImportedAccount,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let address = account.email.as_ref().map(|email| email.address().as_str());
        let is_listed = address.is_some_and(|address| self.listed.is_known(address));
        let account = account.clone();
        Box::pin(self.change(move |accounts, random| accounts.refresh(&account, is_listed, random)))
    }

    fn entrust<'a>(
        &'a self,
        account: &'a ImportedAccount,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let account = account.clone();
        Box::pin(self.change(move |accounts, random| accounts.entrust(&account, random)))
    }

    fn forget<'a>(&'a self, subject: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        let subject = subject.to_owned();
        Box::pin(self.change(move |accounts, _| accounts.forget(&subject)))
    }

    fn has<'a>(&'a self, address: &'a EmailAddress) -> BoxFuture<'a, Result<bool, StoreError>> {
        let found = self.accounts.named(address.as_str()).map(|account| account.is_some());
        let found = found.map_err(|error| unusable(error.into()));
        Box::pin(async move { Ok(self.listed.is_known(address.as_str()) || found?) })
    }
}

impl Users for People {
    fn by_username<'a>(
        &'a self,
        username: &'a str,
    ) -> BoxFuture<'a, Result<Option<Arc<User>>, StoreError>> {
        Box::pin(async move {
            match self.listed.by_username(username).await? {
                Some(user) => self.unless_refused(user),
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
                Some(user) => self.unless_refused(user),
                None => user(self.accounts.find(subject)),
            }
        })
    }
}

fn unusable(error: Box<dyn Error + Send + Sync>) -> StoreError {
    StoreError::Unavailable(Arc::from(error))
}

/// Whoever is disabled is as good as unknown.
fn user(found: Result<Option<Account>, AccountError>) -> Result<Option<Arc<User>>, StoreError> {
    let found = found.map_err(|error| unusable(error.into()))?;
    let Some(account) = found.filter(|account| !account.disabled) else { return Ok(None) };
    if account.needs_password() {
        let subject = &account.subject;
        tracing::warn!(subject, "nobody signs in by the password of this account: set another");
    }
    let password = account.password();
    let email = account.email.filter(|_| account.email_verified);
    Ok(Some(Arc::new(User {
        subject: account.subject,
        username: account.username,
        name: account.name,
        email: email.map(VerifiedEmail::of_own_account),
        password,
        claims: account.claims,
        origin: account.imported.map(|Imported { issuer, sub, required, .. }| Origin {
            issuer,
            sub,
            required,
        }),
    })))
}
