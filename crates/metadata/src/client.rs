//! Client ID metadata documents: a client is known by the URL of what it says about itself.
//! [draft-ietf-oauth-client-id-metadata-document-01] (CIMD)
//!
//! Section numbers are those of draft -01.
//!
//! [draft-ietf-oauth-client-id-metadata-document-01]: https://datatracker.ietf.org/doc/html/draft-ietf-oauth-client-id-metadata-document-01

use countersign_jwt::json::{self, JsonError};
use countersign_jwt::jwk::KeyError;
use countersign_jwt::jwks::{KeySetError, SkipReason};
use countersign_jwt::{Algorithm, KeySet};
use countersign_types::identifier::IdentifierError;
use countersign_types::{ClientId, EndpointUrl, RedirectUri};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::server::split_after_authority;

const PRIVATE_KEY_JWT: &str = "private_key_jwt";
/// What RFC 7591 §2 makes of a document without `grant_types`.
const DEFAULT_GRANT: &str = "authorization_code";
const SIGNING_ALG: &str = "token_endpoint_auth_signing_alg";

/// The largest document that is read: 5 KB. CIMD §6.6
pub const MAX_DOCUMENT: usize = 5 * 1024;

/// A client identifier that is the URL of a document: `https`, with a path, without fragment, user
/// information and dot segments. CIMD §3
///
/// ```
/// use countersign_metadata::client::ClientIdUrl;
/// use countersign_types::ClientId;
///
/// let id = ClientId::parse("https://mail.example/client")?;
/// assert!(ClientIdUrl::of(&id).is_ok());
/// let id = ClientId::parse("https://mail.example/a/../client")?;
/// assert!(ClientIdUrl::of(&id).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientIdUrl(ClientId);

/// Why a client identifier is not the URL of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientIdUrlError {
    /// Not an `https` URL without fragment and user information.
    #[error("not an https URL for a client")]
    Url(#[from] IdentifierError),
    /// There is no path.
    #[error("the URL has no path")]
    NoPath,
    /// A segment of the path is `.` or `..`, in whatever spelling.
    #[error("the URL has dot segments")]
    DotSegment,
}

impl ClientIdUrl {
    /// Reads a client identifier as the URL of a document.
    ///
    /// # Errors
    /// Any [`ClientIdUrlError`].
    pub fn of(id: &ClientId) -> Result<Self, ClientIdUrlError> {
        let read = Self::of_host(id)?;
        let (_, rest) = split_after_authority(id.as_str());
        if rest.starts_with('/') { Ok(read) } else { Err(ClientIdUrlError::NoPath) }
    }

    /// Reads a client identifier as the URL of a document, where the path may be missing: what CIMD
    /// §3 does not allow, and a deployment may want for services that are known by their host.
    ///
    /// # Errors
    /// [`ClientIdUrlError::Url`], [`ClientIdUrlError::DotSegment`].
    pub fn of_host(id: &ClientId) -> Result<Self, ClientIdUrlError> {
        EndpointUrl::parse(id.as_str())?;
        // A URL parser removes dot segments: they are looked for in the text.
        let (_, rest) = split_after_authority(id.as_str());
        let path = rest.split('?').next().unwrap_or_default();
        if path.split('/').any(is_dot_segment) {
            return Err(ClientIdUrlError::DotSegment);
        }
        Ok(Self(id.clone()))
    }

    /// The client identifier.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.0
    }

    /// Where the document is found.
    ///
    /// # Errors
    /// None that [`ClientIdUrl::of`] did not report.
    pub fn document(&self) -> Result<EndpointUrl, IdentifierError> {
        EndpointUrl::parse(self.0.as_str())
    }
}

/// A dot may be percent-encoded: `%2e%2E` is `..` to whoever resolves the URL.
fn is_dot_segment(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

/// How a client of a document authenticates at a token endpoint.
#[derive(Clone, Debug)]
pub enum ClientKeys {
    /// Not at all: a public client.
    None,
    /// By `private_key_jwt` with one of these keys.
    Jwks(KeySet),
    /// By `private_key_jwt` with one of the keys found there.
    JwksUri(EndpointUrl),
}

/// Why a document is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientDocumentError {
    /// Larger than [`MAX_DOCUMENT`].
    #[error("the document is too large")]
    TooLarge,
    /// Not a JSON object with a single reading.
    #[error("the document is not a JSON object")]
    Json(#[source] JsonError),
    /// A member is missing or of the wrong type.
    #[error("a member of the document is malformed")]
    Malformed(#[from] serde_json::Error),
    /// `client_id` is not the URL of the document, octet by octet.
    #[error("client_id is not the URL of the document")]
    ClientId,
    /// A shared secret, or a method that needs one: nothing that is published is a secret.
    #[error("the document asks for a shared secret")]
    SharedSecret,
    /// A method of client authentication, or an algorithm for it, that is not supported.
    #[error("the authentication method is not supported")]
    Method,
    /// `private_key_jwt` without keys, or `jwks` beside `jwks_uri`. [RFC 7591 §2]
    ///
    /// [RFC 7591 §2]: https://www.rfc-editor.org/rfc/rfc7591#section-2
    #[error("exactly one of jwks and jwks_uri is needed")]
    Keys,
    /// `jwks` is no key set.
    #[error("jwks is malformed")]
    KeySet(#[source] KeySetError),
    /// `jwks` has a private or a symmetric key.
    #[error("jwks has private keys")]
    PrivateKey,
}

/// What a client publishes about itself. CIMD §4.1, [RFC 7591 §2]
///
/// Only what is acted upon is kept. Members for people (`logo_uri`, `tos_uri`, …) are not read.
///
/// [RFC 7591 §2]: https://www.rfc-editor.org/rfc/rfc7591#section-2
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientMetadata {
    /// The client: the URL of the document.
    pub client_id: ClientId,
    /// A name for people.
    pub client_name: Option<String>,
    /// Where it may receive authorization responses.
    pub redirect_uris: Vec<RedirectUri>,
    /// The grants that it will use. A document that does not say so speaks of `authorization_code`
    /// alone; an empty list, of none. [RFC 7591 §2]
    ///
    /// [RFC 7591 §2]: https://www.rfc-editor.org/rfc/rfc7591#section-2
    pub grant_types: Vec<String>,
    /// What it authenticates with.
    pub keys: ClientKeys,
    /// The algorithm that it signs with at token endpoints, if it binds itself to one: then nothing
    /// that is signed with another is this client's there. [OpenID Registration §2]
    ///
    /// [OpenID Registration §2]: https://openid.net/specs/openid-connect-registration-1_0.html#ClientMetadata
    pub token_endpoint_auth_signing_alg: Option<Algorithm>,
    /// Whether it always has its tokens bound to a key: then no token request of its without a DPoP
    /// proof is answered with a token. [RFC 9449 §5.2]
    ///
    /// [RFC 9449 §5.2]: https://www.rfc-editor.org/rfc/rfc9449#section-5.2
    pub dpop_bound_access_tokens: bool,
}

impl ClientMetadata {
    /// A client that says nothing but what it authenticates with, and so uses codes alone.
    #[must_use]
    pub fn new(id: &ClientIdUrl, keys: ClientKeys) -> Self {
        Self {
            client_id: id.0.clone(),
            client_name: None,
            redirect_uris: Vec::new(),
            grant_types: default_grants(),
            keys,
            token_endpoint_auth_signing_alg: None,
            dpop_bound_access_tokens: false,
        }
    }

    /// Whether it will use a grant: what it does not, no rule of a server gives it.
    #[must_use]
    pub fn uses(&self, grant_type: &str) -> bool {
        self.grant_types.iter().any(|named| named == grant_type)
    }

    /// Parses a document that was fetched from the URL `id`.
    ///
    /// # Errors
    /// Any [`ClientDocumentError`].
    pub fn parse(document: &[u8], id: &ClientIdUrl) -> Result<Self, ClientDocumentError> {
        if document.len() > MAX_DOCUMENT {
            return Err(ClientDocumentError::TooLarge);
        }
        let members = json::parse_object(document).map_err(ClientDocumentError::Json)?;
        // CIMD §4.1: neither property may be used.
        if ["client_secret", "client_secret_expires_at"].iter().any(|it| members.contains_key(*it))
        {
            return Err(ClientDocumentError::SharedSecret);
        }
        let document: Document = serde_json::from_value(Value::Object(members))?;
        // CIMD §4.1: simple string comparison.
        if document.client_id != id.0 {
            return Err(ClientDocumentError::ClientId);
        }
        Ok(Self {
            keys: document.keys()?,
            token_endpoint_auth_signing_alg: document.signing_alg()?,
            dpop_bound_access_tokens: document.dpop_bound_access_tokens,
            client_id: document.client_id,
            client_name: document.client_name,
            redirect_uris: document.redirect_uris,
            grant_types: document.grant_types,
        })
    }

    /// The document as it is published.
    ///
    /// # Errors
    /// [`ClientDocumentError::TooLarge`] if nobody would read it.
    pub fn to_json(&self) -> Result<Value, ClientDocumentError> {
        let mut members = Map::new();
        let mut member = |name: &str, value: Value| members.insert(name.to_owned(), value);
        member("client_id", json!(self.client_id));
        if let Some(name) = &self.client_name {
            member("client_name", json!(name));
        }
        if !self.redirect_uris.is_empty() {
            member("redirect_uris", json!(self.redirect_uris));
        }
        member("grant_types", json!(self.grant_types));
        let method = match &self.keys {
            ClientKeys::None => "none",
            ClientKeys::Jwks(_) | ClientKeys::JwksUri(_) => PRIVATE_KEY_JWT,
        };
        member("token_endpoint_auth_method", json!(method));
        if let Some(algorithm) = self.token_endpoint_auth_signing_alg {
            member(SIGNING_ALG, json!(algorithm.name()));
        }
        if self.dpop_bound_access_tokens {
            member("dpop_bound_access_tokens", json!(true));
        }
        match &self.keys {
            ClientKeys::None => {}
            ClientKeys::Jwks(keys) => drop(member("jwks", keys.to_json())),
            ClientKeys::JwksUri(url) => drop(member("jwks_uri", json!(url))),
        }
        let document = Value::Object(members);
        if document.to_string().len() > MAX_DOCUMENT {
            return Err(ClientDocumentError::TooLarge);
        }
        Ok(document)
    }
}

/// The members as they stand in the document.
#[derive(Deserialize)]
struct Document {
    client_id: ClientId,
    #[serde(default)]
    client_name: Option<String>,
    #[serde(default)]
    redirect_uris: Vec<RedirectUri>,
    #[serde(default = "default_grants")]
    grant_types: Vec<String>,
    #[serde(default)]
    token_endpoint_auth_method: Option<String>,
    #[serde(default)]
    token_endpoint_auth_signing_alg: Option<String>,
    #[serde(default)]
    dpop_bound_access_tokens: bool,
    #[serde(default)]
    jwks: Option<Map<String, Value>>,
    #[serde(default)]
    jwks_uri: Option<EndpointUrl>,
}

fn default_grants() -> Vec<String> {
    vec![DEFAULT_GRANT.to_owned()]
}

impl Document {
    fn signing_alg(&self) -> Result<Option<Algorithm>, ClientDocumentError> {
        let Some(name) = &self.token_endpoint_auth_signing_alg else { return Ok(None) };
        let known = Algorithm::ALL.iter().copied().find(|known| known.name() == name);
        known.map(Some).ok_or(ClientDocumentError::Method)
    }

    fn keys(&self) -> Result<ClientKeys, ClientDocumentError> {
        match self.token_endpoint_auth_method.as_deref() {
            Some("none") => return Ok(ClientKeys::None),
            Some(PRIVATE_KEY_JWT) => {}
            Some(method) if method.starts_with("client_secret") => {
                return Err(ClientDocumentError::SharedSecret);
            }
            Some(_) => return Err(ClientDocumentError::Method),
            // What RFC 7591 §2 makes of silence is a shared secret; published keys say otherwise.
            None if self.jwks.is_none() && self.jwks_uri.is_none() => {
                return Err(ClientDocumentError::SharedSecret);
            }
            None => {}
        }
        match (&self.jwks, &self.jwks_uri) {
            (Some(jwks), None) => {
                read_keys(json!(jwks).to_string().as_bytes()).map(ClientKeys::Jwks)
            }
            (None, Some(url)) => Ok(ClientKeys::JwksUri(url.clone())),
            _ => Err(ClientDocumentError::Keys),
        }
    }
}

/// Reads the key set of a client: tolerantly, but with a private or symmetric key in it nobody
/// knows who else signs as this client.
///
/// # Errors
/// [`ClientDocumentError::KeySet`], [`ClientDocumentError::PrivateKey`].
pub fn read_keys(text: &[u8]) -> Result<KeySet, ClientDocumentError> {
    let (keys, skipped) = KeySet::parse_foreign(text).map_err(ClientDocumentError::KeySet)?;
    if skipped.iter().any(|key| key.reason == SkipReason::Key(KeyError::Private)) {
        return Err(ClientDocumentError::PrivateKey);
    }
    Ok(keys)
}

#[cfg(test)]
mod tests;
