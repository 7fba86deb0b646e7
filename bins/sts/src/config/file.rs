//! The configuration file as it is written.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use countersign_fetch::ConnectTo;
use countersign_fetch::danger::IpNet;
use countersign_host::config::SecretSource;
use countersign_host::logging::LogConfig;
use countersign_host::server::TlsConfig;
use countersign_host::serving::StoreConfig;
use countersign_identity_propagation::ActorAudience;
use countersign_jwt::act::MAX_DEPTH;
use countersign_sts_service::ProxyAddresses;
use countersign_token_exchange::NamedPeople;
use countersign_types::{
    ClientId, EmailAddress, Issuer, Lifetime, RedirectUri, ResourceIdentifier, ScopeSet,
    UrlPattern, email,
};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::trusted_issuers::TrustedIssuerConfig;
use super::upstreams::UpstreamConfig;

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) issuer: Issuer,
    pub(super) name: String,
    pub(super) email_domains: Vec<String>,
    pub(super) listen: SocketAddr,
    #[serde(default)]
    pub(super) proxies: Vec<ProxyAddresses>,
    pub(super) tls: Option<TlsConfig>,
    #[serde(default)]
    pub(super) store: StoreConfig,
    #[serde(default)]
    pub(super) log: LogConfig,
    pub(super) keys: KeysConfig,
    #[serde(default)]
    pub(super) lifetimes: Lifetimes,
    #[serde(default)]
    pub(super) exchange: ExchangeConfig,
    #[serde(default)]
    pub(super) outbound: Outbound,
    #[serde(default)]
    pub(super) delegation: DelegationConfig,
    #[serde(default)]
    pub(super) danger: DangerConfig,
    #[serde(default)]
    pub(super) users: Vec<UserConfig>,
    pub(super) accounts: Option<AccountsConfig>,
    pub(super) registrations: Option<RegistrationsConfig>,
    pub(super) clients: Vec<ClientConfig>,
    #[serde(default)]
    pub(super) url_clients: Vec<UrlClientConfig>,
    #[serde(default)]
    pub(super) trusted_issuers: Vec<TrustedIssuerConfig>,
    #[serde(default)]
    pub(super) upstreams: Vec<UpstreamConfig>,
    pub(super) passwords: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DelegationConfig {
    pub(super) policies: Option<Vec<PathBuf>>,
    pub(super) explain_to: BTreeSet<ClientId>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Outbound {
    pub(super) roots: Option<PathBuf>,
    pub(super) host_only_clients: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeysConfig {
    pub(super) directory: Option<PathBuf>,
    pub(super) es256: Option<SecretSource>,
    pub(super) rs256: Option<SecretSource>,
    pub(super) published: Option<PathBuf>,
    pub(super) announce: Option<Lifetime>,
    pub(super) rotate_every: Option<Lifetime>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Lifetimes {
    pub(super) session: Lifetime,
    pub(super) access_token: Lifetime,
    pub(super) id_token: Lifetime,
    pub(super) refresh_token: Lifetime,
    pub(super) refresh_token_idle: Lifetime,
    pub(super) claims_token: Lifetime,
    pub(super) identity_token: Lifetime,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            session: Lifetime::from_secs(36_000),
            access_token: Lifetime::from_secs(300),
            id_token: Lifetime::from_secs(300),
            refresh_token: Lifetime::from_secs(30 * 86_400),
            refresh_token_idle: Lifetime::from_secs(7 * 86_400),
            claims_token: Lifetime::from_secs(120),
            identity_token: Lifetime::from_secs(300),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DangerConfig {
    pub(super) plain_http: bool,
    pub(super) memory_store: bool,
    pub(super) connect_to: ConnectTo,
    pub(super) allow_networks: Vec<IpNet>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ExchangeConfig {
    pub(super) public_clients: bool,
    pub(super) user_claims: BTreeSet<String>,
    pub(super) denied: Vec<UrlPattern>,
    pub(super) targets: Vec<TargetConfig>,
    pub(super) max_actors: usize,
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        Self {
            public_clients: true,
            user_claims: BTreeSet::new(),
            denied: Vec::new(),
            targets: Vec::new(),
            max_actors: MAX_DEPTH,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetConfig {
    pub(super) name: String,
    pub(super) audience: Issuer,
    pub(super) resource: ResourceIdentifier,
    pub(super) jwt: Option<JwtConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum JwtConfig {
    AccessToken,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountsConfig {
    pub(super) directory: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegistrationsConfig {
    pub(super) directory: PathBuf,
    #[serde(default)]
    pub(super) scopes: ScopeSet,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserConfig {
    pub(super) username: String,
    pub(super) subject: String,
    pub(super) name: Option<String>,
    pub(super) email: Option<EmailAddress>,
    #[serde(default)]
    pub(super) email_verified: bool,
    pub(super) password: String,
    #[serde(default)]
    pub(super) claims: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientConfig {
    pub(super) id: ClientId,
    pub(super) name: String,
    pub(super) secret: Option<SecretSource>,
    pub(super) secret_sha256: Option<String>,
    pub(super) keys: Option<PathBuf>,
    #[serde(default)]
    pub(super) public: bool,
    #[serde(default)]
    pub(super) redirect_uris: Vec<RedirectUri>,
    #[serde(default)]
    pub(super) post_logout_redirect_uris: Vec<RedirectUri>,
    pub(super) grants: BTreeSet<GrantConfig>,
    pub(super) scopes: ScopeSet,
    #[serde(default)]
    pub(super) audiences: Vec<ResourceIdentifier>,
    #[serde(default)]
    pub(super) introspect: Vec<UrlPattern>,
    #[serde(default)]
    pub(super) id_token_alg: IdTokenAlg,
    #[serde(default)]
    pub(super) dpop_bound_access_tokens: bool,
    #[serde(default)]
    pub(super) opaque_access_tokens: bool,
    #[serde(default)]
    pub(super) exchange: ClientExchangeConfig,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub(super) enum GrantConfig {
    AuthorizationCode,
    RefreshToken,
    ClientCredentials,
    TokenExchange,
}

#[derive(Clone, Copy, Default, Deserialize)]
pub(super) enum IdTokenAlg {
    #[default]
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "ES256")]
    Es256,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ClientExchangeConfig {
    pub(super) claims_token_audiences: Vec<UrlPattern>,
    pub(super) access_token_audiences: Vec<UrlPattern>,
    pub(super) subjects_of: BTreeSet<ClientId>,
    pub(super) actor_token: bool,
    pub(super) impersonate: bool,
    pub(super) identity_token_audiences: Vec<UrlPattern>,
    pub(super) actor_audience: ActorAudienceConfig,
    pub(super) email_in_access_token: bool,
    pub(super) delegate_onward: bool,
    pub(super) claims_endpoint: bool,
    pub(super) people: Option<PeopleConfig>,
}

/// The people that a client may name by address.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PeopleConfig {
    pub(super) addresses: BTreeSet<EmailAddress>,
    pub(super) domains: BTreeSet<EmailDomain>,
    pub(crate) groups: BTreeSet<String>,
}

impl From<PeopleConfig> for NamedPeople {
    fn from(config: PeopleConfig) -> Self {
        let PeopleConfig { addresses, domains, groups } = config;
        Self { addresses, domains: domains.into_iter().map(|it| it.0).collect(), groups }
    }
}

/// A domain of e-mail addresses, in canonical form.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EmailDomain(pub(super) String);

impl<'de> Deserialize<'de> for EmailDomain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let domain = email::canonical_domain(&text).map(Self);
        domain.ok_or_else(|| D::Error::custom("not a domain name"))
    }
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ActorAudienceConfig {
    #[default]
    Either,
    Target,
    Issuer,
}

impl From<ActorAudienceConfig> for ActorAudience {
    fn from(config: ActorAudienceConfig) -> Self {
        match config {
            ActorAudienceConfig::Either => Self::Either,
            ActorAudienceConfig::Target => Self::Target,
            ActorAudienceConfig::Issuer => Self::Issuer,
        }
    }
}

/// Clients that are known by their URL: what all of a family may do.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UrlClientConfig {
    pub(super) id: UrlPattern,
    #[serde(default)]
    pub(super) public: bool,
    pub(super) grants: BTreeSet<GrantConfig>,
    pub(super) scopes: ScopeSet,
    #[serde(default)]
    pub(super) opaque_access_tokens: bool,
    #[serde(default)]
    pub(super) exchange: ClientExchangeConfig,
}
