//! Records as JSON.

use std::sync::Arc;

use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _};

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
    // Looked at as a whole, and not each string for itself.
    let text = std::str::from_utf8(value).map_err(serde_json::Error::custom);
    text.and_then(serde_json::from_str).map_err(|error| StoreError::Corrupt(Arc::new(error)))
}
