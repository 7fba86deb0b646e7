//! On whose behalf a request is made: what a subject token of this server proves, and what is known
//! of whoever's token. [RFC 8693 §2.1], [RFC 9068 §4]
//!
//! [RFC 8693 §2.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.1
//! [RFC 9068 §4]: https://www.rfc-editor.org/rfc/rfc9068#section-4

use countersign_jwt::act::{ActError, ActorChain, MayAct};
use countersign_jwt::cnf::Confirmation;
use countersign_jwt::{
    Algorithm, ClaimError, Claims, KeySet, Malformed, Policy, Typ, Unverified, VerifyError,
};
use countersign_types::scope::ScopeError;
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, Issuer, Lifetime, ScopeSet, Timestamp};
use serde_json::{Map, Value};

/// The `typ` of an access token. [RFC 9068
/// §2.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.1)
pub const TYP: &str = "at+jwt";

/// The claim that names the tokens that this one was exchanged out of, first the one that the chain
/// began with: the revocation of any ends it. One is a string, more are an array. A private name of
/// this server, which alone reads it.
pub const ORIGIN_JTI: &str = "origin_jti";

/// The most exchanges in a chain. A client that exchanges its own token adds no actor, so that the
/// limit to actors is none to these.
pub const MAX_EXCHANGES: usize = 8;

/// The claim that names what a person allowed a client: the token counts while that does. A private
/// name of this server, too.
pub const GRANT_ID: &str = "grant_id";

/// Why a subject token was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// Neither a signed JWT nor known here, so no access token of this server.
    #[error("not a signed JWT, nor an opaque token of this server")]
    Malformed(#[from] Malformed),
    /// A claim or the header is not that of a live access token of this server for this server.
    #[error("a claim is refused")]
    Claim(#[from] ClaimError),
    /// This server did not sign it.
    #[error("the signature did not verify")]
    Signature(#[from] VerifyError),
    /// `act` or `may_act` is malformed.
    #[error("act or may_act is refused")]
    Act(#[from] ActError),
    /// It is bound to a key, and the request proves none or another.
    #[error("the token is bound to a key")]
    Bound,
    /// `scope` is malformed.
    #[error("scope is malformed")]
    Scope(#[from] ScopeError),
    /// It comes out of [`MAX_EXCHANGES`] exchanges already.
    #[error("the token comes out of too many exchanges")]
    Exchanges,
    /// It was revoked.
    #[error("the token was revoked")]
    Revoked,
    /// Its life ends before anything could be issued on it.
    #[error("the token has expired")]
    Expired,
}

/// What the store says of an access token that verified. [RFC 7662 §2.2], [RFC 7009 §2]
///
/// [RFC 7009 §2]: https://www.rfc-editor.org/rfc/rfc7009#section-2
/// [RFC 7662 §2.2]: https://www.rfc-editor.org/rfc/rfc7662#section-2.2
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// Neither it, nor what it was exchanged out of, nor its grant was revoked.
    Active,
    /// One of them was.
    Revoked,
}

/// An access token that verified; whether it was revoked is not known yet.
#[derive(Debug)]
pub struct PresentedSubject(Subject);

/// A live access token of this server, whose audience includes this server, or a live token of an
/// issuer that is trusted, in the hands of a client that may exchange it ([`crate::foreign`]).
#[derive(Debug)]
pub struct Subject {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) aud: Vec<String>,
    pub(crate) client_id: String,
    pub(crate) jti: String,
    /// The tokens that it was exchanged out of, the first first.
    pub(crate) ancestors: Vec<String>,
    pub(crate) grant_id: Option<String>,
    pub(crate) expires: Timestamp,
    pub(crate) scope: ScopeSet,
    pub(crate) act: Option<ActorChain>,
    pub(crate) may_act: Option<MayAct>,
    pub(crate) claims: Claims,
    pub(crate) foreign: Option<Foreign>,
}

/// What there is to say of a subject that another issuer names.
#[derive(Debug)]
pub(crate) struct Foreign {
    pub(crate) issuer: Issuer,
    /// Who it is, in the name space of that issuer.
    pub(crate) sub: String,
    /// The client whose right to exchange the token was established.
    pub(crate) exchanged_by: Option<ClientId>,
    /// How its client may go on when the token has ended, if it may.
    pub(crate) renewal: Option<crate::renewal::Terms>,
    /// Roles of ours, and claims about the person that the issuer is believed.
    pub(crate) user_claims: Map<String, Value>,
}

/// Verifies an access token that `issuer`, this server, issued for itself. [RFC 9068 §4] One that
/// is bound to a key takes the proof of that key: `proved`.
///
/// # Errors
/// Any [`SubjectError`] but `Revoked`.
///
/// [RFC 9068 §4]: https://www.rfc-editor.org/rfc/rfc9068#section-4
pub fn verify(
    token: &AccessToken,
    keys: &KeySet,
    issuer: &Issuer,
    proved: Option<Confirmation>,
    now: Timestamp,
) -> Result<PresentedSubject, SubjectError> {
    let policy = Policy::new(Typ::Is(TYP))
        .algorithms(&[Algorithm::Es256])
        .issuer(issuer.as_str())
        .audience_includes(issuer.as_str())
        // One clock made and reads this token: there is no skew to allow for.
        .leeway(Lifetime::from_secs(0))
        .require("sub")
        .require("client_id")
        .require("iat")
        .require("jti");
    let token = Unverified::parse(token.expose())?.check(&policy, now)?;
    PresentedSubject::of(token.verify(keys)?.into_claims(), issuer, proved)
}

/// The same for an opaque access token: `kept` is what this server itself kept under its digest,
/// the claims that it would have signed. [RFC 6749 §1.4]
///
/// # Errors
/// [`SubjectError::Claim`], [`SubjectError::Bound`], [`SubjectError::Act`],
/// [`SubjectError::Scope`].
///
/// [RFC 6749 §1.4]: https://www.rfc-editor.org/rfc/rfc6749#section-1.4
pub fn of_kept(
    kept: Claims,
    issuer: &Issuer,
    proved: Option<Confirmation>,
    now: Timestamp,
) -> Result<PresentedSubject, SubjectError> {
    if kept.required_str("iss")? != issuer.as_str() {
        return Err(ClaimError::Issuer.into());
    }
    if !kept.audience()?.contains(&issuer.as_str()) {
        return Err(ClaimError::Audience.into());
    }
    if kept.required_timestamp("exp")? <= now {
        return Err(ClaimError::Expired.into());
    }
    PresentedSubject::of(kept, issuer, proved)
}

impl PresentedSubject {
    fn of(
        claims: Claims,
        issuer: &Issuer,
        proved: Option<Confirmation>,
    ) -> Result<Self, SubjectError> {
        // What is issued is bound to the key that is proved, and so to that of the subject token.
        match Confirmation::of(&claims) {
            Ok(None) => {}
            Ok(bound) if bound == proved => {}
            Ok(Some(_)) | Err(_) => return Err(SubjectError::Bound),
        }
        let act = claims.get("act").map(ActorChain::from_claim).transpose()?;
        let may_act = claims.get("may_act").map(MayAct::from_claim).transpose()?;
        Ok(Self(Subject {
            iss: issuer.as_str().to_owned(),
            sub: claims.required_str("sub")?.to_owned(),
            aud: claims.audience()?.into_iter().map(str::to_owned).collect(),
            client_id: claims.required_str("client_id")?.to_owned(),
            jti: claims.required_str("jti")?.to_owned(),
            ancestors: ancestors(&claims)?,
            grant_id: claims.str(GRANT_ID)?.map(str::to_owned),
            expires: claims.timestamp("exp")?.ok_or(ClaimError::Missing("exp"))?,
            scope: ScopeSet::parse(claims.str("scope")?.unwrap_or_default())?,
            act,
            may_act,
            claims,
            foreign: None,
        }))
    }
}

/// The identifiers of the tokens that an access token of this server was exchanged out of.
///
/// # Errors
/// [`ClaimError::WrongType`] for what is no list of them.
pub fn ancestors(claims: &Claims) -> Result<Vec<String>, ClaimError> {
    let wrong = || ClaimError::WrongType(ORIGIN_JTI);
    match claims.get(ORIGIN_JTI) {
        None => Ok(Vec::new()),
        Some(Value::String(only)) => Ok(vec![only.clone()]),
        Some(Value::Array(many)) if many.len() <= MAX_EXCHANGES => {
            let names = many.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(wrong));
            names.collect()
        }
        Some(_) => Err(wrong()),
    }
}

impl PresentedSubject {
    /// The token's identifier, to look up whether it was revoked.
    #[must_use]
    pub fn jwt_id(&self) -> &str {
        &self.0.jti
    }

    /// The identifiers of the tokens that this one was exchanged out of.
    #[must_use]
    pub fn ancestors(&self) -> &[String] {
        &self.0.ancestors
    }

    /// When the token ends.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.0.expires
    }

    /// The person and the identifier of the grant that the token was issued for, if there is one.
    #[must_use]
    pub fn grant(&self) -> Option<(&str, &str)> {
        self.0.grant_id.as_deref().map(|id| (self.0.sub.as_str(), id))
    }

    /// The subject, given what the store says of the token.
    ///
    /// # Errors
    /// [`SubjectError::Revoked`].
    pub fn unless_revoked(self, state: TokenState) -> Result<Subject, SubjectError> {
        match state {
            TokenState::Active => Ok(self.0),
            TokenState::Revoked => Err(SubjectError::Revoked),
        }
    }
}

impl Subject {
    /// Who it is, in the name space of this server.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.sub
    }

    /// The issuer of the token.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.iss
    }

    /// For whom the token was issued.
    #[must_use]
    pub fn audience(&self) -> &[String] {
        &self.aud
    }

    /// To whom the token was issued, in the name space of its issuer; empty if that does not say.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Which other issuer the token is of, and whom it names in that one's name space.
    #[must_use]
    pub fn foreign_subject(&self) -> Option<(&Issuer, &str)> {
        self.foreign.as_ref().map(|foreign| (&foreign.issuer, foreign.sub.as_str()))
    }

    /// Whether its issuer, another one, may revoke the token before it ends by itself, and a
    /// refresh token may come out of it: whoever can ask that issuer asks before, and at each
    /// refresh.
    #[must_use]
    pub fn is_to_be_asked_about(&self) -> bool {
        let renewal = self.foreign.as_ref().and_then(|foreign| foreign.renewal.as_ref());
        renewal.is_some_and(|terms| terms.is_revocable)
    }

    /// Whether the token was issued to this client of this server.
    #[must_use]
    pub fn is_issued_to(&self, client: &ClientId) -> bool {
        self.foreign.is_none() && self.client_id == client.as_str()
    }

    /// Whether nobody but the client that the token was issued to can have shown it: it is for
    /// `server` alone, or bound to a key.
    pub(crate) fn is_held_by_one(&self, server: &Issuer) -> bool {
        // INVARIANT: a key that the token is bound to was proved.
        matches!(self.audience(), [only] if only == server.as_str())
            || matches!(Confirmation::of(&self.claims), Ok(Some(_)))
    }

    /// Whether the token was issued to a client for itself, so that it speaks for nobody.
    #[must_use]
    pub fn is_client(&self) -> bool {
        self.sub == self.client_id
    }

    /// The identifiers of the tokens that one exchanged out of this one derives from: this one's is
    /// the last.
    ///
    /// # Errors
    /// [`SubjectError::Exchanges`].
    pub fn lineage(&self) -> Result<Vec<String>, SubjectError> {
        if self.ancestors.len() >= MAX_EXCHANGES {
            return Err(SubjectError::Exchanges);
        }
        Ok(self.ancestors.iter().chain([&self.jti]).cloned().collect())
    }

    /// The grant that the token was issued for.
    #[must_use]
    pub fn grant_id(&self) -> Option<&str> {
        self.grant_id.as_deref()
    }

    /// When the token ends.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    /// What the token allows.
    #[must_use]
    pub const fn scope(&self) -> &ScopeSet {
        &self.scope
    }

    /// Who acts for the subject already.
    #[must_use]
    pub const fn act(&self) -> Option<&ActorChain> {
        self.act.as_ref()
    }

    /// Who may become the actor.
    #[must_use]
    pub const fn may_act(&self) -> Option<&MayAct> {
        self.may_act.as_ref()
    }

    /// Every claim of the token; of another issuer's, the address that the issuer speaks for.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }
}
