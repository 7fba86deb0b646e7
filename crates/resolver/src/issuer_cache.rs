//! What one issuer publishes.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use countersign_fetch::Fetch;
use countersign_jwt::KeySet;
use countersign_metadata::{DocumentKind, ServerMetadata};
use countersign_types::{Clock, EndpointUrl, Issuer, Timestamp};

use crate::cache::One;
use crate::keys::{self, KeysConfig, KeysError};
use crate::metadata::{self, MetadataConfig, ServerMetadataError};

/// The metadata and the keys of one issuer that is known beforehand, cached as
/// [`ServerMetadataCache`](crate::ServerMetadataCache) and [`RemoteKeys`](crate::RemoteKeys) cache
/// those of any. Nothing has to be looked up, so that they can be asked for at every request.
pub struct IssuerCache {
    issuer: Issuer,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    /// By [RFC 8414 §3](https://www.rfc-editor.org/rfc/rfc8414#section-3), or else by OpenID
    /// Connect Discovery §4.
    metadata: One<ServerMetadata, ServerMetadataError>,
    /// By OpenID Connect Discovery §4.
    openid: One<ServerMetadata, ServerMetadataError>,
    /// Where its metadata last said that its keys are, and what is there.
    keys: ArcSwapOption<KeysAt>,
}

struct KeysAt {
    url: EndpointUrl,
    set: One<KeySet, KeysError>,
}

impl IssuerCache {
    /// An empty cache, with the default lifetimes.
    #[must_use]
    pub fn new(issuer: Issuer, fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>) -> Self {
        let times = MetadataConfig::default().times();
        let document = || One::new(Arc::clone(&clock), times, |_, _| false);
        let (metadata, openid) = (document(), document());
        Self { issuer, fetch, clock, metadata, openid, keys: ArcSwapOption::empty() }
    }

    /// The issuer.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The issuer's metadata, its `issuer` compared octet by octet: by [RFC 8414 §3], or, where it
    /// says that it has none of that name, by [OpenID Discovery §4]. They are asked for in this
    /// order each time, whichever was there before.
    ///
    /// # Errors
    /// Any [`ServerMetadataError`].
    ///
    /// [OpenID Discovery §4]: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
    /// [RFC 8414 §3]: https://www.rfc-editor.org/rfc/rfc8414#section-3
    pub async fn metadata(&self) -> Result<Arc<ServerMetadata>, ServerMetadataError> {
        let load = || async {
            match self.load(DocumentKind::OAuth).await {
                Err(error) if error.is_absence() => self.load(DocumentKind::OpenId).await,
                found => found,
            }
        };
        self.metadata.get(|_| true, load).await
    }

    /// The issuer's metadata as an OpenID provider, its `issuer` compared octet by octet: by
    /// [OpenID Discovery §4] alone.
    ///
    /// # Errors
    /// Any [`ServerMetadataError`].
    ///
    /// [OpenID Discovery §4]: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
    pub async fn openid_metadata(&self) -> Result<Arc<ServerMetadata>, ServerMetadataError> {
        self.openid.get(|_| true, || self.load(DocumentKind::OpenId)).await
    }

    async fn load(&self, kind: DocumentKind) -> Result<ServerMetadata, ServerMetadataError> {
        metadata::load(&*self.fetch, kind, &self.issuer).await
    }

    /// The set behind the `jwks_uri` of its metadata, fetched again if it has no key of this `kid`;
    /// it may lack one then, too. The `kid` is untrusted. What was behind another URL is forgotten.
    ///
    /// # Errors
    /// Any [`KeysError`].
    pub async fn keys_with(
        &self,
        jwks_uri: &EndpointUrl,
        kid: Option<&str>,
    ) -> Result<Arc<KeySet>, KeysError> {
        let has_key = |set: &KeySet| kid.is_none_or(|kid| set.contains_kid(kid));
        let at = self.keys_at(jwks_uri);
        let load = || keys::load(&*self.fetch, jwks_uri, keys::read_tolerantly);
        at.set.get(has_key, load).await
    }

    /// Whether this is the set that [`metadata`](Self::metadata) and [`keys_with`](Self::keys_with)
    /// would come to, and neither would have to ask anybody. It takes no lock, for those who want
    /// to know at every request whether what they have verified still holds. The `kid` is
    /// untrusted.
    #[must_use]
    pub fn is_current(&self, keys: &Arc<KeySet>, kid: Option<&str>, now: Timestamp) -> bool {
        let at = self.keys.load();
        let Some(at) = at.as_deref() else { return false };
        self.metadata.is_fresh(now, |metadata| metadata.jwks_uri.as_ref() == Some(&at.url))
            && at.set.is_fresh(now, |current| Arc::ptr_eq(current, keys))
            && kid.is_none_or(|kid| keys.contains_kid(kid))
    }

    fn keys_at(&self, url: &EndpointUrl) -> Arc<KeysAt> {
        let is_there = |at: &Arc<KeysAt>| at.url == *url;
        if let Some(at) = self.keys.load_full().filter(is_there) {
            return at;
        }
        let times = KeysConfig::default().times();
        let set = One::new(Arc::clone(&self.clock), times, keys::is_same);
        let new = Arc::new(KeysAt { url: url.clone(), set });
        // Unless another was quicker.
        let known = |at: &Option<Arc<KeysAt>>| at.clone().filter(is_there);
        let before = self.keys.rcu(|at| Some(known(at).unwrap_or_else(|| Arc::clone(&new))));
        known(&before).unwrap_or(new)
    }
}

impl std::fmt::Debug for IssuerCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuerCache").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use countersign_jwt::{Algorithm, SigningKey};

    use super::*;
    use crate::world::{Answer, World};

    const ISSUER: &str = "https://as.example";
    const DOCUMENT: &str = "https://as.example/.well-known/oauth-authorization-server";
    const OPENID: &str = "https://as.example/.well-known/openid-configuration";

    fn set_of(kid: &str) -> Answer {
        let key = SigningKey::generate(Algorithm::Es256, Some(kid)).unwrap();
        Answer::body(serde_json::json!({ "keys": [key.public().to_jwk()] }).to_string())
    }

    fn document(jwks_uri: &str) -> Answer {
        let document = serde_json::json!({ "issuer": ISSUER, "jwks_uri": jwks_uri });
        Answer::body(document.to_string())
    }

    fn cache(world: &Arc<World>) -> IssuerCache {
        IssuerCache::new(Issuer::parse(ISSUER).unwrap(), world.clone(), world.clone())
    }

    /// The set that the issuer publishes, as far as the cache knows.
    async fn keys(cache: &IssuerCache, kid: &str) -> Arc<KeySet> {
        let metadata = cache.metadata().await.unwrap();
        cache.keys_with(metadata.jwks_uri.as_ref().unwrap(), Some(kid)).await.unwrap()
    }

    fn is_current(cache: &IssuerCache, world: &World, keys: &Arc<KeySet>, kid: &str) -> bool {
        cache.is_current(keys, Some(kid), world.now())
    }

    #[tokio::test]
    async fn what_changes_is_known_as_soon_as_elsewhere() {
        let world = World::new();
        world
            .set(DOCUMENT, document("https://as.example/a"))
            .set("https://as.example/a", set_of("a"));
        let cache = cache(&world);
        let first = keys(&cache, "a").await;
        world.pass(299);
        assert!(Arc::ptr_eq(&first, &keys(&cache, "a").await));
        assert_eq!(world.count(), 2, "each was fetched once");
        assert!(is_current(&cache, &world, &first, "a"));
        assert!(!is_current(&cache, &world, &first, "b"), "it would be asked for");
        world.pass(1);
        assert!(!is_current(&cache, &world, &first, "a"), "both would be asked for");
        assert!(Arc::ptr_eq(&first, &keys(&cache, "a").await), "fetched again, and the same");
        assert_eq!(world.count(), 4);

        world.set("https://as.example/a", set_of("b"));
        let second = keys(&cache, "b").await;
        assert!(second.contains_kid("b") && !second.contains_kid("a"));
        assert!(is_current(&cache, &world, &second, "b"));
        assert!(!is_current(&cache, &world, &first, "a"), "another took its place");

        world
            .set(DOCUMENT, document("https://as.example/c"))
            .set("https://as.example/c", set_of("c"));
        world.pass(300);
        let third = keys(&cache, "c").await;
        assert!(third.contains_kid("c"), "the keys have moved");
        assert!(is_current(&cache, &world, &third, "c"));
        assert!(!is_current(&cache, &world, &second, "b"));
    }

    #[tokio::test]
    async fn the_other_document_counts_where_the_first_is_absent() {
        for (first, found) in [(Answer::Status(404), true), (Answer::Status(500), false)] {
            let world = World::new();
            world.set(DOCUMENT, first).set(OPENID, document("https://as.example/a"));
            let cache = cache(&world);
            for _ in 0..2 {
                assert_eq!(cache.metadata().await.is_ok(), found);
            }
            assert_eq!(world.asked().contains(&OPENID.to_owned()), found);
        }
    }

    #[tokio::test]
    async fn an_issuer_that_changes_its_document_is_found_by_the_other() {
        let (a, c) = ("https://as.example/a", "https://as.example/c");
        let world = World::new();
        world.set(DOCUMENT, document(a)).set(a, set_of("a")).set(c, set_of("c"));
        let cache = cache(&world);
        let first = keys(&cache, "a").await;
        for (gone, there, at, kid) in [(DOCUMENT, OPENID, c, "c"), (OPENID, DOCUMENT, a, "a")] {
            world.set(gone, Answer::Timeout).set(there, Answer::Timeout);
            world.pass(300);
            assert!(cache.metadata().await.is_ok(), "the old one, while the network fails");

            world.set(gone, Answer::Status(404)).set(there, document(at));
            world.pass(10);
            let moved = keys(&cache, kid).await;
            assert!(moved.contains_kid(kid), "{there}");
            assert!(is_current(&cache, &world, &moved, kid));
            assert!(!is_current(&cache, &world, &first, "a"));
        }
        world.set(DOCUMENT, Answer::Status(404));
        world.pass(300);
        assert!(cache.metadata().await.unwrap_err().is_absence(), "neither is there");
    }

    /// Both are published, and one of two that answer for the host lacks a file for a while.
    #[tokio::test]
    async fn the_oauth_document_is_asked_for_first_whatever_was_found_before() {
        let (a, c) = ("https://as.example/a", "https://as.example/c");
        let world = World::new();
        world.set(DOCUMENT, document(a)).set(OPENID, document(c));
        let cache = cache(&world);
        let at = async || cache.metadata().await.unwrap().jwks_uri.as_ref().unwrap().to_string();
        assert_eq!(at().await, a);
        world.pass(300);
        world.set(DOCUMENT, Answer::Status(404));
        assert_eq!(at().await, c);
        world.set(DOCUMENT, document(a));
        world.pass(299);
        assert_eq!(at().await, c, "what was found is fresh");
        assert_eq!(world.asked(), [DOCUMENT, DOCUMENT, OPENID]);
        world.pass(1);
        assert_eq!(at().await, a);
        assert_eq!(world.asked()[3..], [DOCUMENT]);
    }

    #[tokio::test]
    async fn while_the_network_fails_the_document_found_last_counts_whichever_it_was() {
        let c = "https://as.example/c";
        let world = World::new();
        world.set(OPENID, document(c));
        let cache = cache(&world);
        assert!(cache.metadata().await.is_ok());
        let failing = [(300, DOCUMENT, Answer::Timeout), (200, OPENID, Answer::Timeout)];
        for (seconds, url, answer) in failing {
            world.set(DOCUMENT, Answer::Status(404)).set(url, answer);
            world.pass(seconds);
            for _ in 0..2 {
                assert!(cache.metadata().await.is_ok(), "{url}");
            }
        }
        let asked = [DOCUMENT, OPENID, DOCUMENT, DOCUMENT, OPENID];
        assert_eq!(world.asked(), asked, "each time it fails once, and then not for a while");
    }
}
