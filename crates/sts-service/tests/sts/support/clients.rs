//! The clients of a world, some of which may be refused.

use std::sync::{Arc, Mutex};

use countersign_client_auth::{CheckedCredentials, Credentials, RegisteredClient, SecretDigest};
use countersign_fetch::Fetch;
use countersign_fetch::request::BoxFuture;
use countersign_jwt::Algorithm;
use countersign_resolver::{ClientDocuments, ClientDocumentsConfig, UrlClientRule, UrlClientRules};
use countersign_store::StoreError;
use countersign_sts_service::{Client, Clients, StaticClients, UrlClientTerms, UrlClients};
use countersign_token_exchange::ClientPolicy;
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, Clock, RedirectUri, ScopeSet, UrlPattern};

use super::{CALLBACK, Documents, RS, TestClock};

/// Clients of which some may be refused.
pub(super) struct Refusing {
    pub(super) all: UrlClients,
    /// What they may ask for, each.
    pub(super) scopes: Vec<ScopeSet>,
    pub(super) refused: Mutex<std::collections::BTreeSet<ClientId>>,
}

impl Refusing {
    fn refuses(&self, id: &ClientId) -> bool {
        self.refused.lock().unwrap().contains(id)
    }
}

type Found<'a> = BoxFuture<'a, Result<Option<Arc<Client>>, StoreError>>;

impl Clients for Refusing {
    fn find<'a>(&'a self, id: &'a ClientId) -> Found<'a> {
        Box::pin(async move { if self.refuses(id) { Ok(None) } else { self.all.find(id).await } })
    }

    fn find_with_key<'a>(&'a self, id: &'a ClientId, kid: Option<&'a str>) -> Found<'a> {
        Box::pin(async move {
            if self.refuses(id) { Ok(None) } else { self.all.find_with_key(id, kid).await }
        })
    }

    fn find_presenting<'a>(&'a self, credentials: &'a CheckedCredentials) -> Found<'a> {
        Box::pin(async move {
            if self.refuses(credentials.client_id()) {
                return Ok(None);
            }
            self.all.find_presenting(credentials).await
        })
    }

    fn is_known<'a>(&'a self, id: &'a ClientId) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { Ok(!self.refuses(id) && self.all.is_known(id).await?) })
    }

    fn reads_documents(&self) -> bool {
        self.all.reads_documents()
    }
}

/// What they may ask for.
const SCOPES: &str = "openid email profile offline_access claims-provider get";

pub(super) fn client(id: &str, credentials: Credentials) -> Client {
    Client {
        registered: RegisteredClient { id: ClientId::parse(id).unwrap(), credentials },
        name: format!("The {id} <app>"),
        redirect_uris: vec![
            RedirectUri::parse(CALLBACK).unwrap(),
            RedirectUri::parse("http://127.0.0.1/cb").unwrap(),
            RedirectUri::parse("http://[::1]/cb").unwrap(),
        ],
        scopes: ScopeSet::parse(SCOPES).unwrap(),
        authorization_code: true,
        refresh_token: true,
        client_credentials: true,
        exchange: ClientPolicy {
            may_exchange: true,
            claims_token_audiences: vec![UrlPattern::parse("https://*.bob.example").unwrap()],
            access_token_audiences: vec![UrlPattern::parse(RS).unwrap()],
            scopes: ScopeSet::parse("openid email profile claims-provider get").unwrap(),
            ..ClientPolicy::default()
        },
        post_logout_redirect_uris: vec![RedirectUri::parse("https://app.example/bye").unwrap()],
        audience: None,
        introspects: Vec::new(),
        id_token_algorithm: Algorithm::Rs256,
        dpop_bound_access_tokens: false,
        opaque_access_tokens: false,
    }
}

/// Clients of `*.mail.example` may act, at the relying parties of Bob.
pub(super) fn url_clients(
    registered: StaticClients,
    documents: &Arc<Documents>,
    clock: &Arc<TestClock>,
) -> UrlClients {
    let (fetch, clock): (Arc<dyn Fetch>, Arc<dyn Clock>) = (documents.clone(), clock.clone());
    let documents = ClientDocuments::new(fetch, clock, &ClientDocumentsConfig::default());
    let exchange = ClientPolicy {
        may_act: true,
        identity_token_audiences: vec![UrlPattern::parse("https://*.bob.example").unwrap()],
        access_token_audiences: vec![
            UrlPattern::parse(RS).unwrap(),
            UrlPattern::parse("https://*.mail.example/client").unwrap(),
        ],
        email_in_access_token: true,
        may_delegate_onward: true,
        ..client("url", Credentials::Public).exchange
    };
    let rule = UrlClientRule {
        clients: UrlPattern::parse("https://*.mail.example/client").unwrap(),
        public: false,
        terms: UrlClientTerms {
            scopes: exchange.scopes.clone(),
            authorization_code: true,
            refresh_token: true,
            client_credentials: true,
            exchange,
            opaque_access_tokens: false,
        },
    };
    UrlClients::new(Arc::new(registered), UrlClientRules::new(documents, vec![rule]))
}

pub(super) fn secret(text: &str) -> Credentials {
    Credentials::secret(SecretDigest::of(&ClientSecret::new(text)))
}
