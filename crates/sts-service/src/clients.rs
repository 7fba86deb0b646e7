//! Who may ask: the registered clients, behind a seam.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_client_auth::{CheckedCredentials, RegisteredClient};
use countersign_jwt::Algorithm;
use countersign_oidc::Registration;
use countersign_store::StoreError;
use countersign_store::engine::BoxFuture;
use countersign_token_exchange::{ClientPolicy, ServerPolicy};
use countersign_types::{ClientId, RedirectUri, ResourceIdentifier, ScopeSet, UrlPattern};

/// A registered client.
#[derive(Debug)]
pub struct Client {
    /// Its identifier, and what it proves itself with.
    pub registered: RegisteredClient,
    /// What the sign-in page calls it.
    pub name: String,
    /// Where it may receive authorization responses.
    pub redirect_uris: Vec<RedirectUri>,
    /// Where a browser may be sent after signing out at this client's request.
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// What it may ask for.
    pub scopes: ScopeSet,
    /// Whether it may use the authorization code grant.
    pub authorization_code: bool,
    /// Whether it gets a refresh token for the scope `offline_access`.
    pub refresh_token: bool,
    /// Whether it may use the client credentials grant.
    pub client_credentials: bool,
    /// What it may do with the token exchange grant.
    pub exchange: ClientPolicy,
    /// The resource server that its access tokens of a person's grant are made out to, beside this
    /// server: the default resource of [RFC 9068
    /// §3](https://www.rfc-editor.org/rfc/rfc9068#section-3). One at most: each of several could
    /// use the token at the others.
    pub audience: Option<ResourceIdentifier>,
    /// The audiences, besides itself, whose access tokens it may ask about.
    pub introspects: Vec<UrlPattern>,
    /// What its ID tokens are signed with.
    pub id_token_algorithm: Algorithm,
    /// Whether its tokens are always bound to a key, so that it gets none without a DPoP proof.
    /// [RFC 9449 §5.2](https://www.rfc-editor.org/rfc/rfc9449#section-5.2)
    pub dpop_bound_access_tokens: bool,
    /// Whether its access tokens say nothing to whoever holds them, so that resource servers have
    /// to ask (introspection). [RFC 6749 §1.4](https://www.rfc-editor.org/rfc/rfc6749#section-1.4)
    pub opaque_access_tokens: bool,
}

impl Client {
    /// What its tokens of a person's grant are for: this server, and its own resource server,
    /// unless that is denied to everybody.
    pub(crate) fn resources<'a>(&'a self, server: &'a ServerPolicy) -> Vec<&'a str> {
        let own = self.audience.as_ref().map(ResourceIdentifier::as_str);
        let own = own.filter(|resource| !server.denies(resource));
        std::iter::once(server.issuer.as_str()).chain(own).collect()
    }

    pub(crate) fn registration<'a>(&'a self, resources: &'a [&'a str]) -> Registration<'a> {
        Registration {
            client_id: &self.registered.id,
            redirect_uris: &self.redirect_uris,
            scopes: &self.scopes,
            authorization_code: self.authorization_code,
            resources,
        }
    }
}

/// Where clients are found.
pub trait Clients: Send + Sync {
    /// The client of this identifier, which is untrusted.
    fn find<'a>(
        &'a self,
        id: &'a ClientId,
    ) -> BoxFuture<'a, Result<Option<Arc<Client>>, StoreError>>;

    /// The same, for a client that signed something with the key `kid`, which is untrusted, too:
    /// where keys are fetched, they are fetched again if this one is not among them.
    fn find_with_key<'a>(
        &'a self,
        id: &'a ClientId,
        kid: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Option<Arc<Client>>, StoreError>> {
        let _ = kid;
        self.find(id)
    }

    /// The same, for a client that presents these credentials, which prove nothing yet. Where it is
    /// fetched what is known of a client, nothing is for credentials that could not be right by it.
    fn find_presenting<'a>(
        &'a self,
        credentials: &'a CheckedCredentials,
    ) -> BoxFuture<'a, Result<Option<Arc<Client>>, StoreError>> {
        self.find_with_key(credentials.client_id(), credentials.key_id())
    }

    /// Whether there still is such a client, so that what it holds counts. Nothing is fetched for
    /// it.
    fn is_known<'a>(&'a self, id: &'a ClientId) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.find(id).await?.is_some()) })
    }

    /// Whether clients are found by the URL of their document, which the metadata tells.
    fn reads_documents(&self) -> bool {
        false
    }
}

/// Clients that are known from the start.
#[derive(Debug, Default)]
pub struct StaticClients(BTreeMap<ClientId, Arc<Client>>);

impl StaticClients {
    /// These clients.
    #[must_use]
    pub fn new(clients: impl IntoIterator<Item = Client>) -> Self {
        let entry = |client: Client| (client.registered.id.clone(), Arc::new(client));
        Self(clients.into_iter().map(entry).collect())
    }

    /// Each of them, by identifier.
    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.0.values().map(AsRef::as_ref)
    }
}

impl Clients for StaticClients {
    fn find<'a>(
        &'a self,
        id: &'a ClientId,
    ) -> BoxFuture<'a, Result<Option<Arc<Client>>, StoreError>> {
        Box::pin(async move { Ok(self.0.get(id).cloned()) })
    }
}
