//! Access tokens of the AuthN server: its signed JWTs, and others by its word. [RFC 9068 §4], [RFC
//! 7662]
//!
//! [RFC 7662]: https://www.rfc-editor.org/rfc/rfc7662
//! [RFC 9068 §4]: https://www.rfc-editor.org/rfc/rfc9068#section-4

use std::sync::Arc;

use countersign_fetch::Fetch;
use countersign_token_exchange::ForeignError;
use countersign_token_exchange::foreign::{Claimed, shown};
use countersign_token_exchange::subject::Subject;
use countersign_token_exchange::trusted_issuer::Accepted;
use countersign_types::random::Random;
use countersign_types::secret::AccessToken;
use countersign_types::{Clock, Issuer, Timestamp};

use crate::claims::error::ClaimsError;
use crate::foreign::conversation::introspect;
use crate::foreign::{IssuerSetup, Peer};

/// The server that a claims provider belongs to.
pub(super) struct AuthnServer {
    peer: Peer,
    accepted: Accepted,
    fetch: Arc<dyn Fetch>,
    random: Arc<dyn Random>,
}

impl AuthnServer {
    pub(super) fn new(
        setup: IssuerSetup,
        audiences: Vec<String>,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let accepted =
            Accepted { audiences: audiences.into_iter().collect(), ..Accepted::default() };
        Self { peer: Peer::new(setup, &fetch, &clock), accepted, fetch, random }
    }

    /// Whom a token that was made for `provider` speaks for.
    pub(super) async fn subject(
        &self,
        provider: &Issuer,
        token: &AccessToken,
        now: Timestamp,
    ) -> Result<Subject, ClaimsError> {
        let verified = match shown(token, &self.peer.setup.trusted, &self.accepted) {
            Claimed::Jwt(jwt) => {
                let checked = jwt.check(provider, now)?;
                let keys = self.peer.keys_of(&checked).await?;
                checked.verify(&keys)?
            }
            Claimed::Opaque(opaque) => {
                let asked = self.peer.setup.introspection.as_ref().ok_or(ForeignError::Opaque)?;
                let (fetch, random) = (self.fetch.as_ref(), self.random.as_ref());
                let answer = introspect(fetch, random, &self.peer, asked, token, now).await?;
                opaque.introspected(answer.ok_or(ForeignError::Inactive)?, provider, now)?
            }
        };
        let subject = verified.at_home()?;
        // Whoever else the token is for holds it as well, and would speak for the person here.
        let server = self.peer.setup.trusted.issuer.as_str();
        let is_known = |audience: &String| {
            audience == provider.as_str()
                || audience == server
                || self.accepted.audiences.contains(audience)
        };
        if !subject.audience().iter().all(is_known) {
            return Err(ForeignError::Audience.into());
        }
        Ok(subject)
    }
}
