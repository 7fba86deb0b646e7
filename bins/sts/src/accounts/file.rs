//! The file of one person.

use std::collections::BTreeSet;
use std::path::Path;

use countersign_sts_service::PasswordHash;
use countersign_types::{EmailAddress, Timestamp};
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
    /// The hash of the password.
    password: String,
    /// When it replaced another: who signed in before has to do so again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_since: Option<Timestamp>,
    /// Whether the person is refused everywhere.
    #[serde(default)]
    pub disabled: bool,
    /// Further claims about the person.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub claims: Map<String, Value>,
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
            password: self.password.to_string(),
            password_since: None,
            disabled: false,
            claims: Map::new(),
        }
    }
}

impl Account {
    /// What one signs in by.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let email = self.email.as_ref().map(EmailAddress::as_str);
        std::iter::once(self.username.as_str()).chain(email)
    }

    pub(super) fn is_named(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// The hash of the password.
    pub(super) fn password(&self) -> Result<PasswordHash, String> {
        PasswordHash::parse(&self.password).map_err(|error| format!("password: {error}"))
    }

    /// Gives the account another password. What came of signing in with the one before ends.
    pub fn set_password(&mut self, password: &PasswordHash, now: Timestamp) {
        self.password = password.to_string();
        self.password_since = Some(now);
    }

    pub(super) fn check(&self, email_domains: &BTreeSet<String>) -> Result<(), AccountError> {
        match &self.email {
            Some(email) if !email_domains.contains(email.domain()) => {
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
    account.password().map_err(refuse)?;
    Ok(account)
}

/// Whether a subject can be one that was made here: 128 bits of base64url.
pub(super) fn is_subject(text: &str) -> bool {
    let known = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    text.len() == 22 && text.bytes().all(known)
}
