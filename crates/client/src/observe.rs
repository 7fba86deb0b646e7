//! What happens on the way, for whoever wants to show it.

use countersign_permission_ticket::TicketChallenge;
use countersign_types::EndpointUrl;
use countersign_types::secret::AccessToken;
use http::{Method, StatusCode};

use crate::challenge::UmaChallenge;
use crate::token_endpoint::TokenErrorResponse;

/// Is told what a [`Client`](crate::Client) does. The default observer does nothing.
///
/// Events carry tokens, tickets and parameters in clear: an observer that writes them anywhere
/// makes a copy of credentials.
pub trait Observer: Send + Sync {
    /// One step was taken.
    fn on(&self, event: &Event<'_>);
}

/// Observes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn on(&self, _: &Event<'_>) {}
}

/// One step of a request. The numbers are the arrows of flow 002.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Arrow 1: a request leaves without a token.
    Requested {
        /// Its method.
        method: &'a Method,
        /// Where it goes.
        url: &'a EndpointUrl,
    },
    /// Arrow 2: the resource server answered with a permission ticket.
    Challenged {
        /// The challenge.
        challenge: &'a UmaChallenge,
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
    /// Arrow 3: the ticket challenge was made.
    ChallengeMade {
        /// Its value.
        ticket_challenge: &'a TicketChallenge,
    },
    /// Arrow 4: the token exchange request leaves.
    ExchangeRequested {
        /// Where it goes.
        endpoint: &'a EndpointUrl,
        /// Its parameters, without the client's authentication.
        params: &'a [(&'a str, &'a str)],
    },
    /// In its place: the request to a claims provider leaves.
    ClaimsRequested {
        /// Where it goes.
        endpoint: &'a EndpointUrl,
        /// The access token that it shows.
        access_token: &'a AccessToken,
        /// Its parameters.
        params: &'a [(&'a str, &'a str)],
    },
    /// Arrow 5: the security token service issued a claims token.
    ClaimsTokenReceived {
        /// The token.
        claims_token: &'a AccessToken,
    },
    /// Arrow 6: the grant request leaves.
    GrantRequested {
        /// Where it goes.
        endpoint: &'a EndpointUrl,
        /// Its parameters, without the client's authentication.
        params: &'a [(&'a str, &'a str)],
    },
    /// In the place of arrow 7: the authorization server refused, for now or for good.
    GrantRefused {
        /// What it said.
        error: &'a TokenErrorResponse,
    },
    /// Arrow 7: the authorization server issued a requesting party token.
    RptReceived {
        /// The token.
        rpt: &'a AccessToken,
    },
    /// Arrow 8: the request leaves with a requesting party token.
    RequestedWithRpt {
        /// Its method.
        method: &'a Method,
        /// Where it goes.
        url: &'a EndpointUrl,
        /// The token.
        rpt: &'a AccessToken,
    },
    /// Arrow 9: the response that goes to the caller.
    Answered {
        /// Its status.
        status: StatusCode,
    },
}

impl Event<'_> {
    /// The number of the arrow in flow 002, if the event is one.
    #[must_use]
    pub const fn arrow(&self) -> Option<u8> {
        match self {
            Self::Requested { .. } => Some(1),
            Self::Challenged { .. } => Some(2),
            Self::ChallengeMade { .. } => Some(3),
            Self::ExchangeRequested { .. } | Self::ClaimsRequested { .. } => Some(4),
            Self::ClaimsTokenReceived { .. } => Some(5),
            Self::GrantRequested { .. } => Some(6),
            Self::RptReceived { .. } => Some(7),
            Self::RequestedWithRpt { .. } => Some(8),
            Self::Answered { .. } => Some(9),
            Self::Checked { .. } | Self::GrantRefused { .. } => None,
        }
    }
}
