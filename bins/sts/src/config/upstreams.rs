//! Other OpenID providers that people sign in through.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use countersign_host::config::{ConfigError, SecretSource};
use countersign_login::Registration;
use countersign_sts_service::UpstreamSetup;
use countersign_sts_service::broker::{self, Mapping};
use countersign_token_exchange::trusted_issuer::may_be_released;
use countersign_types::{ClientId, Issuer, ScopeSet, email};
use serde::Deserialize;
use serde_json::Value;

use super::trusted_issuers::{Place, RolesConfig};

/// The longest alias.
const MAX_ALIAS: usize = 32;

/// A provider as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamConfig {
    alias: String,
    name: String,
    issuer: Issuer,
    client_id: ClientId,
    client_secret: Option<SecretSource>,
    client_key: Option<SecretSource>,
    scopes: ScopeSet,
    #[serde(default)]
    user_info: bool,
    #[serde(default)]
    email_domains: Vec<String>,
    #[serde(default)]
    claims: BTreeSet<String>,
    #[serde(default)]
    required: BTreeMap<String, Vec<Value>>,
    #[serde(default)]
    everyone: BTreeSet<String>,
    #[serde(default)]
    roles: Vec<RolesConfig>,
    #[serde(default)]
    amr: BTreeSet<String>,
    #[serde(default)]
    acr: BTreeMap<String, String>,
}

/// Reads the providers, and the secrets and keys that they name.
pub(super) fn upstreams(
    path: &Path,
    upstreams: Vec<UpstreamConfig>,
    own: &Issuer,
) -> Result<Vec<UpstreamSetup>, ConfigError> {
    let mut known: Vec<UpstreamSetup> = Vec::new();
    for (index, upstream) in upstreams.into_iter().enumerate() {
        let at = Place { path, key: format!("upstreams[{index}]") };
        let taken = |one: &UpstreamSetup| one.alias == upstream.alias;
        if !is_alias(&upstream.alias) || known.iter().any(taken) {
            let reason = "lower-case letters, digits and hyphens, and not used before";
            return Err(at.refuse("alias", reason));
        }
        if broker::redirect_uri(own, &upstream.alias).is_err() {
            return Err(at.refuse("alias", "too long to make a redirection URI of"));
        }
        if upstream.name.is_empty() {
            return Err(at.refuse("name", "empty"));
        }
        // Two by one issuer would be two ways to one account, and its word would count by either.
        if upstream.issuer == *own || known.iter().any(|one| one.issuer == upstream.issuer) {
            return Err(at.refuse("issuer", "this server, or used before"));
        }
        known.push(setup(&at, upstream)?);
    }
    Ok(known)
}

fn setup(at: &Place<'_>, upstream: UpstreamConfig) -> Result<UpstreamSetup, ConfigError> {
    let client_id = upstream.client_id;
    let registration = match (&upstream.client_secret, &upstream.client_key) {
        (Some(source), None) => {
            Registration::confidential(client_id, at.client_secret("client_secret", source)?)
        }
        (None, Some(source)) => Registration::new(client_id, at.client_key("client_key", source)?),
        _ => return Err(at.refuse("client_secret", "either client_secret or client_key")),
    };
    if let Some(name) = upstream.claims.iter().find(|name| !may_be_released(name)) {
        return Err(at.refuse("claims", &format!("{name} has a meaning of its own")));
    }
    if upstream.everyone.iter().any(String::is_empty) {
        return Err(at.refuse("everyone", "a role without a name"));
    }
    let empty = |(theirs, ours): (&String, &String)| theirs.is_empty() || ours.is_empty();
    if upstream.acr.iter().any(empty) {
        return Err(at.refuse("acr", "which class is which of ours"));
    }
    Ok(UpstreamSetup {
        alias: upstream.alias,
        name: upstream.name,
        issuer: upstream.issuer,
        registration,
        scope: upstream.scopes,
        user_info: upstream.user_info,
        mapping: Mapping {
            email_domains: email_domains(at, &upstream.email_domains)?,
            claims: upstream.claims,
            roles: at.roles(upstream.roles)?,
            everyone: upstream.everyone,
            required: at.required(upstream.required)?,
            amr: upstream.amr,
            acr: upstream.acr,
        },
    })
}

/// They may be this server's own: its people may have a second way to sign in.
fn email_domains(at: &Place<'_>, domains: &[String]) -> Result<BTreeSet<String>, ConfigError> {
    let canonical = domains.iter().enumerate().map(|(index, domain)| {
        let member = format!("email_domains[{index}]");
        email::canonical_domain(domain).ok_or_else(|| at.refuse(&member, "not a domain name"))
    });
    canonical.collect()
}

/// Whether it can be a segment of a path, and the beginning of a name.
fn is_alias(text: &str) -> bool {
    let known = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
    (1..=MAX_ALIAS).contains(&text.len()) && text.bytes().all(known)
}
