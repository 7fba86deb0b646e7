//! Clients that are known by the URL of a document instead of a registration.
//! draft-ietf-oauth-client-id-metadata-document-01 (CIMD)

use std::sync::Arc;

use countersign_client_auth::{CheckedCredentials, Credentials};
use countersign_jwt::Algorithm;
use countersign_metadata::ClientMetadata;
use countersign_oidc::code;
use countersign_resolver::{UrlClient, UrlClientRules};
use countersign_store::StoreError;
use countersign_store::engine::BoxFuture;
use countersign_token_exchange::{ClientPolicy, request};
use countersign_types::{ClientId, EndpointUrl, RedirectUri, ScopeSet};

use crate::clients::{Client, Clients};
use crate::token::CLIENT_CREDENTIALS;

/// What clients that a rule speaks of may do here.
#[derive(Clone, Debug)]
pub struct UrlClientTerms {
    /// What they may ask for.
    pub scopes: ScopeSet,
    /// Whether they may use the authorization code grant, with redirection URIs on the origin of
    /// their own identifier (CIMD §6.1).
    pub authorization_code: bool,
    /// Whether they may use the client credentials grant.
    pub client_credentials: bool,
    /// What they may do with the token exchange grant.
    pub exchange: ClientPolicy,
}

/// Registered clients, and beside them those that the rules speak of.
pub struct UrlClients {
    registered: Arc<dyn Clients>,
    rules: UrlClientRules<UrlClientTerms>,
}

impl UrlClients {
    /// Clients by registration, then by rule.
    #[must_use]
    pub fn new(registered: Arc<dyn Clients>, rules: UrlClientRules<UrlClientTerms>) -> Self {
        Self { registered, rules }
    }

    async fn look_up(
        &self,
        id: &ClientId,
        kid: Option<&str>,
    ) -> Result<Option<Arc<Client>>, StoreError> {
        if let Some(client) = self.registered.find_with_key(id, kid).await? {
            return Ok(Some(client));
        }
        Ok(self.rules.find(id, kid).await.map(|found| Arc::new(client(found))))
    }
}

impl Clients for UrlClients {
    fn find<'a>(
        &'a self,
        id: &'a ClientId,
    ) -> BoxFuture<'a, Result<Option<Arc<Client>>, StoreError>> {
        Box::pin(self.look_up(id, None))
    }

    fn find_with_key<'a>(
        &'a self,
        id: &'a ClientId,
        kid: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Option<Arc<Client>>, StoreError>> {
        Box::pin(self.look_up(id, kid))
    }

    fn find_presenting<'a>(
        &'a self,
        credentials: &'a CheckedCredentials,
    ) -> BoxFuture<'a, Result<Option<Arc<Client>>, StoreError>> {
        Box::pin(async {
            if let Some(client) = self.registered.find_presenting(credentials).await? {
                return Ok(Some(client));
            }
            let found = self.rules.find_presenting(credentials).await;
            Ok(found.map(|found| Arc::new(client(found))))
        })
    }

    fn reads_documents(&self) -> bool {
        !self.rules.is_empty()
    }
}

impl std::fmt::Debug for UrlClients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UrlClients").field("rules", &self.rules).finish_non_exhaustive()
    }
}

fn client(found: UrlClient<'_, UrlClientTerms>) -> Client {
    let UrlClient { registered, metadata, terms } = found;
    let confidential = matches!(registered.credentials, Credentials::Keys(_));
    let redirect_uris = own_redirect_uris(&metadata);
    let asks = |grant: &str| {
        metadata.grant_types.is_empty() || metadata.grant_types.iter().any(|it| it == grant)
    };
    Client {
        registered,
        name: shown(&metadata),
        authorization_code: terms.authorization_code
            && asks(code::GRANT_TYPE)
            && !redirect_uris.is_empty(),
        redirect_uris,
        scopes: terms.scopes.clone(),
        client_credentials: terms.client_credentials && confidential && asks(CLIENT_CREDENTIALS),
        exchange: ClientPolicy {
            may_exchange: terms.exchange.may_exchange && asks(request::GRANT_TYPE),
            ..terms.exchange.clone()
        },
        id_token_algorithm: Algorithm::Rs256,
    }
}

/// The redirection URIs on the origin of the client itself: another's would let it pass for that
/// one, and a loopback address proves nothing.
fn own_redirect_uris(metadata: &ClientMetadata) -> Vec<RedirectUri> {
    let origin = |url: &str| EndpointUrl::parse(url).ok().map(|url| url.as_url().origin());
    let own = origin(metadata.client_id.as_str());
    let uris = metadata.redirect_uris.iter();
    uris.filter(|uri| own.is_some() && origin(uri.as_str()) == own).cloned().collect()
}

/// The host is what a person can check; the name is what the client says (CIMD §6.4).
fn shown(metadata: &ClientMetadata) -> String {
    let url = EndpointUrl::parse(metadata.client_id.as_str()).ok();
    let host = url.as_ref().and_then(|url| url.as_url().host_str()).unwrap_or_default();
    match &metadata.client_name {
        Some(name) => format!("{name} ({host})"),
        None => host.to_owned(),
    }
}
