//! What this server says about itself. [UG §2], [UF §2], [RFC 8414 §3]
//!
//! The two well-known documents say the same, and nothing that is not there for real. Where no
//! resource server asks people, there is no authorization endpoint, hence no
//! `response_types_supported` (an empty array is forbidden, [RFC 8414 §3.2], where its §2 requires
//! the member). RPTs are opaque, so that there is a key set only where something else is signed:
//! what owners are told.
//!
//! [UG §2]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.2
//! [UF §2]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.2
//! [RFC 8414 §3]: https://www.rfc-editor.org/rfc/rfc8414#section-3
//! [RFC 8414 §3.2]: https://www.rfc-editor.org/rfc/rfc8414#section-3.2

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use countersign_client_auth::Method;
use countersign_jwt::Algorithm;
use countersign_metadata::server::ServerMetadata;
use countersign_oidc::{code, pkce};
use countersign_uma::{grant, protection, refresh};

use crate::app::Uma;

pub(crate) async fn metadata(State(uma): State<Arc<Uma>>) -> Response {
    countersign_metadata::publish::response(&describe(&uma)).map(Body::from)
}

/// The public halves of the keys that sign what owners are told. [RFC 7517 §5]
///
/// [RFC 7517 §5]: https://www.rfc-editor.org/rfc/rfc7517#section-5
pub(crate) async fn jwks(State(uma): State<Arc<Uma>>) -> Response {
    let keys = uma.webhooks.as_ref().map(|webhooks| webhooks.keys().ring().published().to_json());
    countersign_metadata::publish::response(&keys).map(Body::from)
}

/// The server's metadata.
fn describe(uma: &Uma) -> ServerMetadata {
    let endpoints = uma.endpoints.clone();
    let methods =
        [Method::None, Method::ClientSecretBasic, Method::ClientSecretPost, Method::PrivateKeyJwt];
    let mut metadata = ServerMetadata::new(uma.settings.issuer.clone());
    metadata.token_endpoint = Some(endpoints.token);
    metadata.introspection_endpoint = Some(endpoints.introspection);
    metadata.revocation_endpoint = Some(endpoints.revocation);
    metadata.permission_endpoint = Some(endpoints.permission);
    metadata.resource_registration_endpoint = Some(endpoints.resources);
    metadata.jwks_uri = uma.webhooks.as_ref().map(|_| endpoints.jwks);
    metadata.scopes_supported = vec![protection::SCOPE.to_owned()];
    metadata.grant_types_supported =
        vec![grant::GRANT_TYPE.to_owned(), "client_credentials".to_owned()];
    if uma.refresh_lifetime.is_some() || uma.asks_people() {
        metadata.grant_types_supported.push(refresh::GRANT_TYPE.to_owned());
    }
    if let Some(authorization) = uma.authorization_endpoint() {
        metadata.authorization_endpoint = Some(authorization.clone());
        metadata.response_types_supported = vec!["code".to_owned()];
        metadata.response_modes_supported = vec!["query".to_owned()];
        metadata.code_challenge_methods_supported = vec![pkce::METHOD.to_owned()];
        metadata.authorization_response_iss_parameter_supported = true;
        metadata.grant_types_supported.push(code::GRANT_TYPE.to_owned());
    }
    let methods: Vec<_> = methods.into_iter().map(|method| method.as_str().to_owned()).collect();
    let algorithms = Algorithm::ALL.iter().map(|algorithm| algorithm.name().to_owned());
    let algorithms: Vec<_> = algorithms.collect();
    metadata.revocation_endpoint_auth_methods_supported.clone_from(&methods);
    metadata.revocation_endpoint_auth_signing_alg_values_supported.clone_from(&algorithms);
    metadata.token_endpoint_auth_methods_supported = methods;
    metadata.token_endpoint_auth_signing_alg_values_supported = algorithms;
    metadata.ticket_challenge_methods_supported =
        vec![countersign_permission_ticket::METHOD.to_owned()];
    metadata.client_id_metadata_document_supported = uma.seams.clients.reads_documents();
    metadata
}
