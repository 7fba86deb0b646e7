//! The claims token as its issuer makes it.

use countersign_jwt::act::ActorChain;
use countersign_jwt::{Sign, SignError, jws};
use countersign_permission_ticket::TicketChallenge;
use countersign_types::{ClientId, EmailAddress, Issuer, Lifetime, ResourceIdentifier, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::email::VerifiedEmail;

/// The `typ` of a claims token. [RFC 8725
/// §3.11](https://www.rfc-editor.org/rfc/rfc8725#section-3.11)
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
    "auth_time",
    "sid",
    "origin_jti",
    "grant_id",
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

    fn payload(&self) -> Payload<'_> {
        let amr = if self.act.is_none() { self.amr.as_slice() } else { &[] };
        Payload {
            user_claims: &self.user_claims,
            iss: &self.iss,
            sub: &self.sub,
            aud: &self.aud,
            exp: self.exp,
            iat: self.iat,
            jti: &self.jti,
            email: self.email.address(),
            email_verified: true,
            ticket_challenge: self.ticket_challenge.to_string(),
            resource: &self.resource,
            client_id: self.client_id.as_ref().filter(|id| id.is_url()),
            act: self.act.as_ref(),
            amr,
        }
    }
}

/// The claims as they stand in the token.
///
/// INVARIANT: each name is [`RESERVED`], so none stands twice beside the user claims.
#[derive(Serialize)]
struct Payload<'a> {
    #[serde(flatten)]
    user_claims: &'a Map<String, Value>,
    iss: &'a Issuer,
    sub: &'a str,
    aud: &'a Issuer,
    exp: Timestamp,
    iat: Timestamp,
    jti: &'a str,
    email: &'a EmailAddress,
    email_verified: bool,
    ticket_challenge: String,
    resource: &'a ResourceIdentifier,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a ClientId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<&'a ActorChain>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    amr: &'a [String],
}

#[cfg(test)]
mod tests {
    use countersign_types::secret::TicketHandle;

    use super::*;

    #[test]
    fn every_claim_of_the_token_has_a_reserved_name() {
        let email = EmailAddress::parse("alice@alice.example").unwrap();
        let token = ClaimsToken {
            iss: Issuer::parse("https://sts.alice.example").unwrap(),
            sub: "alice".to_owned(),
            email: VerifiedEmail::of_own_account(email),
            ticket_challenge: TicketChallenge::of(&TicketHandle::new("t")),
            aud: Issuer::parse("https://uma.bob.example").unwrap(),
            resource: ResourceIdentifier::parse("https://rs.bob.example").unwrap(),
            iat: Timestamp::from_unix(0),
            exp: Timestamp::from_unix(1),
            jti: "j".to_owned(),
            client_id: Some(ClientId::parse("https://app.example/client").unwrap()),
            act: None,
            amr: vec!["pwd".to_owned()],
            user_claims: Map::new(),
        };
        let Value::Object(claims) = serde_json::to_value(token.payload()).unwrap() else {
            panic!("not an object")
        };
        assert_eq!(claims.len(), 12);
        for name in claims.keys().map(String::as_str).chain(["act"]) {
            assert!(RESERVED.contains(&name), "{name}");
        }
    }
}
