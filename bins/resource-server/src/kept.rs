//! What this server remembers over a restart, where there is a store.

use std::path::Path;
use std::sync::Arc;

use countersign_host::{Composed, Seams};
use countersign_resource::identity_propagation::{MemoryProofs, ProofsError, UsedProofs};
use countersign_resource::registration::{BoxFuture, RegistrationStoreError};
use countersign_resource::{MemoryRegistrations, RegistrationStore};
use countersign_store::sqlite::OpenError;
use countersign_store::{Engine, MemoryEngine, Registrations, Replay, SqliteEngine};
use countersign_types::digest::Digest;
use countersign_types::replay::Seen;
use countersign_types::{Issuer, Timestamp};

/// The store, if there is one.
pub(crate) struct Kept(Option<Arc<SqliteEngine>>);

impl Kept {
    /// Nothing is remembered.
    pub(crate) fn in_memory() -> Self {
        Self(None)
    }

    /// The store at `path`, if there is a path.
    pub(crate) fn open(path: Option<&Path>, seams: &Seams) -> Result<Self, OpenError> {
        let open = |path| SqliteEngine::open(path, Arc::clone(&seams.clock));
        Ok(Self(path.map(open).transpose()?.map(Arc::new)))
    }

    /// The server, which ends once the store is closed.
    pub(crate) fn closed_with(&self, composed: Composed) -> Composed {
        match &self.0 {
            Some(engine) => composed.with_closing(engine.closed()),
            None => composed,
        }
    }

    /// The identifiers that authorization servers gave resources.
    pub(crate) fn registrations(&self) -> Arc<dyn RegistrationStore> {
        match &self.0 {
            Some(engine) => Arc::new(KeptRegistrations(Registrations::new(engine.clone()))),
            None => Arc::new(MemoryRegistrations::default()),
        }
    }

    /// What is left in inboxes.
    pub(crate) fn messages(&self) -> Arc<dyn Engine> {
        let none = || Arc::new(MemoryEngine::new()) as Arc<dyn Engine>;
        self.0.as_ref().map_or_else(none, |engine| engine.clone())
    }

    /// Which proofs were used.
    pub(crate) fn used_proofs(&self, seams: &Seams) -> Arc<dyn UsedProofs> {
        match &self.0 {
            Some(engine) => Arc::new(KeptProofs(Replay::new(engine.clone()))),
            None => Arc::new(MemoryProofs::new(Arc::clone(&seams.clock))),
        }
    }
}

/// Registrations in a store.
struct KeptRegistrations(Registrations<String>);

impl RegistrationStore for KeptRegistrations {
    fn find<'a>(
        &'a self,
        issuer: &'a Issuer,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, RegistrationStoreError>> {
        Box::pin(async move { Ok(self.0.find(issuer, name).await?) })
    }

    fn keep<'a>(
        &'a self,
        issuer: &'a Issuer,
        name: &'a str,
        resource_id: &'a str,
    ) -> BoxFuture<'a, Result<(), RegistrationStoreError>> {
        Box::pin(async move { Ok(self.0.put(issuer, name, &resource_id.to_owned()).await?) })
    }

    fn list<'a>(
        &'a self,
        issuer: &'a Issuer,
    ) -> BoxFuture<'a, Result<Vec<(String, String)>, RegistrationStoreError>> {
        Box::pin(async move { Ok(self.0.list(issuer).await?) })
    }

    fn forget<'a>(
        &'a self,
        issuer: &'a Issuer,
        name: &'a str,
    ) -> BoxFuture<'a, Result<(), RegistrationStoreError>> {
        Box::pin(async move { Ok(self.0.remove(issuer, name).await.map(|_| ())?) })
    }
}

/// Used proofs in a store: noted on the disk before anybody is let in by them, so that a restart
/// within a proof's life lets it in no second time.
struct KeptProofs(Replay);

impl UsedProofs for KeptProofs {
    fn insert_new(
        &self,
        key: Digest,
        until: Timestamp,
    ) -> BoxFuture<'_, Result<Seen, ProofsError>> {
        Box::pin(async move { self.0.insert_new(key, until).await.map_err(ProofsError::new) })
    }
}
