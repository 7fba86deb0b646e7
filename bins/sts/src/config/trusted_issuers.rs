//! Other issuers whose tokens may be exchanged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_client_auth::{Credentials, Proof};
use countersign_host::config::{self, ConfigError, SecretSource};
use countersign_jwt::SigningKey;
use countersign_sts_service::foreign::{Introspection, IssuerKeys, IssuerSetup};
use countersign_sts_service::{Client, UpstreamSetup};
use countersign_token_exchange::TrustedIssuer;
use countersign_token_exchange::policy::CLAIMS_PROVIDER;
use countersign_token_exchange::trusted_issuer::{
    Accepted, AccessTokenForm, RoleMapping, RoleSource, Subjects, may_be_released,
};
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, EndpointUrl, Issuer, Lifetime, ScopeSet, email};
use serde::Deserialize;
use serde_json::Value;

use super::MAX_REFRESH;

/// An issuer as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrustedIssuerConfig {
    alias: String,
    issuer: Issuer,
    jwks_uri: Option<EndpointUrl>,
    keys: Option<PathBuf>,
    #[serde(default)]
    access_tokens: AccessTokensConfig,
    #[serde(default)]
    subject: SubjectConfig,
    introspection: Option<IntrospectionConfig>,
    #[serde(default)]
    user_info: bool,
    #[serde(default)]
    email_domains: Vec<String>,
    #[serde(default)]
    claims: BTreeSet<String>,
    #[serde(default)]
    scopes: ScopeSet,
    #[serde(default)]
    required: BTreeMap<String, Vec<Value>>,
    exchanges: Vec<ExchangesConfig>,
    #[serde(default)]
    roles: Vec<RolesConfig>,
}

#[derive(Clone, Copy, Default, Deserialize)]
pub(crate) enum AccessTokensConfig {
    #[default]
    #[serde(rename = "at+jwt")]
    Rfc9068,
    #[serde(rename = "keycloak")]
    Keycloak,
}

impl From<AccessTokensConfig> for AccessTokenForm {
    fn from(config: AccessTokensConfig) -> Self {
        match config {
            AccessTokensConfig::Rfc9068 => Self::Rfc9068,
            AccessTokensConfig::Keycloak => Self::Keycloak,
        }
    }
}

/// Who its people are here.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SubjectConfig {
    #[default]
    Namespaced,
    Linked,
}

/// Who this server is at an issuer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IntrospectionConfig {
    pub(crate) client_id: ClientId,
    pub(crate) client_secret: Option<SecretSource>,
    pub(crate) client_key: Option<SecretSource>,
}

/// Which of the issuer's tokens a client may exchange.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExchangesConfig {
    client: ClientId,
    #[serde(default)]
    audiences: BTreeSet<String>,
    #[serde(default)]
    clients: BTreeSet<String>,
    refresh: Option<Lifetime>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RolesConfig {
    from: String,
    roles: BTreeMap<String, String>,
}

/// What of this server an issuer must not collide with.
pub(super) struct Own<'a> {
    pub(super) issuer: &'a Issuer,
    pub(super) email_domains: &'a BTreeSet<String>,
    pub(super) clients: &'a [Client],
    pub(super) upstreams: &'a [UpstreamSetup],
}

/// Reads the issuers, and the secrets and keys that they name.
pub(super) fn trusted_issuers(
    path: &Path,
    issuers: Vec<TrustedIssuerConfig>,
    own: &Own<'_>,
) -> Result<Vec<IssuerSetup>, ConfigError> {
    let mut known: Vec<IssuerSetup> = Vec::new();
    for (index, issuer) in issuers.into_iter().enumerate() {
        let at = Place { path, key: format!("trusted_issuers[{index}]") };
        let is_taken = |same: fn(&TrustedIssuer, &TrustedIssuerConfig) -> bool| {
            known.iter().any(|setup| same(&setup.trusted, &issuer))
        };
        if issuer.alias.is_empty() || is_taken(|one, other| one.alias == other.alias) {
            return Err(at.refuse("alias", "empty, or used before"));
        }
        if issuer.issuer == *own.issuer || is_taken(|one, other| one.issuer == other.issuer) {
            return Err(at.refuse("issuer", "this server, or used before"));
        }
        known.push(at.setup(issuer, own)?);
    }
    Ok(known)
}

/// An issuer's table in the file, for errors.
pub(crate) struct Place<'a> {
    pub(crate) path: &'a Path,
    pub(crate) key: String,
}

impl Place<'_> {
    pub(super) fn key(&self, member: &str) -> String {
        format!("{}.{member}", self.key)
    }

    pub(crate) fn refuse(&self, member: &str, reason: &str) -> ConfigError {
        ConfigError::new(self.path, self.key(member), reason)
    }

    fn setup(
        &self,
        issuer: TrustedIssuerConfig,
        own: &Own<'_>,
    ) -> Result<IssuerSetup, ConfigError> {
        let subjects = self.subjects(&issuer, own.upstreams)?;
        let keys = self.issuer_keys(issuer.jwks_uri, issuer.keys)?;
        if let Some(name) = issuer.claims.iter().find(|name| !may_be_released(name)) {
            return Err(self.refuse("claims", &format!("{name} has a meaning of its own")));
        }
        if issuer.scopes.contains(CLAIMS_PROVIDER) {
            return Err(self.refuse("scopes", "claims-provider is what a person here agrees to"));
        }
        let introspection =
            issuer.introspection.map(|table| self.known_there("introspection", table));
        Ok(IssuerSetup {
            keys,
            introspection: introspection.transpose()?,
            user_info: issuer.user_info,
            trusted: TrustedIssuer {
                alias: issuer.alias,
                issuer: issuer.issuer,
                access_tokens: issuer.access_tokens.into(),
                subjects,
                exchanges: self.exchanges(issuer.exchanges, own.clients)?,
                required: self.required(issuer.required)?,
                email_domains: self.email_domains(&issuer.email_domains, own.email_domains)?,
                claims: issuer.claims,
                roles: self.roles(issuer.roles)?,
                scopes: issuer.scopes,
            },
        })
    }

    fn subjects(
        &self,
        issuer: &TrustedIssuerConfig,
        upstreams: &[UpstreamSetup],
    ) -> Result<Subjects, ConfigError> {
        match issuer.subject {
            SubjectConfig::Namespaced => return Ok(Subjects::Namespaced),
            SubjectConfig::Linked => {}
        }
        if !upstreams.iter().any(|upstream| upstream.issuer == issuer.issuer) {
            return Err(self.refuse("subject", "linked takes [[upstreams]] of this issuer"));
        }
        // A refresh token would outlive the link.
        match issuer.exchanges.iter().position(|table| table.refresh.is_some()) {
            Some(index) => {
                let member = format!("exchanges[{index}].refresh");
                Err(self.refuse(&member, "takes subject = \"namespaced\""))
            }
            None => Ok(Subjects::Linked),
        }
    }

    /// Where the issuer's keys are.
    pub(crate) fn issuer_keys(
        &self,
        jwks_uri: Option<EndpointUrl>,
        keys: Option<PathBuf>,
    ) -> Result<IssuerKeys, ConfigError> {
        match (jwks_uri, keys) {
            (None, None) => Ok(IssuerKeys::Published),
            (Some(url), None) => Ok(IssuerKeys::At(url)),
            (None, Some(file)) => {
                let keys = config::public_keys(self.path, &self.key("keys"), &file)?;
                Ok(IssuerKeys::Given(Arc::new(keys)))
            }
            (Some(_), Some(_)) => Err(self.refuse("keys", "either jwks_uri or keys")),
        }
    }

    /// As whom this server is known at the issuer, by the table `member`.
    pub(crate) fn known_there(
        &self,
        member: &str,
        table: IntrospectionConfig,
    ) -> Result<Introspection, ConfigError> {
        let proof = match (&table.client_secret, &table.client_key) {
            (Some(source), None) => {
                Proof::SecretBasic(self.client_secret(&format!("{member}.client_secret"), source)?)
            }
            (None, Some(source)) => self.client_key(&format!("{member}.client_key"), source)?,
            _ => return Err(self.refuse(member, "either client_secret or client_key")),
        };
        Ok(Introspection { client_id: table.client_id, proof })
    }

    /// The secret that this server has at the issuer.
    pub(super) fn client_secret(
        &self,
        member: &str,
        source: &SecretSource,
    ) -> Result<ClientSecret, ConfigError> {
        let secret = config::secret(self.path, &self.key(member), source)?;
        Ok(ClientSecret::new(secret.as_str()))
    }

    /// The key that it proves itself with there.
    pub(super) fn client_key(
        &self,
        member: &str,
        source: &SecretSource,
    ) -> Result<Proof, ConfigError> {
        let key = self.key(member);
        let jwk = config::secret(self.path, &key, source)?;
        let signing = SigningKey::from_json(jwk.as_bytes())
            .map_err(|error| ConfigError::because(self.path, key, &error))?;
        Ok(Proof::PrivateKeyJwt(Arc::new(signing)))
    }

    fn exchanges(
        &self,
        tables: Vec<ExchangesConfig>,
        clients: &[Client],
    ) -> Result<BTreeMap<ClientId, Accepted>, ConfigError> {
        let mut exchanges = BTreeMap::new();
        for (index, table) in tables.into_iter().enumerate() {
            let ExchangesConfig { client, audiences, clients: theirs, refresh } = table;
            let refuse = |reason| self.refuse(&format!("exchanges[{index}].client"), reason);
            let known = clients.iter().find(|known| known.registered.id == client);
            let may = known.is_some_and(|known| {
                let is_public = matches!(known.registered.credentials, Credentials::Public);
                known.exchange.may_exchange && !is_public
            });
            if !may {
                return Err(refuse("no confidential client with the grant token_exchange"));
            }
            if let Some(lifetime) = refresh {
                self.check_refresh(index, lifetime, known, &audiences)?;
            }
            if exchanges.insert(client, Accepted { audiences, clients: theirs, refresh }).is_some()
            {
                return Err(refuse("used before"));
            }
        }
        if exchanges.is_empty() {
            return Err(self.refuse("exchanges", "nobody may exchange its tokens"));
        }
        Ok(exchanges)
    }

    /// A refresh token is for what the client does for its own API in the person's place.
    fn check_refresh(
        &self,
        index: usize,
        lifetime: Lifetime,
        client: Option<&Client>,
        audiences: &BTreeSet<String>,
    ) -> Result<(), ConfigError> {
        let refuse = |reason: &str| self.refuse(&format!("exchanges[{index}].refresh"), reason);
        if !(1..=MAX_REFRESH.as_secs()).contains(&lifetime.as_secs()) {
            return Err(refuse(&format!("from 1 to {} seconds", MAX_REFRESH.as_secs())));
        }
        if !client.is_some_and(|it| it.refresh_token && it.exchange.may_impersonate) {
            return Err(refuse("takes a client with the grant refresh_token and impersonate"));
        }
        if audiences.is_empty() {
            return Err(refuse("takes audiences: the API that the client is"));
        }
        Ok(())
    }

    pub(super) fn required(
        &self,
        required: BTreeMap<String, Vec<Value>>,
    ) -> Result<BTreeMap<String, Vec<Value>>, ConfigError> {
        let is_plain = |value: &Value| value.is_string() || value.is_boolean() || value.is_i64();
        for (name, values) in &required {
            if values.is_empty() || !values.iter().all(is_plain) {
                let reason = "a list of texts, whole numbers, true and false, not empty";
                return Err(self.refuse(&format!("required.{name}"), reason));
            }
        }
        Ok(required)
    }

    fn email_domains(
        &self,
        domains: &[String],
        own: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, ConfigError> {
        let mut canonical = BTreeSet::new();
        for (index, domain) in domains.iter().enumerate() {
            let refuse = |reason| self.refuse(&format!("email_domains[{index}]"), reason);
            let domain =
                email::canonical_domain(domain).ok_or_else(|| refuse("not a domain name"))?;
            if own.contains(&domain) {
                return Err(refuse("this server speaks for it"));
            }
            canonical.insert(domain);
        }
        Ok(canonical)
    }

    pub(super) fn roles(&self, tables: Vec<RolesConfig>) -> Result<Vec<RoleMapping>, ConfigError> {
        let mut mappings = Vec::new();
        for (index, RolesConfig { from, roles }) in tables.into_iter().enumerate() {
            let refuse = |member, reason| self.refuse(&format!("roles[{index}].{member}"), reason);
            if roles.is_empty() || roles.values().any(String::is_empty) {
                return Err(refuse("roles", "which role is which of ours"));
            }
            let source = role_source(&from).ok_or_else(|| {
                refuse("from", "a claim, realm_access.roles or resource_access.CLIENT.roles")
            })?;
            mappings.push(RoleMapping { source, roles });
        }
        Ok(mappings)
    }
}

fn role_source(from: &str) -> Option<RoleSource> {
    if from == "realm_access.roles" {
        return Some(RoleSource::Realm);
    }
    if let Some(rest) = from.strip_prefix("resource_access") {
        let client = rest.strip_prefix('.')?.strip_suffix(".roles")?;
        return (!client.is_empty()).then(|| RoleSource::Client(client.to_owned()));
    }
    let is_claim = !from.is_empty() && from != "realm_access" && !from.starts_with("realm_access.");
    is_claim.then(|| RoleSource::Claim(from.to_owned()))
}
