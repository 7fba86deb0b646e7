//! Access tokens as this server makes them: signed, for whoever is meant to read them ([RFC 9068
//! §2]), or opaque, by the client's registration ([RFC 6749 §1.4]).
//!
//! An opaque token says nothing. What a signed one would say is kept under its digest, so that
//! whatever holds of the one holds of the other.
//!
//! [RFC 6749 §1.4]: https://www.rfc-editor.org/rfc/rfc6749#section-1.4
//! [RFC 9068 §2]: https://www.rfc-editor.org/rfc/rfc9068#section-2

use std::sync::Arc;

use countersign_jwt::act::ActorChain;
use countersign_jwt::cnf::Confirmation;
use countersign_jwt::{Claims, sign};
use countersign_store::StoreError;
use countersign_token_exchange::subject::TYP;
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, EmailAddress, Issuer, ScopeSet, Timestamp};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::app::Sts;
use crate::clients::Client;
use crate::error::TokenError;

/// What is kept of an opaque access token: the claims that it would have.
pub(crate) type Kept = Map<String, Value>;

/// The claims of an access token.
#[derive(Serialize)]
pub(crate) struct AccessTokenClaims<'a> {
    pub(crate) iss: &'a Issuer,
    pub(crate) sub: &'a str,
    #[serde(serialize_with = "one_or_many")]
    pub(crate) aud: &'a [String],
    pub(crate) client_id: &'a ClientId,
    pub(crate) iat: Timestamp,
    pub(crate) exp: Timestamp,
    pub(crate) jti: &'a str,
    #[serde(serialize_with = "as_text", skip_serializing_if = "ScopeSet::is_empty")]
    pub(crate) scope: &'a ScopeSet,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auth_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) amr: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<&'a EmailAddress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) act: Option<&'a ActorChain>,
    /// The tokens that it was exchanged out of; its name is `subject::ORIGIN_JTI`.
    #[serde(
        rename = "origin_jti",
        serialize_with = "one_or_many",
        skip_serializing_if = "<[String]>::is_empty"
    )]
    pub(crate) derived_from: &'a [String],
    /// What the person allowed, which the token ends with; its name is `subject::GRANT_ID`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) grant_id: Option<&'a str>,
    /// The key that the token is bound to. [RFC 9449
    /// §6.1](https://www.rfc-editor.org/rfc/rfc9449#section-6.1)
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_claim")]
    pub(crate) cnf: Option<Confirmation>,
    /// Claims about the person, of names that mean nothing else here.
    #[serde(flatten)]
    pub(crate) user_claims: Map<String, Value>,
}

impl AccessTokenClaims<'_> {
    /// Makes the token in the form that its client is registered for. An opaque one is on disk
    /// before it is given out.
    pub(crate) async fn issue(
        &self,
        sts: &Sts,
        client: &Client,
    ) -> Result<AccessToken, TokenError> {
        if !client.opaque_access_tokens {
            return Ok(AccessToken::new(sign(TYP, sts.keys().es256(), self)?));
        }
        let unstorable = |error| StoreError::Unstorable(Arc::new(error));
        let kept = match serde_json::to_value(self).map_err(unstorable)? {
            Value::Object(members) => members,
            // INVARIANT: a structure with names is an object.
            _ => Map::new(),
        };
        let token = sts.opaque_tokens.generate(sts.random.as_ref(), self.iat);
        sts.opaque_tokens.insert(&token, &kept, self.exp).await?;
        Ok(token)
    }
}

/// What is kept of an opaque access token, if this one is and its time is not over.
pub(crate) async fn kept(
    sts: &Sts,
    token: &AccessToken,
    now: Timestamp,
) -> Result<Option<Claims>, StoreError> {
    // A signed token has dots, and none that is made here.
    if token.expose().contains('.') {
        return Ok(None);
    }
    Ok(sts.opaque_tokens.find(token, now).await?.map(Claims::from_map))
}

fn one_or_many<S: Serializer>(values: &&[String], serializer: S) -> Result<S::Ok, S::Error> {
    match values {
        [only] => serializer.serialize_str(only),
        many => many.serialize(serializer),
    }
}

fn as_claim<S: Serializer>(cnf: &Option<Confirmation>, serializer: S) -> Result<S::Ok, S::Error> {
    cnf.map(|cnf| cnf.to_claim()).serialize(serializer)
}

/// The `token_type` of an access token. [RFC 9449
/// §5](https://www.rfc-editor.org/rfc/rfc9449#section-5)
pub(crate) const fn token_type(cnf: Option<Confirmation>) -> &'static str {
    if cnf.is_some() { "DPoP" } else { "Bearer" }
}

fn as_text<S: Serializer>(scope: &&ScopeSet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(scope)
}
