//! What the service says about itself. [RFC 8414 §3], [OpenID Connect Discovery §3, §4], [RFC 7033]
//!
//! These answers are public and the same for everyone, so any origin may read them.
//!
//! [RFC 7033]: https://www.rfc-editor.org/rfc/rfc7033
//! [RFC 8414 §3]: https://www.rfc-editor.org/rfc/rfc8414#section-3
//! [OpenID Connect Discovery §3, §4]: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use countersign_client_auth::{Method, dpop};
use countersign_jwt::Algorithm;
use countersign_metadata::ServerMetadata;
use countersign_oidc::grant::PASSWORD_ACR;
use countersign_oidc::{code, pkce, refresh};
use countersign_pages::page;
use countersign_permission_ticket::METHOD as TICKET_CHALLENGE_METHOD;
use countersign_token_exchange::request;
use serde::Serialize;

use crate::app::Sts;
use crate::texts::LANGUAGES;
use crate::token::client_credentials;

pub(crate) async fn metadata(State(sts): State<Arc<Sts>>) -> Response {
    document(&server_metadata(&sts))
}

pub(crate) async fn jwks(State(sts): State<Arc<Sts>>) -> Response {
    document(&sts.keys().published().to_json())
}

/// Which issuer speaks for an address of our domains. Every address of a domain gets the same
/// answer, so that nobody learns here who has an account; 404 is for other domains (RFC 7033
/// §4.2: what the server has no information about).
pub(crate) async fn webfinger(State(sts): State<Arc<Sts>>, RawQuery(query): RawQuery) -> Response {
    let response =
        countersign_metadata::webfinger::respond(&query.unwrap_or_default(), |address| {
            sts.settings.email_domains.contains(address.domain()).then(|| sts.issuer().clone())
        });
    response.map(Body::from)
}

pub(crate) async fn stylesheet() -> Response {
    page::stylesheet(page::STYLE)
}

/// The metadata: what is there, and nothing else.
fn server_metadata(sts: &Sts) -> ServerMetadata {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let endpoints = &sts.endpoints;
    let mut claims =
        names(&["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid"]);
    claims.extend(names(&["email", "email_verified", "name", "preferred_username"]));

    let mut metadata = ServerMetadata::new(sts.issuer().clone());
    metadata.authorization_endpoint = Some(endpoints.authorization.clone());
    metadata.token_endpoint = Some(endpoints.token.clone());
    metadata.jwks_uri = Some(endpoints.jwks.clone());
    metadata.scopes_supported = sts.settings.scopes.iter().cloned().collect();
    metadata.response_types_supported = names(&["code"]);
    metadata.response_modes_supported = names(&["query"]);
    metadata.grant_types_supported = names(&[
        code::GRANT_TYPE,
        refresh::GRANT_TYPE,
        client_credentials::GRANT_TYPE,
        request::GRANT_TYPE,
    ]);
    let (public, proofs) = (
        names(&[Method::None.as_str()]),
        names(&[
            Method::ClientSecretBasic.as_str(),
            Method::ClientSecretPost.as_str(),
            Method::PrivateKeyJwt.as_str(),
        ]),
    );
    let methods = [public, proofs.clone()].concat();
    let algorithms = names(&Algorithm::ALL.iter().map(|it| it.name()).collect::<Vec<_>>());
    metadata.token_endpoint_auth_methods_supported.clone_from(&methods);
    metadata.token_endpoint_auth_signing_alg_values_supported.clone_from(&algorithms);
    metadata.userinfo_endpoint = Some(endpoints.userinfo.clone());
    metadata.end_session_endpoint = Some(endpoints.end_session.clone());
    metadata.introspection_endpoint = Some(endpoints.introspection.clone());
    metadata.introspection_endpoint_auth_methods_supported = proofs;
    metadata.introspection_endpoint_auth_signing_alg_values_supported.clone_from(&algorithms);
    metadata.revocation_endpoint = Some(endpoints.revocation.clone());
    metadata.revocation_endpoint_auth_methods_supported = methods;
    metadata.revocation_endpoint_auth_signing_alg_values_supported = algorithms;
    metadata.dpop_signing_alg_values_supported =
        dpop::ALGORITHMS.iter().map(|algorithm| algorithm.name().to_owned()).collect();
    metadata.code_challenge_methods_supported = names(&[pkce::METHOD]);
    metadata.authorization_response_iss_parameter_supported = true;
    metadata.client_id_metadata_document_supported = sts.clients.reads_documents();
    metadata.acr_values_supported = classes(sts);
    metadata.ui_locales_supported =
        LANGUAGES.into_iter().map(|texts| texts.tag.to_owned()).collect();
    metadata.subject_types_supported = names(&["public"]);
    metadata.id_token_signing_alg_values_supported =
        names(&[Algorithm::Rs256.name(), Algorithm::Es256.name()]);
    metadata.claims_supported = claims;
    // Absent would mean true. OpenID Connect Discovery §3.
    metadata.request_uri_parameter_supported = Some(false);
    metadata.ticket_challenge_methods_supported = names(&[TICKET_CHALLENGE_METHOD]);
    metadata.claims_endpoint = Some(endpoints.claims.clone());
    metadata.user_query_endpoint = sts.answers_user_queries().then(|| endpoints.users.clone());
    metadata
}

/// The authentication context classes that a sign-in may have here. Passwords are always one: who
/// links an account signs in by its password, even where nobody else does.
fn classes(sts: &Sts) -> Vec<String> {
    let mapped = sts.upstreams.iter().flat_map(|upstream| upstream.setup.mapping.acr.values());
    let mapped: BTreeSet<_> = mapped.filter(|class| *class != PASSWORD_ACR).cloned().collect();
    std::iter::once(PASSWORD_ACR.to_owned()).chain(mapped).collect()
}

fn document<T: Serialize>(document: &T) -> Response {
    countersign_metadata::publish::response(document).map(Body::from)
}
