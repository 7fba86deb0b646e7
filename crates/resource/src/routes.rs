//! Which request needs what: method and path, and nothing is served that is not named.

use countersign_types::ScopeSet;
use countersign_types::scope::ScopeError;
use http::Method;

use crate::path::StrictPath;

/// What callers of one method and path have to bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: published documents, health checks.
    Open,
    /// To be somebody, with these scopes.
    Caller(Requirement),
}

/// What a caller has to be allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Requirement {
    /// All of these. None at all: whoever can prove who they are.
    pub scopes: ScopeSet,
    /// The resource by its registered name, where an authorization server grants scopes by resource
    /// (UMA).
    pub resource: Option<String>,
}

/// A table from method and path to what is needed there. What it does not name is 404, or 405 where
/// the path is named for another method.
///
/// A rule is a method and a path: `GET /albums/{id}`. `{id}` stands for one segment, `{*rest}` at the
/// end for one or more; a path written out comes before one with a placeholder. `GET` stands for
/// `HEAD`, too ([RFC 9110 §9.3.2]). Paths are compared decoded, in the one spelling that
/// [`StrictPath`] lets through, so that a rule cannot be written around.
///
/// ```
/// use countersign_resource::routes::{Found, Routes};
/// use countersign_resource::StrictPath;
/// use http::Method;
///
/// let routes = Routes::new()
///     .open("GET /health")
///     .require("GET /albums/{id}", "albums.read")
///     .require("DELETE /albums/{id}", "albums.write")
///     .build()?;
/// let found = |method, path| Ok::<_, Box<dyn std::error::Error>>(routes.find(&method, &StrictPath::parse(path)?));
/// assert!(matches!(found(Method::HEAD, "/albums/7")?, Found::Need(_)));
/// assert!(matches!(found(Method::PUT, "/albums/7")?, Found::MethodNotAllowed(_)));
/// assert!(matches!(found(Method::GET, "/albums")?, Found::Nothing));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [RFC 9110 §9.3.2]: https://www.rfc-editor.org/rfc/rfc9110#section-9.3.2
#[derive(Clone, Debug)]
pub struct Routes {
    tree: matchit::Router<Vec<(Method, Need)>>,
    // INVARIANT: every need that `tree` holds, in the order they were written.
    needs: Vec<(String, Need)>,
}

/// Rules as they are written, until [`RoutesBuilder::build`] has read them.
#[derive(Clone, Debug, Default)]
pub struct RoutesBuilder {
    rules: Vec<(String, Written)>,
}

#[derive(Clone, Debug)]
enum Written {
    Open,
    Scopes { scopes: String, resource: Option<String> },
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
    /// One method and path twice, or two placeholders in one place.
    #[error("{0:?} says again what another rule says")]
    Twice(String),
}

/// What the table says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// This is needed.
    Need(&'a Need),
    /// There is nothing at this path: 404.
    Nothing,
    /// There is something, but not for this method: 405, with the methods there are.
    MethodNotAllowed(Vec<Method>),
}

impl Routes {
    /// A table without a rule: nothing is served.
    #[expect(
        clippy::new_ret_no_self,
        reason = "reads as what is being made: `Routes::new()…build()`"
    )]
    #[must_use]
    pub fn new() -> RoutesBuilder {
        RoutesBuilder::default()
    }

    /// What a request needs. Both arguments are the caller's.
    #[must_use]
    pub fn find(&self, method: &Method, path: &StrictPath) -> Found<'_> {
        let Ok(matched) = self.tree.at(path.as_str()) else { return Found::Nothing };
        let rules = matched.value;
        let of = |method: &Method| rules.iter().find(|(known, _)| known == method);
        let read = || (*method == Method::HEAD).then(|| of(&Method::GET)).flatten();
        match of(method).or_else(read) {
            Some((_, need)) => Found::Need(need),
            None => Found::MethodNotAllowed(allowed(rules)),
        }
    }

    /// Every rule with what it needs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Need)> {
        self.needs.iter().map(|(rule, need)| (rule.as_str(), need))
    }

    /// Every scope that some rule needs.
    #[must_use]
    pub fn scopes(&self) -> ScopeSet {
        self.needs.iter().fold(ScopeSet::empty(), |all, (_, need)| match need {
            Need::Open => all,
            Need::Caller(requirement) => all.union(&requirement.scopes),
        })
    }
}

fn allowed(rules: &[(Method, Need)]) -> Vec<Method> {
    let mut methods: Vec<_> = rules.iter().map(|(method, _)| method.clone()).collect();
    if methods.contains(&Method::GET) && !methods.contains(&Method::HEAD) {
        methods.push(Method::HEAD);
    }
    methods
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
            needs.push((rule.clone(), need.clone()));
            match paths.iter_mut().find(|(known, _)| *known == path) {
                Some((_, rules)) if rules.iter().any(|(known, _)| *known == method) => {
                    return Err(RoutesError::Twice(rule));
                }
                Some((_, rules)) => rules.push((method, need)),
                None => paths.push((path, vec![(method, need)])),
            }
        }
        let mut tree = matchit::Router::new();
        for (path, rules) in paths {
            tree.insert(&path, rules).map_err(|error| match error {
                matchit::InsertError::Conflict { .. } => RoutesError::Twice(path.clone()),
                _ => RoutesError::Path(path.clone()),
            })?;
        }
        Ok(Routes { tree, needs })
    }
}

impl Written {
    fn read(self, rule: &str) -> Result<Need, RoutesError> {
        match self {
            Self::Open => Ok(Need::Open),
            Self::Scopes { scopes, resource } => {
                let scopes = ScopeSet::parse(&scopes)
                    .map_err(|source| RoutesError::Scopes { rule: rule.to_owned(), source })?;
                Ok(Need::Caller(Requirement { scopes, resource }))
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Routes {
        Routes::new()
            .open("GET /health")
            .require("GET /albums", "read")
            .require("POST /albums", "read write")
            .require("GET /albums/{id}", "read")
            .open("GET /albums/cover")
            .require_at("GET /files/{*path}", "Files", "get")
            .identified("GET /me")
            .build()
            .unwrap()
    }

    #[track_caller]
    fn check(request: &str, expected: &str) {
        let (method, path) = request.split_once(' ').unwrap();
        let table = table();
        let found = table.find(&method.parse().unwrap(), &StrictPath::parse(path).unwrap());
        let found = match found {
            Found::Nothing => "404".to_owned(),
            Found::MethodNotAllowed(methods) => {
                let names: Vec<_> = methods.iter().map(Method::as_str).collect();
                format!("405 {}", names.join(" "))
            }
            Found::Need(Need::Open) => "open".to_owned(),
            Found::Need(Need::Caller(requirement)) => {
                let resource = requirement.resource.as_deref().unwrap_or("-");
                format!("{resource} [{}]", requirement.scopes)
            }
        };
        assert_eq!(found, expected, "{request}");
    }

    #[test]
    fn a_request_needs_what_its_rule_says() {
        check("GET /health", "open");
        check("GET /albums", "- [read]");
        check("HEAD /albums", "- [read]");
        check("POST /albums", "- [read write]");
        check("GET /albums/7", "- [read]");
        check("GET /albums/a%20b", "- [read]");
        check("GET /albums/cover", "open");
        check("GET /files/a", "Files [get]");
        check("GET /files/a/b", "Files [get]");
        check("GET /me", "- []");
    }

    #[test]
    fn what_is_not_named_is_not_served() {
        for request in [
            "GET /",
            "GET /album",
            "GET /albums/",
            "GET /albums/7/",
            "GET /albums/7/8",
            "GET /ALBUMS",
            "GET /files",
            "GET /files/",
        ] {
            check(request, "404");
        }
        check("DELETE /albums", "405 GET POST HEAD");
        check("HEAD /health/", "404");
        check("POST /files/a", "405 GET HEAD");
        check("get /me", "405 GET HEAD");
    }

    #[test]
    fn a_rule_that_means_nothing_is_refused() {
        for rule in ["", "GET", "/albums", "get /albums", "GET\t/albums", "G@T /a"] {
            assert!(
                matches!(Routes::new().open(rule).build(), Err(RoutesError::Rule(_))),
                "{rule}"
            );
        }
        for rule in [
            "GET albums",
            "GET ",
            "GET  /albums",
            "GET /a//b",
            "GET /a/../b",
            "GET /a;b",
            "GET /%61",
            "GET /a\\b",
            "GET /{*rest}/b",
            "GET /{}",
        ] {
            assert!(
                matches!(Routes::new().open(rule).build(), Err(RoutesError::Path(_))),
                "{rule}"
            );
        }
        let doubled = Routes::new().open("GET /a").require("GET /a", "b").build();
        assert!(matches!(doubled, Err(RoutesError::Twice(_))));
        let conflicting = Routes::new().open("GET /{a}").open("POST /{b}").build();
        assert!(matches!(conflicting, Err(RoutesError::Twice(_))));
        let scopes = Routes::new().require("GET /a", "b  c").build();
        assert!(matches!(scopes, Err(RoutesError::Scopes { .. })));
    }

    #[test]
    fn the_scopes_of_all_rules() {
        assert_eq!(table().scopes().to_string(), "get read write");
        assert_eq!(table().iter().count(), 7);
    }
}
