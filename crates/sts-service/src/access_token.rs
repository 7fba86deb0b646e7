//! Access tokens as this server mints them. [RFC 9068 §2]
//!
//! [RFC 9068 §2]: https://www.rfc-editor.org/rfc/rfc9068#section-2

use countersign_jwt::act::ActorChain;
use countersign_jwt::cnf::Confirmation;
use countersign_jwt::{Sign, SignError, sign};
use countersign_token_exchange::subject::TYP;
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, EmailAddress, Issuer, ScopeSet, Timestamp};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

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
    /// The key that the token is bound to. [RFC 9449 §6.1](https://www.rfc-editor.org/rfc/rfc9449#section-6.1)
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_claim")]
    pub(crate) cnf: Option<Confirmation>,
    /// Claims about the person, of names that mean nothing else here.
    #[serde(flatten)]
    pub(crate) user_claims: Map<String, Value>,
}

impl AccessTokenClaims<'_> {
    pub(crate) fn mint(&self, key: &dyn Sign) -> Result<AccessToken, SignError> {
        sign(TYP, key, self).map(AccessToken::new)
    }
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

/// The `token_type` of an access token. [RFC 9449 §5](https://www.rfc-editor.org/rfc/rfc9449#section-5)
pub(crate) const fn token_type(cnf: Option<Confirmation>) -> &'static str {
    if cnf.is_some() { "DPoP" } else { "Bearer" }
}

fn as_text<S: Serializer>(scope: &&ScopeSet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(scope)
}
