//! The table `[protect]`: a service of somebody else's, who may call it, and what they may do.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

use countersign_host::config::{self, ConfigError};
use countersign_resource::identity_propagation::{DomainError, Domains};
use countersign_resource::proxy::{CallerHeaders, Upstream};
use countersign_resource::routes::{Action, Requirement, RoutesBuilder};
use countersign_resource::{Identity, Introspector, ResourceDescription, Routes};
use countersign_types::{Issuer, Lifetime, ResourceIdentifier, ScopeSet};
use http::HeaderName;
use serde::Deserialize;

use super::{AuthorizationServer, proof};
use crate::protect::{BoundTokens, Callers, MAX_BODY, Protection};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProtectConfig {
    service: String,
    #[serde(default)]
    policies: Vec<PathBuf>,
    #[serde(default)]
    headers: Headers,
    #[serde(default)]
    max_body: Option<NonZeroUsize>,
    #[serde(default)]
    dpop_nonces: bool,
    callers: CallersConfig,
    rules: Vec<Rule>,
}

/// Exactly one of these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallersConfig {
    access_tokens: Option<AccessTokens>,
    introspection: Option<Introspection>,
    identity_propagation: Option<Propagation>,
    uma: Option<Uma>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessTokens {
    issuers: Vec<Issuer>,
}

/// Not flattened: then a key that is not known would go unnoticed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Introspection {
    server: AuthorizationServer,
    #[serde(default)]
    max_age: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Propagation {
    #[serde(default)]
    any_domain: bool,
    #[serde(default)]
    domains: BTreeSet<String>,
    #[serde(default)]
    issuers: BTreeMap<String, Issuer>,
    #[serde(default)]
    refused: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Uma {
    server: AuthorizationServer,
    realm: String,
    resources: Vec<UmaResource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UmaResource {
    name: String,
    scopes: ScopeSet,
    #[serde(rename = "type")]
    resource_type: Option<String>,
    description: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Headers {
    subject: Option<String>,
    issuer: Option<String>,
    client_id: Option<String>,
    actor: Option<String>,
    scope: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    rule: String,
    #[serde(default)]
    open: bool,
    #[serde(default)]
    scopes: ScopeSet,
    resource: Option<String>,
    action: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

impl ProtectConfig {
    pub(super) fn resolve(
        self,
        path: &Path,
        identifier: &ResourceIdentifier,
        tickets_per_source: NonZeroU32,
    ) -> Result<Protection, ConfigError> {
        let refuse = |key: &str, error: &dyn std::error::Error| {
            ConfigError::because(path, format!("protect.{key}"), error)
        };
        let service = Upstream::parse(&self.service).map_err(|error| refuse("service", &error))?;
        let routes = routes(path, self.rules)?;
        let routes = routes.build().map_err(|error| refuse("rules", &error))?;
        let policies: Vec<_> =
            self.policies.iter().map(|file| config::relative_to(path, file)).collect();
        if policies.is_empty() != (routes.actions().next().is_none()) {
            let reason = "policies and actions belong together: one asks what the other answers";
            return Err(ConfigError::new(path, "protect.policies", reason));
        }
        let callers = self.callers.resolve(path, identifier, tickets_per_source)?;
        if self.dpop_nonces && matches!(callers, Callers::Uma { .. }) {
            let reason =
                "requesting party tokens are bearer tokens: there is no proof to carry a nonce";
            return Err(ConfigError::new(path, "protect.dpop_nonces", reason));
        }
        Ok(Protection {
            service,
            identifier: identifier.clone(),
            callers,
            bound_tokens: if self.dpop_nonces {
                BoundTokens::TakenWithNonce
            } else {
                BoundTokens::Taken
            },
            routes,
            policies,
            headers: self.headers.resolve(path)?,
            max_body: self.max_body.unwrap_or(MAX_BODY),
        })
    }
}

fn routes(path: &Path, rules: Vec<Rule>) -> Result<RoutesBuilder, ConfigError> {
    let mut routes = Routes::new();
    for (index, rule) in rules.into_iter().enumerate() {
        let refuse = |key: &str, reason: &str| {
            Err(ConfigError::new(path, format!("protect.rules[{index}].{key}"), reason))
        };
        if rule.action.is_none() && !rule.attributes.is_empty() {
            return refuse("attributes", "nobody asks for them: there is no action");
        }
        let needs = !rule.scopes.is_empty() || rule.resource.is_some() || rule.action.is_some();
        if rule.open && needs {
            return refuse("open", "open to everybody, and something is needed");
        }
        if rule.open {
            routes = routes.open(&rule.rule);
            continue;
        }
        let mut requirement = Requirement::default().with_scopes(rule.scopes);
        if let Some(resource) = rule.resource {
            requirement = requirement.at(resource);
        }
        if let Some(name) = rule.action {
            let mut action = Action::new(name);
            action.attributes = rule.attributes;
            requirement = requirement.by_policy(action);
        }
        routes = routes.need(&rule.rule, requirement);
    }
    Ok(routes)
}

impl CallersConfig {
    fn resolve(
        self,
        path: &Path,
        identifier: &ResourceIdentifier,
        tickets_per_source: NonZeroU32,
    ) -> Result<Callers, ConfigError> {
        let refuse = |key: &str, reason: &str| {
            Err(ConfigError::new(path, format!("protect.callers{key}"), reason))
        };
        match (self.access_tokens, self.introspection, self.identity_propagation, self.uma) {
            (Some(tokens), None, None, None) if tokens.issuers.is_empty() => {
                refuse(".access_tokens.issuers", "nobody's tokens would be taken")
            }
            (Some(tokens), None, None, None) => Ok(Callers::AccessTokens(tokens.issuers)),
            (None, Some(introspection), None, None) => {
                let proof =
                    proof(path, "protect.callers.introspection.server", &introspection.server)?;
                let AuthorizationServer { issuer, client_id, .. } = introspection.server;
                let introspector = Introspector { issuer, client_id, proof };
                let max_age = Lifetime::from_secs(introspection.max_age);
                Ok(Callers::Introspected { introspector, max_age })
            }
            (None, None, Some(propagation), None) => match propagation.domains() {
                Ok(Some(domains)) => Ok(Callers::IdentityPropagation(domains)),
                Err(error) => refuse(".identity_propagation", &error.to_string()),
                Ok(None) => refuse(
                    ".identity_propagation",
                    "says either any_domain = true or whose people are taken, by domains and issuers",
                ),
            },
            (None, None, None, Some(uma)) => {
                let key = "protect.callers.uma.server";
                let proof = proof(path, key, &uma.server)?;
                let AuthorizationServer { issuer, client_id, .. } = uma.server;
                super::check_realm(path, "protect.callers.uma.realm", &uma.realm)?;
                let identity = Identity {
                    identifier: identifier.clone(),
                    realm: uma.realm,
                    authorization_server: issuer,
                    client_id,
                    proof,
                };
                let resources = uma.resources.into_iter().map(UmaResource::description).collect();
                Ok(Callers::Uma { identity: Box::new(identity), resources, tickets_per_source })
            }
            _ => refuse(
                "",
                "takes one of access_tokens, introspection, identity_propagation and uma",
            ),
        }
    }
}

impl Propagation {
    /// `None` if it is not said whose people are taken, or said twice.
    fn domains(self) -> Result<Option<Domains>, DomainError> {
        let named = !self.domains.is_empty() || !self.issuers.is_empty();
        let domains = match (self.any_domain, named) {
            (false, false) => return Ok(None),
            (true, _) if !self.domains.is_empty() => return Ok(None),
            (true, _) => Domains::any(),
            (false, true) => Domains::only(&self.domains)?,
        };
        let mut issuers = self.issuers.into_iter();
        let domains =
            issuers.try_fold(domains, |domains, (domain, issuer)| domains.with(&domain, issuer))?;
        self.refused.iter().try_fold(domains, |domains, domain| domains.without(domain)).map(Some)
    }
}

impl UmaResource {
    fn description(self) -> ResourceDescription {
        let mut description = ResourceDescription::new(self.name, self.scopes);
        description.resource_type = self.resource_type;
        description.description = self.description;
        description
    }
}

impl Headers {
    fn resolve(self, path: &Path) -> Result<CallerHeaders, ConfigError> {
        let mut headers = CallerHeaders::default();
        for (key, written, name) in [
            ("subject", self.subject, &mut headers.subject),
            ("issuer", self.issuer, &mut headers.issuer),
            ("client_id", self.client_id, &mut headers.client_id),
            ("actor", self.actor, &mut headers.actor),
            ("scope", self.scope, &mut headers.scope),
        ] {
            if let Some(written) = written {
                *name = written.parse::<HeaderName>().map_err(|error| {
                    ConfigError::because(path, format!("protect.headers.{key}"), &error)
                })?;
            }
        }
        Ok(headers)
    }
}
