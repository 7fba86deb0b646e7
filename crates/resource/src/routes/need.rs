//! What a rule asks of callers.

use std::collections::BTreeMap;

use countersign_types::ScopeSet;

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
    /// What is known of the resource. What the path has in a placeholder is known beside it, under
    /// the placeholder's name.
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
