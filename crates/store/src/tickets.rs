//! Permission tickets. UMA 2.0 Grant §3.3.1, §5.5.

use std::marker::PhantomData;
use std::sync::Arc;

use countersign_types::secret::TicketHandle;
use countersign_types::{ClientId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::{Durability, Engine, OneTimeEntry, OneTimeTable};
use crate::error::StoreError;
use crate::one_time::Taken;
use crate::record;

/// Permission tickets, each with a record `R` of the authorization process it stands for.
///
/// A ticket is kept under its digest, belongs to the first client that presents it, and is taken
/// at most once.
#[derive(Clone)]
pub struct Tickets<R> {
    engine: Arc<dyn Engine>,
    record: PhantomData<fn() -> R>,
}

impl<R: Serialize + DeserializeOwned> Tickets<R> {
    /// Tickets kept in `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, record: PhantomData }
    }

    /// Keeps a fresh ticket. `bound_to` names the client of a running authorization process; a
    /// ticket that a resource server just obtained is nobody's yet.
    ///
    /// Not durable at once: if a killed process or a power cut takes a ticket of the last moments,
    /// its client is told that it is unknown and begins anew.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn issue(
        &self,
        ticket: &TicketHandle,
        record: &R,
        bound_to: Option<&ClientId>,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let entry = OneTimeEntry {
            key: ticket.digest(),
            value: record::encode(record)?,
            bound_to: bound_to.map(|client| client.as_str().as_bytes().to_vec()),
            expires,
        };
        self.engine.insert(OneTimeTable::Tickets, entry, Durability::Lazy).await
    }

    /// Takes a ticket for `client`, in one step that is final. The ticket is untrusted, the client
    /// authenticated or, if public, identified.
    ///
    /// # Errors
    /// [`StoreError`]; whether the ticket was taken is then unknown.
    pub async fn take(
        &self,
        ticket: &TicketHandle,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Taken<R>, StoreError> {
        let presenter = client.as_str().as_bytes();
        let spend =
            self.engine.spend(OneTimeTable::Tickets, ticket.digest(), presenter, now).await?;
        Taken::decode(&spend)
    }
}
