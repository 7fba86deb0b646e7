//! Who asks for a token.

use countersign_client_auth::AuthenticatedClient;
use countersign_types::ClientId;

/// Who asks for a token.
#[derive(Clone, Copy, Debug)]
pub enum Requester<'a> {
    /// A client; only `client-auth` can make one.
    Client(&'a AuthenticatedClient),
    /// Whoever has the subject token and nothing else to show: it counts as the client that the
    /// token was issued to, where that is registered for it.
    Holder {
        /// The client.
        id: &'a ClientId,
        /// Whether it is registered with something to prove itself with.
        is_confidential: bool,
    },
}

impl<'a> Requester<'a> {
    /// The client.
    #[must_use]
    pub const fn id(self) -> &'a ClientId {
        match self {
            Self::Client(client) => client.id(),
            Self::Holder { id, .. } => id,
        }
    }

    pub(crate) const fn is_confidential(self) -> bool {
        match self {
            Self::Client(client) => client.is_confidential(),
            Self::Holder { is_confidential, .. } => is_confidential,
        }
    }
}
