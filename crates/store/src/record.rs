//! Records as JSON.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;

/// Octets that most records fit into.
const USUAL: usize = 1024;

pub(crate) fn encode<R: Serialize>(record: &R) -> Result<Vec<u8>, StoreError> {
    let mut value = Vec::with_capacity(USUAL);
    serde_json::to_writer(&mut value, record)
        .map_err(|error| StoreError::Unstorable(Arc::new(error)))?;
    Ok(value)
}

pub(crate) fn decode<R: DeserializeOwned>(value: &[u8]) -> Result<R, StoreError> {
    serde_json::from_slice(value).map_err(|error| StoreError::Corrupt(Arc::new(error)))
}
