//! What a resource server registers, and where it remembers the identifiers it got.
//! [UMA 2.0 Federated Authorization §3]
//!
//! [UMA 2.0 Federated Authorization §3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#resource-registration-endpoint

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use countersign_types::{Issuer, ScopeSet};
use serde::Serialize;

/// A resource description. [UMA 2.0 Federated Authorization §3.1]
///
/// [UMA 2.0 Federated Authorization §3.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#resource-set-desc
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResourceDescription {
    /// A name for people. Here it is also the name under which the resource is remembered, so it
    /// is unique within one resource server.
    pub name: String,
    /// The scopes that exist at the resource.
    pub resource_scopes: ScopeSet,
    /// What kind of resource this is, often a URI.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// A sentence for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl ResourceDescription {
    /// A resource with these scopes.
    #[must_use]
    pub fn new(name: impl Into<String>, resource_scopes: ScopeSet) -> Self {
        Self { name: name.into(), resource_scopes, resource_type: None, description: None }
    }
}

/// A future that a [`RegistrationStore`] returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why a [`RegistrationStore`] gives no answer.
pub type RegistrationStoreError = Box<dyn Error + Send + Sync>;

/// Remembers which identifier the authorization server gave a resource, so that a restart finds it
/// again: policies hang on it.
pub trait RegistrationStore: Send + Sync {
    /// The identifier kept for the resource `name` at `issuer`.
    fn find<'a>(
        &'a self,
        issuer: &'a Issuer,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, RegistrationStoreError>>;

    /// Keeps an identifier, in the place of an earlier one. Durable once it answers.
    fn keep<'a>(
        &'a self,
        issuer: &'a Issuer,
        name: &'a str,
        resource_id: &'a str,
    ) -> BoxFuture<'a, Result<(), RegistrationStoreError>>;

    /// Every name kept for `issuer`, with its identifier.
    fn list<'a>(
        &'a self,
        issuer: &'a Issuer,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, RegistrationStoreError>>;

    /// Forgets a name. Durable once it answers.
    fn forget<'a>(
        &'a self,
        issuer: &'a Issuer,
        name: &'a str,
    ) -> BoxFuture<'a, Result<(), RegistrationStoreError>>;
}

/// Remembers as long as the process lives: for tests, and for servers whose authorization server
/// forgets as well.
#[derive(Debug, Default)]
pub struct MemoryRegistrations(Mutex<HashMap<(Issuer, String), String>>);

impl RegistrationStore for MemoryRegistrations {
    fn find<'a>(
        &'a self,
        issuer: &'a Issuer,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, RegistrationStoreError>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(&(issuer.clone(), name.to_owned())).cloned();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn keep<'a>(
        &'a self,
        issuer: &'a Issuer,
        name: &'a str,
        resource_id: &'a str,
    ) -> BoxFuture<'a, Result<(), RegistrationStoreError>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert((issuer.clone(), name.to_owned()), resource_id.to_owned());
        Box::pin(std::future::ready(Ok(())))
    }

    fn list<'a>(
        &'a self,
        issuer: &'a Issuer,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, RegistrationStoreError>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_issuer = kept.iter().filter(|((of, _), _)| of == issuer);
        let list = of_issuer.map(|((_, name), id)| (name.clone(), id.clone())).collect();
        Box::pin(std::future::ready(Ok(list)))
    }

    fn forget<'a>(
        &'a self,
        issuer: &'a Issuer,
        name: &'a str,
    ) -> BoxFuture<'a, Result<(), RegistrationStoreError>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(&(issuer.clone(), name.to_owned()));
        Box::pin(std::future::ready(Ok(())))
    }
}
