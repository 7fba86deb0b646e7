//! The provider: its metadata, its keys, and the client that speaks to its endpoints.

use countersign_client_auth::Proof;
use countersign_fetch::{Fetch, Limits, Request};
use countersign_jwt::KeySet;
use countersign_metadata::{DocumentKind, ServerMetadata, well_known};
use countersign_types::identifier::IdentifierError;
use countersign_types::{EndpointUrl, Issuer};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenResponse,
};
use openidconnect::{
    AuthType, EmptyAdditionalClaims, EndpointNotSet, EndpointSet, IssuerUrl, JsonWebKeySet,
    StandardErrorResponse,
};

use super::error::LoginError;
use super::key::Key;
use super::registration::{Credential, Registration};

/// The `openidconnect` crate's client over our keys, with its two endpoints set.
pub(super) type CodeClient = openidconnect::Client<
    EmptyAdditionalClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    Key,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    CoreTokenResponse,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
    EndpointNotSet,
>;

pub(super) async fn fetch_metadata(
    fetch: &dyn Fetch,
    issuer: &Issuer,
) -> Result<ServerMetadata, LoginError> {
    let url = well_known(DocumentKind::OpenId, issuer)
        .map_err(|source| LoginError::Url { what: "metadata", source })?;
    let document = fetch
        .fetch(Request::get(url, Limits::metadata()))
        .await
        .map_err(|source| LoginError::Fetch { what: "metadata", source })?;
    let metadata = ServerMetadata::parse(document.body(), issuer).map_err(LoginError::Metadata)?;
    check_pkce(&metadata)?;
    Ok(metadata)
}

/// Whether the provider may know the PKCE method `S256`.
pub(super) fn check_pkce(metadata: &ServerMetadata) -> Result<(), LoginError> {
    let methods = &metadata.code_challenge_methods_supported;
    // Without a list nobody knows; the nonce protects the code then, too. RFC 9700 §2.1.1
    if !methods.is_empty() && !methods.iter().any(|method| method == "S256") {
        return Err(LoginError::NoPkce);
    }
    Ok(())
}

pub(super) async fn fetch_keys(
    fetch: &dyn Fetch,
    metadata: &ServerMetadata,
) -> Result<KeySet, LoginError> {
    let url = metadata.jwks_uri.clone().ok_or(LoginError::NoEndpoint("jwks_uri"))?;
    let document = fetch
        .fetch(Request::get(url, Limits::jwks()))
        .await
        .map_err(|source| LoginError::Fetch { what: "key set", source })?;
    let (keys, _) = KeySet::parse_foreign(document.body()).map_err(LoginError::Keys)?;
    Ok(keys)
}

pub(super) fn code_client(
    metadata: &ServerMetadata,
    keys: &KeySet,
    registration: &Registration,
) -> Result<CodeClient, LoginError> {
    let authorization =
        endpoint(metadata.authorization_endpoint.as_ref(), "authorization_endpoint")?;
    let token = endpoint(metadata.token_endpoint.as_ref(), "token_endpoint")?;
    let not_a_url = |_| LoginError::Url { what: "provider", source: IdentifierError::NotAUrl };
    let issuer = IssuerUrl::new(metadata.issuer.to_string()).map_err(not_a_url)?;
    let client_id = openidconnect::ClientId::new(registration.client_id.to_string());
    let keys = JsonWebKeySet::new(keys.iter().filter_map(Key::of).collect());
    let client = openidconnect::Client::new(client_id, issuer, keys)
        .set_auth_uri(openidconnect::AuthUrl::new(authorization).map_err(not_a_url)?)
        .set_token_uri(openidconnect::TokenUrl::new(token).map_err(not_a_url)?)
        .set_auth_type(auth_type(metadata, &registration.credential));
    Ok(match &registration.credential {
        Credential::Secret(secret)
        | Credential::Proof(Proof::SecretBasic(secret) | Proof::SecretPost(secret)) => {
            client.set_client_secret(openidconnect::ClientSecret::new(secret.expose().to_owned()))
        }
        Credential::Proof(Proof::None | Proof::PrivateKeyJwt(_)) => client,
    })
}

fn endpoint(url: Option<&EndpointUrl>, name: &'static str) -> Result<String, LoginError> {
    url.map(ToString::to_string).ok_or(LoginError::NoEndpoint(name))
}

/// As the client was told, else HTTP Basic, which is the default (RFC 8414 §2), unless the
/// provider offers the form alone.
fn auth_type(metadata: &ServerMetadata, credential: &Credential) -> AuthType {
    let methods = &metadata.token_endpoint_auth_methods_supported;
    let offers = |name: &str| methods.iter().any(|method| method == name);
    match credential {
        Credential::Proof(Proof::SecretBasic(_)) => AuthType::BasicAuth,
        Credential::Proof(_) => AuthType::RequestBody,
        Credential::Secret(_) if offers("client_secret_post") && !offers("client_secret_basic") => {
            AuthType::RequestBody
        }
        Credential::Secret(_) => AuthType::BasicAuth,
    }
}
