//! Metadata of protected resources. [RFC 9728]
//!
//! [RFC 9728]: https://www.rfc-editor.org/rfc/rfc9728

use countersign_types::identifier::IdentifierError;
use countersign_types::{EndpointUrl, Issuer, ResourceIdentifier};
use serde::{Deserialize, Serialize};

use crate::server::{MetadataError, parse_object, split_after_authority};

/// The well-known URI suffix. [RFC 9728 §3](https://www.rfc-editor.org/rfc/rfc9728#section-3)
pub const SUFFIX: &str = "oauth-protected-resource";

/// Where a protected resource's document is found: inserted between host and path. [RFC 9728 §3.1]
///
/// ```
/// use countersign_types::ResourceIdentifier;
/// let resource = ResourceIdentifier::parse("https://rs.example/api")?;
/// assert_eq!(
///     countersign_metadata::resource::well_known(&resource)?.as_str(),
///     "https://rs.example/.well-known/oauth-protected-resource/api",
/// );
/// # Ok::<(), countersign_types::identifier::IdentifierError>(())
/// ```
///
/// # Errors
/// [`IdentifierError::Length`] if the URL grows beyond what an endpoint may have.
///
/// [RFC 9728 §3.1]: https://www.rfc-editor.org/rfc/rfc9728#section-3.1
pub fn well_known(resource: &ResourceIdentifier) -> Result<EndpointUrl, IdentifierError> {
    let (origin, rest) = split_after_authority(resource.as_str());
    // Only the slash right behind the host goes; one that ends a path is part of the identifier.
    let rest = match rest.strip_prefix('/') {
        Some(tail) if tail.is_empty() || tail.starts_with('?') => tail,
        _ => rest,
    };
    EndpointUrl::parse(&format!("{origin}/.well-known/{SUFFIX}{rest}"))
}

/// What a protected resource publishes about itself. [RFC 9728 §2]
///
/// [RFC 9728 §2]: https://www.rfc-editor.org/rfc/rfc9728#section-2
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProtectedResourceMetadata {
    /// The resource identifier.
    pub resource: ResourceIdentifier,
    /// Issuers of authorization servers that can be used with this resource.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorization_servers: Vec<Issuer>,
    /// The resource's own public keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<EndpointUrl>,
    /// Scope values used in requests for access to the resource.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// How a bearer token may be sent: `header`, `body`, `query`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bearer_methods_supported: Vec<String>,
    /// The algorithms of the DPoP proofs that are taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dpop_signing_alg_values_supported: Vec<String>,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
}

impl ProtectedResourceMetadata {
    /// Metadata that says which resource it is about, and nothing else.
    #[must_use]
    pub const fn new(resource: ResourceIdentifier) -> Self {
        Self {
            resource,
            authorization_servers: Vec::new(),
            jwks_uri: None,
            scopes_supported: Vec::new(),
            bearer_methods_supported: Vec::new(),
            dpop_signing_alg_values_supported: Vec::new(),
            resource_name: None,
        }
    }

    /// Parses a document that was fetched for `expected`; its `resource` must be the same octet by
    /// octet. [RFC 9728 §3.3](https://www.rfc-editor.org/rfc/rfc9728#section-3.3)
    ///
    /// # Errors
    /// [`MetadataError::Malformed`], [`MetadataError::Mismatch`].
    pub fn parse(document: &[u8], expected: &ResourceIdentifier) -> Result<Self, MetadataError> {
        let metadata: Self = parse_object(document)?;
        if metadata.resource == *expected {
            Ok(metadata)
        } else {
            Err(metadata.mismatch(expected.as_str()))
        }
    }

    /// Reads a document without comparing its `resource` with anything: what it says counts only
    /// once [`Unattributed::about`] has been asked.
    ///
    /// # Errors
    /// [`MetadataError::Malformed`].
    pub fn read(document: &[u8]) -> Result<Unattributed, MetadataError> {
        Ok(Unattributed(parse_object(document)?))
    }

    fn mismatch(&self, expected: &str) -> MetadataError {
        MetadataError::Mismatch { expected: expected.to_owned(), found: self.resource.to_string() }
    }
}

/// A document that has been read, and is about nothing yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unattributed(ProtectedResourceMetadata);

impl Unattributed {
    /// The metadata, for a request to `called` whose resource server pointed to the document: its
    /// `resource` must cover that URL, equal to it, or a prefix of it on the same origin that ends
    /// at a segment. A looser reading of [RFC 9728 §3.3] than the letter, and never across origins.
    ///
    /// # Errors
    /// [`MetadataError::Mismatch`].
    ///
    /// [RFC 9728 §3.3]: https://www.rfc-editor.org/rfc/rfc9728#section-3.3
    pub fn about(&self, called: &EndpointUrl) -> Result<&ProtectedResourceMetadata, MetadataError> {
        let Self(metadata) = self;
        if metadata.resource.covers(called) {
            Ok(metadata)
        } else {
            Err(metadata.mismatch(called.as_str()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(resource: &str, url: &str) {
        let resource = ResourceIdentifier::parse(resource).unwrap();
        assert_eq!(well_known(&resource).unwrap().as_str(), url);
    }

    #[test]
    fn the_path_is_inserted() {
        // The first two are the examples of RFC 9728 §3.1.
        let root = "https://resource.example.com/.well-known/oauth-protected-resource";
        check("https://resource.example.com", root);
        check("https://resource.example.com/resource1", &format!("{root}/resource1"));
        check("https://resource.example.com/", root);
        check("https://resource.example.com/resource1/", &format!("{root}/resource1/"));
        check("https://resource.example.com/?k=1", &format!("{root}?k=1"));
        check("https://resource.example.com?k=1", &format!("{root}?k=1"));
        check("https://resource.example.com/a?k=/1", &format!("{root}/a?k=/1"));
    }

    #[test]
    fn a_document_is_about_the_resource_asked_for() {
        let document =
            br#"{"resource":"https://rs.example/api","bearer_methods_supported":["header"]}"#;
        let same = ResourceIdentifier::parse("https://rs.example/api").unwrap();
        assert!(ProtectedResourceMetadata::parse(document, &same).is_ok());
        for other in ["https://rs.example/api/", "https://rs.example", "https://other.example/api"]
        {
            let other = ResourceIdentifier::parse(other).unwrap();
            let refused = ProtectedResourceMetadata::parse(document, &other);
            assert!(matches!(refused, Err(MetadataError::Mismatch { .. })), "{other}");
        }
    }

    #[test]
    fn a_document_pointed_to_covers_the_url_called() {
        let document = br#"{"resource":"https://rs.example/api"}"#;
        for (url, accepted) in [
            ("https://rs.example/api", true),
            ("https://rs.example/api/albums", true),
            ("https://rs.example/apis", false),
            ("https://rs.example/", false),
            ("https://evil.example/api", false),
            ("https://rs.example:8443/api", false),
        ] {
            let called = EndpointUrl::parse(url).unwrap();
            let read = ProtectedResourceMetadata::read(document).unwrap();
            assert_eq!(read.about(&called).is_ok(), accepted, "{url}");
        }
    }

    proptest::proptest! {
        #[test]
        fn parse_after_render_is_identity(
            path in "(/[a-z0-9]{1,8}){0,3}",
            servers in proptest::collection::vec("https://[a-z]{1,9}\\.example", 0..3),
            name in proptest::option::of(".{0,20}"),
        ) {
            let own = ResourceIdentifier::parse(&format!("https://rs.example{path}")).unwrap();
            let mut metadata = ProtectedResourceMetadata::new(own.clone());
            metadata.authorization_servers =
                servers.iter().map(|text| Issuer::parse(text).unwrap()).collect();
            metadata.resource_name = name;
            let rendered = serde_json::to_vec(&metadata).unwrap();
            let parsed = ProtectedResourceMetadata::parse(&rendered, &own).unwrap();
            proptest::prop_assert_eq!(parsed, metadata);
        }
    }
}
