//! The clients this server knows: requesting parties' applications and resource servers.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_client_auth::RegisteredClient;
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
