//! What is granted is what was asked for, as far as everybody allows it.
//!
//! One function computes scope, audience and lifetime for every product, so that no path forgets a
//! party: granted = asked ∩ subject token ∩ client ∩ server.

use countersign_types::{
    ClientId, Issuer, Lifetime, ResourceIdentifier, ScopeSet, Timestamp, UrlPattern,
};

use crate::error::ExchangeError;
use crate::policy::{ExchangePolicy, RegisteredTarget, ServerPolicy};
use crate::request::ExchangeRequest;
use crate::subject::{Subject, SubjectError};

/// The bounds that depend on what is issued.
#[derive(Clone, Copy)]
pub(crate) struct Bounds<'a> {
    /// The audiences the client may obtain this product for.
    pub(crate) audiences: &'a [UrlPattern],
    /// Whether the product carries scope.
    pub(crate) scoped: bool,
    /// How long the product lives at most.
    pub(crate) lifetime: Lifetime,
}

/// What remains after everybody's limits.
#[derive(Debug)]
pub(crate) struct Narrowed {
    pub(crate) scope: ScopeSet,
    pub(crate) expires: Timestamp,
}

/// Narrows a request for the scope `asked`, or for all that is allowed. The targets are in their
/// resolved form.
///
/// A target or scope that is asked for and not allowed refuses the request; nothing is dropped in
/// silence, and asking for more never helps.
pub(crate) fn narrow(
    asked: Option<ScopeSet>,
    targets: &Targets,
    (subject, client): (&Subject, &ClientId),
    policy: ExchangePolicy<'_>,
    bounds: Bounds<'_>,
    now: Timestamp,
) -> Result<Narrowed, ExchangeError> {
    for audience in &targets.audiences {
        if !bounds.audiences.iter().any(|pattern| pattern.matches(audience)) {
            let client = client.clone();
            return Err(ExchangeError::Audience { client, audience: audience.clone() });
        }
    }
    for target in targets.audiences.iter().chain(&targets.resources) {
        if policy.server.denies(target) {
            return Err(ExchangeError::ResourceDenied(target.clone()));
        }
    }

    let allowed = if bounds.scoped {
        subject.scope().intersection(&policy.client.scopes)
    } else {
        ScopeSet::empty()
    };
    let scope = match asked {
        Some(asked) if !asked.is_subset(&allowed) => return Err(ExchangeError::Scope),
        Some(asked) => asked,
        None => allowed,
    };

    let expires = now.after(bounds.lifetime).min(subject.expires());
    if expires <= now {
        return Err(SubjectError::Expired.into());
    }
    Ok(Narrowed { scope, expires })
}

/// The targets of a request, names replaced by what they stand for.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    pub(crate) audiences: Vec<String>,
    pub(crate) resources: Vec<String>,
}

/// For a claims token: exactly one authorization server and exactly one resource server. A
/// registered name, in either parameter, stands for both.
pub(crate) fn claims_token_target(
    request: &ExchangeRequest,
    server: &ServerPolicy,
) -> Result<(Issuer, ResourceIdentifier), ExchangeError> {
    let audience = at_most_one(&request.audiences)?;
    let resource = at_most_one(&request.resources)?;
    let named = |text: Option<&str>| text.and_then(|name| registered(server, name));
    let mut audiences = Vec::new();
    let mut resources = Vec::new();
    for target in [named(audience), named(resource)].into_iter().flatten() {
        audiences.push(target.audience.clone());
        resources.push(target.resource.clone());
    }
    if let (Some(text), None) = (audience, named(audience)) {
        audiences.push(Issuer::parse(text).map_err(|_| ExchangeError::TargetForm)?);
    }
    if let (Some(text), None) = (resource, named(resource)) {
        resources.push(ResourceIdentifier::parse(text).map_err(|_| ExchangeError::TargetForm)?);
    }
    Ok((one_value(audiences)?, one_value(resources)?))
}

/// For an identity token: exactly one relying party, by identifier or by name, in `resource`, in
/// `audience`, or as the one that the actor token is made out to. Whoever is named is the same.
pub(crate) fn identity_token_target(
    request: &ExchangeRequest,
    server: &ServerPolicy,
    made_out_to: Option<&ResourceIdentifier>,
) -> Result<ResourceIdentifier, ExchangeError> {
    let named = request.resources.iter().chain(&request.audiences);
    let named = named.map(|text| resolve(server, text)).collect::<Result<Vec<_>, _>>()?;
    let target = match (named.is_empty(), made_out_to) {
        (true, None) => return Err(ExchangeError::NoActorTarget),
        (true, Some(target)) => target.clone(),
        (false, _) => one_value(named)?,
    };
    if made_out_to.is_some_and(|other| *other != target) {
        return Err(ExchangeError::ActorTarget);
    }
    if target.as_str() == server.issuer.as_str() {
        return Err(ExchangeError::ResourceDenied(target.as_str().to_owned()));
    }
    Ok(target)
}

/// A resource server, by identifier or by name.
fn resolve(server: &ServerPolicy, text: &str) -> Result<ResourceIdentifier, ExchangeError> {
    match registered(server, text) {
        Some(target) => Ok(target.resource.clone()),
        None => ResourceIdentifier::parse(text).map_err(|_| ExchangeError::TargetForm),
    }
}

/// Checks that an actor token that is made out to a target is made out to one of these.
pub(crate) fn require_actor_target(
    made_out_to: Option<&ResourceIdentifier>,
    targets: &Targets,
) -> Result<(), ExchangeError> {
    let known = |target: &ResourceIdentifier| {
        targets.audiences.iter().chain(&targets.resources).any(|it| it == target.as_str())
    };
    if made_out_to.is_none_or(known) { Ok(()) } else { Err(ExchangeError::ActorTarget) }
}

/// For an access token: at least one resource server, by identifier or by name, or the one that the
/// actor token is made out to.
pub(crate) fn access_token_targets(
    request: &ExchangeRequest,
    server: &ServerPolicy,
    made_out_to: Option<&ResourceIdentifier>,
) -> Result<Vec<String>, ExchangeError> {
    let mut targets = Vec::new();
    for text in request.resources.iter().chain(&request.audiences) {
        let identifier = resolve(server, text)?;
        if !targets.iter().any(|known| known == identifier.as_str()) {
            targets.push(identifier.as_str().to_owned());
        }
    }
    if let (true, Some(target)) = (targets.is_empty(), made_out_to) {
        targets.push(target.as_str().to_owned());
    }
    if targets.is_empty() {
        return Err(ExchangeError::TargetForm);
    }
    Ok(targets)
}

/// The registered target of this name.
pub(crate) fn registered<'a>(server: &'a ServerPolicy, name: &str) -> Option<&'a RegisteredTarget> {
    server.targets.iter().find(|target| target.name == name)
}

fn at_most_one(values: &[String]) -> Result<Option<&str>, ExchangeError> {
    match values {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        _ => Err(ExchangeError::TargetForm),
    }
}

fn one_value<T: PartialEq>(values: Vec<T>) -> Result<T, ExchangeError> {
    let mut values = values.into_iter();
    let first = values.next().ok_or(ExchangeError::TargetForm)?;
    if values.any(|other| other != first) {
        return Err(ExchangeError::TargetConflict);
    }
    Ok(first)
}
