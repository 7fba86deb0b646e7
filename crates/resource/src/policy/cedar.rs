//! Access policies in Cedar.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_cedar::{PolicyFiles, Question};
use serde_json::{Map, Value, json};

use super::{AccessPolicy, AccessRequest, Verdict};
use crate::caller::VerifiedCaller;
use crate::routes::Routes;

/// What rules may speak of, but for the actions.
const TYPES: &str = include_str!("../../schemas/access.cedarschema");

/// The schema for the policy of a server with these routes: a rule that names an action which no
/// route asks about is refused, as is one that asks for what no caller has.
///
/// Principals are `Person` and `Client`, resources `Resource`, and the context has the actors, the
/// scopes, the method, the path and the time.
#[must_use]
pub fn schema(routes: &Routes) -> String {
    let actions = routes.actions().map(|name| format!("{name:?}")).collect::<BTreeSet<_>>();
    if actions.is_empty() {
        return TYPES.to_owned();
    }
    let actions = actions.into_iter().collect::<Vec<_>>().join(", ");
    let applies = "principal: [Person, Client], resource: [Resource], context: Circumstances";
    format!("{TYPES}\naction {actions} appliesTo {{ {applies} }};\n")
}

/// Decides by the rules of files, which are read again on demand.
///
/// An address (`email`, `domain`) is as good as the issuer that vouches for it. An identity token's
/// issuer is entitled to the domain; of an access token it is any issuer that is trusted here, so
/// that a rule that speaks of the address names the issuer, too, as the first one here does.
///
/// ```
/// # use std::sync::Arc;
/// use countersign_cedar::PolicyFiles;
/// use countersign_resource::policy::{CedarAccess, schema};
/// use countersign_resource::Routes;
///
/// let routes = Routes::new().by_policy("GET /albums/{owner}", "read").build()?;
/// # let directory = tempfile::tempdir()?;
/// # let file = directory.path().join("access.cedar");
/// std::fs::write(&file, r#"
///     @id("people read their own albums")
///     permit (principal is Person, action == Action::"read", resource)
///     when {
///         principal.issuer == "https://sts.bob.example" && principal has email &&
///         resource.hasTag("owner") && resource.getTag("owner") == principal.email
///     };
/// "#)?;
/// let rules = Arc::new(PolicyFiles::open(schema(&routes), [file])?);
/// let policy = Arc::new(CedarAccess::new(Arc::clone(&rules)));
/// // `ProtectLayer::with_policy(mode, routes, policy)`, and from time to time:
/// rules.refresh()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CedarAccess(Arc<PolicyFiles>);

impl CedarAccess {
    /// Rules that were opened with the [`schema`] of the routes.
    #[must_use]
    pub const fn new(rules: Arc<PolicyFiles>) -> Self {
        Self(rules)
    }
}

impl AccessPolicy for CedarAccess {
    fn assess(&self, request: &AccessRequest<'_>) -> Verdict {
        let Some(asked) = Asked::of(request) else {
            tracing::error!(
                path = request.path.as_str(),
                "no decision: groups or roles are no texts"
            );
            return Verdict::default();
        };
        let decision = self.0.decide(&asked.question(request));
        for error in &decision.errors {
            tracing::error!(path = request.path.as_str(), error, "no decision");
        }
        Verdict { permitted: decision.permitted, rules: decision.rules }
    }
}

/// A question whose parts have their names.
struct Asked {
    kind: &'static str,
    id: String,
    attributes: Value,
}

impl Asked {
    /// `None` if a claim that rules may speak of cannot be read: a rule that forbids by it would be
    /// silent.
    fn of(request: &AccessRequest<'_>) -> Option<Self> {
        let caller = request.caller;
        let mut attributes = Map::new();
        attributes.insert("issuer".to_owned(), json!(caller.issuer()));
        for name in ["groups", "roles"] {
            attributes.insert(name.to_owned(), json!(texts(caller, name)?));
        }
        let (kind, own) = if caller.is_client() {
            attributes.extend(caller.client_id().map(|id| ("client_id".to_owned(), json!(id))));
            ("Client", caller.client_id())
        } else {
            attributes.extend(caller.subject().map(|id| ("subject".to_owned(), json!(id))));
            if let Some(email) = caller.email() {
                attributes.insert("email".to_owned(), json!(email));
                attributes.insert("domain".to_owned(), json!(email.domain()));
            }
            ("Person", caller.subject())
        };
        // An issuer has no fragment, so that the first "#" ends it.
        let id = format!("{}#{}", caller.issuer(), own.unwrap_or_default());
        Some(Self { kind, id, attributes: attributes.into() })
    }

    fn question<'a>(&'a self, request: &AccessRequest<'a>) -> Question<'a> {
        let path = request.path.as_str();
        let named = request.resource.map(|name| ("name".to_owned(), json!(name)));
        let entities = json!([
            {
                "uid": { "type": self.kind, "id": self.id },
                "attrs": self.attributes, "parents": [],
            },
            {
                "uid": { "type": "Resource", "id": path },
                "attrs": named.into_iter().collect::<Map<_, _>>(), "parents": [],
                "tags": request.attributes,
            },
        ]);
        Question {
            principal: (self.kind, &self.id),
            action: request.action,
            resource: ("Resource", path),
            context: context(request),
            entities,
        }
    }
}

fn context(request: &AccessRequest<'_>) -> Value {
    let caller = request.caller;
    let (actor, prior, depth) = match caller.actors() {
        Some(act) => (Some(act.current().sub.as_str()), act.prior(), act.depth()),
        None => (None, &[][..], 0),
    };
    let chain = prior.iter().map(|actor| actor.sub.as_str()).collect::<Vec<_>>();
    let scope = caller.scopes().iter().map(|scope| scope.as_str()).collect::<Vec<_>>();
    let time = json!({ "__extn": { "fn": "datetime", "arg": request.now.to_string() } });
    let members = [
        ("client", caller.client_id().map(|id| json!(id))),
        ("actor", actor.map(|actor| json!(actor))),
        ("chain", Some(json!(chain))),
        ("depth", Some(json!(depth))),
        ("scope", Some(json!(scope))),
        ("method", Some(json!(request.method.as_str()))),
        ("path", Some(json!(request.path.as_str()))),
        ("time", Some(time)),
    ];
    members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect::<Map<_, _>>()
        .into()
}

/// A claim that is a list of texts, [RFC 9068 §2.2.3.1]; empty if it is not there.
///
/// [RFC 9068 §2.2.3.1]: https://www.rfc-editor.org/rfc/rfc9068#section-2.2.3.1
fn texts<'a>(caller: &'a VerifiedCaller, name: &str) -> Option<Vec<&'a str>> {
    match caller.claims().get(name) {
        Some(claim) => claim.as_array()?.iter().map(Value::as_str).collect(),
        None => Some(Vec::new()),
    }
}

#[cfg(test)]
mod tests;
