//! Records as JSON.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;

pub(crate) fn encode<R: Serialize>(record: &R) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(record).map_err(|error| StoreError::Unstorable(Arc::new(error)))
}

pub(crate) fn decode<R: DeserializeOwned>(value: &[u8]) -> Result<R, StoreError> {
    serde_json::from_slice(value).map_err(|error| StoreError::Corrupt(Arc::new(error)))
}
