//! What happens on the way.

use countersign_types::EndpointUrl;
use countersign_types::secret::AccessToken;
use http::{Method, StatusCode};

/// What happens on the way, for whoever wants to show it. The numbers are the arrows of flow 004.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum PropagationEvent<'a> {
    /// Arrow 1: an actor token was made.
    ActorToken {
        /// The token.
        actor_token: &'a AccessToken,
    },
    /// Arrow 2: a client assertion was made.
    ClientAssertion {
        /// The assertion, for the security token service alone.
        client_assertion: &'a str,
    },
    /// Arrow 3: the exchange request leaves, with the client assertion beside its parameters.
    ExchangeRequested {
        /// Where it goes.
        endpoint: &'a EndpointUrl,
        /// Its parameters, without the client's authentication.
        params: &'a [(&'a str, &'a str)],
        /// The proof of the key that the token is to be bound to, if it is to be bound.
        dpop_proof: Option<&'a AccessToken>,
    },
    /// A server wants a nonce of its own in DPoP proofs: the request goes once more, with it.
    NonceAsked {
        /// Where the request went.
        url: &'a EndpointUrl,
        /// The nonce.
        nonce: &'a str,
    },
    /// The client compared what it has to compare before it goes on.
    Checked {
        /// What was compared.
        what: &'static str,
        /// Where this is demanded.
        section: &'static str,
        /// The value found to be right.
        value: &'a str,
    },
    /// Arrow 6: the identity token came. What was compared follows.
    IdentityToken {
        /// The token.
        identity_token: &'a AccessToken,
    },
    /// Arrow 7: a client proof was made for that token.
    ClientProof {
        /// The proof.
        client_proof: &'a AccessToken,
    },
    /// Beside it, where the token is bound to a key: a proof of that key was made for the request.
    DpopProof {
        /// The proof.
        dpop_proof: &'a AccessToken,
    },
    /// Arrow 8: the request leaves with the token and the proof.
    Requested {
        /// Its method.
        method: &'a Method,
        /// Where it goes.
        url: &'a EndpointUrl,
        /// The identity token.
        identity_token: &'a AccessToken,
        /// The proof.
        client_proof: &'a AccessToken,
        /// The proof of the key that the token is bound to, if it is bound to one.
        dpop_proof: Option<&'a AccessToken>,
    },
    /// Arrow 10: the response that goes to the caller.
    Answered {
        /// Its status.
        status: StatusCode,
    },
}

impl PropagationEvent<'_> {
    /// The number of the arrow in flow 004, if the event is one.
    #[must_use]
    pub const fn arrow(&self) -> Option<u8> {
        match self {
            Self::ActorToken { .. } => Some(1),
            Self::ClientAssertion { .. } => Some(2),
            Self::ExchangeRequested { .. } => Some(3),
            Self::IdentityToken { .. } => Some(6),
            Self::ClientProof { .. } => Some(7),
            Self::Requested { .. } => Some(8),
            Self::Answered { .. } => Some(10),
            Self::Checked { .. } | Self::DpopProof { .. } | Self::NonceAsked { .. } => None,
        }
    }
}

/// Is told what an [`IdentityPropagator`](super::IdentityPropagator) does. Events carry tokens in
/// clear.
pub trait PropagationObserver: Send + Sync {
    /// One step was taken.
    fn on(&self, event: &PropagationEvent<'_>);
}

impl<F: Fn(&PropagationEvent<'_>) + Send + Sync> PropagationObserver for F {
    fn on(&self, event: &PropagationEvent<'_>) {
        self(event);
    }
}
