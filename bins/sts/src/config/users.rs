//! The people who stand in the configuration itself.

use std::collections::BTreeSet;
use std::path::Path;

use countersign_claims_token::VerifiedEmail;
use countersign_host::config::ConfigError;
use countersign_sts_service::{PasswordHash, StaticUsers, User};
use countersign_token_exchange::trusted_issuer::SUBJECT_PREFIX;

use super::RESERVED_NAME;
use super::file::UserConfig;

pub(super) fn users(
    path: &Path,
    users: Vec<UserConfig>,
    email_domains: &BTreeSet<String>,
) -> Result<StaticUsers, ConfigError> {
    let (mut known, mut names, mut subjects) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (index, user) in users.into_iter().enumerate() {
        let refuse = |member: &str, reason: &str| {
            ConfigError::new(path, format!("users[{index}].{member}"), reason)
        };
        if user.username.is_empty() || !names.insert(user.username.clone()) {
            return Err(refuse("username", "empty, or used before"));
        }
        if user.subject.starts_with(SUBJECT_PREFIX) {
            return Err(refuse("subject", RESERVED_NAME));
        }
        if user.subject.is_empty() || !subjects.insert(user.subject.clone()) {
            return Err(refuse("subject", "empty, or used before"));
        }
        let email = match user.email {
            Some(address) if !email_domains.contains(address.domain()) => {
                return Err(refuse("email", "its domain is none of email_domains"));
            }
            // One may sign in by address too, so that it is a user name like any other.
            Some(address) if address.as_str() != user.username => {
                if !names.insert(address.as_str().to_owned()) {
                    return Err(refuse("email", "used before"));
                }
                Some(address)
            }
            other => other,
        };
        let password = PasswordHash::parse(&user.password)
            .map_err(|error| refuse("password", &error.to_string()))?;
        known.push(User {
            subject: user.subject,
            username: user.username,
            name: user.name,
            email: email.filter(|_| user.email_verified).map(VerifiedEmail::of_own_account),
            password: Some(password),
            claims: user.claims,
            origin: None,
        });
    }
    Ok(StaticUsers::new(known))
}
