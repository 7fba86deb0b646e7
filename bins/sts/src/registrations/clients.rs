//! The clients of the configuration and of the directory, as the service asks for them.

use std::sync::Arc;

use countersign_client_auth::CheckedCredentials;
use countersign_store::StoreError;
use countersign_store::engine::BoxFuture;
use countersign_sts_service::{Client, Clients, StaticClients};
use countersign_types::ClientId;

use super::{RegistrationError, Registrations};

type Found<'a> = BoxFuture<'a, Result<Option<Arc<Client>>, StoreError>>;

/// The clients of the configuration, and beside them those that have a file each.
pub(crate) struct Registered {
    listed: StaticClients,
    registrations: Registrations,
}

impl Registered {
    pub(crate) const fn new(listed: StaticClients, registrations: Registrations) -> Self {
        Self { listed, registrations }
    }
}

impl Clients for Registered {
    fn find<'a>(&'a self, id: &'a ClientId) -> Found<'a> {
        Box::pin(async move {
            match self.listed.find(id).await? {
                Some(client) => Ok(Some(client)),
                None => Ok(self.registrations.find(id).map_err(unusable)?.map(Arc::new)),
            }
        })
    }
}

/// All clients but those that are refused: they are as good as unknown.
pub(crate) struct Enabled {
    all: Arc<dyn Clients>,
    registrations: Registrations,
}

impl Enabled {
    pub(crate) const fn new(all: Arc<dyn Clients>, registrations: Registrations) -> Self {
        Self { all, registrations }
    }

    fn refuses(&self, id: &ClientId) -> Result<bool, StoreError> {
        self.registrations.is_disabled(id).map_err(unusable)
    }
}

impl Clients for Enabled {
    fn find<'a>(&'a self, id: &'a ClientId) -> Found<'a> {
        Box::pin(async move { if self.refuses(id)? { Ok(None) } else { self.all.find(id).await } })
    }

    fn find_with_key<'a>(&'a self, id: &'a ClientId, kid: Option<&'a str>) -> Found<'a> {
        Box::pin(async move {
            if self.refuses(id)? { Ok(None) } else { self.all.find_with_key(id, kid).await }
        })
    }

    fn find_presenting<'a>(&'a self, credentials: &'a CheckedCredentials) -> Found<'a> {
        Box::pin(async move {
            if self.refuses(credentials.client_id())? {
                return Ok(None);
            }
            self.all.find_presenting(credentials).await
        })
    }

    fn is_known<'a>(&'a self, id: &'a ClientId) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { Ok(!self.refuses(id)? && self.all.is_known(id).await?) })
    }

    fn reads_documents(&self) -> bool {
        self.all.reads_documents()
    }
}

fn unusable(error: RegistrationError) -> StoreError {
    StoreError::Unavailable(Arc::new(error))
}
