//! Which request needs what: method and path, and nothing is served that is not named.

mod twins;

use std::collections::BTreeMap;

use countersign_types::ScopeSet;
use countersign_types::scope::ScopeError;
use http::Method;

use self::twins::Twins;
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
    /// This role, which the token has to name in `roles` ([RFC 9068 §2.2.3.1]).
    ///
    /// [RFC 9068 §2.2.3.1]: https://www.rfc-editor.org/rfc/rfc9068#section-2.2.3.1
    pub role: Option<String>,
    /// The resource by its registered name, where an authorization server grants scopes by resource
    /// (UMA).
    pub resource: Option<String>,
    /// What this server's own policy has to permit.
    pub action: Option<Action>,
}

/// What the [`AccessPolicy`](crate::policy::AccessPolicy) is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Action {
    /// Its name: up to 128 visible ASCII characters but `"` and `\`, as in a scope.
    pub name: String,
    /// What is known of the resource. What the path has in a placeholder is known beside it, under the
    /// placeholder's name.
    pub attributes: BTreeMap<String, String>,
}

impl Action {
    /// An action at a resource of which nothing is known but its path.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), attributes: BTreeMap::new() }
    }

    /// With something that is known of the resource.
    #[must_use]
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }
}

impl Requirement {
    /// All of these scopes, too.
    #[must_use]
    pub fn with_scopes(mut self, scopes: ScopeSet) -> Self {
        self.scopes = scopes;
        self
    }

    /// In this role, too.
    #[must_use]
    pub fn with_role(mut self, role: impl Into<String>) -> Self {
        self.role = Some(role.into());
        self
    }

    /// At this resource, by its registered name.
    #[must_use]
    pub fn at(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// What this server's own policy has to permit, beside the scopes.
    #[must_use]
    pub fn by_policy(mut self, action: Action) -> Self {
        self.action = Some(action);
        self
    }
}

/// A table from method and path to what is needed there. What it does not name is 404, or 405 where
/// the path is named for another method.
///
/// A rule is a method and a path: `GET /albums/{id}`. `{id}` stands for one segment, `{*rest}` at the
/// end for one or more; a path written out comes before one with a placeholder. `GET` stands for
/// `HEAD`, too ([RFC 9110 §9.3.2]). Paths are compared decoded, in the one spelling that
/// [`StrictPath`] lets through.
///
/// Nor can a rule be written around by what some services overlook. `/admin/` and `/ADMIN` are not
/// the `/admin` of a rule, and a wider rule like `GET /{*rest}` does not speak of them either: they
/// are 404. `/admin/{*rest}` speaks of what is below `/admin`, not of `/admin` itself.
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
    tree: matchit::Router<Rules>,
    twins: Twins,
    // INVARIANT: every need that `tree` holds, in the order they were written.
    needs: Vec<(String, Need)>,
    /// What every path needs where there is no rule.
    everywhere: Option<Need>,
}

/// How the one rule of a table without rules is called in the log.
const EVERY_PATH: &str = "every path";

/// The rules of one path.
#[derive(Clone, Debug)]
struct Rules {
    path: String,
    /// What stands for the path and its twins.
    twin: String,
    by_method: Vec<(Method, Need)>,
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
    /// The action has no name, or one with other characters than a scope has; or an attribute has the
    /// name of a placeholder.
    #[error("the action of {0:?} is none")]
    Action(String),
    /// One method and path twice, or two placeholders in one place; paths that differ in case or by a
    /// slash at the end are one here.
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

    /// A table without a rule by which whoever can prove who they are may do everything: for a service
    /// that tells its callers apart by itself. There is nothing at `CONNECT` and `TRACE`, which say
    /// something to proxies and not to a service.
    ///
    /// ```
    /// use countersign_resource::routes::{Found, Need, Requirement, Routes};
    /// use countersign_resource::StrictPath;
    /// use http::Method;
    ///
    /// let (routes, anybody) = (Routes::identified_everywhere(), Need::Caller(Requirement::default()));
    /// assert_eq!(routes.find(&Method::PUT, &StrictPath::parse("/albums/7")?), Found::Need(&anybody));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn identified_everywhere() -> Self {
        let need = Need::Caller(Requirement::default());
        Self {
            tree: matchit::Router::new(),
            twins: Twins::default(),
            needs: vec![(EVERY_PATH.to_owned(), need.clone())],
            everywhere: Some(need),
        }
    }

    /// What a request needs. Both arguments are the caller's.
    #[must_use]
    pub fn find(&self, method: &Method, path: &StrictPath) -> Found<'_> {
        self.find_rule(method, path).0
    }

    /// The same, and the path of the rules that speak of the path, as it is written.
    pub(crate) fn find_rule(&self, method: &Method, path: &StrictPath) -> (Found<'_>, &str) {
        let Ok(matched) = self.tree.at(path.as_str()) else { return self.unnamed(method) };
        let Rules { path: rule, twin, by_method: rules } = matched.value;
        if !self.twins.are_of(twin, path.as_str()) {
            return (Found::Nothing, rule);
        }
        let of = |method: &Method| rules.iter().find(|(known, _)| known == method);
        let read = || (*method == Method::HEAD).then(|| of(&Method::GET)).flatten();
        match of(method).or_else(read) {
            Some((_, need)) => (Found::Need(need), rule),
            None => (Found::MethodNotAllowed(allowed(rules)), rule),
        }
    }

    /// What is needed where no rule speaks of the path.
    fn unnamed(&self, method: &Method) -> (Found<'_>, &str) {
        match &self.everywhere {
            Some(need) if !matches!(*method, Method::CONNECT | Method::TRACE) => {
                (Found::Need(need), EVERY_PATH)
            }
            _ => (Found::Nothing, ""),
        }
    }

    /// What a path has in the placeholders of its rule, by their names. The values are the caller's.
    #[must_use]
    pub fn placeholders(&self, path: &StrictPath) -> BTreeMap<String, String> {
        let matched = self.tree.at(path.as_str());
        let params = matched.iter().flat_map(|matched| matched.params.iter());
        params.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The name of every action that some rule asks the policy about.
    pub fn actions(&self) -> impl Iterator<Item = &str> {
        self.needs.iter().filter_map(|(_, need)| match need {
            Need::Caller(Requirement { action: Some(action), .. }) => Some(action.name.as_str()),
            _ => None,
        })
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
            let rules = Rules { path: path.clone(), twin: twin.clone(), by_method };
            tree.insert(&path, rules).map_err(refused)?;
            twins.insert(&twin).map_err(refused)?;
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
    fn without_a_rule_everything_needs_a_caller_or_nothing_is_there() {
        let anybody = Need::Caller(Requirement::default());
        let (everywhere, nowhere) =
            (Routes::identified_everywhere(), Routes::new().build().unwrap());
        for path in ["/", "/albums", "/ADMIN/", "/.well-known/x"] {
            let path = StrictPath::parse(path).unwrap();
            for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::DELETE] {
                assert_eq!(everywhere.find(&method, &path), Found::Need(&anybody), "{path:?}");
                assert_eq!(nowhere.find(&method, &path), Found::Nothing, "{path:?}");
            }
            for method in [Method::CONNECT, Method::TRACE] {
                assert_eq!(everywhere.find(&method, &path), Found::Nothing, "{path:?}");
            }
        }
        assert!(everywhere.scopes().is_empty());
        assert_eq!(everywhere.iter().map(|(_, need)| need).collect::<Vec<_>>(), [&anybody]);
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

    /// To services that overlook case or a slash at the end, these are the path of the narrow rule.
    #[test]
    fn h11_a_wide_rule_does_not_speak_of_the_twins_of_a_narrow_one() {
        let table = Routes::new()
            .open("GET /{*rest}")
            .require("GET /admin", "admin")
            .require("GET /Staff/", "staff")
            .require("GET /users/{id}/keys", "keys")
            .require("GET /vault/{*rest}", "vault")
            .open("GET /\u{c4}rger")
            .build()
            .unwrap();
        let found = |path: &str| {
            let path = StrictPath::parse(&StrictPath::encode(path)).unwrap();
            match table.find(&Method::GET, &path) {
                Found::Need(Need::Open) => "open".to_owned(),
                Found::Need(Need::Caller(requirement)) => requirement.scopes.to_string(),
                other => format!("{other:?}"),
            }
        };
        for (path, expected) in [
            ("/admin", "admin"),
            ("/Staff/", "staff"),
            ("/users/Bob/keys", "keys"),
            ("/vault/A/", "vault"),
            ("/\u{c4}rger", "open"),
            ("/other", "open"),
            ("/Other/", "open"),
            ("/users/7/", "open"),
            ("/vault", "open"),
        ] {
            assert_eq!(found(path), expected, "{path}");
        }
        for path in [
            "/admin/",
            "/ADMIN",
            "/Admin/",
            "/Staff",
            "/staff/",
            "/users/7/keys/",
            "/Users/7/keys",
            "/users/7/KEYS",
            "/VAULT/a",
            "/\u{e4}rger",
        ] {
            assert_eq!(found(path), "Nothing", "{path}");
        }
        let twice = Routes::new().open("GET /A/{id}").require("GET /a/{*rest}", "read").build();
        assert!(matches!(twice, Err(RoutesError::Twice(_))), "{twice:?}");
        let both = Routes::new().open("GET /docs").open("GET /docs/").open("POST /{a}/x");
        assert!(both.open("GET /{b}/y").build().is_ok());
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
    fn a_rule_may_ask_the_policy() {
        let read = Action::new("albums.read").with_attribute("kind", "album");
        let requirement = Requirement::default()
            .with_scopes(ScopeSet::parse("read").unwrap())
            .at("Albums")
            .by_policy(read);
        let routes = Routes::new()
            .need("GET /albums/{owner}/{*rest}", requirement.clone())
            .by_policy("GET /me", "me")
            .open("GET /health")
            .build()
            .unwrap();
        let path = StrictPath::parse("/albums/a%20b/c/d").unwrap();
        assert_eq!(routes.find(&Method::GET, &path), Found::Need(&Need::Caller(requirement)));
        let placeholders = routes.placeholders(&path).into_iter().collect::<Vec<_>>();
        let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(placeholders, [text("owner", "a b"), text("rest", "c/d")]);
        assert!(routes.placeholders(&StrictPath::parse("/other").unwrap()).is_empty());
        assert_eq!(routes.actions().collect::<Vec<_>>(), ["albums.read", "me"]);
        assert_eq!(routes.scopes().to_string(), "read");

        let long = "a".repeat(129);
        for name in ["", "a b", "a\"", "a\\", "\u{e4}", "a\n", &long] {
            let routes = Routes::new().by_policy("GET /a", name).build();
            assert!(matches!(routes, Err(RoutesError::Action(_))), "{name}");
        }
        for path in ["/{kind}", "/{*kind}"] {
            let action = Action::new("read").with_attribute("kind", "album");
            let requirement = Requirement::default().by_policy(action);
            let routes = Routes::new().need(&format!("GET {path}"), requirement).build();
            assert!(matches!(routes, Err(RoutesError::Action(_))), "{path}");
        }
    }

    #[test]
    fn the_scopes_of_all_rules() {
        assert_eq!(table().scopes().to_string(), "get read write");
        assert_eq!(table().iter().count(), 7);
    }
}
