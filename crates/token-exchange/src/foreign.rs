//! Subject tokens of other issuers: which are looked at, and what one has to say. [RFC 8693 §2.1]
//!
//! A token comes through here step by step, and each step is a type: what it is [`Claimed`] to be,
//! checked in all that needs no key, verified by the issuer's keys or by its word ([RFC 7662]), and
//! at last a [`Subject`], which has of the token what its issuer is believed and nothing else.
//!
//! [`Subject`]: crate::subject::Subject
//! [RFC 7662]: https://www.rfc-editor.org/rfc/rfc7662
//! [RFC 8693 §2.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.1

mod released;

use std::collections::BTreeMap;

use countersign_client_auth::AuthenticatedClient;
use countersign_jwt::act::ActError;
use countersign_jwt::{
    Checked, ClaimError, Claims, KeySet, Malformed, Policy, Typ, Unverified, VerifyError, jws,
};
use countersign_types::digest::Digest;
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, Issuer, Lifetime, Timestamp};
use serde_json::{Map, Value};

use crate::error::ExchangeError;
use crate::request::{ExchangeRequest, SubjectTokenType};
use crate::subject;
use crate::trusted_issuer::{
    Accepted, AccessTokenForm, RolesError, Subjects, TrustedIssuer, missing,
};

/// How far the clocks of an issuer and of this server may differ.
const LEEWAY: Lifetime = Lifetime::from_secs(60);

/// Why a subject token of another issuer was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForeignError {
    /// No issuer of this name is trusted.
    #[error("the issuer is not trusted")]
    Issuer,
    /// It is said to be another issuer's, and this server gave it out.
    #[error("a token of this server, said to be another issuer's")]
    Own,
    /// Not a signed JWT.
    #[error("not a signed JWT")]
    Malformed(#[from] Malformed),
    /// A claim or the header is not that of a live token of the issuer.
    #[error("a claim is refused")]
    Claim(#[from] ClaimError),
    /// The issuer did not sign it.
    #[error("the signature did not verify")]
    Signature(#[from] VerifyError),
    /// A token of another kind than it is said to be.
    #[error("the token is of another kind")]
    Kind,
    /// It is opaque, and its issuer is not asked about such tokens.
    #[error("the token is opaque, and its issuer is not asked")]
    Opaque,
    /// Its issuer does not stand by it.
    #[error("the issuer does not stand by the token")]
    Inactive,
    /// It was not made for whoever exchanges it.
    #[error("the token is for somebody else")]
    Audience,
    /// `azp` and `client_id` name two clients, or none that may have obtained an ID token.
    #[error("the token was obtained by another client")]
    AuthorizedParty,
    /// Its subject is a client.
    #[error("the subject is a client")]
    NotAPerson,
    /// It is bound to a key, and the request proves none or another.
    #[error("the token is bound to a key")]
    Bound,
    /// `act` or `may_act` is malformed.
    #[error("act or may_act is refused")]
    Act(#[from] ActError),
    /// `act` names somebody of a third issuer.
    #[error("an actor of another issuer")]
    ActorIssuer,
    /// UserInfo is about somebody else. [OpenID Connect Core §5.3.2]
    ///
    /// [OpenID Connect Core §5.3.2]: https://openid.net/specs/openid-connect-core-1_0.html#UserInfoResponse
    #[error("UserInfo is about somebody else")]
    UserInfo,
    /// A claim that has to be there is not, or has another value.
    #[error("{0} is not as required")]
    Required(String),
    /// A claim that names roles is malformed.
    #[error("a claim that names roles is refused")]
    Roles(#[from] RolesError),
    /// No account here is linked to the person, and nobody else may be meant.
    #[error("no account is linked to the person")]
    Unlinked,
    /// More claims than a token should carry.
    #[error("the claims are too large")]
    TooLarge,
}

/// What a token is, in the words of OpenID Connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    AccessToken,
    IdToken,
}

/// Whose token it is said to be, who may exchange it and on what terms.
#[derive(Clone, Debug)]
struct Terms<'a> {
    issuer: &'a TrustedIssuer,
    accepted: &'a Accepted,
    /// Whoever exchanges it; nobody where its issuer is the server that a claims provider belongs
    /// to.
    client: Option<ClientId>,
    kind: Kind,
    /// Of the token.
    digest: Digest,
}

/// A token that is said to be of a trusted issuer, in the hands of a client that may exchange such
/// tokens. Nothing else is known of it.
#[derive(Debug)]
pub enum Claimed<'a> {
    /// A signed JWT, to be verified by the issuer's keys.
    Jwt(Box<ClaimedJwt<'a>>),
    /// Anything else: its issuer has to be asked.
    Opaque(ClaimedOpaque<'a>),
}

/// A signed JWT that nobody has looked at.
#[derive(Debug)]
pub struct ClaimedJwt<'a> {
    terms: Terms<'a>,
    token: Unverified,
}

/// A token that only its issuer can read.
#[derive(Debug)]
pub struct ClaimedOpaque<'a> {
    terms: Terms<'a>,
}

/// A JWT that passed all checks that need no key.
#[derive(Debug)]
pub struct CheckedJwt<'a> {
    terms: Terms<'a>,
    token: Checked,
}

/// A token that its issuer stands by, and that was made for whoever exchanges it.
#[derive(Debug)]
pub struct ForeignSubject<'a> {
    terms: Terms<'a>,
    sub: String,
    aud: Vec<String>,
    client_id: Option<String>,
    expires: Timestamp,
    claims: Map<String, Value>,
    /// The account here that is linked to the person.
    account: Option<String>,
}

/// Finds whose token is presented, before anything is asked of anybody: `None` if the request says
/// that it is one of this server.
///
/// # Errors
/// [`ExchangeError::PublicClient`], [`ExchangeError::SubjectClient`], and
/// [`ExchangeError::ForeignToken`] for what is no JWT and for issuers that are not trusted.
pub fn identify<'a>(
    request: &ExchangeRequest,
    client: &AuthenticatedClient,
    issuers: impl IntoIterator<Item = &'a TrustedIssuer>,
) -> Result<Option<Claimed<'a>>, ExchangeError> {
    let (kind, alias) = match &request.subject_token_type {
        SubjectTokenType::AccessToken => return Ok(None),
        SubjectTokenType::AccessTokenOf(alias) => (Kind::AccessToken, Some(alias)),
        SubjectTokenType::Jwt => (Kind::AccessToken, None),
        SubjectTokenType::IdToken => (Kind::IdToken, None),
    };
    // What is issued on another's word stays with somebody who can be held to it.
    if !client.is_confidential() {
        return Err(ExchangeError::PublicClient(client.id().clone()));
    }
    let text = request.subject_token.expose();
    let token = match alias {
        // What names no algorithm is nothing that could be verified here.
        Some(_) if jws::named_algorithm(text).is_err() => None,
        _ => Some(Unverified::parse(text).map_err(ForeignError::from)?),
    };
    let claimed = token.as_ref().map(|token| token.claims().issuer()).transpose();
    let claimed = claimed.map_err(ForeignError::from)?;
    let is_meant = |issuer: &&TrustedIssuer| {
        alias.is_none_or(|alias| *alias == issuer.alias)
            && claimed.is_none_or(|claimed| claimed == issuer.issuer.as_str())
    };
    let issuer = issuers.into_iter().find(is_meant).ok_or(ForeignError::Issuer)?;
    let accepted = issuer.exchanges.get(client.id());
    let accepted = accepted.ok_or_else(|| ExchangeError::SubjectClient(client.id().clone()))?;
    let (client, digest) = (Some(client.id().clone()), request.subject_token.digest());
    let terms = Terms { issuer, accepted, client, kind, digest };
    Ok(Some(terms.claimed(token)))
}

/// An access token of the server that a claims provider belongs to, shown by whoever holds it. What
/// is no JWT is opaque. Who it speaks for is [`ForeignSubject::at_home`].
#[must_use]
pub fn shown<'a>(
    token: &AccessToken,
    issuer: &'a TrustedIssuer,
    accepted: &'a Accepted,
) -> Claimed<'a> {
    let (kind, digest) = (Kind::AccessToken, token.digest());
    let terms = Terms { issuer, accepted, client: None, kind, digest };
    terms.claimed(Unverified::parse(token.expose()).ok())
}

impl<'a> ClaimedJwt<'a> {
    /// The issuer that the token is said to be of.
    #[must_use]
    pub const fn issuer(&self) -> &'a TrustedIssuer {
        self.terms.issuer
    }

    /// Checks all that needs no key. [RFC 9068 §4], [OpenID Connect Core §3.1.3.7]
    ///
    /// # Errors
    /// [`ForeignError::Claim`], [`ForeignError::Kind`], [`ForeignError::Audience`],
    /// [`ForeignError::AuthorizedParty`].
    ///
    /// [OpenID Connect Core §3.1.3.7]: https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
    /// [RFC 9068 §4]: https://www.rfc-editor.org/rfc/rfc9068#section-4
    pub fn check(self, server: &Issuer, now: Timestamp) -> Result<CheckedJwt<'a>, ForeignError> {
        let Self { terms, token } = self;
        let form = terms.issuer.access_tokens;
        let typ = match (terms.kind, form) {
            (Kind::IdToken, _) => Typ::IsOrAbsent("JWT"),
            (Kind::AccessToken, AccessTokenForm::Keycloak) => Typ::Is("JWT"),
            (Kind::AccessToken, AccessTokenForm::Rfc9068) => Typ::Is(subject::TYP),
        };
        let mut policy = Policy::new(typ)
            .issuer(terms.issuer.issuer.as_str())
            .leeway(LEEWAY)
            .require("sub")
            .require("iat");
        if let (Kind::AccessToken, AccessTokenForm::Rfc9068) = (terms.kind, form) {
            policy = policy.require("aud").require("client_id").require("jti");
        }
        let token = token.check(&policy, now)?;
        terms.require_kind(token.claims(), form == AccessTokenForm::Keycloak)?;
        terms.require_parties(token.claims(), server)?;
        Ok(CheckedJwt { terms, token })
    }
}

impl<'a> CheckedJwt<'a> {
    /// The name of the key that signed it, as the token says. It is untrusted.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.token.header().kid()
    }

    /// Verifies the signature by the issuer's keys.
    ///
    /// # Errors
    /// [`ForeignError::Signature`], [`ForeignError::Claim`].
    pub fn verify(self, keys: &KeySet) -> Result<ForeignSubject<'a>, ForeignError> {
        let claims = self.token.verify(keys)?.into_claims();
        ForeignSubject::of(self.terms, claims)
    }
}

impl<'a> ClaimedOpaque<'a> {
    /// The issuer that the token is said to be of.
    #[must_use]
    pub const fn issuer(&self) -> &'a TrustedIssuer {
        self.terms.issuer
    }

    /// Takes the issuer's word for the token: the members of its introspection response, which says
    /// whom it is for and until when, or is refused. [RFC 7662 §2.2]
    ///
    /// # Errors
    /// [`ForeignError::Inactive`], [`ForeignError::Claim`], [`ForeignError::Kind`],
    /// [`ForeignError::Audience`], [`ForeignError::AuthorizedParty`].
    ///
    /// [RFC 7662 §2.2]: https://www.rfc-editor.org/rfc/rfc7662#section-2.2
    pub fn introspected(
        self,
        answer: Claims,
        server: &Issuer,
        now: Timestamp,
    ) -> Result<ForeignSubject<'a>, ForeignError> {
        if answer.bool("active")? != Some(true) {
            return Err(ForeignError::Inactive);
        }
        if answer.str("iss")?.is_some_and(|iss| iss != self.terms.issuer.issuer.as_str()) {
            return Err(ClaimError::Issuer.into());
        }
        let latest = now.after(LEEWAY);
        if now >= answer.required_timestamp("exp")?.after(LEEWAY) {
            return Err(ClaimError::Expired.into());
        }
        if answer.timestamp("nbf")?.is_some_and(|moment| moment > latest) {
            return Err(ClaimError::NotYetValid.into());
        }
        if answer.timestamp("iat")?.is_some_and(|moment| moment > latest) {
            return Err(ClaimError::IssuedInFuture.into());
        }
        // A server may know of other tokens than access tokens, whatever it is given as a hint.
        if answer.str("token_type")?.is_some_and(|kind| !is_usable(kind)) {
            return Err(ForeignError::Kind);
        }
        self.terms.require_kind(&answer, false)?;
        self.terms.require_parties(&answer, server)?;
        ForeignSubject::of(self.terms, answer)
    }
}

/// Whether a `token_type` is that of an access token.
/// [RFC 6750 §4](https://www.rfc-editor.org/rfc/rfc6750#section-4),
/// [RFC 9449 §5](https://www.rfc-editor.org/rfc/rfc9449#section-5)
const fn is_usable(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("Bearer") || kind.eq_ignore_ascii_case("DPoP")
}

impl<'a> Terms<'a> {
    fn claimed(self, token: Option<Unverified>) -> Claimed<'a> {
        match token {
            Some(token) => Claimed::Jwt(Box::new(ClaimedJwt { terms: self, token })),
            None => Claimed::Opaque(ClaimedOpaque { terms: self }),
        }
    }

    /// Checks what a claim `typ` says, where there is one, as Keycloak has it in every token, or
    /// where nothing else would tell an access token from an ID token.
    fn require_kind(&self, claims: &Claims, required: bool) -> Result<(), ForeignError> {
        let is_right = match (self.kind, claims.str("typ")?) {
            (Kind::AccessToken, Some(typ)) => is_usable(typ),
            (Kind::AccessToken, None) => !required,
            // Logout tokens were once without a type of their own; they are no ID tokens.
            (Kind::IdToken, typ) => typ.is_none_or(|typ| typ == "ID") && !claims.has("events"),
        };
        if is_right { Ok(()) } else { Err(ForeignError::Kind) }
    }

    /// Checks that the token was made for whoever exchanges it, and that it speaks for a person; at
    /// home, a client may speak for itself.
    fn require_parties(&self, claims: &Claims, server: &Issuer) -> Result<(), ForeignError> {
        let aud = audience(claims)?;
        let client = obtained_by(claims)?;
        match self.kind {
            Kind::AccessToken if !self.accepted.admits(server, &aud, client) => {
                return Err(ForeignError::Audience);
            }
            Kind::AccessToken => {}
            Kind::IdToken => self.require_relying_party(&aud, client, server)?,
        }
        if client == Some(claims.required_str("sub")?) && self.client.is_some() {
            return Err(ForeignError::NotAPerson);
        }
        Ok(())
    }

    /// OpenID Connect Core §3.1.3.7, 3 to 5: `aud` names a client that is expected and nobody who
    /// is not, and `azp` one that is.
    fn require_relying_party(
        &self,
        aud: &[String],
        azp: Option<&str>,
        server: &Issuer,
    ) -> Result<(), ForeignError> {
        let clients = &self.accepted.clients;
        let is_known = |audience: &String| {
            clients.contains(audience)
                || self.accepted.audiences.contains(audience)
                || audience == server.as_str()
        };
        if !aud.iter().any(|audience| clients.contains(audience)) || !aud.iter().all(is_known) {
            return Err(ForeignError::Audience);
        }
        match azp {
            Some(azp) if !clients.contains(azp) => Err(ForeignError::AuthorizedParty),
            None if aud.len() > 1 => Err(ForeignError::AuthorizedParty),
            _ => Ok(()),
        }
    }
}

impl<'a> ForeignSubject<'a> {
    fn of(terms: Terms<'a>, claims: Claims) -> Result<Self, ForeignError> {
        Ok(Self {
            sub: claims.required_str("sub")?.to_owned(),
            aud: audience(&claims)?,
            client_id: obtained_by(&claims)?.map(str::to_owned),
            expires: claims.required_timestamp("exp")?,
            claims: claims.into_map(),
            account: None,
            terms,
        })
    }

    /// Who it is, in the name space of the issuer.
    #[must_use]
    pub fn sub(&self) -> &str {
        &self.sub
    }

    /// Whether it is to be the account here that is linked to the person.
    #[must_use]
    pub fn takes_account(&self) -> bool {
        self.terms.issuer.subjects == Subjects::Linked
    }

    /// Whether its issuer says of the person what is required, each claim with one of these values.
    #[must_use]
    pub fn meets(&self, required: &BTreeMap<String, Vec<Value>>) -> bool {
        missing(required, &self.claims).is_none()
    }

    /// With the account here that is linked to the person, for an issuer whose people are those
    /// accounts ([`Subjects::Linked`]).
    #[must_use]
    pub fn with_account(mut self, subject: String) -> Self {
        self.account = Some(subject);
        self
    }

    /// Whether it is an access token that the issuer's UserInfo endpoint would take without the
    /// proof of a key.
    #[must_use]
    pub fn opens_user_info(&self) -> bool {
        self.terms.kind == Kind::AccessToken && !self.claims.contains_key("cnf")
    }
}

fn audience(claims: &Claims) -> Result<Vec<String>, ClaimError> {
    Ok(claims.audience()?.into_iter().map(str::to_owned).collect())
}

/// The client that obtained a token: `azp`, or `client_id`, or both if they agree.
fn obtained_by(claims: &Claims) -> Result<Option<&str>, ForeignError> {
    match (claims.str("azp")?, claims.str("client_id")?) {
        (Some(azp), Some(client_id)) if azp != client_id => Err(ForeignError::AuthorizedParty),
        (azp, client_id) => Ok(azp.or(client_id)),
    }
}

#[cfg(test)]
mod tests;
