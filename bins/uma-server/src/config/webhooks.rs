//! Where owners are told what waits for them, and the key that signs it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use countersign_host::config::{self, ConfigError, SecretSource};
use countersign_jwt::{SigningKey, SigningRing};
use countersign_types::{EndpointUrl, Lifetime};
use countersign_uma::protection::OwnerId;
use countersign_uma_service::webhooks::WebhookError;
use countersign_uma_service::{Webhook, WebhookSetup};
use serde::Deserialize;

/// A webhook as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookConfig {
    url: EndpointUrl,
    owners: Option<BTreeSet<OwnerId>>,
    audience: Option<String>,
    #[serde(default)]
    requesting_party: bool,
}

/// The keys as they are written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeysConfig {
    signing: SecretSource,
    published: Option<PathBuf>,
}

/// Where the keys are that sign what owners are told, to be read again while the server runs.
#[derive(Debug)]
pub struct WebhookKeys {
    file: PathBuf,
    keys: KeysConfig,
}

impl WebhookKeys {
    /// The keys as they are now: the one that signs, and those that are only published, the next
    /// one and former ones.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(&self) -> Result<SigningRing, ConfigError> {
        let (path, keys) = (&self.file, &self.keys);
        let refuse = |key: &str, reason: String| ConfigError::new(path, key, reason);
        let text = config::secret(path, "keys.signing", &keys.signing)?;
        let signing = SigningKey::from_json(text.as_bytes())
            .map_err(|error| refuse("keys.signing", error.to_string()))?;
        if signing.public().kid().is_none() {
            let reason = "without a kid, so that receivers could not tell it from the next one";
            return Err(refuse("keys.signing", reason.to_owned()));
        }
        let ring = SigningRing::from_keys(vec![signing])
            .map_err(|error| refuse("keys.signing", error.to_string()))?;
        let Some(others) = &keys.published else { return Ok(ring) };
        let others = config::public_keys(path, "keys.published", others)?;
        others.iter().try_fold(ring, |ring, key| {
            let next = ring.with_next(key.clone());
            next.map_err(|error| refuse("keys.published", error.to_string()))
        })
    }
}

/// Reads the webhooks, with the keys that they need. `known` are the owners there are.
pub(super) fn webhooks(
    path: &Path,
    webhooks: Vec<WebhookConfig>,
    keys: Option<KeysConfig>,
    lifetime: Lifetime,
    known: &BTreeSet<OwnerId>,
) -> Result<Option<(WebhookSetup, WebhookKeys)>, ConfigError> {
    let refuse = |key: String, reason: &str| Err(ConfigError::new(path, key, reason));
    let keys = match (keys, webhooks.is_empty()) {
        (None, true) => return Ok(None),
        (Some(_), true) => {
            return refuse("keys".to_owned(), "nothing is signed without [[webhooks]]");
        }
        (None, false) => {
            return refuse("keys".to_owned(), "missing: what [[webhooks]] are sent is signed");
        }
        (Some(keys), false) => WebhookKeys { file: path.to_owned(), keys },
    };
    let mut written = Vec::new();
    for (index, webhook) in webhooks.into_iter().enumerate() {
        let key = |member: &str| format!("webhooks[{index}].{member}");
        if webhook.owners.as_ref().is_some_and(BTreeSet::is_empty) {
            return refuse(key("owners"), "nobody; without the line, everybody else");
        }
        let unknown = webhook.owners.iter().flatten().find(|owner| !known.contains(*owner));
        if let Some(owner) = unknown {
            return refuse(key("owners"), &format!("there is no owner {owner}"));
        }
        if webhook.audience.as_deref() == Some("") {
            return refuse(key("audience"), "empty");
        }
        let mut hook = Webhook::new(webhook.url, webhook.owners);
        hook.audience = webhook.audience.unwrap_or(hook.audience);
        hook.requesting_party = webhook.requesting_party;
        written.push(hook);
    }
    let mut setup = WebhookSetup::new(written, keys.read()?);
    setup.lifetime = lifetime;
    match setup.check() {
        Ok(()) => Ok(Some((setup, keys))),
        Err(error @ WebhookError::Twice(index)) => {
            refuse(format!("webhooks[{index}].owners"), &error.to_string())
        }
        Err(error) => refuse("keys.signing".to_owned(), &error.to_string()),
    }
}
