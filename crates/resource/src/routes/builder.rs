//! Rules as they are written, read into the table.

use countersign_types::ScopeSet;
use countersign_types::scope::ScopeError;
use http::Method;

use super::need::{Action, Need, Requirement};
use super::twins::{self, Twins};
use super::{Routes, Rules};
use crate::path::StrictPath;

/// Rules as they are written, until [`RoutesBuilder::build`] has read them.
#[derive(Clone, Debug, Default)]
pub struct RoutesBuilder {
    rules: Vec<(String, Written)>,
}

#[derive(Clone, Debug)]
enum Written {
    Open,
    Scopes { scopes: String, resource: Option<String> },
    Requirement(Requirement),
}

/// Which rule cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RoutesError {
    /// Not a method, a space and a path.
    #[error("{0:?} is not a method and a path")]
    Rule(String),
    /// A path that no request has, or with a placeholder that is none.
    #[error("the path of {0:?} cannot be matched")]
    Path(String),
    /// The scopes are none.
    #[error("the scopes of {rule:?} are none")]
    Scopes {
        /// The rule.
        rule: String,
        /// What is wrong with them.
        #[source]
        source: ScopeError,
    },
    /// The action has no name, or one with other characters than a scope has; or an attribute has
    /// the name of a placeholder.
    #[error("the action of {0:?} is none")]
    Action(String),
    /// One method and path twice, or two placeholders in one place; paths that differ in case or by
    /// a slash at the end are one here.
    #[error("{0:?} says again what another rule says")]
    Twice(String),
}

impl RoutesBuilder {
    /// Everybody may.
    #[must_use]
    pub fn open(self, rule: &str) -> Self {
        self.with(rule, Written::Open)
    }

    /// Whoever can prove who they are may.
    #[must_use]
    pub fn identified(self, rule: &str) -> Self {
        self.require(rule, "")
    }

    /// Those may who have every one of these scopes, separated by single spaces.
    #[must_use]
    pub fn require(self, rule: &str, scopes: &str) -> Self {
        self.with(rule, Written::Scopes { scopes: scopes.to_owned(), resource: None })
    }

    /// Those may who have every one of these scopes at a resource, by its registered name.
    #[must_use]
    pub fn require_at(self, rule: &str, resource: &str, scopes: &str) -> Self {
        let resource = Some(resource.to_owned());
        self.with(rule, Written::Scopes { scopes: scopes.to_owned(), resource })
    }

    /// Those may whose token names this role.
    #[must_use]
    pub fn role(self, rule: &str, role: &str) -> Self {
        self.need(rule, Requirement::default().with_role(role))
    }

    /// Those may whom this server's own policy permits the action.
    #[must_use]
    pub fn by_policy(self, rule: &str, action: &str) -> Self {
        self.need(rule, Requirement::default().by_policy(Action::new(action)))
    }

    /// Those may who meet all of a requirement.
    #[must_use]
    pub fn need(self, rule: &str, requirement: Requirement) -> Self {
        self.with(rule, Written::Requirement(requirement))
    }

    fn with(mut self, rule: &str, written: Written) -> Self {
        self.rules.push((rule.to_owned(), written));
        self
    }

    /// Reads the rules.
    ///
    /// # Errors
    /// Every [`RoutesError`].
    pub fn build(self) -> Result<Routes, RoutesError> {
        let mut paths: Vec<(String, Vec<(Method, Need)>)> = Vec::new();
        let mut needs = Vec::new();
        for (rule, written) in self.rules {
            let (method, path) = parse(&rule)?;
            let need = written.read(&rule)?;
            check_action(&need, &path).map_err(|_| RoutesError::Action(rule.clone()))?;
            needs.push((rule.clone(), need.clone()));
            match paths.iter_mut().find(|(known, _)| *known == path) {
                Some((_, rules)) if rules.iter().any(|(known, _)| *known == method) => {
                    return Err(RoutesError::Twice(rule));
                }
                Some((_, rules)) => rules.push((method, need)),
                None => paths.push((path, vec![(method, need)])),
            }
        }
        let (mut tree, mut twins) = (matchit::Router::new(), Twins::default());
        for (path, by_method) in paths {
            let refused = |error| match error {
                matchit::InsertError::Conflict { .. } => RoutesError::Twice(path.clone()),
                _ => RoutesError::Path(path.clone()),
            };
            let twin = twins::of_rule(&path);
            let rules = Rules { path: path.clone(), twin, by_method };
            tree.insert(&path, rules).map_err(refused)?;
            twins.insert(&path).map_err(refused)?;
        }
        Ok(Routes { tree, twins, needs, everywhere: None })
    }
}

impl Written {
    fn read(self, rule: &str) -> Result<Need, RoutesError> {
        match self {
            Self::Open => Ok(Need::Open),
            Self::Scopes { scopes, resource } => {
                let scopes = ScopeSet::parse(&scopes)
                    .map_err(|source| RoutesError::Scopes { rule: rule.to_owned(), source })?;
                Ok(Need::Caller(Requirement { scopes, resource, ..Requirement::default() }))
            }
            Self::Requirement(requirement) => Ok(Need::Caller(requirement)),
        }
    }
}

/// The action, if there is one, is none.
struct NoAction;

fn check_action(need: &Need, path: &str) -> Result<(), NoAction> {
    let Need::Caller(Requirement { action: Some(action), .. }) = need else { return Ok(()) };
    let is_placeholder = |name: &String| {
        path.contains(&format!("{{{name}}}")) || path.contains(&format!("{{*{name}}}"))
    };
    if !is_action(&action.name) || action.attributes.keys().any(is_placeholder) {
        return Err(NoAction);
    }
    Ok(())
}

/// The characters of a scope: they need no quoting in any policy language.
fn is_action(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    (1..=128).contains(&name.len()) && name.bytes().all(allowed)
}

/// Splits a rule, and sees to it that some request can have its path.
fn parse(rule: &str) -> Result<(Method, String), RoutesError> {
    let not_a_rule = || RoutesError::Rule(rule.to_owned());
    let (method, path) = rule.split_once(' ').ok_or_else(not_a_rule)?;
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| not_a_rule())?;
    if method.as_str().bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(not_a_rule());
    }
    let written_out = path.replace(['{', '}', '*'], "");
    let has_request = StrictPath::parse(&StrictPath::encode(&written_out));
    match has_request {
        Ok(strict) if strict.as_str() == written_out => Ok((method, path.to_owned())),
        _ => Err(RoutesError::Path(rule.to_owned())),
    }
}
