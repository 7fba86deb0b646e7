//! What is granted, by the kind of token that is wanted: for whom, for how long, and what it says.

use countersign_claims_token::VerifiedEmail;
use countersign_claims_token::claims::RESERVED;
use countersign_identity_propagation::actor_token::VerifiedActor;
use countersign_jwt::act::ActorChain;
use countersign_types::{ResourceIdentifier, Timestamp};
use serde_json::{Map, Value};

use super::{Facts, Grant, GrantedClaims, Product};
use crate::error::ExchangeError;
use crate::narrow::{self, Bounds, Targets};
use crate::people::{self, About, person};
use crate::policy::CLAIMS_PROVIDER;
use crate::renewal;
use crate::request::ExchangeRequest;
use crate::subject::Subject;

/// A claims token for the ticket whose challenge the client shows.
pub(super) fn claims_token(
    request: &ExchangeRequest,
    facts: &Facts<'_>,
    act: Option<ActorChain>,
) -> Result<Grant, ExchangeError> {
    let subject = facts.subject;
    // Nobody could ask for the proof: its reader would have to refuse it.
    if facts.proved.is_some() {
        return Err(ExchangeError::BindingMisplaced);
    }
    if !subject.scope().contains(CLAIMS_PROVIDER) {
        return Err(ExchangeError::Consent);
    }
    let ticket_challenge = request.ticket_challenge.clone().ok_or(ExchangeError::NoProfile)?;
    let (audience, resource) = narrow::claims_token_target(request, facts.policy.server)?;
    let targets = Targets {
        audiences: vec![audience.as_str().to_owned()],
        resources: vec![resource.as_str().to_owned()],
    };
    narrow::require_actor_target(made_out_to(facts), &targets)?;
    let bounds = Bounds {
        audiences: &facts.policy.client.claims_token_audiences,
        scoped: false,
        lifetime: facts.policy.server.claims_token_lifetime,
    };
    let who = (subject, facts.client.id());
    let narrowed =
        narrow::narrow(request.scope.clone(), &targets, who, facts.policy, bounds, facts.now)?;
    // Whom a client names comes last: what else it asks for is refused alike whoever exists.
    let About { subject: about, email, claims } = people::about(request, facts)?;
    let user_claims = released_claims(facts, &claims);
    let granted = GrantedClaims { audience, resource, ticket_challenge, email, user_claims };
    let product = Product::ClaimsToken(granted);
    Ok(Grant { subject: about, ..grant(facts, act, narrowed.expires, product, true) })
}

/// An access token, for other servers or, for an exchange onward, for this one, too.
pub(super) fn access_token(
    request: &ExchangeRequest,
    facts: &Facts<'_>,
    act: Option<ActorChain>,
    as_jwt: bool,
) -> Result<Grant, ExchangeError> {
    if request.email_address.is_some() {
        person(request, facts.subject)?;
    }
    let server = facts.policy.server;
    let audiences = narrow::access_token_targets(request, server, made_out_to(facts))?;
    let own = |target: &String| target == server.issuer.as_str();
    let (onward, others): (Vec<_>, Vec<_>) = audiences.iter().cloned().partition(own);
    // For this server alone a token would be of use only for renewing itself. And whom another
    // issuer names has no account here that could end, so that nothing rests on one.
    let may_go_on = facts.policy.client.may_delegate_onward && facts.subject.foreign.is_none();
    if !onward.is_empty() && (others.is_empty() || !may_go_on) {
        return Err(ExchangeError::ResourceDenied(server.issuer.as_str().to_owned()));
    }
    let targets = Targets { audiences: others, resources: Vec::new() };
    narrow::require_actor_target(made_out_to(facts), &targets)?;
    let bounds = Bounds {
        audiences: &facts.policy.client.access_token_audiences,
        scoped: true,
        lifetime: facts.policy.server.access_token_lifetime,
    };
    let who = (facts.subject, facts.client.id());
    let is_own = act.is_none() && facts.proved.is_none();
    let (scope, renewal) = renewal::asked(request.scope.clone(), facts.subject, &audiences, is_own);
    let narrowed = narrow::narrow(scope, &targets, who, facts.policy, bounds, facts.now)?;
    let carries_email = facts.policy.client.email_in_access_token;
    let foreign = facts.subject.foreign.as_ref();
    let product = Product::AccessToken {
        audiences,
        scope: narrowed.scope,
        email: VerifiedEmail::from_claims(facts.subject.claims()).ok().filter(|_| carries_email),
        user_claims: foreign.map(|it| it.user_claims.clone()).unwrap_or_default(),
        derived_from: facts.subject.lineage()?,
        grant_id: facts.subject.grant_id().map(str::to_owned),
        renewal,
    };
    Ok(grant(facts, act, narrowed.expires, product, as_jwt))
}

/// An identity token for one relying party, by the client that acts.
pub(super) fn identity_token(
    request: &ExchangeRequest,
    facts: &Facts<'_>,
    act: Option<ActorChain>,
) -> Result<Grant, ExchangeError> {
    // The relying party knows a client by its URL and by nothing else.
    let not_allowed = || ExchangeError::ActorNotAllowed(facts.client.id().clone());
    if facts.actor.is_none() || !facts.client.id().is_url() {
        return Err(not_allowed());
    }
    let chain = act.clone().ok_or_else(not_allowed)?;
    let email = person(request, facts.subject)?;
    let audience = narrow::identity_token_target(request, facts.policy.server, made_out_to(facts))?;
    let targets = Targets { audiences: vec![audience.as_str().to_owned()], resources: Vec::new() };
    let bounds = Bounds {
        audiences: &facts.policy.client.identity_token_audiences,
        scoped: false,
        lifetime: facts.policy.server.identity_token_lifetime,
    };
    let who = (facts.subject, facts.client.id());
    let narrowed =
        narrow::narrow(request.scope.clone(), &targets, who, facts.policy, bounds, facts.now)?;
    let product = Product::IdentityToken { audience, email, act: chain };
    Ok(grant(facts, act, narrowed.expires, product, true))
}

/// The target that the actor token is made out to, if there is such a token.
fn made_out_to<'a>(facts: &Facts<'a>) -> Option<&'a ResourceIdentifier> {
    facts.actor.and_then(VerifiedActor::target)
}

fn grant(
    facts: &Facts<'_>,
    act: Option<ActorChain>,
    expires: Timestamp,
    product: Product,
    as_jwt: bool,
) -> Grant {
    Grant {
        subject: facts.subject.subject().to_owned(),
        client_id: facts.client.id().clone(),
        issued_at: facts.now,
        expires,
        confirmation: facts.proved,
        amr: if act.is_none() { amr(facts.subject) } else { Vec::new() },
        act,
        product,
        as_jwt,
        rules: Vec::new(),
        explained: facts.policy.server.explain_to.contains(facts.client.id()),
    }
}

fn released_claims(facts: &Facts<'_>, claims: &Map<String, Value>) -> Map<String, Value> {
    let mut released = Map::new();
    for name in &facts.policy.server.user_claims {
        if RESERVED.contains(&name.as_str()) {
            continue;
        }
        if let Some(value) = claims.get(name) {
            released.insert(name.clone(), value.clone());
        }
    }
    released
}

fn amr(subject: &Subject) -> Vec<String> {
    let methods = subject.claims().get("amr").and_then(Value::as_array);
    methods.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
