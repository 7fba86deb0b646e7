//! The signing keys, as the configuration names them.

use std::path::Path;

use countersign_host::config::{self, ConfigError};
use countersign_jwt::Algorithm;
use countersign_types::Lifetime;

use super::MAX_LIFETIME;
use super::file::KeysConfig;
use crate::keys::{self, KeyDirectory, Keys, Needed, Periods};

/// A key is published for so long before it signs, unless the file says otherwise: a day.
const ANNOUNCE: Lifetime = Lifetime::from_secs(86_400);

/// The shortest announcement: twice as long as verifiers may keep the key set.
const MIN_ANNOUNCE: u32 = 600;

/// Nobody waits longer than thirty days for a key.
const MAX_ANNOUNCE: u32 = 30 * 86_400;

/// A key is published for so long after it signed: the longest life of a token, and ten minutes for
/// clocks that differ and servers that look once a minute.
const RETAIN: Lifetime = Lifetime::from_secs(MAX_LIFETIME.as_secs() + 600);

/// The keys for the algorithms that are `needed`, and no others.
pub(crate) fn signing_keys(
    path: &Path,
    keys: &KeysConfig,
    needed: Needed,
) -> Result<Keys, ConfigError> {
    let written =
        [(Algorithm::Es256, "es256", &keys.es256), (Algorithm::Rs256, "rs256", &keys.rs256)];
    let is_needed = |algorithm| needed.iter().any(|(known, _)| *known == algorithm);
    for (algorithm, name, source) in written {
        if source.is_some() && !is_needed(algorithm) {
            let reason = format!("nothing is signed with {}", algorithm.name());
            return Err(ConfigError::new(path, format!("keys.{name}"), reason));
        }
    }
    let all = needed.len();
    match (&keys.directory, written.iter().filter(|(.., source)| source.is_some()).count()) {
        (Some(directory), 0) => {
            if keys.published.is_some() {
                let reason = "the directory's keys are published anyway";
                return Err(ConfigError::new(path, "keys.published", reason));
            }
            let directory = config::relative_to(path, directory);
            Ok(Keys::Directory(KeyDirectory::new(directory, periods(path, keys)?, needed)))
        }
        (None, given) if given == all => {
            for (key, period) in [("announce", keys.announce), ("rotate_every", keys.rotate_every)]
            {
                if period.is_some() {
                    let reason = "for a directory of keys only";
                    return Err(ConfigError::new(path, format!("keys.{key}"), reason));
                }
            }
            let given = written.into_iter().filter_map(|(algorithm, name, source)| {
                let source = source.as_ref()?;
                Some(keys::given(path, &format!("keys.{name}"), source, algorithm))
            });
            let given = given.collect::<Result<_, _>>()?;
            let published = keys.published.as_deref();
            let published = published
                .map(|set| config::public_keys(path, "keys.published", set))
                .transpose()?;
            Ok(Keys::Given(given, published))
        }
        _ => {
            let names = needed.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(" and ");
            Err(ConfigError::new(path, "keys", format!("either directory, or {names}")))
        }
    }
}

fn periods(path: &Path, keys: &KeysConfig) -> Result<Periods, ConfigError> {
    let announce = keys.announce.unwrap_or(ANNOUNCE);
    if !(MIN_ANNOUNCE..=MAX_ANNOUNCE).contains(&announce.as_secs()) {
        let reason = format!("from {MIN_ANNOUNCE} to {MAX_ANNOUNCE} seconds");
        return Err(ConfigError::new(path, "keys.announce", reason));
    }
    if keys.rotate_every.is_some_and(|every| every <= announce) {
        return Err(ConfigError::new(path, "keys.rotate_every", "longer than keys.announce"));
    }
    Ok(Periods { announce, rotate_every: keys.rotate_every, retain: RETAIN })
}
