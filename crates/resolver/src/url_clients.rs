//! Clients without a registration: a rule speaks of the URL that identifies them, and the document
//! there says what they authenticate with. CIMD is draft-ietf-oauth-client-id-metadata-document-01.

use std::sync::Arc;

use countersign_client_auth::{CheckedCredentials, Credentials, Method, RegisteredClient};
use countersign_metadata::{ClientKeys, ClientMetadata};
use countersign_types::{ClientId, UrlPattern};

use crate::client::{ClientDocuments, ResolvedClient};

/// What a server lets clients of a family of URLs do: a registration of all of them at once.
#[derive(Clone, Debug)]
pub struct UrlClientRule<T> {
    /// The client identifiers.
    pub clients: UrlPattern,
    /// Whether those that publish no keys are clients, too: public ones.
    pub public: bool,
    /// What they may do, in the words of the server. What a client publishes never allows more.
    pub terms: T,
}

/// A client that a rule speaks of and whose document was read.
#[derive(Debug)]
pub struct UrlClient<'a, T> {
    /// Its identifier and what it authenticates with.
    pub registered: RegisteredClient,
    /// What it says about itself.
    pub metadata: Arc<ClientMetadata>,
    /// What it may do.
    pub terms: &'a T,
}

/// The rules of a server, and the documents of the clients that they speak of.
#[derive(Debug)]
pub struct UrlClientRules<T> {
    documents: ClientDocuments,
    rules: Vec<UrlClientRule<T>>,
}

impl<T> UrlClientRules<T> {
    /// Rules in their order, over these documents.
    #[must_use]
    pub const fn new(documents: ClientDocuments, rules: Vec<UrlClientRule<T>>) -> Self {
        Self { documents, rules }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rule that counts for a client identifier: the first that speaks of it. Nothing is
    /// fetched.
    #[must_use]
    pub fn rule(&self, id: &ClientId) -> Option<&UrlClientRule<T>> {
        self.rules.iter().find(|rule| id.is_url() && rule.clients.matches(id.as_str()))
    }

    /// The client of an identifier, its keys fetched again if none has this `kid`; both are
    /// untrusted. Nobody's document is fetched whom no rule speaks of. Why there is no document is
    /// in the log: to the peer it is one more unknown client.
    pub async fn find(&self, id: &ClientId, kid: Option<&str>) -> Option<UrlClient<'_, T>> {
        let rule = self.rule(id)?;
        let ResolvedClient { metadata, keys } = self.documents.resolve(id, kid).await.ok()?;
        let credentials = match &metadata.keys {
            ClientKeys::None if rule.public => Credentials::Public,
            ClientKeys::None => return None,
            ClientKeys::Jwks(_) | ClientKeys::JwksUri(_) => Credentials::Keys((*keys).clone()),
        };
        let registered = RegisteredClient { id: metadata.client_id.clone(), credentials };
        Some(UrlClient { registered, metadata, terms: &rule.terms })
    }

    /// The client that presents these credentials, which prove nothing yet. Nothing is fetched for
    /// those that no document can make good: a client known by its URL has no secret, and nothing
    /// to show is enough where a rule admits public clients.
    pub async fn find_presenting(
        &self,
        credentials: &CheckedCredentials,
    ) -> Option<UrlClient<'_, T>> {
        let id = credentials.client_id();
        let may_be_right = match credentials.method() {
            Method::PrivateKeyJwt => true,
            Method::None => self.rule(id)?.public,
            Method::ClientSecretBasic | Method::ClientSecretPost => false,
        };
        if !may_be_right {
            return None;
        }
        self.find(id, credentials.key_id()).await
    }
}
