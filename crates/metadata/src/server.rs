//! Metadata of authorization servers, OpenID providers and UMA authorization servers.
//!
//! One type holds the members of [RFC 8414 §2], [OpenID Discovery §3] and UMA; a server publishes
//! those that are there for real, under each [`DocumentKind`] it supports.
//!
//! [RFC 8414 §2]: https://www.rfc-editor.org/rfc/rfc8414#section-2
//! [OpenID Discovery §3]: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata

use countersign_types::identifier::IdentifierError;
use countersign_types::{EndpointUrl, Issuer};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Which document is meant, and so where it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DocumentKind {
    /// `openid-configuration`, appended to the issuer (OpenID Discovery §4.1).
    OpenId,
    /// `oauth-authorization-server`, inserted between host and path (RFC 8414 §3.1).
    OAuth,
    /// `uma2-configuration`, appended to the issuer (UMA 2.0 Grant §2).
    Uma2,
    /// `claims-provider-configuration`: a claims provider, by the first name its profile gave it.
    ClaimsProvider,
    /// `uma-wide-ecosystem-claims-provider`: a claims provider, by the second.
    WideEcosystemClaimsProvider,
}

impl DocumentKind {
    /// The well-known URI suffix.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::OpenId => "openid-configuration",
            Self::OAuth => "oauth-authorization-server",
            Self::Uma2 => "uma2-configuration",
            Self::ClaimsProvider => "claims-provider-configuration",
            Self::WideEcosystemClaimsProvider => "uma-wide-ecosystem-claims-provider",
        }
    }

    /// Whether the well-known path stands between host and path instead of after the path.
    const fn is_inserted(self) -> bool {
        matches!(self, Self::OAuth)
    }
}

/// Where the document of a kind is found for an issuer: the one place its specification defines.
///
/// ```
/// use countersign_metadata::{DocumentKind, well_known};
/// let issuer = countersign_types::Issuer::parse("https://as.example/tenant/")?;
/// assert_eq!(
///     well_known(DocumentKind::Uma2, &issuer)?.as_str(),
///     "https://as.example/tenant/.well-known/uma2-configuration",
/// );
/// # Ok::<(), countersign_types::identifier::IdentifierError>(())
/// ```
///
/// # Errors
/// [`IdentifierError::Length`] if the URL grows beyond what an endpoint may have.
pub fn well_known(kind: DocumentKind, issuer: &Issuer) -> Result<EndpointUrl, IdentifierError> {
    let base = issuer.as_str().trim_end_matches('/');
    let suffix = kind.suffix();
    if kind.is_inserted() {
        let (origin, path) = split_after_authority(base);
        EndpointUrl::parse(&format!("{origin}/.well-known/{suffix}{path}"))
    } else {
        EndpointUrl::parse(&format!("{base}/.well-known/{suffix}"))
    }
}

/// Deserialises a document that must be a JSON object: a derived struct would take an array, too.
pub(crate) fn parse_object<T: DeserializeOwned>(document: &[u8]) -> serde_json::Result<T> {
    if document.trim_ascii_start().first() != Some(&b'{') {
        return Err(serde::de::Error::custom("not an object"));
    }
    serde_json::from_slice(document)
}

/// Splits a URL's text into scheme and authority, and what follows them.
pub(crate) fn split_after_authority(url: &str) -> (&str, &str) {
    let start = url.find("://").map_or(0, |at| at.saturating_add(3));
    let end = url
        .get(start..)
        .and_then(|rest| rest.find(['/', '?']))
        .map_or(url.len(), |at| start.saturating_add(at));
    url.split_at_checked(end).unwrap_or((url, ""))
}

/// Why a published document is not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// Not the JSON object it should be: a member repeated, missing or of the wrong type, an
    /// endpoint that is not `https`.
    #[error("the document is malformed")]
    Malformed(#[from] serde_json::Error),
    /// The document names another issuer or resource than the one asked for.
    #[error("the document is about {found}, not about {expected}")]
    Mismatch {
        /// What the document was fetched for.
        expected: String,
        /// What it says it is.
        found: String,
    },
}

/// What an authorization server or OpenID provider publishes about itself.
///
/// Optional members are `None` or empty when absent, and an empty one is never rendered: a claim
/// with zero elements must be omitted ([RFC 8414 §3.2]). Members not listed here are not kept.
///
/// [RFC 8414 §3.2]: https://www.rfc-editor.org/rfc/rfc8414#section-3.2
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServerMetadata {
    /// The issuer identifier. [RFC 8414 §2](https://www.rfc-editor.org/rfc/rfc8414#section-2)
    pub issuer: Issuer,
    /// The authorization endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_endpoint: Option<EndpointUrl>,
    /// The token endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<EndpointUrl>,
    /// The JWK set that verifies what this issuer signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<EndpointUrl>,
    /// Dynamic client registration. RFC 7591.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<EndpointUrl>,
    /// Scope values a client may ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// `response_type` values. RFC 8414 §2 requires the member of everybody, §3.2 forbids it to be
    /// empty: whoever has no authorization endpoint leaves it out, and is read without it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub response_types_supported: Vec<String>,
    /// `response_mode` values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub response_modes_supported: Vec<String>,
    /// Grant types of the token endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grant_types_supported: Vec<String>,
    /// Client authentication methods at the token endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// Algorithms of client assertions at the token endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// Token introspection. RFC 7662.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint: Option<EndpointUrl>,
    /// Client authentication methods at the introspection endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_methods_supported: Vec<String>,
    /// Token revocation. RFC 7009.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<EndpointUrl>,
    /// Client authentication methods at the revocation endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
    /// Algorithms of client assertions at the introspection endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// Algorithms of client assertions at the revocation endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// Algorithms of DPoP proofs. RFC 9449 §5.1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dpop_signing_alg_values_supported: Vec<String>,
    /// PKCE methods. RFC 7636.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub code_challenge_methods_supported: Vec<String>,
    /// Whether authorization responses carry `iss`. RFC 9207 §3.
    #[serde(default, skip_serializing_if = "is_false")]
    pub authorization_response_iss_parameter_supported: bool,
    /// Resource identifiers this server issues tokens for. RFC 9728 §4.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected_resources: Vec<String>,
    /// Whether a client may be identified by the URL of its metadata document.
    #[serde(default, skip_serializing_if = "is_false")]
    pub client_id_metadata_document_supported: bool,

    /// UserInfo. OpenID Discovery §3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_endpoint: Option<EndpointUrl>,
    /// Where clients have people signed out. OpenID RP-Initiated Logout §2.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_session_endpoint: Option<EndpointUrl>,
    /// What sign-ins are worth, by classes. OpenID Discovery §3.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acr_values_supported: Vec<String>,
    /// The languages of the pages. OpenID Discovery §3.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ui_locales_supported: Vec<String>,
    /// Subject identifier types. OpenID Discovery §3.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subject_types_supported: Vec<String>,
    /// Algorithms of ID tokens; RS256 must be among them. OpenID Discovery §3.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// Claims that may be supplied. OpenID Discovery §3.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims_supported: Vec<String>,
    /// Whether `request_uri` is understood; absent means yes. OpenID Discovery §3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_uri_parameter_supported: Option<bool>,

    /// Where resource servers ask for permission tickets. UMA 2.0 Federated Authorization §2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_endpoint: Option<EndpointUrl>,
    /// Where resource servers register resources. UMA 2.0 Federated Authorization §2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_registration_endpoint: Option<EndpointUrl>,
    /// Where a requesting party is sent for interactive claims gathering. UMA 2.0 Grant §2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims_interaction_endpoint: Option<EndpointUrl>,
    /// Profiles and extensions of UMA. UMA 2.0 Grant §2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uma_profiles_supported: Vec<String>,

    /// Methods of the ticket challenge: this project's profile, unregistered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ticket_challenge_methods_supported: Vec<String>,
    /// Where a claims provider issues claims tokens: this project's profile, unregistered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims_endpoint: Option<EndpointUrl>,
    /// Where a client with the scope `query-users` asks who has an address ([RFC 7644 §3.4.2]):
    /// this project's profile, unregistered.
    ///
    /// [RFC 7644 §3.4.2]: https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_query_endpoint: Option<EndpointUrl>,
}

const fn is_false(value: &bool) -> bool {
    !*value
}

impl ServerMetadata {
    /// Metadata that says who the issuer is, and nothing else.
    #[must_use]
    pub const fn new(issuer: Issuer) -> Self {
        Self {
            issuer,
            authorization_endpoint: None,
            token_endpoint: None,
            jwks_uri: None,
            registration_endpoint: None,
            scopes_supported: Vec::new(),
            response_types_supported: Vec::new(),
            response_modes_supported: Vec::new(),
            grant_types_supported: Vec::new(),
            token_endpoint_auth_methods_supported: Vec::new(),
            token_endpoint_auth_signing_alg_values_supported: Vec::new(),
            introspection_endpoint: None,
            introspection_endpoint_auth_methods_supported: Vec::new(),
            revocation_endpoint: None,
            revocation_endpoint_auth_methods_supported: Vec::new(),
            introspection_endpoint_auth_signing_alg_values_supported: Vec::new(),
            revocation_endpoint_auth_signing_alg_values_supported: Vec::new(),
            dpop_signing_alg_values_supported: Vec::new(),
            code_challenge_methods_supported: Vec::new(),
            authorization_response_iss_parameter_supported: false,
            protected_resources: Vec::new(),
            client_id_metadata_document_supported: false,
            userinfo_endpoint: None,
            end_session_endpoint: None,
            acr_values_supported: Vec::new(),
            ui_locales_supported: Vec::new(),
            subject_types_supported: Vec::new(),
            id_token_signing_alg_values_supported: Vec::new(),
            claims_supported: Vec::new(),
            request_uri_parameter_supported: None,
            permission_endpoint: None,
            resource_registration_endpoint: None,
            claims_interaction_endpoint: None,
            uma_profiles_supported: Vec::new(),
            ticket_challenge_methods_supported: Vec::new(),
            claims_endpoint: None,
            user_query_endpoint: None,
        }
    }

    /// Parses a document that was fetched for `expected`.
    ///
    /// The document's `issuer` must be the expected one octet by octet
    /// ([RFC 8414 §3.3], OpenID Discovery §4.3): a document that names another issuer would make
    /// what is minted for one redeemable at the other.
    ///
    /// # Errors
    /// [`MetadataError::Malformed`], [`MetadataError::Mismatch`].
    ///
    /// [RFC 8414 §3.3]: https://www.rfc-editor.org/rfc/rfc8414#section-3.3
    pub fn parse(document: &[u8], expected: &Issuer) -> Result<Self, MetadataError> {
        let metadata: Self = parse_object(document)?;
        if metadata.issuer != *expected {
            return Err(MetadataError::Mismatch {
                expected: expected.to_string(),
                found: metadata.issuer.to_string(),
            });
        }
        Ok(metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(text: &str) -> Issuer {
        Issuer::parse(text).unwrap()
    }

    #[track_caller]
    fn check(kind: DocumentKind, issuer_text: &str, url: &str) {
        assert_eq!(well_known(kind, &issuer(issuer_text)).unwrap().as_str(), url);
    }

    #[test]
    fn each_kind_has_one_place() {
        use DocumentKind::{OAuth, OpenId, Uma2};
        // RFC 8414 §3.1 and OpenID Discovery §4.1 use these two issuers as their examples.
        let oauth = "https://example.com/.well-known/oauth-authorization-server";
        check(OAuth, "https://example.com", oauth);
        check(OAuth, "https://example.com/", oauth);
        check(OAuth, "https://example.com/issuer1", &format!("{oauth}/issuer1"));
        check(OAuth, "https://example.com/issuer1/", &format!("{oauth}/issuer1"));
        check(OAuth, "https://example.com/a/b", &format!("{oauth}/a/b"));
        let openid = ".well-known/openid-configuration";
        check(OpenId, "https://example.com", &format!("https://example.com/{openid}"));
        check(OpenId, "https://example.com/", &format!("https://example.com/{openid}"));
        check(OpenId, "https://example.com/i1", &format!("https://example.com/i1/{openid}"));
        check(OpenId, "https://example.com/i1/", &format!("https://example.com/i1/{openid}"));
        let uma = "https://as.example:8443/t/.well-known/uma2-configuration";
        check(Uma2, "https://as.example:8443/t", uma);
    }

    #[test]
    fn the_issuer_is_compared_octet_by_octet() {
        let document = br#"{"issuer":"https://as.example"}"#;
        assert!(ServerMetadata::parse(document, &issuer("https://as.example")).is_ok());
        for other in ["https://as.example/", "https://AS.example", "https://as.example:443"] {
            let refused = ServerMetadata::parse(document, &issuer(other));
            assert!(matches!(refused, Err(MetadataError::Mismatch { .. })), "{other}");
        }
    }

    #[test]
    fn malformed_documents_are_refused() {
        for document in [
            "",
            "[]",
            r#"["https://as.example"]"#,
            "{}",
            r#"{"issuer":null}"#,
            r#"{"issuer":"http://as.example"}"#,
            r#"{"issuer":"https://as.example","issuer":"https://as.example"}"#,
            r#"{"issuer":"https://as.example","jwks_uri":"http://as.example/jwks"}"#,
            r#"{"issuer":"https://as.example","jwks_uri":"file:///etc/passwd"}"#,
            r#"{"issuer":"https://as.example","authorization_endpoint":"javascript:alert(1)"}"#,
            r#"{"issuer":"https://as.example","authorization_endpoint":"https://a.example/$(x) y"}"#,
            r#"{"issuer":"https://as.example","grant_types_supported":"implicit"}"#,
            r#"{"issuer":"https://as.example"} trailing"#,
        ] {
            let refused = ServerMetadata::parse(document.as_bytes(), &issuer("https://as.example"));
            assert!(matches!(refused, Err(MetadataError::Malformed(_))), "{document}");
        }
    }

    #[test]
    fn unknown_members_are_ignored_and_empty_ones_never_rendered() {
        let document = br#"{"issuer":"https://as.example","x":{"y":[1]},"scopes_supported":[]}"#;
        let metadata = ServerMetadata::parse(document, &issuer("https://as.example")).unwrap();
        let rendered = serde_json::to_string(&metadata).unwrap();
        assert_eq!(rendered, r#"{"issuer":"https://as.example"}"#);
    }

    proptest::proptest! {
        #[test]
        fn parse_after_render_is_identity(
            tenant in "(/[a-z0-9]{1,8}){0,3}",
            endpoint in proptest::option::of("https://[a-z]{1,9}\\.example(:[1-9][0-9]{0,3})?/[a-z/]{0,9}"),
            scopes in proptest::collection::vec("[a-z]{1,8}", 0..4),
            iss in proptest::bool::ANY,
        ) {
            let own = issuer(&format!("https://as.example{tenant}"));
            let mut metadata = ServerMetadata::new(own.clone());
            metadata.token_endpoint = endpoint.map(|url| EndpointUrl::parse(&url).unwrap());
            metadata.permission_endpoint.clone_from(&metadata.token_endpoint);
            metadata.scopes_supported = scopes;
            metadata.authorization_response_iss_parameter_supported = iss;
            let rendered = serde_json::to_vec(&metadata).unwrap();
            proptest::prop_assert_eq!(ServerMetadata::parse(&rendered, &own).unwrap(), metadata);
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = ServerMetadata::parse(&bytes, &issuer("https://as.example"));
        }
    }
}
