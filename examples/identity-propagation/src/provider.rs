//! What services want of Alice's provider: they take its tokens, and have them exchanged.

use std::sync::Arc;

use countersign::adapters::fetch::{Fetch, Limits, http_client};
use countersign::adapters::host::Seams;
use countersign::client::exchange::ExchangeToken as _;
use countersign::client_auth::Proof;
use countersign::resource::{AccessTokens, Mode};
use countersign::types::secret::AccessToken;
use countersign::types::{ClientId, Issuer, ResourceIdentifier, TokenType};
use countersign_testkit::names;
use oauth2::basic::BasicClient;
use oauth2::{TokenResponse as _, TokenUrl};

use crate::Failure;

/// Access tokens of Alice's provider, for a service that trusts it.
pub(crate) fn access_tokens(
    own: &str,
    fetch: &Arc<dyn Fetch>,
    seams: &Seams,
) -> Result<Mode, Failure> {
    let (own, issuer) = (ResourceIdentifier::parse(own)?, Issuer::parse(names::STS)?);
    Ok(AccessTokens::new(own, issuer, Arc::clone(fetch), Arc::clone(&seams.clock)).into())
}

/// An access token for the next service, which may exchange it at the provider in its turn. Without
/// an actor token, it is the client that acts from here on. RFC 8693 §2.1
pub(crate) async fn exchange(
    fetch: &Arc<dyn Fetch>,
    Seams { clock, random }: &Seams,
    (client, proof): (&str, &Proof),
    token: &AccessToken,
    next: &str,
) -> Result<AccessToken, Failure> {
    let (id, issuer) = (ClientId::parse(client)?, Issuer::parse(names::STS)?);
    let (next, provider) =
        (ResourceIdentifier::parse(next)?, ResourceIdentifier::parse(names::STS)?);
    let response = BasicClient::new(oauth2::ClientId::new(client.to_owned()))
        .set_token_uri(TokenUrl::new(format!("{}/token", names::STS))?)
        .exchange_token(token, &TokenType::ACCESS_TOKEN)
        .set_requested_token_type(&TokenType::ACCESS_TOKEN)
        .add_resource(&next)
        .add_resource(&provider)
        .authenticated_by(proof.present(&id, &issuer, clock.now(), random.as_ref())?)
        .request_async(&http_client(Arc::clone(fetch), Limits::token_endpoint()))
        .await?;
    Ok(AccessToken::new(response.access_token().secret()))
}
