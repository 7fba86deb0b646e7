//! Whom the client is talking to: which authorization server, and which resource server.

use std::sync::Arc;

use countersign_metadata::resource::Unattributed;
use countersign_metadata::{DocumentKind, resource};
use countersign_resolver::{ResourceMetadataCache, ServerMetadataCache};
use countersign_types::{EndpointUrl, Issuer, ResourceIdentifier, auth_param};
use http::header::WWW_AUTHENTICATE;
use http::{Response, StatusCode};

use crate::challenge::UmaChallenge;
use crate::error::ClientError;
use crate::kept::Servers;

/// An authorization server and the resource server it is asked about.
pub(crate) struct Target {
    pub(crate) issuer: Issuer,
    pub(crate) token_endpoint: EndpointUrl,
    pub(crate) claims_interaction_endpoint: Option<EndpointUrl>,
    pub(crate) resource: ResourceIdentifier,
}

impl Target {
    pub(crate) fn servers(&self) -> Servers {
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
/// A resource server that says who its authorization servers are is held to it.
///
/// [RFC 9728 §3.3]: https://www.rfc-editor.org/rfc/rfc9728#section-3.3
pub(crate) async fn resource_server(
    cache: &ResourceMetadataCache,
    url: &EndpointUrl,
    challenge: &UmaChallenge,
) -> Result<ResourceIdentifier, ClientError> {
    let origin = ResourceIdentifier::origin_of(url);
    let read = published(cache, &origin, challenge.resource_metadata.as_ref()).await?;
    // What a document about something else says is not used, as §3.3 has it.
    let Some(metadata) = read.as_ref().and_then(|read| read.about(url).ok()) else {
        return Ok(origin);
    };
    let servers = &metadata.authorization_servers;
    if !servers.is_empty() && !servers.contains(&challenge.as_uri) {
        return Err(ClientError::AuthorizationServer {
            resource: metadata.resource.clone(),
            as_uri: challenge.as_uri.clone(),
        });
    }
    Ok(metadata.resource.clone())
}

/// The resource identifier of the relying party at `url`: the one of its own metadata, if that
/// covers the URL, else the URL's origin. [RFC 9728 §3.3]
///
/// What a document about something else says is not used: an identity token made out to another
/// relying party could be redeemed there.
///
/// [RFC 9728 §3.3]: https://www.rfc-editor.org/rfc/rfc9728#section-3.3
pub(crate) async fn relying_party(
    cache: &ResourceMetadataCache,
    url: &EndpointUrl,
) -> Result<ResourceIdentifier, ClientError> {
    let origin = ResourceIdentifier::origin_of(url);
    let read = published(cache, &origin, None).await?;
    let metadata = read.as_ref().and_then(|read| read.about(url).ok());
    Ok(metadata.map_or(origin, |metadata| metadata.resource.clone()))
}

/// The resource identifier that the metadata gives to which the challenge of a `401` points. `None`
/// if there is none, or if it is not about this URL. [RFC 9728 §3.3, §5.1]
///
/// [RFC 9728 §3.3, §5.1]: https://www.rfc-editor.org/rfc/rfc9728#section-5.1
pub(crate) async fn challenged<B>(
    cache: &ResourceMetadataCache,
    url: &EndpointUrl,
    response: &Response<B>,
) -> Option<ResourceIdentifier> {
    if response.status() != StatusCode::UNAUTHORIZED {
        return None;
    }
    let headers = response.headers().get_all(WWW_AUTHENTICATE).iter();
    let named = headers
        .filter_map(|header| auth_param::parse(header.to_str().ok()?).ok())
        .flatten()
        .find_map(|challenge| EndpointUrl::parse(challenge.param("resource_metadata")?).ok())?;
    let origin = ResourceIdentifier::origin_of(url);
    if ResourceIdentifier::origin_of(&named) != origin {
        return None;
    }
    let read = published(cache, &origin, Some(&named)).await.ok()??;
    Some(read.about(url).ok()?.resource.clone())
}

/// What the resource server publishes about itself. That it publishes nothing has to be said by the
/// server itself, at the place that its challenge does not name; any other answer ends the request,
/// since a document that cannot be read may be the one that lists its authorization servers.
async fn published(
    cache: &ResourceMetadataCache,
    origin: &ResourceIdentifier,
    named: Option<&EndpointUrl>,
) -> Result<Option<Arc<Unattributed>>, ClientError> {
    // A document of another origin could only speak for that origin: it is not even fetched.
    let named = named.filter(|named| ResourceIdentifier::origin_of(named) == *origin);
    let document = match named {
        Some(named) => named.clone(),
        None => resource::well_known(origin)
            .map_err(|_| ClientError::Request("its origin is too long"))?,
    };
    match cache.get(&document).await {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.is_absence() && named.is_none() => Ok(None),
        Err(source) => Err(ClientError::ResourceMetadata { document, source }),
    }
}
