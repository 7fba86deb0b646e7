//! Who a relying party is at its provider.

use countersign_client_auth::Proof;
use countersign_types::ClientId;
use countersign_types::secret::ClientSecret;

/// Under which name the provider knows us, and how we prove to be it.
#[derive(Clone, Debug)]
pub struct Registration {
    pub(super) client_id: ClientId,
    pub(super) credential: Credential,
}

#[derive(Clone, Debug)]
pub(super) enum Credential {
    /// Shown by the method that the provider offers.
    Secret(ClientSecret),
    /// Shown in this way and no other.
    Proof(Proof),
}

impl Registration {
    /// Under which name the provider knows us.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// A client that proves itself in one way, whatever else the provider offers.
    #[must_use]
    pub const fn new(client_id: ClientId, proof: Proof) -> Self {
        Self { client_id, credential: Credential::Proof(proof) }
    }

    /// A public client: an application on its user's own machine.
    #[must_use]
    pub const fn public(client_id: ClientId) -> Self {
        Self::new(client_id, Proof::None)
    }

    /// A confidential client whose secret is sent by HTTP Basic, or in the form if the provider
    /// offers that alone.
    #[must_use]
    pub const fn confidential(client_id: ClientId, secret: ClientSecret) -> Self {
        Self { client_id, credential: Credential::Secret(secret) }
    }
}
