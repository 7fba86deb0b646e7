//! The JWK sets that other parties publish.

use std::num::NonZeroU32;
use std::sync::Arc;

use countersign_fetch::{Fetch, FetchError, Limits, Request};
use countersign_jwt::KeySet;
use countersign_jwt::jwks::KeySetError;
use countersign_metadata::client::{self, ClientDocumentError};
use countersign_types::{Clock, EndpointUrl, Lifetime};
use serde::Deserialize;

use crate::budget::Budget;
use crate::cache::{Cache, Failure, Times};

const NEW_PER_HOST: NonZeroU32 = NonZeroU32::new(300).unwrap();

/// How long foreign keys are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct KeysConfig {
    /// A set is used without fetching it again: 5 minutes.
    pub fresh: Lifetime,
    /// A set is used for so much longer while it cannot be fetched: 5 minutes. A key that was
    /// removed is refused after both at the latest.
    pub stale: Lifetime,
    /// Between two fetches for the sake of an unknown `kid`, or, while an older set is in use,
    /// after a failure: 30 seconds.
    pub refetch: Lifetime,
    /// So many sets are kept: 1000.
    pub capacity: u64,
    /// So many sets of one host that are not known yet are asked for in a minute: 300. A set that
    /// was known and is too old to be used has as many attempts of its own.
    pub new_per_host: NonZeroU32,
}

impl KeysConfig {
    pub(crate) const fn times(&self) -> Times {
        Times {
            fresh: self.fresh,
            stale: self.stale,
            negative: Lifetime::from_secs(0),
            retry: self.refetch,
        }
    }
}

impl Default for KeysConfig {
    fn default() -> Self {
        Self {
            fresh: Lifetime::from_secs(300),
            stale: Lifetime::from_secs(300),
            refetch: Lifetime::from_secs(30),
            capacity: 1000,
            new_per_host: NEW_PER_HOST,
        }
    }
}

/// Why there are no keys.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// Too many sets of the host were asked for: this one was not.
    #[error("too many key sets of {host} to be asked for for now")]
    TooMany {
        /// The host.
        host: String,
    },
    /// The set could not be fetched.
    #[error("the key set could not be fetched")]
    Fetch(#[source] Arc<FetchError>),
    /// What was fetched is no JWK set.
    #[error("the key set is malformed")]
    Malformed(#[source] KeySetError),
    /// What was fetched is no set for a client.
    #[error("the key set is not for a client")]
    Client(#[source] Arc<ClientDocumentError>),
}

impl KeysError {
    /// Whether the same question may be answered later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::TooMany { .. } => true,
            Self::Fetch(error) => error.is_temporary(),
            Self::Malformed(_) | Self::Client(_) => false,
        }
    }
}

impl Failure for KeysError {
    fn is_temporary(&self) -> bool {
        // Whatever it was, it is not remembered: the next token may bring the key.
        true
    }
}

/// The JWK sets behind URLs, cached. A set that is fetched again and has not changed is the same
/// [`Arc`].
///
/// A set is fetched once for all who wait for it. A token whose `kid` is not in a set makes it
/// fetched again ([OpenID Core §10.1.1]), at a bounded rate however many such tokens come. A fetch
/// that fails leaves the keys there are in use until they are too old. Where there are none, each
/// token makes the set fetched again: of one host so often a minute and no more
/// ([`KeysConfig::new_per_host`]), since strangers choose which host that is.
///
/// [OpenID Core §10.1.1]: https://openid.net/specs/openid-connect-core-1_0.html#RotateSigKeys
pub struct RemoteKeys {
    fetch: Arc<dyn Fetch>,
    read: fn(&[u8]) -> Result<KeySet, KeysError>,
    sets: Cache<String, KeySet, KeysError>,
    budget: Budget,
}

impl RemoteKeys {
    /// An empty cache.
    #[must_use]
    pub fn new(fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>, config: &KeysConfig) -> Self {
        let budget = Budget::new(config.new_per_host, Arc::clone(&clock));
        let sets = Cache::new(config.capacity, clock, config.times()).with_same(is_same);
        Self { fetch, read: read_tolerantly, sets, budget }
    }

    /// An empty cache of the sets of clients: one with a private key in it is refused whole.
    pub(crate) fn of_clients(
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        config: &KeysConfig,
    ) -> Self {
        Self { read: read_of_client, ..Self::new(fetch, clock, config) }
    }

    /// The set behind a URL.
    ///
    /// # Errors
    /// Any [`KeysError`].
    pub async fn keys(&self, url: &EndpointUrl) -> Result<Arc<KeySet>, KeysError> {
        self.keys_with(url, None).await
    }

    /// The set behind a URL, fetched again if it has no key of this `kid`; it may lack one then,
    /// too. Both arguments are untrusted.
    ///
    /// # Errors
    /// Any [`KeysError`].
    pub async fn keys_with(
        &self,
        url: &EndpointUrl,
        kid: Option<&str>,
    ) -> Result<Arc<KeySet>, KeysError> {
        let has_key = |set: &KeySet| kid.is_none_or(|kid| set.contains_kid(kid));
        let load = || async {
            self.spend(url)?;
            load(&*self.fetch, url, self.read).await
        };
        self.sets.get(&url.to_string(), has_key, load).await
    }

    /// Failures are not remembered, so that each token whose keys are not there would be a request
    /// to their host. The sets that are known have nothing to do with those made up.
    fn spend(&self, url: &EndpointUrl) -> Result<(), KeysError> {
        let (key, host) = (url.to_string(), url.as_url().host_str().unwrap_or_default());
        if self.budget.take(if self.sets.has_found(&key) { &key } else { host }) {
            return Ok(());
        }
        Err(KeysError::TooMany { host: host.to_owned() })
    }
}

pub(crate) async fn load(
    fetch: &dyn Fetch,
    url: &EndpointUrl,
    read: fn(&[u8]) -> Result<KeySet, KeysError>,
) -> Result<KeySet, KeysError> {
    let request = Request::get(url.clone(), Limits::jwks());
    let fetched = fetch.fetch(request).await.map_err(|error| KeysError::Fetch(Arc::new(error)));
    let loaded = fetched.and_then(|response| read(response.body()));
    if let Err(error) = &loaded {
        tracing::warn!(%url, error = error as &dyn std::error::Error, "no keys");
    }
    loaded
}

pub(crate) fn is_same(old: &KeySet, new: &KeySet) -> bool {
    old.to_json() == new.to_json()
}

pub(crate) fn read_tolerantly(text: &[u8]) -> Result<KeySet, KeysError> {
    let (set, skipped) = KeySet::parse_foreign(text).map_err(KeysError::Malformed)?;
    if !skipped.is_empty() {
        tracing::debug!(skipped = skipped.len(), "keys of a set were left out");
    }
    Ok(set)
}

fn read_of_client(text: &[u8]) -> Result<KeySet, KeysError> {
    client::read_keys(text).map_err(|error| KeysError::Client(Arc::new(error)))
}

impl std::fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteKeys").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
