//! Permission tickets. UMA 2.0 Grant §3.3.1, §5.5.

use std::marker::PhantomData;
use std::sync::Arc;

use countersign_types::digest::Digest;
use countersign_types::random::Random;
use countersign_types::secret::TicketHandle;
use countersign_types::{ClientId, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::engine::{
    Change, Changer, Durability, Engine, OneTimeEntry, OneTimeTable, RecordTable, Spend,
};
use crate::error::StoreError;
use crate::one_time::Taken;
use crate::record;

/// Permission tickets, each with a record `R` of the authorization process it stands for.
///
/// A ticket is kept under its digest, belongs to the first client that presents it, and is taken
/// at most once.
///
/// One that waits for a resource owner lives for days, and a client comes back with it again and
/// again, each time for the next. So no tombstone stays of it: taken, it is an unknown ticket, and
/// however often a client comes, there is one record of its process.
#[derive(Clone)]
pub struct Tickets<R> {
    engine: Arc<dyn Engine>,
    record: PhantomData<fn() -> R>,
}

impl<R: Serialize + DeserializeOwned + Send + 'static> Tickets<R> {
    /// Tickets kept in `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, record: PhantomData }
    }

    /// Draws a fresh ticket and keeps it. `bound_to` names the client of a running authorization
    /// process; a ticket that a resource server just obtained is nobody's yet.
    ///
    /// Not durable at once: if a killed process or a power cut takes a ticket of the last moments,
    /// its client is told that it is unknown and begins anew.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn issue(
        &self,
        random: &dyn Random,
        record: &R,
        bound_to: Option<&ClientId>,
        expires: Timestamp,
    ) -> Result<TicketHandle, StoreError> {
        let ticket = TicketHandle::generate(random);
        let entry = OneTimeEntry {
            key: ticket.digest(),
            value: record::encode(record)?,
            bound_to: bound_to.map(|client| client.as_str().as_bytes().to_vec()),
            expires,
        };
        self.engine.insert(OneTimeTable::Tickets, entry, Durability::Lazy).await?;
        Ok(ticket)
    }

    /// Keeps a fresh ticket that waits for a resource owner. Durable before it answers: its client
    /// comes back for days, and finds its process over every restart.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn issue_waiting(
        &self,
        ticket: &TicketHandle,
        record: &R,
        client: &ClientId,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let value = record::encode(&Waiting { client: client.clone(), record })?;
        let digest = ticket.digest();
        let key = digest.as_bytes();
        self.engine.put(RecordTable::WaitingTickets, key, value, Some(expires)).await
    }

    /// Forgets a ticket that waits, if there is one of this digest. Durable before it answers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_waiting(&self, ticket: &Digest) -> Result<(), StoreError> {
        self.engine.remove(RecordTable::WaitingTickets, ticket.as_bytes()).await.map(drop)
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
        if spend == Spend::Absent {
            // Boxed, so that the others do not carry its state along.
            return Box::pin(self.take_waiting(ticket, client, now)).await;
        }
        Taken::decode(&spend)
    }

    async fn take_waiting(
        &self,
        ticket: &TicketHandle,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Taken<R>, StoreError> {
        let digest = ticket.digest();
        let (table, key) = (RecordTable::WaitingTickets, digest.as_bytes());
        // A guess costs no more than a reading.
        if self.engine.get(table, key, now).await?.is_none() {
            return Ok(Taken::Absent);
        }
        let (tell, told) = oneshot::channel();
        let client = client.clone();
        let changer: Changer = Box::new(move |found: Option<&[u8]>| {
            let (change, taken) = match found.map(record::decode::<Waiting<R>>).transpose() {
                Ok(Some(waiting)) if waiting.client == client => {
                    (Change::Remove, Ok(Taken::First(waiting.record)))
                }
                Ok(Some(_)) => (Change::Keep, Ok(Taken::Bound)),
                Ok(None) => (Change::Keep, Ok(Taken::Absent)),
                Err(error) => (Change::Keep, Err(error)),
            };
            drop(tell.send(taken));
            change
        });
        self.engine.update(table, key, now, changer).await?;
        told.await.unwrap_or(Err(StoreError::Stopped))
    }
}

/// A ticket that waits, and the one client that may take it.
#[derive(Serialize, Deserialize)]
struct Waiting<R> {
    client: ClientId,
    record: R,
}
