//! Clients that are known by the URL of a document instead of a registration.
//! draft-ietf-oauth-client-id-metadata-document-01 (CIMD)

use std::sync::Arc;

use countersign_client_auth::{Credentials, RegisteredClient};
use countersign_jwt::{Algorithm, KeySet};
use countersign_metadata::{ClientKeys, ClientMetadata};
use countersign_oidc::code;
use countersign_resolver::{ClientDocuments, ResolvedClient};
use countersign_store::StoreError;
use countersign_store::engine::BoxFuture;
use countersign_token_exchange::{ClientPolicy, TargetPattern};
use countersign_types::{ClientId, EndpointUrl, RedirectUri, ScopeSet};

use crate::clients::{Client, Clients};

/// What clients of a family of URLs may do here: a registration of all of them at once. What a
/// client publishes never allows more.
#[derive(Clone, Debug)]
pub struct UrlClientRule {
    /// The client identifiers.
    pub clients: TargetPattern,
    /// What they may ask for.
    pub scopes: ScopeSet,
    /// Whether those that publish no keys are clients, too: public ones.
    pub public: bool,
    /// Whether they may use the authorization code grant, with redirection URIs on the origin of
    /// their own identifier (CIMD §6.1).
    pub authorization_code: bool,
    /// Whether they may use the client credentials grant.
    pub client_credentials: bool,
    /// What they may do with the token exchange grant.
    pub exchange: ClientPolicy,
}

/// Registered clients, and beside them those of the rules. Nobody's document is fetched whom no rule
/// speaks of; the first rule that does is the one that counts.
pub struct UrlClients {
    registered: Arc<dyn Clients>,
    documents: Arc<ClientDocuments>,
    rules: Vec<UrlClientRule>,
}

impl UrlClients {
    /// Clients by registration, then by rule.
    #[must_use]
    pub fn new(
        registered: Arc<dyn Clients>,
        documents: Arc<ClientDocuments>,
        rules: Vec<UrlClientRule>,
    ) -> Self {
        Self { registered, documents, rules }
    }

    async fn look_up(
        &self,
        id: &ClientId,
        kid: Option<&str>,
    ) -> Result<Option<Arc<Client>>, StoreError> {
        if let Some(client) = self.registered.find_with_key(id, kid).await? {
            return Ok(Some(client));
        }
        let rule = self.rules.iter().find(|rule| id.is_url() && rule.clients.matches(id.as_str()));
        let Some(rule) = rule else { return Ok(None) };
        // Why there is no document is in the log; to the peer it is one more unknown client.
        let Ok(resolved) = self.documents.resolve(id, kid).await else { return Ok(None) };
        Ok(client(&resolved, rule).map(Arc::new))
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

    fn reads_documents(&self) -> bool {
        !self.rules.is_empty()
    }
}

impl std::fmt::Debug for UrlClients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UrlClients").field("rules", &self.rules).finish_non_exhaustive()
    }
}

fn client(resolved: &ResolvedClient, rule: &UrlClientRule) -> Option<Client> {
    let ResolvedClient { metadata, keys } = resolved;
    let credentials = match &metadata.keys {
        ClientKeys::None if rule.public => Credentials::Public,
        ClientKeys::None => return None,
        ClientKeys::Jwks(_) | ClientKeys::JwksUri(_) => Credentials::Keys(own(metadata, keys)),
    };
    let confidential = matches!(credentials, Credentials::Keys(_));
    let redirect_uris = own_redirect_uris(metadata);
    let asks = |grant: &str| {
        metadata.grant_types.is_empty() || metadata.grant_types.iter().any(|it| it == grant)
    };
    Some(Client {
        registered: RegisteredClient { id: metadata.client_id.clone(), credentials },
        name: shown(metadata),
        authorization_code: rule.authorization_code
            && asks(code::GRANT_TYPE)
            && !redirect_uris.is_empty(),
        redirect_uris,
        scopes: rule.scopes.clone(),
        client_credentials: rule.client_credentials && confidential,
        exchange: rule.exchange.clone(),
        id_token_algorithm: Algorithm::Rs256,
    })
}

/// The keys that sign here for a client: where it binds itself to one algorithm, those of others do
/// not.
fn own(metadata: &ClientMetadata, keys: &KeySet) -> KeySet {
    let Some(algorithm) = metadata.token_endpoint_auth_signing_alg else { return keys.clone() };
    let own = keys.iter().filter(|key| key.algorithm() == algorithm).cloned().collect();
    // A part of a key set is one.
    KeySet::from_keys(own).unwrap_or_default()
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
