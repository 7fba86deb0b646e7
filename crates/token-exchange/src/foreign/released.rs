//! What of a verified token of another issuer counts here.

use countersign_claims_token::VerifiedEmail;
use countersign_claims_token::claims::RESERVED;
use countersign_jwt::act::{Actor, ActorChain, MayAct};
use countersign_jwt::cnf::Confirmation;
use countersign_jwt::{ClaimError, Claims};
use countersign_types::{Issuer, ScopeSet};
use serde_json::{Map, Value, json};

use super::{ForeignError, ForeignSubject, Kind};
use crate::renewal::Terms;
use crate::subject::{Foreign, Subject};
use crate::trusted_issuer::{AccessTokenForm, ROLES, Subjects, TrustedIssuer, may_be_released};

/// The most octets of roles and other claims that are taken over: the token that carries them ends
/// at 16 KiB.
const MAX_RELEASED: usize = 4 * 1024;

/// What the names of the users begin with that Keycloak makes for its clients.
const SERVICE_ACCOUNT: &str = "service-account-";

/// The claims that say something about the address together, and nothing apart.
const EMAIL: &[&str] = &["email", "email_address", "email_verified"];

impl ForeignSubject<'_> {
    /// Adds what UserInfo says and the token does not. [OpenID Connect Core §5.3.2]
    ///
    /// # Errors
    /// [`ForeignError::UserInfo`] if its `sub` is not that of the token.
    ///
    /// [OpenID Connect Core §5.3.2]: https://openid.net/specs/openid-connect-core-1_0.html#UserInfoResponse
    pub fn with_user_info(mut self, user_info: Claims) -> Result<Self, ForeignError> {
        if user_info.str("sub")? != Some(&self.sub) {
            return Err(ForeignError::UserInfo);
        }
        // Whether one address was verified says nothing about another.
        let has_email = EMAIL.iter().any(|name| self.claims.contains_key(*name));
        for (name, value) in user_info.into_map() {
            let is_email = EMAIL.contains(&name.as_str());
            let may_add = if is_email { !has_email } else { !RESERVED.contains(&name.as_str()) };
            if may_add {
                self.claims.entry(name).or_insert(value);
            }
        }
        Ok(self)
    }

    /// The subject: what the issuer is believed, under a name that is of this server. A token that
    /// is bound to a key takes the proof of that key: `proved`.
    ///
    /// # Errors
    /// [`ForeignError::Bound`], [`ForeignError::NotAPerson`], [`ForeignError::Required`],
    /// [`ForeignError::Act`], [`ForeignError::ActorIssuer`], [`ForeignError::Unlinked`],
    /// [`ForeignError::Roles`], [`ForeignError::TooLarge`], [`ForeignError::Claim`].
    pub fn subject(self, proved: Option<Confirmation>) -> Result<Subject, ForeignError> {
        let trusted = self.terms.issuer;
        let claims = Claims::from_map(self.claims);
        match Confirmation::of(&claims) {
            Ok(None) => {}
            Ok(bound) if bound == proved => {}
            Ok(Some(_)) | Err(_) => return Err(ForeignError::Bound),
        }
        // To Keycloak, a client that speaks for itself is a user of a name of its own.
        if trusted.access_tokens == AccessTokenForm::Keycloak
            && claims.str("preferred_username")?.is_some_and(|it| it.starts_with(SERVICE_ACCOUNT))
        {
            return Err(ForeignError::NotAPerson);
        }
        if let Some(name) = trusted.missing(claims.as_map()) {
            return Err(ForeignError::Required(name.to_owned()));
        }
        let act = claims.get("act").map(|act| actors_of(act, &trusted.issuer)).transpose()?;
        let may_act = claims.get("may_act").map(MayAct::from_claim).transpose()?;
        let (sub, refresh) = match (trusted.subjects, self.account) {
            (Subjects::Namespaced, _) => (trusted.subject(&self.sub), self.terms.accepted.refresh),
            (Subjects::Linked, Some(account)) => (account, None),
            (Subjects::Linked, None) => return Err(ForeignError::Unlinked),
        };
        Ok(Subject {
            iss: trusted.issuer.as_str().to_owned(),
            sub,
            aud: self.aud,
            client_id: self.client_id.unwrap_or_default(),
            jti: self.terms.digest.to_base64url(),
            ancestors: Vec::new(),
            grant_id: None,
            expires: self.expires,
            scope: trusted.scopes.clone(),
            act,
            may_act,
            claims: Claims::from_map(address(trusted, &claims)),
            foreign: Some(Foreign {
                issuer: trusted.issuer.clone(),
                sub: self.sub,
                exchanged_by: self.terms.client,
                renewal: refresh.map(|lifetime| Terms {
                    lifetime,
                    audiences: self.terms.accepted.audiences.clone(),
                    required: trusted.requirements(),
                    is_revocable: self.terms.kind == Kind::AccessToken,
                }),
                user_claims: released(trusted, claims.as_map())?,
            }),
        })
    }
}

impl ForeignSubject<'_> {
    /// The subject as its issuer names it, with the scope that the issuer gave: for a claims
    /// provider that belongs to that issuer.
    ///
    /// # Errors
    /// [`ForeignError::Bound`] for a token that is bound to a key,
    /// [`ForeignError::AuthorizedParty`] for one that does not say which client it was issued to,
    /// [`ForeignError::NotAPerson`], [`ForeignError::Act`], [`ForeignError::Claim`].
    pub fn at_home(self) -> Result<Subject, ForeignError> {
        let claims = Claims::from_map(self.claims);
        // Nothing that comes of it would be bound to the key.
        if claims.has("cnf") {
            return Err(ForeignError::Bound);
        }
        let client_id = self.client_id.ok_or(ForeignError::AuthorizedParty)?;
        let name = claims.str("preferred_username")?;
        let own = name.and_then(|name| name.strip_prefix(SERVICE_ACCOUNT));
        let sub = match own.filter(|_| self.terms.issuer.access_tokens == AccessTokenForm::Keycloak)
        {
            Some(client) if client == client_id => client_id.clone(),
            Some(_) => return Err(ForeignError::NotAPerson),
            None => self.sub,
        };
        let scope = ScopeSet::parse(claims.str("scope")?.unwrap_or_default());
        Ok(Subject {
            iss: self.terms.issuer.issuer.as_str().to_owned(),
            sub,
            aud: self.aud,
            client_id,
            jti: self.terms.digest.to_base64url(),
            ancestors: Vec::new(),
            grant_id: None,
            expires: self.expires,
            scope: scope.map_err(|_| ClaimError::WrongType("scope"))?,
            act: claims.get("act").map(ActorChain::from_claim).transpose()?,
            may_act: claims.get("may_act").map(MayAct::from_claim).transpose()?,
            claims,
            foreign: None,
        })
    }
}

/// The actors that a token of this issuer names, each said to be of its name space. What clients
/// are called there means nothing here.
fn actors_of(act: &Value, issuer: &Issuer) -> Result<ActorChain, ForeignError> {
    let theirs = ActorChain::from_claim(act)?;
    let named = |actor: &Actor| match &actor.iss {
        Some(iss) if iss != issuer.as_str() => Err(ForeignError::ActorIssuer),
        _ => Ok(Actor {
            sub: actor.sub.clone(),
            iss: Some(issuer.as_str().to_owned()),
            client_id: None,
        }),
    };
    let mut earlier = theirs.prior().iter().rev().chain([theirs.current()]);
    let first = earlier.next().unwrap_or(theirs.current());
    earlier.try_fold(ActorChain::new(named(first)?), |chain, actor| {
        Ok(chain.delegated_to(named(actor)?)?)
    })
}

/// The address, if the issuer speaks for its domain and says that it verified it.
fn address(trusted: &TrustedIssuer, claims: &Claims) -> Map<String, Value> {
    let email = VerifiedEmail::from_claims(claims).ok();
    let email = email.filter(|email| trusted.email_domains.contains(email.address().domain()));
    let Some(email) = email else { return Map::new() };
    Map::from_iter([
        ("email".to_owned(), json!(email.address().as_str())),
        ("email_verified".to_owned(), json!(true)),
    ])
}

/// The claims that the issuer is believed, and the roles of ours that its roles stand for.
fn released(
    trusted: &TrustedIssuer,
    claims: &Map<String, Value>,
) -> Result<Map<String, Value>, ForeignError> {
    let believed = trusted.claims.iter().filter(|name| may_be_released(name));
    let believed = believed.filter_map(|name| claims.get_key_value(name));
    let mut released: Map<_, _> = believed.map(|(name, it)| (name.clone(), it.clone())).collect();
    let roles = trusted.roles(claims)?;
    if !roles.is_empty() {
        released.insert(ROLES.to_owned(), json!(roles));
    }
    if json!(released).to_string().len() > MAX_RELEASED {
        return Err(ForeignError::TooLarge);
    }
    Ok(released)
}
