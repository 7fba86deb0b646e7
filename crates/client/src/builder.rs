//! A client and what it is made of.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use countersign_client_auth::Proof;
use countersign_fetch::Fetch;
use countersign_jwt::Sign;
use countersign_resolver::{MetadataConfig, ResourceMetadataCache, ServerMetadataCache};
use countersign_types::random::Random;
use countersign_types::{ClientId, Clock, EmailAddress, Issuer};

use crate::kept::{Kept, Latest};
use crate::observe::{Observer, Silent};
use crate::subject::{ApproveAudience, Person, RegisteredOnly, Registration, SubjectToken};

/// Sends requests to UMA-protected resources and does what their servers ask for.
///
/// Cheap to clone; clones share what is kept. See the [crate] for an example.
#[derive(Clone)]
pub struct Client(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) provider: Registration,
    pub(crate) subject: Arc<dyn SubjectToken>,
    pub(crate) claims_provider: Option<Issuer>,
    pub(crate) named: Option<EmailAddress>,
    pub(crate) registrations: BTreeMap<Issuer, Registration>,
    pub(crate) elsewhere: Option<Elsewhere>,
    pub(crate) approve: Arc<dyn ApproveAudience>,
    pub(crate) approved: Mutex<Latest<(Person, Issuer), ()>>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) metadata: ServerMetadataCache,
    pub(crate) resources: ResourceMetadataCache,
    pub(crate) kept: Kept,
}

/// As whom the client is known where it has no registration of its own.
pub(crate) struct Elsewhere {
    pub(crate) client_id: ClientId,
    pub(crate) key: Option<Arc<dyn Sign>>,
}

impl Elsewhere {
    pub(crate) fn proof(&self) -> Proof {
        self.key.as_ref().map_or(Proof::None, |key| Proof::PrivateKeyJwt(Arc::clone(key)))
    }
}

impl Client {
    /// Starts a client that speaks for `subject` with claims tokens of `provider`.
    pub fn builder(
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        provider: Registration,
        subject: Arc<dyn SubjectToken>,
    ) -> ClientBuilder {
        let config = MetadataConfig::default();
        let (with, at) = (|| Arc::clone(&fetch), || Arc::clone(&clock));
        ClientBuilder(Inner {
            metadata: ServerMetadataCache::new(with(), at(), &config),
            resources: ResourceMetadataCache::new(with(), at(), &config),
            fetch,
            clock,
            random,
            provider,
            subject,
            claims_provider: None,
            named: None,
            registrations: BTreeMap::new(),
            elsewhere: None,
            approve: Arc::new(RegisteredOnly),
            approved: Mutex::default(),
            observer: Arc::new(Silent),
            kept: Kept::default(),
        })
    }
}

/// Makes a [`Client`].
#[must_use = "a builder does nothing until it is built"]
pub struct ClientBuilder(Inner);

impl ClientBuilder {
    /// Where claims tokens come from: the access token is shown at the claims endpoint of this
    /// issuer, in the place of an exchange at the provider. It may be the provider itself.
    pub fn with_claims_provider(mut self, issuer: Issuer) -> Self {
        self.0.claims_provider = Some(issuer);
        self
    }

    /// Whom the access tokens are not of: the client names this person, with tokens of its own
    /// ([`OwnAccess`](crate::OwnAccess)), and acts for them.
    pub fn naming(mut self, address: EmailAddress) -> Self {
        self.0.named = Some(address);
        self
    }

    /// The client's registration at an authorization server. Claims are sent to such a server
    /// without approval.
    pub fn with_registration(mut self, registration: Registration) -> Self {
        self.0.registrations.insert(registration.issuer.clone(), registration);
        self
    }

    /// The client's identity at every other authorization server: a public client, or one
    /// that authenticates with a key. A secret is never shown to a server it was not agreed with.
    pub fn with_identity_elsewhere(
        mut self,
        client_id: ClientId,
        key: Option<Arc<dyn Sign>>,
    ) -> Self {
        self.0.elsewhere = Some(Elsewhere { client_id, key });
        self
    }

    /// Who decides about authorization servers the client is not registered at; by default
    /// [`RegisteredOnly`].
    pub fn with_approval(mut self, approve: Arc<dyn ApproveAudience>) -> Self {
        self.0.approve = approve;
        self
    }

    /// Observes what the client does; by default, nothing does.
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.0.observer = observer;
        self
    }

    /// The client.
    #[must_use]
    pub fn build(self) -> Client {
        Client(Arc::new(self.0))
    }
}
