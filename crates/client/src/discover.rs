//! Whom the client is talking to: which authorization server, and which resource server.

use countersign_fetch::{Fetch, FetchError, Limits, Request};
use countersign_metadata::{DocumentKind, ProtectedResourceMetadata, resource};
use countersign_resolver::ServerMetadataCache;
use countersign_types::{EndpointUrl, Issuer, ResourceIdentifier};

use crate::challenge::UmaChallenge;
use crate::error::ClientError;
use crate::kept::Key;

/// An authorization server and the resource server it is asked about.
pub(crate) struct Target {
    pub(crate) issuer: Issuer,
    pub(crate) token_endpoint: EndpointUrl,
    pub(crate) claims_interaction_endpoint: Option<EndpointUrl>,
    pub(crate) resource: ResourceIdentifier,
}

impl Target {
    pub(crate) fn key(&self) -> Key {
        (self.issuer.clone(), self.resource.clone())
    }
}

/// Finds out about the authorization server of a challenge. [UMA Grant §2]
///
/// The metadata's `issuer` equals `as_uri` octet by octet, or there is no target: a resource server
/// whose authorization server speaks in another's name would have the claims token made out for
/// that other one.
///
/// [UMA Grant §2]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#as-config
pub(crate) async fn authorization_server(
    cache: &ServerMetadataCache,
    as_uri: &Issuer,
    resource: ResourceIdentifier,
) -> Result<Target, ClientError> {
    let metadata = cache
        .get(DocumentKind::Uma2, as_uri)
        .await
        .map_err(|source| ClientError::Metadata { issuer: as_uri.clone(), source })?;
    let token_endpoint = metadata
        .token_endpoint
        .clone()
        .ok_or_else(|| ClientError::NoTokenEndpoint(as_uri.clone()))?;
    Ok(Target {
        issuer: as_uri.clone(),
        token_endpoint,
        claims_interaction_endpoint: metadata.claims_interaction_endpoint.clone(),
        resource,
    })
}

/// The resource identifier of the resource server at `url`: the one of its own metadata, if that
/// covers the URL, else the URL's origin. [RFC 9728 §3.3]
///
/// [RFC 9728 §3.3]: https://www.rfc-editor.org/rfc/rfc9728#section-3.3
pub(crate) async fn resource_server(
    fetch: &dyn Fetch,
    url: &EndpointUrl,
    challenge: &UmaChallenge,
) -> Result<ResourceIdentifier, ClientError> {
    let origin = ResourceIdentifier::origin_of(url);
    let Some(metadata) = published(fetch, url, &origin, challenge).await? else {
        return Ok(origin);
    };
    // A resource server that says who its authorization servers are is held to it.
    let servers = &metadata.authorization_servers;
    if !servers.is_empty() && !servers.contains(&challenge.as_uri) {
        return Err(ClientError::AuthorizationServer {
            resource: metadata.resource,
            as_uri: challenge.as_uri.clone(),
        });
    }
    Ok(metadata.resource)
}

/// What the resource server publishes about itself, if it is about `url`.
async fn published(
    fetch: &dyn Fetch,
    url: &EndpointUrl,
    origin: &ResourceIdentifier,
    challenge: &UmaChallenge,
) -> Result<Option<ProtectedResourceMetadata>, ClientError> {
    // A document of another origin could only speak for that origin: it is not even fetched.
    let named = challenge
        .resource_metadata
        .clone()
        .filter(|named| ResourceIdentifier::origin_of(named) == *origin);
    let Some(document) = named.or_else(|| resource::well_known(origin).ok()) else {
        return Ok(None);
    };
    match fetch.fetch(Request::get(document, Limits::metadata())).await {
        Ok(response) => Ok(ProtectedResourceMetadata::parse_covering(response.body(), url).ok()),
        Err(source) if says_nothing(&source) => Ok(None),
        Err(source) => Err(ClientError::Fetch { party: origin.to_string(), source }),
    }
}

/// Whether the resource server answered, and published nothing.
fn says_nothing(error: &FetchError) -> bool {
    !error.is_temporary() && !matches!(error, FetchError::Url | FetchError::Refused { .. })
}
