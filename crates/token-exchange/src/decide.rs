//! The decision. [RFC 8693 §2.1, §2.2.2]
//!
//! [RFC 8693 §2.1, §2.2.2]: https://www.rfc-editor.org/rfc/rfc8693#section-2.1

mod products;

use countersign_claims_token::VerifiedEmail;
use countersign_identity_propagation::actor_token::VerifiedActor;
use countersign_jwt::act::{ActError, Actor, ActorChain};
use countersign_jwt::cnf::Confirmation;
use countersign_permission_ticket::TicketChallenge;
use countersign_types::{ClientId, Issuer, Lifetime, ResourceIdentifier, ScopeSet, Timestamp};
use serde_json::{Map, Value};

use self::products::{access_token, claims_token, identity_token};
use crate::delegation::{Delegation, Issued};
use crate::error::ExchangeError;
use crate::narrow;
use crate::people::Account;
use crate::policy::{ExchangePolicy, JwtProfile};
use crate::request::{ExchangeRequest, Wanted};
use crate::requester::Requester;
use crate::subject::Subject;

/// The longest `act` claim that is issued, in octets: a token ends at 16 KiB, and other parties
/// read it.
const MAX_ACT: usize = 4 * 1024;

/// What has been established before deciding. Every field but the policy and the time is evidence.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who asks.
    pub client: Requester<'a>,
    /// On whose behalf; only [`crate::subject`] can make one.
    pub subject: &'a Subject,
    /// Who acts, if the request carried an actor token; only an actor token of this very client
    /// makes one.
    pub actor: Option<&'a VerifiedActor>,
    /// Whom the user directory has under the address in question.
    pub account: Account<'a>,
    /// The key that whoever asks has proved: what is issued is bound to it. [RFC 9449 §5]
    ///
    /// [RFC 9449 §5]: https://www.rfc-editor.org/rfc/rfc9449#section-5
    pub proved: Option<Confirmation>,
    /// The rules.
    pub policy: ExchangePolicy<'a>,
    /// The time of the request.
    pub now: Timestamp,
}

/// What is granted.
#[derive(Debug)]
pub struct Grant {
    /// On whose behalf.
    pub subject: String,
    /// To whom.
    pub client_id: ClientId,
    /// When it is issued.
    pub issued_at: Timestamp,
    /// When it ends, never later than the subject token.
    pub expires: Timestamp,
    /// The key that it is bound to.
    pub confirmation: Option<Confirmation>,
    /// Who acts for the subject.
    pub act: Option<ActorChain>,
    /// How the person signed in, as the subject token says.
    pub amr: Vec<String>,
    /// What is issued.
    pub product: Product,
    /// Whether the request asked for a JWT, which the response then names as the issued type.
    pub as_jwt: bool,
    /// The rules of the delegation policy that permitted it, by name.
    pub rules: Vec<String>,
    /// Whether the client is told of them.
    pub explained: bool,
}

/// What is issued.
#[derive(Debug)]
pub enum Product {
    /// A claims token.
    ClaimsToken(GrantedClaims),
    /// An access token.
    AccessToken {
        /// The resource servers it is for.
        audiences: Vec<String>,
        /// What it allows.
        scope: ScopeSet,
        /// The person's e-mail address, where the policy has the token carry it.
        email: Option<VerifiedEmail>,
        /// Roles, and claims about the person, that an issuer of another subject token is believed.
        user_claims: Map<String, Value>,
        /// The tokens that it is exchanged out of, first the one that the chain began with.
        derived_from: Vec<String>,
        /// The grant that it all derives from.
        grant_id: Option<String>,
        /// For how long it may be refreshed, if the client asked for that and may.
        renewal: Option<Lifetime>,
    },
    /// An identity token.
    IdentityToken {
        /// The relying party it is for.
        audience: ResourceIdentifier,
        /// The person's e-mail address.
        email: VerifiedEmail,
        /// Who acts for the person.
        act: ActorChain,
    },
}

/// What a claims token says.
#[derive(Debug)]
pub struct GrantedClaims {
    /// The authorization server it is for.
    pub audience: Issuer,
    /// The resource server it is for.
    pub resource: ResourceIdentifier,
    /// The challenge of the ticket it is bound to.
    pub ticket_challenge: TicketChallenge,
    /// The person's e-mail address.
    pub email: VerifiedEmail,
    /// Further claims about the person.
    pub user_claims: Map<String, Value>,
}

/// Decides a token exchange. Same arguments, same answer.
///
/// # Errors
/// Every [`ExchangeError`] that [`crate::request::parse`], [`crate::subject::verify`],
/// [`crate::foreign`] and the verification of an actor token do not report.
pub fn decide(request: &ExchangeRequest, facts: &Facts<'_>) -> Result<Grant, ExchangeError> {
    admit(facts.client, facts.policy)?;
    admit_subject(facts.client, facts.subject, facts.policy)?;
    require_own_word(request.wanted, facts.subject)?;
    let act = acting(request, facts)?;
    let grant = match request.wanted {
        Wanted::ClaimsToken => claims_token(request, facts, act),
        Wanted::AccessToken => access_token(request, facts, act, false),
        Wanted::TargetProfile => {
            require_access_token_profile(request, facts)?;
            access_token(request, facts, act, true)
        }
        Wanted::IdentityToken => identity_token(request, facts, act),
    }?;
    permitted(grant, facts)
}

/// Decides whether the client may use the grant at all, before anything it sent is looked at.
///
/// # Errors
/// [`ExchangeError::Client`], [`ExchangeError::PublicClient`].
pub fn admit(client: Requester<'_>, policy: ExchangePolicy<'_>) -> Result<(), ExchangeError> {
    let by_holding = policy.client.claims_endpoint || matches!(client, Requester::Client(_));
    if !policy.client.may_exchange || !by_holding {
        return Err(ExchangeError::Client(client.id().clone()));
    }
    if !client.is_confidential() && !policy.server.public_clients {
        return Err(ExchangeError::PublicClient(client.id().clone()));
    }
    Ok(())
}

/// Decides whether the client may exchange this subject token. A client that holds somebody's token
/// may not speak for them unless the token was issued to it, or for it, or names it as an actor, or
/// the two clients are a configured pair. For a token of another issuer, that was established with
/// the subject.
///
/// A public client proves nothing, so that whoever else a token is for could pass for it: it takes
/// a token that is for this server alone, or one that is bound to the key it proved.
///
/// # Errors
/// [`ExchangeError::SubjectClient`].
pub fn admit_subject(
    client: Requester<'_>,
    subject: &Subject,
    policy: ExchangePolicy<'_>,
) -> Result<(), ExchangeError> {
    let id = client.id();
    if let Some(foreign) = &subject.foreign {
        let is_admitted = foreign.exchanged_by.as_ref() == Some(id);
        return if is_admitted { Ok(()) } else { Err(ExchangeError::SubjectClient(id.clone())) };
    }
    let proves_nothing = matches!(client, Requester::Client(client) if !client.is_confidential());
    if proves_nothing && !subject.is_held_by_one(&policy.server.issuer) {
        return Err(ExchangeError::SubjectClient(id.clone()));
    }
    let own = subject.is_issued_to(id);
    let addressed = subject.audience().iter().any(|audience| audience == id.as_str());
    let named = subject
        .may_act()
        .is_some_and(|may_act| may_act.names(&client_as_actor(id), subject.issuer()));
    let pair = policy.client.subjects_of.iter().any(|of| of.as_str() == subject.client_id());
    if own || addressed || named || pair {
        Ok(())
    } else {
        Err(ExchangeError::SubjectClient(id.clone()))
    }
}

/// Who acts in the token to be issued: whoever newly does, in front of those who acted before. The
/// limits hold whether somebody is added or not: they may have been others when the subject token
/// was issued.
fn acting(
    request: &ExchangeRequest,
    facts: &Facts<'_>,
) -> Result<Option<ActorChain>, ExchangeError> {
    let chain = match (facts.subject.act().cloned(), newly_acting(request, facts)?) {
        (before, None) => before,
        // Who acts already does not take over from itself.
        (Some(chain), Some(actor)) if *chain.current() == actor => Some(chain),
        (Some(chain), Some(actor)) => Some(chain.delegated_to(actor).map_err(ExchangeError::Act)?),
        (None, Some(actor)) => Some(ActorChain::new(actor)),
    };
    let Some(chain) = chain else { return Ok(None) };
    if chain.depth() > facts.policy.server.max_actors {
        return Err(ExchangeError::Act(ActError::Depth));
    }
    if chain.to_claim().to_string().len() > MAX_ACT {
        return Err(ExchangeError::ActSize);
    }
    Ok(Some(chain))
}

/// The actor token's actor, or a client that is not the one the subject token was issued to.
fn newly_acting(
    request: &ExchangeRequest,
    facts: &Facts<'_>,
) -> Result<Option<Actor>, ExchangeError> {
    let client = facts.client.id();
    let own = facts.subject.is_issued_to(client);
    let (is_foreign, before) = (facts.subject.foreign.is_some(), facts.subject.act());
    let actor = match facts.actor {
        Some(_) if !facts.policy.client.may_act => {
            return Err(ExchangeError::ActorNotAllowed(client.clone()));
        }
        Some(verified) => verified.actor().clone(),
        // The subject token was issued to this very client: nobody new acts.
        None if own => match request.wanted {
            Wanted::ClaimsToken if facts.subject.is_client() => client_as_actor(client),
            Wanted::ClaimsToken => return Ok(None),
            _ if facts.policy.client.may_impersonate || before.is_some() => {
                return Ok(None);
            }
            _ => client_as_actor(client),
        },
        // Whoever another issuer's token says already acts does not speak here for itself, and whom
        // it says may act has to be named.
        None if is_foreign
            && facts.policy.client.may_impersonate
            && before.is_none()
            && facts.subject.may_act().is_none() =>
        {
            return Ok(None);
        }
        None => client_as_actor(client),
    };
    // RFC 8693 §4.4: where the claim is there, nobody else becomes the actor.
    match facts.subject.may_act() {
        Some(may_act) if !may_act.names(&known_as(&actor, facts), facts.subject.issuer()) => {
            Err(ExchangeError::MayAct)
        }
        _ => Ok(Some(actor)),
    }
}

/// The actor as the issuer of the subject token would have to name it: its own clients by what it
/// calls them, and those of this server by this server's name.
fn known_as(actor: &Actor, facts: &Facts<'_>) -> Actor {
    let own = facts.policy.server.issuer.as_str();
    let iss = actor.iss.clone().or_else(|| facts.subject.foreign.as_ref().map(|_| own.to_owned()));
    Actor { iss, ..actor.clone() }
}

/// A person's own word at other servers, and what names a person by an address alone, rests on an
/// account of this server: there the person agreed, and there the address was verified.
fn require_own_word(wanted: Wanted, subject: &Subject) -> Result<(), ExchangeError> {
    match wanted {
        Wanted::ClaimsToken | Wanted::IdentityToken if subject.foreign.is_some() => {
            Err(ExchangeError::ForeignProduct)
        }
        _ => Ok(()),
    }
}

/// Asks the delegation policy about what would be granted, if somebody acts or takes the subject's
/// place. A person's own claims token needs the person's consent instead.
fn permitted(mut grant: Grant, facts: &Facts<'_>) -> Result<Grant, ExchangeError> {
    let none = ScopeSet::empty();
    let (issued, targets, scope) = match &grant.product {
        Product::ClaimsToken { .. } if grant.act.is_none() => return Ok(grant),
        Product::ClaimsToken(GrantedClaims { audience, resource, .. }) => {
            let targets = vec![audience.as_str().to_owned(), resource.as_str().to_owned()];
            (Issued::ClaimsToken, targets, &none)
        }
        Product::AccessToken { audiences, scope, .. } => {
            (Issued::AccessToken, audiences.clone(), scope)
        }
        Product::IdentityToken { audience, .. } => {
            (Issued::IdentityToken, vec![audience.as_str().to_owned()], &none)
        }
    };
    let email = match &grant.product {
        Product::ClaimsToken(claims) => Some(claims.email.clone()),
        _ => VerifiedEmail::from_claims(facts.subject.claims()).ok(),
    };
    let verdict = facts.policy.delegation.assess(&Delegation {
        client: facts.client.id(),
        subject: &grant.subject,
        email: email.as_ref().map(VerifiedEmail::address),
        act: grant.act.as_ref(),
        issued,
        targets: &targets,
        scope,
    });
    if !verdict.permitted {
        let named = matches!(grant.product, Product::ClaimsToken(_)) && facts.subject.is_client();
        let explained = grant.explained && !named;
        return Err(ExchangeError::Delegation { rules: verdict.rules, explained, named });
    }
    grant.rules = verdict.rules;
    Ok(grant)
}

fn require_access_token_profile(
    request: &ExchangeRequest,
    facts: &Facts<'_>,
) -> Result<(), ExchangeError> {
    let mut targets = request.resources.iter().chain(&request.audiences).peekable();
    let profiled = targets.peek().is_some()
        && targets.all(|name| {
            narrow::registered(facts.policy.server, name)
                .is_some_and(|target| target.jwt_profile == Some(JwtProfile::AccessToken))
        });
    if profiled { Ok(()) } else { Err(ExchangeError::NoProfile) }
}

fn client_as_actor(id: &ClientId) -> Actor {
    Actor { sub: id.as_str().to_owned(), iss: None, client_id: Some(id.as_str().to_owned()) }
}

#[cfg(test)]
pub(crate) mod tests;

#[cfg(test)]
mod acting_tests;
