//! Authorization codes. [RFC 6749 §4.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2)

use std::marker::PhantomData;
use std::sync::Arc;

use countersign_types::secret::AuthorizationCode;
use countersign_types::{ClientId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::{Durability, Engine, OneTimeEntry, OneTimeTable};
use crate::error::StoreError;
use crate::one_time::Taken;
use crate::record;

/// Authorization codes, each with the record `R` of what was granted.
///
/// A code belongs to the client it was issued to. A second take by that client still gives the
/// record, so that the tokens of the first can be revoked ([RFC 6749 §4.1.2]).
///
/// [RFC 6749 §4.1.2]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2
#[derive(Clone)]
pub struct Codes<R> {
    engine: Arc<dyn Engine>,
    record: PhantomData<fn() -> R>,
}

impl<R: Serialize + DeserializeOwned> Codes<R> {
    /// Codes kept in `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, record: PhantomData }
    }

    /// Keeps a fresh code for `client`. Durable before it answers, so that a second take is
    /// recognised after a restart, too.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn issue(
        &self,
        code: &AuthorizationCode,
        record: &R,
        client: &ClientId,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let entry = OneTimeEntry {
            key: code.digest(),
            value: record::encode(record)?,
            bound_to: Some(client.as_str().as_bytes().to_vec()),
            expires,
        };
        self.engine.insert(OneTimeTable::Codes, entry, Durability::Durable).await
    }

    /// Takes a code for `client`, in one durable step. The code is untrusted, the client
    /// authenticated or, if public, identified.
    ///
    /// # Errors
    /// [`StoreError`]; whether the code was taken is then unknown.
    pub async fn take(
        &self,
        code: &AuthorizationCode,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Taken<R>, StoreError> {
        let presenter = client.as_str().as_bytes();
        let spend = self.engine.spend(OneTimeTable::Codes, code.digest(), presenter, now).await?;
        Taken::decode(&spend)
    }
}
