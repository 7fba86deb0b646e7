//! People in memory: some with passwords, and those who came through another provider.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use countersign_store::StoreError;
use countersign_store::engine::BoxFuture;
use countersign_sts_service::{
    ImportedAccount, ImportedAccounts, Origin, StaticUsers, User, Users,
};
use countersign_types::EmailAddress;

use crate::support::password_hash;

#[derive(Default)]
pub(crate) struct People {
    known: StaticUsers,
    imported: Mutex<BTreeMap<String, Imported>>,
    /// Whoever closes their account is disabled in the moment before.
    pub(crate) disables_late: AtomicBool,
    /// Gives whoever comes through another provider a password, as an embedder may.
    pub(crate) gives_passwords: AtomicBool,
}

#[derive(Clone)]
pub(crate) struct Imported {
    pub(crate) account: ImportedAccount,
    pub(crate) disabled: bool,
}

impl People {
    pub(crate) fn new(known: impl IntoIterator<Item = User>) -> Arc<Self> {
        Arc::new(Self { known: StaticUsers::new(known), ..Self::default() })
    }

    pub(crate) fn imported(&self) -> Vec<Imported> {
        self.imported.lock().unwrap().values().cloned().collect()
    }

    pub(crate) fn disable(&self, subject: &str) {
        self.imported.lock().unwrap().get_mut(subject).unwrap().disabled = true;
    }

    pub(crate) fn remove(&self, subject: &str) {
        self.imported.lock().unwrap().remove(subject).unwrap();
    }

    fn found(&self, is_whom: impl Fn(&ImportedAccount) -> bool) -> Option<Arc<User>> {
        let imported = self.imported.lock().unwrap();
        let found = imported.values().find(|it| !it.disabled && is_whom(&it.account))?;
        let account = &found.account;
        Some(Arc::new(User {
            subject: account.subject.clone(),
            username: account.username.clone(),
            name: account.name.clone(),
            email: account.email.clone(),
            password: self.gives_passwords.load(Ordering::Relaxed).then(password_hash),
            claims: account.claims.clone(),
            origin: Some(Origin {
                issuer: account.issuer.clone(),
                sub: account.sub.clone(),
                required: account.required.clone(),
            }),
        }))
    }
}

fn has(account: &ImportedAccount, address: &str) -> bool {
    account.email.as_ref().is_some_and(|email| email.address().as_str() == address)
}

impl Users for People {
    fn by_username<'a>(
        &'a self,
        username: &'a str,
    ) -> BoxFuture<'a, Result<Option<Arc<User>>, StoreError>> {
        Box::pin(async move {
            let known = self.known.by_username(username).await?;
            Ok(known.or_else(|| self.found(|account| has(account, username))))
        })
    }

    fn by_subject<'a>(
        &'a self,
        subject: &'a str,
    ) -> BoxFuture<'a, Result<Option<Arc<User>>, StoreError>> {
        Box::pin(async move {
            let known = self.known.by_subject(subject).await?;
            Ok(known.or_else(|| self.found(|account| account.subject == subject)))
        })
    }
}

impl ImportedAccounts for People {
    fn make<'a>(&'a self, account: &'a ImportedAccount) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let made = Imported { account: account.clone(), disabled: false };
            self.imported.lock().unwrap().insert(account.subject.clone(), made);
            // Others come in between.
            tokio::task::yield_now().await;
            Ok(())
        })
    }

    fn refresh<'a>(
        &'a self,
        account: &'a ImportedAccount,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut imported = self.imported.lock().unwrap();
            let address = account.email.as_ref().map(|email| email.address().as_str());
            let is_taken = address.is_some_and(|address| {
                let others = imported.values().filter(|it| it.account.subject != account.subject);
                self.known.is_known(address)
                    || others.into_iter().any(|it| has(&it.account, address))
            });
            let Some(known) = imported.get_mut(&account.subject) else { return Ok(false) };
            let (of, has) = (&known.account, account);
            if (&of.issuer, &of.sub) != (&has.issuer, &has.sub) {
                return Ok(true);
            }
            known.account = account.clone();
            if is_taken {
                known.account.email = None;
            }
            Ok(true)
        })
    }

    fn entrust<'a>(
        &'a self,
        account: &'a ImportedAccount,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            // Others come in between.
            tokio::task::yield_now().await;
            let mut imported = self.imported.lock().unwrap();
            let Some(known) = imported.get_mut(&account.subject) else { return Ok(false) };
            known.account = ImportedAccount { email: None, ..account.clone() };
            Ok(true)
        })
    }

    fn forget<'a>(&'a self, subject: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut imported = self.imported.lock().unwrap();
            if let Some(known) = imported.get_mut(subject) {
                known.disabled |= self.disables_late.load(Ordering::Relaxed);
                if known.disabled {
                    return Ok(false);
                }
            }
            imported.remove(subject);
            Ok(true)
        })
    }

    fn has<'a>(&'a self, address: &'a EmailAddress) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let imported = self.imported.lock().unwrap();
            let is_taken = imported.values().any(|it| has(&it.account, address.as_str()));
            Ok(is_taken || self.known.is_known(address.as_str()))
        })
    }
}
