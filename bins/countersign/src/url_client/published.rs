//! What a client publishes, as it lies in its directory: whoever serves it needs no key.

use std::fs;
use std::path::Path;

use countersign_metadata::client::read_keys;
use countersign_metadata::{ClientIdUrl, ClientKeys, ClientMetadata};
use countersign_types::{ClientId, EndpointUrl};
use serde_json::Value;

use super::{DOCUMENT, KEY_SET};
use crate::failure::{Code, Failure};

/// The published files of a client, read and found in order.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) client_id: ClientId,
    pub(crate) document: Value,
    /// The key set and where it is, if the document points to one.
    pub(crate) key_set: Option<(EndpointUrl, Value)>,
}

impl Published {
    /// Reads the public files of a client's directory, and nothing else in it. What whoever fetches
    /// them would refuse is refused, a private key foremost.
    pub(crate) fn read(directory: &Path) -> Result<Self, Failure> {
        let (path, text) = file(directory, DOCUMENT)?;
        let document: Value = serde_json::from_slice(&text).map_err(|e| unusable(&path, e))?;
        let client_id = document.get("client_id").and_then(Value::as_str).unwrap_or_default();
        let client_id = ClientId::parse(client_id).map_err(|error| unusable(&path, error))?;
        let url = ClientIdUrl::of(&client_id).map_err(|error| unusable(&path, error))?;
        let metadata =
            ClientMetadata::parse(&text, &url).map_err(|error| unusable(&path, error))?;
        let key_set = match metadata.keys {
            ClientKeys::JwksUri(url) => {
                let (path, text) = file(directory, KEY_SET)?;
                read_keys(&text).map_err(|error| unusable(&path, error))?;
                let set = serde_json::from_slice(&text).map_err(|e| unusable(&path, e))?;
                Some((url, set))
            }
            ClientKeys::Jwks(_) | ClientKeys::None => None,
        };
        Ok(Self { client_id, document, key_set })
    }
}

fn file(directory: &Path, name: &str) -> Result<(String, Vec<u8>), Failure> {
    let path = directory.join(name);
    let shown = path.display().to_string();
    let text = fs::read(&path).map_err(|error| unusable(&shown, error))?;
    Ok((shown, text))
}

fn unusable(path: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::caused(Code::Configuration, path, error)
}
