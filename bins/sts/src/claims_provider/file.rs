//! The configuration file of a claims provider as it is written.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use countersign_claims_token::ClaimsToken;
use countersign_fetch::ConnectTo;
use countersign_fetch::danger::IpNet;
use countersign_host::logging::LogConfig;
use countersign_host::server::TlsConfig;
use countersign_sts_service::claims::QUERY_USERS;
use countersign_sts_service::claims::provider::SubjectAttribute;
use countersign_types::{ClientId, EndpointUrl, Issuer, Lifetime, ScopeSet, UrlPattern};
use serde::Deserialize;

use crate::config::file::{KeysConfig, PeopleConfig};
use crate::config::trusted_issuers::{AccessTokensConfig, IntrospectionConfig};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) issuer: Issuer,
    pub(super) listen: SocketAddr,
    pub(super) tls: Option<TlsConfig>,
    #[serde(default)]
    pub(super) log: LogConfig,
    pub(super) keys: KeysConfig,
    #[serde(default)]
    pub(super) lifetimes: Lifetimes,
    #[serde(default)]
    pub(super) claims: BTreeSet<String>,
    #[serde(default)]
    pub(super) denied: Vec<UrlPattern>,
    pub(super) authn_server: AuthnServerConfig,
    pub(super) user_query: UserQueryConfig,
    pub(super) clients: Vec<ProviderClientConfig>,
    #[serde(default)]
    pub(super) outbound: Outbound,
    #[serde(default)]
    pub(super) danger: DangerConfig,
}

/// What there is no use for here is none of its keys: clients are of the file, and not known by
/// their URLs.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Outbound {
    pub(super) roots: Option<PathBuf>,
}

/// Nothing is kept, so that there is no store to give up.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DangerConfig {
    pub(super) plain_http: bool,
    pub(super) connect_to: ConnectTo,
    pub(super) allow_networks: Vec<IpNet>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lifetimes {
    pub(super) claims_token: Lifetime,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { claims_token: ClaimsToken::LIFETIME }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthnServerConfig {
    pub(super) issuer: Issuer,
    #[serde(default)]
    pub(super) access_tokens: AccessTokensConfig,
    #[serde(default)]
    pub(super) audiences: BTreeSet<String>,
    pub(super) jwks_uri: Option<EndpointUrl>,
    pub(super) keys: Option<PathBuf>,
    pub(super) introspection: Option<IntrospectionConfig>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserQueryConfig {
    pub(super) users: EndpointUrl,
    #[serde(default)]
    pub(super) verified_addresses: bool,
    #[serde(default)]
    pub(super) subject: SubjectConfig,
    #[serde(default = "query_users")]
    pub(super) scope: ScopeSet,
    pub(super) client: IntrospectionConfig,
}

fn query_users() -> ScopeSet {
    ScopeSet::from_tokens([QUERY_USERS]).unwrap_or_default()
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum SubjectConfig {
    #[default]
    Id,
    UserName,
    ExternalId,
}

impl From<SubjectConfig> for SubjectAttribute {
    fn from(config: SubjectConfig) -> Self {
        match config {
            SubjectConfig::Id => Self::Id,
            SubjectConfig::UserName => Self::UserName,
            SubjectConfig::ExternalId => Self::ExternalId,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderClientConfig {
    pub(super) id: ClientId,
    #[serde(default)]
    pub(super) public: bool,
    pub(super) claims_token_audiences: Vec<UrlPattern>,
    pub(super) people: Option<PeopleConfig>,
}
