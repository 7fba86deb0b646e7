//! The file of one person.

use std::collections::BTreeSet;
use std::path::Path;

use countersign_sts_service::{ImportedAccount, PasswordHash};
use countersign_types::{EmailAddress, Issuer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::AccountError;

/// A person with an account.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// For ever this person's, and the name of the file.
    pub subject: String,
    /// What the person signs in by.
    pub username: String,
    /// The person's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The person's address, by which one signs in, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailAddress>,
    /// Whether it was verified, so that it may leave this server.
    #[serde(default)]
    pub email_verified: bool,
    /// The hash of the password; nobody signs in by one without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    /// Whether the person is refused everywhere.
    #[serde(default)]
    pub disabled: bool,
    /// Further claims about the person.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub claims: Map<String, Value>,
    /// The other provider through which the person came, who says what else stands here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
}

/// Where somebody came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imported {
    /// What the configuration called the provider.
    pub alias: String,
    /// The provider.
    pub issuer: Issuer,
    /// Who the person is there.
    pub sub: String,
    /// The claims by which the person was let in.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub required: Map<String, Value>,
}

/// What is said of a person who gets an account.
pub struct NewAccount {
    /// What the person signs in by.
    pub username: String,
    /// The person's name.
    pub name: Option<String>,
    /// The person's address, by which one signs in, too.
    pub email: Option<EmailAddress>,
    /// Whether it was verified, so that it may leave this server.
    pub email_verified: bool,
    /// The hash of the password.
    pub password: PasswordHash,
}

impl NewAccount {
    pub(super) fn account(self, subject: String) -> Account {
        Account {
            subject,
            username: self.username,
            name: self.name,
            email: self.email,
            email_verified: self.email_verified,
            password: Some(self.password.to_string()),
            disabled: false,
            claims: Map::new(),
            imported: None,
        }
    }
}

impl Account {
    /// The account of somebody who came through another provider.
    pub(super) fn of_import(import: &ImportedAccount, email: Option<EmailAddress>) -> Self {
        Self {
            subject: import.subject.clone(),
            username: import.username.clone(),
            name: import.name.clone(),
            email_verified: email.is_some(),
            email,
            password: None,
            disabled: false,
            claims: import.claims.clone(),
            imported: Some(Imported {
                alias: import.alias.clone(),
                issuer: import.issuer.clone(),
                sub: import.sub.clone(),
                required: import.required.clone(),
            }),
        }
    }

    /// What the account is found by: of somebody who came through another provider, the address
    /// alone.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let email = self.email.as_ref().map(EmailAddress::as_str);
        let own = self.imported.is_none().then_some(self.username.as_str());
        own.into_iter().chain(email)
    }

    pub(super) fn is_named(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// The hash of the password, if there is one that anybody can have: a guess at one that says
    /// nothing ([`Account::needs_password`]) is answered as a guess at nobody's.
    pub(super) fn password(&self) -> Option<PasswordHash> {
        PasswordHash::parse(self.password.as_deref()?).ok()
    }

    /// Whether nobody signs in by the password that stands here, since it was hashed with other
    /// work than is done now, or by another algorithm, or is no hash at all. Another can be set,
    /// and nobody else is in the way of that.
    #[must_use]
    pub fn needs_password(&self) -> bool {
        self.password.as_deref().is_some_and(|hash| PasswordHash::parse(hash).is_err())
    }

    /// Gives the account another password. What came of signing in with the one before ends.
    pub fn set_password(&mut self, password: &PasswordHash) {
        self.password = Some(password.to_string());
    }

    pub(super) fn check(&self, email_domains: &BTreeSet<String>) -> Result<(), AccountError> {
        match &self.email {
            // The provider that somebody comes through is believed for domains of its own.
            Some(email) if self.imported.is_none() && !email_domains.contains(email.domain()) => {
                Err(AccountError::Domain(email.to_string()))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn to_text(&self) -> String {
        // Text, lists and truth values are always JSON.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

/// Reads the file of the account of this subject.
pub(super) fn parse(
    path: &Path,
    text: &str,
    subject: &str,
    email_domains: &BTreeSet<String>,
) -> Result<Account, AccountError> {
    let refuse = |reason: String| AccountError::Malformed { path: path.to_owned(), reason };
    let account: Account = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
    if account.subject != subject {
        return Err(refuse("its subject is not its name".to_owned()));
    }
    account.check(email_domains).map_err(|error| refuse(error.to_string()))?;
    if account.password.is_some() == account.imported.is_some() {
        return Err(refuse("either a password or where the person comes from".to_owned()));
    }
    Ok(account)
}

/// Whether a subject can be one that was made here: 128 bits of base64url.
pub(super) fn is_subject(text: &str) -> bool {
    let known = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    text.len() == 22 && text.bytes().all(known)
}
