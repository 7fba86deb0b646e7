//! Which request needs what: method and path, and nothing is served that is not named.

mod builder;
mod need;
mod twins;

use std::collections::BTreeMap;

use countersign_types::ScopeSet;
use http::Method;

pub use self::builder::{RoutesBuilder, RoutesError};
pub use self::need::{Action, Need, Requirement};
use self::twins::Twins;
use crate::path::StrictPath;

/// A table from method and path to what is needed there. What it does not name is 404, or 405 where
/// the path is named for another method.
///
/// A rule is a method and a path: `GET /albums/{id}`. `{id}` stands for one segment, `{*rest}` at
/// the end for one or more; a path written out comes before one with a placeholder. `GET` stands
/// for `HEAD`, too ([RFC 9110 §9.3.2]). Paths are compared decoded, in the one spelling that
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

    /// A table without a rule by which whoever can prove who they are may do everything: for a
    /// service that tells its callers apart by itself. There is nothing at `CONNECT` and `TRACE`,
    /// which say something to proxies and not to a service.
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

    /// What a path has in the placeholders of its rule, by their names. The values are the
    /// caller's.
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

#[cfg(test)]
mod tests;
