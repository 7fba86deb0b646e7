//! The pages on which owners decide, and who is which owner.

use std::collections::BTreeSet;
use std::path::Path;

use countersign_client_auth::Proof;
use countersign_host::config::{self, ConfigError, SecretSource};
use countersign_jwt::SigningKey;
use countersign_login::Registration;
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, EmailAddress, Issuer, Lifetime, RedirectUri, ScopeSet};
use countersign_uma::protection::OwnerId;
use countersign_uma_service::console::{
    ConsoleSetup, OwnerIdentity, ProviderSetup, Who, redirect_uri,
};
use serde::Deserialize;

/// Nobody stays signed in for longer than a day.
const MAX_SESSION: Lifetime = Lifetime::from_secs(86_400);

/// The console as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConsoleConfig {
    #[serde(default = "name")]
    name: String,
    issuer: Issuer,
    provider_name: Option<String>,
    client_id: ClientId,
    client_secret: Option<SecretSource>,
    client_key: Option<SecretSource>,
    #[serde(default = "scopes")]
    scopes: ScopeSet,
    idle: Option<Lifetime>,
    session: Option<Lifetime>,
}

fn name() -> String {
    "Countersign".to_owned()
}

fn scopes() -> ScopeSet {
    ScopeSet::from_tokens(["openid", "email"]).unwrap_or_default()
}

/// A resource server as far as owners have to do with it.
pub(super) struct Holder {
    pub(super) id: ClientId,
    pub(super) owner: OwnerId,
    pub(super) redirect_uris: Vec<RedirectUri>,
}

/// A person who acts for an owner, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnerConfig {
    pub(super) id: OwnerId,
    issuer: Issuer,
    sub: Option<String>,
    email: Option<EmailAddress>,
}

/// Reads the console, with the secret or the key that it names.
pub(super) fn console(
    path: &Path,
    console: Option<ConsoleConfig>,
    owners: Vec<OwnerConfig>,
    holders: &[Holder],
    own: &Issuer,
) -> Result<Option<ConsoleSetup>, ConfigError> {
    let refuse = |key: &str, reason: &str| Err(ConfigError::new(path, key, reason));
    let asking = holders.iter().position(|holder| !holder.redirect_uris.is_empty());
    let Some(written) = console else {
        if let Some(index) = asking {
            let key = format!("resource_servers[{index}].redirect_uris");
            return refuse(&key, "nobody can be asked without [console]");
        }
        return match owners.first() {
            Some(_) => refuse("owners", "nobody can sign in without [console]"),
            None => Ok(None),
        };
    };
    if written.name.is_empty() {
        return refuse("console.name", "empty");
    }
    if redirect_uri(own).is_err() {
        return refuse("issuer", "too long to make a redirection URI of");
    }
    if owners.is_empty() {
        return refuse("owners", "none, so that nobody could sign in to the console");
    }
    let identities = identities(path, owners, holders, &written.issuer)?;
    let registration = registration(path, &written)?;
    let provider = ProviderSetup {
        name: written.provider_name.unwrap_or_else(|| written.issuer.host()),
        issuer: written.issuer,
        registration,
        scope: written.scopes,
    };
    let servers = holders.iter().map(|holder| holder.id.clone()).collect();
    let mut setup = ConsoleSetup::new(written.name, provider, identities, servers);
    setup.people = holders
        .iter()
        .filter(|holder| !holder.redirect_uris.is_empty())
        .map(|holder| (holder.id.clone(), holder.redirect_uris.clone()))
        .collect();
    setup.session = written.session.unwrap_or(setup.session);
    setup.idle = written.idle.unwrap_or(setup.idle);
    for (key, lifetime) in [("console.session", setup.session), ("console.idle", setup.idle)] {
        if lifetime == Lifetime::from_secs(0) || lifetime > MAX_SESSION {
            return refuse(key, "from 1 to 86400 seconds");
        }
    }
    Ok(Some(setup))
}

fn registration(path: &Path, written: &ConsoleConfig) -> Result<Registration, ConfigError> {
    let client_id = written.client_id.clone();
    match (&written.client_secret, &written.client_key) {
        (Some(source), None) => {
            let secret = config::secret(path, "console.client_secret", source)?;
            Ok(Registration::confidential(client_id, ClientSecret::new(secret.as_str())))
        }
        (None, Some(source)) => {
            let key = "console.client_key";
            let text = config::secret(path, key, source)?;
            let refuse = |error| ConfigError::because(path, key, &error);
            let signing = SigningKey::from_json(text.as_bytes()).map_err(refuse)?;
            Ok(Registration::new(client_id, Proof::PrivateKeyJwt(std::sync::Arc::new(signing))))
        }
        _ => {
            let reason = "either client_secret or client_key";
            Err(ConfigError::new(path, "console.client_secret", reason))
        }
    }
}

/// Who is which owner: nobody of another provider, and nobody of an owner that there is not.
fn identities(
    path: &Path,
    owners: Vec<OwnerConfig>,
    holders: &[Holder],
    issuer: &Issuer,
) -> Result<Vec<OwnerIdentity>, ConfigError> {
    let known: BTreeSet<&OwnerId> = holders.iter().map(|holder| &holder.owner).collect();
    // Whoever can be asked needs no resource server beforehand.
    let asks = holders.iter().any(|holder| !holder.redirect_uris.is_empty());
    let mut identities: Vec<OwnerIdentity> = Vec::new();
    for (index, owner) in owners.into_iter().enumerate() {
        let refuse = |member: &str, reason: &str| {
            Err(ConfigError::new(path, format!("owners[{index}].{member}"), reason))
        };
        if !asks && !known.contains(&owner.id) {
            return refuse("id", "no resource server holds anything for this owner");
        }
        if owner.issuer != *issuer {
            return refuse("issuer", "not console.issuer, so that nobody could sign in there");
        }
        let who = match (owner.sub, owner.email) {
            (Some(sub), None) if !sub.is_empty() => Who::Subject(sub),
            (None, Some(email)) => Who::Email(email),
            _ => return refuse("sub", "either sub or email"),
        };
        let identity = OwnerIdentity { owner: owner.id, issuer: owner.issuer, who };
        if identities.contains(&identity) {
            return refuse("id", "said before");
        }
        identities.push(identity);
    }
    Ok(identities)
}
