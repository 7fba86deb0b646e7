//! Whose word counts for an e-mail address, and with which keys.

use std::sync::Arc;

use countersign_jwt::KeySet;
use countersign_resolver::issuer::Via;
use countersign_resolver::{IssuerResolver, RemoteKeys};
use countersign_store::engine::BoxFuture;
use countersign_types::wire::causes;
use countersign_types::{EmailAddress, EndpointUrl, Issuer};
use countersign_uma::NamedBy;

/// The issuer that an e-mail address's domain names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveredIssuer {
    /// The issuer identifier, equal to the one in its metadata.
    pub issuer: Issuer,
    /// Where its metadata says its keys are.
    pub jwks_uri: EndpointUrl,
    /// By what it speaks for the address.
    pub named_by: NamedBy,
}

/// Nothing was found. The peer chose the address, so this is the peer's failure: `need_info`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotDiscovered(pub String);

impl NotDiscovered {
    /// For this reason and its causes.
    #[must_use]
    pub fn because(error: &dyn std::error::Error) -> Self {
        Self(causes(error))
    }
}

/// Finds issuers and fetches their keys. Every URL involved is another party's choice, so an
/// implementation vets what it connects to.
pub trait Discovery: Send + Sync {
    /// The issuer for an address. The address is not verified.
    ///
    /// # Errors
    /// [`NotDiscovered`].
    fn issuer<'a>(
        &'a self,
        email: &'a EmailAddress,
    ) -> BoxFuture<'a, Result<DiscoveredIssuer, NotDiscovered>>;

    /// An issuer of whom an administrator says that it speaks for somebody's address: only its
    /// metadata is looked for.
    ///
    /// # Errors
    /// [`NotDiscovered`], and so it is wherever this is not offered.
    fn host<'a>(
        &'a self,
        issuer: &'a Issuer,
    ) -> BoxFuture<'a, Result<DiscoveredIssuer, NotDiscovered>> {
        let _ = issuer;
        Box::pin(async { Err(NotDiscovered("no issuer is looked for by its name".to_owned())) })
    }

    /// The keys of a discovered issuer, among them `kid` if it has that one. The key id comes from
    /// an unverified token.
    ///
    /// # Errors
    /// [`NotDiscovered`].
    fn keys<'a>(
        &'a self,
        issuer: &'a DiscoveredIssuer,
        kid: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<KeySet>, NotDiscovered>>;
}

/// Discovery over the network: WebFinger at the e-mail address's domain or the domain's well-known
/// documents, then the issuer's key set.
pub struct NetworkDiscovery {
    issuers: IssuerResolver,
    keys: RemoteKeys,
}

impl NetworkDiscovery {
    /// Discovery by these resolvers.
    #[must_use]
    pub const fn new(issuers: IssuerResolver, keys: RemoteKeys) -> Self {
        Self { issuers, keys }
    }
}

impl Discovery for NetworkDiscovery {
    fn issuer<'a>(
        &'a self,
        email: &'a EmailAddress,
    ) -> BoxFuture<'a, Result<DiscoveredIssuer, NotDiscovered>> {
        Box::pin(async move {
            let found = self.issuers.resolve(email).await;
            let found = found.map_err(|error| NotDiscovered::because(&error))?;
            let named_by = match found.via {
                Via::WebFinger => NamedBy::WebFinger,
                _ => NamedBy::WellKnown,
            };
            Ok(DiscoveredIssuer { issuer: found.issuer, jwks_uri: found.jwks_uri, named_by })
        })
    }

    fn host<'a>(
        &'a self,
        issuer: &'a Issuer,
    ) -> BoxFuture<'a, Result<DiscoveredIssuer, NotDiscovered>> {
        Box::pin(async move {
            let found = self.issuers.keys_of(issuer).await;
            let jwks_uri = found.map_err(|error| NotDiscovered::because(&error))?;
            let (issuer, named_by) = (issuer.clone(), NamedBy::Administrator);
            Ok(DiscoveredIssuer { issuer, jwks_uri, named_by })
        })
    }

    fn keys<'a>(
        &'a self,
        issuer: &'a DiscoveredIssuer,
        kid: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Arc<KeySet>, NotDiscovered>> {
        Box::pin(async move {
            let keys = self.keys.keys_with(&issuer.jwks_uri, kid).await;
            keys.map_err(|error| NotDiscovered::because(&error))
        })
    }
}
