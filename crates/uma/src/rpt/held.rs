//! What an RPT permits at a moment, and why: what its owner is shown.

use crate::permission::Permission;
use crate::person::Person;
use crate::policy::{Decision, PolicyRequest, Reason};
use crate::resource::{ResourceDescription, ResourceId};
use crate::rpt::{Current, Rpt};

/// A scope that an RPT permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The resource.
    pub resource_id: ResourceId,
    /// The scope.
    pub scope: String,
    /// Why, as policy says it now.
    pub why: Vec<Reason>,
    /// Whether it is the owner's own word: policy asks them, and they approved it.
    pub approved: bool,
}

impl Rpt {
    /// What it permits at this moment, each scope with what lets the person use it: what
    /// [`introspect`](Self::introspect) permits, but that the time of the RPT is for the caller to
    /// look at.
    ///
    /// An RPT does not keep what decided for it. Policy gives the same question the same answer, so
    /// it is asked once more; and where it is another policy by now, that is the one by which the
    /// RPT counts.
    #[must_use]
    pub fn held(&self, current: Current<'_>) -> Vec<Held> {
        if self.stands(current).is_none() {
            return Vec::new();
        }
        let person = self.heard(current);
        let mut held = Vec::new();
        for permission in &self.permissions {
            let Some(resource) = current.registered.get(&permission.resource_id) else { continue };
            let scopes = permission.resource_scopes.intersection(resource.resource_scopes());
            for scope in &scopes {
                let why = self.grounds(permission, resource, scope, person.as_ref(), current);
                let Some((why, approved)) = why else { continue };
                let (resource_id, scope) = (permission.resource_id.clone(), scope.clone());
                held.push(Held { resource_id, scope, why, approved });
            }
        }
        held
    }

    /// The person as policy looks at them now.
    pub(super) fn heard(&self, current: Current<'_>) -> Option<Person> {
        self.person.clone().map(|person| current.settings.issuers.heard(person))
    }

    /// Why the scope is permitted now, and whether that is the owner's word; `None` if it is not.
    pub(super) fn grounds(
        &self,
        permission: &Permission,
        resource: &ResourceDescription,
        scope: &str,
        person: Option<&Person>,
        current: Current<'_>,
    ) -> Option<(Vec<Reason>, bool)> {
        let ruling = current.policy.assess(&PolicyRequest {
            protection: &self.protection,
            resource_id: &permission.resource_id,
            resource,
            scope,
            person,
            client: &self.client,
            now: current.now,
        });
        match ruling.decision {
            Decision::Permit => Some((ruling.why, false)),
            Decision::AskOwner => {
                self.is_approved(permission, scope, current).then_some((ruling.why, true))
            }
            Decision::NeedClaims(_) | Decision::Deny => None,
        }
    }
}
