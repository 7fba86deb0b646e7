//! The accounts of people who came through another provider, made and changed by the server itself.

use std::fs;
use std::io;

use countersign_sts_service::ImportedAccount;
use countersign_types::EmailAddress;
use countersign_types::random::Random;

use super::{Account, AccountError, Accounts, is_name, read};
use crate::private_files;

impl Accounts {
    /// Makes an account under its fresh subject, without its address.
    pub(super) fn import(
        &self,
        import: &ImportedAccount,
        random: &dyn Random,
    ) -> Result<(), AccountError> {
        let _lock = self.lock()?;
        self.write(&Account::of_import(import, None), random)
    }

    /// Replaces what is known of somebody; `false` if there is no such account any more. The address
    /// stays out if it is somebody else's, or none that an account is found by.
    pub(super) fn refresh(
        &self,
        import: &ImportedAccount,
        is_listed: bool,
        random: &dyn Random,
    ) -> Result<bool, AccountError> {
        let _lock = self.lock()?;
        let Some(known) = self.find(&import.subject)?.filter(|known| known.imported.is_some())
        else {
            return Ok(false);
        };
        let address = import.email.as_ref().map(|email| email.address());
        let address = address.filter(|address| !is_listed && is_name(address.as_str()));
        let address = match address {
            Some(address) if self.take_name(address, &import.subject, random)? => Some(address),
            _ => None,
        };
        let mut account = Account::of_import(import, address.cloned());
        account.disabled = known.disabled;
        if account.to_text() != known.to_text() {
            self.write(&account, random)?;
        }
        // Last, so that what is cut off in between is a name that its account does not have.
        if let Some(former) = known.email.filter(|former| Some(former) != address) {
            unless_gone(fs::remove_file(self.name(former.as_str())))
                .map_err(|source| self.failed(source))?;
        }
        Ok(true)
    }

    /// Takes back an account that was made, before anybody has seen it.
    pub(super) fn forget(&self, subject: &str) -> Result<(), AccountError> {
        let _lock = self.lock()?;
        if self.find(subject)?.is_some_and(|account| account.imported.is_some()) {
            let removed = unless_gone(fs::remove_file(self.file(subject)));
            removed.map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    /// Gives an address to the account of a subject, under the lock; `false` if another has it.
    fn take_name(
        &self,
        address: &EmailAddress,
        subject: &str,
        random: &dyn Random,
    ) -> Result<bool, AccountError> {
        let path = self.name(address.as_str());
        match read(&path)? {
            Some(holder) if holder == subject => return Ok(true),
            Some(_) if self.named(address.as_str())?.is_some() => return Ok(false),
            _ => {}
        }
        private_files::replace(&path, subject.as_bytes(), random)
            .map(|()| true)
            .map_err(|source| self.failed(source))
    }
}

fn unless_gone(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}
