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

    /// Replaces what is known of somebody; `false` if there is no such account any more. All stays
    /// as it is if another identity has the word. The address stays out if it is somebody else's,
    /// or none that an account is found by.
    pub(super) fn refresh(
        &self,
        import: &ImportedAccount,
        is_listed: bool,
        random: &dyn Random,
    ) -> Result<bool, AccountError> {
        let _lock = self.lock()?;
        let Some((known, has_the_word)) = self.known(import)? else { return Ok(false) };
        if !has_the_word {
            return Ok(true);
        }
        let address = import.email.as_ref().map(|email| email.address());
        let address = address.filter(|address| !is_listed && is_name(address.as_str()));
        let address = match address {
            Some(address) if self.take_name(address, &import.subject, random)? => Some(address),
            _ => None,
        };
        let account = Account::of_import(import, address.cloned());
        self.replace(known, account, random)?;
        Ok(true)
    }

    /// Gives the word on somebody to another identity; `false` if there is no such account any
    /// more.
    pub(super) fn entrust(
        &self,
        import: &ImportedAccount,
        random: &dyn Random,
    ) -> Result<bool, AccountError> {
        let _lock = self.lock()?;
        let Some((known, _)) = self.known(import)? else { return Ok(false) };
        self.replace(known, Account::of_import(import, None), random)?;
        Ok(true)
    }

    /// The account of somebody who came through another provider, and whether the identity in
    /// question has the word on them.
    fn known(&self, import: &ImportedAccount) -> Result<Option<(Account, bool)>, AccountError> {
        let known = self.find(&import.subject)?;
        Ok(known.and_then(|known| {
            let origin = known.imported.as_ref()?;
            let has_the_word = origin.issuer == import.issuer && origin.sub == import.sub;
            Some((known, has_the_word))
        }))
    }

    /// Replaces an account, under the lock. One that is disabled stays so.
    fn replace(
        &self,
        known: Account,
        mut account: Account,
        random: &dyn Random,
    ) -> Result<(), AccountError> {
        account.disabled = known.disabled;
        if account.to_text() != known.to_text() {
            self.write(&account, random)?;
        }
        // Last, so that what is cut off in between is a name that its account does not have.
        if let Some(former) = known.email.filter(|former| Some(former) != account.email.as_ref()) {
            unless_gone(fs::remove_file(self.name(former.as_str())))
                .map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    /// Takes the account of somebody who came through another provider away; `false` if it stays,
    /// because they are disabled.
    pub(super) fn forget(&self, subject: &str) -> Result<bool, AccountError> {
        let _lock = self.lock()?;
        let Some(account) = self.find(subject)?.filter(|account| account.imported.is_some()) else {
            return Ok(true);
        };
        if account.disabled {
            return Ok(false);
        }
        // The name last, so that what is cut off in between is a name that nobody has.
        let name = account.email.map(|email| self.name(email.as_str()));
        for path in std::iter::once(self.file(subject)).chain(name) {
            unless_gone(fs::remove_file(path)).map_err(|source| self.failed(source))?;
        }
        Ok(true)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::sync::Arc;

    use countersign_claims_token::VerifiedEmail;
    use countersign_host::Seams;
    use countersign_testkit::Directory;
    use countersign_types::Issuer;
    use serde_json::Map;

    use super::*;

    const SUBJECT: &str = "AAAAAAAAAAAAAAAAAAAAAA";
    const OTHER: &str = "BBBBBBBBBBBBBBBBBBBBBB";

    /// No accounts yet, and the place for them.
    fn accounts() -> (Directory, Accounts) {
        let place = Directory::new().unwrap();
        let domains = BTreeSet::from(["alice.example".to_owned()]);
        let accounts = Accounts::new(place.path().join("accounts"), domains);
        (place, accounts)
    }

    fn import(subject: &str, email: Option<&str>) -> ImportedAccount {
        let email = email.map(|email| EmailAddress::parse(email).unwrap());
        ImportedAccount {
            subject: subject.to_owned(),
            username: "university:ada".to_owned(),
            name: Some("Ada".to_owned()),
            email: email.map(VerifiedEmail::of_own_account),
            claims: Map::new(),
            required: Map::new(),
            alias: "university".to_owned(),
            issuer: Issuer::parse("https://idp.university.example").unwrap(),
            sub: "7".to_owned(),
        }
    }

    fn address(accounts: &Accounts, subject: &str) -> Option<String> {
        let account = accounts.find(subject).unwrap().unwrap();
        assert_eq!(account.email_verified, account.email.is_some());
        account.email.map(|email| email.as_str().to_owned())
    }

    #[test]
    fn an_import_is_found_by_its_address_and_signs_in_by_nothing() {
        let (_place, accounts) = accounts();
        let random = Seams::system().random;
        let ada = import(SUBJECT, Some("ada@university.example"));
        assert!(!accounts.refresh(&ada, false, random.as_ref()).unwrap(), "nobody made it");
        accounts.import(&ada, random.as_ref()).unwrap();
        assert_eq!(address(&accounts, SUBJECT), None, "not before the identity is linked");
        assert!(accounts.refresh(&ada, false, random.as_ref()).unwrap());
        let found = accounts.named("ada@university.example").unwrap().unwrap();
        assert_eq!((found.subject.as_str(), found.password().is_none()), (SUBJECT, true));
        assert!(accounts.named("university:ada").unwrap().is_none());

        // Another address, and none: the former one is free again.
        let moved = import(SUBJECT, Some("ada@new.example"));
        assert!(accounts.refresh(&moved, false, random.as_ref()).unwrap());
        assert!(accounts.named("ada@university.example").unwrap().is_none());
        assert!(!accounts.name("ada@university.example").exists());
        assert!(accounts.refresh(&import(SUBJECT, None), false, random.as_ref()).unwrap());
        assert!(accounts.named("ada@new.example").unwrap().is_none());
        assert!(accounts.refresh(&moved, false, random.as_ref()).unwrap());
        assert!(accounts.name("ada@new.example").exists());
        assert!(accounts.forget(SUBJECT).unwrap());
        assert!(accounts.find(SUBJECT).unwrap().is_none());
        assert!(!accounts.name("ada@new.example").exists(), "nothing of her is left");
        assert!(accounts.forget(SUBJECT).unwrap());
    }

    #[test]
    fn the_word_on_a_person_passes_to_another_identity() {
        let (_place, accounts) = accounts();
        let random = Seams::system().random;
        let ada = import(SUBJECT, Some("ada@university.example"));
        let there = ImportedAccount {
            username: "library:ada".to_owned(),
            name: None,
            email: None,
            alias: "library".to_owned(),
            issuer: Issuer::parse("https://idp.library.example").unwrap(),
            sub: "9".to_owned(),
            ..ada.clone()
        };
        assert!(!accounts.entrust(&there, random.as_ref()).unwrap(), "nobody made it");
        accounts.import(&ada, random.as_ref()).unwrap();
        assert!(accounts.refresh(&ada, false, random.as_ref()).unwrap());
        accounts.change(SUBJECT, |account| account.disabled = true, random.as_ref()).unwrap();
        assert!(accounts.entrust(&there, random.as_ref()).unwrap());
        // Nothing is left of what was known, the address is free, and who was refused is.
        let check = || {
            let found = accounts.find(SUBJECT).unwrap().unwrap();
            assert_eq!((found.name, found.email, found.disabled), (None, None, true));
            assert_eq!(found.imported.unwrap().sub, "9");
            assert!(!accounts.name("ada@university.example").exists());
        };
        check();
        // A sign-in at the former provider that was under way says nothing any more.
        assert!(accounts.refresh(&ada, false, random.as_ref()).unwrap());
        check();
        let told = ImportedAccount { name: Some("Ada L.".to_owned()), ..there };
        assert!(accounts.refresh(&told, false, random.as_ref()).unwrap());
        assert_eq!(accounts.find(SUBJECT).unwrap().unwrap().name.as_deref(), Some("Ada L."));
    }

    #[test]
    fn an_address_is_one_accounts() {
        let (_place, accounts) = accounts();
        let random = Seams::system().random;
        for subject in [SUBJECT, OTHER] {
            let ada = import(subject, Some("ada@university.example"));
            accounts.import(&ada, random.as_ref()).unwrap();
            assert!(accounts.refresh(&ada, false, random.as_ref()).unwrap());
        }
        assert_eq!(address(&accounts, SUBJECT).as_deref(), Some("ada@university.example"));
        assert_eq!(address(&accounts, OTHER), None);
        // Of somebody in the configuration itself, and one that makes no file.
        let listed = import(OTHER, Some("alice@alice.example"));
        assert!(accounts.refresh(&listed, true, random.as_ref()).unwrap());
        let odd = import(OTHER, Some("a/b@university.example"));
        assert!(accounts.refresh(&odd, false, random.as_ref()).unwrap());
        assert_eq!(address(&accounts, OTHER), None);
        // A name whose account is gone, as a killed process leaves it, is in nobody's way.
        fs::remove_file(accounts.file(SUBJECT)).unwrap();
        let ada = import(OTHER, Some("ada@university.example"));
        assert!(accounts.refresh(&ada, false, random.as_ref()).unwrap());
        assert_eq!(address(&accounts, OTHER).as_deref(), Some("ada@university.example"));
    }

    #[test]
    fn whoever_is_disabled_stays_so() {
        let (_place, accounts) = accounts();
        let random = Seams::system().random;
        let ada = import(SUBJECT, Some("ada@university.example"));
        accounts.import(&ada, random.as_ref()).unwrap();
        accounts.refresh(&ada, false, random.as_ref()).unwrap();
        accounts.change(SUBJECT, |account| account.disabled = true, random.as_ref()).unwrap();
        assert!(accounts.refresh(&ada, false, random.as_ref()).unwrap());
        assert!(accounts.find(SUBJECT).unwrap().unwrap().disabled);
        assert!(accounts.named("ada@university.example").unwrap().is_some(), "and has the address");
        assert!(!accounts.forget(SUBJECT).unwrap());
        assert!(accounts.find(SUBJECT).unwrap().unwrap().disabled, "nor is the account closed");
        assert!(accounts.name("ada@university.example").exists());
        accounts.change(SUBJECT, |account| account.disabled = false, random.as_ref()).unwrap();
        assert!(accounts.forget(SUBJECT).unwrap());
        assert!(accounts.find(SUBJECT).unwrap().is_none());
    }

    #[test]
    fn simultaneous_claims_of_one_address_give_it_to_one() {
        let (_place, accounts) = accounts();
        let random = Seams::system().random;
        let subjects: Vec<String> = (0..8).map(|n| format!("{n}AAAAAAAAAAAAAAAAAAAAA")).collect();
        std::thread::scope(|scope| {
            for subject in &subjects {
                let (accounts, random) = (&accounts, Arc::clone(&random));
                scope.spawn(move || {
                    let ada = import(subject, Some("ada@university.example"));
                    accounts.import(&ada, random.as_ref()).unwrap();
                    assert!(accounts.refresh(&ada, false, random.as_ref()).unwrap());
                });
            }
        });
        let holders = subjects.iter().filter(|it| address(&accounts, it).is_some()).count();
        assert_eq!(holders, 1);
        let found = accounts.named("ada@university.example").unwrap().unwrap();
        assert!(address(&accounts, &found.subject).is_some());
        assert!(Path::new(&accounts.file(&found.subject)).exists());
    }
}
