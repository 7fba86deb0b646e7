//! Rules decide what an owner was asked, before the owner does.

use std::collections::BTreeSet;

use countersign_types::{ClientId, Timestamp};

use super::{Case, Event, Happened, add};
use crate::policy::Reason;
use crate::rpt::Held;

impl Case {
    /// The case once rules let the person in to this by themselves, through this client: what was
    /// asked of it and is not answered is no question any more. What the owner approved stays their
    /// word, and what they denied as well. `None` if nothing of it waits.
    #[must_use]
    pub fn let_in(
        found: Option<Self>,
        (client, present): (&ClientId, bool),
        held: &[Held],
        now: Timestamp,
    ) -> Option<Self> {
        let mut case = found?;
        case.entries.retain(|entry| entry.is_live(now));
        let (mut permissions, mut why) = (Vec::new(), BTreeSet::new());
        for Held { resource_id, scope, why: reasons, .. } in held.iter().filter(|it| !it.approved) {
            let before = case.entries.len();
            case.entries.retain(|entry| {
                !(entry.standing.is_open() && entry.is_of(client, present, resource_id, scope))
            });
            if case.entries.len() < before {
                add(&mut permissions, resource_id, scope);
                why.extend(reasons.iter().map(Reason::named));
            }
        }
        if permissions.is_empty() {
            return None;
        }
        case.note(Event {
            at: now,
            what: Happened::Ruled,
            by: None,
            through: Some((client.clone(), present)),
            permissions,
            why: why.into_iter().collect(),
            claims: None,
        });
        Some(case)
    }
}
