//! Which issuer speaks for an e-mail address.

use std::num::NonZeroU32;
use std::sync::Arc;

use countersign_fetch::{Fetch, FetchError, Limits, Request};
use countersign_metadata::webfinger::{Jrd, JrdError, query_url};
use countersign_metadata::{DocumentKind, ServerMetadata};
use countersign_types::identifier::IdentifierError;
use countersign_types::{Clock, EmailAddress, EndpointUrl, Issuer, Lifetime};
use serde::Deserialize;

use crate::budget::Budget;
use crate::cache::{Cache, Failure};
use crate::metadata::{MetadataConfig, ServerMetadataCache, ServerMetadataError, is_not_found};

/// The documents that are tried, in this order, where a domain's WebFinger names no issuer.
const FALLBACK: [DocumentKind; 4] = [
    DocumentKind::OpenId,
    DocumentKind::OAuth,
    DocumentKind::ClaimsProvider,
    DocumentKind::WideEcosystemClaimsProvider,
];

const NEW_PER_DOMAIN: NonZeroU32 = NonZeroU32::new(300).unwrap();

/// How long the outcome of a discovery is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct IssuerConfig {
    /// What a domain said of an address is used without asking again: 5 minutes.
    pub fresh: Lifetime,
    /// It is used for so much longer while the network fails: 5 minutes.
    pub stale: Lifetime,
    /// That a domain names no issuer, or a bad one, is remembered: 30 seconds.
    pub negative: Lifetime,
    /// So many addresses are kept: 10 000.
    pub capacity: u64,
    /// So many addresses of one domain are asked about within a minute, beside those that an issuer
    /// is known for: 300. Addresses come in tokens that anybody can make up.
    pub new_per_domain: NonZeroU32,
    /// The same for the issuers' metadata.
    pub metadata: MetadataConfig,
}

impl Default for IssuerConfig {
    fn default() -> Self {
        let metadata = MetadataConfig::default();
        Self {
            fresh: metadata.fresh,
            stale: metadata.stale,
            negative: metadata.negative,
            capacity: 10_000,
            new_per_domain: NEW_PER_DOMAIN,
            metadata,
        }
    }
}

/// How an issuer was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Via {
    /// The domain's WebFinger named it.
    WebFinger,
    /// The domain's WebFinger named none, and this document of the domain itself was there.
    WellKnown(DocumentKind),
}

/// The issuer that speaks for an address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiscoveredIssuer {
    /// The issuer: what the domain named and the issuer's metadata says of itself, octet by octet.
    pub issuer: Issuer,
    /// Its keys.
    pub jwks_uri: EndpointUrl,
    /// How it was found.
    pub via: Via,
}

/// Why no issuer speaks for an address.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The address makes no WebFinger query.
    #[error("there is no URL for the address")]
    Url(#[from] IdentifierError),
    /// Too many addresses of the domain were asked about: this one was not.
    #[error("too many addresses of {domain} to be asked about for now")]
    TooMany {
        /// The domain.
        domain: String,
    },
    /// The domain's WebFinger did not answer, or not with a descriptor.
    #[error("the domain's WebFinger did not answer")]
    WebFinger(#[source] Arc<FetchError>),
    /// The descriptor is malformed, or names something that is no issuer.
    #[error("the domain's WebFinger answer was refused")]
    Descriptor(#[source] Arc<JrdError>),
    /// The domain names no issuer and is none itself.
    #[error("the domain names no issuer")]
    NoIssuer,
    /// The issuer's metadata is not there or was refused.
    #[error("the metadata of {issuer} was refused")]
    Metadata {
        /// The issuer.
        issuer: Issuer,
        /// What is wrong with its metadata.
        #[source]
        source: ServerMetadataError,
    },
    /// The issuer's metadata has no `jwks_uri`.
    #[error("{issuer} publishes no keys")]
    NoKeys {
        /// The issuer.
        issuer: Issuer,
    },
}

impl DiscoveryError {
    /// Whether the same question may be answered later: nothing authenticated has been said.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::WebFinger(error) => error.is_temporary(),
            Self::Metadata { source, .. } => source.is_temporary(),
            Self::TooMany { .. } => true,
            Self::Url(_) | Self::Descriptor(_) | Self::NoIssuer | Self::NoKeys { .. } => false,
        }
    }
}

impl Failure for DiscoveryError {
    fn is_temporary(&self) -> bool {
        self.is_temporary()
    }
}

/// Finds the issuer that speaks for an e-mail address, by asking the address's domain.
///
/// 1. WebFinger on the domain ([OpenID Discovery §2]). If it names an issuer, that issuer it is:
///    its OpenID metadata must be there and must name the same issuer, else the search ends in an
///    error.
/// 2. Only if the domain answers, over valid TLS, that it names none (404, or a descriptor without
///    such a link), the domain itself may be the issuer `https://domain`, by the first of its
///    well-known documents that is there: `openid-configuration`, `oauth-authorization-server`,
///    `claims-provider-configuration`, `uma-wide-ecosystem-claims-provider`.
///
/// Whatever else happens on the way ends the search: an attacker who can disturb a connection must
/// not choose which of the two ways is gone. Outcomes are cached by full address, since an issuer
/// can be per person, metadata by issuer. How many new addresses of one domain are asked about has
/// a limit ([`IssuerConfig::new_per_domain`]): whoever makes addresses up does not make this server
/// flood a domain with questions.
///
/// [OpenID Discovery §2]: https://openid.net/specs/openid-connect-discovery-1_0.html#IssuerDiscovery
pub struct IssuerResolver {
    fetch: Arc<dyn Fetch>,
    named: Cache<EmailAddress, Named, DiscoveryError>,
    budget: Budget,
    metadata: ServerMetadataCache,
}

/// What a domain says of an address.
#[derive(Clone)]
struct Named {
    issuer: Issuer,
    via: Via,
}

impl Named {
    const fn document(&self) -> DocumentKind {
        match self.via {
            Via::WebFinger => DocumentKind::OpenId,
            Via::WellKnown(kind) => kind,
        }
    }
}

impl IssuerResolver {
    /// A resolver that has found nothing yet.
    #[must_use]
    pub fn new(fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>, config: &IssuerConfig) -> Self {
        let times = MetadataConfig {
            fresh: config.fresh,
            stale: config.stale,
            negative: config.negative,
            ..config.metadata
        }
        .times();
        Self {
            named: Cache::new(config.capacity, Arc::clone(&clock), times),
            budget: Budget::new(config.new_per_domain, Arc::clone(&clock)),
            metadata: ServerMetadataCache::new(Arc::clone(&fetch), clock, &config.metadata),
            fetch,
        }
    }

    /// The issuer that speaks for an address. The address is untrusted.
    ///
    /// # Errors
    /// Any [`DiscoveryError`].
    pub async fn resolve(
        &self,
        address: &EmailAddress,
    ) -> Result<DiscoveredIssuer, DiscoveryError> {
        let named = self.named.get(address, |_| true, || self.ask(address)).await?;
        let metadata = self.metadata_of(&named.issuer, named.document()).await?;
        let Some(jwks_uri) = metadata.jwks_uri.clone() else {
            return Err(DiscoveryError::NoKeys { issuer: named.issuer.clone() });
        };
        Ok(DiscoveredIssuer { issuer: named.issuer.clone(), jwks_uri, via: named.via })
    }

    /// The keys of an issuer that is known by its identifier, by its OpenID metadata: no domain is
    /// asked.
    ///
    /// # Errors
    /// [`DiscoveryError::Metadata`], [`DiscoveryError::NoKeys`].
    pub async fn keys_of(&self, issuer: &Issuer) -> Result<EndpointUrl, DiscoveryError> {
        let metadata = self.metadata_of(issuer, DocumentKind::OpenId).await?;
        let keys = metadata.jwks_uri.clone();
        keys.ok_or_else(|| DiscoveryError::NoKeys { issuer: issuer.clone() })
    }

    async fn ask(&self, address: &EmailAddress) -> Result<Named, DiscoveryError> {
        let domain = address.domain();
        if !self.named.has_found(address) && !self.budget.take(domain) {
            return Err(DiscoveryError::TooMany { domain: domain.to_owned() });
        }
        match self.ask_webfinger(address).await? {
            Some(issuer) => Ok(Named { issuer, via: Via::WebFinger }),
            None => self.try_domain(domain).await,
        }
    }

    /// The issuer that the domain's WebFinger names, or `None` if it says that there is none.
    async fn ask_webfinger(
        &self,
        address: &EmailAddress,
    ) -> Result<Option<Issuer>, DiscoveryError> {
        let request = Request::get(query_url(address)?, Limits::webfinger());
        match self.fetch.fetch(request).await {
            Ok(response) => Jrd::parse(response.body())
                .and_then(|descriptor| descriptor.issuer())
                .map_err(|error| DiscoveryError::Descriptor(Arc::new(error))),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(DiscoveryError::WebFinger(Arc::new(error))),
        }
    }

    /// The domain itself as an issuer.
    async fn try_domain(&self, domain: &str) -> Result<Named, DiscoveryError> {
        let issuer = Issuer::parse(&format!("https://{domain}"))?;
        for kind in FALLBACK {
            match self.metadata_of(&issuer, kind).await {
                Ok(_) => return Ok(Named { issuer, via: Via::WellKnown(kind) }),
                Err(DiscoveryError::Metadata { source, .. }) if source.is_absence() => {}
                Err(error) => return Err(error),
            }
        }
        Err(DiscoveryError::NoIssuer)
    }

    async fn metadata_of(
        &self,
        issuer: &Issuer,
        kind: DocumentKind,
    ) -> Result<Arc<ServerMetadata>, DiscoveryError> {
        let metadata = self.metadata.get(kind, issuer).await;
        metadata.map_err(|source| DiscoveryError::Metadata { issuer: issuer.clone(), source })
    }
}

impl std::fmt::Debug for IssuerResolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuerResolver").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
