//! Clients that are known by the URL of a document instead of a registration.
//! draft-ietf-oauth-client-id-metadata-document-01 (CIMD)

use std::sync::Arc;

use countersign_client_auth::CheckedCredentials;
use countersign_resolver::{UrlClient, UrlClientRules};
use countersign_store::StoreError;
use countersign_store::engine::BoxFuture;
use countersign_types::{ClientId, ScopeSet};
use countersign_uma::grant;

use crate::clients::{Client, Clients};

/// What clients that a rule speaks of may do here: use the UMA grant.
#[derive(Clone, Debug, Default)]
pub struct UrlClientTerms {
    /// The scopes they may ask for beyond those of a ticket.
    pub scopes: ScopeSet,
}

/// Registered clients, and beside them those that the rules speak of. None of the latter is a
/// resource server.
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
}

impl Clients for UrlClients {
    fn find<'a>(
        &'a self,
        id: &'a ClientId,
    ) -> BoxFuture<'a, Result<Option<Arc<Client>>, StoreError>> {
        Box::pin(async {
            if let Some(client) = self.registered.find(id).await? {
                return Ok(Some(client));
            }
            Ok(self.rules.find(id, None).await.map(|found| Arc::new(client(found))))
        })
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

    /// A rule is a registration: while it stands, its clients' tokens do, whether their documents
    /// can be had or not. Of whom there is a registration of their own, no rule speaks.
    fn may_hold_rpts<'a>(&'a self, id: &'a ClientId) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async {
            if self.registered.find(id).await?.is_some() {
                return self.registered.may_hold_rpts(id).await;
            }
            Ok(self.rules.rule(id).is_some())
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
    // RFC 9449 §5.2: such a client is to get no token that is not bound, and here none is.
    let usable = metadata.uses(grant::GRANT_TYPE) && !metadata.dpop_bound_access_tokens;
    let uma_grant = usable.then(|| terms.scopes.clone());
    Client { registered, uma_grant, resource_server: None }
}

#[cfg(test)]
mod tests {
    use countersign_client_auth::{Credentials, RegisteredClient};
    use countersign_fetch::{Fetch, FetchError, Request};
    use countersign_metadata::{ClientIdUrl, ClientKeys, ClientMetadata};
    use countersign_resolver::{ClientDocuments, ClientDocumentsConfig, UrlClientRule};
    use countersign_types::{Clock, Timestamp, UrlPattern};

    use super::*;
    use crate::clients::StaticClients;

    struct Nothing;

    impl Fetch for Nothing {
        fn fetch(
            &self,
            _: Request,
        ) -> BoxFuture<'_, Result<http::Response<bytes::Bytes>, FetchError>> {
            Box::pin(async { Err(FetchError::Redirect) })
        }
    }

    impl Clock for Nothing {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix(0)
        }
    }

    fn id(name: &str) -> ClientId {
        ClientId::parse(&format!("https://{name}.mail.example/client")).unwrap()
    }

    fn registered(name: &str, uma_grant: Option<ScopeSet>) -> Client {
        let registered = RegisteredClient { id: id(name), credentials: Credentials::Public };
        Client { registered, uma_grant, resource_server: None }
    }

    #[test]
    fn rfc_9449_section_5_2_a_client_whose_tokens_are_bound_gets_none_here() {
        for bound in [false, true] {
            let url = ClientIdUrl::of(&id("bound")).unwrap();
            let mut metadata = ClientMetadata::new(&url, ClientKeys::None);
            metadata.grant_types = vec![grant::GRANT_TYPE.to_owned()];
            metadata.dpop_bound_access_tokens = bound;
            let Client { registered, .. } = registered("bound", None);
            let terms = &UrlClientTerms::default();
            let metadata = Arc::new(metadata);
            let client = client(UrlClient { registered, metadata, terms });
            assert_eq!(client.uma_grant.is_some(), !bound);
        }
    }

    #[tokio::test]
    async fn a_registration_counts_before_a_rule() {
        let all = [registered("with", Some(ScopeSet::empty())), registered("without", None)];
        let config = ClientDocumentsConfig::default();
        let documents = ClientDocuments::new(Arc::new(Nothing), Arc::new(Nothing), &config);
        let rule = UrlClientRule {
            clients: UrlPattern::parse("https://*.mail.example/client").unwrap(),
            public: false,
            terms: UrlClientTerms::default(),
        };
        let rules = UrlClientRules::new(documents, vec![rule]);
        let clients = UrlClients::new(Arc::new(StaticClients::from_iter(all)), rules);
        for (name, may) in [("with", true), ("without", false), ("by-rule", true)] {
            assert_eq!(clients.may_hold_rpts(&id(name)).await.unwrap(), may, "{name}");
        }
        let stranger = ClientId::parse("https://mail.test/client").unwrap();
        assert!(!clients.may_hold_rpts(&stranger).await.unwrap());
    }
}
