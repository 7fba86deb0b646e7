//! An owner ends what was issued to a person, whether they were ever asked about them or not.

use countersign_types::{ClientId, Timestamp};

use super::{Case, Event, Happened};
use crate::permission::Permission;
use crate::person::Person;

impl Case {
    /// The case once the owner ended something that this person had, through this client, or all
    /// that they had. A person whom the owner was never asked about has a case from then on, in
    /// which nothing is asked.
    #[must_use]
    pub fn ended(
        found: Option<Self>,
        person: &Person,
        through: Option<(ClientId, bool)>,
        permissions: Vec<Permission>,
        by: &str,
        now: Timestamp,
    ) -> Self {
        let mut case = found.unwrap_or_else(|| Self {
            person: person.clone(),
            revision: 0,
            entries: Vec::new(),
            history: Vec::new(),
            waiting: Vec::new(),
        });
        let what = if through.is_some() { Happened::Ended } else { Happened::Revoked };
        let (by, why) = (Some(by.to_owned()), Vec::new());
        case.note(Event { at: now, what, by, through, permissions, why, claims: None });
        case
    }
}
