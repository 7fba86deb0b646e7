//! The clients this server knows: requesting parties' applications and resource servers.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_client_auth::{CheckedCredentials, RegisteredClient};
use countersign_store::StoreError;
use countersign_store::engine::BoxFuture;
use countersign_types::{ClientId, ScopeSet};
use countersign_uma::protection::ResourceServer;

/// A registered client. Being a resource server is a registration of its own beside using the UMA
/// grant; one client may have both.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its identifier and what it authenticates with.
    pub registered: RegisteredClient,
    /// If it may use the UMA grant: the scopes it may ask for beyond those of a ticket.
    pub uma_grant: Option<ScopeSet>,
    /// If it is a resource server: whose resources it holds, and what it is called.
    pub resource_server: Option<ResourceServer>,
}

/// Finds a client's registration.
pub trait Clients: Send + Sync {
    /// The registration under this identifier, which comes from the request and is not
    /// authenticated.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be told whether there is one.
    fn find<'a>(
        &'a self,
        id: &'a ClientId,
    ) -> BoxFuture<'a, Result<Option<Arc<Client>>, StoreError>>;

    /// The same, for a client that presents these credentials, which prove nothing yet. Where it is
    /// fetched what is known of a client, nothing is for credentials that could not be right by it,
    /// and keys are fetched again if the one that signed is not among them.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    fn find_presenting<'a>(
        &'a self,
        credentials: &'a CheckedCredentials,
    ) -> BoxFuture<'a, Result<Option<Arc<Client>>, StoreError>> {
        self.find(credentials.client_id())
    }

    /// Whether a client may still use the UMA grant. It is asked whenever one of its tokens is
    /// introspected, so that nobody else is asked in turn.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    fn may_hold_rpts<'a>(&'a self, id: &'a ClientId) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async {
            let client = self.find(id).await?;
            Ok(client.is_some_and(|client| client.uma_grant.is_some()))
        })
    }

    /// Whether clients are found by the URL of their document, which the metadata tells.
    fn reads_documents(&self) -> bool {
        false
    }
}

/// Clients from configuration.
#[derive(Clone, Debug, Default)]
pub struct StaticClients(BTreeMap<ClientId, Arc<Client>>);

impl FromIterator<Client> for StaticClients {
    fn from_iter<I: IntoIterator<Item = Client>>(clients: I) -> Self {
        let keyed = |client: Client| (client.registered.id.clone(), Arc::new(client));
        Self(clients.into_iter().map(keyed).collect())
    }
}

impl Clients for StaticClients {
    fn find<'a>(
        &'a self,
        id: &'a ClientId,
    ) -> BoxFuture<'a, Result<Option<Arc<Client>>, StoreError>> {
        let found = self.0.get(id).cloned();
        Box::pin(async move { Ok(found) })
    }
}
