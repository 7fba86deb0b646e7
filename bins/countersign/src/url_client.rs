//! A client that is known by its own URL: its directory with keys and document.
//!
//! ```text
//! DIR/client.json      who it is, and which key does what since when
//! DIR/keys/KID.jwk     private keys, for their owner alone
//! DIR/document.json    the client ID metadata document, to be published at the client's URL
//! DIR/jwks.json        the key set, if the document points to one
//! ```
//!
//! A key is in what is published before `client.json` counts the time since then, so that a crash
//! in between publishes too much and never too little.

mod published;
mod rotation;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_client::{ActingClient, exchange, grant};
use countersign_host::config::{self, SecretSource};
use countersign_jwt::{Algorithm, Sign, SigningKey, SigningRing};
use countersign_metadata::client::ClientIdUrlError;
use countersign_metadata::{ClientIdUrl, ClientKeys, ClientMetadata};
use countersign_types::{ClientId, EndpointUrl, Lifetime, RedirectUri, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use self::published::Published;
use self::rotation::Role;
pub(crate) use self::rotation::{Rotation, RotationError};
use crate::failure::{Code, Failure};
use crate::private_file;

const VERSION: u32 = 1;
const STATE: &str = "client.json";
const DOCUMENT: &str = "document.json";
const KEY_SET: &str = "jwks.json";

/// A key is published for so long before it signs, unless the client says otherwise: a day.
pub(crate) const ANNOUNCE: Lifetime = Lifetime::from_secs(86_400);
/// The shortest announcement: twice as long as whoever reads the document may keep it.
pub(crate) const MIN_ANNOUNCE: u32 = 600;
/// Nobody waits longer than thirty days for a key.
pub(crate) const MAX_ANNOUNCE: u32 = 30 * 86_400;

/// Who a client is: what `init` is told and does not change.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Description {
    pub(crate) client_id: ClientId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_name: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) redirect_uris: Vec<RedirectUri>,
    /// Where the key set is published, if not in the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) jwks_uri: Option<EndpointUrl>,
    pub(crate) alg: String,
    /// For how long a key is published before it signs.
    pub(crate) announce: Lifetime,
}

impl Description {
    /// A client that signs with this algorithm.
    pub(crate) fn new(client_id: ClientId, algorithm: Algorithm) -> Self {
        Self {
            client_id,
            client_name: None,
            redirect_uris: Vec::new(),
            jwks_uri: None,
            alg: algorithm.name().to_owned(),
            announce: ANNOUNCE,
        }
    }

    fn algorithm(&self) -> Option<Algorithm> {
        Algorithm::ALL.iter().copied().find(|known| known.name() == self.alg)
    }

    fn url(&self) -> Result<ClientIdUrl, ClientIdUrlError> {
        ClientIdUrl::of(&self.client_id)
    }
}

/// `client.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    version: u32,
    client: Description,
    keys: Rotation,
}

/// A client's directory, read whole.
#[derive(Debug)]
pub(crate) struct UrlClient {
    directory: PathBuf,
    state: State,
    algorithm: Algorithm,
    url: ClientIdUrl,
}

impl UrlClient {
    /// Makes the directory with a first key, which signs at once: nobody has seen the document yet.
    pub(crate) fn create(
        directory: &Path,
        client: Description,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let path = directory.join(STATE);
        if fs::symlink_metadata(&path).is_ok() {
            return Err(Failure::usage(format!(
                "{} exists; a client is not overwritten",
                path.display()
            )));
        }
        let url = client.url().map_err(|error| {
            Failure::caused(
                Code::Usage,
                format!("{} is no client identifier", client.client_id),
                error,
            )
        })?;
        let algorithm = client.algorithm().ok_or_else(|| Failure::usage("unknown algorithm"))?;
        let made = make_key(directory, algorithm)?;
        let keys = Rotation::first(kid_of(&made), now);
        let state = State { version: VERSION, client, keys };
        let created = Self { directory: directory.to_owned(), state, algorithm, url };
        created.publish()?;
        created.save()?;
        Ok(created)
    }

    /// Reads the directory. Its private files are refused if others can read them.
    pub(crate) fn load(directory: &Path) -> Result<Self, Failure> {
        let path = directory.join(STATE);
        let unusable = |reason: String| {
            Failure::new(Code::Configuration, format!("{}: {reason}", path.display()))
        };
        let text = match private_text(&path) {
            Err(_) if !path.exists() => {
                return Err(unusable(
                    "no client is there; `countersign client init` makes one".to_owned(),
                ));
            }
            other => other?,
        };
        let state: State = serde_json::from_str(&text).map_err(|error| {
            unusable(format!("not a client's state (line {}): {error}", error.line()))
        })?;
        if state.version != VERSION {
            return Err(unusable(format!("written by another version ({})", state.version)));
        }
        let url = state.client.url().map_err(|error| unusable(format!("client_id: {error}")))?;
        let algorithm = state.client.algorithm();
        let algorithm =
            algorithm.ok_or_else(|| unusable("alg is not a known algorithm".to_owned()))?;
        state.keys.check().map_err(|error| unusable(error.to_string()))?;
        Ok(Self { directory: directory.to_owned(), state, algorithm, url })
    }

    pub(crate) const fn description(&self) -> &Description {
        &self.state.client
    }

    pub(crate) const fn rotation(&self) -> &Rotation {
        &self.state.keys
    }

    /// The client with the key that signs now.
    pub(crate) fn acting(&self) -> Result<ActingClient, Failure> {
        let ring = self.ring()?;
        let key: Arc<dyn Sign> = ring.signer(self.algorithm).map(Arc::clone).ok_or_else(|| {
            Failure::new(Code::Configuration, format!("{}: no key signs", self.directory.display()))
        })?;
        Ok(ActingClient { client_id: self.state.client.client_id.clone(), key })
    }

    /// The keys, each in its place.
    fn ring(&self) -> Result<SigningRing, Failure> {
        let unusable = |error| Failure::caused(Code::Configuration, "the client's keys", error);
        let mut ring = SigningRing::default();
        for key in self.state.keys.keys() {
            let signing = self.key(&key.kid)?;
            let public = signing.public().clone();
            ring = match key.role() {
                Role::Current => ring.with_current(Arc::new(signing), public),
                Role::Next => ring.with_next(public),
                Role::Retired => ring.with_retired(public),
            }
            .map_err(unusable)?;
        }
        Ok(ring)
    }

    fn key(&self, kid: &str) -> Result<SigningKey, Failure> {
        let path = key_file(&self.directory, kid);
        let refuse = |reason: String| {
            Failure::new(Code::Configuration, format!("{}: {reason}", path.display()))
        };
        let text = private_text(&path)?;
        let key =
            SigningKey::from_json(text.as_bytes()).map_err(|error| refuse(error.to_string()))?;
        if key.public().kid() != Some(kid) || key.public().algorithm() != self.algorithm {
            return Err(refuse(format!("not the {} key {kid}", self.algorithm)));
        }
        Ok(key)
    }

    /// The client ID metadata document.
    fn document(&self) -> Result<Value, Failure> {
        let Description { client_name, redirect_uris, jwks_uri, .. } = &self.state.client;
        let keys = match jwks_uri {
            Some(url) => ClientKeys::JwksUri(url.clone()),
            None => ClientKeys::Jwks(self.ring()?.published().clone()),
        };
        let mut metadata = ClientMetadata::new(&self.url, keys);
        metadata.client_name.clone_from(client_name);
        metadata.redirect_uris.clone_from(redirect_uris);
        metadata.grant_types = grants(redirect_uris).map(str::to_owned).collect();
        metadata.token_endpoint_auth_signing_alg = Some(self.algorithm);
        metadata.to_json().map_err(|error| Failure::of(Code::Usage, error))
    }

    /// The key set that the document points to, if it does.
    fn key_set(&self) -> Result<Option<Value>, Failure> {
        let pointed = self.state.client.jwks_uri.is_some();
        if pointed { Ok(Some(self.ring()?.published().to_json())) } else { Ok(None) }
    }

    /// Makes the next key and publishes it; from the moment that is given back it may sign.
    pub(crate) fn announce(&mut self, now: Timestamp) -> Result<(String, Timestamp), Failure> {
        let made = make_key(&self.directory, self.algorithm)?;
        let kid = kid_of(&made);
        let until = self.state.keys.announce(kid.clone(), now, self.state.client.announce);
        let until = until.map_err(|error| refused(&error))?;
        self.publish()?;
        self.save()?;
        Ok((kid, until))
    }

    /// Has the announced key sign from now on. The one it replaces stays published.
    pub(crate) fn sign_with_next(&mut self, now: Timestamp) -> Result<String, Failure> {
        let before = self.ring()?;
        let kid = self.state.keys.sign_with_next(now, self.state.client.announce);
        let kid = kid.map_err(|error| refused(&error))?.to_owned();
        // The ring refuses a key that was not in what was published.
        before
            .rotate(self.key(&kid)?)
            .map_err(|error| Failure::caused(Code::Configuration, "the client's keys", error))?;
        self.publish()?;
        self.save()?;
        Ok(kid)
    }

    /// Takes out the keys whose tokens have run out.
    pub(crate) fn forget(&mut self, now: Timestamp) -> Result<Vec<String>, Failure> {
        let over = self.state.keys.forget(now);
        if !over.is_empty() {
            self.publish()?;
            self.save()?;
            for kid in &over {
                let path = key_file(&self.directory, kid);
                fs::remove_file(&path).map_err(|error| unwritten(&path, error))?;
            }
        }
        Ok(over)
    }

    /// Writes what is to be published.
    fn publish(&self) -> Result<(), Failure> {
        let documents = [(DOCUMENT, Some(self.document()?)), (KEY_SET, self.key_set()?)];
        for (name, document) in documents {
            let Some(document) = document else { continue };
            let path = self.directory.join(name);
            private_file::write_public(&path, format!("{document:#}\n").as_bytes())
                .map_err(|error| unwritten(&path, error))?;
        }
        Ok(())
    }

    fn save(&self) -> Result<(), Failure> {
        let path = self.directory.join(STATE);
        let text = serde_json::to_string_pretty(&self.state)
            .map_err(|error| Failure::internal("the client's state", error))?;
        private_file::write(&path, format!("{text}\n").as_bytes())
            .map_err(|error| unwritten(&path, error))
    }

    /// What is published, as it lies there.
    pub(crate) fn published(&self) -> Result<Published, Failure> {
        Published::read(&self.directory)
    }

    /// The file to publish at the client's URL.
    pub(crate) fn document_file(&self) -> PathBuf {
        self.directory.join(DOCUMENT)
    }

    /// The file to publish at `jwks_uri`, if there is one.
    pub(crate) fn key_set_file(&self) -> Option<PathBuf> {
        self.state.client.jwks_uri.as_ref().map(|_| self.directory.join(KEY_SET))
    }
}

/// The grants that this program uses as such a client: codes where it has a place for them.
fn grants(redirect_uris: &[RedirectUri]) -> impl Iterator<Item = &'static str> {
    let codes = (!redirect_uris.is_empty()).then_some("authorization_code");
    codes.into_iter().chain([exchange::GRANT_TYPE, grant::GRANT_TYPE])
}

fn make_key(directory: &Path, algorithm: Algorithm) -> Result<SigningKey, Failure> {
    let internal = |error| Failure::of(Code::Internal, error);
    let key = SigningKey::generate(algorithm, None).map_err(internal)?;
    let path = key_file(directory, key.public().kid().unwrap_or_default());
    let text = key.to_jwk().map_err(internal)?;
    private_file::write_new(&path, text.as_bytes()).map_err(|error| unwritten(&path, error))?;
    Ok(key)
}

fn kid_of(key: &SigningKey) -> String {
    key.public().kid().unwrap_or_default().to_owned()
}

/// The name is a thumbprint: base64url, which is fit for a file.
fn key_file(directory: &Path, kid: &str) -> PathBuf {
    directory.join("keys").join(format!("{kid}.jwk"))
}

fn private_text(path: &Path) -> Result<zeroize::Zeroizing<String>, Failure> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    config::secret(path, "", &SecretSource::File(absolute))
        .map_err(|error| Failure::new(Code::Configuration, error.reason))
}

fn refused(error: &RotationError) -> Failure {
    Failure::new(Code::No, error.to_string())
}

fn unwritten(path: &Path, error: io::Error) -> Failure {
    Failure::internal(format!("{} was not written", path.display()), error)
}

#[cfg(test)]
mod tests;
