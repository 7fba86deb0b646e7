//! The claims token as its issuer makes it.

use countersign_jwt::act::ActorChain;
use countersign_jwt::{Sign, SignError, jws};
use countersign_permission_ticket::TicketChallenge;
use countersign_types::{ClientId, Issuer, Lifetime, ResourceIdentifier, Timestamp};
use serde_json::{Map, Value, json};

use crate::email::VerifiedEmail;

/// The `typ` of a claims token. [RFC 8725 §3.11](https://www.rfc-editor.org/rfc/rfc8725#section-3.11)
pub const TYP: &str = "uma-claims+jwt";

/// Claims with a meaning of their own in this token; a user claim never takes one of these names.
pub const RESERVED: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "email",
    "email_verified",
    "email_address",
    "ticket_challenge",
    "ticket_digest",
    "resource",
    "client_id",
    "act",
    "may_act",
    "amr",
    "cnf",
    "scope",
    "nonce",
    "at_hash",
    "azp",
];

/// A claims token about to be signed.
///
/// It says that a person of the issuer, known to it by a verified e-mail address, holds the ticket
/// of this challenge at this authorization server for this resource server.
#[derive(Clone, Debug)]
pub struct ClaimsToken {
    /// The identity provider that speaks.
    pub iss: Issuer,
    /// The person, in its name space.
    pub sub: String,
    /// The person's verified e-mail address.
    pub email: VerifiedEmail,
    /// The challenge of the ticket this token is bound to.
    pub ticket_challenge: TicketChallenge,
    /// The authorization server: the only audience, since a token shared with another server could
    /// be redeemed there.
    pub aud: Issuer,
    /// The resource server that the client called.
    pub resource: ResourceIdentifier,
    /// When it is issued.
    pub iat: Timestamp,
    /// When it ends.
    pub exp: Timestamp,
    /// Its unique identifier.
    pub jti: String,
    /// The client that asked. It is written only if it is a URL: another identifier means another
    /// client at the receiving server.
    pub client_id: Option<ClientId>,
    /// Who acts for the person, if the person does not.
    pub act: Option<ActorChain>,
    /// How the person signed in ([RFC 8176]). It is left out beside `act`, since then nobody knows
    /// the person to be present.
    ///
    /// [RFC 8176]: https://www.rfc-editor.org/rfc/rfc8176
    pub amr: Vec<String>,
    /// Further claims about the person, none of a [`RESERVED`] name.
    pub user_claims: Map<String, Value>,
}

/// Why a claims token was not minted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// A user claim would replace a claim of the token.
    #[error("user claim {0} has a reserved name")]
    Reserved(String),
    /// The key did not sign.
    #[error("the claims token was not signed")]
    Sign(#[from] SignError),
}

impl ClaimsToken {
    /// How long a claims token lives unless configured otherwise.
    pub const LIFETIME: Lifetime = Lifetime::from_secs(120);

    /// Signs the token.
    ///
    /// # Errors
    /// [`MintError::Reserved`], [`MintError::Sign`].
    pub fn mint(&self, key: &dyn Sign) -> Result<String, MintError> {
        if let Some(name) = self.user_claims.keys().find(|name| RESERVED.contains(&name.as_str())) {
            return Err(MintError::Reserved(name.clone()));
        }
        Ok(jws::sign(TYP, key, &self.payload())?)
    }

    fn payload(&self) -> Map<String, Value> {
        let mut payload = self.user_claims.clone();
        let mut claim = |name: &str, value: Value| payload.insert(name.to_owned(), value);
        claim("iss", json!(self.iss));
        claim("sub", json!(self.sub));
        claim("aud", json!(self.aud));
        claim("exp", json!(self.exp));
        claim("iat", json!(self.iat));
        claim("jti", json!(self.jti));
        claim("email", json!(self.email.address()));
        claim("email_verified", json!(true));
        claim("ticket_challenge", json!(self.ticket_challenge.to_string()));
        claim("resource", json!(self.resource));
        if let Some(client_id) = self.client_id.as_ref().filter(|id| id.is_url()) {
            claim("client_id", json!(client_id));
        }
        match &self.act {
            Some(act) => drop(claim("act", act.to_claim())),
            None if !self.amr.is_empty() => drop(claim("amr", json!(self.amr))),
            None => {}
        }
        payload
    }
}
